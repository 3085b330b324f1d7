"""Which pages may ask. A browser says with Origin and Sec-Fetch-Site on whose behalf it does; a program says neither and has its token."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from starlette.datastructures import MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ..problems import problem
from .around import headers_of, is_shell
from .hosts import Hosts

_FOREIGN: Final = ("cross-site", "same-site")
_ALLOWED: Final = {
    "access-control-allow-methods": "GET, POST, PATCH, DELETE",
    "access-control-allow-headers": "authorization, content-type, idempotency-key, if-match, if-none-match, last-event-id"
    ", mcp-method, mcp-name, mcp-protocol-version, mcp-session-id",
    "access-control-max-age": "600",
}
_EXPOSED: Final = "ETag, Location, Mcp-Session-Id, Retry-After"


class Origins:
    """``hosts`` says what our own origins are; ``others`` are further ones (``https://app.example``), which then get CORS headers."""

    def __init__(self, app: ASGIApp, hosts: Hosts, others: Collection[str] = ()) -> None:
        self.app = app
        self.hosts = hosts
        self.others = frozenset(origin.rstrip("/").lower() for origin in others)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = headers_of(scope)
        origin, site = headers.get("origin"), headers.get("sec-fetch-site")
        other = origin is not None and origin.lower() in self.others
        if other and scope["method"] == "OPTIONS" and "access-control-request-method" in headers:
            await Response(status_code=204, headers={**_ALLOWED, **_cors(origin)})(scope, receive, send)
        elif not is_shell(scope) and origin is not None and not other and not self._is_ours(origin):
            detail = f"pages of {origin[:80]!r} may not ask here; start the server with --allow-origin if they should"
            await problem(403, "OriginRefused", detail)(scope, receive, send)
        elif not is_shell(scope) and site in _FOREIGN and not other:
            detail = "a page of another site asked for this (Sec-Fetch-Site); start the server with --allow-origin if it should"
            await problem(403, "OriginRefused", detail)(scope, receive, send)
        else:
            await self.app(scope, receive, _with(send, _cors(origin)) if other else send)

    def _is_ours(self, origin: str) -> bool:
        scheme, separator, host = origin.partition("://")
        return bool(separator) and scheme in ("http", "https") and self.hosts.allows(host)


def _cors(origin: str | None) -> dict[str, str]:
    return {"access-control-allow-origin": str(origin), "access-control-expose-headers": _EXPOSED, "vary": "Origin"}


def _with(send: Send, headers: dict[str, str]) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            found = MutableHeaders(scope=message)
            for name, value in headers.items():
                found[name] = value
            found["cross-origin-resource-policy"] = "cross-origin"
        await send(message)

    return sending
