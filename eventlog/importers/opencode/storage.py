"""opencode's files before 1.2: ``storage/session/<project>/<id>.json``, ``storage/message/<session>/<id>.json``,
``storage/part/<message>/<id>.json``.

A session is taken whole, whichever of its files is named: the session's own file stands for all of them. A record is a file's JSON; one
that does not say itself where it belongs is ``{"file":"part/<message>/<id>.json","value":{...}}``.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import msgspec

from eventlog.events import Parent
from eventlog.ids import session_id_of

from ..declaration import Conversation, Found, named
from ..intake import Place
from ..listed import join_list, split_list
from ..records import lenient_value, on_one_line
from ..states import last_rows
from ..values import mapping_of, text_of, time_of
from .meaning import NAME

_KINDS = ("session", "message", "part")


def is_document(value: Any) -> bool:
    if is_exchange(value):
        return True
    if not isinstance(value, dict) or not isinstance(value.get("id"), str):
        return False
    if "role" in value:
        return "sessionID" in value
    if "type" in value:
        return "messageID" in value or "sessionID" in value or ("text" in value and "time" in value)
    return isinstance(value.get("time"), dict) and "created" in value["time"] and ("directory" in value or "projectID" in value)


def is_exchange(value: Any) -> bool:
    """Whether this is the document that opencode exports and imports: ``{info, messages: [{info, parts}]}``."""
    if not isinstance(value, dict) or not isinstance(value.get("messages"), list):
        return False
    named = text_of(mapping_of(value.get("info")).get("id")) or ""
    return named.startswith("ses") and all("info" in mapping_of(each) and "parts" in each for each in value["messages"])


def _exchanged(data: bytes, value: dict[str, Any]) -> Iterator[Conversation]:
    info = mapping_of(value["info"])
    above = text_of(info.get("parentID"))
    parent = Parent(session_id=session_id_of(NAME, above), relation="subagent") if above else None
    place = Place(session_id_of(NAME, info["id"]), (info["id"],), parent)
    yield split_list(
        place, data, value, "messages", time=_time(info), time_of_message=lambda each: _time(mapping_of(each["info"])), id_of=_id
    )


def _id(message: dict[str, Any]) -> str | None:
    return text_of(mapping_of(message.get("info")).get("id"))


join = join_list("messages", _id)


def unit(path: Path) -> Path | None:
    """The file that stands for the session that this one is of; itself where none does."""
    where = _where(path)
    if where is None:
        return None
    root, kind = where
    if kind == "session":
        return path
    storage = _storage(str(root), _stamp(root))
    if kind == "message":
        return storage.file_of(path.parent.name) or path
    message_id = path.parent.name if path.parent.name != "part" else text_of(mapping_of(_value(path)).get("messageID")) or ""
    session = storage.session_of(message_id)
    if session is None:
        return path
    return storage.file_of(session) or storage.messages[session][0]


def split(path: Path, data: bytes, value: dict[str, Any]) -> Iterator[Conversation]:
    if is_exchange(value):
        yield from _exchanged(data, value)
        return
    where = _where(path)
    its = text_of(value.get("sessionID")) or (text_of(value.get("id")) if "role" not in value and "type" not in value else None)
    if its is None:
        yield Conversation(None, [Found(data, problem="a part that does not say of which session it is")])
        return
    found = [Found(_record(path, data, value, where), _time(value))]
    parent = text_of(value.get("parentID")) if "role" not in value and "type" not in value else None
    if where is not None and where[1] != "part":
        found = [] if where[1] == "message" else found
        found += _storage(str(where[0]), _stamp(where[0])).records(its)
    above = Parent(session_id=session_id_of(NAME, parent), relation="subagent") if parent else None
    yield Conversation(Place(session_id_of(NAME, its), (its,), above), found)


def files(records: list[bytes]) -> list[tuple[str, bytes]]:
    """The files that the records were; rows as they are, a line each; none where they are of an exported document."""
    if any("info" in mapping_of(lenient_value(record)) for record in records):
        return []
    if any("table" in mapping_of(lenient_value(record)) for record in records):
        return [("", b"".join(last_rows(records)))]
    found: dict[str, bytes] = {}
    for record in records:
        placed = named(record)
        if placed is None:
            value = mapping_of(lenient_value(record))
            placed = f"{_folder_for(value)}/{value.get('id')}.json", record
        found[placed[0]] = placed[1]
    return sorted(found.items(), key=lambda each: _KINDS.index(each[0].split("/")[0]))


def _folder_for(value: dict[str, Any]) -> str:
    if "role" in value:
        return f"message/{value.get('sessionID')}"
    return f"part/{value.get('messageID')}" if "type" in value else f"session/{value.get('projectID')}"


class _Storage:
    """What lies where in one storage folder, by the names of its files."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._files = {path.stem.removeprefix("ses_"): path for path in sorted((root / "session").rglob("*.json"))}
        self.messages = {folder.name: sorted(folder.glob("*.json")) for folder in _folders(root / "message")}
        self._by_name = {path.stem: session for session, paths in self.messages.items() for path in paths}
        self._loose: dict[str, list[Path]] = {}
        for path in sorted((root / "part").glob("*.json")):
            self._loose.setdefault(text_of(mapping_of(_value(path)).get("messageID")) or "", []).append(path)

    def file_of(self, session: str) -> Path | None:
        return self._files.get(session.removeprefix("ses_"))

    def session_of(self, message_id: str) -> str | None:
        return self._by_name.get(message_id) or self._by_id.get(message_id)

    @cached_property
    def _by_id(self) -> dict[str, str]:
        """The session of each message, where a file is not named after its message."""
        every = ((session, _value(path)) for session, paths in self.messages.items() for path in paths)
        return {str(mapping_of(value).get("id")): session for session, value in every}

    def records(self, session: str) -> Iterator[Found]:
        """The parts and messages of a session, each message after its parts, in the order of their times."""
        messages = [(path, data, value) for path in self.messages.get(session, ()) for data, value in _read(path)]
        messages.sort(key=lambda each: (mapping_of(each[2].get("time")).get("created") or 0, each[2].get("id") or ""))
        for path, data, value in messages:
            time = _time(value)
            names = {path.stem, text_of(value.get("id")) or path.stem}
            paths = [each for name in sorted(names) for each in sorted((self._root / "part" / name).glob("*.json"))]
            for part in [*paths, *(each for name in sorted(names) for each in self._loose.get(name, ()))]:
                for part_data, part_value in _read(part):
                    yield Found(_record(part, part_data, part_value, (self._root, "part")), time)
            yield Found(_record(path, data, value, (self._root, "message")), time)


