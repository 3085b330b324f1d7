"""A program that is interrupted (Ctrl-C, a signal handler that raises) in any call of the disk and goes on with the same handles."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.crash.workload import ROLLING, SETTINGS, UnsyncedDisk, contents, copy, empty, open_log


class InterruptedDisk(UnsyncedDisk):
    """Raises `KeyboardInterrupt` once, before or after call number ``at`` of those made while it is ``armed``."""

    def __init__(self, at: int, *, after: bool) -> None:
        self.calls = 0
        self.armed = False
        self._at = at
        self._after = after

    def __getattribute__(self, name: str) -> Any:
        found = super().__getattribute__(name)
        return self._interruptible(found) if name in ("open", "write", "truncate", "sync", "sync_directory", "rename", "unlink") else found

    def _interruptible(self, method: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            due, self.calls = self.armed and self.calls == self._at, self.calls + self.armed
            if due and not self._after:
                raise KeyboardInterrupt
            result = method(*arguments, **options)
            if due:
                raise KeyboardInterrupt
            return result

        return call


@pytest.mark.parametrize("exclusive", [False, True])
@pytest.mark.parametrize("after", [False, True])
def test_interrupted_in_any_call_a_program_goes_on_and_everything_is_there_once(memory_folder: Path, after: bool, exclusive: bool) -> None:
    empty(memory_folder / "template")
    steps = [step for step in ROLLING if step.session == "s"]
    at = 0
    while True:
        place = copy(memory_folder / "template", memory_folder / str(at))
        disk = InterruptedDisk(at, after=after)
        with open_log(place, disk, SETTINGS) as log, log.session("s", create=True, exclusive=exclusive) as session:
            disk.armed = True
            for step in steps:
                for _ in range(2):
                    try:
                        session.append(*step.events(0), id=step.name)
                        break
                    except KeyboardInterrupt:
                        pass
            disk.armed = False
        with open_log(place) as log:
            assert list(contents(log, "s").values()) == [text for step in steps for text in step.texts(0)], at
            assert log.verify().ok, at
        if disk.calls <= at:
            break
        at += 1
    print(f"{at} interruptions")
    assert at > 20
