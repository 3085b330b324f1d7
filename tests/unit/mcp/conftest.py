"""A store with something of everything, and a server on it. Without the package of the protocol all of this folder is skipped."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("mcp", reason="`eventlog mcp` needs the extra mcp; `make mcp` has it")

from eventlog import EventLog

from ..operations.conftest import fill
from .client import ERAS, Client


@pytest.fixture
def store(tmp_path: Path) -> Path:
    path = tmp_path / "store"
    with EventLog.open(path) as log:
        fill(log)
    return path


@pytest.fixture(scope="session", params=ERAS)
def asked(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """One server for all tests that change nothing: it takes a second to start."""
    path = tmp_path_factory.mktemp("asked") / "store"
    with EventLog.open(path) as log:
        fill(log)
    with Client(path, "--write", era=request.param) as client:
        yield client


@pytest.fixture(params=ERAS)
def client(request: pytest.FixtureRequest, store: Path) -> Iterator[Client]:
    with Client(store, "--write", era=request.param) as client:
        yield client


@pytest.fixture(params=ERAS)
def reader(request: pytest.FixtureRequest, store: Path) -> Iterator[Client]:
    with Client(store, era=request.param) as client:
        yield client
