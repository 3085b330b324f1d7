"""The projection ``search``: what can be found, event by event, by full text.

Each text of an event (a message's text or reasoning, a tool's arguments or output, the session's title, ...) is a row of the table
``passage`` that says where it stands; the words are in the full-text index beside it, and the text itself stays in the log.

Texts are prepared so that SQLite's tokenizer finds what people look for: characters of scripts that are written without spaces
(and Hangul, whose words carry endings) and emoji are words of their own, and the parts of identifiers written in camel case are
indexed besides the whole; so are words like ``C++`` and ``C#`` with their signs. A query is prepared alike (`search_query`).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator
from hashlib import blake2b
from typing import Any, Final, NamedTuple
from zlib import crc32

import msgspec
from msgspec import UNSET

from eventlog import StoredEvent
from eventlog import events as e
from eventlog.algebra.ranges import Ranges
from eventlog.copies import as_meant
from eventlog.history import can_be_taken_back, named, not_yet

from ..projection import State, Table
from .moments import microseconds_of
from .texts import ADDED, AMENDED, RETRACTED, Entry, Said, note_texts, said_of, show, texts_within

_NO_SPACES: Final = re.compile(
    "["
    "\u0e00-\u0eff"  # Thai, Lao
    "\u1000-\u109f\u1100-\u11ff\u1780-\u17ff"  # Burmese, Hangul letters, Khmer
    "\u2190-\u2bff"  # arrows, symbols
    "\u2e80-\u2fdf\u3040-\u30ff\u3100-\u31bf\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff"  # Han, kana, Bopomofo
    "\ua960-\ua97f\uac00-\ud7ff\uf900-\ufaff\uff66-\uffdc"  # Hangul, Han, half-width forms
    "\U0001f000-\U0001faff\U00020000-\U0003ffff"  # emoji, Han
    "]"
)
_IDENTIFIER = re.compile(r"[^\W_]+")
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_SIGNED = re.compile(r"(?<![^\W_])([^\W_]{1,16})(\+\+|#)(?![^\W_]|[+#])")
_SIGNS = str.maketrans({"+": "\ue02b", "#": "\ue023"})  # private characters, which the tokenizer takes for letters
_ENDLESS = re.compile(r"[A-Za-z0-9+/=_-]{300,}")
_NAME_SIZE = 16  # characters: the pieces of names and paths are shorter on average, those of encoded bytes longer
MOST_INDEXED: Final = 1 << 20  # characters of one text


class Passage(NamedTuple):
    """One text of an event. ``part`` is the index of the message's part, 0 where there are none."""

    part: int
    kind: str
    text: str


class Piece(msgspec.Struct, array_like=True):
    seq: int
    kind: str
    text: str


class Partial(msgspec.Struct):
    """The deltas of a message so far, from the first that was not taken back; ``moment`` is its time."""

    moment: int
    role: str
    pieces: list[Piece] = []
    size: int = 0

    @property
    def seq(self) -> int:
        return self.pieces[0].seq

    @property
    def text(self) -> str:
        found = ""
        for index, piece in enumerate(self.pieces):
            found += piece.text if index == 0 or piece.kind == self.pieces[index - 1].kind else f"\n{piece.text}"
        return found

    def grow(self, seq: int, delta: e.MessageDelta) -> bool:
        """Add a delta, or return False where there is enough of it."""
        if self.size >= _PARTIAL_SIZE:
            return False
        self.pieces.append(Piece(seq, delta.kind, delta.content))
        self.size += len(delta.content)
        return True


class Kept(msgspec.Struct, omit_defaults=True):
    """``cover``: which of the session's own texts there are. ``partial``: the deltas of messages that are not complete, by message id,
    from their first seq; a few, and not all of a long one. ``cleared_until``: up to there everything is gone that can be."""

    cover: list[str] = []
    partial: dict[str, Partial] = {}
    cleared_until: int = 0


