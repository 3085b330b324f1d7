from __future__ import annotations

import hashlib
from collections.abc import Iterator
from itertools import pairwise
from random import Random
from zlib import crc32

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eventlog import line as lines
from eventlog.segments.segment import (
    SECTOR,
    Closed,
    Opened,
    Sealed,
    Span,
    Walker,
    decode_own,
    encode_own,
    is_own,
    judge_tail,
    most_lines_in,
    starts_afresh,
)
from tests.segments import Line, Segment, segment

MIXED = segment(40_000)
SMALL = segment(6_000, seed=7)
ORIGINAL = {line.text: line.offset for line in MIXED.lines}


def walk(data: bytes, running: int | None = 0, offset: int = 0) -> list[Span]:
    walker = Walker(running, offset)
    return [*walker.walk(data), *walker.finish()]


def verdict(found: Segment, data: bytes, append: int) -> str:
    """What is said of ``data`` from the start of an append of the segment on."""
    start = found.start(append)
    return judge_tail(data[start.offset :], start.offset, start.running, start.seq)


def check_walk(damaged: bytes, hit: set[bytes], running: int, offset: int, expected: list[Line]) -> list[Span]:
    """Walk, and hold the promises: nothing wrong is proven, every line but those hit is, all bytes are accounted for."""
    spans = walk(damaged, running, offset)
    proven = {span.line for span in spans if span.proven}
    wanted = [line.text for line in expected]
    assert proven <= set(wanted), "a wrong line was proven"
    missing = [text for text in wanted if text not in proven and text not in hit]
    assert not missing, f"withheld though not hit: {missing}"
    assert sum(span.length for span in spans) == len(damaged)
    assert any(not span.proven or not span.intact for span in spans), "the damage was not noticed"
    assert [span.offset for span in spans] == [offset + sum(span.length for span in spans[:n]) for n in range(len(spans))]
    return spans


# --- a segment's own lines -----------------------------------------------------------------------------------------------------


def test_the_header_is_this_line() -> None:
    line, running = encode_own(Opened(format=1, min_reader=1, session_id="a.b", first_seq=1), 99)
    body = b'{"type":"segment.opened","data":{"format":1,"min_reader":1,"session_id":"a.b","first_seq":1}'
    assert line == body + b',"crc":"%08x"}\n' % crc32(body)
    assert running == crc32(line)
    assert starts_afresh(line)
    assert is_own(line)


def test_own_lines_come_back_as_they_were_written() -> None:
    records = [
        Opened(format=1, min_reader=1, session_id="s", first_seq=9, previous="ab" * 32, lost=(3, 8)),
        Sealed(count=3, last_seq=11, sha256="cd" * 32, was="ef" * 32, reason="redacted", left_out=[(1, 2)]),
        Closed(reason="damaged", last_seq=8, next_seq=12, sha256="01" * 32),
    ]
    for record in records:
        assert decode_own(encode_own(record, 5)[0]) == record


def test_the_footer_continues_the_checksum_and_a_closing_line_starts_afresh() -> None:
    sealed, _ = encode_own(Sealed(count=1, last_seq=1, sha256="0" * 64), 5)
    closed, _ = encode_own(Closed(reason="sync_failed", last_seq=1, next_seq=2, sha256="0" * 64), 5)
    assert lines.prove(sealed, 5) is not None
    assert lines.prove(closed, 5) is None
    assert lines.prove(closed, 0) is not None
    assert not starts_afresh(sealed)
    assert starts_afresh(closed)


@pytest.mark.parametrize(
    "line",
    [b"", b"{}", b'{"type":"segment.future","data":{}}', b'{"type":"segment.opened","data":{"format":"x"}}', b"\xff", b"[" * 100_000],
)
def test_an_own_line_that_cannot_be_understood_is_none(line: bytes) -> None:
    assert decode_own(line) is None


# --- one bit -------------------------------------------------------------------------------------------------------------------


def test_an_undamaged_segment_is_proven_line_by_line() -> None:
    spans = walk(MIXED.data)
    assert [span.line for span in spans] == [line.text for line in MIXED.lines]
    assert all(span.proven and span.intact for span in spans)


