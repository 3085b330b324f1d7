"""The rows of the table as a model sees them: the tools' names, their arguments, and answers that are bounded.

What comes back is what somebody recorded: data, never instructions. The tools that read say so.
"""

from __future__ import annotations

from .finding import GET_STATISTICS, GET_TOOL_CALLS, LIST_SESSIONS, SEARCH_SESSIONS
from .reading import EXPORT_SESSION, GET_MESSAGES, GET_SESSION, RESUME_SESSION
from .recall import RECALL
from .writing import (
    ADD_MESSAGE,
    CLEANUP_SESSIONS,
    DELETE_SESSION,
    END_SESSION,
    LINK_INVOCATION,
    MERGE_SESSIONS,
    START_SESSION,
    UPDATE_SESSION,
)

__all__ = [
    "ADD_MESSAGE",
    "CLEANUP_SESSIONS",
    "DELETE_SESSION",
    "END_SESSION",
    "EXPORT_SESSION",
    "GET_MESSAGES",
    "GET_SESSION",
    "GET_STATISTICS",
    "GET_TOOL_CALLS",
    "LINK_INVOCATION",
    "LIST_SESSIONS",
    "MERGE_SESSIONS",
    "RECALL",
    "RESUME_SESSION",
    "SEARCH_SESSIONS",
    "START_SESSION",
    "UPDATE_SESSION",
]
