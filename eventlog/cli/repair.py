"""``eventlog repair``: what can be made whole again, and with ``--apply`` made whole."""

from __future__ import annotations

import click
import msgspec

from ..reports import RepairReport, Report
from .context import Context, command
from .verify import stored_bytes


@command("repair")
@click.argument("sessions", nargs=-1, metavar="[SESSION]...")
@click.option("--apply", is_flag=True, help="Do it. Without this nothing is changed.")
def repair(context: Context, sessions: tuple[str, ...], apply: bool) -> None:
    """Make whole what verify finds damaged, or only say so.

    Every byte that is taken out of its place is copied to quarantine/ before, every event that can be proven stays. What is lost for ever
    is said. Exit code 1 where something is to be repaired, or is left."""
    with context.open_log(write=apply) as log, context.progress("verifying") as update:
        chosen = [context.session_to_change(log, session) for session in dict.fromkeys(sessions)] or None
        total = stored_bytes(log) if chosen is None else None
        report = log.repair(chosen, apply=apply, progress=lambda found: update(found.bytes, total))
    if report.actions if report.verify is None else not report.verify.ok:
        context.bad_news()
    if context.json:
        after = None if report.verify is None else {"ok": report.verify.ok, **msgspec.structs.asdict(report.verify)}
        context.emit({"applied": report.applied, "actions": report.actions, "failed": report.failed, "verify": after})
        return
    if report.actions:
        context.table(
            ["session", "segment", "what is wrong", "what is done" if apply else "what would be done"],
            [(action.session_id, action.segment, action.problem, action.detail) for action in report.actions],
        )
        context.say()
    if report.verify is None:
        todo = f"{_things(len(report.actions))} to repair; nothing was changed, --apply does it"
        context.say(todo if report.actions else "nothing to repair")
    else:
        _say_what_is_left(context, report, report.verify)


def _say_what_is_left(context: Context, report: RepairReport, after: Report) -> None:
    for rewrite in after.rewrites:
        if rewrite.left_out:
            lost = ", ".join(str(first) if first == last else f"{first} to {last}" for first, last in rewrite.left_out)
            context.say(f"not in {rewrite.segment} any more: events {lost} ({rewrite.reason})")
    for action in report.actions:
        if action.action == "record_the_gap":
            context.say(f"lost for ever, as the header of {action.segment} says now: {action.problem}")
    for failed in report.failed:
        context.say(f"not repaired: {failed.session_id} ({failed.reason})")
    verdict = "verify is clean" if after.ok else f"{len(after.problems):,} problems are left; `eventlog verify` shows them"
    context.say(f"{_things(len(report.actions))} {'tried' if report.failed else 'repaired'}; {verdict}")


def _things(count: int) -> str:
    return "1 thing" if count == 1 else f"{count:,} things"
