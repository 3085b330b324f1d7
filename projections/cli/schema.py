"""``eventlog schema``: the JSON Schema of what each command answers with ``--json``.

Most answers are structs, and the schema is made of them; the small ones of commands that write are described here. A test runs the
commands and holds their answers to it.
"""

from __future__ import annotations

from datetime import datetime
from importlib import resources
from typing import Any, Final

import click
import msgspec

from eventlog.cli import secrets
from eventlog.cli.context import Context, command
from eventlog.importers.places import Found
from eventlog.importers.report import ImportReport
from eventlog.reports import (
    Action,
    BackupReport,
    CleanupReport,
    CompactionReport,
    NotRepaired,
    PurgeReport,
    RedactionReport,
    Report,
)

from ..catalog.listing import SessionItem
from ..catalog.page import Page
from ..catalog.search_query import SearchPage
from ..catalog.statistics import Statistics
from ..catalog.tool_history import ToolItem
from ..exporters import ExportReport
from ..exporters.native.resuming import Resumption
from ..index.dump import Difference
from ..operations.row import schema_of
from ..view.session import SessionView
from .doctor import Diagnosis
from .maintain import Maintained


def _with_verdict(name: str, report: type[msgspec.Struct]) -> Any:
    """The report with ``ok``, which is a property of it, as a field."""
    fields = [(field.name, field.type, field) for field in msgspec.structs.fields(report)]
    return msgspec.defstruct(name, [("ok", bool), *((each, kind, _default(field)) for each, kind, field in fields)], kw_only=True)


def _default(field: msgspec.structs.FieldInfo) -> Any:
    return (
        msgspec.field(default_factory=field.default_factory) if field.default is msgspec.NODEFAULT else msgspec.field(default=field.default)
    )


Verified: Final = _with_verdict("Verified", Report)
BackedUp: Final = _with_verdict("BackedUp", BackupReport)


class HandedOver(msgspec.Struct, kw_only=True):
    """How many hand-overs of a tool's hooks were imported, from which folder."""

    done: int
    spool: str


class Written(msgspec.Struct, kw_only=True):
    session_id: str
    last_seq: int


class Forked(Written, kw_only=True):
    source: str


class Merged(Written, kw_only=True):
    events_before: int
    conflicts: list[dict[str, Any]]


class Marked(msgspec.Struct, kw_only=True):
    """``seq``: where the tombstone stands; None where it was only said what would go."""

    session_id: str
    seq: int | None


class Deleted(msgspec.Struct, kw_only=True):
    deleted: list[Marked]
    dry_run: bool


class Restored(msgspec.Struct, kw_only=True):
    restored: list[Marked]


class Purged(msgspec.Struct, kw_only=True):
    purged: list[PurgeReport]
    freed_bytes: int
    dry_run: bool


class Repaired(msgspec.Struct, kw_only=True):
    applied: bool
    actions: list[Action]
    failed: list[NotRepaired]
    verify: Verified | None  # type: ignore[valid-type]


class Rebuilt(msgspec.Struct, kw_only=True):
    rebuilt: list[str]
    checked: bool
    ok: bool
    differences: list[Difference]
    sessions: int
    events: int


class FormatReport(ImportReport, kw_only=True):
    format: str


class Imported(ImportReport, kw_only=True):
    """With a FORMAT or a PATH the report; of all that is found also ``formats`` and ``found``; with --dry-run only ``found``."""

    formats: list[FormatReport] = []
    found: list[Found] = []


class Redacted(msgspec.Struct, kw_only=True):
    """One session: its report. Several, or --all: ``sessions`` and ``dry_run``."""

    session_id: str | None = None
    seqs: list[int] = []
    segments: int = 0
    damaged_bytes: int = 0
    quarantine: int = 0
    announced_seq: int | None = None
    sessions: list[RedactionReport] = []
    dry_run: bool = False


class Bundled(msgspec.Struct, kw_only=True):
    file: str | None
    bytes: int | None
    sessions: list[str]


