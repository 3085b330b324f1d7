"""For any life of a store, with forks, merges, deletions, redactions and compactions in it: projections are what a rebuild makes of
the log, by any number of processes and after a kill, and the totals count every event once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from datetime import datetime, timezone, tzinfo
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from eventlog import EventLog, Settings
from eventlog.errors import EventLogError
from eventlog.events import MessageAdded, ToolCalled, UsageRecorded
from eventlog.meaning.copies import identity
from projections import Catalog
from projections.catalog import statistics
from projections.catalog.cost import NO_PRICES, installed_prices
from projections.catalog.search import Search
from projections.catalog.tally import Tally
from projections.index import catch_up
from projections.index.building import attach, connect
from projections.index.database import Index
from projections.index.dump import dump
from projections.projection import Projection

from .test_compaction import streams
from .test_projections import dumps, index_in_memory
from .test_session_view import others, times

# 45 minutes off; a clock that is put forward at midnight, and back from one o'clock to it
ZONES = (timezone.utc, ZoneInfo("Asia/Kathmandu"), ZoneInfo("America/Havana"))
LONG = "TEST_BUDGET_S" in os.environ
SETTINGS = Settings(segment_size_bytes=700, frame_size_bytes=300, sync="never", compress_after="0", compression_level=1)
KINDS = (MessageAdded, UsageRecorded, ToolCalled)
Step = Callable[[EventLog], object]

choices = st.integers(0, 9)
positions = st.integers(1, 12)


def chosen(log: EventLog, choice: int) -> str:
    """One of the sessions that there are."""
    names = sorted(log.session_ids()) or ["s0"]
    return names[choice % len(names)]


def begin(log: EventLog, choice: int) -> str:
    """One of the sessions that there are, or now and then a new one."""
    return f"s{choice}" if choice < 2 else chosen(log, choice)


def speak(choice: int, text: str) -> Step:
    def step(log: EventLog) -> object:
        events = (MessageAdded(role="user", content=text), UsageRecorded(input_tokens=1), ToolCalled(name="Bash"))
        return log.session(begin(log, choice), create=True).append(*events)

    return step


def fork(choice: int, at: int) -> Step:
    def step(log: EventLog) -> object:
        source = chosen(log, choice)
        return log.fork(source, at=min(at, log.session(source).last_seq))

    return step


def merge(choices: list[int], into: int | None) -> Step:
    return lambda log: log.merge({chosen(log, choice) for choice in choices}, into=None if into is None else chosen(log, into))


said = st.builds(speak, choices, st.text("xyz ", max_size=9))
appended = st.builds(
    lambda choice, events, time: lambda log: log.session(begin(log, choice), create=True).append(*events, time=time),
    choices,
    streams | st.lists(others, min_size=1, max_size=3),
    times,
)
copied = st.one_of(
    st.builds(fork, choices, positions), st.builds(merge, st.lists(choices, min_size=1, max_size=3, unique=True), st.none() | choices)
)
gone = st.one_of(
    st.builds(lambda choice: lambda log: log.delete(chosen(log, choice)), choices),
    st.builds(lambda choice: lambda log: log.restore(chosen(log, choice)), choices),
    st.builds(lambda choice: lambda log: log.purge(chosen(log, choice), now=True), choices),
)
rewritten = st.one_of(
    st.builds(lambda choice, seq: lambda log: log.redact(chosen(log, choice), [seq]), choices, positions),
    st.builds(lambda drop: lambda log: log.compact(drop_deltas=drop, idle_s=0), st.booleans()),
)


def live(log: EventLog, step: Step) -> None:
    try:
        step(log)
    except EventLogError:
        pass  # refused, as it may be: the session is deleted, or not deleted, there is no such event


def open_log(folder: str) -> EventLog:
    return EventLog.open(Path(folder) / "store", settings=SETTINGS)


def temporary() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None)


@settings(max_examples=3000 if LONG else 40, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.none() | appended | said | copied | gone | rewritten, max_size=30), st.sampled_from([2, 20_000]))
def test_caught_up_at_any_time_the_dump_is_that_of_a_rebuild(life: list[Step | None], room: int) -> None:
    with temporary() as folder, open_log(folder) as log:
        indexes = [index_in_memory(projection) for projection in (Tally(NO_PRICES), Search())]
        usual = catch_up.EVENTS_PER_TRANSACTION
        try:
            catch_up.EVENTS_PER_TRANSACTION = room  # type: ignore[misc]
            for step in life:
                if step is not None:
                    live(log, step)
                    continue
                for index in indexes:
                    catch_up.catch_up(log, [index])
            for index in indexes:
                incremental = dumps(log, index)
                rebuilt = index_in_memory(index.projection)
                assert incremental == dumps(log, rebuilt)
                rebuilt.connection.close()
                index.connection.close()
        finally:
            catch_up.EVENTS_PER_TRANSACTION = usual  # type: ignore[misc]


@settings(max_examples=3000 if LONG else 40, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.none() | said | copied | copied | gone, min_size=5, max_size=30))
def test_the_totals_count_every_event_once_however_often_it_was_copied(life: list[Step | None]) -> None:
    with temporary() as folder, open_log(folder) as log, Catalog.open(log, prices=NO_PRICES, notice=lambda text: None) as catalog:
        for step in [speak(0, "x"), *life, None]:
            if step is not None:
                live(log, step)
                continue
            listed = [item.session_id for item in catalog.list(limit=100).items]
            events = [stored for session_id in listed for stored in log.session(session_id).read()]
            counted = [len({identity(stored) for stored in events if isinstance(stored.event, kind)}) for kind in KINDS]
            found = catalog.statistics()
            assert [sum(found.messages.values()), found.usage.input_tokens, found.tool_calls] == counted
            assert [
                sum(found.by_hour),
                sum(user.input_tokens for user in found.by_user),
                sum(tool.calls for tool in found.by_tool),
            ] == counted
            assert found.events == len({identity(stored) for stored in events})


@settings(max_examples=400 if LONG else 40, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(appended | said | copied | rewritten, max_size=40), st.sampled_from(ZONES))
def test_what_is_kept_of_all_sessions_is_what_can_be_added_up_anew(life: list[Step], zone: tzinfo) -> None:
    now = datetime(2026, 6, 3, tzinfo=timezone.utc)
    with temporary() as folder, open_log(folder) as log, Catalog.open(log, prices=NO_PRICES, notice=_none_expected) as catalog:
        for number, step in enumerate(life):
            live(log, step)
            if number % 5 == 0:
                catalog.list()
        kept = catalog.statistics(zone=zone, now=now)
        anew = catalog._serving.ask(
            ("catalog",), lambda connection: statistics.compute(connection, statistics.Scope(), zone, now, kept=False)
        )
        assert kept == anew
        whole = catalog.statistics(since=datetime(2000, 1, 1, tzinfo=timezone.utc), zone=zone, now=now)
        assert (whole.events, whole.usage, whole.by_day, whole.by_model) == (kept.events, kept.usage, kept.by_day, kept.by_model)
        assert catalog.list().total == len(catalog.list(limit=10_000).items)
        assert catalog.list(deleted=True).total == len(catalog.list(deleted=True, limit=10_000).items)


KILLED = """
import os, signal, sys
from eventlog import EventLog
from projections import Catalog
from projections.index import catch_up
catch_up.EVENTS_PER_TRANSACTION = 5
def progress(sessions, total, events):
    if events > int(sys.argv[2]):
        os.kill(os.getpid(), signal.SIGKILL)
