"""``eventlog set``, ``pin`` and ``unpin``: what is known of a session, changed by an event."""

from __future__ import annotations

from typing import Any

import click
import msgspec

from ..events import SessionUpdated
from .context import Context, command


@command("set")
@click.argument("session")
@click.option("--title", help="Its title; empty removes it. So do the next three.")
@click.option("--description", help="What it is about.")
@click.option("--purpose", help="What it is for.")
@click.option("--user", help="Whose it is.")
@click.option("--tag", "tags", multiple=True, metavar="TAG", help="Add a tag; may be given several times.")
@click.option("--untag", "untags", multiple=True, metavar="TAG", help="Remove a tag; may be given several times.")
@click.option("--meta", multiple=True, metavar="K=V", help="Metadata: V is JSON, else text; empty removes K. May be given several times.")
@click.option("--status", type=click.Choice(["active", "completed", "failed", "abandoned"]), help="Resume the session, or end it.")
def set_details(
    context: Context,
    session: str,
    title: str | None,
    description: str | None,
    purpose: str | None,
    user: str | None,
    tags: tuple[str, ...],
    untags: tuple[str, ...],
    meta: tuple[str, ...],
    status: str | None,
) -> None:
    """Change a session's title, tags, status and other details.

    The change is one more event: what was there before stays in the log."""
    details = {"title": title, "description": description, "purpose": purpose, "user_id": user}
    changes: dict[str, Any] = {name: value or None for name, value in details.items() if value is not None}
    if "" in (*tags, *untags):
        raise click.UsageError("a tag is not empty")
    if both := set(tags) & set(untags):
        raise click.UsageError(f"{min(both)!r} is to be added and removed at once")
    if tags:
        changes["add_tags"] = list(dict.fromkeys(tags))
    if untags:
        changes["remove_tags"] = list(dict.fromkeys(untags))
    if meta:
        changes["metadata"] = dict(map(_key_and_value, meta))
    if not changes and status is None:
        raise click.UsageError("nothing to set; give --title, --tag, --status or another")
    _write(context, session, SessionUpdated(**changes) if changes else None, status)


@command("pin")
@click.argument("session")
def pin(context: Context, session: str) -> None:
    """Keep a session on top of lists and out of clean-ups."""
    _write(context, session, SessionUpdated(pinned=True), None)


@command("unpin")
@click.argument("session")
def unpin(context: Context, session: str) -> None:
    """Undo pin."""
    _write(context, session, SessionUpdated(pinned=False), None)


def _write(context: Context, given: str, update: SessionUpdated | None, status: str | None) -> None:
    with context.open_log(write=True) as log:
        session_id = context.session_to_change(log, given)
        with log.session(session_id) as session:
            last_seq = 0
            if update is not None:
                last_seq = session.append(update)
            if status is not None:
                last_seq = session.resume() if status == "active" else session.end(status)
    if context.json:
        context.emit({"session_id": session_id, "last_seq": last_seq})
    else:
        context.say(f"{session_id} is changed, as of event {last_seq}")


def _key_and_value(text: str) -> tuple[str, Any]:
    key, equals, value = text.partition("=")
    if not key or not equals:
        raise click.UsageError(f"--meta takes KEY=VALUE, not {text!r}")
    try:
        return key, msgspec.json.decode(value) if value else None
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        return key, value
