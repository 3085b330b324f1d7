from __future__ import annotations

import errno
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import ClassVar

import pytest

from eventlog import EventLog, Settings
from eventlog.errors import CursorExpired, Damaged, InvalidCursor, SessionNotFound
from eventlog.events import SessionStarted
from eventlog.files.backend import FilesBackend
from eventlog.files.changes import Journal, JournalFeed
from eventlog.files.disk import Disk
from eventlog.files.follower import FileFollower
from eventlog.files.layout import Layout, SegmentName, last_name
from eventlog.files.pieces import last_seq_in
from eventlog.stored import StoredEvent
from eventlog.tail import CaughtUp, Tail
from projections import Catalog
from tests.tails import PATIENCE_S, leaving_nothing_open, note, places, rest, take

NEVER_MS = 60_000  # a poll interval that no test waits for


@pytest.fixture(autouse=True)
def _nothing_stays_open() -> Iterator[None]:
    with leaving_nothing_open():
        yield


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(store=tmp_path / "store", poll_interval_ms=NEVER_MS)


@pytest.fixture(params=["files", "memory"])
def log(request: pytest.FixtureRequest, settings: Settings) -> Iterator[EventLog]:
    with EventLog.memory(settings) if request.param == "memory" else EventLog.open(settings=settings) as log:
        yield log


@pytest.fixture
def store(settings: Settings) -> Iterator[EventLog]:
    with EventLog.open(settings=settings) as log:
        yield log


def _wait_until(tail: Tail, is_so: Callable[[], bool]) -> None:
    """Let an idle tail look until it is so."""
    deadline = time.monotonic() + PATIENCE_S
    while not is_so() and time.monotonic() < deadline:
        assert not tail.wait(0.01)
    assert is_so()


# --- one session ---------------------------------------------------------------------------------------------------------------


def test_a_tail_gives_what_is_there_then_says_so_then_what_comes(log: EventLog) -> None:
    session = log.start(id="a")
    with log.tail("a", marks=True) as tail:
        (started, mark) = take(tail, 2)
        assert started.event == SessionStarted()  # type: ignore[union-attr]
        assert mark == CaughtUp("1")
        session.append(note("1"))
        session.append(note("2"))
        assert places(take(tail, 2)) == [("a", 2), ("a", 3)]
        assert not tail.wait(0)


def test_an_empty_session_is_caught_up_once(log: EventLog) -> None:
    session = log.session("a", create=True)
    with session.tail(marks=True) as tail:
        assert take(tail, 1) == [CaughtUp("0")]
        assert not tail.wait(0)
        session.append(note())
        assert places(take(tail, 1)) == [("a", 1)]


def test_a_tail_of_a_session_that_is_not_there_is_refused(log: EventLog) -> None:
    with pytest.raises(SessionNotFound):
        log.tail("nobody")


@pytest.mark.parametrize(("after", "seqs"), [(0, [1, 2, 3]), (2, [3]), ("2", [3]), ("start", [1, 2, 3]), ("end", []), (3, [])])
def test_a_tail_begins_where_it_is_told_to(log: EventLog, after: int | str, seqs: list[int]) -> None:
    session = log.session("a", create=True)
    session.append(note(), note(), note())
    with session.tail(after) as tail:
        assert places(rest(tail)) == [("a", seq) for seq in seqs]


@pytest.mark.parametrize("after", [4, "4", 10**18, "9" * 19])
def test_a_position_behind_the_end_is_refused_since_what_comes_before_it_would_be_missed(log: EventLog, after: int | str) -> None:
    log.session("a", create=True).append(note(), note(), note())
    with pytest.raises(InvalidCursor, match=f"session 'a' ends at 3, so {after} is the place of another session.* give 'end'"):
        log.tail("a", after)


@pytest.mark.parametrize("after", [-1, "-1", "", "nonsense", "all.eJw", "1.5", 1.5, "٣", "9" * 20])
def test_what_is_no_place_in_a_session_is_refused(log: EventLog, after: int | str) -> None:
    with pytest.raises(InvalidCursor, match="is not a place in one session"):
        log.session("a", create=True).tail(after)


