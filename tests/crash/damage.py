"""Rows 2 to 4 through the whole log: an active or compressed segment is cut, flipped, overwritten, exchanged; then it is read, verified,
appended to, and every byte of it must still be somewhere."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import NamedTuple

from eventlog import EventLog, Settings
from eventlog.errors import Damaged
from eventlog.events import MessageAdded, ToolCalled
from eventlog.files import scan
from eventlog.files.layout import Layout, last_name
from eventlog.files.pieces import Bad
from eventlog.segments import frames
from tests.crash.workload import active_segment, empty, open_log

SETTINGS = Settings(segment_size_bytes=10_000_000, frame_size_bytes=4_096, sync="never")
WORDS = ["the", "log", "keeps", "every", "byte", "Grüße", "日本語", ',"crc":"00000000"}']
NEW = MessageAdded(role="user", content="after the damage")


class Original(NamedTuple):
    """A session as it was written: the file, and of each event its raw line and its place."""

    folder: Path
    path: Path
    data: bytes
    lines: dict[int, bytes]  # seq -> line
    places: dict[int, tuple[int, int]]  # seq -> where the line stands, in a raw file
    appends: list[range]  # the seqs of each append

    def restore(self, data: bytes) -> None:
        """Put ``data`` where the segment was; nothing else of this session is left."""
        for path in self.path.parent.glob("s[+.]*"):
            if path != self.path:
                path.unlink()
        for path in self.quarantined():
            path.unlink()
        self.path.write_bytes(data)

    def quarantined(self) -> list[Path]:
        return list((self.folder / "store" / "quarantine").iterdir())


def write(folder: Path, size_bytes: int, *, seed: int = 1, lengths: tuple[int, ...] = (0, 3, 20, 60)) -> Original:
    """An active segment of at least that size: mixed events, batches, ids; messages of so many words."""
    random = Random(seed)
    empty(folder)
    appends = []
    with open_log(folder, settings=SETTINGS) as log, log.session("s", create=True) as session:
        path = active_segment(folder)
        while not path.exists() or path.stat().st_size < size_bytes:
            count, before = random.choice((1, 1, 2, 5)), session.last_seq
            words = random.choices(WORDS, k=max(lengths))
            events = [
                MessageAdded(role="user", content=" ".join(words[: random.choice(lengths)]))
                if random.random() < 0.7
                else ToolCalled(name="Bash", arguments={"n": random.randrange(10**9)}, call_id="c")
                for _ in range(count)
            ]
            session.append(*events, id=f"k{before}" if random.random() < 0.3 else None)
            appends.append(range(before + 1, before + 1 + count))
    return _original(folder, path, appends)


def compressed(folder: Path, size_bytes: int, *, seed: int = 1) -> Original:
    """A compressed segment of at least that size."""
    random = Random(seed)
    empty(folder)
    appends = []
    with open_log(folder, settings=SETTINGS) as log, log.session("s", create=True) as session:
        while session.last_seq * 170 < size_bytes:
            before = session.last_seq
            session.append(MessageAdded(role="user", content=random.randbytes(150).hex()), ToolCalled(name="x"))
            appends.append(range(before + 1, before + 3))
        session.end()
        appends.append(range(session.last_seq, session.last_seq + 1))
        assert log.compact(idle_s=0).compressed == 1
    return _original(folder, active_segment(folder), appends)


def _original(folder: Path, path: Path, appends: list[range]) -> Original:
    with open_log(folder, settings=SETTINGS) as log:
        lines = {event.seq: event.raw for event in log.session("s").read()}
        assert log.verify(["s"]).ok
    data = path.read_bytes()
    places = {seq: (start, start + len(line) + 1) for seq, line in lines.items() if (start := data.find(line)) >= 0}
    return Original(folder, path, data, lines, places, appends)


def hit_by(original: Original, low: int, high: int) -> set[int]:
    return {seq for seq, (start, end) in original.places.items() if start < high and low < end}


def read_all(log: EventLog) -> dict[int, bytes]:
    return {event.seq: event.raw for event in log.session("s").read(on_damage="skip")}


def check(original: Original, damaged: bytes, *, excused: set[int], torn: bool | None = None, place: range | None = None) -> None:
    """``excused``: the events that may be withheld. ``torn``: whether it must (or must not) be taken for a torn tail. ``place``: bytes
    of which at least one must be in what verify reports."""
    original.restore(damaged)
    with open_log(original.folder, settings=SETTINGS) as log:
        got = read_all(log)
        assert all(original.lines.get(seq) == line for seq, line in got.items()), "a wrong event was given out"
        problems = log.verify(["s"]).problems
        assert problems, "the damage was not noticed"
        taken_for_torn = {problem.kind for problem in problems} == {"torn_tail"}
        assert torn is None or taken_for_torn is torn, problems
        if taken_for_torn and excused:
            excused = set(range(next(append[0] for append in original.appends if min(excused) in append), max(original.lines) + 1))
        withheld = set(original.lines) - set(got)
        assert withheld <= excused, f"events {sorted(withheld - excused)[:5]} were withheld though they were not hit"
        if place is not None:
            assert any(problem.offset < place.stop and place.start < problem.offset + problem.length for problem in problems), problems
        assert _is_reported(log) is not taken_for_torn, "read() says something else than verify()"
        last = log.session("s").append(NEW)
        assert last not in got
        assert last > max(got, default=0)
        assert taken_for_torn or last > max(original.lines), "a lost seq was given out again"
        after = read_all(log)
        assert {seq: line for seq, line in after.items() if seq != last} == got
        assert log.verify(["s"]).ok is taken_for_torn
    left = original.path.with_name("s+000000000001.jsonl")  # what a segment that had to be left is called, once another one follows
    kept = (left if left.exists() else original.path).read_bytes()
    cut = [path.read_bytes() for path in original.quarantined()]
    if taken_for_torn:
        assert any(damaged.endswith(tail) and kept.startswith(damaged[: len(damaged) - len(tail)]) for tail in cut), "bytes are gone"
    else:
        assert kept.startswith(damaged), "bytes are gone"


def _is_reported(log: EventLog) -> bool:
    try:
        for _ in log.session("s").read():
            pass
    except Damaged:
        return True
    return False


# --- what is done to the file --------------------------------------------------------------------------------------------------


def cuts(original: Original, every: int = 1, first: int = 1) -> Iterator[int]:
    """Cut at each byte: all appends before it are whole, the rest is a torn tail that is kept aside, and the next seq is given again."""
    ends = {0: 0} | {append[-1]: original.places[append[-1]][1] for append in original.appends}
    for cut in range(first, len(original.data), every):
        damaged = original.data[:cut]
        whole = max(seq for seq, end in ends.items() if end <= cut)
        at_end = cut in ends.values() or cut == original.data.find(b"\n") + 1
        original.restore(damaged)
        with open_log(original.folder, settings=SETTINGS) as log, log.session("s", create=True) as session:
            assert [event.seq for event in session.read()] == list(range(1, whole + 1)), cut
            assert [problem.kind for problem in log.verify(["s"]).problems] == ([] if at_end else ["torn_tail"]), cut
            assert session.append(NEW) == whole + 1, cut
            assert log.verify(["s"]).ok, cut
        kept = [path.read_bytes() for path in original.quarantined()]
        assert len(kept) == (0 if at_end else 1), cut
        assert all(original.data[:cut].endswith(tail) for tail in kept), cut
        yield cut


def flips(original: Original, every: int = 1, first: int = 0) -> Iterator[int]:
    for bit in range(first, len(original.data) * 8, every):
        damaged = bytearray(original.data)
        damaged[bit >> 3] ^= 1 << (bit & 7)
        byte = bit >> 3
        try:
            check(original, bytes(damaged), excused=hit_by(original, byte, byte + 1), torn=False, place=range(byte, byte + 1))
        except BaseException as error:
            error.add_note(f"bit {bit}")
            raise
        yield bit


def blocks(original: Original, *, seed: int = 0, every: int = 1) -> Iterator[str]:
    random, data = Random(seed), original.data
    for block in (512, 4096):
        for low in range(block * (seed % every), len(data) - 2 * block, block * every):
            high = low + block
            for kind, damaged, end in (
                ("zero", data[:low] + bytes(block) + data[high:], high),
                ("duplicate", data[:high] + data[low:high] + data[high:], high),
                ("swap", data[:low] + data[high : high + block] + data[low:high] + data[high + block :], high + block),
                ("garbage", data[:low] + random.randbytes(block) + data[high:], high),
                ("append", data + (data[low:high] if random.random() < 0.5 else random.randbytes(block)), 0),
            ):
                hit = hit_by(original, low - 1, end + 1) if end else set()
                # After a missing line the next may be unprovable; with exchanged blocks that is so on both sides.
                excused = hit | {seq + n for seq in hit for n in (1, 2)}
                name = f"{kind} {block} bytes at {low}, seed {seed}"
                try:
                    check(original, damaged, excused=excused)
                except BaseException as error:
                    error.add_note(name)
                    raise
                yield name


def every_flip(original: Original, every: int = 1, first: int = 0) -> Iterator[int]:
    """`flips` without what follows the damage (`check` appends to it), quick enough for every bit of a segment: noticed, and every event
    that was not hit is given out."""
    yield from _read_flipped(original, lambda byte: hit_by(original, byte, byte + 1), every, first)


def frame_flips(original: Original, every: int = 1, first: int = 0) -> Iterator[int]:
    """Flip bits of a compressed segment: noticed, and nothing outside the hit frame is withheld. A table that is hit takes nothing."""
    original.restore(original.data)
    places = _frames(original)
    yield from _read_flipped(original, lambda byte: next((set(seqs) for place, seqs in places if byte in place), set()), every, first)


def _read_flipped(original: Original, excused: Callable[[int], set[int]], every: int, first: int) -> Iterator[int]:
    """Each bit by the scan that `Session.read` and `verify` are made of, the first and each 16th after it by these as well."""
    whole = b"".join(line + b"\n" for line in original.lines.values())
    original.restore(original.data)
    name = last_name("s", 1, compressed=original.path.suffix == ".zst")
    fd = os.open(original.path, os.O_RDWR)
    try:
        with open_log(original.folder, settings=SETTINGS) as log:
            for number, bit in enumerate(range(first, len(original.data) * 8, every)):
                byte = bit >> 3
                hit = excused(byte)
                rest = b"".join(line + b"\n" for seq, line in original.lines.items() if seq not in hit)
                os.pwrite(fd, bytes([original.data[byte] ^ 1 << (bit & 7)]), byte)
                pieces = list(scan.scan_file(str(original.path), name, max_append_bytes=SETTINGS.max_event_bytes))
                got = b"".join(piece for piece in pieces if isinstance(piece, bytes))
                assert got in (rest, whole), f"withheld though not hit, or a wrong event, bit {bit}"
                bad = [piece for piece in pieces if isinstance(piece, Bad)]
                assert any(piece.offset <= byte < piece.offset + piece.length for piece in bad), f"not noticed: bit {bit}: {bad}"
                if number % 16 == 0:
                    assert b"".join(line + b"\n" for line in read_all(log).values()) == got, f"read() says something else, bit {bit}"
                    problems = log.verify(["s"]).problems
                    assert {(found.offset, found.length) for found in problems} >= {(piece.offset, piece.length) for piece in bad}
                os.pwrite(fd, original.data[byte : byte + 1], byte)
                yield bit
    finally:
        os.close(fd)
    assert original.path.read_bytes() == original.data, "reading has changed the file"


def _frames(original: Original) -> list[tuple[range, range]]:
    """Where each frame is, and the seqs in it."""
    with open(original.path, "rb") as file:
        table = frames.read_table(lambda offset, count: os.pread(file.fileno(), count, offset), len(original.data), max_frame_bytes=1 << 30)
    assert table is not None
    return [(range(frame.offset, frame.offset + frame.size), range(frame.first_seq, frame.last_seq + 1)) for frame in table.frames]


def move_under_another_name(folder: Path) -> tuple[Path, Path]:
    """A session's segment under the name of another session: (folder, the file)."""
    empty(folder)
    with open_log(folder, settings=SETTINGS) as log:
        for session in ("s", "t"):
            log.session(session, create=True).append(MessageAdded(role="user", content=f"of {session}"))
    layout = Layout(folder / "store")
    source, target = (layout.path(layout.segments(session)[0]) for session in ("t", "s"))
    shutil.copyfile(source, target)
    return folder, Path(target)
