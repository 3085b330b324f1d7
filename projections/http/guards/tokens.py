"""Who asks: a bearer token in a header.

Never a cookie (those are sent to every port of a machine) and never in an address (those are logged)."""

from __future__ import annotations

from collections.abc import Mapping
from hmac import compare_digest

import msgspec
from starlette.types import ASGIApp, Receive, Scope, Send

from ..problems import problem
from .around import headers_of, is_shell, path_of

_OPEN = "/api/v1/health"


class Caller(msgspec.Struct, frozen=True, kw_only=True):
    """``name`` becomes the ``user_id`` of what is written, where nothing else is said."""

    name: str | None = None
    may_write: bool = True


class Tokens:
    """``tokens`` of those who may ask; None: nobody needs one. Who asks stands in the scope as ``eventlog.caller``."""

    def __init__(self, app: ASGIApp, tokens: Mapping[str, Caller] | None) -> None:
        self.app = app
        self._tokens = None if tokens is None else [(token.encode(), caller) for token, caller in tokens.items()]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        caller = self._caller(headers_of(scope).get("authorization", ""))
        if caller is None and not is_shell(scope) and path_of(scope) != _OPEN:
            detail = (
                "send the token that `eventlog serve` printed, as `Authorization: Bearer TOKEN`; `eventlog open` opens the page with it"
            )
            await problem(401, "TokenNeeded", detail, headers={"www-authenticate": "Bearer"})(scope, receive, send)
            return
        await self.app({**scope, "eventlog.caller": caller or Caller(may_write=False)}, receive, send)

    def _caller(self, authorization: str) -> Caller | None:
        if self._tokens is None:
            return Caller()
        scheme, _, given = authorization.partition(" ")
        if scheme.lower() != "bearer":
            return None
        found = None
        for token, caller in self._tokens:  # all of them, so that how long it takes says nothing
            if compare_digest(token, given.strip().encode("utf-8", "replace")):
                found = caller
        return found