def test_a_cursor_from_between_any_two_items_goes_on_without_a_gap_or_a_duplicate(log: EventLog) -> None:
    session = log.session("a", create=True)
    session.append(note(), note(), note())
    session.append(note())
    for count in range(5):
        with session.tail() as tail:
            given = take(tail, count)
            tail.wait(0)  # the next one is ready, and not given out
            cursor = tail.cursor
        with session.tail(cursor) as tail:
            assert places(given + rest(tail)) == [("a", 1), ("a", 2), ("a", 3), ("a", 4)]


def test_an_append_of_several_events_arrives_whole(log: EventLog) -> None:
    session = log.session("a", create=True)
    with session.tail() as tail:
        session.append(note(), note(), note())
        assert tail.wait(PATIENCE_S)
        for seq in (1, 2, 3):
            assert tail.is_ready
            assert places([next(tail)]) == [("a", seq)]


def test_only_the_types_that_were_asked_for_come_and_the_cursor_passes_the_others(log: EventLog) -> None:
    session = log.start(id="a")
    session.append(note())
    session.append(note())
    with session.tail(types=["session.started"]) as tail:
        assert places(rest(tail)) == [("a", 1)]
        assert tail.cursor == "3"


def test_a_tail_outlives_rolls_seals_and_compression(settings: Settings) -> None:
    with EventLog.open(settings=settings.replace(segment_size_bytes=1000, compress_after="0")) as log:
        session = log.session("a", create=True)
        compressed = 0
        with session.tail() as tail:
            for seq in range(1, 101):
                session.append(note("x" * 100))
                if seq % 20 == 0:
                    compressed += log.compact().compressed
                assert places(take(tail, 1)) == [("a", seq)]
            session.end()
            session.append(note("and goes on"))
            assert places(take(tail, 2)) == [("a", 101), ("a", 102)]
    names = os.listdir(Layout(settings.store).folder("a"))
    assert compressed > 10
    assert len([name for name in names if name.endswith(".zst")]) > 10


def test_a_tail_that_falls_behind_while_segments_are_sealed_and_compressed_finds_them(settings: Settings) -> None:
    with EventLog.open(settings=settings.replace(segment_size_bytes=1000, compress_after="0")) as log:
        session = log.session("a", create=True)
        session.append(note())
        with session.tail() as tail:
            take(tail, 1)
            for _ in range(99):
                session.append(note("x" * 100))
            assert log.compact().compressed > 10
            assert places(take(tail, 99)) == [("a", seq) for seq in range(2, 101)]


# --- all sessions --------------------------------------------------------------------------------------------------------------


def test_a_tail_of_all_gives_every_session_each_in_its_order(log: EventLog) -> None:
    for session_id in ("a", "b"):
        log.session(session_id, create=True).append(note(), note())
    with log.tail(marks=True) as tail:
        *events, mark = take(tail, 5)
        assert sorted(places(events)) == [("a", 1), ("a", 2), ("b", 1), ("b", 2)]
        assert isinstance(mark, CaughtUp)
        with log.session("new", create=True) as new:
            new.append(note())
        assert places(take(tail, 1)) == [("new", 1)]
        log.session("a").append(note())
        assert places(take(tail, 1)) == [("a", 3)]


def test_a_tail_of_an_empty_store_is_caught_up_once(log: EventLog) -> None:
    with log.tail(marks=True) as tail:
        assert isinstance(take(tail, 1)[0], CaughtUp)
        assert not tail.wait(0)
        log.start(id="first")
        assert places(take(tail, 1)) == [("first", 1)]


@pytest.mark.parametrize("way", ["bundle", "backup"])
def test_a_session_that_comes_from_elsewhere_arrives_and_is_listed(store: EventLog, settings: Settings, tmp_path: Path, way: str) -> None:
    with EventLog.open(settings=settings.replace(store=tmp_path / "elsewhere")) as elsewhere:
        elsewhere.start(id="a").append(note())
        elsewhere.bundle(["a"], tmp_path / "bundle")
    store.start(id="lost")
    store.backup(tmp_path / "backup")
    for path in (settings.store / "sessions").glob("*/lost.*"):
        path.unlink()
    with store.tail() as tail, Catalog.open(store) as catalog:
        assert not tail.wait(0)
        assert catalog.list().items == []
        if way == "bundle":
            with store.open_bundle(tmp_path / "bundle") as bundle:
                bundle.install("a")
            assert places(take(tail, 2)) == [("a", 1), ("a", 2)]
        else:
            EventLog.restore_backup(tmp_path / "backup", settings=settings)
            assert places(take(tail, 1)) == [("lost", 1)]
        assert len(catalog.list().items) == 1