class Search:
    name = "search"
    version = 4
    tables = (
        Table(
            name="passage",
            columns={
                "seq": "INTEGER NOT NULL",
                "part": "INTEGER NOT NULL",
                "kind": "TEXT NOT NULL",
                "role": "TEXT",
                "message_id": "TEXT",
                "moment": "INTEGER NOT NULL",
                "digest": "INTEGER NOT NULL",
                "live": "INTEGER NOT NULL",
                "text": "TEXT",
                "names": "TEXT",
            },
            key=("seq", "part"),
            words=("text", "names"),
        ),
    )

    def initial(self) -> State[Kept]:
        return State(Kept())

    def fold(self, state: State[Kept], stored: StoredEvent) -> State[Kept]:
        stored = as_meant(stored)
        handler = _HANDLERS.get(type(stored.event))
        if handler is not None:
            handler(state, stored)
        return state

    def settle(self, state: State[Kept]) -> None:
        for message_id, partial in state.kept.partial.items():
            _put_partial(state, message_id, partial)


_COVER = ("title", "description", "purpose")
_MOST_PARTIAL = 8
_PARTIAL_SIZE = 1 << 16


def passages(event: Any) -> Iterator[Passage]:
    """The texts of an event that can be found."""
    kind = type(event)
    if kind in (e.MessageAdded, e.MessageAmended):
        if isinstance(event.content, str):
            yield Passage(0, "text", event.content)
        elif event.content is not UNSET:
            yield from _of_parts(event.content)
    elif kind is e.ToolCalled:
        yield Passage(0, "arguments", f"{event.name}\n{flatten(event.arguments)}")
    elif kind is e.ToolReturned:
        yield Passage(0, "output", flatten(event.display if event.output is None else event.output))
    elif kind in (e.SessionStarted, e.SessionUpdated):
        for part, name in enumerate(_COVER):
            text = getattr(event, name)
            if isinstance(text, str):
                yield Passage(part, name, text)
    elif kind is e.ErrorLogged:
        yield Passage(0, "error", event.message)
    elif kind is e.ContextCompacted and event.summary is not None:
        yield Passage(0, "summary", event.summary)


def _of_parts(parts: list[e.Part]) -> Iterator[Passage]:
    for index, part in enumerate(parts):
        if part.type == "tool_call":
            name = "" if part.name is UNSET else part.name
            yield Passage(index, "arguments", f"{name}\n{flatten(part.arguments)}")
        elif part.type == "tool_call_response":
            yield Passage(index, "output", flatten(part.response))
        elif part.type != "blob" and isinstance(part.content, str):
            yield Passage(index, "reasoning" if part.type == "reasoning" else "text", part.content)


def flatten(value: Any) -> str:
    """All texts and numbers of a JSON value, names included, in their order; at any depth that can be decoded."""
    if isinstance(value, str):
        return value
    found: list[str] = []
    waiting = [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, dict):
            for name, inner in reversed(item.items()):
                waiting += (inner, name)
        elif isinstance(item, list):
            waiting += reversed(item)
        elif item is not None and item is not UNSET and not isinstance(item, bool):
            found.append(str(item))
    return "\n".join(found)


def spaced(text: str) -> str:
    """The text with what is a word of its own set apart, and one way to write each character (full width, composed accents)."""
    return text if text.isascii() else _NO_SPACES.sub(r" \g<0> ", unicodedata.normalize("NFKC", text))


def condensed(text: str) -> str:
    """The text with encoded bytes (of pictures, of keys) as one word each, that of these bytes: nobody looks for a part of them."""
    return text if len(text) < 300 else _ENDLESS.sub(_as_one_word, text)


def _as_one_word(found: re.Match[str]) -> str:
    run = found[0]
    if len(run) < _NAME_SIZE * len(_IDENTIFIER.findall(run)):
        return run
    return f" encoded{blake2b(run.lower().encode(), digest_size=8).hexdigest()} "