with EventLog.open(sys.argv[1]) as log, Catalog.open(log, progress=progress) as catalog:
    catalog.look_at_everything() if sys.argv[3] == "catch up" else catalog.rebuild(jobs=1, progress=progress)
"""


def stored_dumps(folder: str) -> dict[str, list[Any]]:
    found = {}
    projections: tuple[Projection[Any], ...] = (Tally(installed_prices()), Search())
    for projection in projections:
        [file] = (Path(folder) / "store" / "projections").glob(f"{projection.name}.*.sqlite")
        connection = connect()
        attach(connection, projection.name, str(file))
        found[projection.name] = list(dump(Index(connection, projection)))
        connection.close()
    return found


@settings(max_examples=60 if LONG else 2, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(appended | said | copied | rewritten, min_size=10, max_size=30),
    st.lists(appended | said | copied, min_size=5, max_size=20),
    st.integers(0, 40),
    st.sampled_from(["catch up", "rebuild"]),
)
def test_by_two_processes_and_after_a_kill_the_dump_is_the_same(life: list[Step], later: list[Step], events: int, what: str) -> None:
    with temporary() as folder, open_log(folder) as log:
        for step in life:
            live(log, step)
        with Catalog.open(log) as catalog:
            catalog.list()
            catalog.search("x")
        for step in later:
            live(log, step)
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        killed = subprocess.run(
            [sys.executable, "-c", KILLED, str(Path(folder) / "store"), str(events), what], env=environment, check=False
        )
        assert killed.returncode in (0, -signal.SIGKILL)
        with Catalog.open(log, notice=_none_expected) as catalog:
            catalog.list()
            catalog.search("x")
            caught_up = stored_dumps(folder)
            for jobs in (1, 2):
                catalog.rebuild(jobs=jobs)
                assert stored_dumps(folder) == caught_up


def _none_expected(text: str) -> None:
    raise AssertionError(text)
