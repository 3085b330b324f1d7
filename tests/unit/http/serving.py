"""`eventlog serve` as a process of its own, and a client of its live stream."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import msgspec


class Served:
    def __init__(self, process: subprocess.Popen[bytes], said: Any) -> None:
        self.process = process
        self.said = said
        self.token: str = said["token"]
        self.port = int(said["url"].split(":")[2].split("/")[0])
        self.url: str = said["url"]

    def ask(self, method: str, target: str, body: Any = None, **headers: str) -> tuple[int, bytes]:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=60)
        data = None if body is None else msgspec.json.encode(body)
        given = {"Authorization": f"Bearer {self.token}", **({} if data is None else {"Content-Type": "application/json"}), **headers}
        try:
            connection.request(method, target, data, given)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def stop(self) -> tuple[int, bytes]:
        """The exit code and what stood on standard error."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=60), self.process.stderr.read()  # type: ignore[union-attr]


@contextmanager
def served(store: Path, config: Path, *options: str) -> Iterator[Served]:
    command = [sys.executable, "-m", "eventlog", "serve", "--store", str(store), "--listen", "127.0.0.1:0", "--json", *options]
    environment = {**os.environ, "XDG_CONFIG_HOME": str(config)}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment)
    try:
        line = process.stdout.readline()  # type: ignore[union-attr]
        assert line, process.stderr.read()  # type: ignore[union-attr]
        yield Served(process, msgspec.json.decode(line))
    finally:
        process.kill()
        process.wait()
        process.stdout.close()  # type: ignore[union-attr]
        process.stderr.close()  # type: ignore[union-attr]


class Stream:
    """Server-sent events over a socket. `cut` ends the connection in the middle of whatever it is."""

    def __init__(self, served: Served, target: str, last_event_id: str | None = None) -> None:
        self._socket = socket.create_connection(("127.0.0.1", served.port), timeout=60)
        more = "" if last_event_id is None else f"Last-Event-ID: {last_event_id}\r\n"
        head = f"GET /api/v1/stream{target} HTTP/1.1\r\nHost: 127.0.0.1:{served.port}\r\nAuthorization: Bearer {served.token}\r\n{more}\r\n"
        self._socket.sendall(head.encode())
        self._file = self._socket.makefile("rb")
        self.status = int(self._file.readline().split()[1])
        while self._file.readline().strip():
            pass
        self._left = b""
        self.last_id = last_event_id

    def __iter__(self) -> Iterator[tuple[str, Any]]:
        """(event, data) of each; the end of the stream ends it."""
        while True:
            size = self._file.readline().strip()
            if not size or int(size, 16) == 0:
                return
            self._left += self._file.read(int(size, 16))
            self._file.readline()
            while b"\n\n" in self._left:
                block, _, self._left = self._left.partition(b"\n\n")
                fields = dict(line.split(b": ", 1) for line in block.split(b"\n") if b": " in line and not line.startswith(b":"))
                if b"event" in fields:
                    self.last_id = fields[b"id"].decode() if b"id" in fields else self.last_id
                    yield fields[b"event"].decode(), msgspec.json.decode(fields[b"data"])

    def until_caught_up(self) -> list[tuple[str, Any]]:
        found = []
        for event in self:
            if event[0] == "caught_up":
                return found
            found.append(event)
        raise AssertionError("the stream ended")

    def cut(self) -> None:
        self._file.close()
        self._socket.close()
