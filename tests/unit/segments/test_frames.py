from __future__ import annotations

import json
import shutil
import struct
import subprocess
import sys
import tracemalloc
from collections.abc import Iterable, Iterator
from pathlib import Path
from random import Random
from zlib import crc32

import msgspec
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from eventlog import line as lines
from eventlog.line import Envelope
from eventlog.segments import frames
from eventlog.segments.frames import Frame, Piece, ReadAt, Table, Unproven, decompress, prove, read_table, walk_frames
from eventlog.segments.segment import Closed, Opened, Sealed, encode_own, is_own
from tests.segments import segment

MIB = 1024 * 1024
MOST = MIB  # the largest frame that these tests allow
TIME = "2026-11-21T00:44:01.123456Z"
SHA = "0" * 64


def written(text: bytes, first_seq: int = 1, end: str = "sealed") -> tuple[bytes, int]:
    """A finished segment of events with the given contents, a content of several letters being a batch; and the next seq."""
    data, running = encode_own(Opened(format=1, min_reader=1, session_id="s", first_seq=first_seq), 0)
    seq = first_seq
    for batch in text.split():
        for index, letter in enumerate(batch):
            line, running = lines.encode(Envelope(seq, TIME, "t", {"x": chr(letter)}, more=index < len(batch) - 1), running)
            data, seq = data + line, seq + 1
    record = Sealed(count=seq - first_seq, last_seq=seq - 1, sha256=SHA)
    closed = Closed(reason="sync_failed", last_seq=seq - 1, next_seq=seq, sha256=SHA)
    return data + encode_own(record if end == "sealed" else closed, running)[0], seq