def humps(word: str) -> list[str]:
    """The parts of an identifier in camel case, a single one for any other word.

    >>> humps("getHTTPResponseCode")
    ['get', 'HTTP', 'Response', 'Code']
    """
    return _HUMP.sub(" ", word).split(" ")


def signed_words(text: str) -> list[str]:
    """The words that end in ``++`` or ``#``, as they are indexed besides the bare ones.

    >>> signed_words("C++ and c#, but not a+b, x+++ or #1") == ["C\\ue02b\\ue02b", "c\\ue023"]
    True
    """
    if "++" not in text and "#" not in text:
        return []
    return [word + signs.translate(_SIGNS) for word, signs in dict.fromkeys(_SIGNED.findall(text))]


def names_in(text: str) -> str:
    """The parts of all identifiers in camel case, each identifier once; and the words that end in signs."""
    found = signed_words(text)
    for word in dict.fromkeys(_IDENTIFIER.findall(text)):
        if not (word.islower() or word.isupper() or word.istitle() or word.isdigit()):
            parts = humps(word)
            if len(parts) > 1:
                found.append(" ".join(parts))
    return "\n".join(found)


def _put(
    state: State[Kept],
    seq: int,
    passage: Passage,
    moment: int,
    role: str | None = None,
    message_id: str | None = None,
    *,
    live: bool = True,
) -> None:
    text = condensed(passage.text[:MOST_INDEXED])
    text, names = spaced(text), names_in(text)
    row = {
        "seq": seq,
        "part": passage.part,
        "kind": passage.kind,
        "role": role,
        "message_id": message_id,
        "moment": moment,
        "digest": crc32(f"{text}\n{names}".encode()),
        "live": int(live),
        "text": text,
        "names": names,
    }
    state.rows.put("passage", (seq, passage.part), row)


def _put_all(state: State[Kept], stored: StoredEvent) -> None:
    moment = microseconds_of(stored.time)
    parts = []
    for passage in passages(stored.event):
        if passage.text:
            _put(state, stored.seq, passage, moment)
            parts.append(passage.part)
    if parts and can_be_taken_back(stored.type):
        note_texts(state.memory, stored.seq, None, parts)


def _cover(state: State[Kept], stored: StoredEvent) -> None:
    """A first ``session.started`` says it all, a later one fills what is still empty; an update replaces, None removes."""
    event, kept = stored.event, state.kept
    begins = isinstance(event, e.SessionStarted)
    moment = microseconds_of(stored.time)
    for part, name in enumerate(_COVER):
        text = getattr(event, name)
        if text is UNSET or (begins and (text is None or name in kept.cover)):
            continue
        if name in kept.cover:
            kept.cover.remove(name)
            state.rows.drop("passage", {"kind": name})
        if text is not None:
            kept.cover.append(name)
            _put(state, stored.seq, Passage(part, name, text), moment)


def _message(state: State[Kept], stored: StoredEvent) -> None:
    """Texts that were replaced or retracted stay in the index and are not live: what is taken back may bring them back."""
    event: e.MessageAdded | e.MessageAmended | e.MessageRetracted = stored.event
    message_id = event.message_id
    says = ADDED if isinstance(event, e.MessageAdded) else RETRACTED if isinstance(event, e.MessageRetracted) else AMENDED
    if message_id is None:
        _put_all_of_message(state, stored, None, live=True)
        return
    said = said_of(state.memory, message_id)
    if (says != ADDED and not said.entries) or (isinstance(event, e.MessageAmended) and event.content is UNSET):
        return
    before = said.live()
    parts = [passage.part for passage in passages(event) if passage.text]
    said.entries.append(Entry(stored.seq, stored.seq, says, parts))
    live = said.live()
    if says != RETRACTED:
        _put_all_of_message(state, stored, message_id, live=not parts or (stored.seq, parts[0]) in live)
    note_texts(state.memory, stored.seq, message_id, parts)
    show(state.rows, before, live, but=stored.seq)
    _end_partial(state, message_id, said)


