"""Where things are in a store: names and paths, nothing opened (FORMAT.md, "Files").

A session's shard is a function of its id, folded to lower case so that ids that differ only in case meet in one folder. Names of
segments are parsed from the right, as ids contain dots, and are never trusted over the header inside.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from hashlib import sha256

import msgspec

from ..ids import shard

SHARDS = tuple(f"{number:02x}" for number in range(256))
STORE_FILE = "store.json"
SESSIONS = "sessions"
QUARANTINE = "quarantine"
CHANGES = "changes"
PROJECTIONS = "projections"
TEMPORARY = ".tmp"

_SEGMENT = re.compile(r"(?P<id>[A-Za-z0-9][A-Za-z0-9._-]{0,127})\.(?P<seq>[1-9][0-9]{0,18})\.jsonl(?P<zst>\.zst)?")


class SegmentName(msgspec.Struct, frozen=True, order=True):
    """The name of a segment file, taken apart. Sorts by position; of two with the same first seq the compressed one comes last."""

    first_seq: int
    compressed: bool
    session_id: str

    def __str__(self) -> str:
        return f"{self.session_id}.{self.first_seq}.jsonl{'.zst' if self.compressed else ''}"


def parse_segment_name(name: str) -> SegmentName | None:
    match = _SEGMENT.fullmatch(name)
    return SegmentName(int(match["seq"]), match["zst"] is not None, match["id"]) if match else None


class Layout:
    """The paths of one store."""

    def __init__(self, root: str | os.PathLike[str]) -> None:
        self.root = os.path.abspath(root)
        self.sessions = os.path.join(self.root, SESSIONS)
        self.quarantine = os.path.join(self.root, QUARANTINE)
        self.changes = os.path.join(self.root, CHANGES)
        self.projections = os.path.join(self.root, PROJECTIONS)
        self.store_file = os.path.join(self.root, STORE_FILE)

    def folder(self, session_id: str) -> str:
        return os.path.join(self.sessions, shard(session_id))

    def path(self, name: SegmentName) -> str:
        return os.path.join(self.folder(name.session_id), str(name))

    def names(self, session_id: str) -> list[str]:
        """Everything in the session's folder: one directory listing."""
        return _names(self.folder(session_id))

    def entries(self, shard_name: str) -> list[str]:
        """The names of all files in a shard, sorted."""
        return sorted(_names(os.path.join(self.sessions, shard_name)))

    def segments(self, session_id: str, names: list[str] | None = None) -> list[SegmentName]:
        """The session's segments in order, each position once: where the raw and the compressed file both exist (a crash between
        making one and removing the other), the compressed one, as it was proven before it got its name."""
        prefix = session_id + "."
        found: dict[int, SegmentName] = {}
        for entry in self.names(session_id) if names is None else names:
            if entry.startswith(prefix):
                name = parse_segment_name(entry)
                if name is not None and name.session_id == session_id and (name.compressed or name.first_seq not in found):
                    found[name.first_seq] = name
        return [found[first_seq] for first_seq in sorted(found)]

    def session_id_like(self, session_id: str, names: list[str]) -> str | None:
        """The id that is in the store already and equals this one but for case, if any."""
        folded = session_id.lower()
        for entry in names:
            if entry.lower().startswith(folded + "."):
                name = parse_segment_name(entry)
                if name is not None and name.session_id != session_id and name.session_id.lower() == folded:
                    return name.session_id
        return None

    def session_ids(self, after: str | None = None) -> Iterator[str]:
        """Every session that has an event, in the order of `order`; those behind ``after``. An empty first segment was made by an append
        that was refused or interrupted."""
        first = "" if after is None else shard(after)
        for shard_name in SHARDS:
            if shard_name >= first:
                found = sorted(self._session_ids_in(shard_name))
                yield from found if shard_name != first else (session_id for session_id in found if after is None or session_id > after)

    def stamps(self) -> Iterator[tuple[str, str]]:
        """Every session that has an event, with a text that is another one whenever its files are: names, sizes, times of writing."""
        for shard_name in SHARDS:
            found: dict[str, list[str]] = {}
            with_events: set[str] = set()
            try:
                with os.scandir(os.path.join(self.sessions, shard_name)) as entries:
                    for entry in entries:
                        name = parse_segment_name(entry.name)
                        if name is None:
                            continue
                        try:
                            state = entry.stat()
                        except FileNotFoundError:
                            continue  # replaced since it was listed: another stamp, another look
                        found.setdefault(name.session_id, []).append(f"{entry.name}/{state.st_size}/{state.st_mtime_ns}/{state.st_ino}")
                        if state.st_size or name.first_seq > 1:
                            with_events.add(name.session_id)
            except FileNotFoundError:
                continue
            for session_id in sorted(with_events):
                yield session_id, sha256("\n".join(sorted(found[session_id])).encode()).hexdigest()[:16]

    def _session_ids_in(self, shard_name: str) -> set[str]:
        found = set()
        try:
            with os.scandir(os.path.join(self.sessions, shard_name)) as entries:
                for entry in entries:
                    name = parse_segment_name(entry.name)
                    if name is not None and (name.first_seq > 1 or name.compressed or not _is_empty(entry)):
                        found.add(name.session_id)
        except FileNotFoundError:
            pass  # somebody removed a shard with everything in it
        return found


def _is_empty(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.stat().st_size == 0
    except FileNotFoundError:
        return False  # compressed since it was listed


def _names(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except FileNotFoundError:
        return []
