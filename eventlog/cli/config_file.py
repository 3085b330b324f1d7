"""One line of the config file, changed: comments, order and tables stay as a person has written them."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import msgspec

from ..errors import InvalidSetting
from ..files.disk import Disk
from ..ids import new_session_id


def with_value(path: Path, name: str, value: Any) -> None:
    """Set the value (None: remove its line). The file is made where it is not there, and replaced whole or not at all.

    Raises `InvalidSetting` where the file is not TOML or holds the setting over several lines, `OSError`."""
    path = path.resolve()  # a link stays one
    try:
        before = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        before = ""
    after = changed(before, name, value)
    expected = {} if value is None else {name: str(value) if isinstance(value, Path) else value}
    try:
        found = tomllib.loads(after)
    except tomllib.TOMLDecodeError as error:
        raise InvalidSetting(name, value, f"the config file {path}", f"the file cannot be changed ({error}); edit it by hand") from error
    if {key: found[key] for key in (name,) if key in found} != expected:
        raise InvalidSetting(name, value, f"the config file {path}", "its line there cannot be told; edit it by hand")
    path.parent.mkdir(parents=True, exist_ok=True)
    _replace(path, after.encode())


def _replace(path: Path, data: bytes) -> None:
    disk = Disk()
    beside = str(path.with_name(f".{path.name}.{new_session_id()}.tmp"))
    fd = disk.open(beside, create=True)
    try:
        rest = memoryview(data)
        while rest:
            rest = rest[disk.write(fd, rest) :]
        disk.sync(fd)
    finally:
        disk.close(fd)
    disk.rename(beside, str(path))
    disk.sync_directory(str(path.parent))


def changed(text: str, name: str, value: Any) -> str:
    """The text of the file with the setting in it, in its old place or behind the last one before the tables.

    >>> changed('# mine\\nsync = "never"  # fast\\n[templates.bug]\\n', "keep_days", 30)
    '# mine\\nsync = "never"  # fast\\nkeep_days = 30\\n[templates.bug]\\n'
    """
    lines = text.splitlines(keepends=True)
    if lines and not lines[-1].endswith("\n"):
        lines[-1] += "\n"
    end = next((number for number, line in enumerate(lines) if line.lstrip().startswith("[")), len(lines))
    at = next((number for number, line in enumerate(lines[:end]) if re.match(rf"\s*(?:{name}|\"{name}\"|'{name}')\s*=", line)), None)
    new = [] if value is None else [f"{name} = {_toml(value)}\n"]
    if at is not None:
        lines[at : at + 1] = new
    else:
        lines[end:end] = new
    return "".join(lines)


def _toml(value: Any) -> str:
    """The value as TOML has it: its strings are JSON's but for what is beyond ASCII, which needs no escape in either."""
    if isinstance(value, bool | int | float):
        return str(value).lower()
    return msgspec.json.encode(str(value)).decode().replace("\x7f", "\\u007f")
