"""Clients without the SDK, in either era of the protocol: of JSON lines on the pipes of ``eventlog mcp``, and of streamable HTTP."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, Literal

Era = Literal["2025-11-25", "2026-07-28"]
ERAS: tuple[Era, ...] = ("2025-11-25", "2026-07-28")
ME = {"name": "probe", "version": "1"}
_PATIENCE_S = 300


class Refused(Exception):
    """The server answered with an error of the protocol."""

    def __init__(self, error: dict[str, Any]) -> None:
        self.code = error["code"]
        self.message = error["message"]
        self.data = error.get("data")
        super().__init__(f"{self.code}: {self.message}")


class Asker:
    """What clients of both wires ask and check. ``exchange`` sends a request and gives its answer."""

    era: Era
    _last = 0

    def exchange(self, request: dict[str, Any]) -> dict[str, Any]:
        raise NotImplementedError

    def request_of(self, method: str, **params: Any) -> dict[str, Any]:
        self._last += 1
        if self.era == "2026-07-28":
            names = {"protocolVersion": self.era, "clientInfo": ME, "clientCapabilities": {}}
            params["_meta"] = {**params.get("_meta", {}), **{f"io.modelcontextprotocol/{name}": value for name, value in names.items()}}
        return {"jsonrpc": "2.0", "id": self._last, "method": method, "params": params}

    def ask(self, method: str, **params: Any) -> Any:
        """The result. Raises `Refused`."""
        answer = self.exchange(self.request_of(method, **params))
        if "error" in answer:
            raise Refused(answer["error"])
        return answer["result"]

    def call(self, name: str, /, **arguments: Any) -> Any:
        """What the tool says; of a failure ``{"failed": text}``. Structured content and text are the same, and bounded."""
        result = self.ask("tools/call", name=name, arguments=arguments)
        text = result["content"][0]["text"]
        assert len(text) <= 20_000
        if result.get("isError"):
            return {"failed": text}
        assert json.loads(text) == result["structuredContent"]
        assert len(json.dumps(result["structuredContent"], ensure_ascii=False, separators=(",", ":"))) <= 20_000
        return result["structuredContent"]


class Client(Asker):
    """One server process. Every line that it writes on stdout must be JSON."""

    def __init__(self, store: Path, *options: str, era: Era = "2025-11-25") -> None:
        self.era = era
        self.store = store
        self.process = subprocess.Popen(
            [sys.executable, "-m", "eventlog", "--store", str(store), "mcp", *options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        self._stderr: list[bytes] = []
        self._draining = threading.Thread(target=self._drain)
        self._draining.start()
        if era == "2025-11-25":
            self.about = self.ask("initialize", protocolVersion=era, capabilities={}, clientInfo=ME)
            self.send({"jsonrpc": "2.0", "method": "notifications/initialized"})
        else:
            self.about = self.ask("server/discover")

    def _drain(self) -> None:
        assert self.process.stderr is not None
        self._stderr += [*self.process.stderr]

    def send(self, message: Any) -> None:
        self.send_line(json.dumps(message).encode())

    def send_line(self, line: bytes) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(line + b"\n")
        self.process.stdin.flush()

    def receive(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        with self._patience():
            line = self.process.stdout.readline()
        assert line, "the server is gone: " + b"".join(self._stderr).decode()
        found: dict[str, Any] = json.loads(line)
        return found

    @contextmanager
    def _patience(self) -> Iterator[None]:
        """An answer that never comes fails the test, and does not hang it."""
        watch = threading.Timer(_PATIENCE_S, self.process.kill)
        watch.start()
        try:
            yield
        finally:
            watch.cancel()

    def request(self, method: str, **params: Any) -> int:
        """Send it, and do not wait: its id."""
        request = self.request_of(method, **params)
        self.send(request)
        return int(request["id"])

    def exchange(self, request: dict[str, Any]) -> dict[str, Any]:
        self.send(request)
        while (answer := self.receive()).get("id") != request["id"]:
            pass
        return answer

    def close(self) -> tuple[int, str]:
        """Close its input: its exit code, and what it said on stderr. What was left on stdout must be JSON."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        with self.process.stdout, self._patience():
            for line in self.process.stdout:
                json.loads(line)
        return self.ended()

    def ended(self) -> tuple[int, str]:
        """Wait for its end, whatever that comes of: its exit code, and what it said on stderr."""
        code = self.process.wait(60)
        self._draining.join(60)
        assert self.process.stderr is not None
        self.process.stderr.close()
        return code, b"".join(self._stderr).decode()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            self.process.kill()
        ended = self.close()
        assert kind is not None or ended == (0, "")


class HttpClient(Asker):
    """Streamable HTTP: each request a POST, each answer JSON or the last of some server-sent events."""

    def __init__(self, port: int, token: str | None, *, era: Era = "2025-11-25", path: str = "/mcp") -> None:
        self.era = era
        self.path = path
        self.port = port
        self.headers = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}
        if token is not None:
            self.headers["Authorization"] = f"Bearer {token}"
        if era == "2025-11-25":
            self.about = self.ask("initialize", protocolVersion=era, capabilities={}, clientInfo=ME)
            self.headers["MCP-Protocol-Version"] = era
            assert self.post({"jsonrpc": "2.0", "method": "notifications/initialized"})[0] == 202
        else:
            self.about = self.ask("server/discover")

    def post(self, message: Any, **headers: str) -> tuple[int, bytes]:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=60)
        body = message if isinstance(message, bytes) else json.dumps(message).encode()
        try:
            connection.request(
                "POST", self.path, body, {**self.headers, **{name.replace("_", "-"): value for name, value in headers.items()}}
            )
            answer = connection.getresponse()
            if "mcp-session-id" in answer.headers:
                self.headers["Mcp-Session-Id"] = answer.headers["mcp-session-id"]
            return answer.status, answer.read()
        finally:
            connection.close()

    def exchange(self, request: dict[str, Any]) -> dict[str, Any]:
        headers = {}
        if self.era == "2026-07-28":  # what is in the body stands in headers, too
            headers = {"MCP-Protocol-Version": self.era, "Mcp-Method": request["method"]}
            name = request["params"].get("name") or request["params"].get("uri")
            headers |= {} if name is None else {"Mcp-Name": name}
        _, body = self.post(request, **headers)
        lines = [line.removeprefix(b"data: ") for line in body.splitlines() if line.startswith((b"data: {", b"{"))]
        found: dict[str, Any] = json.loads(lines[-1])
        return found
