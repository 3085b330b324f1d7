"""Which names this server answers to. A page of another site that points its own name here is the same origin to a browser: only the Host
header shows it, so it is looked at on every path."""

from __future__ import annotations

from collections.abc import Collection

from starlette.types import ASGIApp, Receive, Scope, Send

from ..problems import problem
from .around import headers_of


class Hosts:
    """``hosts`` are names with their ports (``127.0.0.1:8765``), ``any_port`` names that may have any port or none."""

    def __init__(self, app: ASGIApp, hosts: Collection[str], any_port: Collection[str] = ()) -> None:
        self.app = app
        self.hosts = frozenset(host.lower() for host in hosts)
        self.any_port = frozenset(host.lower() for host in any_port)

    def allows(self, host: str) -> bool:
        host = host.lower()
        name, colon, port = host.rpartition(":")
        bare = name if colon and port.isdigit() and (not name.count(":") or name.endswith("]")) else host
        return host in self.hosts or bare in self.any_port

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        given = headers_of(scope).getlist("host")
        if len(given) == 1 and self.allows(given[0]):
            await self.app(scope, receive, send)
            return
        said = f"the Host {given[0][:80]!r} is not one that this server answers to" if given else "the request names no Host"
        detail = f"{said}; ask for the address that `eventlog serve` printed, or start it with --allow-host"
        await problem(421, "HostRefused", detail)(scope, receive, send)
