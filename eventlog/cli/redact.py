"""``eventlog redact``: what should never have been recorded, taken out of every file of the store."""

from __future__ import annotations

import click

from .context import Context, command


@command("redact")
@click.argument("session")
@click.option("--seq", "seqs", type=click.IntRange(min=1), multiple=True, metavar="N", help="Empty this event; may be given several times.")
@click.option("--pattern", metavar="RE", help="Replace what this regular expression (Python's) matches, in every string of the session.")
@click.option("--reason", help="Why; it stays in the log.")
@click.option("--dry-run", is_flag=True, help="Only say which events would be changed.")
def redact(context: Context, session: str, seqs: tuple[int, ...], pattern: str | None, reason: str | None, dry_run: bool) -> None:
    """Take content out of a session for good.

    The events keep their place, time and type. An event says what was done and why, and `eventlog verify` lists the segments that were
    rewritten. Quarantined bytes of the session go, too. There is no way back."""
    if bool(seqs) == (pattern is not None):
        raise click.UsageError("give --seq N or --pattern RE")
    with context.open_log(write=True) as log:
        session_id = context.session_to_change(log, session)
        report = log.redact(session_id, seqs or None, pattern, reason, dry_run=dry_run)
    if context.json:
        context.emit(report)
        return
    if not report.seqs and not report.quarantine and report.announced_seq is None:
        context.say(f"nothing in {session_id} is meant by that; nothing is changed")
        return
    some = ", ".join(map(str, report.seqs[:10])) + (", ..." if len(report.seqs) > 10 else "")
    did = "would be" if dry_run else "are"
    context.say(f"{len(report.seqs):,} events {did} redacted{f': {some}' if some else ''}")
    if report.damaged_bytes:
        context.warn(f"{report.damaged_bytes:,} damaged bytes in the same segments are gone with it")
