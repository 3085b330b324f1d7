"""Compaction: how small, how fast; what a segment costs to compress beside zstd by itself."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import zstandard

from eventlog import EventLog, Settings

from .measure import Area, Contender, Run
from .reading import SEALED_SIZE, chunks_of
from .stores import many_sessions, session_of
from .workload import DESCRIPTION


def areas(run: Run) -> Iterator[Area]:
    yield _compress(run)
    yield _join(run)


class _Copy:
    """A store that is compacted, made again from its original before each round."""

    def __init__(self, original: Path, path: Path, settings: Settings) -> None:
        self.original, self.path, self.settings = original, path, settings
        self.before = self.after = 0

    def prepare(self) -> None:
        shutil.rmtree(self.path, ignore_errors=True)
        shutil.copytree(self.original, self.path)

    def compact(self) -> None:
        with EventLog.open(self.path, settings=self.settings) as log:
            report = log.compact(idle_s=0)
        assert not report.skipped
        self.before, self.after = report.bytes_before, report.bytes_after


def _compress(run: Run) -> Area:
    events = run.scale(200_000, 40_000)
    original = session_of(run, events, segment_size=SEALED_SIZE, compress=False)
    path = run.scratch("compaction") / "store"
    sealed = _Copy(original, path, Settings(segment_size_bytes=SEALED_SIZE))
    chunks = [chunk for file in sorted((original / "sessions").rglob("*.jsonl")) for chunk in _frames(file)]
    megabytes = sum(map(len, chunks)) / 1e6
    area = Area(
        name="compaction",
        title="Compress sealed segments",
        workload=f"{DESCRIPTION}; {megabytes:.0f} MB in sealed raw segments of {SEALED_SIZE:,} bytes, verified by decompressing, durable",
        unit="us per MB",
    )

    def limit() -> None:
        compressor = zstandard.ZstdCompressor(level=3)
        for chunk in chunks:
            compressor.compress(chunk)

    units = round(megabytes)
    contenders = [
        Contender(name="zstd level 3 in frames of 256 KiB, in memory", role="limit", units=units, round=limit),
        Contender(name="compact", units=units, round=sealed.compact, prepare=sealed.prepare),
    ]
    area.measure(contenders, run.scale(7, 2))
    area.value("compression", sealed.before / sealed.after, "x")
    speed = area.timing("compact")
    assert speed is not None
    area.value("compaction", 1e6 / speed.lower_quartile, "MB/s")
    area.ratio("compaction, to zstd by itself", "compact", contenders[0].name)
    return area


def _frames(file: Path) -> Iterator[bytes]:
    found = b"".join(chunks_of(file))
    for start in range(0, len(found), 256 * 1024):
        yield found[start : start + 256 * 1024]


def _join(run: Run) -> Area:
    sessions = run.scale(1_000, 100)
    original = many_sessions(run, sessions, 20)
    many = _Copy(original, run.scratch("compaction-many") / "store", Settings())
    area = Area(
        name="compaction-sessions",
        title="Compact many short sessions",
        workload=f"{DESCRIPTION}; {sessions:,} idle sessions of 20 events: each is sealed and compressed",
        unit="us per session",
    )
    area.measure([Contender(name="compact", units=sessions, round=many.compact, prepare=many.prepare)], run.scale(3, 1))
    area.value("compression of short sessions", many.before / many.after, "x")
    return area