def test_from_the_end_only_what_comes_is_given(log: EventLog) -> None:
    being_written = log.start(id="a")
    log.start(id="b").close()
    with log.tail(after="end") as tail:
        assert not tail.wait(0)
        being_written.append(note())
        log.session("b").append(note())
        log.start(id="c")
        assert sorted(places(take(tail, 3))) == [("a", 2), ("b", 2), ("c", 1)]


def test_a_cursor_of_all_from_between_any_two_items_goes_on_without_a_gap_or_a_duplicate(log: EventLog) -> None:
    everything = []
    for number in range(5):
        log.start(id=f"s{number}").append(note(), note())
        everything += [(f"s{number}", seq) for seq in (1, 2, 3)]
    for count in range(len(everything) + 1):
        with log.tail() as tail:
            given = take(tail, count)
            cursor = tail.cursor
        with log.tail(after=cursor) as tail:
            assert sorted(places(given + rest(tail))) == everything


def test_what_happened_while_nobody_was_looking_is_found_from_the_cursor(settings: Settings) -> None:
    with EventLog.open(settings=settings) as log:
        log.start(id="a")
        with log.tail() as tail:
            take(tail, 1)
            cursor = tail.cursor
        log.start(id="b")
    with EventLog.open(settings=settings) as log:
        log.session("a").append(note())
        with log.tail(after=cursor) as tail:
            assert sorted(places(rest(tail))) == [("a", 2), ("b", 1)]


def test_the_cursor_of_all_does_not_grow_with_sessions_that_do_not_change(settings: Settings) -> None:
    sizes = []
    for count in (1, 300):
        with EventLog.open(settings=settings) as log:
            for number in range(count):
                log.session(f"{count}-{number}", create=True).append(note(), sync="never")
        with EventLog.open(settings=settings) as log, log.tail() as tail:
            rest(tail)
            sizes.append(len(tail.cursor))
    assert sizes[1] <= sizes[0] + 10
    assert sizes[1] < 200


def test_a_session_that_is_written_to_no_more_leaves_the_cursor_of_a_running_tail(settings: Settings) -> None:
    with EventLog.open(settings=settings.replace(max_open_files=2, poll_interval_ms=1)) as log, log.tail() as tail:
        for number in range(100):
            log.session(f"s{number}", create=True).append(note(), sync="never")
        take(tail, 100)
        _wait_until(tail, lambda: len(tail._place.positions) <= 10)
        log.session("s0").append(note())
        assert places(take(tail, 1)) == [("s0", 2)]


def test_a_cursor_of_another_store_is_not_continued_from(settings: Settings, tmp_path: Path) -> None:
    for name in ("one", "two"):
        with EventLog.open(tmp_path / name, settings=settings) as log:
            log.start(id="a").append(*(note() for _ in range(len(name))))
    with EventLog.open(tmp_path / "one", settings=settings) as log, log.tail() as tail:
        rest(tail)
        cursor = tail.cursor
    with EventLog.open(tmp_path / "two", settings=settings) as log, pytest.raises(CursorExpired, match="of another store"):
        log.tail(after=cursor)


def test_a_cursor_from_before_the_journal_was_lost_has_expired(settings: Settings) -> None:
    with EventLog.open(settings=settings) as log:
        log.start(id="a")
        with log.tail() as tail:
            take(tail, 1)
            cursor = tail.cursor
        shutil.rmtree(settings.store / "changes")
        with pytest.raises(CursorExpired, match=r"after='start', or after='end'"):
            log.tail(after=cursor)


@pytest.mark.parametrize("after", [5, "5", "", "all.", "all.AAAA", "all.eJwDAAAAAAE", "all.é", "[]", -1])
def test_what_is_no_cursor_of_all_sessions_is_refused(log: EventLog, after: int | str) -> None:
    with pytest.raises(InvalidCursor, match="is not a cursor of all sessions"):
        log.tail(after=after)


