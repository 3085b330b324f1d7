"""``eventlog redact``: what should never have been recorded, taken out of every file of the store."""

from __future__ import annotations

import click

from .context import Context, command


@command("redact")
@click.argument("sessions", nargs=-1, metavar="[SESSION]...")
@click.option("--all", "everything", is_flag=True, help="Every session, deleted ones too: forks, merges and copies hold the same words.")
@click.option("--seq", "seqs", type=click.IntRange(min=1), multiple=True, metavar="N", help="Empty this event; may be given several times.")
@click.option("--pattern", metavar="RE", help="Replace what this regular expression (Python's) matches, in every string of the session.")
@click.option("--reason", help="Why; it stays in the log.")
@click.option("--dry-run", is_flag=True, help="Only say which events would be changed.")
def redact(
    context: Context,
    sessions: tuple[str, ...],
    everything: bool,
    seqs: tuple[int, ...],
    pattern: str | None,
    reason: str | None,
    dry_run: bool,
) -> None:
    """Take content out of a session for good.

    Or out of several, or --all. The events keep their place, time and type. An event says what was done and why, and `eventlog verify`
    lists the segments that were rewritten. Quarantined bytes of the session go, too. There is no way back. With --json one session
    answers its report, several {"sessions": [reports of those that were changed], "dry_run"}."""
    if bool(seqs) == (pattern is not None):
        raise click.UsageError("give --seq N or --pattern RE")
    if bool(sessions) == everything:
        raise click.UsageError("name sessions, or give --all, one of the two")
    if seqs and (everything or len(sessions) > 1):
        raise click.UsageError("--seq is of one session; use --pattern for several")
    with context.open_log(write=True) as log:
        if everything:
            chosen = sorted(log.session_ids())
        else:
            chosen = list(dict.fromkeys(context.session_to_change(log, session) for session in sessions))
        reports = []
        with context.progress("redacting") as update:
            for number, session_id in enumerate(chosen):
                update(number, len(chosen))
                reports.append(log.redact(session_id, seqs or None, pattern, reason, dry_run=dry_run))
    changed = [report for report in reports if report.seqs or report.quarantine or report.announced_seq is not None]
    if context.json:
        context.emit({"sessions": changed, "dry_run": dry_run} if everything or len(sessions) > 1 else reports[0])
        return
    for report in changed:
        some = ", ".join(map(str, report.seqs[:10])) + (", ..." if len(report.seqs) > 10 else "")
        did = "would be" if dry_run else "are"
        whose = f"{report.session_id}: " if len(chosen) > 1 else ""
        context.say(f"{whose}{len(report.seqs):,} events {did} redacted{f': {some}' if some else ''}")
        if report.damaged_bytes:
            context.warn(f"{report.damaged_bytes:,} damaged bytes in the same segments are gone with it")
    if not changed:
        context.say(f"nothing in {chosen[0] if len(chosen) == 1 else f'{len(chosen):,} sessions'} is meant by that; nothing is changed")
