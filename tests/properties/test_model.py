"""Row 11: whatever is done to a log, it answers like a list of forty lines."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from eventlog import EventLog, Session, Settings
from eventlog.errors import Conflict, EventTooLarge, SessionDeleted, SessionNotFound
from eventlog.events import Event, MessageAdded, SessionEnded, SessionRestored, SessionResumed, UnknownEvent
from eventlog.events import SessionDeleted as Deleted
from eventlog.files.backend import FilesBackend
from tests.crash.workload import UnsyncedDisk

SETTINGS = Settings(segment_size_bytes=1_500, frame_size_bytes=600, max_event_bytes=4_000, max_open_files=2, lock_timeout_s=5)

events = st.one_of(
    st.builds(MessageAdded, role=st.sampled_from(["user", "assistant"]), content=st.text(max_size=60)),
    st.builds(MessageAdded, role=st.just("user"), content=st.integers(100, 1_200).map("x".__mul__)),
    st.builds(SessionResumed, reason=st.none() | st.text(max_size=5)),
    st.builds(UnknownEvent, st.just("model.unknown"), st.fixed_dictionaries({"stars": st.integers(0, 5)})),
)
sessions = st.sampled_from(["a", "b.2", "C"])
levels = st.sampled_from(["always", "interval", "never"])


class Model:
    """What a session is: a list, the key and position of its last append, and whether it is deleted."""

    def __init__(self) -> None:
        self.events: list[Any] = []
        self.key: tuple[str, int] | None = None

    @property
    def deleted(self) -> bool:
        return bool(self.events) and isinstance(self.events[-1], Deleted)

    def append(self, given: list[Any], key: str | None) -> int:
        self.events += given
        self.key = (key, len(self.events)) if key is not None else None
        return len(self.events)


class LogMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.models: dict[str, Model] = {name: Model() for name in ("a", "b.2", "C")}
        self.handles: dict[str, Session] = {}
        self.keys = 0
        self.log = self.open()

    def open(self) -> EventLog:
        raise NotImplementedError

    def handle(self, name: str) -> Session:
        return self.handles.setdefault(name, self.log.session(name, create=True))

    @rule(name=sessions, given=st.lists(events, min_size=1, max_size=4), sync=levels, keyed=st.booleans())
    def append(self, name: str, given: list[Event | UnknownEvent], sync: Any, keyed: bool) -> None:
        model = self.models[name]
        self.keys += 1
        key = f"key {self.keys}" if keyed else None
        if model.deleted:
            with pytest.raises(SessionDeleted):
                self.handle(name).append(*given, sync=sync, id=key)
            return
        got = self.handle(name).append(*given, sync=sync, id=key, expected=len(model.events) if keyed else None)
        assert got == model.append(given, key)

    @rule(name=sessions, off=st.sampled_from([-2, -1, 1, 5]), event=events)
    def append_with_a_wrong_position(self, name: str, off: int, event: Event | UnknownEvent) -> None:
        actual = len(self.models[name].events)
        with pytest.raises(Conflict) as caught:
            self.handle(name).append(event, expected=actual + off)
        assert caught.value.actual == actual

    @rule(name=sessions)
    def retry_the_last_append(self, name: str) -> None:
        known = self.models[name].key
        if known is not None:
            assert self.handle(name).append(SessionResumed(reason="not this"), id=known[0]) == known[1]

    @rule(name=sessions, before=st.lists(events, max_size=2))
    def append_something_too_large(self, name: str, before: list[Event | UnknownEvent]) -> None:
        if not self.models[name].deleted:
            with pytest.raises(EventTooLarge):
                self.handle(name).append(*before, MessageAdded(role="user", content="x" * 4_000))

    @rule(name=sessions)
    def end(self, name: str) -> None:
        if not self.models[name].deleted:
            assert self.handle(name).end("failed", "test") == self.models[name].append([SessionEnded(status="failed", reason="test")], None)

    @rule(name=sessions)
    def delete_or_restore(self, name: str) -> None:
        model = self.models[name]
        if model.events:
            event = SessionRestored() if model.deleted else Deleted(reason="test")
            assert self.handle(name).append(event) == model.append([event], None)

    @rule(name=sessions, after=st.integers(-1, 40), size=st.none() | st.integers(0, 20))
    def read_a_window(self, name: str, after: int, size: int | None) -> None:
        before = None if size is None else after + size
        got = [(event.seq, event.event) for event in self.handle(name).read(after=after, before=before)]
        numbered = enumerate(self.models[name].events, start=1)
        assert got == [(seq, event) for seq, event in numbered if seq > after and (before is None or seq < before)]

    @rule(name=sessions)
    def open_another_handle(self, name: str) -> None:
        if self.models[name].events:
            self.handles[name] = self.log.session(name)
        else:
            with pytest.raises(SessionNotFound):
                self.log.session(name)

    @rule(name=sessions, event=events)
    def append_exclusively(self, name: str, event: Event | UnknownEvent) -> None:
        model = self.models[name]
        if not model.deleted:
            with self.log.session(name, create=True, exclusive=True) as owner:
                assert owner.append(event) == model.append([event], None)
                assert owner.append(event, event) == model.append([event, event], None)

    @invariant()
    def positions_agree(self) -> None:
        for name, handle in self.handles.items():
            assert handle.last_seq == len(self.models[name].events)
        assert sorted(self.log.session_ids()) == sorted(name for name, model in self.models.items() if model.events)

    def teardown(self) -> None:
        for name, model in self.models.items():
            assert [event.event for event in self.handle(name).read()] == model.events
        report = self.log.verify()
        assert report.ok, report.problems
        assert report.events == sum(len(model.events) for model in self.models.values())
        self.log.close()


class MemoryMachine(LogMachine):
    def open(self) -> EventLog:
        return EventLog.memory(SETTINGS)


class FilesMachine(LogMachine):
    def open(self) -> EventLog:
        self.folder = tempfile.TemporaryDirectory(dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None)
        return self.open_again()

    def open_again(self) -> EventLog:
        settings = SETTINGS.replace(store=Path(self.folder.name) / "store")
        return EventLog(FilesBackend.open(settings, disk=UnsyncedDisk()), settings)

    @rule()
    def reopen(self) -> None:
        """In another program, so to speak: nothing but the files is left."""
        self.log.close()
        self.handles.clear()
        self.log = self.open_again()

    @rule(name=sessions, event=events)
    def somebody_else_appends(self, name: str, event: Event | UnknownEvent) -> None:
        if not self.models[name].deleted:
            with self.open_again() as other:
                assert other.session(name, create=True).append(event) == self.models[name].append([event], None)

    def teardown(self) -> None:
        super().teardown()
        self.folder.cleanup()


def limits(machine: type[LogMachine], examples: int) -> Any:
    case = machine.TestCase
    long = "TEST_BUDGET_S" in os.environ
    case.settings = settings(
        max_examples=examples * 50 if long else examples, stateful_step_count=30, suppress_health_check=list(HealthCheck)
    )
    return case


TestMemory = limits(MemoryMachine, 60)
TestFiles = limits(FilesMachine, 60)
