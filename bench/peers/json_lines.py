"""A line of JSON per record, appended with the standard library: what most programs that keep a log do."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path

from . import Record


class JsonLines:
    def __init__(self, folder: Path, *, durable: bool) -> None:
        self.durability = "fsync per record" if durable else "flush: the operating system has it"
        self._durable = durable
        self._path = folder / "session.jsonl"
        self._file = open(self._path, "a", encoding="utf-8")  # noqa: SIM115  kept open, as a logger does

    def append(self, records: Sequence[Record]) -> None:
        file = self._file
        for record in records:
            file.write(json.dumps(record) + "\n")
            file.flush()
            if self._durable:
                os.fsync(file.fileno())

    def load(self) -> int:
        with open(self._path, encoding="utf-8") as file:
            return len([json.loads(line) for line in file])

    def close(self) -> None:
        self._file.close()


def open_peer(folder: Path, *, durable: bool) -> JsonLines:
    return JsonLines(folder, durable=durable)