def test_a_tail_of_all_outlives_the_deletion_of_the_journal(store: EventLog, settings: Settings) -> None:
    being_written = store.start(id="open")
    with EventLog.open(settings=settings) as other:
        other.start(id="closed")
    with store.tail() as tail:
        take(tail, 2)
        shutil.rmtree(settings.store / "changes")
        being_written.append(note())
        assert places(take(tail, 1)) == [("open", 2)]
        store.session("closed").append(note())
        store.start(id="new")
        assert sorted(places(take(tail, 2))) == [("closed", 2), ("new", 1)]
        being_written.append(note())
        assert places(take(tail, 1)) == [("open", 3)]


def test_what_was_noted_right_before_the_journal_was_deleted_is_found(store: EventLog, settings: Settings) -> None:
    store.start(id="a")
    with store.tail() as tail:
        take(tail, 1)
        with EventLog.open(settings=settings) as other:
            other.start(id="b")
            shutil.rmtree(settings.store / "changes")
        assert places(take(tail, 1)) == [("b", 1)]


def test_a_writer_that_noted_nothing_since_the_deletion_is_not_taken_for_dead(settings: Settings) -> None:
    with (
        EventLog.open(settings=settings) as writing,
        EventLog.open(settings=settings.replace(poll_interval_ms=1)) as log,
        log.tail() as tail,
    ):
        session = writing.start(id="a")
        take(tail, 1)
        shutil.rmtree(settings.store / "changes")
        for number in range(3):  # each makes the tail ask
            log.start(id=f"s{number}")
            assert places(take(tail, 1)) == [(f"s{number}", 1)]
            tail.wait(0.02)
        session.append(note())
        assert places(take(tail, 1)) == [("a", 2)]


def test_a_journal_that_follows_one_that_nobody_could_read_ends_a_tail_instead_of_leaving_a_gap(
    store: EventLog, settings: Settings
) -> None:
    folder = settings.store / "changes"
    writing = Journal(Disk(), str(folder))
    writing.opened("a", 0)
    with store.tail() as tail:
        assert not tail.wait(0)
        _roll(writing)  # to a file 2
        shutil.rmtree(folder)
        writing.opened("b", 0)  # in another file 1
        writing.closed("b")
        _roll(writing)  # to another file 2
        os.unlink(writing._path(1))
        with pytest.raises(CursorExpired):
            rest(tail)
    writing.close()


def _roll(journal: Journal) -> None:
    journal._enter()
    journal._roll()
    os.close(journal._fd)  # and with it the lock
    journal._fd = -1


def test_what_was_noted_in_the_next_file_before_both_were_deleted_ends_a_tail_instead_of_being_missed(
    store: EventLog, settings: Settings
) -> None:
    journal = Journal(Disk(), str(settings.store / "changes"))
    with store.tail() as tail:
        journal.opened("a", 0)
        assert not tail.wait(0)
        _roll(journal)
        with EventLog.open(settings=settings) as other:
            other.start(id="missed").close()
            shutil.rmtree(settings.store / "changes")
        store.start(id="b")
        with pytest.raises(CursorExpired):
            rest(tail)
    journal.close()


def test_a_journal_file_that_was_left_when_the_next_one_was_deleted_is_not_noted_in(store: EventLog, settings: Settings) -> None:
    journal = Journal(Disk(), str(settings.store / "changes"))
    journal.opened("a", 0)
    _roll(journal)
    os.unlink(journal._path(2))
    store.start(id="b")
    store.start(id="c")
    assert journal.numbers() == [1]
    assert b'"b",0]' in Path(journal._path(1)).read_bytes()
    assert b'"a",0]' not in Path(journal._path(1)).read_bytes()
    journal.close()


def test_one_that_was_left_and_cannot_be_removed_is_cut_and_begun_anew(store: EventLog, settings: Settings) -> None:
    folder = str(settings.store / "changes")
    journal, writing = Journal(Disk(), folder), Journal(DiskThatKeepsFiles(), folder)
    journal.opened("a", 0)
    _roll(journal)
    os.unlink(journal._path(2))
    writing.opened("b", 0)
    writing.opened("c", 0)
    assert b'"c",0]' in Path(journal._path(1)).read_bytes()
    assert b'"a",0]' not in Path(journal._path(1)).read_bytes()
    writing.close()
    journal.close()


