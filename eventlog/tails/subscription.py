"""A callback for every event: a tail with a thread of its own, so that nothing that a callback does reaches a writer."""

from __future__ import annotations

import threading
from collections.abc import Callable

from ..errors import EventLogError
from ..stored import StoredEvent
from ..tail import Tail

Callback = Callable[[StoredEvent], object]
OnError = Callable[[Exception, StoredEvent | None], object]


class Subscription:
    """Made by `EventLog.subscribe`. Calling it ends it."""

    def __init__(
        self,
        tail: Tail[StoredEvent],
        settle: Callable[[str], None],
        callback: Callback,
        on_error: OnError | None,
        forget: Callable[[Subscription], None],
    ) -> None:
        self._tail = tail
        self._settle = settle
        self._callback = callback
        self._on_error = on_error
        self._forget = forget
        self._thread = threading.Thread(target=self._deliver, name="eventlog-subscription", daemon=True)

    def begin(self) -> None:
        self._thread.start()

    def finish(self) -> None:
        """End the subscription when everything that was acknowledged before is delivered; returns at once."""
        self._tail.finish()

    def __call__(self) -> None:
        """`finish`, and wait for it (but not in its own callback). Calling it twice is fine."""
        self.finish()
        if threading.current_thread() is not self._thread:
            self._thread.join()

    def __repr__(self) -> str:
        return f"<Subscription {self._tail!r}>"

    def _deliver(self) -> None:
        try:
            for event in self._tail:
                self._settle(event.session_id)
                self._call(event)
        except (EventLogError, OSError) as error:  # of the tail: damage, or too far behind
            self._report(error, None)
        finally:
            self._tail.close()
            self._forget(self)

    def _call(self, event: StoredEvent) -> None:
        try:
            self._callback(event)
        except Exception as error:
            self._report(error, event)

    def _report(self, error: Exception, event: StoredEvent | None) -> None:
        if self._on_error is not None:
            try:
                self._on_error(error, event)
                return
            except Exception as another:
                error = another
        import logging

        what = "a subscription ended" if event is None else f"a subscriber failed at event {event.seq} of session {event.session_id}"
        logging.getLogger(__name__).error(what, exc_info=error)
