"""What the catalog keeps added up over all sessions, so that no question about all of them counts them.

A `Total` says how rows of one of the tables of `tally` are added up by a key. From it come the rows from nothing, the triggers that
change them with each row, and, for questions about some sessions only, the same sums under another condition (`statistics`).

Kept are the own events of the sessions that are not deleted. What was copied is added when asked: which copy of an event counts
depends on all sessions. All sums are linear in sessions, so what must be added or taken away can be.

A value that is NULL stands in a key as the number 0, which is no text.
"""

from __future__ import annotations

from typing import Final

import msgspec

from ..projection import Rollup
from .summary import AMOUNTS

OWN: Final = "row.source = ''"
LISTED: Final = "session.deleted = 0"
MOST_GAP: Final = 8 * 96  # quarters of an hour: more than a week, whatever the clock does
MICROS_OF_MS: Final = 1000  # durations are added up in whole microseconds: such sums do not depend on their order

_QUARTER_OF_CALL: Final = "row.called_at / 900000000 - (row.called_at % 900000000 < 0)"  # rounded down, before 1970 too


class Total(msgspec.Struct, frozen=True, kw_only=True):
    """Sums over the rows of ``table``, by ``key`` (columns and what they are made of); ``n`` counts the rows.

    ``where`` rows matter at all; ``quarter`` is when a row happened; ``moves``: the columns of the session on which its key depends.
    ``steady``: a row's key never changes, and no row goes before its session does. ``once``: ``n`` counts sessions, each once: it is
    the condition under which ``other`` row of the session is of the same key as ``row``."""

    name: str
    table: str
    key: dict[str, str]
    sums: dict[str, str] = {}
    where: str = "1"
    quarter: str = "row.quarter"
    moves: tuple[str, ...] = ()
    steady: bool = True
    once: str | None = None

    @property
    def columns(self) -> tuple[str, ...]:
        return (*self.key, "n", *self.sums)

    def select(self, which: str, schema: str = "", sign: str = "") -> str:
        """The sums of the rows ``which`` (a condition on ``row`` and ``session``) holds for."""
        sums = "".join(f", {sign}sum({value})" for value in self.sums.values())
        return (
            f"SELECT {self._keys()}, {sign}{self._count()}{sums} FROM {schema}{self.table} AS row"
            f" JOIN {schema}session AS session ON session.sid = row.sid"
            f" WHERE {which} AND {self.where} GROUP BY {', '.join(map(str, range(1, 1 + len(self.key))))}"
        )

    def rollup(self) -> Rollup:
        keys = {column: "INTEGER" if column == "quarter" else "" for column in self.key}  # compared with numbers, it must be one
        sums = dict.fromkeys(("n", *self.sums), "INTEGER NOT NULL")
        triggers = (*self._row_triggers(), *self._session_triggers())
        return Rollup(
            name=self.name, columns={**keys, **sums}, key=tuple(self.key), select=self.select(f"{LISTED} AND {OWN}"), triggers=triggers
        )

    def _keys(self) -> str:
        return ", ".join(self.key.values())

    def _count(self) -> str:
        return "count(*)" if self.once is None else "count(DISTINCT row.sid)"

    def _row_triggers(self) -> tuple[str, ...]:
        added, taken = self._of_row("NEW", ""), self._of_row("OLD", "-")
        inserted = f"AFTER INSERT ON {self.table} BEGIN {added}; END"
        if self.steady:
            changes = [f"NEW.{value.removeprefix('row.')} - OLD.{value.removeprefix('row.')}" for value in self.sums.values()]
            if not changes:
                return (inserted,)
            return inserted, f"AFTER UPDATE ON {self.table} BEGIN {self._of_row('NEW', '', ['0', *changes])}; END"
        gone = f"{taken}; {self._clean('OLD')}"
        return (
            inserted,
            f"AFTER UPDATE ON {self.table} BEGIN {gone}; {added}; END",
            f"AFTER DELETE ON {self.table} BEGIN {gone}; END",
        )

    def _of_row(self, row: str, sign: str, values: list[str] | None = None) -> str:
        if values is None:
            values = [f"{sign}1", *(f"{sign}({value})" for value in self.sums.values())]
        which = f"session.sid = {row}.sid AND {LISTED} AND {OWN} AND {self.where}"
        if self.once is not None:
            another = (
                f"other.sid = row.sid AND other.source = '' AND (other.quarter, other.model) <> (row.quarter, row.model) AND {self.once}"
            )
            which += f" AND NOT EXISTS (SELECT 1 FROM {self.table} AS other WHERE {another})"
        selected = f"SELECT {self._keys()}, {', '.join(values)} FROM session WHERE {which}".replace("row.", f"{row}.")
        return self._add(selected)

    def _clean(self, row: str) -> str:
        """Of the row's key nothing may be left."""
        keys = f"SELECT {self._keys()} FROM session WHERE session.sid = {row}.sid".replace("row.", f"{row}.")
        return f"DELETE FROM {self.name} WHERE n = 0 AND ({', '.join(self.key)}) IN ({keys})"

    def _session_triggers(self) -> tuple[str, ...]:
        """A session that is deleted, restored or comes under another key takes its rows along."""
        changed = " OR ".join(f"OLD.{column} IS NOT NEW.{column}" for column in ("deleted", *self.moves))
        gone, come = self._of_session("OLD", "-"), self._of_session("NEW", "")
        keys = f"SELECT {self._keys()} FROM {self.table} AS row WHERE row.sid = OLD.sid AND {self.where}".replace("session.", "OLD.")
        clean = f"DELETE FROM {self.name} WHERE n = 0 AND ({', '.join(self.key)}) IN ({keys})"
        return (
            f"AFTER UPDATE ON session WHEN {changed} BEGIN {gone}; {clean}; {come}; END",
            f"AFTER DELETE ON session WHEN OLD.deleted = 0 BEGIN {gone}; {clean}; END",
        )

    def _of_session(self, session: str, sign: str) -> str:
        sums = "".join(f", {sign}sum({value})" for value in self.sums.values())
        which = f"row.sid = {session}.sid AND {session}.deleted = 0 AND {OWN} AND {self.where}"
        selected = (
            f"SELECT {self._keys()}, {sign}{self._count()}{sums} FROM {self.table} AS row"
            f" WHERE {which} GROUP BY {', '.join(map(str, range(1, 1 + len(self.key))))}"
        )
        return self._add(selected.replace("session.", f"{session}."))

    def _add(self, selected: str) -> str:
        return added(self.name, tuple(self.key), ("n", *self.sums), selected)


