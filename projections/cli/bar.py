"""A progress bar on standard error, for a person who waits: sessions, events per second, time left."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING

from eventlog.cli.context import Context

if TYPE_CHECKING:
    from rich.progress import Progress

_PATIENCE_S = 0.3


class Bar:
    """A `Progress` of the catalog. Shows nothing until it has taken a moment, so that what is quick does not flicker."""

    def __init__(self, context: Context, label: str) -> None:
        self._label = label
        self._context = context
        self._shown = not context.json and not context.quiet and sys.stderr.isatty()
        self._began = time.monotonic()
        self._bar: Progress | None = None
        self.sessions = 0
        self.events = 0

    def __call__(self, sessions: int, total: int, events: int) -> None:
        self.sessions, self.events = sessions, events
        if not self._shown or self.took_s < _PATIENCE_S:
            return
        if self._bar is None:
            self._start()
        assert self._bar is not None
        self._bar.update(self._bar.task_ids[0], completed=sessions, total=total or None, rate=f"{events / self.took_s:,.0f} events/s")

    @property
    def took_s(self) -> float:
        return max(time.monotonic() - self._began, 1e-6)

    def _start(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("sessions, {task.fields[rate]}"))
        self._bar = Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True), transient=True)
        self._bar.add_task(self._label, total=None, rate="")
        self._bar.start()

    def __enter__(self) -> Bar:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._bar is not None:
            self._bar.stop()
        if kind is KeyboardInterrupt and self.sessions:
            self._context.hint("stopped; what is indexed stays, and the next command goes on from there")
