"""A small random store, made once and put down anew for every case. Nothing here knows how its files are named.

Each event's text holds a mark that no other event has, so that an event says by itself which append it came from.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import zstandard

from eventlog import EventLog, Session, Settings
from eventlog.events import MessageAdded, SessionEnded, ToolCalled, ToolReturned
from eventlog.ids import shard
from eventlog.line import TAIL_SIZE
from projections import Catalog

Place = tuple[str, int]  # a session's id and a seq

SESSIONS = ("a", "a.1", "beta", "gamma-7", "delta_x")  # one of which looks like another one's first segment
FORK = "fork"
MARK = re.compile(rb"q\d{7}z")
_FIRST_NEW_MARK = 1_000_000
_OPENED = re.compile(rb'\{"type":"segment\.opened".*?"session_id":"([^"]+)"')
_SEQ = re.compile(rb'\{"seq":(\d+),')
_ZSTD = b"\x28\xb5\x2f\xfd"


def settings(store: Path, **more: Any) -> Settings:
    """Small segments, and no patience. Only what this version has as a setting is given."""
    wanted: dict[str, Any] = {"segment_size_bytes": 1_200, "frame_size_bytes": 512, "lock_timeout_s": 0.05, "compress_after": "0", **more}
    return Settings(store=store, **{name: value for name, value in wanted.items() if name in Settings.__struct_fields__})


def mark(number: int) -> str:
    return f"q{number:07}z"


class Template(NamedTuple):
    """A store as files; ``older``: the same store at an earlier moment; ``bundle``: some of its sessions in one file."""

    folders: list[str]
    files: dict[str, bytes]
    older: dict[str, bytes]
    bundle: bytes

    def put_down(self, folder: Path) -> None:
        folder.mkdir()
        for name in self.folders:
            os.mkdir(folder / name)
        for name, content in self.files.items():
            fd = os.open(folder / name, os.O_WRONLY | os.O_CREAT, 0o600)
            os.write(fd, content)
            os.close(fd)


def make(folder: Path, seed: str) -> Template:
    """Sessions that are active, rolled, ended, compressed, torn, deleted and forked; an index; something in quarantine."""
    random = Random(seed)
    marks = iter(range(_FIRST_NEW_MARK))
    store = folder / "store"
    folder.mkdir(parents=True)
    chosen = settings(store, compress_after="0" if random.random() < 0.7 else "never")
    with EventLog.open(settings=chosen) as log:
        for session_id in SESSIONS:
            with log.session(session_id, create=True) as session:
                _fill(session, random, marks, random.choice((1, 2, 5)))
    older = _read(store)
    with EventLog.open(settings=chosen) as log:
        for session_id in SESSIONS:
            _live(log, session_id, random, marks)
        log.fork("a", id=FORK).close()
        log.bundle(("a", "beta", FORK), folder / "bundle")
        if random.random() < 0.5:
            with Catalog.open(log) as catalog:
                catalog.list()
                catalog.search("hello")
        if random.random() < 0.3:
            log.delete("delta_x")
    if random.random() < 0.5:
        _tear(store, "gamma-7", random)
        shutil.rmtree(store / "projections", ignore_errors=True)  # it may have told of what is torn now
        if random.random() < 0.5:
            with EventLog.open(settings=settings(store)) as log, log.session("gamma-7") as session:
                _fill(session, random, marks, 1)
    used = {shard(session_id) for session_id in (*SESSIONS, FORK)}
    folders = sorted(str(path.relative_to(store)) for path in store.rglob("*") if path.is_dir())
    if random.random() < 0.9:  # copying 256 folders for every case is slow
        folders = [name for name in folders if not name.startswith("sessions/") or name[9:] in used or random.random() < 0.02]
    made = Template(folders, _read(store), older, (folder / "bundle").read_bytes())
    shutil.rmtree(folder)
    return made


def _live(log: EventLog, session_id: str, random: Random, marks: Iterator[int]) -> None:
    """What happens to one session until it is found."""
    with log.session(session_id) as session:
        _fill(session, random, marks, random.choice((0, 1, 4, 16)))
        if random.random() < 0.4:
            session.append(SessionEnded())
            if random.random() < 0.5:
                _fill(session, random, marks, random.choice((1, 3)))
    if random.random() < 0.3:
        log.compact([session_id], idle_s=0)
        if random.random() < 0.5:
            with log.session(session_id) as session:
                _fill(session, random, marks, 2)


def _fill(session: Session, random: Random, marks: Iterator[int], count: int) -> None:
    for _ in range(count):
        if random.random() < 0.15:
            name = mark(next(marks))
            session.append(ToolCalled(name="run", arguments={"of": name}, call_id=name), ToolReturned(output="", call_id=mark(next(marks))))
        else:
            text = f"hello {mark(next(marks))} {'.' * random.choice((0, 40, 200))}"
            session.append(MessageAdded(role=random.choice(("user", "assistant")), content=text))


def _tear(store: Path, session_id: str, random: Random) -> None:
    """Take the end of the session's last line away, where its last file is plain text and its last append was a single line."""
    files = [(max(found.values(), default=0), path) for path in (store / "sessions").rglob("*") if (found := _lines_of(path, session_id))]
    if files:
        path = max(files)[1]
        last = path.read_bytes().rstrip(b"\n").rsplit(b"\n", 1)[-1]
        if b'"type":"message.added"' in last:
            os.truncate(path, path.stat().st_size - random.randrange(1, len(last) - 5))


def _lines_of(path: Path, session_id: str) -> dict[Place, int]:
    if not path.is_file() or path.suffix == ".zst":
        return {}
    return {place: place[1] for place in events_in(path.read_bytes()) if place[0] == session_id}


def _read(store: Path) -> dict[str, bytes]:
    return {str(path.relative_to(store)): path.read_bytes() for path in store.rglob("*") if path.is_file()}


@lru_cache(maxsize=4096)
def events_in(content: bytes) -> dict[Place, bytes]:
    """The events in a segment file, found by what it says itself: each with its line up to the checksum."""
    found: dict[Place, bytes] = {}
    session_id = ""
    for line in _text(content).split(b"\n")[:-1]:
        if opened := _OPENED.match(line):
            session_id = opened[1].decode()
        elif session_id and line.endswith(b'"}') and (seq := _SEQ.match(line)):
            found[session_id, int(seq[1])] = payload(line)
    return found


def payload(line: bytes) -> bytes:
    """A stored line without its checksum, which is another one when the segment is written anew."""
    return line[: 1 - TAIL_SIZE]


def _text(content: bytes) -> bytes:
    if not content.startswith(_ZSTD):
        return content
    text = b""
    try:
        with zstandard.ZstdDecompressor().stream_reader(content, read_across_frames=True) as reader:
            while piece := reader.read(65_536):
                text += piece
    except zstandard.ZstdError:
        pass  # what came before it counts
    return text
