"""Asking the projection ``search``: the syntax of queries, ranking, filters, snippets.

A query is words that must all be there; ``"a phrase"``; ``a prefix*``; ``-without``; ``this OR that``. Anything else that is
written between them only separates words. Hits are ranked by BM25, the title counts most.
"""

from __future__ import annotations

import re
import sqlite3
import unicodedata
from collections.abc import Sequence
from datetime import datetime
from itertools import islice
from typing import Any, Final

import msgspec

from eventlog import EventLog
from eventlog.errors import InvalidInput
from eventlog.events import MessageDelta
from eventlog.meaning.history import TYPES, taken_back

from .listing import Filter
from .moments import moment_of
from .page import Page, check_limit, from_cursor, to_cursor
from .search import Partial, Passage, condensed, humps, passages, signed_words, spaced
from .tool_history import read_some

MOST_TERMS: Final = 64
SNIPPET_SIZE: Final = 160
_ORDER = "search"
_TERM = re.compile(r'(-(?!-))?(?:"([^"]*)(?:"|$)(\*?)|([^\s"]+))')
_WORD = re.compile(r"[^\W_]+(?:(?:\+\+|#)(?![^\W_]|[+#]))?")


class InvalidQuery(InvalidInput):
    """There is nothing in the query that can be looked for."""


class SearchItem(msgspec.Struct, frozen=True, kw_only=True):
    """One hit: an event (``seq``) of a session. ``snippet`` is the text around the hit, with the hit between ``**``.

    ``kind`` says what was hit: text, reasoning, arguments, output, title, description, purpose, error, summary, or partial (the
    deltas of a message that was never completed). ``score`` is larger for a better hit."""

    session_id: str
    seq: int
    snippet: str
    kind: str
    role: str | None
    message_id: str | None
    title: str | None
    time: datetime
    score: float


class SearchPage(Page[SearchItem], frozen=True, kw_only=True):
    """``complete``: everything that was in the log when it was asked can be found. Else the index, which is being built or caught up,
    holds ``indexed`` of ``sessions``, and of some perhaps not yet the latest events."""

    complete: bool = True
    indexed: int
    sessions: int


class Within(msgspec.Struct, frozen=True):
    """Which passages: of one session, and of messages of these roles."""

    session_id: str | None = None
    roles: Sequence[str] = ()


class Term(msgspec.Struct, frozen=True):
    """``words`` stand next to each other; ``prefix``: the last is the beginning of a word."""

    words: str
    prefix: bool

    def expression(self) -> str:
        star = "*" if self.prefix else ""
        plain = f'"{spaced(condensed(self.words))}"{star}'
        signed = "" if self.prefix else " AND ".join(f'names : "{word}"' for word in signed_words(self.words))
        if signed:
            return f"({plain} AND {signed})"
        parts = [part for word in self.words.split() for part in humps(word)]
        if len(parts) == len(self.words.split()):
            return plain
        return f'({plain} OR names : "{spaced(" ".join(parts))}"{star})'


class Query(msgspec.Struct, frozen=True):
    """``groups`` must all match, each by one of its terms; nothing of ``without`` may."""

    groups: list[list[Term]]
    without: list[Term]

    def expression(self) -> str:
        text = " AND ".join(f"({' OR '.join(term.expression() for term in group)})" for group in self.groups)
        for term in self.without:
            text = f"({text}) NOT {term.expression()}"
        return text


def parse(text: str) -> Query:
    """The query in this text, whatever is in it. Raises `InvalidQuery` where no word is left."""
    groups: list[list[Term]] = []
    without: list[Term] = []
    joined = False
    count = 0
    for minus, phrase, star, word in _TERM.findall(text.replace("\x00", " ")):
        if word == "OR" and groups:
            joined = True
            continue
        if word in ("AND", "OR"):
            continue
        prefix = bool(star) or word.endswith("*")
        words = " ".join(re.sub(r'["*]', " ", word or phrase).split())
        if not any(map(_is_word, words)):
            continue
        count += 1
        if count > MOST_TERMS:
            raise InvalidQuery(f"the query has more than {MOST_TERMS} words; use fewer, or a phrase in quotes")
        term = Term(words, prefix)
        if minus:
            without.append(term)
        elif joined:
            groups[-1].append(term)
        else:
            groups.append([term])
        joined = False
    if not groups:
        raise InvalidQuery(f'there is no word to look for in {text[:80]!r}; give words, "a phrase", a prefix*')
    return Query(groups, without)


