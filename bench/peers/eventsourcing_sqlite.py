"""An aggregate of the ``eventsourcing`` library in its SQLite recorder: an event per call, saved at once."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

from eventsourcing.application import Application
from eventsourcing.domain import Aggregate, event

from . import Record
from .loosened import DEFAULT, OFF, connections


class Conversation(Aggregate):
    def __init__(self) -> None:
        self.records: list[Record] = []

    @event("Recorded")
    def record(self, record: Record) -> None:
        self.records.append(record)


class EventSourcing:
    def __init__(self, folder: Path, *, durable: bool) -> None:
        self.durability = DEFAULT if durable else OFF
        self._durable = durable
        environment = {"PERSISTENCE_MODULE": "eventsourcing.sqlite", "SQLITE_DBNAME": str(folder / "session.db")}
        with connections(durable=durable):
            self._application: Any = Application(env=environment)
            conversation = Conversation()
            self._application.save(conversation)
        self._conversation = conversation
        self._id: UUID = conversation.id

    def append(self, records: Sequence[Record]) -> None:
        with connections(durable=self._durable):
            for record in records:
                self._conversation.record(record)
                self._application.save(self._conversation)

    def load(self) -> int:
        return len(self._application.repository.get(self._id).records)

    def close(self) -> None:
        self._application.close()


def open_peer(folder: Path, *, durable: bool) -> EventSourcing:
    return EventSourcing(folder, durable=durable)
