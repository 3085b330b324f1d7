"""Where the application begins: the path behind ``--base-path``, exactly as it was sent."""

from __future__ import annotations

from starlette.types import ASGIApp, Receive, Scope, Send

from ..problems import problem


class BasePath:
    """Outside of all guards: they and the application find the rest of the path in the scope."""

    def __init__(self, app: ASGIApp, base_path: str) -> None:
        self.app = app
        self.base_path = base_path.rstrip("/")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        raw: bytes = scope.get("raw_path") or scope["path"].encode()
        path = raw.partition(b"?")[0].decode("latin-1")
        if path != self.base_path and not path.startswith(self.base_path + "/"):
            refused = problem(404, "NotFound", f"there is nothing at this address; everything is below {self.base_path}/ (--base-path)")
            await refused(scope, receive, send)
            return
        await self.app({**scope, "eventlog.path": path[len(self.base_path) :] or "/"}, receive, send)