class SettingSaid(msgspec.Struct, kw_only=True):
    name: str
    value: bool | int | float | str
    source: str
    unit: str | None
    allowed: str
    variable: str
    description: str


class Config(msgspec.Struct, kw_only=True):
    """With get, set or unset: ``name``, ``value`` and ``source`` of that one."""

    config_file: str | None = None
    settings: list[SettingSaid] = []
    name: str | None = None
    value: bool | int | float | str | None = None
    source: str | None = None


class Line(msgspec.Struct, kw_only=True):
    """A stored event; its ``data`` by `eventlog schema events`. ``caught_up`` and ``cursor`` stand in a line of their own."""

    session_id: str | None = None
    seq: int | None = None
    time: datetime | None = None
    type: str | None = None
    data: dict[str, Any] | None = None
    crc: str | None = None
    caught_up: bool | None = None
    cursor: str | int | None = None


class Hit(msgspec.Struct, kw_only=True):
    """With --sessions-only: ``session_id`` alone."""

    session_id: str
    seq: int | None = None
    type: str | None = None
    time: datetime | None = None
    text: str | None = None


class Served(msgspec.Struct, kw_only=True):
    """``otlp``: where spans are taken, if they are."""

    url: str
    token: str | None
    pid: int
    otlp: str | msgspec.UnsetType = msgspec.UNSET


class Opened(msgspec.Struct, kw_only=True):
    url: str


class Demonstrated(msgspec.Struct, kw_only=True):
    store: str
    session_id: str
    acknowledged: int
    torn_bytes: int
    events: int
    ok: bool


class Script(msgspec.Struct, kw_only=True):
    shell: str
    script: str


ANSWERS: Final[dict[str, Any]] = {
    "append": Written,
    "backup": BackedUp,
    "bundle": Bundled,
    "cat": Line,
    "cleanup": CleanupReport,
    "compact": CompactionReport,
    "completion": Script,
    "config": Config,
    "delete": Deleted,
    "demo": Demonstrated,
    "doctor": Diagnosis,
    "export": ExportReport,
    "fork": Forked,
    "grep": Hit,
    "hook": HandedOver,
    "import": Imported,
    "list": Page[SessionItem],
    "maintain": Maintained,
    "merge": Merged,
    "open": Opened,
    "pin": Written,
    "purge": Purged,
    "rebuild": Rebuilt,
    "redact": Redacted,
    "repair": Repaired,
    "restore": Restored,
    "resume": Resumption,
    "restore-backup": BackedUp,
    "search": SearchPage,
    "secrets": secrets.Secrets,
    "serve": Served,
    "set": Written,
    "show": SessionView,
    "stats": Statistics,
    "tail": Line,
    "tools": Page[ToolItem],
    "unpin": Written,
    "verify": Verified,
}
SILENT: Final = ("mcp", "run", "schema", "watch")  # what answers nothing, or speaks another protocol, or is a schema
EVENTS: Final = "events"


@command("schema")
@click.argument("name", required=False, metavar="[COMMAND|events]", type=click.Choice([*ANSWERS, EVENTS]))
def schema(context: Context, name: str | None) -> None:
    """Print the JSON Schema of a command's --json.

    "events" is that of the stored lines themselves. Without a name: all of them, by name. Of commands that answer line by line (cat,
    tail, grep) it is that of a line."""
    found = {each: of(each) for each in (*ANSWERS, EVENTS)} if name is None else of(name)
    text = msgspec.json.encode(found)
    context.write((text if context.json else msgspec.json.format(text, indent=2)) + b"\n")


def of(name: str) -> dict[str, Any]:
    """The schema (2020-12) of a command's answer, or of the events."""
    if name == EVENTS:
        text = resources.files("eventlog.schema").joinpath("events.schema.json").read_bytes()
        return dict(msgspec.json.decode(text))
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema_of(ANSWERS[name])}
