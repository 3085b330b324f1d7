"""Cline: the extension's tasks (`tasks`), ``globalStorage/saoudrizwan.claude-dev/tasks/<id>/``, and the sessions of its command line
(`command_line`), ``~/.cline/data/sessions/<id>/``. Roo Code and Kilo Code, which came of it, keep tasks in its grammar.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..declaration import Conversation, Documents, Format, Location
from ..intake import Meaning, Place
from . import command_line, tasks

NAME = "cline"
FAMILY = {
    NAME: ("*/saoudrizwan.claude-dev/*", "*/.cline/*"),
    "roo-code": ("*/rooveterinaryinc.roo-cline/*", "*/ibm.bob-code/*"),
    "kilo-code": ("*/kilocode.kilo-code/*",),
}
EDITORS = ("Code", "Code - Insiders", "VSCodium", "Cursor", "Windsurf", "Kiro", "Antigravity")


def in_editors(extension: str) -> tuple[Location, ...]:
    """Where an extension of this family keeps its tasks, in each editor, here and on a machine that an editor came to from another one."""
    here = (Location(f"$CONFIG/{editor}/User/globalStorage", f"{extension}/tasks") for editor in EDITORS)
    return (*here, Location("~/.vscode-server/data/User/globalStorage", f"{extension}/tasks"))


def variant(name: str, tool: str, extension: str, *locations: Location) -> Format:
    """The format of another member of the family, which has tasks only."""
    return Format(
        name=name,
        tool=tool,
        meaning=lambda place: tasks.TaskMeaning(name, place),
        names=(tasks.HISTORY, tasks.SHOWN),
        family=FAMILY,
        locations=(*in_editors(extension), *locations),
        documents=Documents(tasks.is_document, lambda path, data, value: tasks.split(name, path, data, value), tasks.unit),
        files=tasks.files,
        checked_on="its description",
    )


def _meaning(place: Place) -> Meaning:
    is_of_command_line = place.metadata.get("entrypoint") == command_line.ENTRYPOINT
    return command_line.CommandLineMeaning(place) if is_of_command_line else tasks.TaskMeaning(NAME, place)


def _is_document(value: Any) -> bool:
    return command_line.is_document(value) or tasks.is_document(value)


def _split(path: Path, data: bytes, value: Any) -> Iterator[Conversation]:
    if isinstance(value, dict):
        return command_line.split(path, data, value)
    return tasks.split(NAME, path, data, value)


def _unit(path: Path) -> Path | None:
    return tasks.unit(path) if path.name in (tasks.HISTORY, tasks.SHOWN) else command_line.unit(path)


FORMAT = Format(
    name=NAME,
    tool="Cline",
    meaning=_meaning,
    names=(tasks.HISTORY, tasks.SHOWN, "*.messages.json"),
    family=FAMILY,
    locations=(
        *in_editors("saoudrizwan.claude-dev"),
        Location("~/.cline/data/tasks"),
        Location("~/.cline/data/sessions", variable="CLINE_SESSION_DATA_DIR"),
        Location("", "sessions", "CLINE_DATA_DIR"),
        Location("", "data/sessions", "CLINE_DIR"),
    ),
    documents=Documents(_is_document, _split, _unit),
    files=lambda records: command_line.files(records) or tasks.files(records),
    checked_on="its description",
)
