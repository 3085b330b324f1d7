"""Following source files: what is written there ends up in the log as if the finished files had been imported.

Nothing here waits for a clock: each look is asked for, and the time by which files are old is set.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from eventlog import EventLog
from eventlog.importers import ImportReport, Skipped, import_paths
from eventlog.importers.follow import Follower
from eventlog.importers.growing_file import GrowingFile, News
from eventlog.importers.report import Change, Deleted, Following, Imported, Replaced, Truncated
from eventlog.settings import Settings
from projections import SessionView, replay
from tests.tails import leaving_nothing_open

FIXTURES = Path(__file__).parents[2] / "fixtures" / "claude-code"
SESSION = "3f1c0e52-0000-4000-8000-000000000001"
MAIN = f"{SESSION}.jsonl"
AGENT = f"{SESSION}/subagents/agent-a1b2c3d.jsonl"
NOON = 1_800_000_000.0


def line(uuid: str, content: str = "Hello", session: str = "s", **fields: Any) -> bytes:
    record = {"type": "user", "uuid": uuid, "sessionId": session, "timestamp": "2026-01-15T10:00:00.000Z"}
    return json.dumps(record | {"message": {"role": "user", "content": content}} | fields).encode() + b"\n"


def nameless(title: str = "A title") -> bytes:
    return json.dumps({"type": "custom-title", "customTitle": title}).encode() + b"\n"


class Followed:
    """A folder that is followed, and a clock that stands still."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.time = NOON
        self.log = EventLog.memory()
        self.follower = Follower(self.log, "claude-code", [folder], now=lambda: self.time)

    def append(self, name: str, data: bytes) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(path, "ab") as file:
            file.write(data)
        self.touch(name)

    def touch(self, name: str) -> None:
        os.utime(self.folder / name, (self.time, self.time))

    def look(self, *hints: str) -> list[Change | Skipped]:
        """What a look at these files finds; at everything where none is named."""
        return list(self.follower.look([str(self.folder / hint) for hint in hints] if hints else None))

    def finish(self) -> list[Change | Skipped]:
        return list(self.follower.finish())

    def imported(self) -> tuple[EventLog, ImportReport]:
        """What an import of the folder, as it is now, gives."""
        log = EventLog.memory()
        return log, import_paths(log, "claude-code", [self.folder])

    def texts(self, session_id: str = "s") -> list[Any]:
        view = replay(self.log.session(session_id).read(), SessionView)
        return [part["content"] for message in view.messages for part in message.parts]


@pytest.fixture(autouse=True)
def _nothing_stays_open() -> Iterator[None]:
    with leaving_nothing_open():
        yield


@pytest.fixture
def followed(tmp_path: Path) -> Followed:
    folder = tmp_path / "projects"
    folder.mkdir()
    return Followed(folder)


def events(log: EventLog) -> dict[str, list[Any]]:
    return {
        session_id: [(s.seq, s.time, s.type, s.raw[s.raw.find(b'"data":') : -25], s.origin) for s in log.session(session_id).read()]
        for session_id in sorted(log.session_ids())
    }


# --- as if the finished file had been imported -------------------------------------------------------------------------------------


def in_lines(data: bytes) -> Iterator[bytes]:
    yield from data.splitlines(keepends=True)


