"""The table: every question and command that the faces offer, one row each."""

from __future__ import annotations

from typing import Final

from eventlog.errors import InvalidInput
from eventlog.reports import CleanupReport

from ..catalog.listing import SessionItem
from ..catalog.page import Page
from ..catalog.search_query import SearchPage
from ..catalog.statistics import Statistics
from ..catalog.tool_history import ToolItem
from ..catalog.windows import Outline, Window
from ..view.session import SessionView
from . import health, lifecycle, questions, recalling, tools, transcripts, writing
from .row import Operation, Stream, Tool

_SESSION: Final = "/sessions/{session_id}"

TABLE: Final[tuple[Operation, ...]] = (
    # --- questions about many sessions
    Operation(
        name="list",
        summary="The sessions, those of the latest activity first, page by page.",
        ask=questions.list_sessions,
        arguments=questions.List,
        result=Page[SessionItem],
        method="GET",
        path="/sessions",
        tool=tools.LIST_SESSIONS,
    ),
    Operation(
        name="search",
        summary="Events by their words, the best hits first.",
        ask=questions.search,
        arguments=questions.Search,
        result=SearchPage,
        method="GET",
        path="/search",
        tool=tools.SEARCH_SESSIONS,
    ),
    Operation(
        name="recall",
        summary="The passages of all sessions that answer a question, within a budget of tokens.",
        ask=recalling.recall,
        arguments=recalling.Recall,
        result=recalling.Recalled,
        method="GET",
        path="/recall",
        tool=tools.RECALL,
    ),
    Operation(
        name="tools",
        summary="Every tool call with its arguments, result and session, the latest first.",
        ask=questions.tool_calls,
        arguments=questions.ToolCalls,
        result=Page[ToolItem],
        method="GET",
        path="/tools",
        tool=tools.GET_TOOL_CALLS,
    ),
    Operation(
        name="stats",
        summary="What happened, in numbers: in all, per day, model, tool, user and project.",
        ask=questions.statistics,
        arguments=questions.Stats,
        result=Statistics,
        method="GET",
        path="/statistics",
        tool=tools.GET_STATISTICS,
    ),
    # --- questions about one session
    Operation(
        name="show",
        summary="One session whole: its header, messages, tool calls and totals.",
        ask=transcripts.show,
        arguments=transcripts.Show,
        result=SessionView,
        method="GET",
        path=_SESSION,
        tool=tools.GET_SESSION,
    ),
    Operation(
        name="messages",
        summary="A window of a session's messages, with the tool calls, errors and compactions between them.",
        ask=transcripts.messages,
        arguments=transcripts.Messages,
        result=Window,
        method="GET",
        path=f"{_SESSION}/messages",
        tool=tools.GET_MESSAGES,
    ),
    Operation(
        name="outline",
        summary="A row of a few bytes for each message, error and compaction of a session.",
        ask=transcripts.outline,
        arguments=transcripts.OutlineOf,
        result=Outline,
        method="GET",
        path=f"{_SESSION}/outline",
    ),
    Operation(
        name="events",
        summary="A session's stored event lines, as they are.",
        ask=transcripts.events,
        arguments=transcripts.Events,
        result=Stream,
        method="GET",
        path=f"{_SESSION}/events",
    ),
    Operation(
        name="session_tools",
        summary="The tool calls of one session, in their order.",
        ask=questions.tool_calls,
        arguments=questions.ToolCalls,
        result=Page[ToolItem],
        method="GET",
        path=f"{_SESSION}/tools",
    ),
    Operation(
        name="session_stats",
        summary="One session in numbers.",
        ask=questions.statistics,
        arguments=questions.Stats,
        result=Statistics,
        method="GET",
        path=f"{_SESSION}/statistics",
    ),
    Operation(
        name="children",
        summary="The sessions that come from this one: forks, subagents, continuations.",
        ask=questions.children,
        arguments=questions.Children,
        result=Page[SessionItem],
        method="GET",
        path=f"{_SESSION}/children",
    ),
    Operation(
        name="to_messages",
        summary="What to send to a model to go on with the session.",
        ask=transcripts.for_model,
        arguments=transcripts.ForModel,
        result=transcripts.ModelMessages,
        method="GET",
        path=f"{_SESSION}/to-messages",
    ),
    Operation(
        name="export",
        summary="A session as a document, as data or as training samples.",
        ask=transcripts.export_session,
        arguments=transcripts.Export,
        result=Stream,
        method="GET",
        path=f"{_SESSION}/export",
        tool=tools.EXPORT_SESSION,
    ),
    # --- commands on one session
    Operation(
        name="start",
        summary="A new session.",
        ask=writing.start,
        arguments=writing.Start,
        result=writing.Written,
        method="POST",
        path="/sessions",
        writes=True,
        creates=True,
        tool=tools.START_SESSION,
    ),
    Operation(
        name="append",
        summary="Append events to a session: all are stored, or none.",
        ask=writing.append,
        arguments=writing.Append,
        result=writing.Written,
        method="POST",
        path=f"{_SESSION}/events",
        writes=True,
    ),
    Operation(
        name="add_message",
        summary="Append a message to a session.",
        ask=writing.add_message,
        arguments=writing.AddMessage,
        result=writing.Written,
        method="POST",
        path=f"{_SESSION}/messages",
        writes=True,
        tool=tools.ADD_MESSAGE,
    ),
    Operation(
        name="link_invocation",
        summary="Note a use of a tool, with its result, in a session.",
        ask=writing.link_invocation,
        arguments=writing.LinkInvocation,
        result=writing.Linked,
        method="POST",
        path=f"{_SESSION}/tools",
        writes=True,
        tool=tools.LINK_INVOCATION,
    ),
    Operation(
        name="update",
        summary="Change what is known of a session: title, tags, metadata and other details.",
        ask=writing.update,
        arguments=writing.Update,
        result=writing.Written,
        method="PATCH",
        path=_SESSION,
        writes=True,
        tool=tools.UPDATE_SESSION,
    ),
    Operation(
        name="resume",
        summary="Go on with a session: note it, and give what whoever goes on must know.",
        ask=transcripts.resume,
        arguments=transcripts.Resume,
        result=transcripts.Resumed,
        method="POST",
        path=f"{_SESSION}/resume",
        writes=True,
        tool=tools.RESUME_SESSION,
    ),
    Operation(
        name="end",
        summary="Say that a session is over.",
        ask=writing.end,
        arguments=writing.End,
        result=writing.Written,
        method="POST",
        path=f"{_SESSION}/end",
        writes=True,
        tool=tools.END_SESSION,
    ),
    Operation(
        name="delete",
        summary="Hide a session and refuse to append to it; restore brings it back.",
        ask=lifecycle.delete,
        arguments=lifecycle.Delete,
        result=lifecycle.Deleted,
        method="DELETE",
        path=_SESSION,
        writes=True,
        destroys=True,
        tool=tools.DELETE_SESSION,
    ),
    Operation(
        name="restore",
        summary="Bring a deleted session back.",
        ask=lifecycle.restore,
        arguments=lifecycle.Restore,
        result=writing.Written,
        method="POST",
        path=f"{_SESSION}/restore",
        writes=True,
    ),
    # --- commands on several sessions
    Operation(
        name="fork",
        summary="A new session that begins as this one was at some point.",
        ask=lifecycle.fork,
        arguments=lifecycle.Fork,
        result=writing.Written,
        method="POST",
        path=f"{_SESSION}/fork",
        writes=True,
        creates=True,
    ),
    Operation(
        name="merge",
        summary="Bring all events of several sessions into one, each event once.",
        ask=lifecycle.merge,
        arguments=lifecycle.Merge,
        result=lifecycle.Merged,
        method="POST",
        path="/merge",
        writes=True,
        tool=tools.MERGE_SESSIONS,
    ),
    Operation(
        name="bulk",
        summary="Delete, restore, tag or pin many sessions at once.",
        ask=lifecycle.bulk,
        arguments=lifecycle.Bulk,
        result=lifecycle.BulkReport,
        method="POST",
        path="/bulk",
        writes=True,
        destroys=True,
    ),
    Operation(
        name="cleanup",
        summary="Delete sessions by age; without `apply` only say which.",
        ask=lifecycle.cleanup,
        arguments=lifecycle.Cleanup,
        result=CleanupReport,
        method="POST",
        path="/cleanup",
        writes=True,
        destroys=True,
        tool=tools.CLEANUP_SESSIONS,
    ),
    # --- the store
    Operation(
        name="verify",
        summary="Every byte of the store, or of some sessions, checked; one verdict per problem.",
        ask=health.verify,
        arguments=health.Verify,
        result=health.Verified,
        method="GET",
        path="/verify",
    ),
    Operation(
        name="health",
        summary="Whether the store answers. Says nothing about what is in it.",
        ask=health.health,
        arguments=health.Nothing,
        result=health.Health,
        method="GET",
        path="/health",
    ),
    Operation(
        name="version",
        summary="The version of this program.",
        ask=health.version,
        arguments=health.Nothing,
        result=health.Version,
        method="GET",
        path="/version",
    ),
)

_BY_NAME: Final = {row.name: row for row in TABLE}
TOOLS: Final[dict[str, Tool]] = {row.tool.name: row.tool for row in TABLE if row.tool is not None}


def operation(name: str) -> Operation:
    """The row of this name. Raises `InvalidInput`."""
    if name not in _BY_NAME:
        raise InvalidInput(f"there is no operation {name[:80]!r}; there are {', '.join(_BY_NAME)}")
    return _BY_NAME[name]
