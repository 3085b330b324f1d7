from __future__ import annotations

import errno
import json
import shutil
import threading
from pathlib import Path
from typing import Any

import pytest

from eventlog import EventLog, Settings
from eventlog.events import ErrorLogged, MessageAdded, MessageDelta
from eventlog.files.backend import FilesBackend
from eventlog.recorders import recording
from eventlog.tail import CaughtUp
from eventlog.testing import CrashingDisk

from .program import assistant, events, program, said, user


def test_a_held_lock_delays_only_its_own_session(tmp_path: Path) -> None:
    with EventLog.open(tmp_path / "s", sync="never") as log, EventLog.open(tmp_path / "s", sync="never") as other, program(log) as it:
        with recording("held"):
            it.chat([user("q")])
        it.flush()
        holder = other.session("held", exclusive=True)
        with recording("held"):
            it.chat([user("q"), assistant("yes"), user("r")], "waited")
        with recording("free"):
            it.chat([user("q")])
        assert not it.recorder.flush(0.2)
        with log.session("free") as free:
            assert free.last_seq == 4
        assert it.recorder.stats[:3] == (2, 0, 1)
        holder.close()
        it.flush()
        assert it.recorder.stats[:3] == (3, 0, 0)
        assert [each.content for each in events(log, "held", MessageAdded.type)] == ["q", "yes", "r", "waited"]


def test_a_store_that_has_gone_is_counted_said_once_and_not_made_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    losses: list[Exception] = []
    with EventLog.open(tmp_path / "s", sync="never") as log, program(log, on_loss=losses.append) as it:
        it.chat([user("q")])
        it.flush()
        shutil.rmtree(tmp_path / "s")
        for n in range(3):
            it.chat([user(f"later {n}")])
        it.flush()
        stats = it.recorder.stats
        assert (stats.recorded, stats.lost, stats.pending) == (1, 3, 0)
        assert "has gone" in str(stats.last_error)
        assert len(losses) == 3
        assert len([each for each in caplog.records if "was not recorded" in each.message]) == 1
        assert not (tmp_path / "s").exists()


def test_what_a_full_disk_lost_is_brought_by_the_next_request_of_the_conversation(tmp_path: Path) -> None:
    settings = Settings(store=tmp_path / "s", sync="never")
    disk = CrashingDisk(tmp_path)
    with EventLog(FilesBackend.open(settings, disk=disk), settings) as log, program(log) as it:
        it.chat([user("q")], "a")
        it.flush()
        disk.fail(0, errno.ENOSPC, lasting=True, calls={"write"})
        it.chat([user("q"), assistant("a"), user("r")], "b")
        it.flush()
        assert (it.recorder.stats.recorded, it.recorder.stats.lost) == (1, 1)
        disk.mend()
        it.chat([user("q"), assistant("a"), user("r"), assistant("b"), user("s")], "c")
        view = it.view()
        assert [text for _, text in said(view)] == ["q", "a", "r", "b", "s", "c"]
        healed = next(each for each in events(log, view.session_id, MessageAdded.type) if each.content == "b")
        assert healed.metadata["from"] == "request"
        assert log.verify().ok


def test_more_than_may_wait_is_lost_and_counted() -> None:
    with program(max_pending=2) as it:
        first, second = it.begin([user("1")]), it.begin([user("2")])
        assert it.recorder.begun(first.request, first.context) is None
        it.answer(first)
        it.answer(second)
        it.flush()
        assert it.recorder.stats[:3] == (2, 1, 0)
        it.chat([user("3")])
        it.flush()
        assert it.recorder.stats[:3] == (3, 1, 0)


def test_an_answer_above_the_limit_is_cut_and_marked() -> None:
    with program(max_capture_bytes=2000) as it:
        it.broken(it.begin([user("q")], stream=True), *["0123456789"] * 100, outcome="complete")
        view = it.view()
        answer = events(it.log, view.session_id, MessageAdded.type)[1]
        assert answer.interrupted == "cut"
        assert 0 < len(answer.content) < 1000


def test_an_answer_that_no_event_can_hold_leaves_the_rest_of_the_call(tmp_path: Path) -> None:
    settings = Settings(store=tmp_path / "s", max_event_bytes=4096, sync="never")
    with EventLog.open(settings=settings) as log, program(log) as it:
        it.chat([user("q")], "x" * 10_000)
        view = it.view()
        assert said(view) == [("user", "q")]
        assert "10," in events(log, view.session_id, ErrorLogged.type)[0].message
        assert view.usage.output_tokens == 2


