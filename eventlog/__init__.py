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

TYPE_CHECKING = False  # not typing's, which takes longer to load than `eventlog hook` may take in all
if TYPE_CHECKING:
    from .errors import EventLogError
    from .log import EventLog
    from .reports import Report
    from .session import Session, draft
    from .settings import Settings
    from .stored import StoredEvent

__all__ = ["EventLog", "EventLogError", "Report", "Session", "Settings", "StoredEvent", "draft"]
__version__ = "0.1.0"

_WHERE = {
    "EventLog": "log",
    "EventLogError": "errors",
    "Report": "reports",
    "Session": "session",
    "Settings": "settings",
    "StoredEvent": "stored",
    "draft": "session",
}


if not TYPE_CHECKING:  # a checker must see what there is not

    def __getattr__(name: str) -> object:
        """The public names and the modules, each loaded when it is asked for: `eventlog hook` answers before they could be."""
        from importlib import import_module

        if name in _WHERE:
            found = globals()[name] = getattr(import_module(f".{_WHERE[name]}", __name__), name)
            return found
        if not name.startswith("_"):
            try:
                return import_module(f".{name}", __name__)
            except ModuleNotFoundError as error:
                if error.name != f"{__name__}.{name}":
                    raise
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
