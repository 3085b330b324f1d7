"""What a tool does is bounded, however many sessions there are and however long one of them is: events decoded and sessions opened."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from eventlog import EventLog, stored
from eventlog.events import MessageAdded, ToolCalled, ToolReturned
from projections import Catalog
from projections.operations import TOOLS, Context

from .conftest import Asker

SESSIONS, MESSAGES = 300, 6_000
LONG: dict[str, Any] = {"session_id": "long"}
# Two chunks for what is asked of one session's middle, and no more for a longer one.
ASKED: dict[str, dict[str, Any]] = {
    "list_sessions": {"limit": 100},
    "search_sessions": {"query": "login", "limit": 50},
    "recall": {"query": "why does the login cookie of a session expire", "max_tokens": 8_000},
    "get_session": {**LONG, "include": ["header", "context", "usage", "tools"]},
    "get_messages": {**LONG, "around": 5_000, "limit": 100},
    "get_tool_calls": {"limit": 100},
    "get_statistics": LONG,
    "resume_session": {**LONG, "max_tokens": 4_000},
    "export_session": LONG,
    "start_session": {},
    "add_message": {**LONG, "role": "user", "content": "one more"},
    "link_invocation": {**LONG, "invocation_id": "i1", "tool_name": "bash"},
    "update_session": {**LONG, "tags": ["long"]},
    "end_session": LONG,
    "merge_sessions": {"primary_id": "s1", "secondary_id": "s2"},
    "delete_session": {**LONG, "confirm_title": "Long"},
}
WHOLE = {"cleanup_sessions"}  # looks at the end of every session


@pytest.fixture(scope="module")
def ask(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asker]:
    with EventLog.open(tmp_path_factory.mktemp("many") / "store", sync="never") as log, Catalog.open(log) as catalog:
        for number in range(SESSIONS):
            with log.start(id=f"s{number}", title=f"Session {number}") as session:
                session.append(MessageAdded(role="user", content=f"Why does the login cookie of {number} expire?"))
                session.append(ToolCalled(call_id=f"c{number}", name="bash"), ToolReturned(call_id=f"c{number}", output="fine"))
        with log.start(id="long", title="Long") as session:
            for block in range(MESSAGES // 100):
                session.append(*[MessageAdded(role="user", content=f"the login cookie {block} {each} " + "x" * 400) for each in range(100)])
        catalog.catch_up()
        catalog.messages("long", limit=1)  # its outline is made when it is first asked for
        yield Asker(Context(log=log, catalog=catalog))


@pytest.fixture
def work(monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    counts = {"decoded": 0, "opened": 0}
    decode, open_session = stored.decode, EventLog.session

    def decoding(lines: Any) -> Any:
        found = decode(lines)
        counts["decoded"] += len(found)
        return found

    def opening(log: EventLog, session_id: str, **how: Any) -> Any:
        counts["opened"] += 1
        return open_session(log, session_id, **how)

    monkeypatch.setattr(stored, "decode", decoding)
    monkeypatch.setattr(EventLog, "session", opening)
    return counts


def test_every_tool_is_asked_here() -> None:
    assert set(ASKED) | WHOLE == set(TOOLS)


@pytest.mark.parametrize("name", ASKED)
def test_a_tool_decodes_few_events_and_opens_few_sessions(ask: Asker, work: dict[str, int], name: str) -> None:
    ask.tool(name, **ASKED[name])
    assert work["decoded"] < MESSAGES // 3
    assert work["opened"] <= 240  # those of two searches, each for its snippet and its text


def test_an_export_reads_its_own_session_alone_and_a_clean_up_the_ends_of_all(ask: Asker, work: dict[str, int]) -> None:
    ask.tool("export_session", session_id="s7")
    assert (work["decoded"] < 20, work["opened"] <= 12) == (True, True)
    ask.tool("cleanup_sessions", older_than="1d")
    assert work["opened"] <= SESSIONS + 10
    assert work["decoded"] < 3 * SESSIONS
