"""`SqliteSaver` of ``langgraph-checkpoint-sqlite``: a checkpoint per step that holds the growing list of messages.

That is what a graph with a ``messages`` channel does. Measured while the list grows from `PREFILLED` messages."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from langgraph.checkpoint.base import empty_checkpoint
from langgraph.checkpoint.base.id import uuid6
from langgraph.checkpoint.sqlite import SqliteSaver

from . import Record
from .loosened import DEFAULT, OFF, connections

PREFILLED = 200


class LangGraph:
    def __init__(self, folder: Path, *, durable: bool) -> None:
        self.durability = f"{DEFAULT if durable else OFF}; {PREFILLED:,} messages are there"
        with connections(durable=durable):
            self._connection = sqlite3.connect(folder / "session.db", check_same_thread=False)
        self._saver: Any = SqliteSaver(self._connection)
        self._saver.setup()
        self._config: Any = {"configurable": {"thread_id": "s", "checkpoint_ns": ""}}
        text = "what was said before, in as many words as one says it in. " * 5
        self._messages: list[Record] = [{"role": "user", "content": text, "number": number} for number in range(PREFILLED)]
        self._step = 0

    def append(self, records: Sequence[Record]) -> None:
        for record in records:
            self._messages.append(record)
            self._put()
        del self._messages[PREFILLED:]  # so that every round measures the same lengths

    def extend(self, records: Sequence[Record]) -> None:
        """Have a session of these messages, with one checkpoint, to load from."""
        self._messages = list(records)
        self._put()

    def _put(self) -> None:
        self._step += 1
        version = f"{self._step:032}.0"
        checkpoint: Any = empty_checkpoint()
        checkpoint["id"] = str(uuid6(clock_seq=self._step))
        checkpoint["channel_values"] = {"messages": self._messages}
        checkpoint["channel_versions"] = {"messages": version}
        metadata: Any = {"source": "loop", "step": self._step, "parents": {}}
        self._config = self._saver.put(self._config, checkpoint, metadata, {"messages": version})

    def load(self) -> int:
        found = self._saver.get_tuple({"configurable": {"thread_id": "s", "checkpoint_ns": ""}})
        return len(found.checkpoint["channel_values"]["messages"])

    def close(self) -> None:
        self._connection.close()


def open_peer(folder: Path, *, durable: bool) -> LangGraph:
    return LangGraph(folder, durable=durable)
