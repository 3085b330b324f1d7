"""Tools under the names, and with the arguments, of two session managers that this one stands in for (``--their-names``).

Each is one of our tools in other words: bounds, permission and dry runs are the same. ``link_invocation`` keeps its name, and takes the
folder of the invocation as well."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from ..operations import TOOLS, Context, Tool
from ..operations.row import Arguments

_Session = Annotated[str, Meta(description="The session's id.")]


class CreateSession(Arguments, frozen=True, kw_only=True):
    session_id: Annotated[str | None, Meta(description="The id of the new session; default: a new one.")] = None
    purpose: Annotated[str | None, Meta(description="What it is for.")] = None
    user_id: Annotated[str | None, Meta(description="Whose it is.")] = None
    tags: Annotated[list[str], Meta(description="Its tags.")] = []


class CompleteSession(Arguments, frozen=True, kw_only=True):
    session_id: _Session
    status: Annotated[
        Literal["completed", "failed", "abandoned", "COMPLETED", "FAILED", "ABANDONED"], Meta(description="How it ended.")
    ] = "completed"


class AddConversationMessage(Arguments, frozen=True, kw_only=True):
    session_id: _Session
    role: Annotated[str, Meta(description="user, assistant or tool.", min_length=1)]
    content: Annotated[str, Meta(description="What is said.")]
    tool_name: Annotated[str | None, Meta(description="The tool that it is about.")] = None
    invocation_id: Annotated[str | None, Meta(description="The tool invocation that it is about.")] = None


class UpdateSessionMetadata(Arguments, frozen=True, kw_only=True):
    session_id: _Session
    purpose: Annotated[str | UnsetType | None, Meta(description="What it is for; null removes it.")] = UNSET
    tags: Annotated[list[str], Meta(description="Tags to add.")] = []
    custom_metadata: Annotated[dict[str, Any] | UnsetType, Meta(description="Names and values to keep with it; null removes one.")] = UNSET


class GetSessionStatistics(Arguments, frozen=True, kw_only=True):
    session_id: _Session


class CleanupOldSessions(Arguments, frozen=True, kw_only=True):
    max_age_days: Annotated[int, Meta(ge=0, le=36_500, description="Delete what was last written to longer ago than this.")] = 30
    apply: Annotated[bool, Meta(description="Do it; without this the answer only says what would go.")] = False


class LinkInvocation(Arguments, frozen=True, kw_only=True):
    session_id: _Session
    invocation_id: Annotated[str, Meta(description="The id of the invocation. Linking it again adds nothing.", min_length=1)]
    tool_name: Annotated[str, Meta(description="The tool.", min_length=1)]
    invocation_dir: Annotated[str | None, Meta(description="The folder of its record.")] = None
    arguments: Annotated[Any, Meta(description="What it was called with.")] = None
    output: Annotated[Any, Meta(description="What it answered.")] = None
    is_error: Annotated[bool, Meta(description="Whether it failed.")] = False
    duration_ms: Annotated[Annotated[float, Meta(ge=0)] | None, Meta(description="How long it took, in milliseconds.")] = None


def _alias(name: str, ours: str, arguments: type[Arguments], translate: Callable[[Any], dict[str, Any]]) -> Tool:
    tool = TOOLS[ours]

    def ask(context: Context, asked: Arguments) -> Any:
        return tool(context, msgspec.convert(translate(asked), type=tool.arguments))

    return msgspec.structs.replace(tool, name=name, ask=ask, arguments=arguments)


def _given(asked: Arguments) -> dict[str, Any]:
    return {name: value for name in asked.__struct_fields__ if (value := getattr(asked, name)) is not UNSET}


def _metadata(asked: UpdateSessionMetadata) -> dict[str, Any]:
    given = _given(asked)
    if "custom_metadata" in given:
        given["metadata"] = given.pop("custom_metadata")
    return given


def _invocation(asked: LinkInvocation) -> dict[str, Any]:
    given = _given(asked)
    folder = given.pop("invocation_dir")
    return given if folder is None else {**given, "artifacts": [{"path": folder}]}


_ALIASES: Final = (
    _alias("create_session", "start_session", CreateSession, _given),
    _alias("complete_session", "end_session", CompleteSession, lambda asked: {**_given(asked), "status": asked.status.lower()}),
    _alias("add_conversation_message", "add_message", AddConversationMessage, _given),
    _alias("update_session_metadata", "update_session", UpdateSessionMetadata, _metadata),
    _alias("get_session_statistics", "get_statistics", GetSessionStatistics, _given),
    _alias(
        "cleanup_old_sessions",
        "cleanup_sessions",
        CleanupOldSessions,
        lambda asked: {"older_than": f"{asked.max_age_days}d", "apply": asked.apply},
    ),
    _alias("link_invocation", "link_invocation", LinkInvocation, _invocation),
)
WITH_THEIRS: Final[dict[str, Tool]] = {**TOOLS, **{tool.name: tool for tool in _ALIASES}}
