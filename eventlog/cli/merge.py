"""``eventlog merge``: several sessions in one, each event once."""

from __future__ import annotations

import click

from ..events import SessionMerged
from ..session import Session
from .context import Context, command


@command("merge")
@click.argument("sessions", nargs=-1, required=True, metavar="SESSION...")
@click.option("--into", metavar="SESSION", help="Add to this session what it does not have yet; the default is a new session.")
@click.option("--skip-damaged", is_flag=True, help="Leave out what damage has made unreadable.")
def merge(context: Context, sessions: tuple[str, ...], into: str | None, skip_damaged: bool) -> None:
    """Bring several sessions into one, each event once.

    Nothing that is there changes. Merging the same sessions again adds what is new in them. Where they disagree on a title or another
    detail is recorded, and said. Prints the id of the session that has everything."""
    with context.open_log(write=True) as log:
        given = [context.find_session(log, session) for session in sessions]
        target = None if into is None else context.session_to_change(log, into)
        if len({*given, target} - {None}) < 2:
            raise click.UsageError("a merge needs at least two different sessions")
        before = 0 if target is None else log.session(target).last_seq
        handle = log.merge(given, target, on_damage="skip" if skip_damaged else "raise")
        said = _last_merge(handle)
        last_seq = handle.last_seq
    conflicts = [] if said is None else said.conflicts
    if context.json:
        context.emit({"session_id": handle.id, "last_seq": last_seq, "events_before": before, "conflicts": conflicts})
        return
    context.say(handle.id)
    if conflicts:
        context.warn(f"the sessions disagree on {', '.join(conflict['name'] for conflict in conflicts)}; the last event has what each says")


def _last_merge(session: Session) -> SessionMerged | None:
    for stored in session.read(after=session.last_seq - 1, on_damage="skip"):
        if isinstance(stored.event, SessionMerged):
            return stored.event
    return None
