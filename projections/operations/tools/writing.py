"""Tools that write: start a session, add to it, say what is known of it, end, merge, delete, clean up."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from eventlog.errors import InvalidInput
from eventlog.reports import Expired

from .. import lifecycle, transcripts, writing
from ..bounds import NAME, TEXT, cut, fitting
from ..context import Context
from ..filters import SessionId
from ..row import Arguments, Tool


class StartSession(Arguments, frozen=True, kw_only=True):
    session_id: Annotated[str | None, Meta(description="The id of the new session; default: a new one.")] = None
    title: Annotated[str | None, Meta(description="Its title.")] = None
    purpose: Annotated[str | None, Meta(description="What it is for.")] = None
    user_id: Annotated[str | None, Meta(description="Whose it is.")] = None
    tags: Annotated[list[str], Meta(description="Its tags.")] = []
    kind: Annotated[str | None, Meta(description="chat, voice, agent, ...")] = None
    metadata: Annotated[dict[str, Any], Meta(description="Anything that belongs to it.")] = {}


class Started(msgspec.Struct, frozen=True, kw_only=True):
    session_id: str


def _start_session(context: Context, asked: StartSession) -> Started:
    fields = {name: getattr(asked, name) for name in asked.__struct_fields__ if name != "session_id"}
    return Started(session_id=writing.start(context, writing.Start(id=asked.session_id, **fields)).session_id)


class AddMessage(Arguments, frozen=True, kw_only=True):
    session_id: SessionId
    role: Annotated[str, Meta(description="user, assistant, system or tool.", min_length=1)]
    content: Annotated[str, Meta(description="What is said.")]
    tool_name: Annotated[str | None, Meta(description="The tool that it is about.")] = None
    invocation_id: Annotated[str | None, Meta(description="The tool invocation that it is about.")] = None
    id: Annotated[str | None, Meta(description="Makes adding it again safe: the same id is not added twice.")] = None


class Seq(msgspec.Struct, frozen=True, kw_only=True):
    """Where it stands in the session."""

    seq: int


def _add_message(context: Context, asked: AddMessage) -> Seq:
    fields = {name: getattr(asked, name) for name in asked.__struct_fields__ if name != "id"}
    return Seq(seq=writing.add_message(context, writing.AddMessage(**fields, idempotency_key=asked.id)).seq)


class LinkedSeqs(msgspec.Struct, frozen=True, kw_only=True):
    called_seq: int
    returned_seq: int


def _link_invocation(context: Context, asked: writing.LinkInvocation) -> LinkedSeqs:
    linked = writing.link_invocation(context, asked)
    return LinkedSeqs(called_seq=linked.called_seq, returned_seq=linked.returned_seq)


class UpdateSession(Arguments, frozen=True, kw_only=True):
    session_id: SessionId
    title: Annotated[str | UnsetType | None, Meta(description="Its title; null removes it.")] = UNSET
    purpose: Annotated[str | UnsetType | None, Meta(description="What it is for; null removes it.")] = UNSET
    tags: Annotated[list[str], Meta(description="Tags to add.")] = []
    untag: Annotated[list[str], Meta(description="Tags to remove.")] = []
    metadata: Annotated[dict[str, Any] | UnsetType, Meta(description="A merge patch on its metadata: null removes a name.")] = UNSET
    pinned: Annotated[bool | UnsetType, Meta(description="Whether it stays on top of lists and out of clean-ups.")] = UNSET


def _update_session(context: Context, asked: UpdateSession) -> Seq:
    changes = writing.Update(
        session_id=asked.session_id,
        title=asked.title,
        purpose=asked.purpose,
        add_tags=asked.tags,
        remove_tags=asked.untag,
        metadata=asked.metadata,
        pinned=asked.pinned,
    )
    return Seq(seq=writing.update(context, changes).seq)


class EndSession(Arguments, frozen=True, kw_only=True):
    session_id: SessionId
    status: Annotated[Literal["completed", "failed", "abandoned"], Meta(description="How it ended.")] = "completed"
    reason: Annotated[str | None, Meta(description="Why.")] = None


def _end_session(context: Context, asked: EndSession) -> Seq:
    return Seq(seq=writing.end(context, writing.End(session_id=asked.session_id, status=asked.status, reason=asked.reason)).seq)


class MergeSessions(Arguments, frozen=True, kw_only=True):
    primary_id: Annotated[str, Meta(description="The session that takes the other one in.")]
    secondary_id: Annotated[str, Meta(description="The session that is taken in; it stays as it is.")]


class MergedAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """``added``: events that were taken over now; ``duplicates``: those that were there already."""

    session_id: str
    added: int
    duplicates: int


def _merge_sessions(context: Context, asked: MergeSessions) -> MergedAnswer:
    found = lifecycle.merge(context, lifecycle.Merge(sources=[asked.secondary_id], into=asked.primary_id))
    return MergedAnswer(session_id=found.session_id, added=found.added, duplicates=found.duplicates)


class DeleteSession(Arguments, frozen=True, kw_only=True):
    session_id: SessionId
    confirm_title: Annotated[
        str | None,
        Meta(description="The session's title (its id where it has none), to say that this one is meant; without it nothing is deleted."),
    ] = None


class DeletedAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """``deleted`` false: nothing was done; ``title`` is what confirm_title has to be."""

    session_id: str
    deleted: bool
    title: str
    restorable_until: datetime | None


def _delete_session(context: Context, asked: DeleteSession) -> DeletedAnswer:
    title = transcripts.known_of(context, asked.session_id).title or asked.session_id
    shown = str(cut(title, TEXT))
    if asked.confirm_title not in (title, shown):
        if asked.confirm_title is not None:
            raise InvalidInput(f"session {asked.session_id!r} is called {shown!r}, not {asked.confirm_title[:NAME]!r}; check the id")
        return DeletedAnswer(session_id=asked.session_id, deleted=False, title=shown, restorable_until=None)
    found = lifecycle.delete(context, lifecycle.Delete(session_id=asked.session_id))
    return DeletedAnswer(session_id=asked.session_id, deleted=True, title=shown, restorable_until=found.restorable_until)


class CleanupSessions(Arguments, frozen=True, kw_only=True):
    older_than: Annotated[str, Meta(description="Delete what was last written to longer ago than this, such as 30d.")] = "7d"
    keep: Annotated[int, Meta(ge=0, description="Never touch the newest sessions of the store: this many.")] = 0
    apply: Annotated[bool, Meta(description="Do it; without this the answer only says what would go.")] = False


class CleanupAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """``sessions``: the oldest of them; ``count`` is how many there are. Deleted sessions can be restored until they are purged."""

    sessions: list[Expired]
    count: int
    bytes: int
    dry_run: bool
    truncated: bool


def _cleanup_sessions(context: Context, asked: CleanupSessions) -> CleanupAnswer:
    report = lifecycle.cleanup(context, lifecycle.Cleanup(older_than=asked.older_than, keep=asked.keep, apply=asked.apply))

    def ask(most: int) -> CleanupAnswer:
        return CleanupAnswer(
            sessions=report.sessions[:most],
            count=len(report.sessions),
            bytes=report.bytes,
            dry_run=report.dry_run,
            truncated=len(report.sessions) > most,
        )

    return fitting(ask, 100)


START_SESSION: Final = Tool(
    name="start_session",
    summary="Start a session, to record what is said and done.",
    ask=_start_session,
    arguments=StartSession,
    result=Started,
    writes=True,
)

ADD_MESSAGE: Final = Tool(
    name="add_message",
    summary="Record a message in a session.",
    ask=_add_message,
    arguments=AddMessage,
    result=Seq,
    writes=True,
)

LINK_INVOCATION: Final = Tool(
    name="link_invocation",
    summary="Record a use of a tool, with its result, in a session.",
    ask=_link_invocation,
    arguments=writing.LinkInvocation,
    result=LinkedSeqs,
    writes=True,
    idempotent=True,
)

UPDATE_SESSION: Final = Tool(
    name="update_session",
    summary="Change a session's title, purpose, tags or metadata, or pin it.",
    ask=_update_session,
    arguments=UpdateSession,
    result=Seq,
    writes=True,
)

END_SESSION: Final = Tool(
    name="end_session",
    summary="Say that a session is over; recording more makes it active again.",
    ask=_end_session,
    arguments=EndSession,
    result=Seq,
    writes=True,
)

MERGE_SESSIONS: Final = Tool(
    name="merge_sessions",
    summary="Bring everything of one session into another, each event once; merging again adds only what is new.",
    ask=_merge_sessions,
    arguments=MergeSessions,
    result=MergedAnswer,
    writes=True,
    idempotent=True,
)

DELETE_SESSION: Final = Tool(
    name="delete_session",
    summary="Hide a session, until it is restored or purged; say its title to confirm.",
    ask=_delete_session,
    arguments=DeleteSession,
    result=DeletedAnswer,
    writes=True,
    destroys=True,
    idempotent=True,
)

CLEANUP_SESSIONS: Final = Tool(
    name="cleanup_sessions",
    summary="Delete old sessions; without `apply` only say which.",
    ask=_cleanup_sessions,
    arguments=CleanupSessions,
    result=CleanupAnswer,
    writes=True,
    destroys=True,
)