def test_a_writer_that_still_has_a_deleted_file_open_leaves_the_one_that_was_begun_anew(store: EventLog, settings: Settings) -> None:
    folder = str(settings.store / "changes")
    one, two, three = (Journal(Disk(), folder) for _ in range(3))
    one.opened("a", 0)
    two.opened("b", 0)
    _roll(one)  # the other one has the first file open
    shutil.rmtree(folder)
    three.opened("c", 0)
    two.opened("d", 0)
    notes = Path(two._path(1)).read_text()
    assert [note in notes for note in ('"c",0]', '"b",0]', '"d",0]')] == [True] * 3
    for journal in (one, two, three):
        journal.close()


class DiskThatKeepsFiles(Disk):
    def unlink(self, path: str) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)


def test_a_session_of_unknown_position_ends_a_tail_instead_of_leaving_a_gap(store: EventLog, settings: Settings) -> None:
    with EventLog.open(settings=settings) as writing:
        session = writing.start(id="a")
        shutil.rmtree(settings.store / "changes")
        with store.tail() as tail:  # it reads the session, and nothing says that somebody is writing to it
            take(tail, 1)
            assert not tail.wait(0)
            session.append(note())
            writing.close()
            with pytest.raises(CursorExpired, match="the position of session 'a'"):
                rest(tail)


def test_a_journal_of_which_a_note_was_lost_ends_a_tail_instead_of_hiding_a_session(settings: Settings) -> None:
    backend = FilesBackend.open(settings)
    with EventLog(backend, settings) as log:
        log.start(id="a")
        with log.tail() as tail:
            take(tail, 1)
            backend.journal._give_up()
            with pytest.raises(CursorExpired):
                rest(tail)


def test_a_process_that_had_noted_its_sessions_notes_them_again_after_a_deletion(store: EventLog, settings: Settings) -> None:
    being_written = store.start(id="a")
    shutil.rmtree(settings.store / "changes")
    store.start(id="b")
    with EventLog.open(settings=settings) as other, other.tail(after="end") as tail:
        being_written.append(note())
        assert places(take(tail, 1)) == [("a", 2)]


def test_a_writer_that_is_killed_leaves_what_it_wrote_and_then_the_cursor(settings: Settings) -> None:
    code = (
        "import sys; from eventlog import EventLog; from eventlog.events import MessageAdded\n"
        "log = EventLog.open(sys.argv[1]); s = log.session('victim', create=True)\n"
        "s.append(MessageAdded(role='user', content='x')); print('written', flush=True); sys.stdin.read()"
    )
    with (
        EventLog.open(settings=settings.replace(poll_interval_ms=1)) as log,
        log.tail() as tail,
        subprocess.Popen(
            [sys.executable, "-c", code, str(settings.store)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as writer,
    ):
        assert writer.stdout is not None
        assert writer.stdout.readline() == "written\n"
        assert places(take(tail, 1)) == [("victim", 1)]
        assert "victim" in tail._place.positions
        writer.send_signal(signal.SIGKILL)
        writer.wait()
        _wait_until(tail, lambda: "victim" not in tail._place.positions)
        log.session("victim").append(note())
        assert places(take(tail, 1)) == [("victim", 2)]


def test_a_rolled_journal_is_followed(store: EventLog, settings: Settings) -> None:
    journal = Journal(Disk(), str(settings.store / "changes"))
    with store.tail() as tail:
        store.start(id="a")
        assert places(take(tail, 1)) == [("a", 1)]
        for _ in range(3):
            journal._enter()
            journal._roll()
            os.close(journal._fd)
            journal._fd = -1
            store.session("a").append(note())
        with EventLog.open(settings=settings) as other:
            other.start(id="b")
        assert sorted(places(take(tail, 4))) == [("a", 2), ("a", 3), ("a", 4), ("b", 1)]
    journal.close()


class WatchedDisk(Disk):
    """Tells of every call that it makes, before and after."""

    def __init__(self, watch: Callable[[], object]) -> None:
        self._watch = watch

    def open(self, path: str, *, create: bool = False) -> int:
        fd = super().open(path, create=create)
        self._watch()
        return fd

    def write(self, fd: int, data: bytes | bytearray | memoryview) -> int:
        self._watch()
        size = super().write(fd, data)
        self._watch()
        return size

    def rename(self, source: str, target: str) -> None:
        super().rename(source, target)
        self._watch()


def test_a_journal_that_is_being_made_is_no_lost_one(store: EventLog, settings: Settings) -> None:
    """A tail that asks at every step of the first writer, and at every step of a roll."""
    answers: list[bool] = []
    readers: list[JournalFeed] = []

    def ask() -> None:
        readers.append(JournalFeed(journal, None))
        readers[-1].next()
        answers.extend(reader.next().full for reader in readers)

    folder = settings.store / "changes"
    journal = Journal(Disk(), str(folder))
    writing = Journal(WatchedDisk(ask), str(folder))
    writing.opened("a", 0)
    writing._enter()
    writing._roll()
    os.close(writing._fd)
    writing._fd = -1
    writing.opened("b", 7)
    assert len(readers) > 5
    assert not any(answers)
    last = JournalFeed(journal, readers[0].cursor)
    assert last.next().sessions.keys() == {"a", "b"}
    writing.close()
    for reader in (*readers, last):
        reader.close()
    journal.close()


def test_an_empty_journal_that_nobody_can_name_is_a_journal_that_says_nothing(store: EventLog, settings: Settings) -> None:
    folder = settings.store / "changes"
    journal = Journal(ReadOnlyDisk(), str(folder))
    Path(journal._path(1)).touch()
    feed = JournalFeed(journal, None)
    assert feed.next().full
    store.start(id="a")
    assert feed.next().sessions == {"a": 0}
    feed.close()


class ReadOnlyDisk(Disk):
    def open(self, path: str, *, create: bool = False) -> int:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))