def test_every_bit_of_an_active_segment_is_noticed_and_costs_at_most_the_event_it_is_in() -> None:
    """Walked from the hit line on, where the state is known, to three lines after it, where it is known again."""
    tried = 0
    for index, line in enumerate(MIXED.lines):
        following = MIXED.lines[index : index + 4]
        window = bytearray(b"".join(each.text for each in following))
        after = lines.after(following[-1].text)
        end = line.offset + len(window)
        for bit in range(len(line.text) * 8):
            window[bit >> 3] ^= 1 << (bit & 7)
            walker = Walker(line.running, line.offset)
            spans = [*walker.walk(bytes(window))]
            if index + 4 < len(MIXED.lines):
                # In step again: what follows is walked as if nothing had happened.
                assert (walker.running, walker.offset, walker._held) == (after, end, None)
            spans += walker.finish()
            assert any(not span.proven or not span.intact for span in spans)
            proven = [span.line for span in spans if span.proven]
            assert all(text in ORIGINAL for text in proven)
            assert set(proven) >= {each.text for each in following[1:]}
            assert sum(span.length for span in spans) == len(window)
            window[bit >> 3] ^= 1 << (bit & 7)
            tried += 1
    assert tried == len(MIXED.data) * 8 >= 320_000


def test_a_flipped_checksum_or_newline_does_not_cost_its_event() -> None:
    restored = 0
    for index, line in enumerate(SMALL.lines[:-1]):
        for place in (-1, -3, -10):
            data = bytearray(SMALL.data)
            data[line.offset + len(line.text) + place] ^= 1
            spans = check_walk(bytes(data), set(), 0, 0, SMALL.lines)
            assert [span.line for span in spans if not span.intact] == [line.text]
            restored += 1
        assert index < len(SMALL.lines)
    assert restored == 3 * (len(SMALL.lines) - 1)


def test_any_flipped_bit_of_the_last_append_is_damage_and_never_a_torn_tail() -> None:
    for found in (SMALL, segment(3_000, seed=11), segment(2_000, seed=14)):
        for append in (0, len(found.appends) - 1, len(found.appends) - 2):
            first, last = found.appends[append]
            start, end = found.lines[first].offset, found.lines[last].offset + len(found.lines[last].text)
            data = bytearray(found.data)
            for bit in range(start * 8, end * 8):
                data[bit >> 3] ^= 1 << (bit & 7)
                assert verdict(found, bytes(data), append) == "damaged", (append, bit)
                data[bit >> 3] ^= 1 << (bit & 7)


# --- cut -----------------------------------------------------------------------------------------------------------------------


def cuts(found: Segment) -> Iterator[tuple[int, int]]:
    """(cut, append): every cut that leaves a part of an append."""
    for append, (first, last) in enumerate(found.appends):
        start, end = found.lines[first].offset, found.lines[last].offset + len(found.lines[last].text)
        for cut in range(start + 1, end):
            yield cut, append


def test_cut_at_any_byte_everything_before_is_proven_and_the_rest_is_a_torn_tail() -> None:
    tried = 0
    for cut, append in cuts(MIXED):
        assert verdict(MIXED, MIXED.data[:cut], append) == "torn_tail", cut
        tried += 1
    assert tried > 39_000
    for cut in range(0, len(SMALL.data), 7):
        spans = walk(SMALL.data[:cut])
        assert [span.line for span in spans if span.proven] == [line.text for line in SMALL.lines if line.offset + len(line.text) <= cut]


@pytest.mark.parametrize("zeros", [1, 100, 511, 512, 513, 4096])
def test_cut_at_any_byte_and_filled_with_zeros_it_is_a_torn_tail(zeros: int) -> None:
    for cut, append in cuts(SMALL):
        assert verdict(SMALL, SMALL.data[:cut] + bytes(zeros), append) == "torn_tail", cut


def test_only_zeros_are_a_torn_tail() -> None:
    start = len(SMALL.data)
    for zeros in (1, 511, 512, 10_000):
        assert judge_tail(bytes(zeros), start, 5, 99) == "torn_tail"
        assert judge_tail(bytes(zeros), 0, 0, 1) == "torn_tail"


