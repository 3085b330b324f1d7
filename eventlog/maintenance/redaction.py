"""What a redacted line looks like: what is in it goes, what it is and where it stands remain. No I/O.

By seq, everything in the event that says something is replaced; what tells how it belongs to others (role, ids of messages and calls,
the parent session) stays, so that views still hold together. By pattern, matches are replaced in every string of the line and
nothing else is touched: not the time and the type, not the names of fields. A match that is spread over the deltas of a message is
one too (`streamed`).

A source record that changes leaves its fingerprint in ``origin.redacted``, so that importing the same file again does not bring it back.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Collection
from hashlib import blake2b
from typing import Any

import msgspec

from .. import events as vocabulary
from .. import line as lines
from .. import registry
from ..algebra.ranges import Ranges
from ..errors import InvalidInput
from ..line import TAIL_SIZE, Envelope, seq_of
from ..stored import envelope
from ..timestamps import to_text
from .streamed import StreamedMatches

REDACTED = "[redacted]"
REASON = "redaction"

_MOST_GROWTH = 4096  # bytes; a string that would grow by more is replaced whole
_SHORTEST_NUMBER = 4  # a shorter one gives nothing away; it may be a version
_DATA = b',"data":'
_ORIGIN = b',"origin":'
# A string, with the colon that makes it a name, or a number. In JSON, a quote outside of strings always begins one.
_TOKEN = re.compile(rb'"((?:[^"\\]|\\.)*)"(\s*:)?|-?[0-9][0-9.eE+-]*')


_object = msgspec.json.Decoder(dict[str, msgspec.Raw])


class Pattern:
    """Replaces the matches of a pattern: an `eventlog.backend.Redaction`."""

    what = "matches of a pattern"
    reason = REASON

    def __init__(self, pattern: str | re.Pattern[str], names: Collection[str] | None = None) -> None:
        """``names``: the names of fields that are left as they are (default: those of the format and of all event types that this program
        knows). Raises `InvalidInput` for a pattern that is none, or that matches nothing at all and so would be everywhere."""
        try:
            self.pattern = re.compile(pattern)
        except (re.error, RecursionError, OverflowError) as error:
            raise InvalidInput(f"the pattern is not a regular expression: {error}; quote what is meant literally") from error
        if self.pattern.search(""):
            raise InvalidInput("the pattern matches the empty text, which is everywhere; give one that matches what is to go")
        self.names = _field_names() if names is None else names
        self._streamed = StreamedMatches(self.pattern, REDACTED)

    def observe(self, chunk: bytes) -> None:
        """Take in lines of the session, in order, before any of them is changed: what is streamed is found across lines."""
        self._streamed.observe(chunk)

    def found_across(self) -> list[int]:
        """The seqs of the deltas that hold a part of a match, in what was observed since this was asked before."""
        return self._streamed.found()

    def without(self, found: Collection[int]) -> list[int]:
        """No event is asked for by its seq."""
        return []

    def found_in(self, text: str) -> bool:
        return self.pattern.search(text) is not None

    def touches(self, chunk: bytes) -> bool:
        return True

    def apply(self, line: bytes) -> bytes:
        payload = line[:-TAIL_SIZE]
        start = payload.find(_DATA) + len(_DATA)
        if start < len(_DATA):
            start = payload.find(b",")  # a line without data: all but its seq
        rest = payload[start:]
        content = self._streamed.content_of(seq_of(line))
        changed = _TOKEN.sub(self._replace, rest if content is None else _with_content(line, rest, content))
        if changed == rest:
            return payload
        if _ORIGIN in rest:
            changed = _with_fingerprint(line, changed)
        return payload[:start] + changed

    def matches(self, line: bytes) -> bool:
        """Whether `apply` changes the line."""
        return self.apply(line) != line[:-TAIL_SIZE]

    def found_in_bytes(self, data: bytes) -> bool:
        """Whether it may be in bytes that are not whole lines (a torn tail, damage): read as text, and as the strings in it."""
        text = data.decode(errors="replace")
        return self.found_in(text) or any(self.found_in(_text(match[1])) for match in re.finditer(rb'"((?:[^"\\]|\\.)*)', data))

    def _replace(self, token: re.Match[bytes]) -> bytes:
        if token[1] is None:
            is_meant = len(token[0]) >= _SHORTEST_NUMBER and self.pattern.fullmatch(token[0].decode())
            return b"0" if is_meant else token[0]
        text = _text(token[1])
        if token[2] is not None and text in self.names:
            return token[0]
        replaced, count = self.pattern.subn(lambda match: REDACTED if match[0] else "", text)
        if not count or replaced == text:
            return token[0]
        written = msgspec.json.encode(replaced)
        if len(written) > len(token[0]) + _MOST_GROWTH:
            written = msgspec.json.encode(REDACTED)
        return written + (token[2] or b"")


class Seqs:
    """Empties the events with these seqs: an `eventlog.backend.Redaction`."""

    what = "whole events"
    reason = REASON

    def __init__(self, seqs: Collection[int]) -> None:
        """Raises `InvalidInput` where there is none."""
        if not seqs or min(seqs) < 1:
            raise InvalidInput("give the seq of the event that is to be redacted, from 1")
        self.seqs = Ranges((seq, seq) for seq in seqs)

    def without(self, found: Collection[int]) -> list[int]:
        """Those that are not among the found ones."""
        return [seq for first, last in self.seqs.without(Ranges((seq, seq) for seq in found)) for seq in range(first, last + 1)]

    def touches(self, chunk: bytes) -> bool:
        return self.seqs.meets(seq_of(chunk), seq_of(chunk, chunk.rfind(b"\n", 0, -1) + 1))

    def apply(self, line: bytes) -> bytes:
        return _emptied(line) if self.matches(line) else line[:-TAIL_SIZE]

    def matches(self, line: bytes) -> bool:
        return seq_of(line) in self.seqs

    def observe(self, chunk: bytes) -> None:
        """Each event is meant by itself."""

    def found_across(self) -> list[int]:
        return []

    def found_in(self, text: str) -> bool:
        return False

    def found_in_bytes(self, data: bytes) -> bool:
        return False


def _with_content(line: bytes, rest: bytes, content: str) -> bytes:
    """The rest of a delta's line, from its data on, with other content."""
    data = bytes(envelope(line).data)
    fields = _object.decode(data)
    fields["content"] = msgspec.Raw(msgspec.json.encode(content))
    return msgspec.json.encode(fields) + rest[len(data) :]


