"""Statistics over the store, a part of it, or a session. Asks the tables that `tally` keeps.

Over all sessions the sums are kept (`totals`) and only read; of a part they are made when asked, by the same statements. Over several
sessions, an event that forks and merges copied counts once: where the session that it was first appended to is listed it counts
there, else in the listed session that has most of that one's events: copies are beginnings, so that one has all that any other has.
Deleted sessions do not count.

Days, hours and weeks are those of the asker's time zone, computed when asked from quarters of an hour.
"""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Iterator
from datetime import date, datetime, tzinfo
from typing import Any, Final

import msgspec

from .cost import NANO
from .listing import Money, folder_condition, microseconds
from .moments import QUARTER_S
from .summary import AMOUNTS, TOKENS
from .totals import (
    BUCKET,
    CURRENCIES,
    DURATIONS,
    LISTED,
    MICROS_OF_MS,
    MODEL_SESSIONS,
    MODELS,
    OWN,
    PROJECT_SESSIONS,
    PROJECTS,
    QUARTERS,
    ROLES,
    TOOLS,
    TOTALS,
    USER_SESSIONS,
    USERS,
    VISITS,
    Total,
    Visits,
)
from .zones import QUARTERS_A_DAY, name_of, spans_of

_QUARTER_US: Final = QUARTER_S * 1_000_000
_COUNTED: Final = f"({OWN} OR EXISTS (SELECT 1 FROM temp.counted WHERE counted.sid = row.sid AND counted.source = row.source))"
_WITH_COPIES: Final = "row.sid IN (SELECT sid FROM temp.counted)"


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
    """``by_hour`` and ``by_weekday`` (from Monday) count messages. ``total_duration_ms`` is the time that tools took. ``zone`` is whose
    days, hours and weeks these are."""

    zone: str
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


