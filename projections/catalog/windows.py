"""Windows of a session's messages, and its outline. Asks the tables of the projection `outline`, and reads only the events that are needed.

A window holds messages in the order of seq, and what lies between the first of them and the first of the next window: tool calls (by where
they were made), errors, compactions. What lies before the first message of all is in the first window. So all windows together give each
list of a `SessionView` once, whatever is asked for in between; with ``roles`` the windows are those of the messages of these roles.

The events of the messages are folded by `SessionView` itself, so a message in a window is the one in the view.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable, Iterator
from typing import Any, Final, NamedTuple

import msgspec

from eventlog import EventLog, StoredEvent
from eventlog.errors import InvalidInput, SessionNotFound
from eventlog.events import MessageRetracted

from ..view.messages import Message
from ..view.outline import AMENDED, MESSAGE, RETRACTED
from ..view.session import Compaction, LoggedError, SessionView
from ..view.tool_calls import ToolCall
from .tool_history import Calls, ToolItem, calls_between, read_some

MOST_MESSAGES: Final = 10_000
_ranges = msgspec.json.Decoder(list[tuple[int, int]])


class WindowMessage(Message, gc=False):
    """A message as a window shows it. ``truncated``: texts of it were cut, and its parts say which (``truncated``, ``chars``).
    ``retracted``: it was taken back; ``amended``: it was corrected, and its first text stands in the event at ``seq``."""

    truncated: bool = False
    retracted: bool = False
    amended: bool = False


class WindowCall(ToolCall, gc=False):
    """A tool call as a window shows it. ``truncated``: its arguments, output or display were cut; the longest had ``chars`` characters."""

    truncated: bool = False
    chars: int | None = None


class Window(msgspec.Struct, frozen=True, kw_only=True):
    """``total`` counts the session's messages, ``first_seq`` and ``last_seq`` are those of the first and the last of them (None where there
    is none). ``next`` is what to pass as ``after`` for the window behind this one, ``previous`` as ``before`` for the one before it."""

    items: list[WindowMessage]
    tool_calls: list[WindowCall]
    errors: list[LoggedError]
    compactions: list[Compaction]
    total: int
    first_seq: int | None
    last_seq: int | None
    next: int | None
    previous: int | None


class Outline(msgspec.Struct, frozen=True, kw_only=True):
    """``items`` are [seq, kind, chars, flags] of each message, error and compaction, in the order of seq. ``kind`` is the
    message's role, "error" or "compaction"; ``chars`` how long it is; ``flags`` a sum of those that ``flags_of`` names."""

    items: list[tuple[int, str, int, int]]
    flags_of: dict[str, int]


class _Row(NamedTuple):
    seq: int
    kind: str
    flags: int
    sources: str | None

    @property
    def ranges(self) -> list[tuple[int, int]]:
        """The seqs of its events."""
        return [(self.seq, self.seq)] if self.sources is None else _ranges.decode(self.sources)


class _Which(NamedTuple):
    """The messages that are asked for, as a condition on ``outline.entry``."""

    sid: int
    roles: tuple[str, ...]
    retracted: bool

    @property
    def condition(self) -> str:
        terms = ["sid = ?", f"kind = '{MESSAGE}'"]
        if not self.retracted:
            terms.append(f"flags & {RETRACTED} = 0")
        if self.roles:
            terms.append(f"role IN ({', '.join('?' * len(self.roles))})")
        return " AND ".join(terms)

    @property
    def values(self) -> list[Any]:
        return [self.sid, *self.roles]