def _text(inside: bytes) -> str:
    """The text of a JSON string, given what stands between its quotes."""
    if b"\\" not in inside:
        return inside.decode(errors="replace")
    try:
        return msgspec.json.decode(b'"' + inside + b'"', type=str)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return inside.decode(errors="replace")  # half a surrogate pair, or cut off


def _field_names() -> frozenset[str]:
    """Names of fields of the format and of all known event types. A pattern that happens to match one does not mean it."""
    names = {"v", "id", "origin", "more", "record", "format", "bytes", "redacted", "same", "sha256", "content", "$same"}
    waiting: list[Any] = list(registry.known_types().values())
    seen: set[Any] = set()
    while waiting:
        info = msgspec.inspect.type_info(waiting.pop())
        for part in _parts_of(info):
            if isinstance(part, msgspec.inspect.StructType) and part.cls not in seen:
                seen.add(part.cls)
                names.update(field.encode_name for field in part.fields)
                waiting += [
                    each.cls for field in part.fields for each in _parts_of(field.type) if isinstance(each, msgspec.inspect.StructType)
                ]
    return frozenset(names)


def _parts_of(info: Any) -> list[Any]:
    """A type and the types that it is put together of, but for the fields of structs."""
    if isinstance(info, msgspec.inspect.UnionType):
        return [part for each in info.types for part in _parts_of(each)]
    if isinstance(info, msgspec.inspect.ListType | msgspec.inspect.VarTupleType):
        return _parts_of(info.item_type)
    return [info]


# --- source records ------------------------------------------------------------------------------------------------------------


