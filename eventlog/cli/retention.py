"""``eventlog delete``, ``restore``, ``cleanup`` and ``purge``: the end of sessions, in steps that can be taken back until the last."""

from __future__ import annotations

import click
import msgspec

from ..log import EventLog
from ..maintenance.retention import STATUSES
from .context import Context, command
from .duration import duration, in_words


@command("delete")
@click.argument("sessions", nargs=-1, required=True, metavar="SESSION...")
@click.option("--reason", help="Why; it stays on the tombstone.")
@click.option("--dry-run", is_flag=True, help="Only say what would go.")
def delete(context: Context, sessions: tuple[str, ...], reason: str | None, dry_run: bool) -> None:
    """Hide sessions and refuse to append to them.

    Nothing is removed: `eventlog restore` brings them back until `eventlog purge` has taken them. Their ids are never given again."""
    with context.open_log(write=True) as log:
        found = _found(context, log, sessions)
        deleted = [{"session_id": each, "seq": None if dry_run else log.delete(each, reason)} for each in found]
    if context.json:
        context.emit({"deleted": deleted, "dry_run": dry_run})
        return
    for each in deleted:
        context.say(f"{each['session_id']} {'would be' if dry_run else 'is'} deleted")
    if not dry_run:
        context.say(f"`eventlog restore SESSION` brings one back, `eventlog purge` takes it after {_grace(context)}.")


@command("restore")
@click.argument("sessions", nargs=-1, required=True, metavar="SESSION...")
@click.option("--reason", help="Why.")
def restore(context: Context, sessions: tuple[str, ...], reason: str | None) -> None:
    """Bring deleted sessions back, as they were."""
    with context.open_log(write=True) as log:
        restored = [{"session_id": each, "seq": log.restore(each, reason)} for each in _found(context, log, sessions)]
    if context.json:
        context.emit({"restored": restored})
        return
    for each in restored:
        context.say(f"{each['session_id']} is back")


@command("cleanup")
@click.option("--older-than", type=duration, required=True, metavar="AGE", help="Delete what was last written to longer ago, e.g. 30d.")
@click.option("--keep", type=click.IntRange(min=0), default=0, metavar="N", help="Never touch the N newest sessions of the store.")
@click.option("--status", type=click.Choice(STATUSES), help="Only sessions with this status.")
@click.option("--dry-run", is_flag=True, help="Only say what would go, and how much space that frees.")
def cleanup(context: Context, older_than: float, keep: int, status: str | None, dry_run: bool) -> None:
    """Delete sessions by age.

    The age counts from the last event or from the import, whichever is later. Pinned sessions stay. What is deleted can be restored
    until it is purged."""
    with context.open_log(write=not dry_run) as log:
        report = log.cleanup(older_than, keep=keep, status=status, dry_run=dry_run)
    if context.json:
        context.emit(report)
        return
    if report.sessions:
        context.table(
            ["session", "status", "last written", "bytes"],
            [
                (each.session_id, each.status, each.last_written.isoformat(" ", "seconds"), f"{each.size_bytes:,}")
                for each in report.sessions
            ],
            right=["bytes"],
        )
        context.say()
    did = "would be" if dry_run else "are"
    pinned = f"; {report.pinned:,} pinned ones stay" if report.pinned else ""
    context.say(f"{len(report.sessions):,} sessions {did} deleted, {report.bytes:,} bytes to be freed by purge{pinned}")


@command("purge")
@click.argument("sessions", nargs=-1, metavar="[SESSION]...")
@click.option(
    "--now", is_flag=True, help="Do not wait for the end of the grace period; a session that is not deleted yet is deleted first."
)
@click.option("--reason", help="Why, with --now; it stays on the tombstone.")
@click.option("--dry-run", is_flag=True, help="Only say what would go, and how much space that frees.")
def purge(context: Context, sessions: tuple[str, ...], now: bool, reason: str | None, dry_run: bool) -> None:
    """Remove everything of deleted sessions but their tombstones.

    Without SESSION: of all that were deleted longer ago than the grace period (see `eventlog config`). There is no way back. The
    catalog and the search index are made anew when they are next asked for."""
    if now and not sessions:
        raise click.UsageError("--now needs a SESSION")
    with context.open_log(write=True) as log:
        if sessions:
            chosen = _found(context, log, sessions)
        else:
            chosen = [each.session_id for each in log.deleted() if each.is_due]
        done = [log.purge(each, now=now, reason=reason, dry_run=dry_run) for each in chosen]
    freed = sum(each.freed_bytes for each in done)
    if context.json:
        context.emit({"purged": [msgspec.structs.asdict(each) for each in done], "freed_bytes": freed, "dry_run": dry_run})
        return
    for each in done:
        context.say(f"{each.session_id} {'would be' if dry_run else 'is'} purged")
    context.say(f"{len(done):,} sessions, {freed:,} bytes {'would be ' if dry_run else ''}freed")


def _found(context: Context, log: EventLog, sessions: tuple[str, ...]) -> list[str]:
    """The ids that are meant, all of them found before anything is done."""
    return list(dict.fromkeys(context.session_to_change(log, session) for session in sessions))


def _grace(context: Context) -> str:
    return in_words(context.loaded().settings.grace_period_s)
