"""A log with a few sessions, and the application over it, with all of its guards."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timezone
from pathlib import Path

import pytest

from eventlog import EventLog
from projections import Catalog
from projections.http.app import Access, Application, guarded
from projections.http.guards.tokens import Caller
from projections.operations import Context

from ..operations.conftest import fill
from .client import HOST, TOKEN, Client

ACCESS = {"hosts": (HOST, "localhost:8765", "[::1]:8765"), "tokens": {TOKEN: Caller()}}


@contextmanager
def serving(log: EventLog, **access: object) -> Iterator[Client]:
    with Catalog.open(log) as catalog:
        given = Access(**{**ACCESS, **access})  # type: ignore[arg-type]
        context = Context(log=log, catalog=catalog, zone=timezone.utc)
        application = Application(context, read_only=given.read_only, base_path=given.base_path)
        try:
            client = Client(guarded(application, given))
            told = client.get("/api/v1/openapi.json")
            if told.status == 200:  # not where the test has other tokens, or another path
                client.document = told.json
            yield client
        finally:
            application.close()


@pytest.fixture
def log(tmp_path: Path) -> Iterator[EventLog]:
    with EventLog.open(tmp_path / "store", sync="never") as log:
        fill(log)
        yield log


@pytest.fixture
def client(log: EventLog) -> Iterator[Client]:
    with serving(log) as client:
        yield client
