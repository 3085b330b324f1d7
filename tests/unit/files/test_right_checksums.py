"""Files whose checksums are right and whose content is not: another program, a later version, a hostile hand. And files of nothing."""

from __future__ import annotations

import json
import struct
import subprocess
import sys
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from random import Random
from typing import Any
from zlib import crc32

import pytest
import zstandard

from eventlog import EventLog, Settings
from eventlog import line as lines
from eventlog.errors import Damaged, SegmentTooNew
from eventlog.events import MessageAdded, MessageDelta
from eventlog.files.layout import Layout, last_name
from eventlog.ids import shard
from eventlog.line import Envelope
from eventlog.segments.segment import Opened, Sealed, encode_own
from projections import Catalog
from tests.segments import segment

SETTINGS = Settings(segment_size_bytes=2_000, sync="never", compress_after="0", lock_timeout_s=2)


def note(text: str) -> MessageAdded:
    return MessageAdded(role="user", content=text)


def write_segment(
    folder: Path, seqs: list[int], *, min_reader: int = 1, first_seq: int = 1, sealed: bool = False, extra: bytes = b""
) -> Path:
    """A session ``s`` whose only segment has these seqs and right checksums."""
    with EventLog.open(folder / "store", settings=SETTINGS):
        pass
    opened = Opened(format=min_reader, min_reader=min_reader, session_id="s", first_seq=1)
    data, running = encode_own(opened, 0)
    for seq in seqs:
        line, running = lines.encode(
            Envelope(seq, "2026-01-01T00:00:00.000000Z", "message.added", {"role": "user", "content": "x"}), running
        )
        data += line
    if extra:
        data += (framed := with_checksum(extra, running))[0]
        running = framed[1]
    if sealed:
        data += encode_own(Sealed(count=len(seqs), last_seq=seqs[-1], sha256=sha256(data).hexdigest()), running)[0]
    path = Path(Layout(folder / "store").path(last_name("s", 1)))
    path.write_bytes(data)
    return path


def with_checksum(payload: bytes, running: int) -> tuple[bytes, int]:
    crc = crc32(payload, running)
    tail = lines.tail_of(crc)
    return payload + tail, crc32(tail, crc)


@pytest.mark.parametrize("sealed", [False, True])
@pytest.mark.parametrize("seqs", [[1, 2, 4], [1, 2, 2, 3, 4], [1, 3, 2, 4], [2, 3]])
def test_seqs_that_do_not_follow_are_named(seqs: list[int], sealed: bool, tmp_path: Path) -> None:
    write_segment(tmp_path, seqs, sealed=sealed)
    with EventLog.open(tmp_path / "store", settings=SETTINGS) as log:
        assert {problem.kind for problem in log.verify().problems} <= {"damaged", "missing"}
        assert not log.verify().ok


def test_seqs_that_were_left_out_on_purpose_are_no_problem(tmp_path: Path) -> None:
    with EventLog.open(tmp_path / "store", settings=SETTINGS) as log, log.session("s", create=True) as session:
        session.append(note("q"), *(MessageDelta(message_id="a", content="x") for _ in range(5)))
        session.append(MessageAdded(role="assistant", content="xxxxx", message_id="a"))
        log.compact(idle_s=0, drop_deltas=True)
        assert [stored.seq for stored in session.read()][:3] == [1, 7, 8]
        assert log.verify().problems == []


def test_a_segment_of_a_later_version_is_refused_named_and_left_alone(tmp_path: Path) -> None:
    path = write_segment(tmp_path, [1, 2], min_reader=2)
    before = path.read_bytes()
    with EventLog.open(tmp_path / "store", settings=SETTINGS) as log:
        log.session("other", create=True).append(note("x"))
        for attempt in (lambda: list(log.session("s").read()), lambda: list(log.session("s").read(on_damage="skip"))):
            with pytest.raises(SegmentTooNew) as caught:
                attempt()
            assert (caught.value.needs, caught.value.supported) == (2, 1)
        with pytest.raises(SegmentTooNew):
            log.session("s").append(note("x"))
        (problem,) = log.verify().problems
        assert "format 2" in problem.detail
        assert log.repair(apply=True).actions == []
        assert path.read_bytes() == before
        with Catalog.open(log) as catalog:  # the others are not kept from being listed
            assert [item.session_id for item in catalog.list().items] == ["other"]
            assert catalog.statistics().sessions.total == 1
            assert catalog.search("x").total == 1


NO_EVENTS: list[bytes] = [
    b'{"seq":3,"time":"2026-01-01T00:00:00.000000Z","type":"message.added"',
    b'{"seq":3,"time":"2026-01-01T00:00:00.000000Z","type":"message.added","data":7',
    b'{"seq":3,"time":7,"type":"message.added","data":{}',
    b'{"seq":3,"time":"2026-01-01T00:00:00.000000Z","type":"message.added","data":{"a":}',
]


@pytest.mark.parametrize("line", NO_EVENTS)
def test_a_line_that_is_no_event_is_named_by_verify(line: bytes, tmp_path: Path) -> None:
    write_segment(tmp_path, [1, 2], extra=line)
    with EventLog.open(tmp_path / "store", settings=SETTINGS) as log:
        (problem,) = log.verify().problems
        assert (problem.kind, problem.session_id) == ("damaged", "s")
        assert "no event" in problem.detail