def noisy(size_bytes: int, first_seq: int = 1, line_bytes: int = 400) -> bytes:
    """A sealed segment that compresses badly, so that a small one has many frames."""
    random = Random(first_seq)
    pieces, seq = list(events(size_bytes, first_seq, lambda: random.randbytes(line_bytes // 2).hex())), first_seq
    seq += len(pieces) - 1
    own, _ = encode_own(Sealed(count=seq - first_seq, last_seq=seq - 1, sha256=SHA), lines.after(pieces[-1]) or 0)
    return b"".join([*pieces, own])


def events(size_bytes: int, first_seq: int, content: object) -> Iterator[bytes]:
    """An opening line, then events until there are that many bytes."""
    line, running = encode_own(Opened(format=1, min_reader=1, session_id="s", first_seq=first_seq), 0)
    yield line
    size, seq = len(line), first_seq
    while size < size_bytes:
        assert callable(content)
        line, running = lines.encode(Envelope(seq, TIME, "t", {"x": content()}), running)
        yield line
        size, seq = size + len(line), seq + 1


def compress(text: bytes | Iterable[bytes], frame_size_bytes: int = 2048, level: int = 3) -> bytes:
    chunks = [text] if isinstance(text, bytes) else text
    return b"".join(frames.compress(chunks, level=level, frame_size_bytes=frame_size_bytes))


def reading(data: bytes | bytearray) -> ReadAt:
    return lambda offset, size: bytes(data[offset : offset + size])


def table_of(data: bytes | bytearray) -> Table:
    found = read_table(reading(data), len(data), MOST)
    assert found is not None
    return found


def texts(data: bytes | bytearray) -> list[bytes | None]:
    """Every frame's lines by the table, None where it is damaged."""
    return [decompress(bytes(data[frame.offset : frame.offset + frame.size]), frame) for frame in table_of(data).frames]


def walk(data: bytes | bytearray, max_frame_bytes: int = MOST) -> list[Piece]:
    """The pieces, which always are the whole file without a gap."""
    pieces = list(walk_frames(reading(data), len(data), max_frame_bytes))
    position = 0
    for piece in pieces:
        assert piece.offset == position
        assert piece.size > 0 or piece == no_table(data)
        position += piece.size
    assert position == len(data)
    return pieces


def no_table(data: bytes | bytearray) -> Piece:
    return Piece(len(data), 0, is_table=True)


def appends(text: bytes) -> list[bytes]:
    found = [b""]
    for line in text.splitlines(keepends=True):
        found[-1] += line
        if b',"more":true,"crc":"' not in line[-40:]:
            found.append(b"")
    return found[:-1]


# --- what is written -----------------------------------------------------------------------------------------------------------


def test_the_table_can_be_read_with_what_the_format_says() -> None:
    text, _ = written(b"a b c")
    data = compress(text)
    payload_size, crc, magic = struct.unpack("<II8s", data[-16:])
    payload = data[-16 - payload_size : -16]
    start = len(data) - 16 - payload_size - 8
    assert magic == b"EVLOGTBL"
    assert crc == crc32(payload)
    assert struct.unpack("<II", data[start : start + 8]) == (0x184D2A5E, payload_size + 16)
    assert json.loads(payload) == {
        "version": 1,
        "lines_size": len(text),
        "frames": [
            {
                "offset": 0,
                "size": start,
                "lines_size": len(text),
                "first_seq": 1,
                "last_seq": 3,
                "crc": crc32(data[:start]),
                "running": 0,
            }
        ],
        "session_id": "s",
        "first_seq": 1,
        "ids": "",
    }
    assert zstandard.ZstdDecompressor().decompress(data[:start]) == text


def test_each_frame_states_its_size_and_has_a_checksum_and_needs_no_dictionary() -> None:
    data = compress(noisy(10_000))
    for frame in table_of(data).frames:
        found = zstandard.get_frame_parameters(data[frame.offset : frame.offset + frame.size])
        assert (found.content_size, found.has_checksum, found.dict_id) == (frame.lines_size, True, 0)


def test_the_zstd_tool_reads_it(tmp_path: Path) -> None:
    tool = shutil.which("zstd")
    if tool is None:
        pytest.skip("the zstd tool is not installed")
    first, second = segment(30_000).data, noisy(30_000)
    running = lines.after(first[first.rfind(b"\n", 0, -1) + 1 :]) or 0
    text = first + encode_own(Sealed(count=1, last_seq=1, sha256=SHA), running)[0]
    for number, content in enumerate((text, second)):
        path = tmp_path / f"{number}.jsonl.zst"
        path.write_bytes(compress(content, 4096))
        assert subprocess.run([tool, "-dc", path], capture_output=True, check=True).stdout == content
        subprocess.run([tool, "-tq", path], check=True)


def repeating(size_bytes: int) -> bytes:
    """A sealed segment of one event that says a long random text three times, as a record with a picture does."""
    picture = Random(1).randbytes(size_bytes // 2).hex()
    line, running = encode_own(Opened(format=1, min_reader=1, session_id="s", first_seq=1), 0)
    event, running = lines.encode(Envelope(1, TIME, "t", {"x": [picture] * 3}), running)
    return line + event + encode_own(Sealed(count=1, last_seq=1, sha256=SHA), running)[0]


def test_what_a_large_append_says_again_is_stored_once_and_read_by_anybody(tmp_path: Path) -> None:
    text = repeating(3 * MIB)
    data = compress(text, 256 * 1024)
    assert len(data) < 1.1 * 3 * MIB / 2  # hexadecimal digits take half a byte each
    assert zstandard.ZstdDecompressor().stream_reader(data, read_across_frames=True).read() == text
    tool = shutil.which("zstd")
    if tool is not None:
        (tmp_path / "s.zst").write_bytes(data)
        assert subprocess.run([tool, "-dc", tmp_path / "s.zst"], capture_output=True, check=True).stdout == text


def test_a_frame_ends_where_an_append_ends() -> None:
    text, _ = written(b"a bcdef g h")  # a header of 109 bytes, a batch that is larger than a frame, a footer of 151
    data = compress(text, 190)
    assert [len(appends(frame or b"")) for frame in texts(data)] == [1, 1, 1, 2, 1]
    assert [(frame.first_seq, frame.last_seq) for frame in table_of(data).frames] == [(1, 0), (1, 1), (2, 6), (7, 8), (9, 8)]


def test_the_frame_of_a_seq_is_the_first_that_has_it_or_a_later_one() -> None:
    found = [Frame(0, 1, 1, first, last, 0, 0) for first, last in ((1, 0), (1, 4), (5, 9), (10, 9), (20, 29))]
    table = Table(1, 5, found)
    assert [table.index_for(seq) for seq in (1, 4, 5, 9, 10, 19, 20, 29, 30)] == [1, 1, 2, 2, 4, 4, 4, 4, 5]


@pytest.mark.parametrize(("frame_size_bytes", "expected"), [(100_000, [True]), (400, [False, True, False])])
def test_a_frame_in_which_segments_meet_says_so(frame_size_bytes: int, expected: list[bool]) -> None:
    first, seq = written(b"a b")
    second, _ = written(b"c d", seq)
    found = table_of(compress(first + second, frame_size_bytes)).frames
    assert [frame.joined for frame in found] == expected
    whole, _ = written(b"a b c d")
    assert [frame.joined for frame in table_of(compress(whole)).frames] == [False]


def test_a_segment_that_was_left_is_compressed_like_a_sealed_one() -> None:
    first, seq = written(b"a b", end="closed")
    text = first + written(b"c", seq)[0]
    data = compress(text)
    assert texts(data) == [text]
    assert prove(text, 0) == lines.after(text)


def test_a_table_of_many_frames_is_read_whole() -> None:
    text = noisy(120_000)
    data = compress(text, 500)
    frame = table_of(data).frames[-1]
    assert len(data) - frame.offset - frame.size > 20 * 1024
    assert b"".join(part or b"" for part in texts(data)) == text


def test_an_empty_file_of_frames_is_a_table_of_none() -> None:
    data = compress(b"")
    assert table_of(data) == Table(1, 0, [], ids="")
    assert walk(data) == [Piece(0, len(data), is_table=True)]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 6_000), st.integers(0, 5)), min_size=1, max_size=4),
    st.integers(1, 9_000),
    st.integers(1, 5_000),
    st.sampled_from((1, 3, 9)),
)
def test_any_segments_joined_come_back_frame_by_frame(
    parts: list[tuple[int, int]], frame_size_bytes: int, chunk_size: int, level: int
) -> None:
    text, seq = b"", 1
    for size, seed in parts:
        found = segment(size, seed, first_seq=seq)
        running = lines.after(found.lines[-1].text) or 0
        seq += len(found.lines) - 1
        text += found.data + encode_own(Sealed(count=1, last_seq=seq - 1, sha256=SHA), running)[0]
    data = compress((text[start : start + chunk_size] for start in range(0, len(text), chunk_size)), frame_size_bytes, level)
    table, decompressed = table_of(data), texts(data)
    assert b"".join(part or b"" for part in decompressed) == text
    assert [piece.text for piece in walk(data)] == [*decompressed, None]
    assert table.lines_size == len(text)
    last_seq = 0
    for frame, part in zip(table.frames, decompressed, strict=True):
        assert part is not None
        assert not part.startswith(b'{"type":"segment.opened"') or frame.running == 0
        assert prove(part, frame.running) == lines.after(part)
        assert not lines.ends_within_batch(part)
        assert len(part) <= frame_size_bytes or len(appends(part)) == 1
        found_lines = part.splitlines(keepends=True)
        assert frame.joined == any(is_own(line) for line in found_lines[1:-1])
        seqs = [json.loads(line)["seq"] for line in found_lines if not is_own(line)]
        assert seqs == list(range(frame.first_seq, frame.last_seq + 1))
        assert frame.first_seq == last_seq + 1
        last_seq = frame.last_seq
    assert last_seq == seq - 1


