"""``eventlog maintain``: the policies of the settings, applied once."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path

import click
import msgspec

from eventlog import EventLog
from eventlog.cli.amounts import size
from eventlog.cli.context import Context, command
from eventlog.maintenance import policies
from eventlog.maintenance.policies import Backups, Retention
from eventlog.reports import BackupReport, CompactionReport

from .. import Catalog
from ..catalog.listing import SessionItem
from ..exporters.mirror import Mirrored, mirror

_PAGE = 1_000


class Maintained(msgspec.Struct, kw_only=True):
    """What each policy did; None where no setting asks for it."""

    dry_run: bool
    retention: Retention | None
    compaction: CompactionReport | None
    backup: Backups | None
    mirror: Mirrored | None

    @property
    def is_well(self) -> bool:
        backup = self.backup.report if self.backup else None
        return not ((backup and backup.problems) or (self.compaction and self.compaction.skipped) or (self.mirror and self.mirror.skipped))


@command("maintain")
@click.option("--dry-run", is_flag=True, help="Only say what would be done.")
def maintain(context: Context, dry_run: bool) -> None:
    """Apply the configured policies once.

    Deletes what keep_days and keep_sessions say (restorable until the grace period is over, then purged), compresses what is older than
    compress_after, makes a backup in backup_folder where the newest is older than backup_every, and brings mirror_folder up to date. What
    no setting asks for is not done. Exit code 1 where something could not be done."""
    with context.open_log(write=not dry_run) as log:
        done = apply(context, log, dry_run=dry_run)
    if not done.is_well:
        context.bad_news()
    if context.json:
        context.emit(done)
    elif not context.quiet:
        for line in told(done):
            context.say(line)


def apply(context: Context, log: EventLog, *, dry_run: bool) -> Maintained:
    """Each policy in turn. The backup comes after what is deleted and compressed, the mirror shows what is left."""
    now = datetime.now(timezone.utc)
    retention = policies.retain(log, dry_run=dry_run)
    compaction = policies.compact(log, dry_run=dry_run)
    backup = policies.back_up(log, now, dry_run=dry_run)
    mirrored = None
    if log.settings.mirror_folder:
        with Catalog.open(log, notice=context.warn) as catalog:
            mirrored = mirror(log, _listed(catalog), Path(log.settings.mirror_folder).expanduser(), dry_run=dry_run)
    return Maintained(dry_run=dry_run, retention=retention, compaction=compaction, backup=backup, mirror=mirrored)


def _listed(catalog: Catalog) -> Iterator[SessionItem]:
    after = None
    while True:
        page = catalog.list(limit=_PAGE, after=after, sort="started")
        yield from page.items
        after = page.next
        if after is None:
            return


def told(done: Maintained) -> Iterator[str]:
    """What was done, a line for each policy."""
    did = "would be " if done.dry_run else ""
    if done.retention is None:
        yield "retention: off (keep_days, keep_sessions)"
    else:
        found = done.retention
        yield f"retention: {len(found.sessions):,} sessions {did}deleted, {len(found.purged):,} {did}purged"
        for each in found.sessions:
            yield f"  {each.session_id}  last written {each.last_written.astimezone():%Y-%m-%d}"
    if done.compaction is None:
        yield "compaction: off (compress_after)"
    else:
        report = done.compaction
        yield f"compaction: {report.compressed:,} segments {did}compressed, {report.sealed:,} sealed, {report.joined:,} joined"
        yield from (f"  {skipped.session_id}: {skipped.reason}" for skipped in report.skipped)
    if done.backup is None:
        yield "backup: off (backup_folder)"
    elif done.backup.made is None:
        yield f"backup: not due; the newest is {done.backup.newest}"
    else:
        copied = f": {done.backup.report.sessions:,} sessions, {size(done.backup.report.bytes)}" if done.backup.report else ""
        yield f"backup: {done.backup.made} {did}made{copied}"
        yield from (f"  problem: {problem.session_id}: {problem.detail}" for problem in (done.backup.report or _NOTHING).problems)
        yield from (f"  {old} {did}removed" for old in done.backup.removed)
    if done.mirror is None:
        yield "mirror: off (mirror_folder)"
    else:
        found_there = f"{done.mirror.unchanged:,} unchanged, {len(done.mirror.removed):,} {did}removed"
        yield f"mirror: {len(done.mirror.written):,} files {did}written to {done.mirror.folder}, {found_there}"
        yield from (f"  {session_id}: {reason}" for session_id, reason in done.mirror.skipped)


_NOTHING = BackupReport()