def _put_all_of_message(state: State[Kept], stored: StoredEvent, message_id: str | None, *, live: bool) -> None:
    moment, role = microseconds_of(stored.time), getattr(stored.event, "role", None)
    parts = []
    for passage in passages(stored.event):
        if passage.text:
            _put(state, stored.seq, passage, moment, role, message_id, live=live)
            parts.append(passage.part)
    if message_id is None and parts:
        note_texts(state.memory, stored.seq, None, parts)


def _delta(state: State[Kept], stored: StoredEvent) -> None:
    event: e.MessageDelta = stored.event
    message_id = event.message_id
    said = said_of(state.memory, message_id)
    note_texts(state.memory, stored.seq, message_id, [])
    is_first = not said.entries
    said.streamed(stored.seq)
    waiting = state.kept.partial
    if is_first:
        waiting[message_id] = Partial(microseconds_of(stored.time), event.role)
    partial = waiting.get(message_id)
    if partial is None:
        return  # it is whole, retracted, amended, or too many began after it
    partial.grow(stored.seq, event)
    if len(waiting) > _MOST_PARTIAL:
        oldest = next(iter(waiting))
        _put_partial(state, oldest, waiting[oldest])
        said_of(state.memory, oldest).left_at = waiting.pop(oldest).seq


def _put_partial(state: State[Kept], message_id: str, partial: Partial) -> None:
    _put(state, partial.seq, Passage(0, "partial", partial.text), partial.moment, partial.role, message_id)


def _end_partial(state: State[Kept], message_id: str, said: Said) -> None:
    """The text of the deltas is no longer the message's."""
    partial = state.kept.partial.pop(message_id, None)
    seq = said.left_at if partial is None else partial.seq
    said.left_at = 0
    if seq:
        state.rows.remove("passage", (seq, 0), {"seq": seq, "part": 0})


def _taken_back(state: State[Kept], stored: StoredEvent) -> None:
    """What was taken back is not found. The deltas of a message that is whole are no text of their own any more, also where what made it
    whole is taken back."""
    kept = state.kept
    fresh, kept.cleared_until = not_yet(named(stored), kept.cleared_until)
    touched: dict[str, None] = {}
    for seq, message_id, parts in texts_within(state.memory, fresh):
        if message_id is not None:
            touched[message_id] = None
        for part in parts:
            state.rows.change("passage", (seq, part), {"live": 0})
    for message_id in touched:
        said = said_of(state.memory, message_id)
        before = said.live()
        pieces = said.without(fresh)
        show(state.rows, before, said.live())
        if pieces:
            _shorten_partial(state, message_id, said, fresh)


def _shorten_partial(state: State[Kept], message_id: str, said: Said, ranges: Ranges) -> None:
    """Some deltas are gone: the text is that of the others, where it is still held."""
    partial = state.kept.partial.get(message_id)
    _end_partial(state, message_id, said)
    if partial is not None:
        partial.pieces = [piece for piece in partial.pieces if piece.seq not in ranges]
        partial.size = sum(len(piece.text) for piece in partial.pieces)
        if partial.pieces:
            state.kept.partial[message_id] = partial


_HANDLERS: Final[dict[type, Callable[[State[Kept], StoredEvent], None]]] = {
    e.SessionStarted: _cover,
    e.SessionUpdated: _cover,
    e.MessageAdded: _message,
    e.MessageDelta: _delta,
    e.MessageAmended: _message,
    e.MessageRetracted: _message,
    e.ToolCalled: _put_all,
    e.ToolReturned: _put_all,
    e.ErrorLogged: _put_all,
    e.ContextCompacted: _put_all,
    e.HistoryRetracted: _taken_back,
    e.HistoryCleared: _taken_back,
}
