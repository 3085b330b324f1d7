"""Which session a call belongs to, as the program around it says: `recording` and `paused`.

Context variables: they go with a task and with everything that it awaits. A thread begins without them; its calls are found by what they
say.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, NamedTuple

from ..ids import check_session_id, new_session_id


class Context(NamedTuple):
    """``session_id``: None where the conversation itself must tell. ``details``: of the session, if the call begins it. ``key``: the
    foreign name that stands for an id. ``parent``: the session that this one is a part of."""

    session_id: str | None = None
    details: Mapping[str, Any] = {}
    key: str | None = None
    parent: str | None = None
    is_paused: bool = False


NOWHERE = Context()
_current: ContextVar[Context] = ContextVar("eventlog_recording", default=NOWHERE)
# Set while a call is being sent: a client whose transport is another client (httpx over aiohttp) asks once.
is_sending: ContextVar[bool] = ContextVar("eventlog_sending", default=False)
_DETAILS = frozenset({"title", "description", "purpose", "user_id", "tags", "kind", "metadata"})


def current() -> Context:
    return _current.get()


def named(session: str) -> Context:
    """The context of a session by its id, or by any other name (FORMAT.md, "Session ids"). Never raises."""
    from ..keyed import keyed_id

    try:
        return Context(check_session_id(session))
    except ValueError:
        return Context(keyed_id("recording", session), key=session)


def described(details: Mapping[str, Any]) -> dict[str, Any]:
    """Details as a session has them: those of other names become metadata."""
    kept = {name: value for name, value in details.items() if name in _DETAILS and value is not None}
    more = {name: value for name, value in details.items() if name not in _DETAILS}
    if more:
        kept["metadata"] = {**(kept["metadata"] if isinstance(kept.get("metadata"), Mapping) else {}), **more}
    return kept


@contextmanager
def recording(session: str | None = None, **details: Any) -> Iterator[str]:
    """Record the model calls inside into one session; gives its id.

    ``session``: an id; any other text stands for a session of its own, always the same; None: a new one. ``details`` (title, description,
    purpose, user_id, tags, kind, metadata) are those of the session where a call inside begins it. Inside another `recording` it is a child
    of that session. Nothing is written before the first call. Never raises for what it is given: details of other names become metadata."""
    outer = _current.get()
    made = named(str(session)) if session is not None and str(session) else Context(new_session_id())
    parent = outer.session_id if outer.session_id != made.session_id else outer.parent
    token = _current.set(made._replace(details=described(details), parent=parent))
    try:
        yield str(made.session_id)
    finally:
        _current.reset(token)


@contextmanager
def paused() -> Iterator[None]:
    """Nothing is recorded inside."""
    token = _current.set(_current.get()._replace(is_paused=True))
    try:
        yield
    finally:
        _current.reset(token)
