"""Reading back: verified typed events, a fold over them, the whole session as a view; active and compressed; one event out of a gigabyte."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, Union

import msgspec

from eventlog import EventLog, StoredEvent
from eventlog import events as vocabulary
from eventlog.events import MessageAdded, UsageRecorded
from projections import SessionView, replay

from . import floors
from .append import peers
from .measure import Area, Contender, Goal, Role, Run
from .peers import Peer
from .stores import session_of
from .workload import DESCRIPTION, workload

CHUNK_SIZE = 128 * 1024
SEALED_SIZE = 8 * 1024 * 1024
LIMIT = "decode_lines, typed"
READ = "read: verified, typed"
STATISTICS = "replay into statistics, nothing kept"
VIEW = "replay into SessionView"
JSONL = "JSONL + json.loads"


def areas(run: Run) -> Iterator[Area]:
    yield _active(run, collector=False)
    yield _active(run, collector=True)
    yield _peers(run)
    yield _compressed(run)
    yield _one_event(run)


class Statistics:
    """A small fold that a user would write: how many of what, and the tokens."""

    name = "statistics"
    version = 1

    @staticmethod
    def initial() -> dict[str, int]:
        return {"events": 0, "messages": 0, "characters": 0, "input_tokens": 0, "output_tokens": 0}

    @staticmethod
    def fold(state: dict[str, int], stored: StoredEvent) -> dict[str, int]:
        event = stored.event
        state["events"] += 1
        if type(event) is UsageRecorded:
            state["input_tokens"] += event.input_tokens
            state["output_tokens"] += event.output_tokens
        elif type(event) is MessageAdded:
            state["messages"] += 1
            state["characters"] += len(event.content)
        return state


def typed_line_decoder() -> msgspec.json.Decoder[Any]:
    """The limit's: envelope and typed data in one pass, a tagged union on ``type``, and nothing that a program would want besides."""
    kinds = [found for found in vars(vocabulary).values() if isinstance(found, type) and "type" in vars(found)]
    lines = tuple(
        msgspec.defstruct(
            f"Line{kind.__name__}", [("seq", int), ("time", datetime), ("data", kind)], tag_field="type", tag=kind.type, gc=False
        )
        for kind in kinds
        if issubclass(kind, vocabulary.Event)
    )
    return msgspec.json.Decoder(Union[lines])


def chunks_of(path: Path) -> list[bytes]:
    """A file's whole lines in chunks, in memory."""
    found = []
    with open(path, "rb") as file:
        rest = b""
        while data := file.read(CHUNK_SIZE):
            data = rest + data
            end = data.rfind(b"\n") + 1
            found.append(data[:end])
            rest = data[end:]
    return [chunk for chunk in found if chunk]


def segment_of(store: Path) -> Path:
    """The only segment of the session in the store."""
    (path,) = (store / "sessions").glob("*/*.jsonl")
    return path


def _active(run: Run, *, collector: bool) -> Area:
    events = run.scale(200_000, 20_000)
    store = session_of(run, events)
    path = segment_of(store)
    title = f"Read and replay an active session, collector {'on' if collector else 'off'}"
    area = Area(
        name="reading-with-collector" if collector else "reading",
        title=title,
        workload=f"{DESCRIPTION}; a session of {events:,} events in one segment, in the page cache",
        unit="us per event",
        collector="on" if collector else "off",
    )
    chunks = chunks_of(path)
    chunks[0] = chunks[0][chunks[0].index(b"\n") + 1 :]  # the segment's own line
    decode_lines = typed_line_decoder().decode_lines

    def limit() -> None:
        for chunk in chunks:
            decode_lines(chunk)

    def limit_kept() -> object:
        kept = []
        for chunk in chunks:
            kept += decode_lines(chunk)
        return kept

    kept = _Kept()
    with EventLog.open(store, sync="never") as log:
        session = log.session("s")

        def read() -> None:
            for _ in session.read():
                pass

        contenders = [
            Contender(name="pread of the file", role="limit", units=events, round=lambda: _read_file(path)),
            Contender(name=LIMIT, role="limit", units=events, round=limit),
            kept.contender(f"{LIMIT}, everything kept", events, limit_kept, "limit"),
            kept.contender(floors.VIEW, events, lambda: floors.view(decode_lines, chunks), "limit"),
            Contender(name=READ, units=events, round=read),
            kept.contender(f"{READ}, everything kept", events, lambda: list(session.read())),
            kept.contender(STATISTICS, events, lambda: replay(session.read(), Statistics)),
            kept.contender(VIEW, events, lambda: replay(session.read(), SessionView)),
            kept.contender(JSONL, events, lambda: _load_json(path), "peer", "dicts, nothing verified"),
        ]
        area.measure(contenders, run.scale(11, 3))
    _compare(area, collector=collector)
    return area


def _read_file(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY)
    offset = 0
    while data := os.pread(fd, CHUNK_SIZE, offset):
        offset += len(data)
    os.close(fd)


