"""Templates: named beginnings of a session, in the config file (``[templates.NAME]``) or as ``NAME.toml`` and ``NAME.json`` in a folder.

A template has any of the details of `session.started`, a context (`context.updated`) and first messages:

    title = "A bug"
    tags = ["bug"]
    [context]
    project = "shop"
    [[messages]]
    role = "system"
    content = "Ask for the steps before anything else."

What is given where the session is started wins over the template: a detail replaces the template's, tags join, metadata and settings are
merged. All of it is one append. A template of the config file counts before one of the same name in the folder.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec import UNSET, UnsetType

from .algebra.merge_patch import merge_patch
from .decoding import decoder
from .errors import InvalidTemplate
from .events import ContextUpdated, Event, MessageAdded, Part, SessionStarted
from .settings import Settings, tables_in_config

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_MOST_BYTES: Final = 4 * 1024 * 1024
_SUFFIXES: Final = (".toml", ".json")


class Context(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a session begun by the template knows."""

    preferences: dict[str, Any] | UnsetType = UNSET
    topics: list[str] | UnsetType = UNSET
    project: Any | UnsetType = UNSET
    intent: str | UnsetType = UNSET
    metadata: dict[str, Any] | UnsetType = UNSET


class Message(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A message that the session begins with."""

    role: str
    content: str | list[Part]
    message_id: str | None = None
    metadata: dict[str, Any] = {}
    exclude_from_context: bool = False


class Template(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The beginning of a session."""

    title: str | None = None
    description: str | None = None
    purpose: str | None = None
    user_id: str | None = None
    tags: list[str] = []
    kind: str | None = None
    model: str | None = None
    provider: str | None = None
    settings: dict[str, Any] = {}
    metadata: dict[str, Any] = {}
    context: Context | None = None
    messages: list[Message] = []

    def events(self, details: Mapping[str, Any]) -> list[Event]:
        """What a session is started with, where these fields of `SessionStarted` are given besides."""
        merged = {name: getattr(self, name) for name in SessionStarted.__struct_fields__ if hasattr(self, name)}
        given = {name: value for name, value in details.items() if value is not None}
        merged |= given
        merged["tags"] = list(dict.fromkeys([*self.tags, *given.get("tags", ())]))
        for name in ("settings", "metadata"):
            merged[name] = merge_patch(getattr(self, name), given.get(name, {}))
        found: list[Event] = [SessionStarted(**merged)]
        if self.context is not None:
            found.append(ContextUpdated(**msgspec.structs.asdict(self.context)))
        found += [MessageAdded(**msgspec.structs.asdict(message)) for message in self.messages]
        return found


decoder(Template)  # which makes converting to it safe in every thread


def load(name: str, settings: Settings) -> Template:
    """The template of this name. Raises `InvalidTemplate` where there is none, or it is not one."""
    if not isinstance(name, str) or _NAME.fullmatch(name) is None:
        raise InvalidTemplate(str(name), f"a template's name matches {_NAME.pattern}")
    for source, templates in _in_config():
        if name in templates:
            return _template(name, source, templates[name])
    for suffix in _SUFFIXES:
        path = settings.templates_folder / (name + suffix)
        data = _read(name, path)
        if data is not None:
            return _template(name, str(path), _parsed(name, path, data))
    known = ", ".join(names(settings)) or "none"
    raise InvalidTemplate(name, f"there is no such template; there are: {known}. Put NAME.toml into {settings.templates_folder}")


def names(settings: Settings) -> list[str]:
    """The names of all templates that there are, whether they can be used or not."""
    found = {name for _, templates in _in_config() for name in templates}
    try:
        files = os.listdir(settings.templates_folder)
    except OSError:
        files = []
    found |= {stem for stem, suffix in map(os.path.splitext, files) if suffix in _SUFFIXES and _NAME.fullmatch(stem)}
    return sorted(found)


def _in_config() -> Iterator[tuple[str, dict[str, Any]]]:
    path, templates = tables_in_config("templates")
    if templates is None:
        return
    if not isinstance(templates, dict):
        raise InvalidTemplate("templates", f"in {path} it is not a table; write [templates.NAME] and the template's lines below it")
    yield str(path), templates


def _read(name: str, path: Path) -> bytes | None:
    try:
        with open(path, "rb") as file:
            data = file.read(_MOST_BYTES + 1)
    except FileNotFoundError:
        return None
    except NotADirectoryError:
        return None
    except OSError as error:
        raise InvalidTemplate(name, f"{path} cannot be read ({error.strerror}); change its mode, or name another template") from error
    if len(data) > _MOST_BYTES:
        raise InvalidTemplate(name, f"{path} is larger than {_MOST_BYTES:,} bytes; make it shorter")
    return data


def _parsed(name: str, path: Path, data: bytes) -> Any:
    import tomllib

    try:
        return msgspec.json.decode(data) if path.suffix == ".json" else tomllib.loads(data.decode())
    except (msgspec.DecodeError, tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        kind = "JSON" if path.suffix == ".json" else "TOML"
        raise InvalidTemplate(name, f"{path} is not {kind} ({error}); mend it") from error


def _template(name: str, source: str, found: Any) -> Template:
    try:
        return msgspec.convert(msgspec.to_builtins(found), type=Template)  # dates and times of TOML as text
    except (msgspec.ValidationError, TypeError, RecursionError) as error:
        raise InvalidTemplate(
            name, f'{source} has it in another shape ({error}); README.md, "Templates", says what may be in it'
        ) from error
