"""`EventLog.keyed`: one session for a key, the next generation once it is deleted; the catalog finds it."""

from __future__ import annotations

import asyncio
import hashlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventlog import EventLog, Settings, aio
from eventlog.backend import Stream
from eventlog.errors import InvalidEvent, InvalidInput
from eventlog.events import MessageAdded, SessionStarted
from eventlog.files.backend import FilesBackend
from eventlog.keyed import keyed_id
from projections import Catalog
from projections.catalog.cost import NO_PRICES


@pytest.fixture(params=["files", "memory"])
def log(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[EventLog]:
    with EventLog.memory() if request.param == "memory" else EventLog.open(tmp_path / "store", sync="never") as opened:
        yield opened


def note(text: str) -> MessageAdded:
    return MessageAdded(role="user", content=text)


@given(st.lists(st.text(), min_size=1, max_size=4))
def test_the_id_is_the_digest_of_the_json_array_of_the_texts(texts: list[str]) -> None:
    named = json.dumps(texts, ensure_ascii=False, separators=(",", ":")).encode()
    assert keyed_id("n.1", *texts) == "n.1-" + hashlib.sha256(named).hexdigest()[:24]


def test_keys_that_are_joined_alike_are_different_keys() -> None:
    ids = {keyed_id("n", *texts) for texts in (["a", "b"], ["ab"], ["a,b"], ['a","b'], ["b", "a"], ["a", "b", ""])}
    assert len(ids) == 6


def test_the_same_key_is_the_same_session_and_says_its_key(log: EventLog) -> None:
    session = log.keyed("slack", "C1", "17")
    session.append(note("1"))
    again = log.keyed("slack", "C1", "17")
    assert (again.id, again.last_seq) == (session.id, 2)
    started = next(session.read()).event
    assert isinstance(started, SessionStarted)
    assert started.metadata == {"key": {"namespace": "slack", "key": ["C1", "17"], "generation": 1}}
    assert log.keyed("slack", "C1").id != session.id
    assert log.keyed("mail", "C1", "17").id == "mail" + session.id.removeprefix("slack")


def test_a_deleted_session_s_key_begins_the_next_generation_and_a_restored_one_does_not_come_back(log: EventLog) -> None:
    first = log.keyed("n", "k").id
    for generation in range(2, 12):
        log.delete(log.keyed("n", "k").id)
        session = log.keyed("n", "k")
        assert session.id == f"{first}.{generation}"
        started = next(session.read()).event
        assert started.metadata["key"]["generation"] == generation
    log.restore(first)
    log.restore(f"{first}.10")
    assert log.keyed("n", "k").id == f"{first}.11"
    log.delete(f"{first}.11")
    assert log.keyed("n", "k").id == f"{first}.12"


def test_a_purged_session_s_key_begins_the_next_generation(tmp_path: Path) -> None:
    with EventLog.open(tmp_path / "store") as log:
        session = log.keyed("n", "k")
        log.purge(session.id, now=True)
        assert log.keyed("n", "k").id == f"{session.id}.2"


def test_finding_the_last_of_a_thousand_generations_looks_at_few_of_them(tmp_path: Path) -> None:
    class Counting(FilesBackend):
        looks = 0

        def stream(self, session_id: str, *, create: bool, exclusive: bool = False, new: bool = False) -> Stream:
            self.looks += 1
            return super().stream(session_id, create=create, exclusive=exclusive, new=new)

    settings = Settings(store=tmp_path / "store", sync="never")
    backend = Counting.open(settings)
    with EventLog(backend, settings) as log:
        first = keyed_id("n", "k")
        for generation in range(1, 1001):
            log.start(id=first if generation == 1 else f"{first}.{generation}")
        backend.looks = 0
        assert log.keyed("n", "k").id == f"{first}.1000"
        assert backend.looks < 30


def test_a_key_is_texts_and_a_namespace_is_part_of_an_id(log: EventLog) -> None:
    for namespace in ("", "a/b", ".a", "ä", "x" * 65):
        with pytest.raises(InvalidInput, match="no namespace"):
            log.keyed(namespace, "k")
    for texts in ([], [1], [None]):
        with pytest.raises(TypeError, match="key"):
            log.keyed("n", *texts)
    with pytest.raises(InvalidEvent):
        log.keyed("n", "\ud800")
    assert list(log.session_ids()) == []


def test_with_recording_off_a_key_has_a_session_that_keeps_nothing(tmp_path: Path) -> None:
    with EventLog.open(settings=Settings(store=tmp_path / "store", recording=False)) as log:
        assert log.keyed("n", "k").id == keyed_id("n", "k")
        assert log.keyed("n", "k").append(note("1")) > 0
    assert not (tmp_path / "store").exists()


ASK = """
import sys
from eventlog import EventLog
from eventlog.events import MessageAdded
with EventLog.open(sys.argv[1], sync="never") as log:
    sys.stdin.readline()
    for number in range(100):
        with log.keyed("n", str(number)) as session:
            session.append(MessageAdded(role="user", content=sys.argv[2]))
"""


def test_programs_that_ask_at_once_make_one_session(tmp_path: Path) -> None:
    with EventLog.open(tmp_path / "store") as log:
        programs = [subprocess.Popen([sys.executable, "-c", ASK, str(tmp_path / "store"), name], stdin=subprocess.PIPE) for name in "pqr"]
        for program in programs:
            assert program.stdin is not None
            program.stdin.write(b"\n")
            program.stdin.close()
        assert [program.wait(60) for program in programs] == [0, 0, 0]
        assert set(log.session_ids()) == {keyed_id("n", str(number)) for number in range(100)}
        for session_id in log.session_ids():
            events = list(log.session(session_id).read())
            assert [stored.type for stored in events] == ["session.started"] + ["message.added"] * 3
            assert {stored.event.content for stored in events[1:]} == {"p", "q", "r"}


def test_the_catalog_lists_by_namespace_and_finds_the_last_generation_by_its_key(log: EventLog) -> None:
    first, other = log.keyed("slack", "C1", "17").id, log.keyed("mail", "C1", "17").id
    log.delete(first)
    second = log.keyed("slack", "C1", "17").id
    with Catalog.open(log, prices=NO_PRICES) as catalog:
        assert [item.session_id for item in catalog.list(namespace="slack").items] == [second]
        assert catalog.find("slack/C1/17").session_id == second
        assert catalog.find("mail/C1/17").session_id == other
        log.restore(first)
        assert catalog.find("slack/C1/17").session_id == second
        assert {item.session_id for item in catalog.list(namespace="slack").items} == {first, second}


def test_an_async_program_asks_the_same(tmp_path: Path) -> None:
    async def main() -> str:
        async with aio.EventLog.open(tmp_path / "store") as log, log.keyed("n", "k") as session:
            assert await session.append(note("1")) == 2
            return session.id

    assert asyncio.run(main()) == keyed_id("n", "k")