def _load_json(path: Path) -> object:
    with open(path, encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def _compare(area: Area, *, collector: bool) -> None:
    goal = None if collector else Goal(at_most=1.5, stretch=1.3)
    area.ratio("verified, typed read of an active session, to decode_lines", READ, LIMIT, goal)
    area.ratio("JSONL + json.loads, to the same read", JSONL, READ, None if collector else Goal(at_least=3.5))
    goal = None if collector else Goal(at_most=1.8, stretch=1.6)
    area.ratio("statistics fold, nothing kept, to decode_lines", STATISTICS, LIMIT, goal)
    goal = None if collector else Goal(at_most=2.6, stretch=2.3)
    area.ratio("replay into SessionView, to decode_lines", VIEW, LIMIT, goal)
    area.ratio("JSONL + json.loads, to replay into SessionView", JSONL, VIEW, None if collector else Goal(at_least=2))
    area.ratio("replay into SessionView, to decode_lines with everything kept", VIEW, f"{LIMIT}, everything kept")
    area.ratio("the plainest view, in one loop, to decode_lines", floors.VIEW, LIMIT, note=floors.FLOOR)


class _Kept:
    """Holds what a round made until the next one is prepared: to free it is not the round's."""

    def __init__(self) -> None:
        self.value: object = None

    def clear(self) -> None:
        self.value = None

    def contender(self, name: str, units: int, make: Callable[[], object], role: Role = "subject", durability: str = "") -> Contender:
        def round() -> None:
            self.value = make()

        return Contender(name=name, units=units, round=round, role=role, durability=durability, prepare=self.clear)


def _peers(run: Run) -> Area:
    events = run.scale(20_000, 1_000)
    made = workload(events)
    area = Area(
        name="loading",
        title="Load a session, beside peers",
        workload=f"{DESCRIPTION}; a session of {events:,} events",
        unit="us per event",
    )
    opened: list[Peer] = []
    contenders = []
    kept = _Kept()
    for peer, contender in peers(run, area, made, 100, durable=False):
        opened.append(peer)
        if contender.name == "file rewritten per message":
            continue
        fill = getattr(peer, "extend", peer.append)
        fill(made.records())
        found = peer.load()
        contenders.append(Contender(name=contender.name, role="peer", units=found, round=_load(peer)))
    with EventLog.open(session_of(run, events), sync="never") as log:
        session = log.session("s")
        contenders.append(kept.contender(VIEW, events, lambda: replay(session.read(), SessionView)))
        contenders.append(kept.contender(READ, events, lambda: list(session.read())))
        area.measure(contenders, run.scale(7, 2))
    for peer in opened:
        peer.close()
    area.ratio("openai-agents, to replay into SessionView", "openai-agents SQLiteSession", VIEW, Goal(at_least=5))
    area.ratio("an eventsourcing aggregate, to replay into SessionView", "eventsourcing", VIEW, Goal(at_least=18))
    for name in ("open('a') + json.dumps", "sqlite3 WAL", "langgraph-checkpoint-sqlite", "google-adk"):
        area.ratio(f"{name}, to replay into SessionView", name, VIEW)
    return area


def _load(peer: Peer) -> Callable[[], None]:
    def load() -> None:
        peer.load()

    return load


def _compressed(run: Run) -> Area:
    events = run.scale(200_000, 40_000)
    raw = session_of(run, events, segment_size=SEALED_SIZE, compress=False)
    cold = session_of(run, events, segment_size=SEALED_SIZE)
    area = Area(
        name="reading-compressed",
        title="Read a compressed session",
        workload=f"{DESCRIPTION}; a session of {events:,} events in sealed segments of {SEALED_SIZE:,} bytes, in the page cache",
        unit="us per event",
    )
    with EventLog.open(raw) as raw_log, EventLog.open(cold) as cold_log:
        one, other = raw_log.session("s"), cold_log.session("s")
        contenders = [
            Contender(name="read, sealed and raw", units=events, round=lambda: _read(one)),
            Contender(name="read, compressed", units=events, round=lambda: _read(other)),
        ]
        area.measure(contenders, run.scale(11, 3))
    area.ratio("reading a compressed session, to reading it raw", "read, compressed", "read, sealed and raw", Goal(at_most=1.7))
    sizes = [sum(file.stat().st_size for file in (store / "sessions").rglob("*.jsonl*")) for store in (raw, cold)]
    area.value("size of the raw segments, to the compressed", sizes[0] / sizes[1], "x")
    return area


def _read(session: Any) -> None:
    for _ in session.read():
        pass


def _one_event(run: Run) -> Area:
    events = run.scale(2_700_000, 100_000)
    store = session_of(run, events, segment_size=SEALED_SIZE)
    area = Area(
        name="one-event",
        title="One event out of a cold session",
        workload=f"{DESCRIPTION}; a session of {events:,} events, compressed; the next of 50 positions all over it",
        unit="us per event",
    )
    positions = iter(range(1, 1 << 62, max(1, events // 50 - 1)))
    files = list((store / "sessions").rglob("*.zst"))
    with EventLog.open(store) as log:
        session = log.session("s")

        def one() -> None:
            after = next(positions) % events
            (found,) = session.read(after=after, before=after + 2)
            assert found.seq == after + 1

        def dropped() -> None:
            for file in files:
                fd = os.open(file, os.O_RDONLY)
                os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
                os.close(fd)

        contenders = [
            Contender(name="one event, files in the page cache", units=1, round=one),
            Contender(name="one event, files dropped from the page cache", units=1, round=one, prepare=dropped),
        ]
        area.measure(contenders, run.scale(60, 8))
    size = "a cold gigabyte" if not run.quick else "a small session"
    area.absolute(f"one event out of {size}", contenders[0].name, Goal(at_most=5), "ms", 1000)
    area.absolute(f"one event out of {size}, not in the page cache", contenders[1].name, Goal(at_most=5), "ms", 1000)
    return area