def event_line(payload: bytes) -> bytes:
    """A proven line that no version of this format writes, in a segment."""
    opened, running = encode_own(Opened(format=1, min_reader=1, session_id="s", first_seq=1), 0)
    return opened + payload + lines.tail_of(crc32(payload, running))


def damaged_line(text: bytes) -> bytes:
    return text.replace(b'"x":"b"', b'"x":"B"')


@pytest.mark.parametrize(
    "text",
    [
        damaged_line(written(b"a b c")[0]),
        written(b"a b c")[0][:-1],
        written(b"a b c")[0] + b"{}\n",
        b"\n",
        written(b"a bc d")[0].split(b'{"seq":3,')[0],  # a batch without its end
        written(b"a b")[0].partition(b"\n")[2],  # without its beginning
        event_line(b'{"time":"x"'),
    ],
)
def test_lines_that_are_not_proven_are_not_compressed(text: bytes) -> None:
    with pytest.raises(Unproven) as raised:
        compress(text, 100_000)
    assert (raised.value.offset, raised.value.length) == (0, len(text))
    assert str(raised.value) == (
        f"the segment is not proven between its bytes 0 and {len(text)} and stays as it is; `eventlog verify` says why"
    )


def test_seqs_that_come_again_are_not_compressed() -> None:
    with pytest.raises(Unproven):
        compress(written(b"a b", first_seq=5)[0] + written(b"c", first_seq=6)[0], 300)


