"""``eventlog fork``: a new session that begins as another one was."""

from __future__ import annotations

import click

from ..errors import EventLogError
from ..ids import new_session_id
from .context import Context, command


@command("fork")
@click.argument("session")
@click.option("--at", type=click.IntRange(min=1), metavar="SEQ", help="Take it up to this event; the default is all of it.")
@click.option("--message", metavar="ID", help="Up to the end of this message.")
@click.option("--turn", metavar="N", help="Up to the end of this turn: its number, or the id of the message that began it.")
@click.option("--call", metavar="ID", help="Up to the result of this tool call.")
@click.option("--id", "fork_id", metavar="ID", help="The new session's id; with that of an interrupted fork, finish it.")
@click.option("--skip-damaged", is_flag=True, help="Leave out what damage has made unreadable.")
def fork(
    context: Context,
    session: str,
    at: int | None,
    message: str | None,
    turn: str | None,
    call: str | None,
    fork_id: str | None,
    skip_damaged: bool,
) -> None:
    """Begin a new session as another one was at some point.

    The new session names its parent, and each of its events the one that it was copied from. Prints its id."""
    if sum(way is not None for way in (at, message, turn, call)) > 1:
        raise click.UsageError("give one of --at, --message, --turn and --call")
    made = fork_id or new_session_id()
    with context.open_log(write=True) as log:
        source_id = context.find_session(log, session)
        try:
            handle = log.fork(
                source_id,
                at,
                message=message,
                turn=int(turn) if turn is not None and turn.isdecimal() else turn,
                call=call,
                id=made,
                on_damage="skip" if skip_damaged else "raise",
            )
        except EventLogError:
            if fork_id is None and made in log.session_ids():
                context.warn(f"the fork {made} is not finished; fork again with the same options and --id {made} to finish it")
            raise
        last_seq = handle.last_seq
    if context.json:
        context.emit({"session_id": made, "source": source_id, "last_seq": last_seq})
    else:
        context.say(made)
