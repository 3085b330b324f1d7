"""Where `recording` and `paused` reach: into tasks and what they await, not into threads; and what a recorder holds of what is over."""

from __future__ import annotations

import asyncio
import gc
import os
import threading
import weakref
from functools import partial
from pathlib import Path

import pytest

from eventlog import EventLog
from eventlog.recorders import paused, placing, recording
from eventlog.recorders.context import current
from eventlog.recorders.threads import Threads

from .program import Program, assistant, program, said, user


def test_a_recording_goes_with_its_task_and_a_pause_ends_with_its_own() -> None:
    async def converse(it: Program, name: str, pause: bool) -> None:
        with recording(name):
            await asyncio.sleep(0)
            if pause:
                with paused():
                    await asyncio.sleep(0)
                    assert current().is_paused
            await asyncio.sleep(0)
            assert not current().is_paused
            it.chat([user(f"in {name}")])

    async def run(it: Program) -> None:
        await asyncio.gather(*(converse(it, f"task-{n}", n % 2 == 0) for n in range(6)))

    with program() as it:
        asyncio.run(run(it))
        assert {view.session_id: said(view)[0][1] for view in it.views()} == {f"task-{n}": f"in task-{n}" for n in range(6)}


def test_a_thread_of_its_own_finds_its_session_by_what_is_said() -> None:
    with program() as it:
        with recording("named"):
            it.chat([user("q")], "an answer")
            thread = threading.Thread(target=it.chat, args=([user("q"), assistant("an answer"), user("r")], "b"))
            thread.start()
            thread.join()
        assert it.view().session_id == "named"
        assert len(it.view().messages) == 4


def test_what_is_over_is_held_by_nobody_and_threads_are_dropped_by_their_age(monkeypatch: pytest.MonkeyPatch) -> None:
    count = int(os.environ.get("TEST_CALLS", "300"))  # the long form: 10,000
    monkeypatch.setattr(placing, "Threads", partial(Threads, 50))
    with program() as it:
        alive = []
        for number in range(count):
            call = it.begin([user(f"q{number}")], stream=True)
            if number % 3 == 0:
                it.answer(call)
            else:
                it.broken(call, "piece", outcome="closed" if number % 3 == 1 else "dropped")
            alive.append(weakref.ref(call))
            del call
        it.flush()
        gc.collect()
        assert [each for each in alive if each() is not None] == []
        books = it.recorder.writer._books
        assert books is not None
        assert len(books.threads) <= 50
        assert len(books._places.sessions) <= 51
        assert it.recorder.stats[:3] == (count, 0, 0)
        assert it.recorder._room.bytes == 0


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_store_that_may_not_be_written_is_a_loss_and_nothing_else(tmp_path: Path) -> None:
    EventLog.open(tmp_path / "s").close()
    for folder, _, _ in os.walk(tmp_path / "s"):
        os.chmod(folder, 0o500)
    with EventLog.open(tmp_path / "s", create=False) as log, program(log) as it:
        it.chat([user("q")])
        it.flush()
        assert it.recorder.stats[:3] == (0, 1, 0)
        assert it.recorder.stats.last_error