def hostile_file(lines_size: int, frame: bytes) -> bytes:
    """A compressed file whose table and checksums hold, whatever is in its frame."""
    described = {
        "offset": 0,
        "size": len(frame),
        "lines_size": lines_size,
        "first_seq": 1,
        "last_seq": 9,
        "crc": crc32(frame),
        "running": 0,
    }
    table: dict[str, Any] = {"version": 1, "lines_size": lines_size, "session_id": "s", "first_seq": 1, "frames": [described]}
    payload = json.dumps(table).encode()
    tail = struct.pack("<II", len(payload), crc32(payload)) + b"EVLOGTBL"
    return frame + struct.pack("<II", 0x184D2A5E, len(payload) + len(tail)) + payload + tail


@pytest.mark.parametrize("text", [b"\n" * 1000, b"{}\n" * 1000, b"\0" * 1000, b'{"seq":1,' + b"x" * 1000])
def test_a_compressed_file_whose_checksums_hold_and_whose_text_is_no_lines_is_damaged(text: bytes, tmp_path: Path) -> None:
    with EventLog.open(tmp_path / "store", settings=SETTINGS) as log:
        (tmp_path / "store" / "sessions" / shard("s") / "s.jsonl.zst").write_bytes(
            hostile_file(len(text), zstandard.ZstdCompressor(write_checksum=True).compress(text))
        )
        assert [problem.kind for problem in log.verify().problems] != []
        assert list(log.session("s").read(on_damage="skip")) == []
        with pytest.raises(Damaged):
            list(log.session("s").read())
        with Catalog.open(log) as catalog:
            assert catalog.list().total <= 1


LARGE = """
import sys
from eventlog import EventLog
with EventLog.open(sys.argv[1]) as log:
    report = log.verify()
    print([problem.kind for problem in report.problems])
    list(log.session("s").read(on_damage="skip"))
    log.session("s").append_envelopes
    # Not ru_maxrss, which a process inherits from the one that started it: here from a whole run of tests.
    print(next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM")) // 1024)
"""


def nothing_but_nuls(path: Path) -> None:
    with path.open("r+b") as file:
        file.truncate(3 << 30)


def nuls_and_then_something(path: Path) -> None:
    with path.open("r+b") as file:
        file.truncate(1 << 30)
        file.seek(0, 2)
        file.write(b"something\n")


@pytest.mark.parametrize(("extend", "kind"), [(nothing_but_nuls, "torn_tail"), (nuls_and_then_something, "damaged")])
def test_gigabytes_of_nothing_cost_no_memory(extend: Callable[[Path], None], kind: str, tmp_path: Path) -> None:
    with EventLog.open(tmp_path / "store", settings=SETTINGS) as log:
        log.session("s", create=True).append(note("one"), note("two"))
    extend(next((tmp_path / "store").rglob("s.jsonl")))
    done = subprocess.run([sys.executable, "-c", LARGE, str(tmp_path / "store")], capture_output=True, text=True, timeout=100, check=True)
    kinds, megabytes = done.stdout.splitlines()
    assert kinds == f"['{kind}']"
    assert int(megabytes) < 400


def test_a_frame_of_a_gigabyte_in_a_few_bytes_is_refused_before_it_is_there(tmp_path: Path) -> None:
    with EventLog.open(tmp_path / "store", settings=SETTINGS):
        pass
    path = tmp_path / "store" / "sessions" / shard("s") / "s.jsonl.zst"
    compressor = zstandard.ZstdCompressor(write_checksum=True).compressobj(size=1 << 30)
    frame = b"".join(compressor.compress(bytes(1 << 20)) for _ in range(1 << 10)) + compressor.flush()
    path.write_bytes(hostile_file(1 << 30, frame))
    done = subprocess.run([sys.executable, "-c", LARGE, str(tmp_path / "store")], capture_output=True, text=True, timeout=100, check=True)
    assert int(done.stdout.splitlines()[1]) < 250


# --- footers -------------------------------------------------------------------------------------------------------------------


def test_no_damage_to_the_end_of_a_sealed_segment_lets_a_seq_be_given_again(tmp_path: Path) -> None:
    """Where the line feeds before and after a footer were both hit, what is left looked like one torn line and was cut: with it went the
    event before the footer, whose seq was given again."""
    random = Random(20261130)
    made = segment(3_000, seed=5)
    last_seq = made.lines[-1].seq
    running = lines.after(made.data) or 0
    footer = encode_own(Sealed(count=len(made.lines) - 1, last_seq=last_seq, sha256=sha256(made.data).hexdigest()), running)[0]
    whole = made.data + footer
    start = made.lines[-1].offset
    path = Path(Layout(tmp_path / "store").path(last_name("s", 1)))
    with EventLog.open(tmp_path / "store", settings=SETTINGS):
        pass
    damages = [(len(made.data) - 1, len(whole) - 1)]
    damages += [tuple(random.randrange(start, len(whole)) for _ in range(random.choice((1, 2, 3)))) for _ in range(300)]  # type: ignore[misc]
    for damage in damages:
        data = bytearray(whole)
        for offset in damage:
            data[offset] ^= 1 << random.randrange(8)
        path.write_bytes(data)
        for other in path.parent.glob("s+*"):
            other.unlink()
        with EventLog.open(tmp_path / "store", settings=SETTINGS) as log:
            assert log.session("s").append(note("after")) > last_seq, damage
