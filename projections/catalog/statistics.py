"""Statistics over a session or the store. Asks the tables that `tally` keeps.

Over the store, an event that forks and merges copied counts once: where the session that it was first appended to is listed it counts
there, else in the listed session that has most of that one's events: copies are beginnings, so that one has all that any other has.
Deleted sessions do not count.

Days, hours and weeks are those of the asker's time zone, computed when asked from quarters of an hour.
"""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Iterator
from datetime import date, datetime, timedelta, tzinfo
from typing import Any, Final

import msgspec

from .cost import NANO
from .listing import Money
from .moments import EPOCH, QUARTER_S
from .summary import AMOUNTS, TOKENS

_SUMS: Final = ", ".join(f"coalesce(sum(activity.{name}), 0)" for name in AMOUNTS)
_COUNTED: Final = (
    "(activity.source = '' OR EXISTS (SELECT 1 FROM temp.counted WHERE counted.sid = activity.sid AND counted.source = activity.source))"
)


class Sessions(msgspec.Struct, frozen=True):
    """``today`` and ``this_week`` (from Monday) count sessions in which something happened."""

    total: int
    today: int
    this_week: int


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """Tokens by kind, and money in US dollars; ``cost`` is None where no cost is known."""

    input_tokens: int
    output_tokens: int
    cache_read_tokens: int
    cache_write_tokens: int
    reasoning_tokens: int
    cost: Money | None


class Amounts(Usage, frozen=True, kw_only=True):
    """What happened within one day, one model, one user, ..."""

    sessions: int
    messages: int
    user_messages: int
    assistant_messages: int
    tool_calls: int
    errors: int


class Day(Amounts, frozen=True, kw_only=True):
    day: date


class ModelShare(Amounts, frozen=True, kw_only=True):
    """``unpriced_tokens`` belong to usages without a cost of a model that the price list does not know."""

    model: str
    unpriced_tokens: int


class UserShare(Amounts, frozen=True, kw_only=True):
    user_id: str | None


class ProjectShare(Amounts, frozen=True, kw_only=True):
    project: str | None


class ToolShare(msgspec.Struct, frozen=True, kw_only=True):
    """One tool. ``failure_rate`` is of the calls that have a result; durations are of those that have one."""

    name: str | None
    calls: int
    open: int
    failures: int
    failure_rate: float
    total_duration_ms: float
    median_duration_ms: float | None
    p95_duration_ms: float | None


class Statistics(msgspec.Struct, frozen=True, kw_only=True):
    """``by_hour`` and ``by_weekday`` (from Monday) count messages. ``total_duration_ms`` is the time that tools took."""

    sessions: Sessions
    events: int
    messages: dict[str, int]
    tool_calls: int
    tools_used: list[str]
    total_duration_ms: float
    errors: int
    usage: Usage
    other_costs: list[Money]
    unknown_models: list[str]
    by_day: list[Day]
    by_model: list[ModelShare]
    by_tool: list[ToolShare]
    by_user: list[UserShare]
    by_project: list[ProjectShare]
    by_hour: list[int]
    by_weekday: list[int]


def compute(connection: sqlite3.Connection, session_id: str | None, zone: tzinfo | None, now: datetime) -> Statistics:
    """The statistics of one session (everything that is in it) or of the store. ``zone`` None is the machine's."""
    return _Computing(connection, session_id, zone, now).statistics()