def test_a_note_that_its_writer_was_killed_in_hides_no_other(store: EventLog, settings: Settings) -> None:
    store.start(id="a")
    with store.tail() as tail:
        take(tail, 1)
        (journal,) = (settings.store / "changes").glob("*.journal")
        with open(journal, "ab") as file:
            file.write(b'["+","0123456789abcdef","vict')
        store.start(id="b")
        assert places(take(tail, 1)) == [("b", 1)]


class AskedJournal(Journal):
    asked: ClassVar[list[str]] = []

    def _is_dead(self, token: str) -> bool:
        self.asked.append(token)
        return super()._is_dead(token)


def test_a_writer_is_asked_once_whether_it_lives_however_many_sessions_it_writes_to(store: EventLog, settings: Settings) -> None:
    folder = str(settings.store / "changes")
    writing, reading = Journal(Disk(), folder), AskedJournal(Disk(), folder)
    for number in range(50):
        writing.opened(f"s{number}", 0)
    feed = JournalFeed(reading, None)
    feed.next()
    assert AskedJournal.asked == [writing._token]
    for each in (feed, reading, writing):
        each.close()


def test_a_writer_is_at_no_moment_taken_for_dead(store: EventLog, settings: Settings) -> None:
    found: list[bool] = []
    other = Journal(Disk(), str(settings.store / "changes"))
    writing = Journal(WatchedDisk(lambda: found.append(other._is_dead(writing._token))), str(settings.store / "changes"))
    writing.opened("a", 0)
    shutil.rmtree(settings.store / "changes")
    writing.opened("b", 0)
    assert len(found) > 5
    assert not any(found)
    writing.close()


def test_an_append_that_was_interrupted_while_it_noted_hides_no_later_one(store: EventLog, monkeypatch: pytest.MonkeyPatch) -> None:
    session = store.session("a", create=True)
    backend = store._backend
    assert isinstance(backend, FilesBackend)
    with store.tail() as tail:
        assert not tail.wait(0)
        with monkeypatch.context() as patch:
            patch.setattr(backend.journal, "opened", _interrupted)
            with pytest.raises(KeyboardInterrupt):
                session.append(note())
        session.append(note())
        assert places(take(tail, 1)) == [("a", 1)]


