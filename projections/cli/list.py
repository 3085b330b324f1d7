"""``eventlog list``: the sessions, the latest first; for eyes one line each, whatever the width of the terminal.

A subagent is folded under its parent where both are on the page. On a terminal ids are as short as they may be given back; ``@3`` is
the third row. In a pipe everything is whole, and the columns do not depend on what is in them.
"""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from operator import attrgetter
from typing import Any
from urllib.parse import quote

import click
import msgspec

from eventlog.cli.amounts import age, count, local, money
from eventlog.cli.columns import FORMATS, Column, Format, chosen, for_eyes, for_programs
from eventlog.cli.context import Context, command

from ..catalog.listing import SessionItem
from ..operations import questions
from .filters import asking, open_catalog, say_next, say_unknown
from .finding import called, remember
from .options import options

_SHORT = 16
_STATUS_STYLES = {"failed": "red", "abandoned": "yellow", "deleted": "red", "completed": "green"}


@command("list")
@options(questions.List)
@click.option("--wide", is_flag=True, help="Everything about each session, whole, also subagents; on a terminal lines may wrap.")
@click.option("--fields", metavar="A,B", help="Only these, in this order: names as in --json, or of the table.")
@click.option("--format", type=click.Choice(FORMATS), help="As a table (the default) or as data.")
def list_sessions(context: Context, given: dict[str, Any], wide: bool, fields: str | None, format: Format | None) -> None:
    """List sessions, those of the latest activity first.

    All filters must hold. Times are local, or of --zone. On a terminal the table fits its width, ids are as short as they can be, and
    subagents are counted at their parent; in a pipe everything is whole."""
    if context.json and format not in (None, "json"):
        raise click.UsageError(f"--json and --format {format} contradict each other; give one of them")
    asked = msgspec.convert(given, type=questions.List)
    with open_catalog(context) as catalog:
        page = questions.list_sessions(asking(context, catalog), asked)
        if not page.total:
            say_unknown(context, catalog, given)
        fits = format in (None, "table") and not context.json and context.terminal.is_there and not wide and fields is None
        rows, folded = _folded(page.items) if fits else (page.items, Counter[str]())
        remember(catalog.log, [item.session_id for item in rows])
        shortest = catalog.short_ids([item.session_id for item in rows]) if fits else {}
    if context.json or format == "json":
        if fields is None:
            context.emit(page)
        else:
            columns = chosen(_data(), fields)
            items = [{column.name: column.value(item) for column in columns} for item in page.items]
            context.emit({"items": items, "total": page.total, "next": page.next})
        return
    if format in ("csv", "tsv", "jsonl"):
        for line in for_programs(_fields() if fields is None else chosen(_data(), fields), page.items, format):
            context.write(line.encode() + b"\n")
        return
    if rows:
        now = context.now()
        if fields is not None:
            columns = chosen([*_whole(), *_data()], fields)
        elif fits:
            columns = _fitted(rows, folded, shortest, context.terminal.width, now)
        else:
            columns = [*_whole(), *_more()] if wide else _whole()
        for line in for_eyes(context.terminal, columns, rows, context.terminal.width if fits else None):
            click.echo(line, color=context.terminal.colors)
    say_next(context, len(page.items), page.total, page.next, "sessions")


def _folded(items: list[SessionItem]) -> tuple[list[SessionItem], Counter[str]]:
    """The sessions without the subagents whose parent is among them, and how many of those each parent has."""
    there = {item.session_id for item in items}
    folded: Counter[str] = Counter()
    rows = []
    for item in items:
        if _is_subagent(item) and item.parent is not None and item.parent.session_id in there:
            folded[item.parent.session_id] += 1
        else:
            rows.append(item)
    return rows, folded


def _is_subagent(item: SessionItem) -> bool:
    return item.parent is not None and item.parent.relation == "subagent"


def _tokens(item: SessionItem) -> int:
    return item.input_tokens + item.output_tokens + item.cache_read_tokens + item.cache_write_tokens


