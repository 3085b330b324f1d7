"""The stores of the SDKs. A module whose SDK is not installed is skipped: `make adapters` has them all."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from eventlog import EventLog


@pytest.fixture
def log(tmp_path: Path) -> Iterator[EventLog]:
    with EventLog.open(tmp_path / "store", sync="never") as opened:
        yield opened