def test_what_stands_before_the_unproven_place_has_its_own_frames() -> None:
    text = noisy(10_000)
    pieces = frames.compress([text[:5_000] + b"?" + text[5_001:]], level=3, frame_size_bytes=2048)
    with pytest.raises(Unproven) as raised:
        list(pieces)
    assert 5_000 - 2048 < raised.value.offset <= 5_000 < raised.value.offset + raised.value.length


def test_a_table_that_no_one_would_read_is_not_written() -> None:
    text = b"".join(events(4_200_000, 1, lambda: ""))
    with pytest.raises(ValueError, match=r"frames are too many for one file; raise frame_size_bytes$"):
        compress(text, 1, level=1)


def test_importing_does_not_load_zstandard() -> None:
    script = "import sys, eventlog.segments.frames; print('zstandard' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, check=True).stdout == b"False\n"


def test_memory_is_a_few_frames_whatever_the_size() -> None:
    def run(size_bytes: int) -> int:
        content = Random(1).randbytes(5_000).hex()
        tracemalloc.start()
        for _ in frames.compress(events(size_bytes, 1, lambda: content), level=1, frame_size_bytes=256 * 1024):
            pass
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return peak

    assert run(16 * MIB) < 2 * MIB


# --- damage --------------------------------------------------------------------------------------------------------------------

NOISY = compress(noisy(42_000), 6_000)
NOISY_TABLE = table_of(NOISY)
NOISY_TEXTS = texts(NOISY)
TABLE_START = NOISY_TABLE.frames[-1].offset + NOISY_TABLE.frames[-1].size


def test_every_flipped_bit_in_a_frame_is_noticed_and_takes_no_other_frame_with_it() -> None:
    assert len(NOISY) >= 20_000
    assert len(NOISY_TABLE.frames) >= 6
    data = bytearray(NOISY)
    flips = 0
    for index, frame in enumerate(NOISY_TABLE.frames):
        others = [*NOISY_TEXTS[:index], None, *NOISY_TEXTS[index + 1 :]]
        for position in range(frame.offset, frame.offset + frame.size):
            for bit in range(8):
                data[position] ^= 1 << bit
                assert decompress(bytes(data[frame.offset : frame.offset + frame.size]), frame) is None
                if bit == position % 8:
                    assert texts(data) == others
                data[position] ^= 1 << bit
                flips += 1
    assert flips == TABLE_START * 8


