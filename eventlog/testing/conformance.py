"""What every backend owes, as tests: subclass, say how to open one, and let pytest run it.

    class TestMine(BackendConformance):
        def open(self, settings):
            return EventLog(MyBackend(settings), settings)

Everything is asked through `EventLog` and `Session`, and holds for the port in `eventlog.backend`.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, ClassVar

import msgspec

from .. import errors
from ..events import SessionDeleted, SessionEnded, SessionRestored, SessionStarted, UnknownEvent
from ..log import EventLog
from ..session import Session, as_envelopes
from ..settings import Settings
from .capabilities import CapabilityConformance
from .capabilities import note as _note


class _Caught:
    """The error that a block was expected to raise, once it has."""

    error: Any = None


@contextmanager
def _raises(kind: type[BaseException]) -> Iterator[_Caught]:
    caught = _Caught()
    try:
        yield caught
    except kind as error:
        caught.error = error
    else:
        raise AssertionError(f"{kind.__name__} was not raised")


def _texts(session: Session, **window: Any) -> list[Any]:
    return [stored.event.content for stored in session.read(**window)]


def _seqs(session: Session, **window: Any) -> list[int]:
    return [stored.seq for stored in session.read(**window)]


class BackendConformance(CapabilityConformance):
    """``reopens``: whether a log opened again with the same settings has the same events."""

    reopens: ClassVar[bool] = False

    def open(self, settings: Settings) -> EventLog:
        """A log on the backend under test. Each test has a store of its own; within a test, equal settings mean the same store."""
        raise NotImplementedError

    # --- appending -----------------------------------------------------------------------------------------------------------

    def test_positions_count_from_1_without_a_gap(self) -> None:
        with self.open(Settings()) as log, log.session("a", create=True) as session:
            assert session.last_seq == 0
            assert [session.append(_note("x")) for _ in range(3)] == [1, 2, 3]
            assert session.append(_note("y"), _note("z")) == 5
            assert _seqs(session) == [1, 2, 3, 4, 5]
            assert session.last_seq == 5

    def test_an_event_comes_back_as_it_was_given(self) -> None:
        with self.open(Settings()) as log, log.session("a", create=True) as session:
            session.append(_note("Grüße 🙂 \u2028 \x00"), time="2026-11-21T00:44:01.5+01:00", origin={"from": "x", "n": [1]}, id="k")
            (stored,) = session.read()
            assert stored.event == _note("Grüße 🙂 \u2028 \x00")
            assert (stored.session_id, stored.seq, stored.type, stored.id) == ("a", 1, "message.added", "k")
            assert stored.time.isoformat() == "2026-11-20T23:44:01.500000+00:00"
            assert stored.origin == {"from": "x", "n": [1]}
            assert not stored.more

    def test_raw_is_the_line_of_the_format(self) -> None:
        with self.open(Settings()) as log, log.session("a", create=True) as session:
            session.append(_note("1"), _note("2"), time="2026-11-21T00:44:01Z")
            first, second = (stored.raw for stored in session.read())
            body = b'"time":"2026-11-21T00:44:01.000000Z","type":"message.added","data":{"role":"user","content":"%d"}%s,"crc":"'
            assert re.fullmatch(re.escape(b'{"seq":1,' + body % (1, b',"more":true')) + rb'[0-9a-f]{8}"\}', first)
            assert re.fullmatch(re.escape(b'{"seq":2,' + body % (2, b"")) + rb'[0-9a-f]{8}"\}', second)

    def test_order_is_the_order_of_appending_whatever_the_clock_says(self) -> None:
        with self.open(Settings()) as log, log.session("a", create=True) as session:
            for text, time in (("1", "2030-01-01T00:00:00Z"), ("2", "1970-01-01T00:00:00Z"), ("3", "2030-01-01T00:00:00Z")):
                session.append(_note(text), time=time)
            assert _texts(session) == ["1", "2", "3"]

    def test_a_type_that_nobody_knows_is_kept_verbatim(self) -> None:
        with self.open(Settings()) as log, log.session("a", create=True) as session:
            session.append(UnknownEvent("shop.rated", msgspec.Raw(b'{"stars":5, "big":12345678901234567890123,"a":1.10}'), 3))
            (stored,) = session.read()
            assert stored.type == "shop.rated"
            assert stored.event.version == 3
            assert b'"data":{"stars":5, "big":12345678901234567890123,"a":1.10},"v":3,' in stored.raw

    def test_every_sync_level_takes_the_event(self) -> None:
        with self.open(Settings()) as log, log.session("a", create=True) as session:
            session.append(_note("1"), sync="always")
            session.append(_note("2"), sync="interval")
            session.append(_note("3"), sync="never")
            session.sync()
            assert _texts(session) == ["1", "2", "3"]

    # --- all or none ---------------------------------------------------------------------------------------------------------

    def test_the_lines_of_a_batch_say_that_it_goes_on(self) -> None:
        with self.open(Settings()) as log, log.session("a", create=True) as session:
            session.append(_note("1"), _note("2"), _note("3"), id="batch")
            assert [(stored.more, stored.id) for stored in session.read()] == [(True, None), (True, None), (False, "batch")]

    def test_a_batch_with_an_event_that_cannot_be_written_stores_nothing(self) -> None:
        with self.open(Settings()) as log, log.session("a", create=True) as session:
            session.append(_note("1"))
            with _raises(errors.InvalidEvent):
                session.append(_note("2"), UnknownEvent("x.y", {"bad": object()}))
            with _raises(errors.InvalidEvent):
                session.append(_note("2"), _note("\ud800"))
            assert session.append(_note("2")) == 2
            assert _texts(session) == ["1", "2"]

    def test_an_append_of_several_events_has_the_limit_of_one(self) -> None:
        with self.open(Settings(max_event_bytes=1000)) as log, log.session("a", create=True) as session:
            for _ in range(2):  # in a new segment, and in one that is there
                with _raises(errors.EventTooLarge) as caught:
                    session.append(_note("x" * 400), _note("x" * 500))
                assert (caught.error.size_bytes > 1000, caught.error.limit_bytes) == (True, 1000)
                assert session.append(_note("x" * 340), _note("x" * 340)) == session.last_seq
            assert session.last_seq == 4

    def test_raw_data_that_would_make_the_line_unreadable_is_refused(self) -> None:
        with self.open(Settings()) as log, log.session("a", create=True) as session:
            for raw in (
                b"{bad",
                b'{"a":1}}',
                b'{"a":"\xff"}',
                b'{"a":"\\ud800"}',
                b'{"a":NaN}',
                b"",
                b"[1]",
                b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
            ):
                with _raises(errors.InvalidEvent):
                    session.append(UnknownEvent("x.y", msgspec.Raw(raw)))
            with _raises(errors.InvalidEvent):
                session.append(_note("1"), origin=msgspec.Raw(b'{"a":'))
            assert session.append(UnknownEvent("x.y", msgspec.Raw(b'{\n"a": 1}\n')), origin=msgspec.Raw(b'{"b":\n[1]}')) == 1
            assert session.append(UnknownEvent("x.y", {"nested": msgspec.Raw(b'{"a":\n1}')})) == 2
            first, second = session.read()
            assert first.origin == {"b": [1]}
            assert first.event.data == {"a": 1}
            assert second.event.data == {"nested": {"a": 1}}

    def test_an_event_above_the_limit_is_refused_with_its_size_and_stores_nothing(self) -> None:
        settings = Settings(max_event_bytes=4096)
        with self.open(settings) as log, log.session("a", create=True) as session:
            with _raises(errors.EventTooLarge) as caught:
                session.append(_note("small"), _note("x" * 5000))
            assert caught.error.limit_bytes == 4096
            assert caught.error.size_bytes > 5000
            assert session.append(_note("y" * 3000)) == 1
            assert _texts(session) == ["y" * 3000]

    def test_a_reader_never_sees_a_part_of_a_batch(self) -> None:
        with self.open(Settings(segment_size_bytes=16 * 1024)) as log, log.session("a", create=True) as session:
            stop = threading.Event()
            torn: list[int] = []

            def watch() -> None:
                while not stop.is_set():
                    seen = list(session.read())
                    if [stored.seq for stored in seen] != list(range(1, len(seen) + 1)) or len(seen) % 3 or (seen and seen[-1].more):
                        torn.append(len(seen))

            watcher = threading.Thread(target=watch)
            watcher.start()
            for _ in range(150):
                session.append(_note("1"), _note("2"), _note("3"), sync="never")
            stop.set()
            watcher.join()
            assert torn == []
            assert session.last_seq == 450

    # --- expected and id -----------------------------------------------------------------------------------------------------

    def test_expected_lets_one_through_and_names_the_position_to_the_other(self) -> None:
        with self.open(Settings()) as log, log.session("a", create=True) as session:
            assert session.append(_note("1"), expected=0) == 1
            with _raises(errors.Conflict) as caught:
                session.append(_note("2"), expected=0)
            assert (caught.error.expected, caught.error.actual, caught.error.session_id) == (0, 1, "a")
            assert session.append(_note("2"), expected=1) == 2
            assert _texts(session) == ["1", "2"]

    def test_a_retry_with_the_same_id_returns_the_first_position_and_writes_nothing(self) -> None:
        with self.open(Settings()) as log, log.session("a", create=True) as session:
            assert session.append(_note("1"), _note("2"), id="k") == 2
            assert session.append(_note("3"), id="other") == 3
            assert session.append(_note("1"), _note("2"), id="k") == 2
            assert session.append(_note("1"), id="k", expected=0) == 2
            with log.session("a") as another:
                assert another.append(_note("x"), id="other") == 3
            assert _texts(session) == ["1", "2", "3"]

    def test_appends_that_are_stored_together_keep_their_order_and_have_their_own_outcomes(self) -> None:
        with self.open(Settings()) as log, log.session("a", create=True) as session:
            appends = [
                session.pending(as_envelopes([_note("1")], None, "k", None), None, "k", None),
                session.pending(as_envelopes([_note("x")], None, None, None), 7, None, None),
                session.pending(as_envelopes([_note("2"), _note("3")], None, None, None), 1, None, "never"),
                session.pending(as_envelopes([_note("1")], None, "k", None), None, "k", None),
            ]
            session.append_all(appends)
            first, refused, batch, retried = (append.outcome for append in appends)
            assert (first, batch, retried) == (1, 3, 1)
            assert isinstance(refused, errors.Conflict)
            assert (refused.expected, refused.actual) == (7, 1)
            assert _texts(session) == ["1", "2", "3"]

    def test_of_many_threads_with_the_same_expected_exactly_one_wins(self) -> None:
        with self.open(Settings()) as log, log.session("a", create=True) as session:

            def attempt(position: int) -> bool:
                try:
                    return session.append(_note("x"), expected=position, sync="never") == position + 1
                except errors.Conflict:
                    return False

            with ThreadPoolExecutor(8) as pool:
                wins = [sum(pool.map(attempt, [position] * 8)) for position in range(20)]
            assert wins == [1] * 20
            assert session.last_seq == 20

    def test_of_many_threads_that_retry_the_same_id_one_writes(self) -> None:
        with self.open(Settings()) as log, log.session("a", create=True) as session, ThreadPoolExecutor(8) as pool:
            got = list(pool.map(lambda key: session.append(_note(key), id=key), [f"k{n // 8}" for n in range(80)]))
            assert session.last_seq == 10
            assert all(len(set(got[n : n + 8])) == 1 for n in range(0, 80, 8))

    # --- several writers -----------------------------------------------------------------------------------------------------

    def test_appends_of_many_threads_and_handles_keep_one_order(self) -> None:
        with self.open(Settings(segment_size_bytes=16 * 1024)) as log:
            log.session("a", create=True).append(_note("first"))

            def write(writer: int) -> list[int]:
                with log.session("a") as session:
                    return [session.append(_note(f"{writer} {n}"), sync="interval") for n in range(40)]

            with ThreadPoolExecutor(8) as pool:
                got = list(pool.map(write, range(8)))
            stored = {event.seq: event.event.content for event in log.session("a").read()}
            assert list(stored) == list(range(1, 322))
            assert all(stored[seq] == f"{writer} {n}" for writer, seqs in enumerate(got) for n, seq in enumerate(seqs))
            assert all(seqs == sorted(seqs) for seqs in got)

    def test_an_exclusive_handle_keeps_others_out_until_it_is_closed(self) -> None:
        with self.open(Settings(lock_timeout_s=0.05)) as log:
            log.session("a", create=True).append(_note("1"))
            with log.session("a") as other:
                with log.session("a", exclusive=True) as owner:
                    assert owner.append(_note("2")) == 2
                    with _raises(errors.SessionLocked) as caught:
                        other.append(_note("no"))
                    assert caught.error.session_id == "a"
                    with _raises(errors.SessionLocked):
                        log.session("a", exclusive=True)
                    assert _texts(other) == ["1", "2"]
                assert other.append(_note("3")) == 3

    # --- reading -------------------------------------------------------------------------------------------------------------

    def test_reading_gives_exactly_the_window_that_was_asked_for(self) -> None:
        with self.open(Settings(segment_size_bytes=16 * 1024, frame_size_bytes=4096)) as log, log.session("a", create=True) as session:
            while session.last_seq < 600:
                session.append(*[_note("some text to fill the line")] * (1 + session.last_seq % 4), sync="never")
            last = session.last_seq
            assert _seqs(session) == list(range(1, last + 1))
            for after, before in (
                (0, 2),
                (0, 1),
                (5, 6),
                (5, 7),
                (last, None),
                (last + 9, None),
                (last - 1, None),
                (254, 259),
                (-3, 4),
                (9, 3),
            ):
                assert _seqs(session, after=after, before=before) == list(range(max(after, 0) + 1, before or last + 1)), (after, before)

    def test_types_choose_what_is_given_out(self) -> None:
        with self.open(Settings()) as log:
            session = log.start(id="a", title="t")
            session.append(_note("1"), UnknownEvent("x.y", {"n": 1}), _note("2"))
            assert _seqs(session, types=["message.added"]) == [2, 4]
            assert _seqs(session, types="x.y") == [3]
            assert _seqs(session, types=[]) == []

    def test_a_read_that_has_begun_goes_on_while_others_append(self) -> None:
        with self.open(Settings(segment_size_bytes=16 * 1024)) as log, log.session("a", create=True) as session:
            for n in range(400):
                session.append(_note(str(n)), sync="never")
            reading = session.read()
            first = next(reading)
            for n in range(400, 800):
                session.append(_note(str(n)), sync="never")
            got = [first, *reading]
            assert [stored.event.content for stored in got[:400]] == [str(n) for n in range(400)]
            assert [stored.seq for stored in got] == list(range(1, len(got) + 1))

    def test_several_sessions_are_read_in_one_call_each_behind_its_position(self) -> None:
        with self.open(Settings(segment_size_bytes=16 * 1024)) as log:
            for session_id, count in (("a", 3), ("b", 1), ("c", 400), ("d", 2)):
                for number in range(count):
                    log.session(session_id, create=True).append(_note(str(number)), _note("x" * 50), sync="never")
            asked = {"c": 0, "b": 2, "nobody": 0, "a": 3, "d": -1}
            found = [(stored.session_id, stored.seq) for stored in log.read_many(asked)]
            expected = [("c", seq) for seq in range(1, 801)] + [("a", 4), ("a", 5), ("a", 6)] + [("d", seq) for seq in range(1, 5)]
            assert found == expected
            assert list(log.read_many({})) == []
            with _raises(errors.InvalidSessionId):
                list(log.read_many({"../x": 0}))

    # --- sessions ------------------------------------------------------------------------------------------------------------

    def test_a_session_begins_with_its_first_append(self) -> None:
        with self.open(Settings()) as log:
            with _raises(errors.SessionNotFound):
                log.session("a")
            with log.session("a", create=True) as session:
                assert list(session.read()) == []
                assert list(log.session_ids()) == []
                session.append(_note("1"))
                assert list(log.session_ids()) == ["a"]
            assert log.session("a").last_seq == 1

    def test_a_first_append_that_is_refused_makes_no_session(self) -> None:
        with self.open(Settings(max_event_bytes=1000)) as log, log.session("a", create=True) as session:
            with _raises(errors.EventTooLarge):
                session.append(_note("x" * 2000))
            with _raises(errors.Conflict):
                session.append(_note("x"), expected=1)
            assert list(log.session_ids()) == []
            with _raises(errors.SessionNotFound):
                log.session("a")
            assert session.append(_note("1")) == 1

    def test_start_takes_an_id_once(self) -> None:
        with self.open(Settings()) as log:
            assert log.start(id="a", title="t").id == "a"
            with _raises(errors.SessionExists):
                log.start(id="a")
            (stored,) = log.session("a").read()
            assert stored.event == SessionStarted(title="t")
            with _raises(errors.InvalidSessionId):
                log.start(id="../a")

    def test_an_id_that_differs_only_in_case_is_refused(self) -> None:
        with self.open(Settings()) as log:
            log.start(id="Abc")
            with _raises(errors.InvalidSessionId) as caught:
                log.session("aBc", create=True).append(_note("1"))
            assert caught.error.existing == "Abc"
            assert list(log.session_ids()) == ["Abc"]

    def test_all_sessions_are_listed_and_kept_apart(self) -> None:
        with self.open(Settings()) as log:
            ids = [f"s-{n}" for n in range(30)] + ["s-1.2", "s-1.2.3"]
            for session_id in ids:
                log.start(id=session_id, title=session_id)
            assert sorted(log.session_ids()) == sorted(ids)
            assert [next(log.session(session_id).read()).event.title for session_id in ids] == ids

    def test_a_deleted_session_takes_nothing_but_its_restoration(self) -> None:
        with self.open(Settings()) as log:
            session = log.start(id="a")
            session.append(_note("1"), id="k")
            session.append(SessionDeleted(reason="test"))
            with _raises(errors.SessionDeleted):
                session.append(_note("no"))
            assert session.append(_note("1"), id="k") == 2
            assert session.last_seq == 3
            assert list(log.session_ids()) == ["a"]
            assert session.append(SessionRestored()) == 4
            assert session.append(_note("2")) == 5

    def test_an_ended_session_takes_more_events(self) -> None:
        with self.open(Settings()) as log:
            session = log.start(id="a")
            assert session.end() == 2
            assert session.append(_note("more")) == 3
            assert [stored.type for stored in session.read()] == ["session.started", "session.ended", "message.added"]
            assert isinstance(next(session.read(after=1)).event, SessionEnded)

    def test_closed_handles_and_logs_say_so(self) -> None:
        log = self.open(Settings())
        session = log.start(id="a")
        session.close()
        session.close()
        with _raises(ValueError):
            session.append(_note("1"))
        with _raises(ValueError):
            session.read()
        log.close()
        log.close()
        with _raises(ValueError):
            log.session("a")

    def test_verify_counts_what_is_there_and_finds_nothing_wrong(self) -> None:
        with self.open(Settings(segment_size_bytes=16 * 1024)) as log:
            for name in "ab":
                with log.session(name, create=True) as session:
                    for n in range(200):
                        session.append(_note(str(n)), sync="never")
            report = log.verify()
            assert report.ok, report.problems
            assert (report.sessions, report.events) == (2, 400)
            assert log.verify(["b"]).events == 200
            with _raises(errors.SessionNotFound):
                log.verify(["c"])

    # --- opening again -------------------------------------------------------------------------------------------------------

    def test_everything_is_there_when_the_log_is_opened_again(self) -> None:
        if not self.reopens:
            return
        settings = Settings(segment_size_bytes=16 * 1024)
        before: list[bytes] = []
        for opening in range(3):
            with self.open(settings) as log, log.session("a", create=True) as session:
                assert [stored.raw for stored in session.read()] == before
                assert session.last_seq == len(before)
                if opening:
                    assert session.append(_note("again"), id=f"k{opening - 1}") == len(before)
                assert session.append(_note("x"), expected=len(before)) == len(before) + 1
                for n in range(90):
                    session.append(_note(str(n)), _note("b"), sync="never")
                session.append(_note("last"), id=f"k{opening}")
                before = [stored.raw for stored in session.read()]

    def test_two_open_logs_see_each_other_s_events_at_once(self) -> None:
        if not self.reopens:
            return
        settings = Settings(segment_size_bytes=16 * 1024)
        with self.open(settings) as one, self.open(settings) as two:
            left, right = one.session("a", create=True), two.session("a", create=True)
            for n in range(1, 300, 2):
                assert left.append(_note("left"), sync="never") == n
                assert right.append(_note("right"), expected=n, sync="never") == n + 1
            assert _texts(left) == _texts(right) == ["left", "right"] * 150