def test_a_sector_that_never_arrived_in_the_last_append_is_a_torn_tail() -> None:
    found = next(each for each in (segment(2_000, seed=seed) for seed in range(99)) if span_of(each, -1)[1] - span_of(each, -1)[0] > 2_000)
    start, end = span_of(found, -1)
    tried = 0
    for sector in range(start // SECTOR, end // SECTOR + 1):
        low, high = max(start, sector * SECTOR), min(end, (sector + 1) * SECTOR)
        data = found.data[:low] + bytes(high - low) + found.data[high:]
        assert verdict(found, data, len(found.appends) - 1) == "torn_tail", sector
        tried += 1
    assert tried >= 4


def span_of(found: Segment, append: int) -> tuple[int, int]:
    first, last = found.appends[append]
    return found.lines[first].offset, found.lines[last].offset + len(found.lines[last].text)


def test_a_zero_sector_with_a_whole_append_after_it_is_damage() -> None:
    """What is missing was not the last thing written, so it may have been acknowledged."""
    tried = 0
    for sector in range(len(MIXED.data) // SECTOR):
        low, high = sector * SECTOR, (sector + 1) * SECTOR
        append = MIXED.append_at(low)
        whole_after = [line for line in MIXED.lines if line.offset >= high]
        data = MIXED.data[:low] + bytes(SECTOR) + MIXED.data[high:]
        if sum(not lines.ends_within_batch(line.text) for line in whole_after) >= 2:
            assert verdict(MIXED, data, append) == "damaged", sector
            tried += 1
    assert tried > 70


# --- blocks --------------------------------------------------------------------------------------------------------------------


def hit_by(found: Segment, low: int, high: int) -> set[bytes]:
    return {line.text for line in found.lines if line.offset < high and low < line.offset + len(line.text)}


@pytest.mark.parametrize("block", [512, 4096])
@pytest.mark.parametrize("kind", ["zero", "duplicate", "swap", "garbage", "left out"])
def test_a_block_that_went_wrong_is_noticed_and_everything_whole_after_the_next_line_is_proven(kind: str, block: int) -> None:
    random = Random(3)
    data = MIXED.data
    for low in range(0, len(data) - 2 * block, block):
        high = low + block
        if kind == "zero":
            damaged, end = data[:low] + bytes(block) + data[high:], high
        elif kind == "duplicate":
            damaged, end = data[:high] + data[low:high] + data[high:], high
        elif kind == "swap":
            damaged, end = data[:low] + data[high : high + block] + data[low:high] + data[high + block :], high + block
        elif kind == "garbage":
            damaged, end = data[:low] + random.randbytes(block) + data[high:], high
        else:
            damaged, end = data[:low] + data[high:], high
        hit = hit_by(MIXED, low - 1, end + 1)
        # After a missing line the next one may be unprovable, and in a swap a line may stand behind the one before it.
        following = next((index for index, line in enumerate(MIXED.lines) if line.offset >= end), len(MIXED.lines))
        excused = hit | {line.text for line in MIXED.lines[following : following + 2]}
        spans = walk(damaged)
        proven = [span.line for span in spans if span.proven]
        assert all(text in ORIGINAL for text in proven), (kind, low)
        assert [line.text for line in MIXED.lines if line.text not in proven and line.text not in excused] == [], (kind, low)
        assert sum(span.length for span in spans) == len(damaged)
        assert any(not span.proven or not span.intact for span in spans)


@pytest.mark.parametrize("block", [512, 4096])
def test_garbage_after_the_end_is_damage_and_costs_nothing(block: int) -> None:
    random = Random(5)
    end = len(SMALL.data)
    running = lines.after(SMALL.lines[-1].text)
    assert running is not None
    for garbage in (random.randbytes(block), SMALL.data[:block], SMALL.data[-block:], b"\n" * block, b"x" * block, b"{}\n" * (block // 3)):
        assert judge_tail(garbage, end, running, SMALL.lines[-1].seq + 1) == "damaged", garbage[:40]
        spans = walk(SMALL.data + garbage)
        assert [span.line for span in spans if span.proven] == [line.text for line in SMALL.lines] + [
            span.line for span in spans[len(SMALL.lines) :] if span.proven
        ]


def test_lines_left_out_doubled_or_exchanged_are_noticed() -> None:
    texts = [line.text for line in SMALL.lines]
    for index in range(1, len(texts) - 2):
        without = texts[:index] + texts[index + 1 :]
        doubled = [*texts[: index + 1], texts[index], *texts[index + 1 :]]
        exchanged = [*texts[:index], texts[index + 1], texts[index], *texts[index + 2 :]]
        for changed in (without, doubled, exchanged):
            assert lines.prove(b"".join(changed), 0) is None
            spans = walk(b"".join(changed))
            assert any(not span.proven for span in spans)
            assert [span.line for span in spans if span.proven][-1] == texts[-1] or index >= len(texts) - 4


# --- how many events the damage can have been --------------------------------------------------------------------------------------


def test_a_damaged_line_counts_once_and_bytes_without_shape_as_many_as_could_have_been_there() -> None:
    line = bytearray(next(each.text for each in MIXED.lines[1:] if len(each.text) < 160))
    line[60] ^= 1
    assert most_lines_in(bytes(line)) == 1
    assert most_lines_in(b"x" * 30 + b"\n" + b"y" * 30) == 2
    assert most_lines_in(b"\0" * 800) == 10
    assert most_lines_in(b"") == 0


@given(
    st.integers(0, len(MIXED.data) - 600),
    st.integers(1, 600),
    st.sampled_from(["zero", "garbage", "text", "swap"]),
    st.randoms(use_true_random=False),
)
@settings(max_examples=400, deadline=None)
def test_no_lost_seq_is_counted_out(low: int, size: int, kind: str, random: Random) -> None:
    """Whatever overwrote some bytes, the lines that were there are at most the count."""
    filling = {
        "zero": bytes(size),
        "garbage": random.randbytes(size),
        "text": b"x" * size,
        "swap": MIXED.data[(start := random.randrange(len(MIXED.data) - size)) : start + size],
    }[kind]
    hit = [line for line in MIXED.lines if line.offset < low + size and low < line.offset + len(line.text)]
    start, end = hit[0].offset, hit[-1].offset + len(hit[-1].text)
    damaged = MIXED.data[start:low] + filling + MIXED.data[low + size : end]
    assert most_lines_in(damaged) >= len(hit)


# --- anything ------------------------------------------------------------------------------------------------------------------

pieces = st.one_of(
    st.binary(max_size=300),
    st.sampled_from([line.text for line in SMALL.lines]),
    st.sampled_from([line.text[:-1] for line in SMALL.lines]),
    st.sampled_from([b"\n", b"\0" * 512, b'{"seq":1,', b',"crc":"00000000"}', b',"crc":"00000000"}\n', b'{"type":"segment.']),
)


@given(
    st.lists(pieces, max_size=8).map(b"".join),
    st.one_of(st.none(), st.integers(0, 2**32 - 1), st.sampled_from([line.running for line in SMALL.lines])),
)
@settings(max_examples=600, deadline=None)
def test_arbitrary_bytes_never_raise_and_never_prove_what_was_not_written(data: bytes, running: int | None) -> None:
    written = {line.text for line in SMALL.lines}
    spans = walk(data, running)
    assert all(span.line in written for span in spans if span.proven)
    assert sum(span.length for span in spans) == len(data)
    most_lines_in(data)
    if data and running is not None:
        assert judge_tail(data, 0, running, 1) in ("torn_tail", "damaged")
        assert judge_tail(data, 700, running, 3) in ("torn_tail", "damaged")


@given(
    st.lists(st.tuples(st.integers(0, len(SMALL.data) - 1), st.binary(min_size=1, max_size=40)), min_size=1, max_size=6),
    st.lists(st.integers(1, 900), max_size=20),
)
@settings(max_examples=300, deadline=None)
def test_several_overwritten_places_cost_only_the_lines_around_them(places: list[tuple[int, bytes]], chunk_sizes: list[int]) -> None:
    data = bytearray(SMALL.data)
    hit: set[int] = set()
    for offset, filling in places:
        filling = filling[: len(data) - offset]
        data[offset : offset + len(filling)] = filling
        hit |= {
            index
            for index, line in enumerate(SMALL.lines)
            if line.offset <= offset + len(filling) and offset <= line.offset + len(line.text)
        }
    spans = walk(bytes(data))
    proven = {span.line for span in spans if span.proven}
    assert proven <= {line.text for line in SMALL.lines}
    excused = hit | {index + 1 for index in hit} | {index + 2 for index in hit}
    assert [index for index, line in enumerate(SMALL.lines) if index not in excused and line.text not in proven] == []


def test_the_test_segment_is_what_it_is_meant_to_be() -> None:
    assert len(MIXED.data) >= 40_000
    assert any(last > first for first, last in MIXED.appends)
    assert all(one.offset + len(one.text) == two.offset for one, two in pairwise(MIXED.lines))
    assert hashlib.sha256(MIXED.data).hexdigest() == hashlib.sha256(segment(40_000).data).hexdigest()
