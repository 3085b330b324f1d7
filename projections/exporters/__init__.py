"""Sessions -> files of other kinds. One module per format, loaded when it is asked for.

``sessions`` writes the formats in which each session stands by itself, ``samples`` the training formats, in which sessions
become samples; `export` finds the right one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from eventlog import EventLog
from eventlog.backend import OnDamage
from eventlog.errors import InvalidInput
from eventlog.importers import FORMATS as IMPORTED
from eventlog.importers import OWN

if TYPE_CHECKING:
    from ..view.training import Split

__all__ = ["FORMATS", "ExportReport", "Format", "Write", "export"]

Write = Callable[[bytes], object]


class Format(NamedTuple):
    """``joins``: several sessions may stand in one file. ``trains``: sessions become samples. ``is_native``: a file of another tool, which
    names it."""

    module: str
    suffix: str
    joins: bool = True
    trains: bool = False
    is_native: bool = False


FORMATS: Final[dict[str, Format]] = {
    "markdown": Format("projections.exporters.markdown", ".md"),
    "json": Format("projections.exporters.json", ".json"),
    "jsonl": Format("projections.exporters.jsonl", ".jsonl"),
    "html": Format("projections.exporters.html", ".html", joins=False),
    "claude-code": Format("projections.exporters.native", ".jsonl", is_native=True),
    "openai": Format("projections.exporters.openai", ".jsonl", trains=True),
    "trl": Format("projections.exporters.trl", ".jsonl", trains=True),
    "sharegpt": Format("projections.exporters.sharegpt", ".jsonl", trains=True),
    "parquet": Format("projections.exporters.parquet", ".parquet", trains=True),
}
MADE: Final = {"claude-code": "claude_code", "codex": "codex", "gemini-cli": "gemini_cli", "pi": "pi", "opencode": "opencode"}
"""The formats of other tools in which any session can be written, with the module in ``native`` that makes the file."""

for _name in IMPORTED:
    if _name not in OWN:
        FORMATS.setdefault(_name, Format("projections.exporters.native", ".jsonl", joins=False, is_native=True))

OFFERED: Final = [name for name, format in FORMATS.items() if not format.is_native or name in MADE]
"""What any session can be written in; one that was imported also in the format of the tool that it came from."""


class ExportReport(msgspec.Struct, kw_only=True):
    """What an export did: ``sessions`` read, ``samples`` made of them (training formats), the files that were ``written`` and how many
    were ``unchanged``. ``deleted``: files in a folder that is kept up to date whose sessions are deleted; they stay. ``left_out``
    counts what is not in the output, by reason; ``split`` the samples of each part."""

    format: str
    sessions: int = 0
    samples: int | None = None
    written: list[str] = []
    unchanged: int = 0
    deleted: list[str] = []
    left_out: dict[str, int] = {}
    split: dict[str, int] = {}


def export(
    log: EventLog,
    session_ids: Iterable[str],
    format: str,
    to: Path | Write,
    *,
    update: bool = False,
    split: Split | None = None,
    on_damage: OnDamage = "raise",
) -> ExportReport:
    """Write sessions in a format, to a file, into a folder (one file per session), or to a function that takes bytes.

    ``to`` is a folder if it is there as one, or ``update`` is set: then the files of sessions that have not changed since are left as they
    are. A file is replaced whole or not at all. ``split`` divides the samples of a training format (`Split`). Memory is
    bounded by one session's view; ``jsonl`` and ``claude-code`` need that of one append.

    Raises `InvalidInput` for an unknown format and for what a format cannot do, `SessionNotFound`, `Damaged`, `OSError`."""
    if format not in FORMATS:
        raise InvalidInput(f"unknown export format {format!r}; give one of: {', '.join(FORMATS)}")
    if FORMATS[format].trains:
        if update:
            raise InvalidInput(f"{format} has no file per session that could be updated; leave out --update")
        from .samples import export_samples

        return export_samples(log, session_ids, format, to, split, on_damage)
    if split is not None:
        raise InvalidInput(f"{format} has no samples to split; leave out --split")
    from .sessions import export_sessions

    return export_sessions(log, session_ids, format, to, update, on_damage)
