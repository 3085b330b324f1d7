"""What an operation takes at least in this interpreter: its steps in one function, on plain values.

No promise is kept here and nothing can be asked for. So what lies between a limit (a write, a sync, decoding) and a floor is Python's,
whatever the library does; what lies between the floor and the library is the library's.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any
from zlib import crc32

import msgspec

from eventlog.events import Event, MessageAdded, ToolCalled, ToolReturned, UsageRecorded
from eventlog.line import Envelope

from .measure import together

FLOOR = "what this interpreter takes for that, whatever the library does"
STEPS = "lock, time, line, checksum and os.write in one function"
SYNCED_STEPS = f"{STEPS}, and fdatasync"
VIEW = "messages with parts, calls with results, tokens, in one loop over decode_lines"


class Steps:
    """An append: lock, time, line, checksum, write, and a sync where it is ``durable``."""

    def __init__(self, folder: Path, *, durable: bool = False) -> None:
        self.fd = os.open(folder / "steps.jsonl", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        self.lock, self.encoder, self.buffer = threading.Lock(), msgspec.json.Encoder(), bytearray()
        self.durable = durable
        self.seq = self.running = 0

    def append(self, events: Sequence[Event]) -> None:
        for event in events:
            with self.lock:
                self.seq += 1
                buffer = self.buffer
                self.encoder.encode_into(Envelope(self.seq, datetime.now(timezone.utc), event.type, event), buffer)
                buffer.pop()
                running = crc32(buffer, self.running)
                tail = b',"crc":"%08x"}\n' % running
                buffer += tail
                self.running = crc32(tail, running)
                os.write(self.fd, buffer)
                if self.durable:
                    os.fdatasync(self.fd)


class Relay:
    """Group commit of threads with ready lines: each gives its line and sleeps; who comes last writes and syncs for all, and wakes them."""

    def __init__(self, folder: Path, lines: Sequence[bytes], threads: int, each: int) -> None:
        self.fd = os.open(folder / f"relay-{threads}.jsonl", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        self.lines, self.threads, self.each = lines, threads, each
        self.lock = threading.Lock()
        self.waiting: list[tuple[bytes, threading.Lock]] = []

    def round(self) -> float:
        return together([self._work] * self.threads)

    def _work(self) -> None:
        gate = threading.Lock()
        gate.acquire()
        for line in self.lines[: self.each]:
            with self.lock:
                self.waiting.append((line, gate))
                group = list(self.waiting) if len(self.waiting) == self.threads else []
                if group:
                    self.waiting.clear()
            if group:
                os.write(self.fd, b"".join(line for line, _ in group))
                os.fdatasync(self.fd)
                for _, sleeping in group:
                    sleeping.release()
            gate.acquire()


class _Message(msgspec.Struct, gc=False):
    seq: int
    message_id: str | None
    role: str
    parts: list[dict[str, Any]]
    model: str | None
    time: datetime
    metadata: dict[str, Any]


class _Call(msgspec.Struct, gc=False):
    seq: int
    name: str
    arguments: Any
    time: datetime
    output: Any = None
    returned_at: datetime | None = None


def view(decode_lines: Callable[[bytes], Iterable[Any]], chunks: Iterable[bytes]) -> object:
    """A session with everything kept, of events that need no care: nothing is unknown, corrected, doubled, taken back or out of order."""
    messages: list[_Message] = []
    by_message: dict[str, _Message] = {}
    calls: dict[str, _Call] = {}
    usage: dict[str, UsageRecorded] = {}
    for chunk in chunks:
        for line in decode_lines(chunk):
            event = line.data
            kind = type(event)
            if kind is MessageAdded:
                parts = [{"type": "text", "content": event.content}]
                message = _Message(line.seq, event.message_id, event.role, parts, event.model, line.time, event.metadata)
                messages.append(message)
                if event.message_id is not None:
                    by_message[event.message_id] = message
            elif kind is ToolCalled:
                calls[event.call_id] = _Call(line.seq, event.name, event.arguments, line.time)
            elif kind is ToolReturned:
                call = calls[event.call_id]
                call.output, call.returned_at = event.output, line.time
            elif kind is UsageRecorded:
                usage[event.message_id] = event
    tokens = sum(found.input_tokens for found in usage.values()), sum(found.output_tokens for found in usage.values())
    return messages, by_message, calls, usage, tokens