class Visits(msgspec.Struct, frozen=True, kw_only=True):
    """In how many sessions something happened in a quarter of an hour (``n``), by how many quarters before that something last did
    (``gap``; 0: not within more than a week). So the sessions of any day are those that were not there before in it."""

    name: str = "visits"
    columns: tuple[str, ...] = ("quarter", "gap", "n")

    def select(self, which: str, schema: str = "", sign: str = "") -> str:
        seen = (
            f"SELECT DISTINCT row.sid, row.quarter FROM {schema}activity AS row JOIN {schema}session AS session ON session.sid = row.sid"
            f" WHERE {which}"
        )
        return _visits(seen, sign)

    def rollup(self) -> Rollup:
        kinds = {"quarter": "INTEGER", "gap": "INTEGER", "n": "INTEGER NOT NULL"}
        return Rollup(
            name=self.name,
            columns=kinds,
            key=("quarter", "gap"),
            select=self.select(f"{LISTED} AND {OWN}"),
            triggers=(self._inserted(), *self._session_triggers()),
        )

    def _inserted(self) -> str:
        """The first row of a quarter: it may come between two others, whose gap is then another one."""
        own = "FROM activity WHERE sid = NEW.sid AND source = '' AND quarter"
        before = f"(SELECT quarter {own} < NEW.quarter ORDER BY quarter DESC LIMIT 1)"
        after = f"(SELECT quarter {own} > NEW.quarter ORDER BY quarter LIMIT 1)"
        listed = f"FROM session WHERE session.sid = NEW.sid AND {LISTED}"
        followed = f"{listed} AND {after} IS NOT NULL"
        statements = (
            self._add(f"SELECT {after}, {_gap(f'{after} - {before}')}, -1 {followed}"),
            f"DELETE FROM visits WHERE n = 0 AND quarter = {after} AND gap = {_gap(f'{after} - {before}')}",
            self._add(f"SELECT {after}, {_gap(f'{after} - NEW.quarter')}, 1 {followed}"),
            self._add(f"SELECT NEW.quarter, {_gap(f'NEW.quarter - {before}')}, 1 {listed}"),
        )
        first = f"NEW.source = '' AND NOT EXISTS (SELECT 1 {own} = NEW.quarter AND model <> NEW.model)"
        return f"AFTER INSERT ON activity WHEN {first} BEGIN {'; '.join(statements)}; END"

    def _session_triggers(self) -> tuple[str, ...]:
        def of(session: str, sign: str) -> str:
            seen = f"SELECT DISTINCT sid, quarter FROM activity WHERE sid = {session}.sid AND source = '' AND {session}.deleted = 0"
            return self._add(_visits(seen, sign))

        clean = "DELETE FROM visits WHERE n = 0 AND quarter IN (SELECT quarter FROM activity WHERE sid = OLD.sid)"
        return (
            f"AFTER UPDATE ON session WHEN OLD.deleted <> NEW.deleted BEGIN {of('OLD', '-')}; {clean}; {of('NEW', '')}; END",
            f"AFTER DELETE ON session WHEN OLD.deleted = 0 BEGIN {of('OLD', '-')}; {clean}; END",
        )

    def _add(self, selected: str) -> str:
        return added(self.name, ("quarter", "gap"), ("n",), selected)


