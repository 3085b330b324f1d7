"""Commands on whole sessions: delete, restore, clean up, the same for many at once; fork and merge."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from eventlog.errors import EventLogError, InvalidInput
from eventlog.events import SessionUpdated
from eventlog.ids import session_id_for
from eventlog.reports import CleanupReport

from .context import Context
from .failures import Failure, failure_of
from .filters import Filters, SessionId
from .row import Arguments
from .when import seconds
from .writing import Written

_PAGE = 1_000
Reason = Annotated[str | None, Meta(description="Why.")]


class Delete(Arguments, frozen=True, kw_only=True):
    session_id: SessionId
    reason: Annotated[str | None, Meta(description="Why; it stays on the tombstone.")] = None


class Deleted(Written, frozen=True, kw_only=True):
    """``restorable_until``: it can be brought back at least until then, and longer if nobody purges it."""

    restorable_until: datetime


class Restore(Arguments, frozen=True, kw_only=True):
    session_id: SessionId
    reason: Reason = None


class Cleanup(Arguments, frozen=True, kw_only=True):
    older_than: Annotated[
        str, Meta(description="Delete what was last written to longer ago than this, such as 30d.", extra={"metavar": "AGE"})
    ]
    keep: Annotated[int, Meta(ge=0, description="Never touch the newest sessions of the store: this many.", extra={"metavar": "N"})] = 0
    status: Annotated[Literal["active", "completed", "failed", "abandoned"] | None, Meta(description="Only sessions with this status.")] = (
        None
    )
    apply: Annotated[bool, Meta(description="Do it; without this the answer only says what would go.")] = False


class Bulk(Arguments, frozen=True, kw_only=True):
    action: Annotated[
        Literal["delete", "restore", "tag", "untag", "pin", "unpin"], Meta(description="What to do with each of the sessions.")
    ]
    ids: Annotated[list[str], Meta(max_length=10_000, description="The sessions. Give these, or a filter.")] = []
    filter: Annotated[Filters | None, Meta(description="Which sessions, as for the list.")] = None
    tag: Annotated[Annotated[str, Meta(min_length=1)] | None, Meta(description="The tag, for the actions tag and untag.")] = None
    dry_run: Annotated[bool, Meta(description="Only say which sessions it would be.")] = False


class Done(msgspec.Struct, frozen=True, kw_only=True):
    """One session of many: the ``seq`` of what was written (None in a dry run), or why nothing was."""

    session_id: str
    seq: int | None = None
    failure: Failure | None = None


class BulkReport(msgspec.Struct, frozen=True, kw_only=True):
    """``failed`` counts the items that have a failure; the others were done."""

    action: str
    items: list[Done]
    failed: int
    dry_run: bool


class Fork(Arguments, frozen=True, kw_only=True):
    session_id: SessionId
    at: Annotated[
        Annotated[int, Meta(ge=1)] | None, Meta(description="Take it up to this event; default: all of it.", extra={"metavar": "SEQ"})
    ] = None
    message: Annotated[str | None, Meta(description="Up to the end of this message.", extra={"metavar": "ID"})] = None
    turn: Annotated[
        int | str | None, Meta(description="Up to the end of this turn: its number, or the id of the message that began it.")
    ] = None
    call: Annotated[str | None, Meta(description="Up to the result of this tool call.", extra={"metavar": "ID"})] = None
    id: Annotated[str | None, Meta(description="The id of the new session; forking again with it gives the same one.")] = None


class Merge(Arguments, frozen=True, kw_only=True):
    sources: Annotated[list[str], Meta(min_length=1, max_length=1_000, description="The sessions to bring together.")]
    into: Annotated[str | None, Meta(description="The session that takes them in; default: a new one, whose id follows from theirs.")] = (
        None
    )


class Merged(Written, frozen=True, kw_only=True):
    """``added``: events that were taken over now; ``duplicates``: those of the sources that were there already."""

    added: int
    duplicates: int


def delete(context: Context, asked: Delete) -> Deleted:
    seq = context.log.delete(asked.session_id, asked.reason)
    until = context.now() + timedelta(seconds=context.log.settings.grace_period_s)
    for stored in context.log.session(asked.session_id).read(after=seq - 1, on_damage="skip"):
        until = stored.time + timedelta(seconds=context.log.settings.grace_period_s)  # which may be of an earlier day
    return Deleted(session_id=asked.session_id, seq=seq, restorable_until=until)


def restore(context: Context, asked: Restore) -> Written:
    return Written(session_id=asked.session_id, seq=context.log.restore(asked.session_id, asked.reason))


def cleanup(context: Context, asked: Cleanup) -> CleanupReport:
    return context.log.cleanup(seconds(asked.older_than), keep=asked.keep, status=asked.status, dry_run=not asked.apply)


def bulk(context: Context, asked: Bulk) -> BulkReport:
    if bool(asked.ids) == (asked.filter is not None):
        raise InvalidInput("say which sessions: give ids, or a filter, one of the two")
    if (asked.action in ("tag", "untag")) != (asked.tag is not None):
        raise InvalidInput("a tag goes with the actions tag and untag, and only with them")
    items = [_do(context, asked, session_id) for session_id in _chosen(context, asked)]
    failed = sum(item.failure is not None for item in items)
    return BulkReport(action=asked.action, items=items, failed=failed, dry_run=asked.dry_run)


def _chosen(context: Context, asked: Bulk) -> list[str]:
    """All of them, found before anything is done."""
    if asked.filter is None:
        return list(dict.fromkeys(asked.ids))
    chosen = asked.filter.chosen(context)
    if not chosen:
        raise InvalidInput("the filter names nothing, and would take every session; say which ones")
    found: list[str] = []
    after = None
    while True:
        page = context.catalog.list(sort="started", limit=_PAGE, after=after, **chosen)
        found += [item.session_id for item in page.items]
        after = page.next
        if after is None:
            return found


def _do(context: Context, asked: Bulk, session_id: str) -> Done:
    try:
        if asked.dry_run:
            context.log.session(session_id).close()
            return Done(session_id=session_id)
        if asked.action == "delete":
            return Done(session_id=session_id, seq=context.log.delete(session_id))
        if asked.action == "restore":
            return Done(session_id=session_id, seq=context.log.restore(session_id))
        with context.log.session(session_id) as session:
            return Done(session_id=session_id, seq=session.append(_change(asked)))
    except (EventLogError, OSError) as error:
        return Done(session_id=session_id, failure=failure_of(error))


def _change(asked: Bulk) -> SessionUpdated:
    changes: dict[str, Any] = {
        "tag": {"add_tags": [asked.tag]},
        "untag": {"remove_tags": [asked.tag]},
        "pin": {"pinned": True},
        "unpin": {"pinned": False},
    }
    return SessionUpdated(**changes[asked.action])


def fork(context: Context, asked: Fork) -> Written:
    if sum(each is not None for each in (asked.at, asked.message, asked.turn, asked.call)) > 1:
        raise InvalidInput("say once where the fork begins: by at, message, turn or call")
    with context.log.fork(asked.session_id, asked.at, message=asked.message, turn=asked.turn, call=asked.call, id=asked.id) as session:
        return Written(session_id=session.id, seq=session.last_seq)


def merge(context: Context, asked: Merge) -> Merged:
    sources = sorted(set(asked.sources) - {asked.into})
    target = asked.into or session_id_for("merge", *sources)
    with context.log.session(target, create=asked.into is None) as session:
        before = session.last_seq
    with context.log.merge(sources, asked.into) as session:
        origins = (stored.origin or {} for stored in session.read(after=before, on_damage="skip"))
        added = sum(origin.get("session_id") in sources for origin in origins)
        seq = session.last_seq
    held = 0
    for session_id in sources:
        with context.log.session(session_id) as source:
            held += source.last_seq
    return Merged(session_id=target, seq=seq, added=added, duplicates=max(0, held - added))