def in_bytes(data: bytes) -> Iterator[bytes]:
    """The first lines byte by byte, the others in two."""
    lines = data.splitlines(keepends=True)
    for byte in b"".join(lines[:3]):
        yield bytes([byte])
    for each in lines[3:]:
        yield each[: len(each) // 2]
        yield each[len(each) // 2 :]


@pytest.mark.parametrize("cut", [in_lines, in_bytes])
def test_a_session_that_is_written_before_our_eyes_ends_as_its_finished_files(followed: Followed, cut: Callable[[bytes], Any]) -> None:
    for description in FIXTURES.rglob("*.meta.json"):
        followed.append(str(description.relative_to(FIXTURES)), description.read_bytes())
    pieces = [(name, piece) for name in (AGENT, MAIN) for piece in cut((FIXTURES / name).read_bytes())]
    for name, piece in pieces:
        followed.append(name, piece)
        followed.look(name)
    followed.finish()
    whole, report = followed.imported()
    assert events(followed.log) == events(whole)
    assert followed.follower.report == report
    assert (report.sessions, report.records) == (2, 13)


def test_what_is_there_at_the_start_is_imported_and_then_only_what_is_new(followed: Followed) -> None:
    shutil.copytree(FIXTURES, followed.folder, dirs_exist_ok=True)
    first = followed.look()
    assert first == [
        Imported(str(followed.folder / AGENT), f"{SESSION}.agent-a1b2c3d", 5),
        Imported(str(followed.folder / MAIN), SESSION, 21),
    ]
    assert followed.look() == []
    followed.append(MAIN, b"\n" + line("u9", "More", SESSION))
    assert followed.look() == [Imported(str(followed.folder / MAIN), SESSION, 1)]


def test_a_half_written_last_line_waits_for_its_rest(followed: Followed) -> None:
    whole = line("u2", "two")
    followed.append("a.jsonl", line("u1", "one") + whole[:-1])
    followed.look()
    assert followed.texts() == ["one"]
    followed.append("a.jsonl", whole[-1:])
    assert followed.look() == [Imported(str(followed.folder / "a.jsonl"), "s", 1)]
    assert followed.texts() == ["one", "two"]


def test_a_last_line_that_stays_half_is_reported_at_the_end_and_not_kept(followed: Followed) -> None:
    followed.append("a.jsonl", line("u1", "one") + line("u2")[:40])
    followed.look()
    reason = "the file ends within this line; it is taken once it is complete"
    assert followed.finish() == [Skipped(str(followed.folder / "a.jsonl"), 2, reason)]
    assert followed.texts() == ["one"]
    assert followed.follower.report == followed.imported()[1]


def test_a_whole_last_line_without_its_newline_is_taken_at_the_end(followed: Followed) -> None:
    followed.append("a.jsonl", line("u1", "one")[:-1])
    assert followed.look() == []
    assert followed.finish() == [Imported(str(followed.folder / "a.jsonl"), "s", 2)]


def test_records_that_name_no_session_wait_for_the_first_that_does(followed: Followed) -> None:
    followed.append(f"{SESSION}.jsonl", nameless())
    assert followed.look() == []
    followed.append(f"{SESSION}.jsonl", line("u1"))
    assert followed.look() == [Imported(str(followed.folder / f"{SESSION}.jsonl"), "s", 2)]
    assert replay(followed.log.session("s").read(), SessionView).title == "A title"
    assert events(followed.log) == events(followed.imported()[0])


def test_records_without_a_time_wait_for_the_first_that_has_one(followed: Followed) -> None:
    followed.append("a.jsonl", line("u1", timestamp=None))
    assert followed.look() == []
    followed.append("a.jsonl", line("u2"))
    assert followed.look() == [Imported(str(followed.folder / "a.jsonl"), "s", 3)]
    followed.append("a.jsonl", line("u3", timestamp=None))
    followed.look()
    assert events(followed.log) == events(followed.imported()[0])
    assert [str(stored.time) for stored in followed.log.session("s").read()] == ["2026-01-15 10:00:00+00:00"] * 4


def test_a_file_that_has_not_changed_for_a_minute_is_taken_as_it_is_and_can_grow_again(followed: Followed) -> None:
    followed.append(f"{SESSION}.jsonl", nameless() + line("u1", session=SESSION)[:-1])
    followed.time += 59
    assert followed.look() == []
    followed.time += 1
    assert followed.look() == [Imported(str(followed.folder / MAIN), SESSION, 2)]
    assert followed.look() == []
    followed.append(f"{SESSION}.jsonl", b"\n" + line("u2", session=SESSION))
    assert followed.look() == [Imported(str(followed.folder / MAIN), SESSION, 1)]
    assert events(followed.log) == events(followed.imported()[0])


def test_a_line_that_was_left_half_for_a_minute_is_taken_when_its_rest_comes_after_all(followed: Followed) -> None:
    rest = line("u2", "two")
    followed.append("a.jsonl", line("u1", "one") + rest[:40])
    followed.look()
    followed.time += 60
    assert [type(change) for change in followed.look()] == [Skipped]
    followed.append("a.jsonl", rest[40:])
    assert followed.look() == [Imported(str(followed.folder / "a.jsonl"), "s", 1)]
    assert (followed.texts(), followed.follower.report) == (["one", "two"], followed.imported()[1])


def test_equal_lines_are_counted_across_the_pieces_in_which_they_come(followed: Followed) -> None:
    for _ in range(3):
        followed.append("a.jsonl", line("u1"))
        followed.look()
    assert events(followed.log) == events(followed.imported()[0])
    assert followed.follower.report.records == 3


def test_a_document_is_taken_when_it_is_complete(followed: Followed) -> None:
    document = json.dumps({"loglines": [json.loads(line("u1")), json.loads(line("u2"))]}, indent=1).encode()
    followed.append("export.json", document[:-40])
    assert followed.look() == []
    followed.append("export.json", document[-40:])
    assert followed.look() == [Imported(str(followed.folder / "export.json"), "s", 3)]
    assert (followed.finish(), events(followed.log)) == ([], events(followed.imported()[0]))


def test_a_file_that_does_not_begin_with_a_record_is_taken_when_it_is_left_alone(followed: Followed) -> None:
    followed.append("a.jsonl", b"[1]\n")
    followed.look()
    followed.append("a.jsonl", line("u1"))
    assert followed.look() == []
    followed.time += 60
    assert Imported(str(followed.folder / "a.jsonl"), "s", 3) in followed.look()
    assert events(followed.log) == events(followed.imported()[0])


# --- subagents ---------------------------------------------------------------------------------------------------------------------


def test_files_in_a_new_folder_are_found_by_the_folder_and_by_a_look_at_everything(followed: Followed) -> None:
    (followed.folder / SESSION / "subagents").mkdir(parents=True)
    shutil.copy((FIXTURES / AGENT).with_suffix(".meta.json"), followed.folder / SESSION / "subagents")
    shutil.copy(FIXTURES / AGENT, followed.folder / AGENT)
    assert followed.look(SESSION) == [Imported(str(followed.folder / AGENT), f"{SESSION}.agent-a1b2c3d", 5)]
    shutil.copytree(followed.folder / SESSION, followed.folder / "unnoticed")
    (followed.folder / "unnoticed/subagents/agent-a1b2c3d.jsonl").write_bytes(line("u5", "x", SESSION, agentId="a1b2c3d"))
    assert [type(change) for change in followed.look()] == [Imported]


def test_a_subagent_waits_a_moment_for_its_description(followed: Followed) -> None:
    followed.append(AGENT, (FIXTURES / AGENT).read_bytes())
    assert followed.look() == []
    shutil.copy((FIXTURES / AGENT).with_suffix(".meta.json"), (followed.folder / AGENT).parent)
    assert len(followed.look()) == 1
    assert replay(followed.log.session(f"{SESSION}.agent-a1b2c3d").read(), SessionView).title == "Search for user.ok"


def test_a_subagent_without_a_description_is_taken_without_it(followed: Followed) -> None:
    followed.append(AGENT, (FIXTURES / AGENT).read_bytes())
    assert followed.look() == []
    followed.time += 1
    assert len(followed.look()) == 1
    followed.append(AGENT.replace("a1b2c3d", "other"), line("u1", agentId="other"))
    assert followed.look() == []
    assert len(followed.finish()) == 1


def test_two_files_of_one_session_may_grow_at_once(followed: Followed) -> None:
    for number in range(4):
        followed.append("a.jsonl", line(f"a{number}", f"a{number}"))
        followed.append("b.jsonl", line(f"b{number}", f"b{number}"))
        assert [change.events for change in followed.look() if isinstance(change, Imported)] == ([2, 1] if number == 0 else [1, 1])
    assert followed.texts() == ["a0", "b0", "a1", "b1", "a2", "b2", "a3", "b3"]
    assert import_paths(followed.log, "claude-code", [followed.folder]).events_added == 0
    assert followed.follower.report.records == 8


# --- files that are cut, replaced, deleted ---------------------------------------------------------------------------------------------


def test_a_file_that_was_cut_is_reported_read_again_and_nothing_is_taken_away(followed: Followed) -> None:
    followed.append("a.jsonl", line("u1", "one") + line("u2", "two"))
    followed.look()
    size = len(line("u1", "one"))
    path = followed.folder / "a.jsonl"
    os.truncate(path, size)
    followed.touch("a.jsonl")
    assert followed.look() == [Truncated(str(path), size * 2, size)]
    followed.append("a.jsonl", line("u2", "two") + line("u3", "three"))
    assert followed.look() == [Imported(str(path), "s", 1)]
    assert followed.texts() == ["one", "two", "three"]
    assert followed.follower.report.records == 3


def test_a_file_that_was_renamed_over_it_replaces_it(followed: Followed) -> None:
    path = followed.folder / "a.jsonl"
    followed.append("a.jsonl", line("u1", "one"))
    followed.look()
    followed.append("a.tmp", line("u1", "one") + line("u2", "two"))
    os.replace(followed.folder / "a.tmp", path)
    assert followed.look("a.jsonl") == [Replaced(str(path)), Imported(str(path), "s", 1)]
    assert followed.texts() == ["one", "two"]


def test_a_file_that_was_written_anew_with_more_in_it_replaces_it(followed: Followed) -> None:
    path = followed.folder / "a.jsonl"
    followed.append("a.jsonl", line("u1", "one") + line("u2", "two"))
    followed.look()
    path.write_bytes(line("u1", "one") + line("u1b", "inserted") + line("u2", "two"))
    assert followed.look() == [Replaced(str(path)), Imported(str(path), "s", 1)]
    assert followed.texts() == ["one", "two", "inserted"]


def test_a_file_that_was_changed_without_growing_is_read_again(followed: Followed) -> None:
    followed.append("a.jsonl", line("u1", "one") * 100)
    followed.look()
    path = followed.folder / "a.jsonl"
    data = path.read_bytes()
    path.write_bytes(line("u2", "two") + data[len(line("u2", "two")) :])
    os.utime(path, (NOON + 1, NOON + 1))
    assert followed.look() == [Imported(str(path), "s", 1)]


def test_a_deleted_file_is_reported_once_and_what_waited_is_taken(followed: Followed) -> None:
    path = followed.folder / MAIN
    followed.append(MAIN, nameless())
    followed.look()
    path.unlink()
    assert followed.look() == [Imported(str(path), SESSION, 1), Deleted(str(path))]
    assert followed.look(MAIN) == []
    followed.append(MAIN, line("u1", session=SESSION))
    assert followed.look() == [Imported(str(path), SESSION, 2)]


def test_a_folder_that_goes_takes_its_files_with_it(followed: Followed) -> None:
    followed.append("deep/er/a.jsonl", line("u1"))
    followed.look()
    shutil.rmtree(followed.folder / "deep")
    assert followed.look("deep") == [Deleted(str(followed.folder / "deep/er/a.jsonl"))]
    shutil.rmtree(followed.folder)
    assert followed.look() == []


def test_an_import_that_another_writer_holds_up_is_done_when_the_session_is_free(followed: Followed) -> None:
    with followed.log.session("s", create=True, exclusive=True):
        followed.append("a.jsonl", line("u1"))
        assert followed.look() == []
    assert followed.look() == [Imported(str(followed.folder / "a.jsonl"), "s", 2)]


# --- cost, limits, manners --------------------------------------------------------------------------------------------------------


def test_of_a_file_that_grows_only_what_was_added_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"x" * 100_000)
    file = GrowingFile(path)
    assert file.news(from_start=False) == News(b"x" * 100_000, False, "grown", 0)
    assert file.news(from_start=False) is None
    with open(path, "ab") as more:
        more.write(b"new")
    assert file.news(from_start=False) == News(b"new", False, "grown", 100_000)


def test_a_follower_reads_only_what_was_added(followed: Followed) -> None:
    """Lines far up that change while the file grows are not seen, because they are not read again."""
    followed.append("a.jsonl", line("u1", "one") * 100)
    followed.look()
    path = followed.folder / "a.jsonl"
    path.write_bytes(line("u2", "two") + path.read_bytes()[len(line("u2", "two")) :] + line("u3", "three"))
    assert followed.look() == [Imported(str(path), "s", 1)]
    assert followed.texts()[-1] == "three"


def test_a_file_that_was_forgotten_among_many_is_read_from_its_start_when_it_grows(followed: Followed) -> None:
    names = [f"{number}.jsonl" for number in range(40)]
    for name in names:
        followed.append(name, line("u1", session=name) * 2)
    followed.look()
    for name in names:
        followed.append(name, line("u2", session=name))
    assert [change.events for change in followed.look() if isinstance(change, Imported)] == [1] * 40
    assert followed.follower.report == followed.imported()[1]


def test_what_cannot_be_read_is_reported_once(followed: Followed) -> None:
    path = followed.folder / "loop.jsonl"
    path.symlink_to(path)
    followed.append("a.jsonl", line("u1"))
    assert followed.look() == [
        Imported(str(followed.folder / "a.jsonl"), "s", 2),
        Skipped(str(path), None, "Too many levels of symbolic links"),
    ]
    assert followed.look() == []
    assert followed.follower.report.skipped == [Skipped(str(path), None, "Too many levels of symbolic links")]


def test_lines_that_mean_nothing_are_reported_once(followed: Followed) -> None:
    followed.append("a.jsonl", line("u1") + b"7\n")
    problem = Skipped(str(followed.folder / "a.jsonl"), 2, "JSON, but not an object: int")
    assert problem in followed.look()
    followed.append("a.jsonl", b"8\n")
    assert [change.line for change in followed.look() if isinstance(change, Skipped)] == [3]
    os.utime(followed.folder / "a.jsonl", (NOON + 1, NOON + 1))
    assert followed.look() == []
    assert followed.follower.report == followed.imported()[1]


def test_other_files_are_left_alone(followed: Followed) -> None:
    followed.append("notes.txt", line("u1"))
    followed.append(f"{SESSION}/tool-results/x.txt", line("u1"))
    assert (followed.look(), followed.look("notes.txt")) == ([], [])
    assert followed.follower.report == ImportReport()


def test_a_pipe_with_the_name_of_a_session_file_blocks_nothing(followed: Followed) -> None:
    os.mkfifo(followed.folder / "a.jsonl")
    assert followed.look() == []


def test_the_store_itself_is_never_imported(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(line("u1"))
    with EventLog.open(settings=Settings(store=tmp_path / "store")) as log:
        follower = Follower(log, "claude-code", [tmp_path])
        assert [type(change) for change in follower.look()] == [Imported]
        (segment,) = (tmp_path / "store" / "sessions").rglob("*.jsonl")
        assert list(follower.look([str(segment)])) == []
        assert list(follower.finish()) == []


def test_a_single_file_may_be_followed_whatever_its_name(followed: Followed) -> None:
    followed.append("session.log", line("u1"))
    path = followed.folder / "session.log"
    follower = Follower(followed.log, "claude-code", [path])
    assert list(follower.look()) == [Imported(str(path), "s", 2)]
    followed.append("session.log", line("u2"))
    assert list(follower.look([str(path)])) == [Imported(str(path), "s", 1)]


def test_files_of_a_format_that_does_not_grow_are_taken_when_they_are_left_alone(followed: Followed) -> None:
    follower = Follower(followed.log, "openai", [followed.folder], now=lambda: followed.time)
    followed.append("chats.jsonl", b'{"messages":[{"role":"user","content":"Hi"}]}\n{"messages":')
    assert list(follower.look()) == []
    followed.append("chats.jsonl", b'[{"role":"user","content":"Ho"}]}\n')
    followed.time += 60
    assert [change.events for change in follower.look() if isinstance(change, Imported)] == [2, 2]
    assert list(follower.look()) == []


# --- from the start to the end --------------------------------------------------------------------------------------------------------


def test_changes_tell_when_all_that_was_there_is_imported_and_end_when_stopped(followed: Followed) -> None:
    path = followed.folder / "a.jsonl"
    followed.append("a.jsonl", line("u1"))
    follower = followed.follower

    def hints() -> Iterator[list[str]]:
        followed.append("a.jsonl", line("u2"))
        yield [str(path)]
        followed.append("a.jsonl", line("u3") + line("u4")[:-1])
        follower.stop()
        yield []

    assert list(follower.changes(hints())) == [
        Imported(str(path), "s", 2),
        Following(files=1, sessions=1, events_added=2),
        Imported(str(path), "s", 1),
        Imported(str(path), "s", 1),
        Imported(str(path), "s", 1),
    ]
    assert follower.report == ImportReport(files=1, sessions=1, events_added=5, records=4)


def test_a_change_that_nobody_told_is_found_by_looking(tmp_path: Path) -> None:
    log = EventLog.memory(Settings(poll_interval_ms=1))
    follower = Follower(log, "claude-code", [tmp_path])

    def hints() -> Iterator[list[str]]:
        (tmp_path / "a.jsonl").write_bytes(line("u1"))
        for _ in range(100_000):
            if list(log.session_ids()):
                break
            yield []
        follower.stop()
        yield []

    assert Imported(str(tmp_path / "a.jsonl"), "s", 2) in list(follower.changes(hints()))


def test_a_stop_while_it_looks_for_the_first_time_ends_after_the_file_at_hand(followed: Followed) -> None:
    followed.append("a.jsonl", line("u1"))
    followed.append("b.jsonl", line("u2"))
    seen = []
    for change in followed.follower.changes():
        seen.append(change)
        followed.follower.stop()
    assert seen == [Imported(str(followed.folder / "a.jsonl"), "s", 2)]