def _gap(difference: str) -> str:
    return f"CASE WHEN {difference} <= {MOST_GAP} THEN {difference} ELSE 0 END"


def _visits(seen: str, sign: str) -> str:
    """The rows of `Visits` that the pairs of sid and quarter make which the statement ``seen`` selects."""
    gap = "quarter - lag(quarter) OVER (PARTITION BY sid ORDER BY quarter)"
    gaps = f"SELECT quarter, {gap} AS difference FROM ({seen})"
    return f"SELECT quarter, {_gap('difference')} AS gap, {sign}count(*) FROM ({gaps}) WHERE true GROUP BY 1, 2"


def added(table: str, key: tuple[str, ...], sums: tuple[str, ...], selected: str) -> str:
    """The statement that adds selected rows to those of the same key."""
    changes = ", ".join(f"{column} = {column} + excluded.{column}" for column in sums)
    return f"INSERT INTO {table} ({', '.join((*key, *sums))}) {selected} ON CONFLICT ({', '.join(key)}) DO UPDATE SET {changes}"


_SUMS: Final = {name: f"row.{name}" for name in AMOUNTS}
_USER: Final = {"user_id": "coalesce(session.user_id, 0)"}
_PROJECT: Final = {"project": "coalesce(session.project, 0)"}
_TIMED: Final = "row.called_seq IS NOT NULL AND row.duration_ms IS NOT NULL"

QUARTERS: Final = Total(name="by_quarter", table="activity", key={"quarter": "row.quarter"}, sums={**_SUMS, "events": "row.events"})
MODELS: Final = Total(name="by_model", table="activity", key={"model": "row.model"}, sums=_SUMS, where="row.model <> ''")
USERS: Final = Total(name="by_user", table="activity", key=_USER, sums=_SUMS, moves=("user_id",))
PROJECTS: Final = Total(name="by_project", table="activity", key=_PROJECT, sums=_SUMS, moves=("project",))
ROLES: Final = Total(name="by_role", table="role", key={"role": "row.role"}, sums={"messages": "row.messages"})
CURRENCIES: Final = Total(name="by_currency", table="foreign_cost", key={"currency": "row.currency"}, sums={"cost_nano": "row.cost_nano"})
TOOLS: Final = Total(
    name="by_tool",
    table="tool_call",
    key={"tool": "coalesce(row.tool, 0)"},
    sums={
        "open": "(row.returned_seq IS NULL)",
        "failures": "row.is_error",
        "timed": "(row.duration_ms IS NOT NULL)",
        "duration": f"CAST(round(coalesce(row.duration_ms, 0) * {MICROS_OF_MS}) AS INTEGER)",
    },
    where="row.called_seq IS NOT NULL",
    quarter=_QUARTER_OF_CALL,
    steady=False,
)
BUCKET: Final = "CAST(printf('%.2e', row.duration_ms) AS REAL)"  # three digits: where the n-th duration is to be looked for
DURATIONS: Final = Total(
    name="durations",
    table="tool_call",
    key={"tool": "coalesce(row.tool, 0)", "bucket": BUCKET},
    where=_TIMED,
    quarter=_QUARTER_OF_CALL,
    steady=False,
)
MODEL_SESSIONS: Final = Total(name="model_sessions", table="activity", key=MODELS.key, where=MODELS.where, once="other.model = row.model")
USER_SESSIONS: Final = Total(name="user_sessions", table="activity", key=_USER, moves=("user_id",), once="1")
PROJECT_SESSIONS: Final = Total(name="project_sessions", table="activity", key=_PROJECT, moves=("project",), once="1")
VISITS: Final = Visits()
TOTALS: Final = (
    QUARTERS, VISITS, MODELS, MODEL_SESSIONS, USERS, USER_SESSIONS, PROJECTS, PROJECT_SESSIONS, ROLES, CURRENCIES, TOOLS, DURATIONS,
)  # fmt: skip

LISTINGS: Final = Rollup(
    name="listings",
    columns={"deleted": "INTEGER", "n": "INTEGER NOT NULL"},
    key=("deleted",),
    select="SELECT deleted, count(*) FROM session GROUP BY deleted",
    triggers=tuple(
        f"AFTER {what} ON session BEGIN {'; '.join(statements)}; END"
        for what, statements in {
            "INSERT": [added("listings", ("deleted",), ("n",), "VALUES (NEW.deleted, 1)")],
            "DELETE": [
                added("listings", ("deleted",), ("n",), "VALUES (OLD.deleted, -1)"),
                "DELETE FROM listings WHERE n = 0",
            ],
            "UPDATE": [
                added("listings", ("deleted",), ("n",), "VALUES (OLD.deleted, -1)"),
                added("listings", ("deleted",), ("n",), "VALUES (NEW.deleted, 1)"),
                "DELETE FROM listings WHERE n = 0",
            ],
        }.items()
    ),
)
ROLLUPS: Final = (LISTINGS, *(total.rollup() for total in TOTALS))