def test_a_stream_is_live_and_its_pieces_are_there_before_its_end(tmp_path: Path) -> None:
    with EventLog.open(tmp_path / "s", sync="never") as log, program(log, delta_interval_ms=1) as it, recording("s"):
        call = it.begin([user("q")], stream=True)
        call.status, call.is_stream = 200, True
        told: list[str] = []
        with log.session("s", create=True) as session, session.tail("start") as tail:
            for number in range(5):
                chunk = {"id": "r", "choices": [{"index": 0, "delta": {"content": f"piece {number}. "}}]}
                call.take(b"data: " + json.dumps(chunk).encode() + b"\n\n")
                for stored in tail:
                    assert not isinstance(stored, CaughtUp)
                    if isinstance(stored.event, MessageDelta):
                        told.append(stored.event.content)
                        break
        call.end("dropped")
        view = it.view()
        assert "".join(told).startswith("piece 0. piece 1. piece 2. piece 3. piece 4.")
        assert said(view)[-1] == ("assistant", "piece 0. piece 1. piece 2. piece 3. piece 4. ")
        assert len(view.messages) == 2


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"<html>", "the response is no answer of openai-chat"),
        (b'{"id": "x", "choi', "the response is no answer of openai-chat"),
        (b"", "the response was not read"),
    ],
)
def test_a_response_that_is_none_is_an_error(body: bytes, message: str) -> None:
    with program() as it:
        it.raw_answer(it.begin([user("q")]), body)
        view = it.view()
        (error,) = events(it.log, view.session_id, ErrorLogged.type)
        assert (error.message, error.kind, error.details["status"]) == (message, "http", 200)
        assert said(view) == [("user", "q")]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/channels/1/messages", b'{"content": "hello"}'),
        ("/v1/messages", b'{"model": 3, "messages": [{"role": "user", "content": "x"}]}'),
        ("/v1/responses", b'{"answers": [1], "input": "the input field", "x": '),
        ("/v1/messages", b'{"model": "m", "messages": "no list"}'),
    ],
)
def test_a_request_that_only_looks_like_a_call_is_forgotten(path: str, body: bytes) -> None:
    from eventlog.recorders.calls import Request
    from eventlog.recorders.context import NOWHERE

    with program() as it:
        call = it.recorder.begun(Request(path, "h", body), NOWHERE)
        assert call is not None
        it.raw_answer(call, b"{}")
        it.flush()
        assert it.recorder.stats == (0, 0, 0, None)
        assert list(it.log.session_ids()) == []


def test_half_surrogates_and_numbers_that_json_does_not_know_are_recorded_all_the_same() -> None:
    with program() as it:
        call = it.begin([user("half \ud800 pair")], number=float("nan"))
        it.raw_answer(
            call, b'{"id":"r","object":"chat.completion","choices":[{"index":0,"message":{"role":"assistant","content":"\\ud800!"}}]}'
        )
        assert said(it.view()) == [("user", "half \ufffd pair"), ("assistant", "\ufffd!")]
        assert it.recorder.stats.lost == 0


def test_closing_counts_what_could_not_be_written(tmp_path: Path) -> None:
    folder = tmp_path / "s"
    with EventLog.open(folder, sync="never") as log, EventLog.open(folder) as other, program(log) as it, recording("held"):
        other.session("held", create=True).append(ErrorLogged(message="x"))
        holder = other.session("held", exclusive=True)
        it.chat([user("q")])
        it.recorder.close(timeout_s=0.2)
        assert it.recorder.stats[:3] == (0, 1, 0)
        holder.close()


def test_recording_off_makes_no_file_and_no_thread(tmp_path: Path) -> None:
    from eventlog.recorders import Recorder
    from eventlog.recorders.calls import Request
    from eventlog.recorders.context import NOWHERE

    before = threading.active_count()
    recorder = Recorder(settings=Settings(store=tmp_path / "s", recording=False))
    assert recorder.begun(Request("/v1/messages", "h", b"{}"), NOWHERE) is None
    assert threading.active_count() == before
    recorder.close()
    assert not (tmp_path / "s").exists()


def test_the_store_is_made_by_the_first_call_and_not_before(tmp_path: Path) -> None:
    from eventlog.recorders import Recorder
    from eventlog.recorders.calls import COMPLETE, Request
    from eventlog.recorders.context import NOWHERE

    with Recorder(settings=Settings(store=tmp_path / "s", sync="never")) as recorder:
        assert not (tmp_path / "s").exists()
        call = recorder.begun(Request("/v1/messages", "h", b'{"model":"m","messages":[{"role":"user","content":"q"}]}'), NOWHERE)
        assert call is not None
        call.status = 500
        call.end(COMPLETE)
        assert recorder.flush(20)
        assert recorder.stats[:3] == (1, 0, 0)
    with EventLog.open(tmp_path / "s") as log:
        assert len(list(log.session_ids())) == 1


def test_what_a_mapper_raises_is_a_loss_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    from eventlog.shapes import openai_chat

    def broken(*given: Any) -> Any:
        raise RuntimeError("broken")

    with program() as it:
        with monkeypatch.context() as patch:
            patch.setattr(openai_chat, "ask", broken)
            it.chat([user("q")])
            it.flush()
        with monkeypatch.context() as patch:
            patch.setattr(openai_chat, "answer", broken)
            it.chat([user("q")])
            it.flush()
        it.chat([user("r")])
        it.flush()
        assert it.recorder.stats == (1, 2, 0, "RuntimeError: broken")


class CountedLock:
    def __init__(self) -> None:
        self.count = 0
        self._lock = threading.Lock()

    def __enter__(self) -> None:
        self.count += 1
        self._lock.acquire()

    def __exit__(self, *failure: object) -> None:
        self._lock.release()


@pytest.mark.parametrize(("size", "locks"), [(1000, 2), (200_000, 3), (600_000, 5)], ids=["short", "long", "longer"])
def test_a_call_takes_one_lock_and_one_more_for_every_quarter_of_a_mebibyte(size: int, locks: int) -> None:
    with program() as it:
        counted = it.recorder._room._lock = CountedLock()  # type: ignore[assignment]
        call = it.begin([user("q")], stream=True)
        call.status, call.is_stream = 200, True
        for _ in range(size // 100):
            call.take(b"x" * 100)
        call.end("complete")
        it.flush()
        assert counted.count == locks  # the last one is the writer's, when it is over