def find(
    connection: sqlite3.Connection,
    log: EventLog,
    session_id: str,
    after: int | None,
    before: int | None,
    around: int | None,
    limit: int,
    roles: Collection[str] | None,
    max_chars: int | None,
    retracted: bool,
) -> Window:
    """One window, see `Catalog.messages`. The session is known here. Raises `InvalidInput`."""
    _check(after, before, around, limit, roles, max_chars)
    sid = _sid(connection, session_id)
    which = _Which(sid, tuple(dict.fromkeys(roles or ())), retracted)
    total = _total(connection, which)
    rows = _rows(connection, which, after, before, around, limit)
    first = _next_to(connection, which, 0, forward=True)
    last = _next_to(connection, which, None, forward=False)
    previous = rows[0].seq if rows and rows[0].seq != first else None
    following = _next_to(connection, which, rows[-1].seq, forward=True) if rows else None
    start, end = (rows[0].seq if previous is not None else 0), following
    if not rows and total:  # asked for behind the last message, or before the first: what lies there is in another window
        end = 0
    calls = calls_between(connection, session_id, start, end)
    view = _fold(log, session_id, [*rows, *_between(connection, sid, start, end)], calls)
    return Window(
        items=_items(view, rows, max_chars),
        tool_calls=_calls(calls.items, max_chars),
        errors=view.errors,
        compactions=view.compactions,
        total=total,
        first_seq=first,
        last_seq=last,
        next=rows[-1].seq if following is not None else None,
        previous=previous,
    )


def _sid(connection: sqlite3.Connection, session_id: str) -> int:
    row = connection.execute("SELECT sid FROM outline.checkpoint WHERE session_id = ?", (session_id,)).fetchone()
    if row is None:
        raise SessionNotFound(session_id)
    return int(row[0])


def _check(
    after: int | None, before: int | None, around: int | None, limit: int, roles: Collection[str] | None, max_chars: int | None
) -> None:
    places = {"after": after, "before": before, "around": around}
    given = {name: seq for name, seq in places.items() if seq is not None}
    if len(given) > 1:
        raise InvalidInput(f"a window is asked for by one of after, before and around, not by {' and '.join(given)}")
    for name, seq in given.items():
        if isinstance(seq, bool) or not isinstance(seq, int) or not 0 <= seq < 1 << 63:
            raise InvalidInput(f"{name} = {seq!r} is not the seq of an event: give a number from 0 up")
    if isinstance(limit, bool) or not isinstance(limit, int) or not 1 <= limit <= MOST_MESSAGES:
        raise InvalidInput(f"limit = {limit!r} is not usable: give a number from 1 to {MOST_MESSAGES:,}")
    if isinstance(roles, str):
        raise TypeError("roles is a list of texts, not one text")
    if max_chars is not None and (isinstance(max_chars, bool) or not isinstance(max_chars, int) or max_chars < 1):
        raise InvalidInput(f"max_chars = {max_chars!r} is not usable: give a number from 1 up, or leave it out")


def _total(connection: sqlite3.Connection, which: _Which) -> int:
    terms, values = ["sid = ?"], [which.sid, *which.roles]
    if not which.retracted:
        terms.append("retracted = 0")
    if which.roles:
        terms.append(f"role IN ({', '.join('?' * len(which.roles))})")
    statement = f"SELECT coalesce(sum(messages), 0) FROM outline.count WHERE {' AND '.join(terms)}"
    return int(connection.execute(statement, values).fetchone()[0])


