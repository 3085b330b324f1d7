from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from eventlog import EventLog, Settings
from eventlog.errors import Damaged
from eventlog.events import MessageAdded
from eventlog.files import replacing
from eventlog.files.backend import FilesBackend
from eventlog.segments import frames

SETTINGS = Settings(segment_size_bytes=4000, frame_size_bytes=1000, compress_after="0")


def record(path: Path, *, compress: bool = False, session_id: str = "s") -> list[Path]:
    """A session of four segments, the last one active (and raw); returns their files in order."""
    with EventLog.open(path, settings=SETTINGS) as log, log.session(session_id, create=True) as session:
        for number in range(100):
            session.append(MessageAdded(role="user", content=f"event {number} " * 3), sync="never")
    if compress:
        backend = FilesBackend.open(SETTINGS.replace(store=path))
        for name in backend.layout.segments(session_id)[:-1]:
            assert replacing.compress(backend, backend.disk, backend.layout, name)
    found = sorted(path.glob(f"sessions/*/{session_id}[+.]*"))
    assert len(found) == 4
    return found


def flip(file: Path, offset: int) -> None:
    data = bytearray(file.read_bytes())
    data[offset] ^= 1
    file.write_bytes(data)


def seqs(log: EventLog) -> list[int]:
    return [stored.seq for stored in log.session("s").read()]


def tear(files: list[Path]) -> None:
    files[-1].write_bytes(files[-1].read_bytes()[:-7])


def hit_the_active_one(files: list[Path]) -> None:
    flip(files[-1], 500)


def hit_a_sealed_one(files: list[Path]) -> None:
    flip(files[1], 500)


def hit_a_header(files: list[Path]) -> None:
    flip(files[1], 40)


def hit_a_footer(files: list[Path]) -> None:
    flip(files[1], files[1].stat().st_size - 60)


