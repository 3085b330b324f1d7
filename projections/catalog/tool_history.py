"""The tool history: every use of a tool, of a session or of a tool. Asks the table ``tool_call`` that `tally` keeps.

The rows hold where arguments and output stand; they themselves are read from the log, where they are stored anyway.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from datetime import datetime
from typing import Any

import msgspec

from eventlog import EventLog, StoredEvent
from eventlog.events import Artifact

from .call_records import content_at
from .moments import moment_of
from .page import Page, check_limit, from_cursor, to_cursor

_ORDER = "tools"


class ToolItem(msgspec.Struct, kw_only=True):
    """One use of a tool. ``returned_seq`` is None while there is no result. A result whose call is not there is no use of a tool.

    ``duration_ms`` is what the result states, else the time between the two events."""

    session_id: str
    call_id: str | None
    name: str | None
    arguments: Any = None
    output: Any = None
    is_error: bool
    duration_ms: float | None
    called_seq: int
    returned_seq: int | None
    called_at: datetime
    returned_at: datetime | None
    message_id: str | None
    display: Any = None
    artifacts: list[Artifact] = []


class ToolFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which calls. ``open``: those without a result; False for those with one. ``failed`` likewise. ``call_id``: of whichever session."""

    session_id: str | None = None
    call_id: str | None = None
    name: str | None = None
    open: bool | None = None
    failed: bool | None = None

    def condition(self) -> tuple[str, list[Any]]:
        terms: list[str] = ["call.called_seq IS NOT NULL"]  # a result without a call is kept, but it is no call
        values: list[Any] = []
        if self.session_id is not None:
            terms.append("call.sid = (SELECT sid FROM catalog.checkpoint WHERE session_id = ?)")
            values.append(self.session_id)
        else:
            terms.append("session.deleted = 0")
        if self.call_id is not None:
            terms.append("call.call_id = ?")
            values.append(self.call_id)
        if self.name is not None:
            terms.append("call.tool = ?")
            values.append(self.name)
        if self.open is not None:
            terms.append(f"call.returned_seq IS {'NULL' if self.open else 'NOT NULL'}")
        if self.failed is not None:
            terms.append(f"call.is_error = {int(self.failed)}")
        return " AND ".join(terms), values


def list_tool_calls(connection: sqlite3.Connection, log: EventLog, filter: ToolFilter, limit: int, after: str | None) -> Page[ToolItem]:
    """One page of calls: of one session in its order, else the latest first. Raises `InvalidInput`, `InvalidCursor`."""
    check_limit(limit)
    condition, values = filter.condition()
    source = "catalog.tool_call AS call JOIN catalog.session AS session USING (sid)"
    (total,) = connection.execute(f"SELECT count(*) FROM {source} WHERE {condition}", values).fetchone()
    one = filter.session_id is not None
    moment = "call.called_at"
    order = "call.seq, call.part" if one else f"{moment} DESC, session_id DESC, call.seq DESC, call.part DESC"
    place = ""
    if after is not None:
        at, session_id, seq, part = from_cursor(after, _ORDER + str(one), tuple[int, str, int, int])
        if one:
            place, values = " AND (call.seq, call.part) > (?, ?)", [*values, seq, part]
        else:
            place = f" AND ({moment}, session_id, call.seq, call.part) < (?, ?, ?, ?)"
            values = [*values, at, session_id, seq, part]
    rows = connection.execute(
        f"SELECT {_COLUMNS} FROM {source} WHERE {condition}{place} ORDER BY {order} LIMIT ?", [*values, limit + 1]
    ).fetchall()
    following = to_cursor(_ORDER + str(one), *rows[limit - 1][:4]) if len(rows) > limit else None
    calls = Calls(rows[:limit])
    for session_id, seqs in calls.needed.items():  # each read once, from the first event that is needed to the last
        for stored in read_some(log, session_id, seqs):
            calls.fill_in(stored)
    return Page(calls.items, total, following)


_COLUMNS = (
    "call.called_at, session_id, call.seq, call.part, call_id, tool, is_error, duration_ms, called_seq, returned_seq,"
    " called_at, returned_at, call.message_id, arguments_seq, arguments_part, output_seq, output_part"
)


def calls_between(connection: sqlite3.Connection, session_id: str, start: int, end: int | None) -> Calls:
    """The calls of a session that were made from one seq up to, but not including, another (None: its end), in order."""
    condition, values = ToolFilter(session_id=session_id).condition()
    condition, values = condition + " AND call.seq >= ?", [*values, start]
    if end is not None:
        condition, values = condition + " AND call.seq < ?", [*values, end]
    source = "catalog.tool_call AS call JOIN catalog.session AS session USING (sid)"
    rows = connection.execute(f"SELECT {_COLUMNS} FROM {source} WHERE {condition} ORDER BY call.seq, call.part", values).fetchall()
    return Calls(rows)


def _item(row: tuple[Any, ...]) -> ToolItem:
    _, session_id, _, _, call_id, tool, is_error, duration_ms, called_seq, returned_seq, called_at, returned_at, message_id = row[:13]
    return ToolItem(
        session_id=session_id,
        call_id=call_id,
        name=tool,
        is_error=bool(is_error),
        duration_ms=duration_ms,
        called_seq=called_seq,
        returned_seq=returned_seq,
        called_at=moment_of(called_at),
        returned_at=None if returned_at is None else moment_of(returned_at),
        message_id=message_id,
    )


class Calls:
    """Calls of which the rows are known. What they were asked and gave is in the events at ``needed``, by session and seq."""

    def __init__(self, rows: list[tuple[Any, ...]]) -> None:
        self.items = [_item(row) for row in rows]
        self.needed: dict[str, dict[int, list[tuple[ToolItem, int, bool]]]] = {}
        for row, item in zip(rows, self.items, strict=True):
            for seq, part, of_result in ((row[13], row[14], False), (row[15], row[16], True)):
                if seq is not None:
                    self.needed.setdefault(item.session_id, {}).setdefault(seq, []).append((item, part, of_result))

    def fill_in(self, stored: StoredEvent) -> None:
        """Take arguments or outputs from one of these events; from another one nothing."""
        for item, part, of_result in self.needed.get(stored.session_id, {}).get(stored.seq, ()):
            content = content_at(stored, part, of_result=of_result)
            if of_result:
                item.output = content
                item.display = getattr(stored.event, "display", None)
                item.artifacts = getattr(stored.event, "artifacts", [])
            else:
                item.arguments = content


_GAP = 200  # events that are cheaper to read over than to look for what follows them


def read_some(log: EventLog, session_id: str, seqs: Iterable[int]) -> Iterable[StoredEvent]:
    """The events of a session at these seqs, as far as they can be proven; what lies far between them is not read."""
    wanted = sorted(set(seqs))
    with log.session(session_id, create=True) as session:
        start = 0
        while start < len(wanted):
            end = start + 1
            while end < len(wanted) and wanted[end] - wanted[end - 1] <= _GAP:
                end += 1
            run = set(wanted[start:end])
            for stored in session.read(after=wanted[start] - 1, before=wanted[end - 1] + 1, on_damage="skip"):
                if stored.seq in run:
                    yield stored
            start = end
