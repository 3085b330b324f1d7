"""``eventlog verify``: every byte is read, one verdict per problem."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

import click
import msgspec

from .context import Context, command

if TYPE_CHECKING:
    from ..log import EventLog


@command("verify")
@click.argument("sessions", nargs=-1, metavar="[SESSION]...")
@click.option("--digest", is_flag=True, help="Print one digest of everything that was read; keep it elsewhere.")
@click.option("--expect", metavar="DIGEST", help="Exit 1 unless the digest is this one: finds also a rewrite of the whole chain.")
def verify(context: Context, sessions: tuple[str, ...], digest: bool, expect: str | None) -> None:
    """Check every byte of the store, or of some sessions.

    Exit code 1 when anything is not as it should be. Nothing is changed."""
    with context.open_log() as log, context.progress("verifying") as update:
        chosen = [context.find_session(log, session) for session in dict.fromkeys(sessions)] or None
        total = stored_bytes(log) if chosen is None else None
        report = log.verify(chosen, progress=lambda found: update(found.bytes, total))
    as_expected = expect is None or expect.strip().lower() == report.digest
    if not (report.ok and as_expected):
        context.bad_news()
    if context.json:
        context.emit({"ok": report.ok and as_expected, **msgspec.structs.asdict(report)})
        return
    if digest:
        context.say(report.digest)
        if report.ok and as_expected:
            return
    if report.problems:
        context.table(
            ["session", "segment", "offset", "length", "kind", "detail"],
            [
                (problem.session_id, problem.segment, problem.offset, problem.length, problem.kind, problem.detail)
                for problem in report.problems
            ],
            right=["offset", "length"],
        )
        context.say()
    if report.rewrites:
        context.table(
            ["session", "rewritten segment", "reason"],
            [(rewrite.session_id, rewrite.segment, rewrite.reason) for rewrite in report.rewrites],
        )
        context.say()
    for gap in report.lost:
        context.say(f"{gap.segment}: {events(gap.first, gap.last)} before it are lost, as its header says")
    verdict = "ok" if report.ok else f"not ok ({len(report.problems):,} of them)"
    context.say(f"{verdict}: {report.sessions:,} sessions, {report.segments:,} segments, {report.events:,} events, {report.bytes:,} bytes")
    if not as_expected:
        context.say(f"The digest is {report.digest}, not {expect}: events were added, changed or removed since that was printed.")
    kinds = {problem.kind for problem in report.problems}
    if "torn_tail" in kinds:
        context.say("A torn_tail was never acknowledged, and the next append sets it aside.")
    if kinds - {"torn_tail"}:
        context.say("Of a session with damage, `eventlog cat SESSION --skip-damaged` reads the rest; `eventlog repair` mends it.")


def stored_bytes(log: EventLog) -> int:
    """What there is to read: the size of all segment files."""
    total = 0
    for folder, _, names in os.walk(os.path.join(log.path or "", "sessions")):
        for name in names:
            with suppress(FileNotFoundError):  # compressed since it was listed
                total += os.stat(os.path.join(folder, name)).st_size
    return total


def events(first: int, last: int) -> str:
    return f"event {first}" if first == last else f"events {first} to {last}"