def cut_a_sealed_one(files: list[Path]) -> None:
    data = files[1].read_bytes()
    files[1].write_bytes(data[: data.rfind(b"\n", 0, len(data) // 2) + 1])


def remove_one(files: list[Path]) -> None:
    files[1].unlink()


def remove_the_first(files: list[Path]) -> None:
    files[0].unlink()


def put_another_in_its_place(files: list[Path]) -> None:
    shutil.copy(files[2], files[1])


@pytest.mark.parametrize("compress", [False, True], ids=["raw", "compressed"])
@pytest.mark.parametrize(
    ("damage", "most_lost"),
    [
        (tear, 1),
        (hit_the_active_one, 1),
        (hit_a_sealed_one, 12),
        (hit_a_header, 12),
        (hit_a_footer, 12),
        (cut_a_sealed_one, 27),
        (remove_one, 27),
        (remove_the_first, 27),
        (put_another_in_its_place, 27),
    ],
)
def test_after_a_repair_everything_is_explained_and_what_could_be_proven_is_there(
    tmp_path: Path, damage: Callable[[list[Path]], None], most_lost: int, compress: bool
) -> None:
    files = record(tmp_path, compress=compress)
    before = {file.name: file.read_bytes() for file in files}
    damage(files)
    found = {file.name: file.read_bytes() for file in files if file.exists()}
    with EventLog.open(tmp_path, settings=SETTINGS) as log:
        readable = [stored.seq for stored in log.session("s").read(on_damage="skip")]
        planned = log.repair()
        assert planned.actions
        assert {file.name: file.read_bytes() for file in files if file.exists()} == found  # a dry run touches nothing

        done = log.repair(apply=True)
        assert done.actions == planned.actions
        assert done.verify is not None
        assert done.verify.problems == []
        assert log.verify().ok
        assert seqs(log) == readable
        assert len(readable) >= 100 - most_lost
        assert log.repair().actions == []

        kept = b"".join(file.read_bytes() for file in (tmp_path / "quarantine").iterdir())
        changed = [name for name, data in found.items() if data != before[name]]
        assert damage is tear or all(found[name] in kept for name in changed)

        assert log.session("s").append(MessageAdded(role="user", content="on")) > 99
        assert log.verify().ok


def test_a_damaged_table_is_made_anew_and_nothing_is_lost(tmp_path: Path) -> None:
    files = record(tmp_path, compress=True)
    flip(files[0], files[0].stat().st_size - 40)
    with EventLog.open(tmp_path, settings=SETTINGS) as log:
        assert not log.verify().ok
        log.repair(apply=True)
        assert log.verify().ok
        assert seqs(log) == list(range(1, 101))


def test_an_edit_with_a_new_footer_is_noticed_by_the_chain_and_explained_by_a_repair(tmp_path: Path) -> None:
    files = record(tmp_path)
    other = record(tmp_path / "other")
    shutil.copy(other[1], files[1])  # the same session and seqs, another history: only the chain shows it
    with EventLog.open(tmp_path, settings=SETTINGS) as log:
        assert [problem.kind for problem in log.verify().problems] == ["damaged"] * 2
        log.repair(apply=True)
        assert log.verify().ok
        assert len(seqs(log)) == 100


def test_only_the_sessions_that_are_named_are_touched(tmp_path: Path) -> None:
    files, others = record(tmp_path), record(tmp_path, session_id="t")
    hit_a_sealed_one(files)
    hit_a_sealed_one(others)
    with EventLog.open(tmp_path, settings=SETTINGS) as log:
        log.repair(["s"], apply=True)
        assert log.verify(["s"]).ok
        assert not log.verify(["t"]).ok


def kinds(log: EventLog) -> list[tuple[str, str]]:
    return [(problem.segment, problem.kind) for problem in log.verify().problems]


def test_an_end_that_cannot_be_read_is_told_once_and_what_comes_after_it_is_looked_at(tmp_path: Path) -> None:
    files = record(tmp_path)
    hit_a_footer(files)
    with EventLog.open(tmp_path, settings=SETTINGS) as log:
        assert kinds(log) == [(files[1].name, "damaged"), (files[1].name, "missing")]
        assert (log.verify().segments, log.verify().events) == (4, 100)


def test_what_comes_after_a_segment_of_nothing_but_garbage_is_looked_at(tmp_path: Path) -> None:
    files = record(tmp_path)
    files[1].write_bytes(b"garbage " * 1_000)
    with EventLog.open(tmp_path, settings=SETTINGS) as log:
        assert kinds(log) == [(files[1].name, "damaged"), (files[1].name, "missing")]
        assert (log.verify().segments, log.verify().events) == (4, 74)


def test_only_the_last_segment_can_have_a_torn_tail(tmp_path: Path) -> None:
    files = record(tmp_path)
    files[1].write_bytes(files[1].read_bytes()[:2_010])
    with EventLog.open(tmp_path, settings=SETTINGS) as log:
        assert kinds(log) == [(files[1].name, "damaged"), (files[1].name, "missing"), (files[2].name, "missing")]
        assert [action.action for action in log.repair().actions] == ["write_again", "record_the_gap"]


def joined(path: Path) -> Path:
    """A session of several small segments in one compressed file."""
    small = Settings(segment_size_bytes=900, frame_size_bytes=600, compress_after="0", sync="never")
    with EventLog.open(path, settings=small) as log, log.session("s", create=True) as session:
        for number in range(30):
            session.append(MessageAdded(role="user", content=f"event {number} " * 5))
        session.end()
    with EventLog.open(path, settings=small.replace(segment_size_bytes=100_000)) as log:
        assert log.compact().joined > 3
    (file,) = path.glob("sessions/*/s.jsonl.zst")
    return file


def frames_of(file: Path) -> list[frames.Frame]:
    data = file.read_bytes()
    table = frames.read_table(lambda offset, size: data[offset : offset + size], len(data), 1 << 20)
    assert table is not None
    return table.frames


def test_whichever_frames_of_a_joined_file_are_lost_a_repair_explains_it(tmp_path: Path) -> None:
    file = joined(tmp_path)
    original, places = file.read_bytes(), frames_of(file)
    assert len(places) > 6
    for first in range(len(places)):
        for count in (1, 2, 3):
            hit = places[first : first + count]
            for frame in hit:
                flip(file, frame.offset + frame.size // 2)
            with EventLog.open(tmp_path, settings=SETTINGS) as log:
                readable = [stored.seq for stored in log.session("s").read(on_damage="skip")]
                lost = {seq for frame in hit for seq in range(frame.first_seq, frame.last_seq + 1)}
                assert set(readable) == set(range(1, 32)) - lost
                done = log.repair(apply=True)
                assert done.verify is not None
                assert done.verify.problems == [], (first, count)
                assert seqs(log) == readable
            for path in file.parent.glob("s.*"):
                path.unlink()
            file.write_bytes(original)


def test_a_compressed_file_that_was_cut_between_two_frames_is_not_taken_for_whole(tmp_path: Path) -> None:
    file = joined(tmp_path)
    original = file.read_bytes()
    for frame in frames_of(file):
        file.write_bytes(original[: frame.offset])
        with EventLog.open(tmp_path, settings=SETTINGS) as log:
            with pytest.raises(Damaged):
                list(log.session("s").read())
            assert not any("all events can be read" in problem.detail for problem in log.verify().problems)


def test_a_session_that_cannot_be_mended_is_named_and_keeps_no_other_from_it(tmp_path: Path) -> None:
    files = record(tmp_path, session_id="t")
    hit_a_sealed_one(files)
    file = joined(tmp_path)
    file.write_bytes(file.read_bytes()[:700])  # its end is gone, and with it the next seq
    with EventLog.open(tmp_path, settings=SETTINGS) as log:
        report = log.repair(apply=True)
        assert [failed.session_id for failed in report.failed] == ["s"]
        assert log.verify(["t"]).ok
        assert not log.verify(["s"]).ok
        assert file.stat().st_size == 700


def test_what_is_lost_for_ever_is_told_by_every_verify_from_then_on(tmp_path: Path) -> None:
    files = record(tmp_path)
    first = [int(file.name.split("+")[1].split(".")[0]) for file in files[:-1]]
    remove_one(files)
    with EventLog.open(tmp_path, settings=SETTINGS) as log:
        log.repair(apply=True)
        report = log.verify()
        assert report.ok
        assert [(gap.segment, gap.first, gap.last) for gap in report.lost] == [(f"{files[2].name}.zst", first[1], first[2] - 1)]


def test_names_that_are_none_and_folders_and_a_missing_folder_do_not_stop_it(tmp_path: Path) -> None:
    files = record(tmp_path)
    folder = files[0].parent
    for name in (
        b"\xff\xfe+000000000001.jsonl",
        b"\xff\xfe.jsonl",
        b"..jsonl",
        b"s+1.jsonl",
        b"s+000000000000.jsonl",
        b"s+0000000000028.jsonl",
        b"s.jsonl.bak",
        b"s.jsonl.gz",
    ):
        (Path(os.fsdecode(os.path.join(os.fsencode(folder), name)))).write_bytes(b"x")
    with EventLog.open(tmp_path, settings=SETTINGS) as log:
        assert log.verify().ok
        (folder / "s+000000000999.jsonl").mkdir()
        assert (f"{folder.name}/s+000000000999.jsonl", "foreign") in kinds(log)
        assert log.verify().events == 100
        shutil.rmtree(tmp_path / "sessions")
        assert kinds(log) == [("sessions", "missing")]
        assert log.repair().actions == []


@pytest.mark.parametrize("ends", [False, True])
@pytest.mark.parametrize("segments", [1, 2])
@pytest.mark.parametrize("first", ["append", "repair"])
def test_a_last_segment_whose_header_is_hit_keeps_its_place_and_no_seq_is_given_twice(
    tmp_path: Path, segments: int, ends: bool, first: str
) -> None:
    with EventLog.open(tmp_path, settings=SETTINGS) as log, log.session("s", create=True) as session:
        for _ in range(segments - 1):
            session.append(MessageAdded(role="user", content="x"))
            session.end()
        for _ in range(5):
            session.append(MessageAdded(role="user", content="x"))
        if ends:
            session.end()
        last = session.last_seq
    (file,) = tmp_path.glob("sessions/*/s.jsonl")
    flip(file, 5)
    with EventLog.open(tmp_path, settings=SETTINGS) as log:
        assert [stored.seq for stored in log.session("s").read(on_damage="skip")] == list(range(1, last + 1))
        if first == "append":
            last = log.session("s").append(MessageAdded(role="user", content="x"))
            assert last == len(list(log.session("s").read(on_damage="skip")))
        assert log.repair(apply=True).failed == []
        assert log.verify().ok
        assert seqs(log) == list(range(1, last + 1))
        assert log.session("s").append(MessageAdded(role="user", content="on")) == last + 1
        assert seqs(log) == list(range(1, last + 2))
        assert log.verify().ok


@pytest.mark.parametrize("is_compressed", [False, True])
def test_behind_a_segment_without_an_end_an_empty_last_one_gives_no_seq_twice(tmp_path: Path, is_compressed: bool) -> None:
    files = record(tmp_path, compress=is_compressed)
    files[-1].write_bytes(b"")  # as a crash leaves it
    data = bytearray(files[2].read_bytes())
    hit = (len(data) - 30,) if not is_compressed else (data.rfind(b"EVLOGTBL") - 20, data.rfind(b"\x28\xb5\x2f\xfd") + 40)
    for offset in hit:
        data[offset] ^= 1
    files[2].write_bytes(data)
    with EventLog.open(tmp_path, settings=SETTINGS) as log:
        before = [stored.seq for stored in log.session("s").read(on_damage="skip")]
        if is_compressed:
            with pytest.raises(Damaged, match="which seq comes next"):
                log.session("s").append(MessageAdded(role="user", content="x"))
        else:
            assert log.session("s").append(MessageAdded(role="user", content="x")) > before[-1]
        assert [stored.seq for stored in log.session("s").read(on_damage="skip")][: len(before)] == before
