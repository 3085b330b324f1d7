"""What may be sent: JSON that says that it is JSON (which a page of another site cannot without asking first), up to a limit."""

from __future__ import annotations

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ..problems import problem
from .around import headers_of, path_of

MOST_BYTES = 64 * 1024 * 1024
_EXEMPT = ("/v1",)  # has rules of its own


class Bodies:
    """Passes on a request whose body, if it has one, is JSON and no larger than ``most_bytes``."""

    def __init__(self, app: ASGIApp, most_bytes: int = MOST_BYTES) -> None:
        self.app = app
        self.most_bytes = most_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or path_of(scope).startswith(_EXEMPT):
            await self.app(scope, receive, send)
            return
        headers = headers_of(scope)
        length = headers.get("content-length", "")
        has_body = "transfer-encoding" in headers or length not in ("", "0")
        writes = scope["method"] in ("POST", "PATCH") or (has_body and scope["method"] not in ("GET", "HEAD"))
        if writes and headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
            detail = "send the body as JSON and say so: `Content-Type: application/json`"
            await problem(415, "NotJson", detail)(scope, receive, send)
            return
        if length.isdigit() and int(length) > self.most_bytes:
            await self._too_large()(scope, receive, send)
            return
        size = 0
        started = False

        async def counted() -> Message:
            nonlocal size
            message = await receive()
            size += len(message.get("body", b""))
            if size > self.most_bytes:
                raise _TooLarge
            return message

        async def noted(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self.app(scope, counted, noted)
        except _TooLarge:
            if not started:
                await self._too_large()(scope, receive, send)

    def _too_large(self) -> ASGIApp:
        detail = f"the body is larger than {self.most_bytes:,} bytes; send it in several requests"
        return problem(413, "BodyTooLarge", detail, {"limit_bytes": self.most_bytes}, {"connection": "close"})


class _TooLarge(Exception):
    pass
