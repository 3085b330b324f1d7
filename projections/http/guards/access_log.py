"""A line per request in the server's own log: when, who, what was asked and answered.

Never a query, a header or a body: these hold content.
What went wrong inside is there too, with its traceback, and is never told to the client."""

from __future__ import annotations

import logging
import re
import time

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ..problems import of_error

LOGGER = logging.getLogger("eventlog.http")
_ID = re.compile(r"[^A-Za-z0-9._/~%-]")


class AccessLog:
    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began = time.monotonic()
        status = 0

        async def noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self.app(scope, receive, noted)
        except Exception as error:
            LOGGER.exception("while answering %s %s", scope["method"], _shown(scope))
            if status:
                return  # the answer has begun; uvicorn closes the connection, which says that it is not whole
            await of_error(error)(scope, receive, noted)
        finally:
            caller = scope.get("eventlog.caller")
            who = getattr(caller, "name", None) or "-"
            LOGGER.info("%s %s %s %d %.1f ms", who, scope["method"], _shown(scope), status, (time.monotonic() - began) * 1000)


def _shown(scope: Scope) -> str:
    return _ID.sub("?", str(scope.get("eventlog.path", "")))[:300]
