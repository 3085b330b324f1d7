"""What can be found of a session's metadata: each name with its value, and the foreign key that it stands for.

The table ``metadata`` has a row per name; the values themselves are in the fold's memory, where a merge patch finds them, so that a
session with much metadata costs what changes.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec
from msgspec import UNSET

from eventlog.algebra.merge_patch import merge_patch

from ..projection import State, Table, short_key
from .summary import Summary

METADATA: Final = Table(
    name="metadata", columns={"name": "TEXT", "value": "TEXT NOT NULL"}, key=("name",), indexes=("name, value", "value"),
)  # fmt: skip
MOST_NAMES: Final = 256  # of one session that can be found: the names are in every checkpoint
_KEY: Final = "key"  # the name under which a foreign key stands


def comparable(value: Any) -> str:
    """A JSON value as a text that is equal where the values are; short, whatever the value is. Raises `TypeError` for what is no JSON.

    >>> comparable({"b": 1, "a": "x"})
    '{"a":"x","b":1}'
    """
    return short_key(msgspec.json.encode(value, order="deterministic").decode())


def begin_metadata(state: State[Summary], metadata: dict[str, Any]) -> None:
    """Of a ``session.started``: what is there already stays."""
    for name, value in metadata.items():
        if name not in state.kept.metadata_names:
            _keep(state, name, value)


def patch_metadata(state: State[Summary], patch: Any) -> None:
    """Of a ``session.updated``: a merge patch, None removes all."""
    if patch is UNSET:
        return
    if patch is None:
        patch = dict.fromkeys(state.kept.metadata_names)
    for name, change in patch.items():
        if change is None:
            _remove(state, name)
        else:
            before = state.memory.find("meta " + name)
            _keep(state, name, merge_patch(None if before is None else before[0], change))


def _keep(state: State[Summary], name: str, value: Any) -> None:
    names = state.kept.metadata_names
    if name not in names:
        if len(names) >= MOST_NAMES:
            return
        names.append(name)
    state.memory.keep("meta " + name, [value])
    state.rows.put("metadata", (short_key(name),), {"name": short_key(name), "value": comparable(value)})
    if name == _KEY:
        state.kept.key = foreign_key(value)


def _remove(state: State[Summary], name: str) -> None:
    names = state.kept.metadata_names
    if name in names:
        names.remove(name)
        state.memory.keep("meta " + name, None)
        state.rows.drop("metadata", {"name": short_key(name)})
    if name == _KEY:
        state.kept.key = None


def foreign_key(value: Any) -> tuple[str, str, int] | None:
    """Namespace, key (the JSON array of its texts) and generation, if the value is such."""
    if not isinstance(value, dict) or not isinstance(value.get("namespace"), str):
        return None
    texts, generation = value.get("key"), value.get("generation", 1)
    texts = [texts] if isinstance(texts, str) else texts
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        return None
    generation = generation if isinstance(generation, int) and 0 < generation < 1 << 31 else 1
    return value["namespace"], short_key(joined(texts)), generation


def joined(texts: list[str]) -> str:
    """The texts of a key as a person writes them."""
    return "/".join(texts)
