"""The port: what a projection is, and what a stored one may keep.

A projection is a name, a version, an initial state and a fold: a function of (version, events), without a clock, randomness or I/O.
A state of one's own (a number, a dict, a msgspec struct) is all that a small projection needs. One that keeps rows
works on a `State`:

- ``kept`` is small and goes whole into every checkpoint;
- ``memory`` holds any number of entries found by a key, of which a checkpoint writes only those that changed, so that a session
  of a million events that grew by one costs one;
- ``rows`` collects what changes in the projection's tables.

What is written at a checkpoint and read back at the next catch-up never shows in the result: it is the same as if
the session had been folded in one go.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, Generic, Protocol, TypeVar, runtime_checkable

import msgspec

from eventlog import StoredEvent
from eventlog.decoding import preparing
from eventlog.errors import EventLogError

S = TypeVar("S")
K = TypeVar("K")
Key = tuple[Any, ...]

_AS_JSON: Final = b"\xc1"
_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
_LONG_KEY = 64


class ProjectionFailed(EventLogError):
    """A fold raised (its error is ``__cause__``), or made a state that cannot be stored. What was stored before still is."""

    def __init__(self, projection: str, session_id: str, seq: int, reason: object) -> None:
        self.projection = projection
        self.session_id = session_id
        self.seq = seq
        self.reason = f"{type(reason).__name__}: {reason}" if isinstance(reason, Exception) else str(reason)
        super().__init__(
            f"the projection {projection!r} failed at event {seq} of session {session_id!r} ({self.reason}); mend its fold and raise"
            " its version; the other projections are not touched"
        )


class Projection(Protocol[S]):
    """``name`` matches ``[a-z][a-z0-9_]{0,39}``; a changed ``version`` makes the state anew, beside the old one.

    The fold owns the state it is given: it may change and return it. It must not depend on anything but its arguments. Between
    catch-ups the state is kept as MessagePack and read back as the type of the initial one (in a plain dict or list: as dicts, lists,
    texts and numbers; a `msgspec.Struct` can say more). A fold may call its two arguments as it likes; they are given by position."""

    @property
    def name(self) -> str: ...

    @property
    def version(self) -> int | str: ...

    def initial(self) -> S: ...

    def fold(self, state: S, stored: StoredEvent, /) -> S: ...


class Table(msgspec.Struct, frozen=True, kw_only=True):
    """A table of a stored projection. A row belongs to one session; ``key`` tells the rows of a session apart.

    ``columns`` are the columns with their SQL types, those of the key first. The columns named in ``words`` are made findable by
    full text and not kept otherwise. ``indexes`` are lists of columns; ``sid`` is the session's number in this database."""

    name: str
    columns: dict[str, str]
    key: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    indexes: tuple[str, ...] = ()


class Rollup(msgspec.Struct, frozen=True, kw_only=True):
    """A table over all sessions that the database keeps by itself from the rows of the others: what is asked often is not counted.

    ``columns`` with their SQL types, those of the key first. ``select`` gives its rows from nothing; ``triggers`` change it with the rows
    that it is made of (each from ``AFTER`` to ``END``). In both, tables have their bare names, each after FROM or JOIN. The two must
    agree: a check compares them."""

    name: str
    columns: dict[str, str]
    key: tuple[str, ...]
    select: str
    triggers: tuple[str, ...]


@runtime_checkable
class Tabular(Protocol):
    """What a projection with tables has besides; it may have ``rollups``, too."""

    @property
    def tables(self) -> tuple[Table, ...]: ...

    def settle(self, state: Any, /) -> None:
        """Put into ``state.rows`` what only needs to be right at a checkpoint, such as a row of totals."""


class Memory(dict[str, Any]):
    """Entries of a fold, found by key. What is not here yet is looked up where the last checkpoint left it."""

    __slots__ = ("look_up",)

    def __init__(self, look_up: Callable[[str], Any] | None = None) -> None:
        super().__init__()
        self.look_up = look_up

    def find(self, key: str) -> Any:
        """The entry, or None."""
        key = short_key(key)
        if key in self:
            return self[key]
        if self.look_up is None:
            return None
        found = self.look_up(key)
        if found is not None:
            self[key] = found
        return found

    def keep(self, key: str, value: Any) -> None:
        """Remember ``value`` (anything JSON-like); None forgets."""
        self[short_key(key)] = value


def short_key(key: str) -> str:
    """The key itself, or a digest of it where it is long: foreign ids have no limit."""
    if len(key) <= _LONG_KEY:
        return key
    from hashlib import blake2b

    return key[:24] + "#" + blake2b(key.encode(), digest_size=16).hexdigest()


