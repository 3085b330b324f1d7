"""The fold behind the catalog: what a session is, and how much of everything happened in it, when and with which model.

Its tables: ``session`` holds one row per session (`listing` reads it), ``label`` its tags and models, ``activity`` the numbers per quarter
of an hour, model and source (`statistics` reads it), ``role`` and ``copied`` what those cannot say, ``tool_call`` every use of a tool
(`tool_history` reads it, the pairing is in `pairing`). What counts how is decided as in `SessionView`.

A *source* is the session that an event was first appended to, however many forks and merges have copied it since; it is empty for the
session's own events. So totals over many sessions count each event once.

Amounts of money are whole billionths of a currency's unit, so that sums do not depend on their order.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Final

from msgspec import UNSET

from eventlog import StoredEvent
from eventlog import events as e
from eventlog.meaning.copies import as_meant, identity
from eventlog.meaning.history import can_be_taken_back, is_about_the_record
from eventlog.stored import NO_ORIGIN

from ..projection import State, Table
from .call_records import TOOL_CALLS
from .cost import NO_PRICES, Prices, installed_prices
from .journal import Journal, Project
from .message_tally import HANDLERS as MESSAGE_HANDLERS
from .metadata import METADATA, begin_metadata, patch_metadata
from .moments import microseconds_of, quarter_of
from .summary import AMOUNTS, ORDERS, PLACES, Summary, cell_of, row_of, saw_model
from .taking_back import taken_back
from .totals import ROLLUPS
from .usage_tally import count_usage

Handler = Callable[[State[Summary], StoredEvent], None]


class Tally:
    """The projection ``catalog``. Its version names the price list, so that new prices make new amounts."""

    name = "catalog"
    tables = (
        Table(
            name="session",
            columns={
                "session_id": "TEXT NOT NULL",
                "title": "TEXT",
                "title_folded": "TEXT NOT NULL",
                "preview": "TEXT",
                "status": "TEXT NOT NULL",
                "deleted": "INTEGER NOT NULL",
                "pinned": "INTEGER NOT NULL",
                "user_id": "TEXT",
                "tags": "TEXT NOT NULL",
                "kind": "TEXT",
                "model": "TEXT",
                "models": "TEXT NOT NULL",
                "provider": "TEXT",
                "project": "TEXT",
                "namespace": "TEXT",
                "foreign_key": "TEXT",
                "generation": "INTEGER",
                "parent": "TEXT",
                "started_at": "INTEGER NOT NULL",
                "updated_at": "INTEGER NOT NULL",
                "events": "INTEGER NOT NULL",
                **dict.fromkeys(AMOUNTS, "INTEGER NOT NULL"),
                "price_version": "TEXT",
                "size_bytes": "INTEGER NOT NULL",
            },
            indexes=(
                *(f"deleted, {order} DESC, session_id DESC" for order in ORDERS.values()),
                "user_id, deleted, updated_at DESC",
                "session_id",
                "foreign_key, namespace",
                "namespace, deleted, updated_at DESC",
            ),
        ),
        Table(name="label", columns={"kind": "TEXT", "value": "TEXT"}, key=("kind", "value"), indexes=("kind, value",)),
        Table(
            name="activity",
            columns={
                "quarter": "INTEGER",
                "source": "TEXT",
                "model": "TEXT",
                "events": "INTEGER NOT NULL DEFAULT 0",
                **dict.fromkeys(AMOUNTS, "INTEGER NOT NULL DEFAULT 0"),
            },
            key=("quarter", "source", "model"),
        ),
        Table(
            name="role",
            columns={"quarter": "INTEGER", "source": "TEXT", "role": "TEXT", "messages": "INTEGER NOT NULL DEFAULT 0"},
            key=("quarter", "source", "role"),
        ),
        Table(
            name="copied",
            columns={"source": "TEXT", "events": "INTEGER NOT NULL DEFAULT 0"},
            key=("source",),
            indexes=("source",),  # what was copied is found without looking at what was not
        ),
        Table(
            name="foreign_cost",
            columns={"quarter": "INTEGER", "source": "TEXT", "currency": "TEXT", "cost_nano": "INTEGER NOT NULL DEFAULT 0"},
            key=("quarter", "source", "currency"),
        ),
        METADATA,
        TOOL_CALLS,
    )
    rollups = ROLLUPS

    @classmethod
    def elsewhere(cls) -> Tally:
        """As another process makes it: with the price list that is installed."""
        return cls(installed_prices())

    def __init__(self, prices: Prices = NO_PRICES) -> None:
        self.prices = prices
        self.version = f"5.{prices.version}"
        self._handlers: dict[type, Handler] = {**_HANDLERS, e.UsageRecorded: partial(count_usage, prices)}

    def initial(self) -> State[Summary]:
        return State(Summary())

    def fold(self, state: State[Summary], stored: StoredEvent) -> State[Summary]:
        stored = as_meant(stored)
        kept = state.kept
        kept.events += 1
        kept.size_bytes += stored.size_bytes
        moment = microseconds_of(stored.time)
        event = stored.event
        is_work = not is_about_the_record(event)
        if kept.started_at is None:
            kept.session_id = stored.session_id
            kept.started_at = moment
        if is_work:
            kept.updated_at = moment if kept.updated_at is None else max(kept.updated_at, moment)
        source = "" if stored.origin_raw is NO_ORIGIN else _source(stored)
        quarter = quarter_of(moment) if is_work or kept.quarter is None else kept.quarter  # nothing else is activity
        if source != kept.source or quarter != kept.quarter:
            _end_run(state)
            kept.source = source
            kept.quarter = quarter
            state.rows.add("activity", (quarter, source, ""), {})
        kept.run += 1
        kind = type(event)
        if kept.ended is not None and is_work:
            _wake(kept, event)
        handler = self._handlers.get(kind)
        if handler is not None:
            handler(state, stored)
        elif is_work and can_be_taken_back(event.type):
            Journal(state.memory).other(stored.seq, cell_of(kept))
        return state

    def settle(self, state: State[Summary]) -> None:
        kept = state.kept
        _end_run(state)
        state.rows.put("session", (), row_of(kept))
        state.rows.drop("label", {})
        for kind, values in (("tag", kept.tags), ("model", kept.models)):
            for value in values:
                state.rows.put("label", (kind, value), {"kind": kind, "value": value})


def _wake(kept: Summary, event: Any) -> None:
    if can_be_taken_back(event.type):
        kept.waking += 1
    else:
        kept.is_woken = True


def _source(stored: StoredEvent) -> str:
    source = identity(stored).session_id
    return "" if source == stored.session_id else source


def _end_run(state: State[Summary]) -> None:
    kept = state.kept
    if kept.run:
        state.rows.add("copied", (kept.source,), {"events": kept.run})
        state.rows.add("activity", cell_of(kept), {"events": kept.run})
        kept.run = 0


def _started(state: State[Summary], stored: StoredEvent) -> None:
    """The first one counts; a later one, that a merge or fork took over, fills what is still empty, and its tags join."""
    event: e.SessionStarted = stored.event
    kept = state.kept
    if not kept.begun:
        kept.begun = True
        kept.started_at = microseconds_of(stored.time)
    for name in ("title", "description", "purpose", "user_id", "kind", "model", "provider", "parent"):
        if getattr(kept, name) is None:
            setattr(kept, name, getattr(event, name))
    kept.tags = list(dict.fromkeys([*kept.tags, *event.tags]))
    saw_model(kept, event.model, stored.seq, for_good=True)
    for name in PLACES:
        if name in event.metadata:
            kept.places.setdefault(name, event.metadata[name])
    begin_metadata(state, event.metadata)


def _updated(state: State[Summary], stored: StoredEvent) -> None:
    event: e.SessionUpdated = stored.event
    kept = state.kept
    for name in ("title", "description", "purpose", "user_id", "kind", "model", "provider", "parent", "pinned"):
        value = getattr(event, name)
        if value is not UNSET:
            setattr(kept, name, value)
    saw_model(kept, kept.model, stored.seq, for_good=True)
    patch_metadata(state, event.metadata)
    tags = kept.tags if event.tags is UNSET else event.tags or []
    kept.tags = [tag for tag in dict.fromkeys([*tags, *event.add_tags]) if tag not in event.remove_tags]
    if event.metadata is None:
        kept.places = {}
    elif event.metadata is not UNSET:
        for name in PLACES:
            if name in event.metadata:
                kept.places[name] = event.metadata[name]


def _context(state: State[Summary], stored: StoredEvent) -> None:
    kept, project = state.kept, stored.event.project
    journal = Journal(state.memory)
    if project is UNSET:
        journal.other(stored.seq, cell_of(kept))
        return
    journal.note(Project(stored.seq, journal.cell(stored.seq, cell_of(kept)), project, kept.project_seq))
    kept.project_seq = stored.seq
    kept.places["context"] = project


def _ended(state: State[Summary], stored: StoredEvent) -> None:
    kept = state.kept
    kept.ended, kept.is_woken, kept.waking = (stored.seq, stored.event.status), False, 0


def _deleted(state: State[Summary], stored: StoredEvent) -> None:
    state.kept.deleted = True


def _restored(state: State[Summary], stored: StoredEvent) -> None:
    state.kept.deleted = False


def _model_changed(state: State[Summary], stored: StoredEvent) -> None:
    kept = state.kept
    kept.model = stored.event.model
    saw_model(kept, kept.model, stored.seq, for_good=True)
    if stored.event.provider is not None:
        kept.provider = stored.event.provider


_HANDLERS: Final[dict[type, Handler]] = {
    **MESSAGE_HANDLERS,
    e.SessionStarted: _started,
    e.SessionUpdated: _updated,
    e.SessionEnded: _ended,
    e.SessionDeleted: _deleted,
    e.SessionRestored: _restored,
    e.ModelChanged: _model_changed,
    e.ContextUpdated: _context,
    e.HistoryRetracted: taken_back,
    e.HistoryCleared: taken_back,
}
