"""A client that speaks JSON lines on the pipes of ``eventlog mcp``, without the SDK, in either era of the protocol."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any, Literal

Era = Literal["2025-11-25", "2026-07-28"]
ERAS: tuple[Era, ...] = ("2025-11-25", "2026-07-28")
ME = {"name": "probe", "version": "1"}


class Refused(Exception):
    """The server answered with an error of the protocol."""

    def __init__(self, error: dict[str, Any]) -> None:
        self.code = error["code"]
        self.message = error["message"]
        self.data = error.get("data")
        super().__init__(f"{self.code}: {self.message}")


class Client:
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
        self._last = 0
        self._watch = threading.Timer(300, self.process.kill)  # a test that waits for an answer that never comes fails, and does not hang
        self._watch.daemon = True
        self._watch.start()
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
        line = self.process.stdout.readline()
        assert line, "the server is gone: " + b"".join(self._stderr).decode()
        found: dict[str, Any] = json.loads(line)
        return found

    def request(self, method: str, **params: Any) -> int:
        self._last += 1
        if self.era == "2026-07-28":
            names = {"protocolVersion": self.era, "clientInfo": ME, "clientCapabilities": {}}
            params["_meta"] = {f"io.modelcontextprotocol/{name}": value for name, value in names.items()}
        self.send({"jsonrpc": "2.0", "id": self._last, "method": method, "params": params})
        return self._last

    def ask(self, method: str, **params: Any) -> Any:
        """The result. Raises `Refused`."""
        id = self.request(method, **params)
        while (answer := self.receive()).get("id") != id:
            pass
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

    def close(self) -> tuple[int, str]:
        """Close its input: its exit code, and what it said on stderr. What was left on stdout must be JSON."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        with self.process.stdout:
            for line in self.process.stdout:
                json.loads(line)
        code = self.process.wait(60)
        self._watch.cancel()
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
