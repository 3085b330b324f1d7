"""LangGraph (checked with langgraph-checkpoint 4.3): `EventLogSaver`, a checkpointer, and `EventLogStore`, a store of memories.

    with EventLogSaver.from_path("my-store") as saver:
        graph = builder.compile(checkpointer=saver, store=EventLogStore("my-store"))

A thread is the log's session of the key ``langgraph/THREAD``; `thread` says which events it has, `values` how values are written. The
memories of a namespace ``("users", ...)`` are the session of the key ``langgraph-store/users``.
"""

from .saver import EventLogSaver
from .store import EventLogStore

__all__ = ["EventLogSaver", "EventLogStore"]