def _fitted(
    rows: list[SessionItem], folded: Counter[str], shortest: dict[str, str], width: int, now: datetime
) -> list[Column[SessionItem]]:
    """For eyes. The lowest ranks stay the longest."""
    numbers = {item.session_id: number for number, item in enumerate(rows, 1)}
    are_short = max(map(len, shortest.values())) <= max(_SHORT, width // 4)  # else the row's number is what one can type

    def title(item: SessionItem) -> str:
        mark = ("* " if item.pinned else "") + ("↳ " if _is_subagent(item) else "")
        agents = folded[item.session_id]
        return f"{mark}{f'(+{agents}) ' if agents else ''}{called(item, 200)}"

    return [
        Column(name="@", value=lambda item: numbers[item.session_id], right=True, style="dim", rank=4 if are_short else 0),
        Column(name="id", value=lambda item: shortest[item.session_id], style="yellow", rank=0 if are_short else 8, most=200),
        Column(name="age", value=lambda item: age(item.updated_at, now), right=True, style="green", rank=1),
        Column(name="project", value=lambda item: _last_folder(item.project), style="cyan", rank=5, most=18, link=_folder),
        Column(name="kind", value=lambda item: item.kind, rank=10, most=10),
        Column(
            name="status",
            value=lambda item: "" if item.status == "active" else item.status,
            style=lambda item: _STATUS_STYLES.get(item.status, ""),
            rank=6,
        ),
        Column(name="title", value=title, fills=True, style=lambda item: "bold" if item.pinned else ""),
        Column(name="tags", value=lambda item: ", ".join(item.tags), style="magenta", rank=7, most=20),
        Column(name="user", value=lambda item: item.user_id, rank=8, most=14),
        Column(name="model", value=lambda item: item.model, rank=11, most=20),
        Column(name="msgs", value=lambda item: count(item.messages), right=True, rank=9),
        Column(name="tools", value=lambda item: count(item.tool_calls) if item.tool_calls else "", right=True, rank=9),
        Column(name="tokens", value=lambda item: count(_tokens(item)) if _tokens(item) else "", right=True, rank=3),
        Column(name="cost", value=_cost, right=True, style="green", rank=2),
    ]


def _cost(item: SessionItem) -> str:
    return "" if item.cost is None else money(item.cost.amount, item.cost.currency)


def _folder(item: SessionItem) -> str:
    return f"file://{quote(item.project)}" if item.project else ""


def _last_folder(path: str | None) -> str:
    return (path or "").rstrip("/").rpartition("/")[2]


def _whole() -> list[Column[SessionItem]]:
    """In a pipe, and with --wide."""
    return [
        Column(name="session", value=lambda item: item.session_id),
        Column(name="title", value=lambda item: ("* " if item.pinned else "") + called(item)),
        Column(name="status", value=lambda item: item.status),
        Column(name="user", value=lambda item: item.user_id),
        Column(name="tags", value=lambda item: ", ".join(item.tags)),
        Column(name="messages", value=lambda item: f"{item.messages:,}", right=True),
        Column(name="tools", value=lambda item: f"{item.tool_calls:,}", right=True),
        Column(name="tokens", value=lambda item: f"{_tokens(item):,}", right=True),
        Column(name="cost", value=lambda item: f"{item.cost.amount:,.2f} {item.cost.currency}" if item.cost else "", right=True),
        Column(name="last activity", value=lambda item: local(item.updated_at)),
    ]


def _more() -> list[Column[SessionItem]]:
    return [
        Column(name="started", value=lambda item: local(item.started_at)),
        Column(name="kind", value=lambda item: item.kind),
        Column(name="model", value=lambda item: item.model),
        Column(name="project", value=lambda item: item.project),
        Column(name="parent", value=lambda item: f"{item.parent.relation} of {item.parent.session_id}" if item.parent else None),
        Column(name="errors", value=lambda item: f"{item.errors:,}", right=True),
        Column(name="size", value=lambda item: f"{item.size_bytes:,}", right=True),
    ]


def _fields() -> list[Column[SessionItem]]:
    """As data, by the names of --json."""
    return [Column(name=name, value=attrgetter(name)) for name in SessionItem.__struct_fields__]


def _data() -> list[Column[SessionItem]]:
    """The same, and what the table adds up."""
    return [*_fields(), Column(name="tokens", value=_tokens)]