@lru_cache(maxsize=4)
def _storage(root: str, stamp: tuple[int, ...]) -> _Storage:
    return _Storage(Path(root))


def _stamp(root: Path) -> tuple[int, ...]:
    """What changes when a session, or a message's folder, comes or goes."""
    stamps = []
    for kind in _KINDS:
        for folder in (root / kind, *_folders(root / kind)) if kind != "part" else (root / kind,):
            try:
                stamps.append(os.stat(folder).st_mtime_ns)
            except OSError:
                stamps.append(0)
    return tuple(stamps)


def _where(path: Path) -> tuple[Path, str] | None:
    """The storage folder that the file lies in, and what kind of file it is there."""
    for folder in list(path.absolute().parents)[:3]:
        if folder.name in _KINDS and (folder.parent / "message").is_dir():
            return folder.parent, folder.name
    return None


def _record(path: Path, data: bytes, value: dict[str, Any], where: tuple[Path, str] | None) -> bytes:
    text = on_one_line(data.strip())
    tells = "messageID" in value or "type" not in value or where is None
    if tells:
        return text
    name = path.absolute().relative_to(where[0]).as_posix() if where else path.name
    return b'{"file":' + msgspec.json.encode(name) + b',"value":' + text + b"}"


def _read(path: Path) -> Iterator[tuple[bytes, dict[str, Any]]]:
    """The file's bytes and its object; nothing where it is none (yet)."""
    try:
        data = path.read_bytes()
    except OSError:
        return
    value = lenient_value(data)
    if isinstance(value, dict):
        yield data, value


def _value(path: Path) -> Any:
    return next((value for _, value in _read(path)), None)


def _folders(path: Path) -> list[Path]:
    try:
        return sorted(each for each in path.iterdir() if each.is_dir())
    except OSError:
        return []


def _time(value: dict[str, Any]) -> Any:
    times = mapping_of(value.get("time"))
    return time_of(times.get("created")) or time_of(times.get("start"))