def _with_fingerprint(line: bytes, rest: bytes) -> bytes:
    """The changed rest of the line, whose origin says which record it once held, where that changed."""
    before = envelope(line).origin
    after = envelope(b'{"seq":1' + _DATA + rest + b"}").origin
    if not bytes(before):
        return rest
    try:
        old, new = _object.decode(before), _object.decode(after)
    except msgspec.DecodeError:
        return rest
    if "record" not in old or ("record" in new and bytes(old["record"]) == bytes(new["record"])):
        return rest
    new.pop("bytes", None)  # the same once more, in base64
    new.setdefault("redacted", msgspec.Raw(msgspec.json.encode(_fingerprint(old))))
    begin = rest.rindex(_ORIGIN + bytes(after)) + len(_ORIGIN)
    return rest[:begin] + msgspec.json.encode(new) + rest[begin + len(bytes(after)) :]


def _fingerprint(origin: dict[str, msgspec.Raw]) -> str:
    """The identity of a record's content, as importers know it: BLAKE2b over its text, where that does not name what it leaves out."""
    if "content" in origin:
        return msgspec.json.decode(origin["content"], type=str)
    record = bytes(origin["record"])
    if "bytes" in origin:
        record = base64.b64decode(msgspec.json.decode(origin["bytes"], type=str))
    elif record[:1] == b'"':
        record = msgspec.json.decode(record, type=str).encode()
    return blake2b(record, digest_size=16).hexdigest()


# --- a whole event -------------------------------------------------------------------------------------------------------------

# Of the vocabulary's events, what says how they belong to others, and what kind of thing they are.
_KEPT = frozenset({"role", "kind", "status", "message_id", "call_id", "reply_to", "parent", "seqs", "left_out", "first_kept_seq"})
_KEPT_IN_PARTS = frozenset({"type", "id"})
_KEPT_IN_ORIGIN = frozenset({"format", "session_id", "seq", "redacted", "content"})


def _emptied(line: bytes) -> bytes:
    found = envelope(line)
    known = registry.known_types().get(found.type)
    data = registry.decode_or_keep(found.data) if bytes(found.data) else {}
    ours = known is not None and known.__module__ == vocabulary.__name__
    made = Envelope(found.seq, to_text(found.time), found.type, _emptied_data(data, ours=ours), found.v, found.id, more=found.more)
    if bytes(found.origin):
        made.origin = _emptied_origin(found.origin)
    return lines.encode(made, 0)[0][:-TAIL_SIZE]


def _emptied_data(data: Any, *, ours: bool) -> Any:
    if not isinstance(data, dict):
        return {}  # of no shape that is known
    emptied: dict[str, Any] = {}
    for name, value in data.items():
        if ours and name in _KEPT:
            emptied[name] = value
        elif ours and name == "content" and isinstance(value, list):
            emptied[name] = [_emptied_part(part) for part in value]
        elif not (ours and isinstance(value, dict)):  # every mapping in the vocabulary has a default
            emptied[name] = _blank(value)
    return emptied


def _emptied_part(part: Any) -> Any:
    if not isinstance(part, dict):
        return _blank(part)
    emptied = {name: value if name in _KEPT_IN_PARTS else _blank(value) for name, value in part.items()}
    if part.get("type") == "blob" and "content" in part:
        emptied["content"] = ""  # which is base64, of nothing
    return emptied


def _emptied_origin(origin: msgspec.Raw) -> Any:
    try:
        fields = _object.decode(origin)
    except msgspec.DecodeError:
        return _blank(msgspec.json.decode(origin))
    emptied: dict[str, Any] = {}
    for name, value in fields.items():
        if name in _KEPT_IN_ORIGIN:
            emptied[name] = value
        elif name == "origin":
            emptied[name] = _emptied_origin(value)
        elif name != "bytes":
            emptied[name] = _blank(msgspec.json.decode(value))
    if "record" in fields:
        emptied["record"] = REDACTED
        emptied.setdefault("redacted", _fingerprint(fields))
    return emptied


def _blank(value: Any) -> Any:
    """The least value of the same kind."""
    if isinstance(value, str):
        return REDACTED
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, int | float):
        return 0
    return {} if isinstance(value, dict) else []
