"""Where a tail is, and what there is to read from there: of one session, or of all.

The place in one session is a position. The place in all of them is the place in the feed of changes, and the positions of those sessions
that are being written to or are not read to their end: a session that nobody writes to is not in it, as the feed names its position when
somebody writes to it again. So the place stays small, and everything that follows it can be found from it. A session may leave it when it
was read to its end after one answer of the feed, and the next answer does not name it.

Those who begin at the start read the sessions one by one first, in the order in which they are listed; the place then has the last one
that is done.
"""

from __future__ import annotations

import base64
import binascii
import re
import zlib
from collections.abc import Callable, Iterator
from collections.abc import Set as AbstractSet
from itertools import islice
from typing import Final

import msgspec

from ..backend import Backend, Changes, Feed, Follower, Lines, OnDamage, Stream
from ..decoding import decoder
from ..errors import CursorExpired, InvalidCursor
from ..ids import order

After = int | str  # a position, a cursor, "start" or "end"
Note = Callable[[Changes | str], None]

_PREFIX: Final = "all."
_POSITION: Final = re.compile("[0-9]{1,19}")
_MOST_CURSOR_BYTES: Final = 64 * 1024 * 1024
_SESSIONS_AT_ONCE: Final = 64  # of those read from their start: how many are read before the feed is asked again


class Where:
    """A place as it can be written down: up to where each session in it was delivered; of all sessions also the ``feed``'s cursor.

    ``behind``: those not read to their end since the feed named them. ``done``: while reading from the start, the last session that is
    done, "" before the first."""

    __slots__ = ("behind", "done", "feed", "positions")

    def __init__(self, positions: dict[str, int], feed: str | None = None, done: str | None = None) -> None:
        self.positions = positions
        self.feed = feed
        self.done = done
        self.behind: set[str] = set()

    def copy(self) -> Where:
        copied = Where(dict(self.positions), self.feed, self.done)
        copied.behind = set(self.behind)
        return copied

    @property
    def cursor(self) -> str:
        if self.feed is None:
            return str(next(iter(self.positions.values())))
        return _encode(_Place(self.feed, self.positions, self.done))

    def take_in(self, changes: Changes, stay: AbstractSet[str] = frozenset()) -> tuple[set[str], set[str]]:
        """What the feed has answered; returns the sessions that are new in the place, and those that have left it. ``stay``: may not."""
        self.feed = changes.cursor
        idle = self.positions.keys() - changes.sessions.keys() - self.behind - stay
        left = {session_id for session_id in idle if not self.is_ahead(session_id)}
        for session_id in left:
            del self.positions[session_id]
        new = changes.sessions.keys() - self.positions.keys()
        for session_id in new:
            position = changes.sessions[session_id]
            if self.is_ahead(session_id):
                position = 0
            elif position < 0:
                raise CursorExpired(f"the journal of changes was deleted, and with it the position of session {session_id!r}")
            self.positions[session_id] = position
        self.behind.update(changes.sessions)
        return new, left

    def is_ahead(self, session_id: str) -> bool:
        """Whether the session is still to be read from its start."""
        return self.done is not None and (not self.done or order(session_id) > order(self.done))


class OneSession:
    """The place in one session, and what reads on from it."""

    def __init__(self, stream: Stream, after: After | Where, on_damage: OnDamage) -> None:
        position = after.positions[stream.session_id] if isinstance(after, Where) else _position(stream, after)
        self.where = Where({stream.session_id: position})
        self.name = f"session {stream.session_id}"
        self.note: Note | None = None
        self._session_id = stream.session_id
        self._follower = stream.follow(position, on_damage, keep_open=True)

    def look(self, changed: set[str] | None) -> Iterator[Lines]:
        return self._follower.more()

    def go_back(self) -> None:
        """Read again what was not delivered."""
        self._follower.go_back(self.where.positions[self._session_id])

    def close(self) -> None:
        self._follower.close()


def _position(stream: Stream, after: After) -> int:
    """The position meant. One behind the end is refused: whoever waits there would miss what comes before it."""
    if after == "start":
        return 0
    if after == "end":
        return stream.last_seq()
    if not (isinstance(after, int) and after >= 0) and not (isinstance(after, str) and _POSITION.fullmatch(after)):
        raise InvalidCursor(f"{str(after)[:80]!r} is not a place in one session; give the seq of an event, 'start' or 'end'")
    position = int(after)
    last_seq = stream.last_seq() if position else 0
    if position > last_seq:
        raise InvalidCursor(
            f"session {stream.session_id!r} ends at {last_seq}, so {position} is the place of another session, or of what a power loss or a"
            " restored backup took back; give 'end' for what comes next, or 'start'"
        )
    return position


