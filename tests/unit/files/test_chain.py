"""The tamper-evident chain: what an editor would have to rewrite, and what finds him all the same."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from zlib import crc32

import pytest

from eventlog import EventLog, Settings
from eventlog.events import MessageAdded
from tests.command_line import eventlog

SETTINGS = Settings(segment_size_bytes=1_500, compress_after="0", sync="never")
Lines = list[bytes]


@pytest.fixture
def segments(tmp_path: Path) -> list[Path]:
    """Four segments of a session, the last one active."""
    with EventLog.open(tmp_path / "store", settings=SETTINGS) as log, log.session("s", create=True) as session:
        for number in range(1, 27):
            session.append(MessageAdded(role="user", content=f"event {number:02} {'.' * 80}"), time="2026-01-01T00:00:00Z")
    found = sorted((tmp_path / "store").glob("sessions/*/s[+.]*"))
    assert len(found) == 4
    return found


def edit(lines: Lines) -> Lines:
    return [line.replace(b"event 10", b"event 99") for line in lines]


def drop(lines: Lines) -> Lines:
    return renumbered([line for line in lines if b"event 10" not in line])


def insert(lines: Lines) -> Lines:
    return renumbered([*lines[:3], lines[2].replace(b"event", b"never"), *lines[3:]])


def reorder(lines: Lines) -> Lines:
    return renumbered([*lines[:2], lines[3], lines[2], *lines[4:]])


CHANGES = [edit, drop, insert, reorder]


def renumbered(lines: Lines) -> Lines:
    """Event lines with the seqs that they would have had."""
    seqs: Iterator[int] | None = None
    found = []
    for line in lines:
        if match := re.match(rb'\{"seq":([0-9]+),', line):
            seqs = seqs or iter(range(int(match[1]), 10**6))
            line = b'{"seq":%d,' % next(seqs) + line[match.end() :]
        found.append(line)
    return found


def checksummed(lines: Lines, *, footer: bool) -> bytes:
    """The lines with checksums that hold and, with ``footer``, a footer that counts and digests them."""
    running, text = 0, b""
    for line in lines:
        payload = line[:-19]
        if footer and payload.startswith(b'{"type":"segment.sealed"'):
            events = [int(seq) for seq in re.findall(rb'^\{"seq":([0-9]+),', text, re.M)]
            data = b'{"type":"segment.sealed","data":{"count":%d,"last_seq":%d,"sha256":"%s"}'
            payload = data % (len(events), events[-1], sha256(text).hexdigest().encode())
        running = crc32(payload, running)
        tail = b',"crc":"%08x"}\n' % running
        running = crc32(tail, running)
        text += payload + tail
    return text


def changed(path: Path, change: Callable[[Lines], Lines], *, footer: bool) -> None:
    path.write_bytes(checksummed(change(path.read_bytes().splitlines(keepends=True)), footer=footer))


def forge_what_follows(segments: list[Path]) -> None:
    """Each later segment names the digest of the one before it as that is now, begins where it ends, and has a footer of its own."""
    before = segments[0]
    for path in segments[1:]:
        text = before.read_bytes()
        digest = sha256(text[: text.rfind(b"\n", 0, -1) + 1]).hexdigest().encode()
        last_seq = int(re.findall(rb'"last_seq":([0-9]+)', text)[-1])
        header, *lines = path.read_bytes().splitlines(keepends=True)
        header = re.sub(rb'"previous":"[0-9a-f]+"', b'"previous":"' + digest + b'"', header)
        header = re.sub(rb'"first_seq":[0-9]+', b'"first_seq":%d' % (last_seq + 1), header)
        lines[0] = re.sub(rb'^\{"seq":[0-9]+', b'{"seq":%d' % (last_seq + 1), lines[0])
        path.write_bytes(checksummed([header, *renumbered(lines)], footer=True))
        before = path if path == segments[-1] else path.rename(path.with_name(f"s+{last_seq + 1:012}.jsonl"))


def problems(store: Path) -> list[tuple[str, str]]:
    with EventLog.open(store) as log:
        return [(problem.segment, problem.kind) for problem in log.verify().problems]


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_with_checksums_that_hold_is_found_by_the_footer(
    tmp_path: Path, segments: list[Path], change: Callable[[Lines], Lines]
) -> None:
    changed(segments[1], change, footer=False)
    assert (segments[1].name, "damaged") in problems(tmp_path / "store")


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_with_a_footer_that_holds_is_found_by_the_next_header(
    tmp_path: Path, segments: list[Path], change: Callable[[Lines], Lines]
) -> None:
    changed(segments[1], change, footer=True)
    found = problems(tmp_path / "store")
    assert found
    assert {segment for segment, _ in found} <= {path.name for path in segments[1:]}


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_with_every_later_footer_and_header_rewritten_is_found_by_a_digest_kept_elsewhere(
    tmp_path: Path, segments: list[Path], change: Callable[[Lines], Lines]
) -> None:
    store = tmp_path / "store"
    digest = eventlog("verify", "--digest", "--store", store).out.strip()
    changed(segments[1], change, footer=True)
    forge_what_follows(segments[1:])
    assert problems(store) == []
    assert eventlog("verify", "--store", store).code == 0
    assert eventlog("verify", "--expect", digest, "--store", store).code == 1


@pytest.mark.parametrize("index", [0, 1, 2])
def test_a_removed_segment_is_found(tmp_path: Path, segments: list[Path], index: int) -> None:
    segments[index].unlink()
    assert problems(tmp_path / "store") == [(segments[index + 1].name, "missing")]


def test_a_removed_last_segment_or_session_is_found_by_a_digest_kept_elsewhere(tmp_path: Path, segments: list[Path]) -> None:
    store = tmp_path / "store"
    digest = eventlog("verify", "--digest", "--store", store).out.strip()
    segments[-1].unlink()
    assert eventlog("verify", "--store", store).code == 0
    assert eventlog("verify", "--expect", digest, "--store", store).code == 1
    for path in segments[:-1]:
        path.unlink()
    assert eventlog("verify", "--expect", digest, "--store", store).code == 1


def test_compressing_and_joining_change_no_digest(tmp_path: Path, segments: list[Path]) -> None:
    with EventLog.open(tmp_path / "store") as log:
        log.session("s").end()
        digest = log.verify().digest
        log.compact(idle_s=0)
        assert [path.name for path in segments[0].parent.glob("s[+.]*")] == ["s.jsonl.zst"]
        assert log.verify().digest == digest
