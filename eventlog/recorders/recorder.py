"""What records: one queue, one writer, one log. `install` makes one for the whole process; programs may have several for single clients."""

from __future__ import annotations

import atexit
import os
import threading
import weakref
from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple

from ..log import EventLog
from ..settings import Settings, load
from ..shapes.exchange import Exchange
from . import installing
from .calls import FIRST_GRANTED, Call, Request, Room
from .context import Context
from .options import OnLoss, Options
from .redaction import Redact, provider_keys
from .writer import Writer

_everyone: weakref.WeakSet[Recorder] = weakref.WeakSet()
FLUSH_AT_EXIT_S = 5.0


class Full(Exception):
    """More calls, or more bytes, wait to be written than may."""


class Stats(NamedTuple):
    """Calls: in the log, not in the log (with the reason of the last one), on their way."""

    recorded: int
    lost: int
    pending: int
    last_error: str | None


class Recorder:
    """Records model calls into a log: ``log``, or the configured store, which is opened by the first call. Never waits, never raises to
    the program whose calls it records; what it cannot write is counted, said once through `logging` and told to ``on_loss``.

    ``redact``: called with everything a call says (decoded) before it is digested or written, returns what is to be recorded; one that
    raises means that the call is not. Default: `provider_keys`; None: nothing is taken out. With another one no deltas are written.
    ``sample``: the share of sessions that is recorded. ``content`` False: roles, sizes, models and usage only. ``hosts``: only calls to
    these hosts and what is below them. ``deltas``: "interval" (while an answer is streamed, every ``delta_interval_ms``) or "never".
    ``record_tools``: a catalogue of tools in full "once" in a store, or in "full" with every session. ``max_pending`` calls and
    ``max_pending_bytes`` may wait to be written, beyond that new ones are lost; of one response ``max_capture_bytes`` are kept.

    Raises `ValueError` for options that cannot be meant."""

    def __init__(
        self,
        log: EventLog | None = None,
        *,
        settings: Settings | None = None,
        redact: Redact | None = provider_keys,
        sample: float | None = None,
        content: bool = True,
        hosts: Sequence[str] | None = None,
        deltas: Literal["interval", "never"] = "interval",
        delta_interval_ms: int = 250,
        record_tools: Literal["once", "full"] = "once",
        max_pending: int = 1000,
        max_pending_bytes: int = 64 << 20,
        max_capture_bytes: int = 64 << 20,
        on_loss: OnLoss | None = None,
    ) -> None:
        self.options = Options(
            redact=redact,
            sample=sample,
            content=content,
            hosts=hosts,
            deltas=deltas,
            delta_interval_ms=delta_interval_ms,
            record_tools=record_tools,
            max_pending=max_pending,
            max_pending_bytes=max_pending_bytes,
            max_capture_bytes=max_capture_bytes,
            on_loss=on_loss,
        ).checked()
        self._settings = log.settings if log is not None else settings or load()
        self.is_on = self._settings.recording
        self._given = log
        self._own: EventLog | None = None
        self._opening = threading.Lock()
        self.otherwise: Callable[[], Context] | None = None  # where a call belongs that no `recording` surrounds (`Chat`)
        self._writer = Writer(self.open, self.options)
        self._room = Room(max_pending, max_pending_bytes)
        _everyone.add(self)

    def open(self) -> EventLog:
        """The log that is recorded into; opened, and made, where it was not yet. Raises what `EventLog.open` raises."""
        if self._given is not None:
            return self._given
        with self._opening:
            if self._own is None:
                self._own = EventLog.open(settings=self._settings)
            return self._own

    @property
    def place(self) -> str | None:
        """The folder of the store; None for a log that has none."""
        return str(self._settings.store) if self._given is None else self._given.path

    # --- the caller's side: called by the hooks --------------------------------------------------------------------------------------

    def begun(self, request: Request, context: Context) -> Call | None:
        """A call has begun; None where it is not recorded."""
        if not self.is_on or self._writer.is_closed or not self.options.takes_host(request.host):
            return None
        if not self._room.enter(len(request.body) + min(FIRST_GRANTED, self.options.max_capture_bytes)):
            self._writer.lose(Full("more calls wait to be written than max_pending or max_pending_bytes allow"))
            return None
        if context.session_id is None and self.otherwise is not None:
            context = self.otherwise()
        call = Call(self, request, context, self._room, self.options.max_capture_bytes)
        self._writer.start()
        self._writer.put(call)
        return call

    def ended(self, call: Call) -> None:
        self._writer.put(call, is_end=True)

    def told(
        self,
        told: Callable[[Redact | None], Exchange | None],
        context: Context,
        *,
        started_at: float,
        ended_at: float,
        size: int = 0,
    ) -> None:
        """A call is over that another door than the wire has seen. ``told``: what it was, asked in the writer's thread, with what redacts;
        None where it is no model's. Times in seconds since 1970; ``size``: the bytes that ``told`` holds, about."""
        if not self.is_on or self._writer.is_closed or context.is_paused:
            return
        if not self._room.enter(size):
            self._writer.lose(Full("more calls wait to be written than max_pending or max_pending_bytes allow"))
            return
        if context.session_id is None and self.otherwise is not None:
            context = self.otherwise()
        self._writer.start()
        self._writer.put(Call.over(self, told, context, self._room, size, started_at, ended_at), is_end=True)

    # --- for programs ----------------------------------------------------------------------------------------------------------------

    @property
    def stats(self) -> Stats:
        writer = self._writer
        return Stats(writer.recorded, writer.lost, self._room.calls, writer.last_error)

    def flush(self, timeout_s: float = 5.0) -> bool:
        """Wait until every call that is over is in the log, or lost. False where ``timeout_s`` was not enough."""
        return self._writer.flush(timeout_s)

    def close(self, timeout_s: float = 5.0) -> None:
        """Write what is over, and stop: nothing is recorded any more. Closing twice is fine. The log is closed where it was opened here."""
        installing.gate.forget(self)
        self._writer.close(timeout_s)
        if self._own is not None:
            self._own.close()
            self._own = None

    def __enter__(self) -> Recorder:
        return self

    def __exit__(self, *failure: Any) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Recorder {self._settings.store if self._given is None else self._given} {self.stats}>"

    # --- forks -------------------------------------------------------------------------------------------------------------------------

    def after_fork_in_child(self) -> None:
        self._room = Room(self.options.max_pending, self.options.max_pending_bytes)
        self._own = None if self._given is None else self._own
        self._opening = threading.Lock()
        self._writer.after_fork_in_child()

    @property
    def writer(self) -> Writer:
        return self._writer


def recorder_for(log: EventLog | Recorder | None, **options: Any) -> Recorder:
    """The recorder that is meant: a given one; for a log, or with options, a new one; else the one that is installed, or a new one."""
    if isinstance(log, Recorder):
        return log
    if log is None and not options and installing.gate.everyone is not None:
        found: Recorder = installing.gate.everyone
        return found
    return Recorder(log, **options)


def _flush_at_exit() -> None:
    for each in list(_everyone):
        each.close(FLUSH_AT_EXIT_S)


def _before_fork() -> None:
    for each in list(_everyone):
        each.writer.before_fork()


def _after_in_parent() -> None:
    for each in list(_everyone):
        each.writer.after_fork_in_parent()


def _after_in_child() -> None:
    for each in list(_everyone):
        each.after_fork_in_child()


atexit.register(_flush_at_exit)
os.register_at_fork(before=_before_fork, after_in_parent=_after_in_parent, after_in_child=_after_in_child)
