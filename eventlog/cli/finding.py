"""Which session a person means. One rule for what only reads, a strict one for what changes or removes.

Reading: an exact id wins; then whatever the read side's catalog can find (``last``, ``@3``, the beginning of an id, a foreign key,
words of a title). Of several a person at a terminal chooses by number.
Changing: an exact id, or the beginning of exactly one. Anything else is shown and asked about, and refused where nobody can be asked.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import click

from ..errors import InvalidInput, SessionError, SessionNotFound
from ..ids import check_session_id
from ..log import EventLog
from .failures import one_line
from .terminal import Terminal

LookUp = Callable[
    [str], Sequence[tuple[str, str]]
]  # of a text: the ids and names of the sessions that it may mean; raises where there is none


def to_read(log: EventLog, given: str, terminal: Terminal, look_up: LookUp) -> str:
    """The id of the session that is meant. Raises `SessionNotFound`, and `SessionError` with the candidates where several fit."""
    return given if _is_there(log, given) else _looked_up(given, look_up)[0]


def to_change(log: EventLog, given: str, terminal: Terminal, look_up: LookUp) -> str:
    """The same for a command that changes or removes."""
    if _is_there(log, given):
        return given
    if given != "last" and _is_id(given):  # which means another one to what reads than the beginning of an id
        found = sorted(session_id for session_id in log.session_ids() if session_id.startswith(given))
        if len(found) > 1:
            some = ", ".join(found[:3])
            raise SessionError(given, f"{len(found)} sessions begin with {given!r} ({some}, ...); give more of the id")
        if found:
            return found[0]
    session_id, title = _looked_up(given, look_up)
    if not terminal.can_ask:
        raise click.UsageError(
            f"{one_line(given)!r} means {session_id} ({title}); what changes a session takes its id or the beginning of it"
        )
    click.confirm(f"{one_line(title)} ({session_id})?", abort=True, err=True)
    return session_id


def _is_id(given: str) -> bool:
    try:
        check_session_id(given)
    except InvalidInput:
        return False
    return True


def _is_there(log: EventLog, given: str) -> bool:
    if not _is_id(given):
        return False
    try:
        log.session(given).close()
    except SessionNotFound:
        return False
    return True


def _looked_up(given: str, look_up: LookUp) -> tuple[str, str]:
    """The id and what it is called; where several are given back, the one that is chosen by number."""
    if given[:1] in ("", ".", "/", "-") or not given.isprintable():  # the way of a path or an option, never of a name
        check_session_id(given)
    found = look_up(given)
    if len(found) == 1:
        return found[0]
    for number, (session_id, title) in enumerate(found, 1):
        click.echo(f"{number:>3}  {one_line(session_id)}  {one_line(title)}", err=True)
    chosen: int = click.prompt("which one", type=click.IntRange(1, len(found)), err=True)
    return found[chosen - 1]
