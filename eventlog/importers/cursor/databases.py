"""The rows of Cursor's two databases, conversation by conversation.

The app's (``cursorDiskKV``) has ``composerData:<conversation>``, whose headers are the only order of the messages, and a row
``bubbleId:<conversation>:<message>`` for each. The command line's has ``blobs``, of which those that are JSON are the messages, in the
order of their rows, and ``meta``.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from eventlog.events import Parent
from eventlog.ids import session_id_of

from ..databases import record_of, rows
from ..declaration import Conversation, Found, Tables, beside
from ..intake import Place
from ..records import lenient_value
from ..values import list_of, mapping_of, text_of, time_of
from .meaning import NAME, about_of, value_of

_COMPOSER = "composerData:"
_INDEX = "composer.composerHeaders"


def is_database(tables: Tables) -> bool:
    is_of_cli = {"id", "data"} <= set(tables.get("blobs", ())) and {"key", "value"} <= set(tables.get("meta", ()))
    return {"key", "value"} <= set(tables.get("cursorDiskKV", ())) or is_of_cli


def read(connection: sqlite3.Connection, tables: Tables) -> Iterator[Conversation]:
    path = Path(connection.execute("pragma database_list").fetchone()[2])
    return _app(connection, tables, path) if "cursorDiskKV" in tables else _command_line(connection, path)


# --- the app -----------------------------------------------------------------------------------------------------------------------


def _app(connection: sqlite3.Connection, tables: Tables, path: Path) -> Iterator[Conversation]:
    index = _index(connection, tables)
    callers: dict[str, str] = {}
    names = []
    for row in _with_prefix(connection, _COMPOSER):
        name = row["key"].removeprefix(_COMPOSER)
        names.append(name)
        data = mapping_of(value_of(row["value"]))
        callers |= {each: name for each in list_of(data.get("subComposerIds")) if isinstance(each, str)}
        above = text_of(data.get("parentComposerId")) or text_of(mapping_of(data.get("subagentInfo")).get("parentComposerId"))
        if above is not None:
            callers[name] = above
    for name in names:
        row = next(rows(connection, "select * from cursorDiskKV where key = ?", _COMPOSER + name))
        data = mapping_of(value_of(row["value"]))
        if not data:
            continue
        caller = callers.get(name)
        parent = Parent(session_id=session_id_of(NAME, caller), relation="subagent") if caller and caller != name else None
        entry = index.get(name, {})
        workspace = mapping_of(data.get("workspaceIdentifier")) or mapping_of(entry.get("workspaceIdentifier"))
        cwd = _folder_of(workspace) or _folder_named(path, text_of(workspace.get("id")) or text_of(entry.get("workspaceId")))
        place = Place(session_id_of(NAME, name), (name,), parent, text_of(entry.get("name")), {"cwd": cwd} if cwd else {})
        yield Conversation(place, _conversation(connection, name, row, data))


def _conversation(connection: sqlite3.Connection, name: str, row: dict[str, Any], data: dict[str, Any]) -> Iterator[Found]:
    yield Found(record_of("cursorDiskKV", row), time_of(data.get("createdAt")))
    headers = list_of(data.get("fullConversationHeadersOnly"))
    order = [text_of(mapping_of(header).get("bubbleId")) for header in headers]
    place = {f"bubbleId:{name}:{bubble}": number for number, bubble in enumerate(order) if bubble is not None}
    keys = [found[0] for found in connection.execute(f"select key from cursorDiskKV where {_RANGE}", _range(f"bubbleId:{name}:"))]
    for key in sorted(keys, key=lambda each: place.get(each, len(place))):
        bubble = next(rows(connection, "select * from cursorDiskKV where key = ?", key))
        yield Found(record_of("cursorDiskKV", bubble), time_of_bubble(mapping_of(value_of(bubble["value"]))))


def time_of_bubble(bubble: dict[str, Any]) -> datetime | None:
    timing = mapping_of(bubble.get("timingInfo"))
    stated = (bubble.get("createdAt"), timing.get("clientRpcSendTime"), timing.get("clientStartTime"))
    return next((time for time in map(time_of, stated) if time is not None and time.year > 2000), None)


_RANGE = "key >= ? and key < ?"  # which an index on the key answers, unlike a pattern


def _range(prefix: str) -> tuple[str, str]:
    return prefix, prefix[:-1] + chr(ord(prefix[-1]) + 1)


def _with_prefix(connection: sqlite3.Connection, prefix: str) -> Iterator[dict[str, Any]]:
    return rows(connection, f"select * from cursorDiskKV where {_RANGE} order by rowid", *_range(prefix))


def _index(connection: sqlite3.Connection, tables: Tables) -> dict[str, dict[str, Any]]:
    """What the app's list of conversations says of each: its name and its workspace."""
    listed: list[Any] = []
    if {"key", "value"} <= set(tables.get("ItemTable", ())):
        for row in rows(connection, "select value from ItemTable where key = ?", _INDEX):
            listed += list_of(mapping_of(value_of(row["value"])).get("allComposers"))
    if "composerHeaders" in tables:
        for row in rows(connection, "select * from composerHeaders"):
            listed += [row, *(value_of(each) for each in row.values() if isinstance(each, (str, bytes)))]
    entries = (mapping_of(each) for each in listed if isinstance(each, dict))
    return {name: entry for entry in entries if (name := text_of(entry.get("composerId")))}


def _folder_of(workspace: dict[str, Any]) -> str | None:
    uri = workspace.get("uri")
    return text_of(mapping_of(uri).get("fsPath")) or text_of(mapping_of(uri).get("path"))


def _folder_named(database: Path, workspace: str | None) -> str | None:
    """The folder of a workspace, which a file in its own storage names."""
    if not workspace or "/" in workspace:
        return None
    try:
        stated = lenient_value((database.parent.parent / "workspaceStorage" / workspace / "workspace.json").read_bytes())
    except (OSError, ValueError):
        return None
    folder = text_of(mapping_of(stated).get("folder"))
    return folder.removeprefix("file://") if folder else None


# --- the command line --------------------------------------------------------------------------------------------------------------


def _command_line(connection: sqlite3.Connection, path: Path) -> Iterator[Conversation]:
    described = list(rows(connection, "select * from meta order by rowid"))
    stated = next((about_of(row["value"]) for row in described if str(row["key"]) == "0"), {})
    name = text_of(stated.get("agentId")) or path.absolute().parent.name
    yield Conversation(Place(session_id_of(NAME, name), (name,)), _blobs(connection, path, described, stated))


def _blobs(connection: sqlite3.Connection, path: Path, described: list[dict[str, Any]], stated: dict[str, Any]) -> Iterator[Found]:
    began = time_of(stated.get("createdAt"))
    yield from beside(path.parent / "meta.json")
    for row in described:
        yield Found(record_of("meta", row), began)
    for row in rows(connection, "select * from blobs order by rowid"):
        yield Found(record_of("blobs", row), began)
