"""What the guards have in common: how a request is looked at, and which requests are for the page's own files."""

from __future__ import annotations

from starlette.datastructures import Headers
from starlette.types import Scope

_PROGRAMS = ("/api", "/mcp", "/v1")  # what programs ask; everything else is the page's files, in which nothing is of the store


def headers_of(scope: Scope) -> Headers:
    return Headers(scope=scope)


def path_of(scope: Scope) -> str:
    """The path behind the base path, as it was sent."""
    found: str = scope["eventlog.path"]
    return found


def is_shell(scope: Scope) -> bool:
    """Whether the request is for the page's files: they hold nothing of the store, and a link from elsewhere may lead there."""
    path = path_of(scope)
    return scope["method"] in ("GET", "HEAD") and not any(path == each or path.startswith(each + "/") for each in _PROGRAMS)
