"""What a recorder is told: every option of it, with its unit and its default."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from hashlib import sha256
from typing import Literal, NamedTuple

from .redaction import Redact, provider_keys

OnLoss = Callable[[Exception], object]


class Options(NamedTuple):
    """See `Recorder`."""

    redact: Redact | None = provider_keys
    sample: float | None = None
    content: bool = True
    hosts: Sequence[str] | None = None
    deltas: Literal["interval", "never"] = "interval"
    delta_interval_ms: int = 250
    record_tools: Literal["once", "full"] = "once"
    max_pending: int = 1000
    max_pending_bytes: int = 64 << 20
    max_capture_bytes: int = 64 << 20
    on_loss: OnLoss | None = None

    def checked(self) -> Options:
        """The same. Raises `ValueError` for what cannot be meant."""
        if self.sample is not None and not 0 <= self.sample <= 1:
            raise ValueError(f"sample is a share of the sessions from 0 to 1, not {self.sample!r}")
        for name, allowed in (("deltas", ("interval", "never")), ("record_tools", ("once", "full"))):
            if getattr(self, name) not in allowed:
                raise ValueError(f"{name} is {' or '.join(map(repr, allowed))}, not {getattr(self, name)!r}")
        for name in ("delta_interval_ms", "max_pending", "max_pending_bytes", "max_capture_bytes"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is 1 or more, not {getattr(self, name)!r}")
        return self

    def takes(self, session_id: str) -> bool:
        """Whether the session is one of those that are recorded: a function of its id, so that no conversation is recorded by half."""
        if self.sample is None or self.sample >= 1:
            return True
        return int.from_bytes(sha256(session_id.encode()).digest()[:4], "big") < self.sample * (1 << 32)

    def takes_host(self, host: str) -> bool:
        return self.hosts is None or any(host == each or host.endswith("." + each) for each in self.hosts)
