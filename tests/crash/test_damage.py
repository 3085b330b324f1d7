"""Whatever is done to a segment is noticed: nothing wrong is given out, nothing acknowledged is cut, no lost seq is used again."""

from __future__ import annotations

from pathlib import Path

import pytest

from eventlog.errors import Damaged
from eventlog.events import MessageAdded, SessionEnded
from tests.crash import damage
from tests.crash.workload import empty, open_log


def test_cut_anywhere_the_whole_appends_are_there_and_the_rest_is_kept_aside(memory_folder: Path) -> None:
    original = damage.write(memory_folder / "cut", 3_000)
    tried = list(damage.cuts(original, every=4))
    print(f"{len(tried)} cuts")
    assert len(tried) > 740


def test_any_flipped_bit_of_an_active_segment_costs_at_most_its_event(memory_folder: Path) -> None:
    original = damage.write(memory_folder / "flip", 40_000)
    tried = list(damage.flips(original, every=991, first=5))
    print(f"{len(tried)} bits")
    assert len(tried) > 320


def test_blocks_that_go_wrong_are_noticed_and_kept(memory_folder: Path) -> None:
    original = damage.write(memory_folder / "block", 40_000)
    tried = list(damage.blocks(original, every=2))
    print(f"{len(tried)} blocks")
    assert len(tried) > 200


def test_any_flipped_bit_of_a_compressed_segment_costs_at_most_its_frame(memory_folder: Path) -> None:
    original = damage.compressed(memory_folder / "frames", 45_000)
    assert original.path.suffix == ".zst"
    assert len(original.data) > 20_000
    tried = list(damage.frame_flips(original, every=397, first=3))
    print(f"{len(tried)} bits of {len(original.data)} bytes")
    assert len(tried) > 400


def test_a_segment_of_another_session_under_this_name_is_not_read_as_this_session(memory_folder: Path) -> None:
    folder, path = damage.move_under_another_name(memory_folder / "foreign")
    before = path.read_bytes()
    with open_log(folder) as log:
        with pytest.raises(Damaged, match="'t'"):
            list(log.session("s").read())
        assert list(log.session("s").read(on_damage="skip")) == []
        assert [problem.kind for problem in log.verify(["s"]).problems] == ["foreign"]
        assert log.verify(["t"]).ok
    assert path.read_bytes() == before


def test_two_handles_are_open_while_a_segment_is_damaged(memory_folder: Path) -> None:
    """The one that knew the tail goes on; the other one looks; neither gives a lost seq again."""
    for place in (-30, -200, -8):
        folder = memory_folder / f"open{place}"
        original = damage.write(folder, 2_000)
        with open_log(folder, settings=damage.SETTINGS) as one, open_log(folder, settings=damage.SETTINGS) as two:
            knowing, looking = one.session("s"), two.session("s")
            first = knowing.append(damage.NEW)
            data = bytearray(original.path.read_bytes())
            data[place] ^= 4
            original.path.write_bytes(data)
            seqs = [looking.append(damage.NEW), knowing.append(damage.NEW), looking.append(damage.NEW)]
            assert seqs == sorted(seqs)
            assert seqs[0] > first
            got = [event.seq for event in knowing.read(on_damage="skip")]
            assert got == sorted(set(got))
            assert set(seqs) <= set(got)
            with pytest.raises(Damaged):
                list(looking.read())
            assert not one.verify().ok


def test_a_session_whose_compressed_end_is_damaged_goes_on_while_anything_says_where(memory_folder: Path) -> None:
    original = damage.compressed(memory_folder / "end", 20_000)
    last = max(original.lines)
    table = original.data.rfind(b"EVLOGTBL") - 20
    frame = original.data.rfind(b"\x28\xb5\x2f\xfd") + 40
    for places, goes_on in (([table], True), ([frame], True), ([table, frame], False)):
        data = bytearray(original.data)
        for place in places:
            data[place] ^= 16
        original.restore(bytes(data))
        with open_log(original.folder, settings=damage.SETTINGS) as log:
            if goes_on:
                assert log.session("s").append(damage.NEW) == last + 1
                assert log.session("s").append(damage.NEW) == last + 2
            else:
                with pytest.raises(Damaged, match="which seq comes next"):
                    log.session("s").append(damage.NEW)
            assert not log.verify(["s"]).ok


def test_a_segment_that_was_emptied_or_removed_is_missed_and_the_others_are_read(memory_folder: Path) -> None:
    for number, spoil in enumerate((lambda path: path.write_bytes(b""), lambda path: path.write_bytes(b"\0" * 700), Path.unlink)):
        folder = memory_folder / str(number)
        empty(folder)
        with open_log(folder) as log:
            for name in ("one", "two", "three"):
                log.session("s", create=True).append(MessageAdded(role="user", content=name), SessionEnded())
        segments = sorted((folder / "store" / "sessions").rglob("s[+.]*"))
        assert [path.name for path in segments] == ["s+000000000001.jsonl", "s+000000000003.jsonl", "s.jsonl"]
        for spoilt, left in ((segments[1], [1, 2, 5, 6]), (segments[0], [5, 6])):
            spoil(spoilt)
            with open_log(folder) as log:
                assert [event.seq for event in log.session("s").read(on_damage="skip")] == left
                with pytest.raises(Damaged):
                    list(log.session("s").read())
                assert "missing" in {problem.kind for problem in log.verify(["s"]).problems}
        with open_log(folder) as log:
            assert log.session("s").append(MessageAdded(role="user", content="four")) == 7
