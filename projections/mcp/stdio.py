"""Standard input and output as the wire: one JSON-RPC message a line, and nothing else.

- What is written to ``sys.stdout`` or by a child of this process goes to stderr while this serves: the wire is a descriptor of its own.
- A line that is no message is answered with an error, and the next one is read.
- The end of the input ends the server once what was asked before is answered; so does a reader that is gone. Neither is an error.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any, Final

import anyio
import anyio.to_thread
import mcp_types as types
import msgspec
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from mcp.server.lowlevel import Server
from mcp.shared.message import SessionMessage

MOST_LINE_BYTES: Final = 80 * 1024 * 1024  # an event of the largest size fits, escaped as it may be in part
_BLOCK_SIZE: Final = 64 * 1024
_LAST_ANSWERS_S: Final = 30.0
_TOO_LONG: Final = b"!"


def serve(server: Server[Any]) -> None:
    """Answer what comes on standard input until it ends, or nobody reads the answers any more."""
    with _own_wire() as (source, target):
        asyncio.run(Wire(source, target).serve(server))


@contextmanager
def _own_wire() -> Iterator[tuple[int, int]]:
    """Descriptors of the wire; 0 and 1 lead elsewhere meanwhile."""
    sys.stdout.flush()
    source, target = (fcntl.fcntl(number, fcntl.F_DUPFD_CLOEXEC, 3) for number in (0, 1))
    nowhere = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nowhere, 0)
    os.close(nowhere)
    os.dup2(2, 1)
    try:
        yield source, target
    finally:
        sys.stdout.flush()
        os.dup2(source, 0)
        os.dup2(target, 1)


class Lines:
    """Lines out of blocks of bytes. Blank ones are left out; of one that is too long a byte remains, which is no JSON."""

    def __init__(self, most: int = MOST_LINE_BYTES) -> None:
        self._most = most
        self._begun: list[bytes] = []
        self._size = 0

    def take(self, block: bytes) -> Iterator[bytes]:
        """The lines that end in this block."""
        *ended, rest = block.split(b"\n")
        for piece in ended:
            self._add(piece)
            line = b"".join(self._begun) if self._size <= self._most else _TOO_LONG
            self._begun, self._size = [], 0
            if line.strip():
                yield line
        self._add(rest)

    def _add(self, piece: bytes) -> None:
        self._size += len(piece)
        if self._size <= self._most:
            self._begun.append(piece)
        else:
            self._begun.clear()


class Wire:
    """One connection over two descriptors. A thread reads: no signal and no end of the program has to wait for the next line."""

    def __init__(self, source: int, target: int) -> None:
        self._source = source
        self._target = target
        self._lines: asyncio.Queue[bytes | None] = asyncio.Queue(16)
        self._unanswered: set[Any] = set()
        self._all_answered = asyncio.Event()
        self._writing = asyncio.Lock()

    async def serve(self, server: Server[Any]) -> None:
        loop = asyncio.get_running_loop()
        threading.Thread(target=self._read, args=(loop,), name="mcp stdin", daemon=True).start()
        inbound, requests = anyio.create_memory_object_stream[SessionMessage | Exception](0)
        answers, outbound = anyio.create_memory_object_stream[SessionMessage](0)
        async with anyio.create_task_group() as group:
            group.start_soon(self._take, inbound, group.cancel_scope)
            group.start_soon(self._give, outbound, group.cancel_scope)
            await server.run(requests, answers, server.create_initialization_options())

    # --- reading ---

    def _read(self, loop: asyncio.AbstractEventLoop) -> None:
        def put(line: bytes | None) -> None:
            asyncio.run_coroutine_threadsafe(self._lines.put(line), loop).result()

        lines = Lines()
        try:
            while block := os.read(self._source, _BLOCK_SIZE):
                for line in lines.take(block):
                    put(line)
            for line in lines.take(b"\n"):
                put(line)
            put(None)
        except OSError:  # the descriptor is of no use
            put(None)
        except RuntimeError:  # the loop is closed: nobody asks any more
            pass

    async def _messages(self) -> AsyncIterator[types.JSONRPCMessage]:
        while (line := await self._lines.get()) is not None:
            try:
                message = types.jsonrpc_message_adapter.validate_json(line, by_name=False)
            except ValueError:
                await self._refuse(line)
                continue
            if isinstance(message, types.JSONRPCNotification) and "id" in msgspec.json.decode(line):
                await self._refuse(line)  # a request whose id is no id
            else:
                yield message

    async def _take(self, inbound: MemoryObjectSendStream[SessionMessage | Exception], scope: anyio.CancelScope) -> None:
        async with inbound:
            try:
                async for message in self._messages():
                    if isinstance(message, types.JSONRPCRequest):
                        self._unanswered.add(message.id)
                    elif isinstance(message, types.JSONRPCNotification) and message.method == "notifications/cancelled":
                        self._unanswered.discard((message.params or {}).get("requestId"))  # it may never be answered
                    await inbound.send(SessionMessage(message))
                if self._unanswered:
                    self._all_answered.clear()
                    with anyio.move_on_after(_LAST_ANSWERS_S):
                        await self._all_answered.wait()
            except OSError:
                scope.cancel()
            except anyio.BrokenResourceError:
                pass  # the server is done

    async def _refuse(self, line: bytes) -> None:
        """Say of a line that it is no message."""
        found: Any = None
        code, message = types.PARSE_ERROR, "this line is no JSON, or too long; send one JSON-RPC message a line"
        try:
            found = msgspec.json.decode(line)
            code, message = types.INVALID_REQUEST, "this line is no JSON-RPC 2.0 message; send one request or notification a line"
        except (ValueError, RecursionError):
            pass
        given = found.get("id") if isinstance(found, dict) else None
        id = given if isinstance(given, (str, int)) and not isinstance(given, bool) else None
        await self._write(msgspec.json.encode({"jsonrpc": "2.0", "id": id, "error": {"code": code, "message": message}}))

    # --- writing ---

    async def _give(self, outbound: MemoryObjectReceiveStream[SessionMessage], scope: anyio.CancelScope) -> None:
        async with outbound:
            try:
                async for each in outbound:
                    await self._write(each.message.model_dump_json(by_alias=True, exclude_unset=True).encode())
                    self._unanswered.discard(getattr(each.message, "id", None))
                    if not self._unanswered:
                        self._all_answered.set()
            except OSError:  # nobody reads any more
                scope.cancel()

    async def _write(self, line: bytes) -> None:
        async with self._writing:
            await anyio.to_thread.run_sync(_write_all, self._target, line + b"\n", abandon_on_cancel=True)


def _write_all(target: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(target, view) :]
