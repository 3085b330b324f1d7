"""Other tools' sessions -> events. One module per format, loaded when it is asked for.

A format is a declaration (`declaration.Format`) that one intake runs. An importer is idempotent: the log remembers which source records it
holds, so that importing again, or importing a file that has grown, adds what is new and nothing else.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from datetime import datetime
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol, cast

from eventlog.errors import InvalidInput
from eventlog.log import EventLog

from .report import ImportReport, Skipped

if TYPE_CHECKING:
    from .declaration import Format

__all__ = ["FORMATS", "ImportReport", "Importer", "Skipped", "SourceFile", "declared", "import_paths", "open_importer"]

FORMATS: Final = {
    "claude-code": "claude_code",
    "codex": "codex",
    "gemini-cli": "gemini_cli",
    "chatgpt": "chatgpt",
    "claude-ai": "claude_ai",
    "opencode": "opencode",
    "copilot-cli": "copilot_cli",
    "pi": "pi",
    "aider": "aider",
    "swe-agent": "swe_agent",
    "mini-swe-agent": "mini_swe_agent",
    "openhands": "openhands",
    "langsmith": "langsmith",
    "managed-agents": "managed_agents",
    "sharegpt": "sharegpt",
    "specstory": "specstory",
    "inspect": "inspect_logs",
    "copilot-vscode": "copilot_vscode",
    "openai-agents": "openai_agents",
    "llm": "llm",
    "cline": "cline",
    "roo-code": "roo_code",
    "kilo-code": "kilo_code",
    "session-json": "session_json",
    "session-folder": "session_folder",
    "crush": "crush",
    "goose": "goose",
    "amp": "amp",
    "cursor": "cursor",
    "continue": "continue_dev",
    "qwen-code": "qwen_code",
    "kimi": "kimi",
    "droid": "droid",
    "openclaw": "openclaw",
    "grok": "grok",
    "hermes": "hermes",
    "zed": "zed",
    "antigravity": "antigravity",
    "openai": "openai",
    "jsonl": "jsonl",
    "bundle": "bundle",
}
OWN: Final = ("jsonl", "bundle")  # stored events, which come back as they were


class SourceFile(Protocol):
    """A file that is imported piece by piece as it grows."""

    @property
    def goes_on(self) -> bool:
        """Whether it can be given what the file grows by; else the file is to be opened again and given from its start."""
        ...

    @property
    def waits(self) -> bool:
        """Whether something that was given is not taken yet: half a line, or records about which later ones decide."""
        ...

    def take(self, data: bytes, file_time: datetime, *, is_end: bool = False) -> dict[str, int]:
        """Take what the file goes on with; returns how many events each session got. All of them are on stable storage then.

        ``file_time`` is when the file was changed. ``is_end``: nothing more is expected, what waits is to be taken as it is."""
        ...


class Importer(Protocol):
    """One format, open on a log."""

    @property
    def report(self) -> ImportReport:
        """What all calls so far did."""
        ...

    @property
    def grown(self) -> set[str]:
        """The sessions that got new events."""
        ...

    def import_path(self, path: Path) -> None:
        """Take what is new in a file, or in the files below a directory. Bad input is reported, never raised."""
        ...

    def import_file(self, path: Path) -> dict[str, int]:
        """Take what is new in one file; returns how many events each session got."""
        ...

    def reads(self, name: str) -> bool:
        """Whether a file of this name in a folder is one of sessions."""
        ...

    def description_of(self, path: Path) -> Path | None:
        """Another file that, where it is there, says more about this one and is read with its first records."""
        ...

    def open_file(self, path: Path) -> SourceFile:
        """The file, of which nothing is taken yet."""
        ...


def declared(format: str) -> Format:
    """The declaration of a format that is not one of our own. Raises `InvalidInput` for an unknown format."""
    _check(format)
    return cast("Format", import_module(f"{__name__}.{FORMATS[format]}").FORMAT)


def open_importer(log: EventLog, format: str) -> Importer:
    """The importer of a format, to be fed paths, also the same ones again as they grow. Raises `InvalidInput` for an unknown format."""
    _check(format)
    if format in OWN:
        return cast(Importer, import_module(f"{__name__}.{FORMATS[format]}").importer(log))
    from .importer import FormatImporter
    from .looking import recognise

    return FormatImporter(log, declared(format), recognise)


def import_paths(log: EventLog, format: str, paths: Iterable[str | os.PathLike[str]]) -> ImportReport:
    """Import files and directories of another tool's sessions into the log.

    When it returns, everything taken is on stable storage, and the report says what was not. One bad file or line never stops the
    others. Importing the same again adds nothing. Memory is bounded by the largest file. Raises `InvalidInput` for an unknown
    format, and what `Session.append` raises when the disk refuses."""
    importer = open_importer(log, format)
    for path in paths:
        importer.import_path(Path(path))
    return importer.report


def _check(format: str) -> None:
    if format not in FORMATS:
        raise InvalidInput(f"unknown import format {format!r}; give one of: {', '.join(sorted(FORMATS))}")
