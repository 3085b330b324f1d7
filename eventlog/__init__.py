"""An event-sourced, append-only log for LLM, agent and chat sessions.

Facts in, facts out: `EventLog` opens a store, `Session` appends to one session and reads it. What the facts mean is in
the package `projections`, which imports this one and never the other way round.
"""

from __future__ import annotations

from .backend import Report
from .errors import EventLogError
from .log import EventLog
from .session import Session
from .settings import Settings
from .stored import StoredEvent

__all__ = ["EventLog", "EventLogError", "Report", "Session", "Settings", "StoredEvent"]
__version__ = "0.1.0"
