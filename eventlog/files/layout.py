"""Where things are in a store: names and paths, and which segments a session has now (FORMAT.md, "Files").

A session's shard is a function of its id, folded to lower case so that ids that differ only in case meet in one folder. Its last segment
has the session's own name, whatever happens to it, so that whoever appends, reads the end or asks whether the session is there lists no
folder: a touch costs the same with a thousand sessions and with a million. The segments before it have their first seq in the name, in as
many digits as keep a listing in order. Names are parsed from the right, as ids contain dots, and never trusted over the header inside.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from contextlib import nullcontext
from hashlib import sha256
from typing import Final

import msgspec

from ..errors import SessionLocked
from ..ids import shard
from ..segments.segment import Opened
from . import compressed, opening
from .opening import NotRegular

SHARDS = tuple(f"{number:02x}" for number in range(256))
STORE_FILE = "store.json"
SESSIONS = "sessions"
QUARANTINE = "quarantine"
CHANGES = "changes"
PROJECTIONS = "projections"
TEMPORARY = ".tmp"
NOT_YET: Final = 1 << 62  # the first seq of a segment whose header is still to be written, or cannot be read: behind all others
_CASE = ".case"
_MOST_LISTINGS = 100

_SEGMENT = re.compile(
    r"(?P<id>[A-Za-z0-9][A-Za-z0-9._-]{0,127})(?:\+(?P<seq>[0-9]{12}|[1-9][0-9]{12,18}))?\.jsonl(?P<zst>\.zst)?",
)


class SegmentName(msgspec.Struct, frozen=True, order=True):
    """The name of a segment file, taken apart. Sorts by position; of two with the same first seq the one that counts comes last.

    ``first_seq`` of one that is not ``numbered`` stands in the file, not in its name."""

    first_seq: int
    unnumbered: bool
    compressed: bool
    session_id: str

    def __str__(self) -> str:
        number = "" if self.unnumbered else f"+{self.first_seq:012}"
        return f"{self.session_id}{number}.jsonl{'.zst' if self.compressed else ''}"


def finished_name(session_id: str, first_seq: int, *, compressed: bool = False) -> SegmentName:
    """The name of a segment that others follow."""
    return SegmentName(first_seq, False, compressed, session_id)


def last_name(session_id: str, first_seq: int, *, compressed: bool = False) -> SegmentName:
    """The name of a session's last segment."""
    return SegmentName(first_seq, True, compressed, session_id)


