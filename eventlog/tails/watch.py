"""What wakes a reader when this process appends; what other processes append is the backend's to notice."""

from __future__ import annotations

import threading
from collections.abc import Callable

from ..backend import Watch

Forget = Callable[[Watch], None]


class InProcessWatch:
    """Woken by `notify` and `wake` alone."""

    def __init__(self, session_id: str | None, forget: Forget) -> None:
        self._session_id = session_id
        self._forget = forget
        self._changed: set[str] | None = set()  # None: any session may have
        self._woken = False
        self._condition = threading.Condition(threading.RLock())  # reentrant: a signal handler may wake

    def wait(self, timeout_s: float) -> set[str] | None:
        with self._condition:
            if not self._condition.wait_for(lambda: self._woken, timeout_s):
                return None
            changed, self._changed, self._woken = self._changed, set(), False
            return changed

    def notify(self, session_id: str) -> None:
        if self._session_id in (None, session_id):
            with self._condition:
                if self._changed is not None:
                    self._changed.add(session_id)
                self.wake()

    def notify_all(self) -> None:
        """Any session may have changed."""
        with self._condition:
            self._changed = None
            self.wake()

    def wake(self) -> None:
        with self._condition:
            self._woken = True
            self._condition.notify()

    def close(self) -> None:
        self._forget(self)
