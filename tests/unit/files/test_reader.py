"""Files change places between two looks of a reader: it goes on, and calls nothing damage that is none."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from eventlog import EventLog, Settings
from eventlog.errors import Damaged
from eventlog.events import MessageAdded
from eventlog.files import reader
from eventlog.files.layout import Layout, SegmentName

SETTINGS = Settings(segment_size_bytes=100_000)
LIMIT = 1_000_000


class Overtaken(Layout):
    """Others do something between the reader's look at the last segment and its next one; a listing has not what was renamed under it."""

    happens: Callable[[], None] | None = None
    unseen = ""

    def numbered(self, session_id: str, first_seq: int) -> Iterator[SegmentName]:
        happens, self.happens = self.happens, None
        if happens is not None:
            happens()
        return (name for name in super().numbered(session_id, first_seq) if str(name) != self.unseen)

    def names(self, session_id: str) -> list[str]:
        unseen, self.unseen = self.unseen, ""
        return [name for name in super().names(session_id) if name != unseen]


@pytest.fixture
def log(tmp_path: Path) -> Iterator[EventLog]:
    with EventLog.open(tmp_path, settings=SETTINGS) as log:
        yield log


def a_segment(log: EventLog) -> None:
    session = log.session("s", create=True)
    session.append(MessageAdded(role="user", content="x"))
    session.end()


def lines(chunks: Iterator[object]) -> int:
    return sum(getattr(chunk, "data", b"").count(b"\n") for chunk in chunks)


def test_the_last_segment_was_read_to_its_end_and_two_others_begin_before_the_next_is_looked_for(log: EventLog, tmp_path: Path) -> None:
    a_segment(log)
    layout = Overtaken(tmp_path)
    read = reader.read(layout, "s", 0, None, "raise", LIMIT)
    first = next(read).data.count(b"\n")

    def two_more() -> None:
        a_segment(log)
        a_segment(log)

    layout.happens = two_more
    assert first + lines(read) == log.session("s").last_seq == 3 * first


def test_the_last_segment_gets_its_number_when_it_has_just_been_read_and_nothing_has_the_name_yet(log: EventLog, tmp_path: Path) -> None:
    log.session("s", create=True).append(MessageAdded(role="user", content="x"))
    read = reader.read(Layout(tmp_path), "s", 0, None, "raise", LIMIT)
    assert next(read).data.count(b"\n") == 1
    last = next(tmp_path.rglob("s.jsonl"))
    last.rename(last.with_name("s+000000000001.jsonl"))
    assert lines(read) == 0


def test_a_segment_that_got_its_number_while_the_folder_was_listed_is_not_missing(log: EventLog, tmp_path: Path) -> None:
    for _ in range(3):
        a_segment(log)
    layout = Overtaken(tmp_path)
    layout.unseen = "s+000000000001.jsonl"
    assert lines(reader.read(layout, "s", 0, None, "raise", LIMIT)) == log.session("s").last_seq


def test_a_segment_that_has_gone_is_missing_after_two_listings(log: EventLog, tmp_path: Path) -> None:
    for _ in range(3):
        a_segment(log)
    layout = Overtaken(tmp_path)
    (Path(layout.folder("s")) / "s+000000000001.jsonl").unlink()
    with pytest.raises(Damaged, match="missing"):
        lines(reader.read(layout, "s", 0, None, "raise", LIMIT))


@pytest.fixture
def unseen_once(log: EventLog, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three segments, of which the first listing does not have the middle one."""
    for _ in range(3):
        a_segment(log)
    names = Layout.names
    unseen = ["s+000000000003.jsonl"]

    def listed(layout: Layout, session_id: str) -> list[str]:
        found = names(layout, session_id)
        return [name for name in found if name not in unseen or unseen.clear()]

    monkeypatch.setattr(Layout, "names", listed)


@pytest.mark.usefixtures("unseen_once")
def test_a_check_takes_no_segment_for_missing_that_one_listing_had_not(log: EventLog) -> None:
    assert log.verify(["s"]).problems == []


@pytest.mark.usefixtures("unseen_once")
def test_a_backup_has_the_segment_that_one_listing_had_not(log: EventLog, tmp_path: Path) -> None:
    assert [name.first_seq for name in reader.standing(Layout(tmp_path), "s")] == [1, 3, 5]


@pytest.mark.usefixtures("unseen_once")
def test_a_redaction_finds_what_is_in_the_segment_that_one_listing_had_not(log: EventLog) -> None:
    log.redact("s", pattern="x", reason="private")
    assert "x" not in [stored.event.content for stored in log.session("s").read(types=["message.added"])]
