"""What a request passes on its way: is it a model call, and whose. Runs in the caller, decodes nothing, and lets nothing of ours out.

A request is one only if its path *and* its body fit. The path is looked at here; of the body only that the names of a model call stand
in it, and the writer, which decodes it, says the rest: what is none is forgotten unread there.
"""

from __future__ import annotations

import logging
import weakref
from collections.abc import Callable
from typing import Any

from .calls import Call, Request
from .context import Context, current, is_sending, named

SESSION_HEADER = "x-eventlog-session"
_SESSION = SESSION_HEADER.encode()
_log = logging.getLogger("eventlog.recorders")
_MODEL = b'"model"'
_SHAPES = {  # the path's end -> the names that must stand in the body; the model only where other services have such paths
    "/chat/completions": (b'"messages"',),
    "/completions": (b'"prompt"',),
    "/responses": (b'"input"',),
    "/messages": (b'"messages"', _MODEL),
    ":generateContent": (b'"contents"',),
    ":streamGenerateContent": (b'"contents"',),
    "/api/chat": (b'"messages"', _MODEL),
    "/api/generate": (b'"prompt"', _MODEL),
}
ENDINGS = tuple(_SHAPES)


class Gate:
    """``everyone``: the recorder of all clients, if one is installed; else only of those that were given to `watch`."""

    def __init__(self) -> None:
        self.everyone: Any = None
        self._watched: weakref.WeakKeyDictionary[Any, Any] = weakref.WeakKeyDictionary()
        self._has_said = False

    def watch(self, client: Any, recorder: Any) -> None:
        self._watched[client] = recorder

    def forget(self, recorder: Any) -> None:
        """No client is this recorder's any more."""
        if self.everyone is recorder:
            self.everyone = None
        for client in [client for client, found in list(self._watched.items()) if found is recorder]:
            self._watched.pop(client, None)

    def forget_all(self) -> None:
        self._watched.clear()

    def of(self, client: Any) -> Any:
        """The recorder of the client's calls; None where they are not recorded."""
        found = self._watched.get(client) if self._watched else None
        return self.everyone if found is None else found

    def begin(self, client: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Call | None:
        """The call that this is, or None: not a model's, not recorded."""
        try:
            recorder = self.of(client)
            if recorder is None:
                return None
            request = args[0] if args else kwargs.get("request")
            if request is None or request.method != "POST":
                return None
            return self._of_request(recorder, request)
        except Exception:
            self._says()
            return None

    def _of_request(self, recorder: Any, request: Any) -> Call | None:
        session = retry = None
        for name, value in request.headers.raw:  # ten times as fast as asking by name
            name = name.lower()
            if name == _SESSION:
                session = value.decode("latin-1")
            elif name == b"x-stainless-retry-count":
                retry = value.decode("latin-1")
        if session is not None:
            del request.headers[SESSION_HEADER]
        path = request.url.path
        if not path.endswith(ENDINGS):
            return None
        try:
            body = request.content
        except Exception:
            return None  # it is sent as it is made: there is nothing to look at
        return self.begun(recorder, path, request.url.host, body, retry, session)

    def begun(self, recorder: Any, path: str, host: str, body: bytes, retry: Any, session: str | None) -> Call | None:
        """A POST to a path that fits."""
        if not looks_like_a_call(path, body) or is_sending.get():
            return None
        context: Context = current()
        if session is not None:
            context = named(session)._replace(is_paused=context.is_paused)
        if context.is_paused:
            return None
        attempt = int(retry) if isinstance(retry, str) and retry.isdigit() else None
        found: Call | None = recorder.begun(Request(path, host or "", body, attempt), context)
        return found

    def guarded(self, function: Callable[..., Any], *args: Any) -> None:
        """Call it; what it raises is not the caller's."""
        try:
            function(*args)
        except Exception:
            self._says()

    def _says(self) -> None:
        if not self._has_said:
            self._has_said = True
            _log.warning("a model call could not be recorded; the program is not affected. Said once.", exc_info=True)


def looks_like_a_call(path: str, body: Any) -> bool:
    if not isinstance(body, bytes):
        return False
    names = next((names for ending, names in _SHAPES.items() if path.endswith(ending)), None)
    return names is not None and all(name in body for name in names)
