"""What went wrong, as `application/problem+json` (RFC 9457): one table from the kind of a failure to its status."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

import msgspec
from starlette.responses import Response

from ..operations.failures import Failure, Kind, failure_of

MEDIA_TYPE: Final = "application/problem+json"
STATUS: Final[dict[Kind, int]] = {
    "not_found": 404,
    "conflict": 409,
    "locked": 423,
    "invalid": 400,
    "gone": 410,
    "too_large": 413,
    "refused": 403,
    "damaged": 500,
    "full": 507,
    "unknown_outcome": 503,
    "unavailable": 503,
    "internal": 500,
}
_RETRY_S: Final = {"locked": 1, "unknown_outcome": 1, "unavailable": 5}
_WORD = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


class ProblemDetails(msgspec.Struct, frozen=True):
    """``type`` names the kind of error for programs, ``detail`` says what to do; the data of the error stands beside them."""

    type: str
    title: str
    status: int
    detail: str


def problem(
    status: int, name: str, detail: str, data: Mapping[str, Any] | None = None, headers: Mapping[str, str] | None = None
) -> Response:
    """A refusal. ``name`` is like that of an error class: ``HostRefused``."""
    words = _WORD.sub(" ", name)
    about = ProblemDetails(f"urn:eventlog:{words.lower().replace(' ', '-')}", words.capitalize(), status, detail)
    body = {**(data or {}), **msgspec.to_builtins(about)}
    return Response(msgspec.json.encode(body), status, {"cache-control": "no-store", **(headers or {})}, MEDIA_TYPE)


def of_error(error: BaseException, *, by_header: bool = False) -> Response:
    """The answer to an error that an operation raised. ``by_header``: what was expected was said in ``If-Match``."""
    return of_failure(failure_of(error), by_header=by_header)


def of_failure(failure: Failure, *, by_header: bool = False) -> Response:
    status = 412 if by_header and failure.error == "Conflict" else STATUS[failure.kind]
    headers = {"retry-after": str(_RETRY_S[failure.kind])} if failure.kind in _RETRY_S else None
    return problem(status, failure.error, failure.message, failure.data, headers)