def _interrupted(*_: object) -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize("session_id", ["a", None])
def test_a_tail_that_is_interrupted_while_it_reads_goes_on_without_a_gap(
    log: EventLog, session_id: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = log.session("a", create=True)
    session.append(note())
    with log.tail(session_id) as tail:
        take(tail, 1)
        session.append(note())
        with monkeypatch.context() as patch:
            patch.setattr("eventlog.stored.decode", _interrupted)
            with pytest.raises(KeyboardInterrupt):
                next(tail)
        session.append(note())
        assert places(take(tail, 2)) == [("a", 2), ("a", 3)]
        assert rest(tail) == []


def test_a_session_that_two_writers_of_a_process_have_open_is_noted_until_both_let_go(store: EventLog) -> None:
    shared = store.session("a", create=True)
    shared.append(note())
    with store.session("a", exclusive=True) as exclusive:
        exclusive.append(note())
    with store.tail(after="end") as tail:
        shared.append(note())
        assert places(take(tail, 1)) == [("a", 3)]


def test_a_writer_that_is_taken_up_while_it_is_being_let_go_keeps_no_descriptor(store: EventLog) -> None:
    session = store.session("a", create=True)
    session.append(note())
    backend = store._backend
    assert isinstance(backend, FilesBackend)
    stream = backend.stream("a", create=False)
    stream.__del__()  # as another thread that drops the last handle at this moment does
    session.append(note())
    assert not stream.has_descriptor
    assert backend.stream("a", create=False) is not stream


# --- damage --------------------------------------------------------------------------------------------------------------------


def _damage_second_event(log: EventLog, settings: Settings) -> None:
    session = log.session("a", create=True)
    session.append(note("one"), sync="never")
    session.append(note("two"), sync="never")
    session.append(note("three"), sync="never")
    path = Layout(settings.store).path(last_name("a", 1))
    data = Path(path).read_bytes()
    Path(path).write_bytes(data.replace(b'"two"', b'"twx"'))


@pytest.mark.parametrize("session", ["a", None])
def test_damage_is_raised_where_it_stands(store: EventLog, settings: Settings, session: str | None) -> None:
    _damage_second_event(store, settings)
    with store.tail(session) as tail:
        assert places(take(tail, 1)) == [("a", 1)]
        for _ in range(2):  # and again, for who goes on all the same
            with pytest.raises(Damaged):
                next(tail)
        cursor = tail.cursor
    with store.tail(session, after=cursor, on_damage="skip") as tail:
        assert places(rest(tail)) == [("a", 3)]


def test_a_tail_that_skips_damage_goes_on_live(store: EventLog, settings: Settings) -> None:
    _damage_second_event(store, settings)
    with store.tail("a", on_damage="skip") as tail:
        assert places(take(tail, 2)) == [("a", 1), ("a", 3)]
        seqs = [store.session("a").append(note()) for _ in range(3)]
        assert places(take(tail, 3)) == [("a", seq) for seq in seqs]


@pytest.mark.parametrize("is_event", [True, False])
def test_damage_that_comes_while_a_tail_runs_is_raised(store: EventLog, settings: Settings, is_event: bool) -> None:
    session = store.session("a", create=True)
    session.append(note())
    with session.tail() as tail:
        (stored,) = take(tail, 1)
        assert isinstance(stored, StoredEvent)
        assert not tail.wait(0)
        with open(Layout(settings.store).path(last_name("a", 1)), "ab") as file:
            file.write(stored.raw.replace(b'"seq":1', b'"seq":2') + b"\n" if is_event else b"this is no event\n" * 50)
        with pytest.raises(Damaged):
            take(tail, 1)


def test_a_torn_tail_is_waited_behind(store: EventLog, settings: Settings) -> None:
    session = store.session("a", create=True)
    session.append(note())
    with session.tail() as tail:
        take(tail, 1)
        assert not tail.wait(0)
        with open(Layout(settings.store).path(last_name("a", 1)), "ab") as file:
            file.write(b'{"seq":2,"time":"20')
        assert rest(tail) == []
    with session.tail(after=1) as tail:
        session.append(note("set aside"))
        assert places(take(tail, 1)) == [("a", 2)]


# --- the end of a tail -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("end", ["tail", "log"])
def test_closing_ends_an_iteration_that_waits(settings: Settings, end: str) -> None:
    log = EventLog.open(settings=settings)
    tail = log.tail()
    items: list[object] = []
    reader = threading.Thread(target=lambda: items.extend(tail))
    reader.start()
    log.start(id="a")
    (tail if end == "tail" else log).close()
    reader.join(PATIENCE_S)
    assert not reader.is_alive()
    log.close()
    tail.close()


def test_the_cursor_stays_true_after_the_end(store: EventLog) -> None:
    session = store.session("a", create=True)
    session.append(note(), note())
    tail = store.tail()
    take(tail, 1)
    tail.close()
    assert list(tail) == []
    with store.tail(after=tail.cursor) as tail:
        assert places(rest(tail)) == [("a", 2)]


def test_a_tail_that_is_forgotten_lets_go_of_everything(store: EventLog) -> None:
    store.start(id="a")
    for stored in store.tail():
        assert stored.seq == 1  # type: ignore[union-attr]
        break


def test_a_tail_that_is_interrupted_goes_on(store: EventLog) -> None:
    session = store.start(id="a")
    with session.tail(after="end") as tail:
        threading.Timer(0.01, tail.interrupt).start()
        assert not tail.wait(PATIENCE_S)
        session.append(note())
        assert places(take(tail, 1)) == [("a", 2)]


def test_a_closed_log_gives_no_tail(settings: Settings) -> None:
    log = EventLog.memory(settings)
    session = log.start()
    session.close()
    log.close()
    for open_tail in (log.tail, session.tail):
        with pytest.raises(ValueError, match="closed"):
            open_tail()


# --- how a session on disk is followed -------------------------------------------------------------------------------------------


class CountingLayout(Layout):
    listings = 0

    def segments(self, session_id: str) -> list[SegmentName]:
        self.listings += 1
        return super().segments(session_id)


@pytest.mark.parametrize("keep_open", [True, False])
def test_growth_is_read_without_listing_the_session_again(store: EventLog, settings: Settings, keep_open: bool) -> None:
    session = store.session("a", create=True)
    session.append(note())
    layout = CountingLayout(settings.store)
    follower = FileFollower(layout, "a", 0, "raise", 1 << 20, keep_open=keep_open)
    assert [lines.data.count(b"\n") for lines in follower.more()] == [1]
    listed = layout.listings
    for seq in range(2, 100):
        session.append(note(), sync="never")
        assert [last_seq_in(lines.data) for lines in follower.more()] == [seq]
    assert list(follower.more()) == []
    assert layout.listings == listed
    follower.close()


def test_a_finished_session_is_not_listed_again_while_its_folder_does_not_change(store: EventLog, settings: Settings) -> None:
    session = store.start(id="a")
    session.end()
    store.close()
    folder = Path(Layout(settings.store).folder("a"))
    os.utime(folder, (1, 1))
    layout = CountingLayout(settings.store)
    follower = FileFollower(layout, "a", 0, "raise", 1 << 20, keep_open=True)
    assert len(list(follower.more())) == 1
    listed = layout.listings
    for _ in range(10):
        assert list(follower.more()) == []
    assert layout.listings == listed
    with EventLog.open(settings=settings) as log:
        log.session("a").append(note())
    assert [lines.data.count(b'"seq":3') for lines in follower.more()] == [1]
    follower.close()


def test_a_segment_that_was_cut_back_is_read_anew(store: EventLog, settings: Settings) -> None:
    session = store.session("a", create=True)
    session.append(note("short"))
    path = Layout(settings.store).path(last_name("a", 1))
    size = os.stat(path).st_size
    follower = FileFollower(Layout(settings.store), "a", 0, "raise", 1 << 20, keep_open=True)
    session.append(note("not to be stored after all" * 100))
    assert len(list(follower.more())) == 1
    os.truncate(path, size)  # as after a write that the disk refused
    for _ in range(2):
        session.append(note("short"))
    found = [line for lines in follower.more() for line in lines.data.splitlines() if b'"seq":3' in line]
    assert len(found) == 1
    follower.close()


def test_a_segment_that_was_replaced_by_a_copy_is_followed_on(store: EventLog, settings: Settings) -> None:
    store.session("a", create=True).append(note())
    store.close()
    follower = FileFollower(Layout(settings.store), "a", 0, "raise", 1 << 20, keep_open=True)
    assert len(list(follower.more())) == 1
    path = Path(Layout(settings.store).path(last_name("a", 1)))
    shutil.copy(path, path.with_suffix(".tmp"))
    path.with_suffix(".tmp").rename(path)
    with EventLog.open(settings=settings) as log:
        log.session("a").append(note())
    assert [lines.data.count(b'"seq":2') for lines in follower.more()] == [1]
    follower.close()
