"""Session ids: the rule, new ones (UUIDv7), stable ones for foreign names (UUIDv5), and their order."""

from __future__ import annotations

import os
import re
import time
import uuid
from collections.abc import Iterable, Iterator
from functools import lru_cache
from hashlib import sha256
from heapq import merge
from typing import IO, Final

from msgspec import json

from .errors import InvalidSessionId

_RULE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_HELD: Final = 65_536  # how many sessions are sorted in memory, some 15 MB
_FOREIGN = uuid.UUID("5b1c8f5e-9d0a-5c1e-8a51-6f0f7c1d2e01")


def check_session_id(session_id: str) -> str:
    """Return the id, or raise `InvalidSessionId` with the rule (FORMAT.md, "Session ids")."""
    if not isinstance(session_id, str):
        raise TypeError(f"a session id is a str, not {type(session_id).__name__}")
    if _RULE.fullmatch(session_id) is None:
        raise InvalidSessionId(session_id)
    return session_id


def check_session_ids(session_ids: Iterable[str] | None) -> list[str] | None:
    """The ids, each checked; None, which stands for all of them, as it is."""
    return None if session_ids is None else [check_session_id(session_id) for session_id in session_ids]


def new_session_id() -> str:
    """A UUIDv7: sorts by creation time (milliseconds), 74 random bits."""
    value = (time.time_ns() // 1_000_000 << 80) | int.from_bytes(os.urandom(10), "big")
    value = value & ~(0xF << 76) | 0x7 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    return str(uuid.UUID(int=value))


def session_id_for(*names: str) -> str:
    """The UUIDv5 for a foreign name (or several): the same names give the same id, for ever."""
    return str(uuid.uuid5(_FOREIGN, "\x00".join(names)))


def session_id_of(*names: str) -> str:
    """The id for a foreign name, which is the last of these: the name itself where our rule allows it, else the one that `session_id_for`
    gives."""
    return names[-1] if _RULE.fullmatch(names[-1]) else session_id_for(*names)


@lru_cache(1024)
def shard(session_id: str) -> str:
    """Two hex digits that follow from the id, folded to lower case so that ids that differ only in case meet in one place."""
    return sha256(session_id.lower().encode()).hexdigest()[:2]


def order(session_id: str) -> tuple[str, str]:
    """The key of the order in which sessions are listed."""
    return shard(session_id), session_id


def in_id_order(stamps: Iterable[tuple[str, str]], held: int = _HELD) -> Iterator[tuple[str, str]]:
    """Pairs of a session's id and a text, in the order of the ids as text, which is that of creation for generated ones.

    Backends list sessions in the order of `order`, shard by shard. So all have to be seen before the first can be told; what is more than
    ``held`` of them is sorted by way of temporary files, one for each ``held``, which go with the iterator."""
    runs: list[IO[bytes]] = []
    try:
        batch: list[tuple[str, str]] = []
        for pair in stamps:
            batch.append(pair)
            if len(batch) == held:
                runs.append(_written(sorted(batch)))
                batch = []
        yield from merge(*map(_read, runs), sorted(batch))
    finally:
        for run in runs:
            run.close()


def _written(pairs: list[tuple[str, str]]) -> IO[bytes]:
    from tempfile import TemporaryFile

    run: IO[bytes] = TemporaryFile()  # noqa: SIM115  # closed by whoever reads it
    run.writelines(json.encode(pair) + b"\n" for pair in pairs)
    run.seek(0)
    return run


def _read(run: IO[bytes]) -> Iterator[tuple[str, str]]:
    for line in run:
        session_id, stamp = json.decode(line, type=list[str])
        yield session_id, stamp
