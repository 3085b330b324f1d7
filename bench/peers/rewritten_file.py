"""The whole session in one JSON file, written anew for every message: what most chat programs do. Measured at `PREFILLED` messages."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path

from . import Record

PREFILLED = 1_000


class RewrittenFile:
    def __init__(self, folder: Path, *, durable: bool) -> None:
        how = "temporary file, fsync, rename" if durable else "overwritten in place; a crash while writing loses the session"
        self.durability = f"{how}; {PREFILLED:,} messages are there"
        self._durable = durable
        self._path = folder / "session.json"
        text = "what was said before, in as many words as one says it in. " * 5
        self._messages: list[Record] = [{"role": "user", "content": text, "number": number} for number in range(PREFILLED)]

    def append(self, records: Sequence[Record]) -> None:
        for record in records:
            self._messages.append(record)
            self._save()
        del self._messages[PREFILLED:]  # so that every round measures the same length

    def _save(self) -> None:
        if not self._durable:
            with open(self._path, "w", encoding="utf-8") as file:
                json.dump(self._messages, file)
            return
        temporary = self._path.with_suffix(".tmp")
        with open(temporary, "w", encoding="utf-8") as file:
            json.dump(self._messages, file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, self._path)

    def load(self) -> int:
        with open(self._path, encoding="utf-8") as file:
            return len(json.load(file))

    def close(self) -> None:
        """Nothing is open."""


def open_peer(folder: Path, *, durable: bool) -> RewrittenFile:
    return RewrittenFile(folder, durable=durable)
