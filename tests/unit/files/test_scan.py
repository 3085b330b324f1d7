"""Where reading begins: near what is wanted, however large the appends are, and with the checksum that is right there."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from eventlog import EventLog
from eventlog.events import MessageAdded
from eventlog.files import scan
from eventlog.files.scan import FIRST_CHUNK_SIZE, find_start
from eventlog.line import after as running_after
from eventlog.line import ends_within_batch, seq_of


@pytest.mark.parametrize(("count", "size"), [(1, 30), (3, 300), (50, 300), (50, 2_000), (1, 20_000), (400, 300)])
def test_a_place_is_found_near_the_event_also_within_large_appends(count: int, size: int, tmp_path: Path) -> None:
    with EventLog.open(tmp_path / "store", sync="never") as log, log.session("s", create=True) as session:
        while session.last_seq * (size + 100) < 2_000_000:
            session.append(*[MessageAdded(role="user", content="x" * size)] * count)
        last = session.last_seq
    path = next((tmp_path / "store").rglob("s.jsonl"))
    data = path.read_bytes()
    fd = os.open(path, os.O_RDONLY)
    try:
        for after in range(1, last, max(1, last // 40)):
            start = find_start(fd, after, 1)
            if start.offset:
                before = data[data.rfind(b"\n", 0, start.offset - 1) + 1 : start.offset]
                assert start.running == running_after(before)
                assert not ends_within_batch(before)
                assert seq_of(data, start.offset) <= after + 1
            wanted = data.find(b'{"seq":%d,' % (after + 1))
            assert wanted - start.offset <= FIRST_CHUNK_SIZE + 2 * count * (size + 150) + 4_096, after
    finally:
        os.close(fd)


@pytest.mark.parametrize("lumps", [False, True])
def test_a_place_is_found_in_few_probes_where_events_are_alike_and_in_twice_as_many_as_halving_needs_where_they_are_not(
    lumps: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = [20_000 if lumps and 500 <= number < 560 else 5 if lumps and number % 2 else 300 for number in range(8_000)]
    with EventLog.open(tmp_path / "store", sync="never") as log, log.session("s", create=True, exclusive=True) as session:
        session.append(*(MessageAdded(role="user", content="x" * size) for size in sizes[:2]))
        for size in sizes[2:]:
            session.append(MessageAdded(role="user", content="x" * size))
    path = next((tmp_path / "store").rglob("s.jsonl"))
    data = path.read_bytes()
    probes = 0
    append_end = scan._append_end

    def counted(fd: int, offset: int) -> tuple[bytes, int, bool] | None:
        nonlocal probes
        probes += 1
        return append_end(fd, offset)

    monkeypatch.setattr(scan, "_append_end", counted)
    fd = os.open(path, os.O_RDONLY)
    try:
        most = 0
        for after in [*range(1, 8_000, 97), 499, 500, 530, 559, 560, 561, 7_999]:
            probes = 0
            start = find_start(fd, after, 1)
            most = max(most, probes)
            assert start.offset == 0 or seq_of(data, start.offset) <= after + 1
            wanted = data.find(b'{"seq":%d,' % (after + 1))
            assert wanted - start.offset <= FIRST_CHUNK_SIZE + 25_000, after
        halving = (len(data) // FIRST_CHUNK_SIZE).bit_length()
        assert most <= (2 * halving + 1 if lumps else 4)
    finally:
        os.close(fd)
