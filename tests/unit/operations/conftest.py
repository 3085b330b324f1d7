"""A store with something of everything, and the way in which every test here asks: each answer is proven against its row's schema."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest

from eventlog import EventLog
from eventlog.events import (
    Artifact,
    ContextCompacted,
    ContextUpdated,
    Cost,
    ErrorLogged,
    MessageAdded,
    MessageAmended,
    MessageRetracted,
    Part,
    ToolCalled,
    ToolReturned,
    UsageRecorded,
)
from projections import Catalog
from projections.operations import TOOLS, Context, Stream, operation
from projections.operations.bounds import MOST_CHARACTERS

NOW = datetime(2026, 11, 21, 12, tzinfo=timezone.utc)


class Asker:
    """Asks rows and tools by name, with their arguments as a face gets them: JSON."""

    def __init__(self, context: Context) -> None:
        self.context = context

    def __call__(self, name: str, /, **given: Any) -> Any:
        """The row's answer as JSON; the bytes of a stream."""
        row = operation(name)
        arguments = msgspec.json.decode(msgspec.json.encode(given), type=row.arguments)
        jsonschema.validate(given, row.input_schema, cls=jsonschema.Draft202012Validator)
        answer = row(self.context, arguments)
        if isinstance(answer, Stream):
            taken: list[bytes] = []
            answer.write_to(taken.append)
            return b"".join(taken)
        return _checked(answer, row.output_schema)

    def tool(self, name: str, /, **given: Any) -> Any:
        """The tool's answer as JSON, which is small enough."""
        tool = TOOLS[name]
        arguments = msgspec.convert(given, type=tool.arguments)
        jsonschema.validate(given, tool.input_schema, cls=jsonschema.Draft202012Validator)
        answer = tool(self.context, arguments)
        assert isinstance(answer, tool.result)
        assert len(msgspec.json.encode(answer).decode()) <= MOST_CHARACTERS
        return _checked(answer, tool.output_schema)


def _checked(answer: Any, schema: Any) -> Any:
    found = msgspec.json.decode(msgspec.json.encode(answer))
    jsonschema.validate(found, schema, cls=jsonschema.Draft202012Validator, format_checker=jsonschema.FormatChecker())
    return found


def fill(log: EventLog) -> None:
    """Sessions ``s1``, with all kinds of events, and ``s2``, which is empty but for its beginning."""
    session = log.start(
        id="s1", title="Debug login", user_id="u1", tags=["bug"], kind="agent", model="gpt-4o", metadata={"cwd": "/home/u1/shop", "n": 1}
    )
    session.append(MessageAdded(role="user", content="What changed in the login?", message_id="m1"), time=NOW)
    session.append(
        MessageAdded(
            role="assistant",
            content=[
                Part(type="reasoning", content="Look at the log."),
                Part(type="text", content="I look."),
                Part(type="tool_call", id="c1", name="git", arguments={"args": ["log"]}),
            ],
            message_id="m2",
        ),
        UsageRecorded(message_id="m2", model="gpt-4o", input_tokens=100, output_tokens=10, cost=Cost(amount=0.5)),
    )
    session.append(ToolReturned(call_id="c1", output="Fix the cookie", duration_ms=12.5, artifacts=[Artifact(path="out.txt")]))
    session.append(ErrorLogged(message="rate limit", kind="429", details={"after": 1}))
    session.append(ContextUpdated(preferences={"tone": "brief"}, topics=["login"]))
    session.append(ContextCompacted(summary="We look at the login.", first_kept_seq=2, tokens_before=100))
    session.append(ToolCalled(name="bash", call_id="c2", arguments={"command": "ls"}))
    session.append(MessageAdded(role="user", content="Wrong", message_id="m3"), MessageRetracted(message_id="m3"))
    session.append(MessageAmended(message_id="m1", content="What changed in the login page?"))
    log.start(id="s2", title="Other").close()
    session.close()


@pytest.fixture
def log(tmp_path: Path) -> Iterator[EventLog]:
    with EventLog.open(tmp_path / "store", sync="never") as log:
        fill(log)
        yield log


@pytest.fixture
def ask(log: EventLog) -> Iterator[Asker]:
    with Catalog.open(log) as catalog:
        yield Asker(Context(log=log, catalog=catalog, user_id="the-actor", zone=timezone.utc))


@pytest.fixture
def reading(log: EventLog) -> Iterator[Asker]:
    """One who may only read."""
    with Catalog.open(log) as catalog:
        yield Asker(Context(log=log, catalog=catalog, may_write=False, zone=timezone.utc))