def _rows(
    connection: sqlite3.Connection, which: _Which, after: int | None, before: int | None, around: int | None, limit: int
) -> list[_Row]:
    """The messages of the window, in the order of seq."""
    if before is not None:
        return _some(connection, which, before, limit, forward=False)
    if around is None:
        return _some(connection, which, after or 0, limit, forward=True)
    behind = _some(connection, which, around - 1, limit - (limit - 1) // 2, forward=True)
    ahead = _some(connection, which, behind[0].seq if behind else None, limit if not behind else (limit - 1) // 2, forward=False)
    return [*ahead, *behind]


def _some(connection: sqlite3.Connection, which: _Which, seq: int | None, limit: int, *, forward: bool) -> list[_Row]:
    """The first ones behind the seq (``forward``), or the last ones before it (None: of all)."""
    if not limit:
        return []
    place = "" if seq is None else f" AND seq {'>' if forward else '<'} {int(seq)}"
    statement = (
        f"SELECT seq, kind, flags, sources FROM outline.entry WHERE {which.condition}{place}"
        f" ORDER BY seq {'ASC' if forward else 'DESC'} LIMIT ?"
    )
    found = [_Row(*row) for row in connection.execute(statement, [*which.values, limit])]
    return found if forward else found[::-1]


def _next_to(connection: sqlite3.Connection, which: _Which, seq: int | None, *, forward: bool) -> int | None:
    found = _some(connection, which, seq, 1, forward=forward)
    return found[0].seq if found else None


def _between(connection: sqlite3.Connection, sid: int, start: int, end: int | None) -> list[_Row]:
    """The errors and compactions with start <= seq < end."""
    statement = f"SELECT seq, kind, flags, sources FROM outline.entry WHERE sid = ? AND kind <> '{MESSAGE}' AND seq >= ?"
    values = [sid, start]
    if end is not None:
        statement, values = statement + " AND seq < ?", [*values, end]
    return [_Row(*row) for row in connection.execute(statement + " ORDER BY seq", values)]


def _fold(log: EventLog, session_id: str, rows: Iterable[_Row], calls: Calls) -> SessionView:
    """A view of nothing but these: their events, folded as all events are. The calls are filled in from the same reading."""
    wanted = {seq for row in rows for first, last in row.ranges for seq in range(first, last + 1)}

    def events() -> Iterator[StoredEvent]:
        for stored in read_some(log, session_id, wanted.union(calls.needed.get(session_id, ()))):
            calls.fill_in(stored)
            if stored.seq in wanted and not isinstance(stored.event, MessageRetracted):
                yield stored

    return SessionView.fold_all(SessionView.initial(), events())


def _items(view: SessionView, rows: Iterable[_Row], max_chars: int | None) -> list[WindowMessage]:
    """The messages that the rows are of, as far as damage has left them."""
    owners = {seq: row for row in rows for first, last in row.ranges for seq in range(first, last + 1)}
    found = []
    for message in view.messages:
        row = owners[message.seq]
        fields = msgspec.structs.asdict(message)
        fields["seq"] = row.seq
        shown = WindowMessage(**fields, retracted=bool(row.flags & RETRACTED), amended=bool(row.flags & AMENDED))
        if max_chars is not None:
            shown.parts = [_cut(part, max_chars) for part in shown.parts]
            shown.truncated = any("chars" in part for part in shown.parts if part.get("truncated") is True)
        found.append(shown)
    return sorted(found, key=lambda message: message.seq)


def _calls(calls: Iterable[ToolItem], max_chars: int | None) -> list[WindowCall]:
    found = []
    for call in calls:
        fields = {name: getattr(call, name) for name in ToolCall.__struct_fields__}
        found.append(WindowCall(**(fields if max_chars is None else _cut(fields, max_chars))))
    return found


_TEXTS: Final = ("content", "response", "arguments", "output", "display")


def _cut(part: dict[str, Any], most: int) -> dict[str, Any]:
    """The part with its texts cut, and how long the longest was; what is JSON and too long becomes the beginning of its text."""
    cut: dict[str, Any] = {}
    longest = 0
    for name in _TEXTS:
        value = part.get(name)
        if value is None:
            continue
        text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
        if len(text) > most:
            cut[name] = text[:most]
            longest = max(longest, len(text))
    return {**part, **cut, "truncated": True, "chars": longest} if cut else part


def outline(connection: sqlite3.Connection, session_id: str, flags_of: dict[str, int], retracted: bool) -> Outline:
    """The outline of a session that is known here."""
    sid = _sid(connection, session_id)
    which = "sid = ?" if retracted else f"sid = ? AND flags & {RETRACTED} = 0"
    rows = connection.execute(f"SELECT seq, coalesce(role, kind), chars, flags FROM outline.entry WHERE {which} ORDER BY seq", (sid,))
    return Outline(items=list(rows), flags_of=flags_of)
