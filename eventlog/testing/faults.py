"""Which call of a disk goes wrong, and how."""

from __future__ import annotations

import errno as errnos
from collections.abc import Collection
from typing import Literal

import msgspec

Call = Literal["open", "close", "write", "truncate", "sync", "sync_directory", "rename", "unlink", "make_folder"]
When = Literal["before", "within", "after"]


class Crash(BaseException):
    """The process was killed here. It passes every ``except Exception``, and every further call of the disk raises it again and does
    nothing. A background thread dies of it too, and says so through `threading.excepthook`."""


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """``at``: the number of the first call that it may strike. ``calls``: the methods that it is limited to. ``lasting``: it stays."""

    kind: Literal["error", "short_write", "crash"]
    at: int
    errno: int = errnos.EIO
    when: When = "before"
    calls: Collection[Call] | None = None
    lasting: bool = False
    only_growth: bool = False


class Faults:
    """What is still to go wrong."""

    def __init__(self) -> None:
        self._waiting: list[Fault] = []

    def add(self, fault: Fault) -> None:
        self._waiting.append(fault)

    def clear(self) -> None:
        self._waiting.clear()

    def due(self, index: int, call: Call, *, grows: bool) -> Fault | None:
        """The fault that strikes call number ``index``, which ``grows`` if it needs space on the disk."""
        for fault in self._waiting:
            if fault.kind == "error" and call == "close":  # `Disk.close` keeps such errors to itself
                continue
            if index < fault.at or (fault.calls is not None and call not in fault.calls) or (fault.only_growth and not grows):
                continue
            if fault.kind == "short_write":
                if call != "write":
                    continue
                if fault.lasting:  # the disk is full from here on
                    self._waiting.append(Fault(kind="error", at=index + 1, errno=errnos.ENOSPC, lasting=True, only_growth=True))
            if fault.kind == "short_write" or not fault.lasting:
                self._waiting.remove(fault)
            return fault
        return None
