"""Model calls that record themselves: every call of this process, or of one client, into a log, without a change to the program.

    from eventlog import recorders

    recorders.install()                                  # every client, made before or after
    with recorders.recording("chat-1", user_id="u1"):    # into this session; without it each conversation finds its own
        client.chat.completions.create(...)

What goes over the wire is recorded, not what an SDK makes of it: the caller's objects, errors and bytes are those it would have without.
The room: `httpx_send`, `aiohttp_request` and `gate` run in the caller; `calls` is what they hand over; `writer` takes it, `placing` finds
where it belongs and `bookkeeping` writes it, by `conversation`, `threads` and `digests`; `sessions` appends; `restart` is what outlives the
process. `otel`, `otlp`, `openai_agents` and `langchain` are other doors, `chat` is for programs in which a person chats,
`mcp` for the calls of somebody's MCP server.
"""

from __future__ import annotations

import threading
from importlib import import_module
from typing import Any, TypeVar

from ..log import EventLog
from . import installing, mcp
from .chat import Chat, ChatEvent
from .context import paused, recording
from .recorder import Recorder, Stats, recorder_for
from .redaction import provider_keys

__all__ = ["Chat", "ChatEvent", "Recorder", "Stats", "install", "mcp", "paused", "provider_keys", "record", "recording", "uninstall"]

Client = TypeVar("Client")
_lock = threading.Lock()


def install(log: EventLog | Recorder | None = None, **options: Any) -> Recorder:
    """Record every model call of this process from now on, whichever client makes it; returns the recorder.

    ``log``: where to; default: the configured store, which is opened (and made) by the first call. ``options`` are those of `Recorder`.
    Where a recorder is installed already, it stays and is returned, unless a log or options are given: then the new one takes its place.
    Says once, through `logging`, what cannot be seen (boto3, web sockets)."""
    with _lock:
        present = installing.gate.everyone
        if present is not None and log is None and not options:
            return present  # type: ignore[no-any-return]
        recorder = log if isinstance(log, Recorder) else Recorder(log, **options)
        installing.gate.everyone = recorder
    if recorder.is_on:
        installing.put()
        installing.say_what_is_not_seen()
    if present is not None and present is not recorder:
        present.close()
    return recorder


def uninstall() -> None:
    """Record nothing more, write what was captured, and leave the HTTP libraries as they were. Clients given to `record` are forgotten,
    too."""
    with _lock:
        present = installing.gate.everyone
        installing.gate.everyone = None
        installing.gate.forget_all()
        installing.take_out()
    if present is not None:
        present.close()


def record(client: Client, log: EventLog | Recorder | None = None, **options: Any) -> Client:
    """Record the calls of one client of OpenAI's, Anthropic's, Google's or Ollama's SDK, or an HTTP client; returns the very same object.

    ``log`` and ``options`` as in `install`; a `Recorder` may be shared. Raises `TypeError` where no HTTP client is found in it."""
    found = list(_http_clients(client))
    if not found:
        raise TypeError(f"no HTTP client was found in {type(client).__name__}; give an SDK's client or an httpx client, or use install()")
    recorder = recorder_for(log, **options)
    if recorder.is_on:
        installing.put()
        for each in found:
            installing.gate.watch(each, recorder)
    return client


_DOORS = ("langchain", "openai_agents", "otel", "otlp")  # for those who use what they are for


def __getattr__(name: str) -> Any:
    if name in _DOORS:
        return import_module(f".{name}", __name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


_INSIDE = ("_client", "_api_client", "_httpx_client", "_async_httpx_client", "_aiohttp_session", "aio", "http_client")


def _http_clients(client: Any, depth: int = 4) -> Any:
    """The HTTP clients that the object uses, wherever its SDK keeps them."""
    if any(cls.__module__.split(".")[0] in ("httpx", "httpx2", "aiohttp") for cls in type(client).__mro__):
        yield client
        return
    attributes = getattr(client, "__dict__", None) or {}
    for name in _INSIDE:
        inside = attributes.get(name)
        if inside is not None and depth:
            yield from _http_clients(inside, depth - 1)