class Rows:
    """What changes in the tables of one session, until the next checkpoint. A later change of a row joins the earlier one."""

    __slots__ = ("added", "changed", "dropped", "put_rows", "size_bytes")

    def __init__(self) -> None:
        self.put_rows: dict[str, dict[Key, dict[str, Any]]] = {}
        self.changed: dict[tuple[str, Key], dict[str, Any]] = {}
        self.added: dict[str, dict[Key, dict[str, int]]] = {}
        self.dropped: list[tuple[str, dict[str, Any]]] = []
        self.size_bytes = 0

    def put(self, table: str, key: Key, values: dict[str, Any]) -> None:
        """The row with this key is ``values``, whatever it was."""
        self.changed.pop((table, key), None)
        self.put_rows.setdefault(table, {})[key] = values

    def change(self, table: str, key: Key, values: dict[str, Any]) -> None:
        """Some columns of the row with this key; nothing happens where there is none."""
        row = self.put_rows.get(table, {}).get(key)
        if row is None:
            self.changed.setdefault((table, key), {}).update(values)
        else:
            row.update(values)

    def add(self, table: str, key: Key, amounts: Mapping[str, int]) -> None:
        """Add to the numbers of the row with this key, which starts from zeros."""
        row = self.added.setdefault(table, {}).setdefault(key, {})
        for name, amount in amounts.items():
            row[name] = row.get(name, 0) + amount

    def drop(self, table: str, where: dict[str, Any]) -> None:
        """The rows of the session that have these values are gone. Not for rows that are added to."""
        self.dropped.append((table, where))
        rows = self.put_rows.get(table, {})
        for key in [key for key, row in rows.items() if all(row.get(name) == value for name, value in where.items())]:
            del rows[key]

    def remove(self, table: str, key: Key, where: dict[str, Any]) -> None:
        """The row with this key is gone; ``where`` are the columns of the key. Not for rows that are added to."""
        self.dropped.append((table, where))
        self.changed.pop((table, key), None)
        self.put_rows.get(table, {}).pop(key, None)

    def clear(self) -> None:
        self.put_rows.clear()
        self.changed.clear()
        self.added.clear()
        self.dropped.clear()
        self.size_bytes = 0


class State(Generic[K]):
    """What a projection with tables or a memory works on. ``aside`` is whatever the fold made for itself to work with: it lasts as long
    as this object, and is never stored."""

    __slots__ = ("aside", "kept", "memory", "rows")

    def __init__(self, kept: K) -> None:
        self.aside: Any = None
        self.kept = kept
        self.memory = Memory()
        self.rows = Rows()


def rollups_of(projection: Projection[Any]) -> tuple[Rollup, ...]:
    """What the database of this projection keeps by itself."""
    found: tuple[Rollup, ...] = getattr(projection, "rollups", ())
    return found


def packed(value: Any) -> bytes:
    """The value as it is stored: MessagePack, or where that cannot hold a number of it (beyond 64 bits, which JSON may) JSON behind a byte
    that begins no MessagePack."""
    try:
        return msgspec.msgpack.encode(value)
    except OverflowError:
        return _AS_JSON + msgspec.json.encode(value)


class Unpacker:
    """Reads what `packed` wrote, as this type. Raises `msgspec.DecodeError` and `UnicodeDecodeError`."""

    def __init__(self, type: Any = Any) -> None:
        with preparing:
            self._msgpack = msgspec.msgpack.Decoder(type)
            self._json = msgspec.json.Decoder(type)

    def decode(self, data: bytes) -> Any:
        return self._json.decode(data[1:]) if data.startswith(_AS_JSON) else self._msgpack.decode(data)


def decoder_of(projection: Projection[Any]) -> Unpacker:
    """Reads what is kept of the projection's states. Raises `ValueError` for a type that cannot be stored."""
    first = kept(projection.initial())
    try:
        decoder = Unpacker(Any if first is None else type(first))
        decoder.decode(packed(first))
    except (TypeError, msgspec.DecodeError) as error:
        raise ValueError(
            f"a state of the projection {projection.name!r} cannot be stored ({error}); use a dict or a msgspec.Struct"
        ) from error
    return decoder


def check_name(projection: Projection[Any]) -> str:
    """The projection's name, if it is one. Raises `ValueError`."""
    if not isinstance(projection.name, str) or _NAME.fullmatch(projection.name) is None:
        raise ValueError(f"invalid projection name {projection.name!r}: it matches {_NAME.pattern}")
    if projection.name in ("main", "temp"):
        raise ValueError(f"invalid projection name {projection.name!r}: the database takes it for itself")
    return projection.name


def kept(state: Any) -> Any:
    """The part of a state that goes into a checkpoint."""
    return state.kept if isinstance(state, State) else state


def fold_all(projection: Projection[S], events: Iterable[StoredEvent]) -> S:
    """The state after all events, from nothing and in memory."""
    state = projection.initial()
    for stored in events:
        state = projection.fold(state, stored)
    return state
