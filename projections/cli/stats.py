"""``eventlog stats``: what happened, in numbers, in the store or in one session."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
import msgspec

from eventlog.cli.context import Context, command

from ..catalog.statistics import Amounts, Statistics
from ..operations import questions
from .filters import asking, open_catalog, say_unknown
from .options import options
from .pictures import HOURS, WEEKDAYS, pictures

BY = ("day", "hour", "weekday", "model", "project", "user", "tool")
_DAYS_SHOWN = 14
_SHARES_SHOWN = 20


@command("stats")
@click.argument("session", required=False)
@options(questions.Stats, leave_out=["session_id"])
@click.option("--by", type=click.Choice(BY), multiple=True, help="Only this breakdown; may be given several times.")
@click.option("--plot", metavar="FILE", help="Also draw it, as SVG into this file, or - for standard output alone.")
def stats(context: Context, session: str | None, given: dict[str, Any], by: tuple[str, ...], plot: str | None) -> None:
    """Show statistics of the store, or of one session.

    Or of a part of the store: of a user, a project folder, a time (rounded to quarters of an hour). Events that a fork or merge copied
    count once. Deleted sessions do not count. On a terminal with bars, in a pipe as tables with all numbers."""
    with open_catalog(context) as catalog:
        if session is not None:
            given["session_id"] = context.find_session(catalog.log, session)
        found = questions.statistics(asking(context, catalog), msgspec.convert(given, type=questions.Stats))
        if not found.sessions.total:
            say_unknown(context, catalog, {"user": given.get("user")})
    if plot is not None:
        _draw(context, found, plot, given)
        if plot == "-":
            return
    if context.json:
        context.emit(found)
        return
    if not by:
        _totals(context, found)
    chosen = by or BY
    if context.terminal.is_there:
        for line in pictures(context.terminal, found, chosen):
            click.echo(line, color=context.terminal.colors)
        return
    _tables(context, found, by)


def _tables(context: Context, found: Statistics, by: tuple[str, ...]) -> None:
    """For a pipe: every number. Without ``by`` only the latest days, and the hours not at all."""
    chosen = by or BY
    shares: dict[str, Sequence[tuple[object, Amounts]]] = {
        "day": [(day.day, day) for day in (found.by_day if by else found.by_day[-_DAYS_SHOWN:])],
        "model": [(share.model, share) for share in found.by_model],
        "user": [(share.user_id, share) for share in found.by_user if share.user_id is not None],
        "project": [(share.project, share) for share in found.by_project if share.project is not None],
    }
    for name, found_shares in shares.items():
        if name in chosen:
            _shares(context, name, found_shares if by else found_shares[:_SHARES_SHOWN])
    if "tool" in chosen:
        _tools(context, found)
    for name, names, counts in (("hour", HOURS, found.by_hour), ("weekday", WEEKDAYS, found.by_weekday)):
        if name in by:
            context.say()
            context.table([name, "messages"], list(zip(names, map("{:,}".format, counts), strict=True)), right=["messages"])


def _draw(context: Context, found: Statistics, plot: str, given: dict[str, Any]) -> None:
    from ..exporters.output import whole_file
    from ..pictures import sheet

    scope = " ".join(f"{name} {value}" for name, value in given.items() if name != "zone")
    document = sheet(found, f"Statistics{f': {scope}' if scope else ''}").encode()
    if plot == "-":
        context.write(document)
        return
    with whole_file(Path(plot).expanduser()) as file:
        file.write(document)
    context.hint(f"drawn into {plot}")


def _totals(context: Context, found: Statistics) -> None:
    usage = found.usage
    costs = [money for money in (usage.cost, *found.other_costs) if money is not None]
    tokens = f"{usage.input_tokens:,} in, {usage.output_tokens:,} out"
    cached = f", cache {usage.cache_read_tokens:,} read, {usage.cache_write_tokens:,} written"
    context.fields(
        [
            ("sessions", f"{found.sessions.total:,}; active today {found.sessions.today:,}, this week {found.sessions.this_week:,}"),
            ("events", f"{found.events:,}"),
            ("messages", ", ".join(f"{count:,} {role}" for role, count in found.messages.items())),
            ("tool calls", f"{found.tool_calls:,} of {len(found.tools_used):,} tools, {found.total_duration_ms / 1000:,.1f} s"),
            ("errors", f"{found.errors:,}"),
            ("tokens", tokens + (cached if usage.cache_read_tokens or usage.cache_write_tokens else "")),
            ("cost", ", ".join(f"{money.amount:,.4f} {money.currency}" for money in costs)),
            ("no price for", ", ".join(found.unknown_models)),
            ("days of", found.zone),
        ]
    )


def _shares(context: Context, name: str, shares: Sequence[tuple[object, Amounts]]) -> None:
    if not shares:
        return
    context.say()
    context.table(
        [name, "sessions", "messages", "tools", "errors", "tokens", "cost"],
        [
            (
                value,
                f"{share.sessions:,}",
                f"{share.messages:,}",
                f"{share.tool_calls:,}",
                f"{share.errors:,}",
                f"{share.input_tokens + share.output_tokens + share.cache_read_tokens + share.cache_write_tokens:,}",
                "" if share.cost is None else f"{share.cost.amount:,.2f} {share.cost.currency}",
            )
            for value, share in shares
        ],
        right=["sessions", "messages", "tools", "errors", "tokens", "cost"],
    )


def _tools(context: Context, found: Statistics) -> None:
    if not found.by_tool:
        return
    context.say()
    context.table(
        ["tool", "calls", "open", "failed", "seconds", "median", "p95"],
        [
            (
                tool.name or "unknown",
                f"{tool.calls:,}",
                f"{tool.open:,}",
                f"{tool.failures:,} ({tool.failure_rate:.0%})" if tool.failures else "0",
                f"{tool.total_duration_ms / 1000:,.1f}",
                "" if tool.median_duration_ms is None else f"{tool.median_duration_ms / 1000:,.2f}",
                "" if tool.p95_duration_ms is None else f"{tool.p95_duration_ms / 1000:,.2f}",
            )
            for tool in sorted(found.by_tool, key=lambda tool: -tool.calls)[:_SHARES_SHOWN]
        ],
        right=["calls", "open", "failed", "seconds", "median", "p95"],
    )