class AllSessions:
    """The place in all sessions of a store, and what reads on from it. ``note`` is called with whatever moves the place but lines: an
    answer of the feed, or a session that was read to its end."""

    name = "all sessions"

    def __init__(self, backend: Backend, after: After | Where, on_damage: OnDamage) -> None:
        self.note: Note | None = None
        self._backend = backend
        self._on_damage: OnDamage = on_damage
        self._followers: dict[str, Follower] = {}
        if isinstance(after, Where):
            self.where = after.copy()
        else:
            place = _Place(None) if after in ("start", "end", 0, "0") else _decode(after)
            self.where = Where(dict(place.positions), place.feed, place.done)
        self.where.behind.update(self.where.positions)
        self._feed: Feed = backend.feed(self.where.feed)
        try:
            changes = self._feed.next()
            if self.where.feed is not None:
                if changes.full:
                    raise CursorExpired(
                        "it is of another store, of another boot, or from before what the journal of changes reaches back to"
                    )
                self.where.take_in(changes)
            elif after == "end":
                self._begin_at_the_end()
            else:
                self.where.feed, self.where.done = changes.cursor, ""
        except BaseException:
            self._feed.close()
            raise

    def look(self, changed: set[str] | None) -> Iterator[Lines]:
        """Everything that there is to read, in whole appends; the first ones of a session may hold more. ``changed``: a hint where to
        look; None: everywhere."""
        while self.where.done is not None:
            yield from self._read(self._ask())
            yield from self._read_next_sessions(self.where.done)
        if changed is None:
            self._ask()
            yield from self._read(set(self.where.positions))
        elif changed <= self.where.positions.keys():
            yield from self._read(changed)
        else:
            yield from self._read(self._ask() | changed)

    def go_back(self) -> None:
        """Read again what was not delivered."""
        for session_id, follower in self._followers.items():
            follower.go_back(self.where.positions[session_id])

    def close(self) -> None:
        for follower in self._followers.values():
            follower.close()
        self._followers.clear()
        self._feed.close()

    def _begin_at_the_end(self) -> None:
        """The feed's place was taken first: what is appended from then on is either named by it, or was counted in a position."""
        changes = self._feed.next()
        for session_id, position in changes.sessions.items():
            if position < 0:
                position = self._backend.stream(session_id, create=False).last_seq()
            self.where.positions[session_id] = position
            self.where.behind.add(session_id)
        self.where.feed = changes.cursor

    def _ask(self) -> set[str]:
        """Ask the feed; returns the sessions that are new in the place."""
        changes = self._feed.next()
        if changes.full:
            raise CursorExpired("the journal of changes was lost, or went on by more than it keeps while this tail was not read")
        new, left = self.where.take_in(changes)
        for session_id in left:
            follower = self._followers.pop(session_id, None)
            if follower is not None:
                follower.close()
        if self.note is not None:
            self.note(changes)
        return new

    def _read(self, session_ids: set[str]) -> Iterator[Lines]:
        for session_id in session_ids & self.where.positions.keys():
            follower = self._followers.get(session_id)
            if follower is not None and follower.is_at_end():  # most of them, at most looks
                self._is_read(session_id)
            else:
                yield from self._read_to_its_end(session_id)

    def _read_to_its_end(self, session_id: str) -> Iterator[Lines]:
        follower = self._followers.get(session_id)
        if follower is None:
            stream = self._backend.stream(session_id, create=False)
            follower = stream.follow(self.where.positions[session_id], self._on_damage, keep_open=False)
            self._followers[session_id] = follower
        yield from follower.more()
        self._is_read(session_id)

    def _is_read(self, session_id: str) -> None:
        if session_id in self.where.behind:
            self.where.behind.discard(session_id)
            if self.note is not None:
                self.note(session_id)

    def _read_next_sessions(self, done: str) -> Iterator[Lines]:
        count = 0
        for session_id in islice(self._backend.session_ids(done or None), _SESSIONS_AT_ONCE):
            self.where.positions.setdefault(session_id, 0)
            yield from self._read_to_its_end(session_id)
            self.where.done = session_id
            count += 1
        if count < _SESSIONS_AT_ONCE:
            self.where.done = None


# --- the text of a place ---------------------------------------------------------------------------------------------------------


class _Place(msgspec.Struct, frozen=True, array_like=True):
    feed: str | None
    positions: dict[str, int] = {}
    done: str | None = None


def _encode(place: _Place) -> str:
    return _PREFIX + base64.urlsafe_b64encode(zlib.compress(msgspec.json.encode(place))).decode().rstrip("=")


def _decode(text: After) -> _Place:
    if isinstance(text, str) and text.startswith(_PREFIX):
        try:
            packed = text[len(_PREFIX) :].encode("ascii")
            data = base64.b64decode(packed + b"=" * (-len(packed) % 4), altchars=b"-_", validate=True)
            place: _Place = decoder(_Place).decode(zlib.decompressobj().decompress(data, _MOST_CURSOR_BYTES))
            if place.feed is not None:
                return place
        except (ValueError, binascii.Error, zlib.error, msgspec.DecodeError):
            pass  # said below
    raise InvalidCursor(f"{str(text)[:80]!r} is not a cursor of all sessions; give one that a tail of all gave out, 'start' or 'end'")