def parse_segment_name(name: str) -> SegmentName | None:
    """None where it is no segment's. The first seq of an unnumbered one is `NOT_YET`."""
    match = _SEGMENT.fullmatch(name)
    if match is None or match["seq"] == "000000000000":
        return None
    return SegmentName(int(match["seq"] or NOT_YET), match["seq"] is None, match["zst"] is not None, match["id"])


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
        return f"{self.sessions}/{shard(session_id)}"  # asked for twenty times by a look at one event: joining paths is slower

    def path(self, name: SegmentName) -> str:
        return f"{self.sessions}/{shard(name.session_id)}/{name}"

    # --- one session ---------------------------------------------------------------------------------------------------------

    def last(self, session_id: str) -> SegmentName | None:
        """The session's last segment, by its name: nothing is listed. None where no file has it.

        A compressed one counts beside a raw one that it holds, or that is still empty; else it is the one before it."""
        raw = self._located(last_name(session_id, NOT_YET))
        zst = self.last_compressed(session_id)
        if raw is None or zst is None:
            return raw or zst
        if raw.first_seq == NOT_YET:
            return zst if opening.is_empty(self.path(raw)) else raw
        reached = max(zst.first_seq, compressed.last_seq(self.path(zst)) or 0)
        return zst if reached >= raw.first_seq else raw

    def last_compressed(self, session_id: str) -> SegmentName | None:
        """The compressed segment that has the session's name, if there is one: the last, or the one before one that is just being made."""
        return self._located(last_name(session_id, NOT_YET, compressed=True))

    def segments(self, session_id: str, names: Iterable[str] | None = None) -> list[SegmentName]:
        """The session's segments in order, each position once: where two files begin with the same event (a crash between making the
        compressed one and removing the other), the compressed one, as it was proven before it got its name. What is no regular file is
        none. ``names`` are those of the session's folder; without them it is listed."""
        found: dict[int, SegmentName] = {}
        for entry in self.names(session_id) if names is None else names:
            if entry.startswith(session_id):
                name = parse_segment_name(entry)
                located = self._located(name) if name is not None and name.session_id == session_id else None
                if located is not None:
                    before = found.get(located.first_seq)
                    found[located.first_seq] = located if before is None else self._which_counts(before, located)
        return [found[first_seq] for first_seq in sorted(found)]

    def all_segments(self, session_id: str) -> list[SegmentName]:
        """The same for who must miss none: a listing may have neither name of a file that gets another one meanwhile, two in a row that
        agree have them all. Raises `SessionLocked` where no two do."""
        before = None
        for _ in range(_MOST_LISTINGS):
            found = self.segments(session_id)
            if found == before:
                return found
            before = found
        raise SessionLocked(session_id, 0)

    def _located(self, name: SegmentName) -> SegmentName | None:
        """The name with its first seq; None where no regular file has it."""
        if not name.unnumbered:
            return name if opening.is_regular(self.path(name)) else None
        try:
            first_seq = _first_seq(self.path(name), compressed_=name.compressed)
        except (FileNotFoundError, NotRegular):
            return None
        return msgspec.structs.replace(name, first_seq=NOT_YET if first_seq is None else first_seq)

    def _which_counts(self, one: SegmentName, other: SegmentName) -> SegmentName:
        """Of two files that begin with the same event. A crash leaves a compressed one beside its raw one, and one with the session's name
        beside the first of those that were joined in it. Else a numbered one that has ended beside one with the session's name is there
        because somebody put an older copy of that back; and a stray copy under a number has no end."""
        if one.unnumbered != other.unnumbered:
            numbered, last = (other, one) if one.unnumbered else (one, other)
            return numbered if self._was_finished_as(last, numbered) else last
        raw, zst = sorted((one, other))
        return zst if self.is_own(zst) else raw

    def is_own(self, name: SegmentName) -> bool:
        """Whether the file says, by its header or its table, that it is what its name says."""
        try:
            fd = opening.open_regular(self.path(name))
        except (FileNotFoundError, NotRegular):
            return False
        try:
            if name.compressed:
                return compressed.owner(fd) == (name.session_id, name.first_seq)
            opened = opening.header(fd)
            return opened is not None and (opened.session_id, opened.first_seq) == (name.session_id, name.first_seq)
        finally:
            os.close(fd)

    def numbered(self, session_id: str, first_seq: int) -> Iterator[SegmentName]:
        """The finished segments that begin with this event, the one that counts first, by their names: nothing is listed."""
        for is_compressed in (True, False):
            name = finished_name(session_id, first_seq, compressed=is_compressed)
            if opening.is_regular(self.path(name)):
                yield name

    def is_older_copy(self, last: SegmentName) -> bool:
        """Whether a segment with the session's name was finished once: then somebody has put a copy of it back, from before that."""
        return any(self._was_finished_as(last, name) for name in self.numbered(last.session_id, last.first_seq))

    def _was_finished_as(self, last: SegmentName, numbered: SegmentName) -> bool:
        """Whether a numbered segment is what became of the one with the session's name that begins with the same event. It is not where
        that was made of it and of those behind it: a crash left the numbered one."""
        if not (opening.has_end(self.path(numbered)) and self.is_own(numbered)):
            return False
        return not (last.compressed and self.is_own(last) and self._next_seq(last) > self._next_seq(numbered))

    def _next_seq(self, name: SegmentName) -> int:
        """The seq that comes after a finished segment; 0 where its end cannot be read."""
        path = self.path(name)
        if not name.compressed:
            return opening.next_seq(path)
        own = compressed.last_record(path)
        if own is not None and not isinstance(own.record, Opened):
            return own.record.next_seq
        return (compressed.last_seq(path) or -1) + 1

    def is_followed(self, last: SegmentName) -> bool:
        """The same, also where what it was finished as has gone since: lists the folder."""
        return any(
            not name.unnumbered and name.first_seq >= last.first_seq and self.is_own(name) and opening.has_end(self.path(name))
            for name in self.segments(last.session_id)
        )

    def has(self, session_id: str) -> bool:
        """Whether the session has an event, by names alone: its last segment is there, or its first is. An empty raw one has none yet; an
        empty compressed one has lost them, as it gets its name when all of it is there."""
        for name in (last_name(session_id, 0), last_name(session_id, 0, compressed=True)):
            if opening.is_regular(self.path(name), with_content=not name.compressed):
                return True
        return any(True for _ in self.numbered(session_id, 1))

    # --- ids that differ only in case ----------------------------------------------------------------------------------------

    def case_mark(self, session_id: str) -> str:
        """The path of the empty file that says that a session whose id has this spelling in lower case, but is not that, was made here."""
        return os.path.join(self.folder(session_id), session_id.lower() + _CASE)

    def session_id_like(self, session_id: str) -> str | None:
        """The id that is in the store already and equals this one but for case, if any. Lists the folder only where there may be one."""
        folded = session_id.lower()
        if session_id != folded and self.has(folded):
            return folded
        if not os.path.lexists(self.case_mark(session_id)):
            return None
        for entry in self.names(session_id):
            name = parse_segment_name(entry)
            if name is not None and name.session_id != session_id and name.session_id.lower() == folded and self.has(name.session_id):
                return name.session_id
        return None

    # --- all sessions --------------------------------------------------------------------------------------------------------

    def names(self, session_id: str) -> list[str]:
        """Everything in the session's folder: one directory listing."""
        return _names(self.folder(session_id))

    def entries(self, shard_name: str) -> list[str]:
        """The names of all files in a shard, sorted."""
        return sorted(_names(os.path.join(self.sessions, shard_name)))

    def sessions_in(self, shard_name: str) -> dict[str, list[str]]:
        """The sessions of a shard that have an event, in order, each with the names of its segments: one listing. An empty file was made by
        an append that was refused or interrupted."""
        found: dict[str, list[str]] = {}
        with_events: set[str] = set()
        for entry, name in self._scan(shard_name):
            found.setdefault(name.session_id, []).append(entry.name)
            if not name.unnumbered or name.compressed or not _is_empty(entry):
                with_events.add(name.session_id)
        return {session_id: found[session_id] for session_id in sorted(with_events)}

    def session_ids(self, after: str | None = None) -> Iterator[str]:
        """Every session that has an event, in the order of `ids.order`; those behind ``after``."""
        first = "" if after is None else shard(after)
        for shard_name in SHARDS:
            if shard_name >= first:
                found = self.sessions_in(shard_name)
                yield from found if shard_name != first else (session_id for session_id in found if after is None or session_id > after)

    def stamps(self) -> Iterator[tuple[str, str]]:
        """Every session that has an event, with a text that is another one whenever its files are: names, sizes, times of writing."""
        for shard_name in SHARDS:
            found: dict[str, list[str]] = {}
            with_events: set[str] = set()
            for entry, name in self._scan(shard_name):
                try:
                    state = entry.stat(follow_symlinks=False)
                except FileNotFoundError:
                    continue  # replaced since it was listed: another stamp, another look
                found.setdefault(name.session_id, []).append(f"{entry.name}/{state.st_size}/{state.st_mtime_ns}/{state.st_ino}")
                if state.st_size or name.compressed or not name.unnumbered:
                    with_events.add(name.session_id)
            for session_id in sorted(with_events):
                yield session_id, sha256("\n".join(sorted(found[session_id])).encode()).hexdigest()[:16]

    def _scan(self, shard_name: str) -> Iterator[tuple[os.DirEntry[str], SegmentName]]:
        """The segment files of a shard; what only has such a name is left out."""
        folder = os.path.join(self.sessions, shard_name)
        try:
            with os.scandir(folder) if opening.is_folder(folder) else nullcontext(iter(())) as entries:
                for entry in entries:
                    name = parse_segment_name(entry.name)
                    if name is not None and entry.is_file(follow_symlinks=False) and shard(name.session_id) == shard_name:
                        yield entry, name
        except FileNotFoundError:
            pass  # somebody removed a shard with everything in it


def _first_seq(path: str, *, compressed_: bool) -> int | None:
    if compressed_:
        return compressed.first_seq(path)
    fd = opening.open_regular(path)
    try:
        opened = opening.header(fd)
        return None if opened is None else opened.first_seq
    finally:
        os.close(fd)


def _is_empty(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.stat(follow_symlinks=False).st_size == 0
    except FileNotFoundError:
        return False  # compressed since it was listed


def _names(folder: str) -> list[str]:
    try:
        return os.listdir(folder) if opening.is_folder(folder) else []
    except FileNotFoundError:
        return []