def _is_word(character: str) -> bool:
    return unicodedata.category(character)[0] in "LN" or unicodedata.category(character) in ("So", "Co")


def find(
    connection: sqlite3.Connection,
    log: EventLog,
    query: str,
    filter: Filter,
    within: Within,
    limit: int,
    after: str | None,
    complete: bool | None,
) -> SearchPage:
    """One page of hits, the best first. ``complete``: whether the index has everything; None: there is none yet.

    Raises `InvalidQuery`, `InvalidInput`, `InvalidCursor`."""
    check_limit(limit)
    parsed = parse(query)
    condition, values = filter.condition()
    (sessions,) = connection.execute("SELECT coalesce(sum(n), 0) FROM catalog.listings").fetchone()
    if complete is None:
        return SearchPage([], 0, None, complete=False, indexed=0, sessions=sessions)
    indexed = sessions
    if not complete:
        (indexed,) = connection.execute("SELECT min(count(*), ?) FROM search.checkpoint", (sessions,)).fetchone()
    if after is None:
        offset, newest = 0, connection.execute("SELECT coalesce(max(id), 0) FROM search.passage").fetchone()[0]
    else:  # what was written since the first page does not move the hits on the others
        offset, newest = from_cursor(after, _ORDER + query, tuple[int, int])
    hits, hit_values = _hits_within(parsed, within, newest)
    if within.roles:
        condition += f" AND passage.role IN ({', '.join('?' * len(within.roles))})"
        values += within.roles
    source = (
        "hit CROSS JOIN search.passage AS passage ON passage.id = hit.id"
        " CROSS JOIN search.checkpoint AS known ON known.sid = passage.sid"
        " CROSS JOIN catalog.checkpoint AS listed ON listed.session_id = known.session_id"
        " CROSS JOIN catalog.session AS session ON session.sid = listed.sid AND passage.live"
    )
    values = [*hit_values, *values]
    try:
        (total,) = connection.execute(f"{hits.format(rank='')} SELECT count(*) FROM {source} WHERE {condition}", values).fetchone()
        rows = connection.execute(
            f"{hits.format(rank=', -bm25(passage_words) AS rank')}"
            " SELECT session.session_id, passage.seq, passage.part, passage.kind, passage.role, passage.message_id, passage.moment,"
            " session.title, hit.rank * CASE passage.kind WHEN 'title' THEN 3.0 ELSE 1.0 END AS score"
            f" FROM {source} WHERE {condition} ORDER BY score DESC, passage.moment DESC, session.session_id, passage.seq, passage.part"
            " LIMIT ? OFFSET ?",
            [*values, limit, offset],
        ).fetchall()
    except sqlite3.OperationalError as error:
        if "fts5" in str(error):
            raise InvalidQuery(f"{query[:80]!r} cannot be looked for ({error}); put phrases in quotes") from error
        raise
    following = to_cursor(_ORDER + query, offset + limit, newest) if offset + limit < total else None
    texts = _texts(log, rows)
    items = [
        SearchItem(
            session_id=session_id,
            seq=seq,
            snippet=snippet(texts.get((session_id, seq, part), ""), parsed),
            kind=kind,
            role=role,
            message_id=message_id,
            title=title,
            time=moment_of(moment),
            score=round(score, 6),
        )
        for session_id, seq, part, kind, role, message_id, moment, title, score in rows
    ]
    return SearchPage(items, total, following, complete=complete, indexed=indexed, sessions=sessions)


def _hits_within(query: Query, within: Within, newest: int) -> tuple[str, list[Any]]:
    """The statement that finds the passages in the full text, to be filled with ``rank``, and its values.

    The full text is asked first and alone: joined directly, the planner may ask it again for every passage. What is not in the session is
    left out before it is ranked (``+``: not looked up one by one)."""
    condition, values = "passage_words MATCH ? AND rowid <= ?", [query.expression(), newest]
    if within.session_id is not None:
        mine = "FROM search.passage WHERE sid = (SELECT sid FROM search.checkpoint WHERE session_id = ?)"
        condition += f" AND rowid >= (SELECT min(id) {mine}) AND +rowid IN (SELECT id {mine})"
        values += [within.session_id, within.session_id]
    return f"WITH hit AS MATERIALIZED (SELECT rowid AS id{{rank}} FROM search.passage_words WHERE {condition})", values