def test_every_flipped_bit_in_the_table_is_noticed_and_every_frame_is_found_without_it() -> None:
    data = bytearray(NOISY)
    for position in range(TABLE_START, len(data)):
        for bit in range(8):
            data[position] ^= 1 << bit
            assert read_table(reading(data), len(data), MOST) is None
            pieces = walk(data)
            assert [piece.text for piece in pieces] == [*NOISY_TEXTS, None]
            assert pieces[-1] == Piece(TABLE_START, len(data) - TABLE_START, is_table=True)
            data[position] ^= 1 << bit


def test_without_the_table_a_flipped_bit_costs_its_frame_only_and_never_changes_a_text() -> None:
    data = bytearray(NOISY)
    data[-1] ^= 1  # the table's trailer
    random = Random(1)
    header = [(frame.offset + byte) * 8 + bit for frame in NOISY_TABLE.frames for byte in range(12) for bit in range(8)]
    for flip in header + random.sample(range(TABLE_START * 8), 1_500):
        data[flip // 8] ^= 1 << flip % 8
        index = next(index for index, frame in enumerate(NOISY_TABLE.frames) if flip // 8 < frame.offset + frame.size)
        hit = NOISY_TABLE.frames[index]
        pieces = walk(data)
        assert [piece.text for piece in pieces[:index]] == NOISY_TEXTS[:index]
        assert [piece.text for piece in pieces[index + 1 :]] == [*NOISY_TEXTS[index + 1 :], None]
        assert (pieces[index].offset, pieces[index].size) == (hit.offset, hit.size)
        assert pieces[index].text in (None, NOISY_TEXTS[index])
        data[flip // 8] ^= 1 << flip % 8


def test_adjoining_damaged_frames_are_one_damage() -> None:
    data = bytearray(NOISY)
    first, second = NOISY_TABLE.frames[1:3]
    for frame in (first, second):
        data[frame.offset + frame.size // 2] ^= 0xFF
    assert texts(data) == [NOISY_TEXTS[0], None, None, *NOISY_TEXTS[3:]]
    pieces = walk(data)
    assert pieces[1] == Piece(first.offset, first.size + second.size)
    assert pieces[1].is_damaged
    assert [piece.text for piece in pieces] == [NOISY_TEXTS[0], None, *NOISY_TEXTS[3:], None]


def test_what_only_looks_like_a_frame_or_a_table_does_not_end_a_damage() -> None:
    data = bytearray(NOISY)
    hit = NOISY_TABLE.frames[2]
    lures = NOISY[hit.offset : hit.offset + 12], struct.pack("<II", 0x184D2A5E, 100), struct.pack("<II", 0x184D2A5E, 2**32 - 1)
    for lure in lures:
        data[hit.offset + 100 : hit.offset + 100 + len(lure)] = lure
        pieces = walk(data)
        assert pieces[2] == Piece(hit.offset, hit.size)
        assert [piece.text for piece in pieces] == [*NOISY_TEXTS[:2], None, *NOISY_TEXTS[3:], None]


def test_damage_that_is_larger_than_what_is_searched_at_once_ends_at_the_next_frame() -> None:
    for size in (*range(65_536 - 6, 65_536 + 7), 200_000):
        assert walk(b"x" * size + NOISY)[:2] == [Piece(0, size), Piece(size, NOISY_TABLE.frames[0].size, NOISY_TEXTS[0])]


def test_a_frame_of_many_blocks_is_found_without_the_table() -> None:
    opened, running = encode_own(Opened(format=1, min_reader=1, session_id="s", first_seq=1), 0)
    line, _ = lines.encode(Envelope(1, TIME, "t", {"x": Random(1).randbytes(100_000).hex() + "a" * 600_000}), running)
    data = compress(opened + line, MIB)
    assert b"\x02\x00\x10a" in data  # a block of 128 KiB that is one byte
    assert [piece.text for piece in walk(data)] == [opened + line, None]


def test_a_missing_or_moved_frame_is_noticed() -> None:
    first, second = NOISY_TABLE.frames[:2]
    dropped = NOISY[first.size :]
    assert read_table(reading(dropped), len(dropped), MOST) is None
    assert [piece.text for piece in walk(dropped)] == [*NOISY_TEXTS[1:], None]
    moved = NOISY[second.offset : second.offset + second.size] + NOISY[: first.size] + NOISY[second.offset + second.size :]
    assert texts(moved)[:2] in ([None, None], [None, NOISY_TEXTS[1]])
    assert texts(moved)[2:] == NOISY_TEXTS[2:]


def test_cut_off_anywhere_it_gives_the_frames_that_are_whole() -> None:
    ends = [frame.offset + frame.size for frame in NOISY_TABLE.frames]
    near = [end + shift for end in (0, *ends, len(NOISY)) for shift in range(-20, 21) if 0 <= end + shift < len(NOISY)]
    for size in sorted({*near, *range(0, len(NOISY), 37)}):
        data = NOISY[:size]
        assert read_table(reading(data), size, MOST) is None
        whole = sum(end <= size for end in ends)
        assert [piece.text for piece in walk(data) if piece.text is not None] == NOISY_TEXTS[:whole]


def test_a_file_without_a_table_is_read_frame_by_frame() -> None:
    data = NOISY[:TABLE_START]
    assert read_table(reading(data), len(data), MOST) is None
    assert [piece.text for piece in walk(data)] == [*NOISY_TEXTS, None]
    assert walk(data)[-1] == no_table(data)


def test_a_file_that_becomes_shorter_while_it_is_read_is_damage_and_no_error() -> None:
    for size in range(0, len(NOISY), 499):
        assert read_table(reading(NOISY[:size]), len(NOISY), MOST) is None
        assert [piece.text for piece in walk_frames(reading(NOISY[:size]), len(NOISY), MOST) if piece.text] == [
            text for text, frame in zip(NOISY_TEXTS, NOISY_TABLE.frames, strict=True) if frame.offset + frame.size <= size
        ]
    for missing in range(1, 40):
        assert read_table(reading(NOISY), len(NOISY) + missing, MOST) is None
        pieces = list(walk_frames(reading(NOISY), len(NOISY) + missing, MOST))
        assert [piece.text for piece in pieces] == [*NOISY_TEXTS, None, None]


def test_a_file_that_becomes_shorter_between_two_reads_is_no_error() -> None:
    for left in range(12):
        cut = TABLE_START + left

        def read_at(offset: int, size: int, cut: int = cut) -> bytes:
            return NOISY[offset : offset + size] if offset > cut else NOISY[offset : min(offset + size, cut)]

        assert read_table(read_at, len(NOISY), MOST) is None
        assert [piece.text for piece in walk_frames(read_at, len(NOISY), MOST) if piece.text] == NOISY_TEXTS


def test_what_stands_behind_the_table_is_damage() -> None:
    data = NOISY + b"{}\n"
    assert read_table(reading(data), len(data), MOST) is None
    assert [piece.text for piece in walk(data)] == [*NOISY_TEXTS, None, None]
    assert walk(data)[-2:] == [Piece(TABLE_START, len(NOISY) - TABLE_START, is_table=True), Piece(len(NOISY), 3)]


# --- hostile files -------------------------------------------------------------------------------------------------------------


def with_table(body: bytes, payload: bytes) -> bytes:
    size = len(payload) + 16
    return body + struct.pack("<II", 0x184D2A5E, size) + payload + struct.pack("<II8s", len(payload), crc32(payload), b"EVLOGTBL")


def changed(**values: object) -> bytes:
    table = msgspec.to_builtins(NOISY_TABLE)
    table["frames"][1] |= values
    return with_table(NOISY[:TABLE_START], json.dumps(table).encode())


def test_a_table_may_have_fields_that_this_version_does_not_know() -> None:
    data = changed(later=[1])
    assert texts(data) == NOISY_TEXTS


@pytest.mark.parametrize(
    "data",
    [
        changed(offset=NOISY_TABLE.frames[1].offset + 1),
        changed(offset=-1),
        changed(size=0),
        changed(size=2**70),
        changed(lines_size=2**62),
        changed(lines_size=MOST + 1),
        changed(lines_size=1),
        changed(first_seq=1),
        changed(first_seq=10**6),
        changed(last_seq=10**6),
        changed(crc="0"),
        with_table(NOISY[:TABLE_START], b""),
        with_table(NOISY[:TABLE_START], b"[" * 5_000),
        with_table(NOISY[:TABLE_START], b'{"later":' + b"[" * 100_000),
        with_table(NOISY[:TABLE_START], b"\xff\xfe"),
        with_table(NOISY[:TABLE_START], b'{"version":1,"lines_size":0,"frames":[]}'),
        with_table(NOISY[:TABLE_START], msgspec.json.encode(msgspec.to_builtins(NOISY_TABLE) | {"version": 2})),
        with_table(NOISY[:TABLE_START], msgspec.json.encode(msgspec.to_builtins(NOISY_TABLE) | {"lines_size": 1})),
    ],
)
def test_a_table_that_does_not_fit_the_file_is_no_table(data: bytes) -> None:
    assert read_table(reading(data), len(data), MOST) is None
    assert [piece.text for piece in walk(data)] == [*NOISY_TEXTS, None]


def test_a_frame_that_is_larger_than_allowed_is_not_read() -> None:
    assert read_table(reading(NOISY), len(NOISY), 6_000) is not None
    assert read_table(reading(NOISY), len(NOISY), 5_000) is None
    assert [piece.text for piece in walk(NOISY, 5_000) if piece.text] == [text for text in NOISY_TEXTS if text and len(text) <= 5_000]


def bomb(size: int) -> bytes:
    compressor = zstandard.ZstdCompressor(write_checksum=True).compressobj(size=size)
    return b"".join([*(compressor.compress(bytes(MIB)) for _ in range(size // MIB)), compressor.flush()])


class Asking:
    """A file that keeps the sizes that it was asked for. Before its last bytes it may have any number of zeros."""

    def __init__(self, data: bytes, zeros: int = 0) -> None:
        self.data = data
        self.zeros = zeros
        self.size = zeros + len(data)
        self.asked: list[int] = []

    def __call__(self, offset: int, size: int) -> bytes:
        self.asked.append(size)
        size = min(size, self.size - offset)
        return bytes(max(0, min(size, self.zeros - offset))) + self.data[max(0, offset - self.zeros) : max(0, offset + size - self.zeros)]


def test_a_bomb_is_not_decompressed() -> None:
    data = bomb(64 * MIB)
    frame = Frame(0, len(data), 64 * MIB, 1, 1, crc32(data), 0)
    honest = with_table(data, msgspec.json.encode(Table(1, 64 * MIB, [frame])))
    lying = with_table(data, msgspec.json.encode(Table(1, MIB, [msgspec.structs.replace(frame, lines_size=MIB)])))
    tracemalloc.start()
    assert read_table(reading(honest), len(honest), MOST) is None
    assert [piece.text for piece in walk(honest)] == [None, None]
    assert decompress(data, table_of(lying).frames[0]) is None
    assert [piece.text for piece in walk(lying)] == [None, None]
    assert tracemalloc.get_traced_memory()[1] < MIB
    tracemalloc.stop()


def test_a_table_that_says_it_is_huge_is_not_read() -> None:
    file = Asking(struct.pack("<II8s", 2**31, 0, b"EVLOGTBL"), zeros=2**32)
    assert read_table(file, file.size, MOST) is None
    assert sum(file.asked) <= 64 * 1024


def test_a_frame_that_is_larger_than_its_text_can_make_it_is_not_read() -> None:
    head = b"\x28\xb5\x2f\xfd" + bytes([0b11100100]) + (1_000).to_bytes(8, "little")
    data = head + (128 * 1024 << 3 | 1).to_bytes(3, "little") + bytes(128 * 1024 + 4)
    file = Asking(data)
    assert list(walk_frames(file, file.size, MOST)) == [Piece(0, file.size), no_table(file.data)]
    assert max(file.asked) <= 64 * 1024
    frame = Frame(0, len(data), 1_000, 1, 1, crc32(data), 0)
    stated = with_table(data, msgspec.json.encode(Table(1, 1_000, [frame])))
    assert read_table(reading(stated), len(stated), MOST) is None


def test_a_frame_of_endless_blocks_is_left_after_as_many_as_there_can_be() -> None:
    file = Asking(b"\x28\xb5\x2f\xfd" + bytes([0b11100100]) + MIB.to_bytes(8, "little") + bytes(MIB - 1_000))
    assert list(walk_frames(file, file.size, MOST)) == [Piece(0, file.size), no_table(file.data)]
    assert len(file.asked) < 2_500


def test_a_frame_that_says_it_is_small_and_is_not_is_damage() -> None:
    blocks = b"".join((128 * 1024 << 3 | 1 << 1).to_bytes(3, "little") + b"x" for _ in range(1_000)) + (1).to_bytes(3, "little")
    for lines_size in (1_000, 256 * 1024, 2**60):
        data = b"\x28\xb5\x2f\xfd" + bytes([0b11100100]) + lines_size.to_bytes(8, "little") + blocks + bytes(4)
        assert walk(data) == [Piece(0, len(data)), no_table(data)]
        frame = Frame(0, len(data), lines_size, 1, 1, crc32(data), 0)
        assert lines_size == 2**60 or decompress(data, frame) is None


def test_a_frame_that_this_format_does_not_write_is_damage() -> None:
    text = noisy(4_000)
    plain = zstandard.ZstdCompressor(write_checksum=False).compress(text)
    unsized = zstandard.ZstdCompressor(write_checksum=True, write_content_size=False).compress(text)
    single = zstandard.ZstdCompressor(write_checksum=True).compress(text)
    sized = single[4] == 0b01100100, zstandard.frame_header_size(single) == 7  # one segment, two bytes of size, a checksum
    wide = single[:4] + bytes([0b01000100, 16 << 3]) + single[5:]  # the same with a window of 64 MiB
    assert sized == (True, True)
    assert zstandard.ZstdDecompressor().decompress(wide) == text
    for data in (plain, unsized, wide):
        assert walk(data) == [Piece(0, len(data)), no_table(data)]
        assert decompress(data, Frame(0, len(data), len(text), 1, 1, crc32(data), 0)) is None


@settings(max_examples=300, deadline=None)
@given(
    st.lists(
        st.one_of(
            st.binary(max_size=300),
            st.sampled_from(
                (b"\x28\xb5\x2f\xfd", b"\x5e\x2a\x4d\x18", b"EVLOGTBL", NOISY[:18], NOISY[:6_000], NOISY[TABLE_START:], NOISY[-16:])
            ),
        ),
        max_size=8,
    )
)
def test_garbage_is_damage_and_never_an_error(parts: list[bytes]) -> None:
    data = b"".join(parts)
    for piece in walk(data, 64 * 1024):
        assert piece.text is None or prove(piece.text, 0) is not None or piece.text in NOISY_TEXTS
    assert read_table(reading(data), len(data), MOST) is None or data == NOISY[TABLE_START:]


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.integers(0, len(NOISY) - 1), st.integers(0, 255)), min_size=1, max_size=30))
def test_whatever_is_overwritten_no_text_is_wrong(changes: list[tuple[int, int]]) -> None:
    data = bytearray(NOISY)
    for position, value in changes:
        data[position] = value
    assert {piece.text for piece in walk(data)} <= {*NOISY_TEXTS, None}
    if data[TABLE_START:] == NOISY[TABLE_START:]:
        expected = [
            text if data[frame.offset : frame.offset + frame.size] == NOISY[frame.offset : frame.offset + frame.size] else None
            for text, frame in zip(NOISY_TEXTS, NOISY_TABLE.frames, strict=True)
        ]
        assert texts(data) == expected
