"""The read side: what the events mean. Everything here can be rebuilt from the log."""

from __future__ import annotations

from .catalog import Catalog

__all__ = ["Catalog"]
