"""An event-sourced, append-only log for LLM, agent and chat sessions.

Facts in, facts out: `EventLog` opens a store, `Session` appends to one session and reads it. What the facts mean is in
the package `projections`, which imports this one and never the other way round.
"""

from __future__ import annotations

import sys

if str(sys.platform) == "win32":  # before anything is imported that is not there
    raise ImportError(
        "eventlog runs on Linux and macOS, whose file locks it needs, and not on Windows itself; install it inside WSL, the Windows"
        " Subsystem for Linux (wsl --install), and keep the store on WSL's own file system"
    )

from .errors import EventLogError
from .log import EventLog
from .reports import Report
from .session import Session, draft
from .settings import Settings
from .stored import StoredEvent

__all__ = ["EventLog", "EventLogError", "Report", "Session", "Settings", "StoredEvent", "draft"]
__version__ = "0.1.0"