def _texts(log: EventLog, rows: list[tuple[Any, ...]]) -> dict[tuple[str, int, int], str]:
    """The texts that were hit, out of the log."""
    by_session: dict[str, dict[int, str]] = {}
    for session_id, seq, _, kind, *_ in rows:
        by_session.setdefault(session_id, {})[seq] = kind
    found: dict[tuple[str, int, int], str] = {}
    for session_id, kinds in by_session.items():
        for stored in read_some(log, session_id, kinds):
            passage: Passage
            for passage in passages(stored.event):
                found[session_id, stored.seq, passage.part] = passage.text
            if kinds[stored.seq] == "partial":
                found[session_id, stored.seq, 0] = _deltas(log, session_id, stored.seq, stored.event.message_id)
    return found


def _deltas(log: EventLog, session_id: str, seq: int, message_id: str) -> str:
    with log.session(session_id, create=True) as session:
        gone = taken_back(session.read(types=TYPES, on_damage="skip"))
        partial = Partial(0, "")
        for stored in session.read(after=seq - 1, types=(MessageDelta.type,), on_damage="skip"):
            if stored.event.message_id == message_id and stored.seq not in gone and not partial.grow(stored.seq, stored.event):
                break
        return partial.text


# --- snippets ----------------------------------------------------------------------------------------------------------------


def snippet(text: str, query: Query, marks: tuple[str, str] = ("**", "**")) -> str:
    """The text around the first place where a term of the query stands, with what was hit between marks, in one line."""
    hits = _hits(text, query)
    first = hits[0][0] if hits else 0
    start = max(0, first - SNIPPET_SIZE // 3)
    end = min(len(text), start + SNIPPET_SIZE)
    while 0 < start < first and not text[start - 1].isspace():
        start += 1
    pieces = ["…" if start else ""]
    position = start
    for begin, stop in hits:
        if begin >= position and begin < end:
            pieces += (text[position:begin], marks[0], text[begin:stop], marks[1])
            position = stop
    pieces += (text[position : max(position, end)], "…" if end < len(text) else "")
    return " ".join("".join(pieces).split())


def places_of(query: str, text: str) -> list[tuple[int, int]]:
    """Where in a text (a snippet) that is to be shown the words of the query stand. Raises `InvalidQuery`."""
    return _hits(text, parse(query))


def _hits(text: str, query: Query) -> list[tuple[int, int]]:
    """Where terms of the query stand, in order, not overlapping; compared without case and accents, like the index does."""
    places: Sequence[int] = range(len(text))
    lower = _lower(text)
    found = _spans(lower, query, whole=True)
    if found is None or len(lower) != len(text):  # written with other accents, or within a word
        folded, places = _fold(text)
        found = _spans(folded, query, whole=True) or _spans(folded, query, whole=False)
    kept: list[tuple[int, int]] = []
    for begin, stop in sorted((places[begin], places[stop - 1] + 1) for begin, stop in found or []):
        if not kept or begin >= kept[-1][1]:
            while stop < len(text) and unicodedata.category(text[stop])[0] == "M":  # accents and vowel signs belong to their letter
                stop += 1
            kept.append((begin, stop))
    return kept


def _spans(folded: str, query: Query, *, whole: bool) -> list[tuple[int, int]] | None:
    """The places of whole words, or of the same letters within words, as parts of identifiers are found, too. None where some
    part of the query is not there: then it is written in another way."""
    found: list[tuple[int, int]] = []
    missing = False
    for group in query.groups:
        spans = [match.span() for term in group for match in islice(re.finditer(_pattern(term, whole=whole), folded), 100)]
        missing |= not spans
        found += spans
    return None if whole and missing else found


def _pattern(term: Term, *, whole: bool) -> str:
    text = spaced(term.words)
    pattern = r"[\W_]*".join(re.escape(_fold(word)[0]) for word in _WORD.findall(text) or [term.words])
    if whole and text.isascii():
        pattern = rf"(?<![^\W_]){pattern}" + ("" if term.prefix else r"(?![^\W_])")
    return pattern


def _lower(text: str) -> str:
    return text.lower().replace("\u03c2", "\u03c3")  # a sigma is the same letter at the end of a word


def _fold(text: str) -> tuple[str, Sequence[int]]:
    """The text without case and accents, and for each of its characters the place that it had."""
    if text.isascii():
        return _lower(text), range(len(text))
    characters: list[str] = []
    places: list[int] = []
    for place, character in enumerate(text):
        for piece in _lower(unicodedata.normalize("NFKD", character)):
            if not unicodedata.combining(piece):
                characters.append(piece)
                places.append(place)
    return "".join(characters), places