class _Computing:
    def __init__(self, connection: sqlite3.Connection, session_id: str | None, zone: tzinfo | None, now: datetime) -> None:
        self.connection = connection
        self.zone = zone
        self.now = now
        if session_id is None:
            self.which, self.values, self.counted = "session.deleted = 0", [], _COUNTED
            self._choose_copies()
        else:
            self.which, self.values, self.counted = "session.session_id = ?", [session_id], "1"

    def _choose_copies(self) -> None:
        """Decide for each source that is not listed which session's copy of it counts."""
        execute = self.connection.execute
        execute("CREATE TEMP TABLE IF NOT EXISTS counted (sid INTEGER, source TEXT, PRIMARY KEY (sid, source)) WITHOUT ROWID")
        execute("DELETE FROM temp.counted")
        copies = execute(
            "SELECT copied.source, copied.sid FROM catalog.copied JOIN catalog.session AS session USING (sid)"
            " WHERE session.deleted = 0 AND copied.source <> ''"
            " AND copied.source NOT IN (SELECT session_id FROM catalog.session WHERE deleted = 0)"
            " ORDER BY copied.events DESC, session.session_id"
        ).fetchall()
        chosen: dict[str, int] = {}
        for source, sid in copies:
            chosen.setdefault(source, sid)
        self.connection.executemany("INSERT INTO temp.counted VALUES (?, ?)", [(sid, source) for source, sid in chosen.items()])

    def _rows(self, what: str, table: str, *, where: str = "1", then: str = "") -> sqlite3.Cursor:
        """Rows of a table (under the name ``activity``) of the sessions that are asked for, without the copies that do not count."""
        return self.connection.execute(
            f"SELECT {what} FROM catalog.{table} AS activity JOIN catalog.session AS session USING (sid)"
            f" WHERE {self.which} AND {self.counted} AND {where} {then}",
            self.values,
        )

    def statistics(self) -> Statistics:
        days, by_hour, by_weekday, today, this_week = self._by_time()
        tools = self._by_tool()
        models = [
            ModelShare(model=model, unpriced_tokens=amounts["unpriced_tokens"], **_amounts(amounts, sessions))
            for model, sessions, amounts in self._groups("activity.model", where="activity.model <> ''")
        ]
        users = [UserShare(user_id=user, **_amounts(amounts, sessions)) for user, sessions, amounts in self._groups("session.user_id")]
        projects = [
            ProjectShare(project=project, **_amounts(amounts, sessions)) for project, sessions, amounts in self._groups("session.project")
        ]
        amounts = dict(zip(AMOUNTS, next(self._rows(_SUMS, "activity")), strict=True))
        total, same_version = self._sessions()
        foreign = self._rows("currency, sum(activity.cost_nano)", "foreign_cost", then="GROUP BY currency ORDER BY currency")
        return Statistics(
            sessions=Sessions(total, today, this_week),
            events=next(self._rows("coalesce(sum(activity.events), 0)", "copied"))[0],
            messages=dict(self._rows("role, sum(activity.messages) AS n", "role", then="GROUP BY role HAVING n > 0 ORDER BY role")),
            tool_calls=amounts["tool_calls"],
            tools_used=[tool.name for tool in tools if tool.name is not None],
            total_duration_ms=math.fsum(tool.total_duration_ms for tool in tools),
            errors=amounts["errors"],
            usage=Usage(**_usage(amounts, same_version)),
            other_costs=[Money(nano / NANO, currency) for currency, nano in foreign],
            unknown_models=[share.model for share in models if share.unpriced_tokens],
            by_day=days,
            by_model=models,
            by_tool=tools,
            by_user=users,
            by_project=projects,
            by_hour=by_hour,
            by_weekday=by_weekday,
        )

    def _sessions(self) -> tuple[int, str | None]:
        """How many there are, and the price version of their costs where it is one."""
        names = "sum(session.costs > 0), count(session.price_version), min(session.price_version), max(session.price_version)"
        total, costs, named, first, last = self.connection.execute(
            f"SELECT count(*), {names} FROM catalog.session AS session WHERE {self.which}", self.values
        ).fetchone()
        return total, first if costs == named and first == last else None

    def _groups(self, column: str, where: str = "1") -> Iterator[tuple[Any, int, dict[str, int]]]:
        """Each value of the column with the number of sessions and the amounts."""
        what = f"{column} AS value, count(DISTINCT activity.sid), {_SUMS}"
        for value, sessions, *sums in self._rows(what, "activity", where=where, then="GROUP BY value ORDER BY value"):
            yield value, sessions, dict(zip(AMOUNTS, sums, strict=True))

    def _by_time(self) -> tuple[list[Day], list[int], list[int], int, int]:
        """Days, messages by hour and by weekday, and the sessions of today and of this week."""
        day_of: dict[int, date] = {}
        days: dict[date, dict[str, int]] = {}
        by_hour, by_weekday = [0] * 24, [0] * 7
        for quarter, *sums in self._rows(f"quarter, {_SUMS}", "activity", then="GROUP BY quarter ORDER BY quarter"):
            moment = self._local(quarter)
            day_of[quarter] = moment.date()
            amounts = days.setdefault(moment.date(), dict.fromkeys(AMOUNTS, 0))
            for name, amount in zip(AMOUNTS, sums, strict=True):
                amounts[name] += amount
            messages = sums[AMOUNTS.index("messages")]
            by_hour[moment.hour] += messages
            by_weekday[moment.weekday()] += messages
        today = (self.now.astimezone(self.zone)).date()
        monday = today - timedelta(days=today.weekday())
        sessions_of = dict.fromkeys(days, 0)
        active_today = active_this_week = 0
        last: tuple[int, date] | None = None
        last_of_week = -1
        for sid, quarter in self._rows("activity.sid, quarter", "activity", then="GROUP BY 1, 2 ORDER BY 1, 2"):
            day = day_of[quarter]
            if (sid, day) == last:
                continue
            last = sid, day
            sessions_of[day] += 1
            active_today += day == today
            if monday <= day < monday + timedelta(days=7) and sid != last_of_week:
                last_of_week = sid
                active_this_week += 1
        by_day = [Day(day=day, **_amounts(amounts, sessions_of[day])) for day, amounts in sorted(days.items())]
        return by_day, by_hour, by_weekday, active_today, active_this_week

    def _local(self, quarter: int) -> datetime:
        moment = EPOCH + timedelta(seconds=quarter * QUARTER_S)
        try:
            return moment.astimezone(self.zone)
        except (OverflowError, OSError, ValueError):  # a time at the very edge of the calendar
            return moment

    def _by_tool(self) -> list[ToolShare]:
        what = (
            "activity.tool, count(*), sum(activity.returned_seq IS NULL), sum(activity.is_error),"
            " coalesce(total(activity.duration_ms), 0), count(activity.duration_ms)"
        )
        found = self._rows(
            what, "tool_call", where="activity.called_seq IS NOT NULL", then="GROUP BY activity.tool ORDER BY activity.tool"
        ).fetchall()
        shares = []
        for name, calls, waiting, failures, total_ms, timed in found:
            returned = calls - waiting
            shares.append(
                ToolShare(
                    name=name,
                    calls=calls,
                    open=waiting,
                    failures=failures,
                    failure_rate=failures / returned if returned else 0.0,
                    total_duration_ms=total_ms,
                    median_duration_ms=self._median(name, timed),
                    p95_duration_ms=self._nth_duration(name, math.ceil(0.95 * timed) - 1) if timed else None,
                )
            )
        return shares

    def _median(self, tool: str | None, timed: int) -> float | None:
        if not timed:
            return None
        upper = self._nth_duration(tool, timed // 2)
        return upper if timed % 2 else (self._nth_duration(tool, timed // 2 - 1) + upper) / 2

    def _nth_duration(self, tool: str | None, index: int) -> float:
        row = self.connection.execute(
            "SELECT activity.duration_ms FROM catalog.tool_call AS activity JOIN catalog.session AS session USING (sid)"
            f" WHERE {self.which} AND {self.counted} AND activity.tool IS ? AND activity.duration_ms IS NOT NULL"
            " ORDER BY activity.duration_ms LIMIT 1 OFFSET ?",
            [*self.values, tool, index],
        ).fetchone()
        return float(row[0])


def _usage(amounts: dict[str, int], price_version: str | None = None) -> dict[str, Any]:
    cost = Money(amounts["cost_nano"] / NANO, "USD", price_version) if amounts["costs"] else None
    return {**{name: amounts[name] for name in TOKENS}, "cost": cost}


def _amounts(amounts: dict[str, int], sessions: int) -> dict[str, Any]:
    names = ("messages", "user_messages", "assistant_messages", "tool_calls", "errors")
    return {"sessions": sessions, **{name: amounts[name] for name in names}, **_usage(amounts)}