class Scope(msgspec.Struct, frozen=True, kw_only=True):
    """What statistics are of: everything in one session, or what happened in those of a user, of a project folder, within a time.

    ``since`` and ``until`` (since <= time < until) are rounded outwards to quarters of an hour."""

    session_id: str | None = None
    user: str | None = None
    project: str | None = None
    since: datetime | None = None
    until: datetime | None = None

    @property
    def is_everything(self) -> bool:
        return self == Scope()

    def which(self) -> str:
        """The SQL condition on ``session``, with named parameters."""
        terms = [LISTED] if self.session_id is None else ["session.session_id = :session_id"]
        if self.user is not None:
            terms.append("session.user_id = :user")
        if self.project is not None:
            terms.append(folder_condition("session.project"))
        return " AND ".join(terms)

    def when(self, quarter: str) -> str:
        """The condition on when a row happened, which is this expression."""
        since = "" if self.since is None else f" AND {quarter} >= :since"
        return since + ("" if self.until is None else f" AND {quarter} < :until")

    def values(self) -> dict[str, Any]:
        folder = (self.project or "").rstrip("/") or "/"
        return {
            "session_id": self.session_id,
            "user": self.user,
            "folder": folder,
            "inside": folder if folder.endswith("/") else folder + "/",
            "since": None if self.since is None else microseconds(self.since) // _QUARTER_US,
            "until": None if self.until is None else -(-microseconds(self.until) // _QUARTER_US),
        }


def compute(connection: sqlite3.Connection, scope: Scope, zone: tzinfo | None, now: datetime, *, kept: bool = True) -> Statistics:
    """The statistics of this scope. ``zone`` None is the machine's. ``kept`` False makes sums anew that are kept.

    Raises `InvalidInput` for a time without a zone."""
    return _Computing(connection, scope, zone, now, kept=kept).statistics()


class _Computing:
    """One answer. ``_parts``: the schemas whose tables add up to what is asked for: the kept sums, those made for this answer, or both."""

    def __init__(self, connection: sqlite3.Connection, scope: Scope, zone: tzinfo | None, now: datetime, *, kept: bool) -> None:
        self.connection = connection
        self.scope = scope
        self.zone = zone
        self.now = now
        self.values = scope.values()
        self.counted = _COUNTED if scope.session_id is None else "1"
        copies = self._choose_copies() if scope.session_id is None else 0
        if scope.is_everything and kept:
            self._parts = ["catalog", "temp"] if copies else ["catalog"]
            if copies:
                self._fill(f"{LISTED} AND {_WITH_COPIES} AND {_COUNTED}", f"{LISTED} AND {_WITH_COPIES} AND {OWN}")
        else:
            self._parts = ["temp"]
            self._fill(f"{scope.which()} AND {self.counted}")

    def _choose_copies(self) -> int:
        """Decide for each source that is not listed which session's copy of it counts; returns how many there are."""
        execute = self.connection.execute
        execute("CREATE TEMP TABLE IF NOT EXISTS counted (sid INTEGER, source TEXT, PRIMARY KEY (sid, source)) WITHOUT ROWID")
        execute("DELETE FROM temp.counted")
        copies = execute(
            "SELECT copied.source, copied.sid FROM catalog.copied CROSS JOIN catalog.session AS session USING (sid)"
            f" WHERE copied.source > '' AND {LISTED}"
            " AND NOT EXISTS (SELECT 1 FROM catalog.session AS first WHERE first.session_id = copied.source AND first.deleted = 0)"
            " ORDER BY copied.events DESC, session.session_id"
        ).fetchall()
        chosen: dict[str, int] = {}
        for source, sid in copies:
            chosen.setdefault(source, sid)
        self.connection.executemany("INSERT INTO temp.counted VALUES (?, ?)", [(sid, source) for source, sid in chosen.items()])
        return len(chosen)

    def _fill(self, added: str, taken: str | None = None) -> None:
        """Make sums of the rows for which one condition holds, less those for which the other does."""
        for total in TOTALS:
            self.connection.execute(f"CREATE TEMP TABLE IF NOT EXISTS {total.name} ({', '.join(total.columns)})")
            self.connection.execute(f"DELETE FROM temp.{total.name}")
            if isinstance(total, Total):
                when = self.scope.when(f"({total.quarter})")
            else:
                when = self.scope.when("row.quarter")
            for which, sign in ((added, ""), (taken, "-")):
                if which is not None:
                    self.connection.execute(f"INSERT INTO temp.{total.name} {total.select(which + when, 'catalog.', sign)}", self.values)
        for table in ("by_quarter", "visits"):
            self.connection.execute(f"CREATE INDEX IF NOT EXISTS temp.{table}_when ON {table} (quarter)")

    def _sums(self, total: Total | Visits, keys: str, sums: str, source: str = "", then: str = "") -> sqlite3.Cursor:
        """Sums (expressions over columns of the total's) by keys; ``source`` says with what it is joined."""
        columns = [f"{expression.strip()} AS k{number}" for number, expression in enumerate(keys.split(";"))] if keys else []
        values = [f"{expression.strip()} AS v{number}" for number, expression in enumerate(sums.split(";"))]
        parts = " UNION ALL ".join(
            f"SELECT {', '.join([*columns, 'n AS n', *values])} FROM {source.format(part) or f'{part}.{total.name}'}"
            for part in self._parts
        )
        names = [f"k{number}" for number in range(len(columns))]
        added = [f"sum(v{number})" for number in range(len(values))]
        grouped = f"GROUP BY {', '.join(names)} HAVING sum(n) <> 0 ORDER BY {', '.join(names)}" if names else ""
        return self.connection.execute(f"SELECT {', '.join([*names, *added])} FROM ({parts}) {grouped} {then}", self.values)

    def statistics(self) -> Statistics:
        amounts, days, by_hour, by_weekday, today, this_week = self._by_time()
        tools = self._by_tool()
        models = [
            ModelShare(model=model, unpriced_tokens=amounts["unpriced_tokens"], **_amounts(amounts, sessions))
            for model, sessions, amounts in self._groups(MODELS, MODEL_SESSIONS)
        ]
        users = [UserShare(user_id=user, **_amounts(amounts, sessions)) for user, sessions, amounts in self._groups(USERS, USER_SESSIONS)]
        projects = [
            ProjectShare(project=project, **_amounts(amounts, sessions))
            for project, sessions, amounts in self._groups(PROJECTS, PROJECT_SESSIONS)
        ]
        foreign = self._sums(CURRENCIES, "currency", "cost_nano")
        return Statistics(
            zone=name_of(self.zone, self.now),
            sessions=Sessions(self._sessions(), today, this_week),
            events=amounts["events"],
            messages={role: messages for role, messages in self._sums(ROLES, "role", "messages") if messages},
            tool_calls=amounts["tool_calls"],
            tools_used=[tool.name for tool in tools if tool.name is not None],
            total_duration_ms=math.fsum(tool.total_duration_ms for tool in tools),
            errors=amounts["errors"],
            usage=Usage(**_usage(amounts, self._price_version())),
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

    def _price_version(self) -> str | None:
        """That of the costs of one session, where they are of one price list. (Of many sessions it would take a look at each.)"""
        if self.scope.session_id is None:
            return None
        row = self.connection.execute(
            f"SELECT price_version FROM catalog.session AS session WHERE {self.scope.which()}", self.values
        ).fetchone()
        return None if row is None else row[0]

    def _sessions(self) -> int:
        """How many sessions; of a time, those in which something happened."""
        if self._parts[0] == "catalog":
            found = self.connection.execute("SELECT n FROM catalog.listings WHERE deleted = 0").fetchone()
            return 0 if found is None else int(found[0])
        if self.scope.since is None and self.scope.until is None:
            statement = f"SELECT count(*) FROM catalog.session AS session WHERE {self.scope.which()}"
        else:
            statement = (
                "SELECT count(DISTINCT row.sid) FROM catalog.activity AS row JOIN catalog.session AS session USING (sid)"
                f" WHERE {self.scope.which()} AND {self.counted}{self.scope.when('row.quarter')}"
            )
        return int(self.connection.execute(statement, self.values).fetchone()[0])

    def _groups(self, total: Total, sessions: Total) -> Iterator[tuple[Any, int, dict[str, int]]]:
        """Each value of the key with the number of sessions and the amounts."""
        [key] = total.key
        counts = dict(self._sums(sessions, key, "n"))
        for value, *sums in self._sums(total, key, "; ".join(AMOUNTS)):
            yield (None if value == 0 else value), counts.get(value, 0), dict(zip(AMOUNTS, sums, strict=True))

    def _by_time(self) -> tuple[dict[str, int], list[Day], list[int], list[int], int, int]:
        """All amounts, days, messages by hour and by weekday, and the sessions of today and of this week."""
        execute = self.connection.execute
        execute("CREATE TEMP TABLE IF NOT EXISTS span (start INTEGER, stop INTEGER, offset_s INTEGER, day INTEGER, first INTEGER)")
        execute("DELETE FROM temp.span")
        spans = spans_of(sorted(self._utc_days()), self.zone)
        self.connection.executemany("INSERT INTO temp.span VALUES (?, ?, ?, ?, ?)", spans)
        joined = "temp.span AS span CROSS JOIN {{0}}.{} AS total ON total.quarter >= span.start AND total.quarter < span.stop"
        quarters, visits = joined.format(QUARTERS.name), joined.format(VISITS.name)
        by_hour, by_weekday = [0] * 24, [0] * 7
        for hour, messages in self._sums(
            QUARTERS, f"((quarter * {QUARTER_S} + offset_s) % 86400 + 86400) % 86400 / 3600", "messages", quarters
        ):
            by_hour[hour] = messages
        sessions_of = dict(self._sums(VISITS, "day", "n", f"{visits} WHERE gap = 0 OR quarter - gap < first"))
        by_day = []
        names = ("events", *AMOUNTS)
        total = dict.fromkeys(names, 0)
        for ordinal, *sums in self._sums(QUARTERS, "day", "; ".join(names), quarters):
            amounts = dict(zip(names, sums, strict=True))
            for name, amount in amounts.items():
                total[name] += amount
            day = date.fromordinal(ordinal)
            by_day.append(Day(day=day, **_amounts(amounts, sessions_of.get(ordinal, 0))))
            by_weekday[day.weekday()] += amounts["messages"]
        today = (self.now.astimezone(self.zone)).date()
        monday = today.toordinal() - today.weekday()
        week = [span.first for span in spans if monday <= span.day < monday + 7]
        this_week = 0
        if week:
            first = f"day >= {monday} AND day < {monday + 7} AND (gap = 0 OR quarter - gap < {min(week)})"
            (this_week,) = next(self._sums(VISITS, "", "n", f"{visits} WHERE {first}"))
        return total, by_day, by_hour, by_weekday, sessions_of.get(today.toordinal(), 0), this_week or 0

    def _utc_days(self) -> set[int]:
        """The days of UTC in which anything happened: one look for each, not at all that happened in it."""
        days: set[int] = set()
        for part in self._parts:
            (quarter,) = self.connection.execute(f"SELECT min(quarter) FROM {part}.by_quarter").fetchone()
            following = f"SELECT min(quarter) FROM {part}.by_quarter WHERE quarter >= ?"
            while quarter is not None:
                days.add(quarter // QUARTERS_A_DAY)
                (quarter,) = self.connection.execute(following, ((quarter // QUARTERS_A_DAY + 1) * QUARTERS_A_DAY,)).fetchone()
        return days

    # --- tools ---------------------------------------------------------------------------------------------------------------

    def _by_tool(self) -> list[ToolShare]:
        buckets: dict[str | int, list[tuple[float, int]]] = {}
        for tool, bucket, timed in self._sums(DURATIONS, "tool; bucket", "n"):
            buckets.setdefault(tool, []).append((bucket, timed))
        shares = []
        for tool, calls, waiting, failures, duration in self._sums(TOOLS, "tool", "n; open; failures; duration"):
            returned = calls - waiting
            name = None if tool == 0 else tool
            ordered = buckets.get(tool, [])
            timed = sum(count for _, count in ordered)
            shares.append(
                ToolShare(
                    name=name,
                    calls=calls,
                    open=waiting,
                    failures=failures,
                    failure_rate=failures / returned if returned else 0.0,
                    total_duration_ms=duration / MICROS_OF_MS,
                    median_duration_ms=self._median(name, ordered, timed),
                    p95_duration_ms=self._nth_duration(name, ordered, math.ceil(0.95 * timed) - 1) if timed else None,
                )
            )
        return shares

    def _median(self, tool: str | None, buckets: list[tuple[float, int]], timed: int) -> float | None:
        if not timed:
            return None
        upper = self._nth_duration(tool, buckets, timed // 2)
        return upper if timed % 2 else (self._nth_duration(tool, buckets, timed // 2 - 1) + upper) / 2

    def _nth_duration(self, tool: str | None, buckets: list[tuple[float, int]], index: int) -> float:
        """The n-th smallest duration: the kept counts say in which bucket it is, and only there it is looked for."""
        bucket = buckets[-1][0]
        for found_in, count in buckets:
            if index < count:
                bucket = found_in
                break
            index -= count
        values = {**self.values, "tool": tool, "bucket": bucket, "n": index}
        values |= {"low": bucket - abs(bucket) * 0.006, "high": bucket + abs(bucket) * 0.006}
        inside = "row.tool IS :tool AND row.duration_ms BETWEEN :low AND :high"
        ends = [
            self.connection.execute(f"SELECT {end}(row.duration_ms) FROM catalog.tool_call AS row WHERE {inside}", values).fetchone()[0]
            for end in ("min", "max")
        ]
        if ends[0] == ends[1]:
            return float(ends[0])
        found = self.connection.execute(
            "SELECT row.duration_ms FROM catalog.tool_call AS row CROSS JOIN catalog.session AS session USING (sid)"
            f" WHERE {inside} AND {BUCKET} = :bucket AND {DURATIONS.where} AND {self.scope.which()} AND {self.counted}"
            f"{self.scope.when(f'({DURATIONS.quarter})')} ORDER BY row.duration_ms LIMIT 1 OFFSET :n",
            values,
        ).fetchone()
        return float(found[0])


def _usage(amounts: dict[str, int], price_version: str | None = None) -> dict[str, Any]:
    cost = Money(amounts["cost_nano"] / NANO, "USD", price_version) if amounts["costs"] else None
    return {**{name: amounts[name] for name in TOKENS}, "cost": cost}


def _amounts(amounts: dict[str, int], sessions: int) -> dict[str, Any]:
    names = ("messages", "user_messages", "assistant_messages", "tool_calls", "errors")
    return {"sessions": sessions, **{name: amounts[name] for name in names}, **_usage(amounts)}
