"""What values show of themselves in a notebook, and how they become rows."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest

from eventlog import EventLog
from eventlog.events import Cost, MessageAdded, Parent, Part, SessionStarted, UsageRecorded
from projections import Catalog, SessionView, replay

EVIL = "<script>alert(1)</script>"


@pytest.fixture
def log() -> EventLog:
    log = EventLog.memory()
    session = log.start(id="s", title=EVIL, tags=["a", "b"])
    session.append(
        MessageAdded(
            role="user", content=[Part(type="text", content="one"), Part(type="reasoning", content="no"), Part(type="text", content="two")]
        )
    )
    session.append(UsageRecorded(model="m", input_tokens=3, cost=Cost(amount=0.5)))
    log.session("t", create=True).append(SessionStarted(parent=Parent(session_id="s", relation="subagent")))
    return log


def test_a_message_has_its_text(log: EventLog) -> None:
    view = replay(log.session("s").read(), SessionView)
    assert view.messages[0].text == "one\n\ntwo"
    (stored,) = log.session("s").read(types=["message.added"])
    assert isinstance(stored.event, MessageAdded)
    assert stored.event.text == "one\n\ntwo"
    assert MessageAdded(role="user", content="hi").text == "hi"


def test_a_page_becomes_flat_rows_each_with_every_column(log: EventLog) -> None:
    with Catalog.open(log) as catalog:
        rows = {row["session_id"]: row for row in catalog.list().to_dicts()}
        hits = catalog.search("one").to_dicts()
    assert set(rows["s"]) == set(rows["t"])
    assert (rows["s"]["cost"], rows["s"]["cost_currency"], rows["s"]["input_tokens"]) == (0.5, "USD", 3)
    assert (rows["t"]["parent_session_id"], rows["t"]["parent_relation"], rows["s"]["parent_relation"]) == ("s", "subagent", None)
    assert isinstance(rows["s"]["updated_at"], datetime)
    assert rows["s"]["updated_at"].tzinfo == timezone.utc
    assert rows["s"]["tags"] == ["a", "b"]
    assert not any(isinstance(value, dict) for row in rows.values() for value in row.values())
    assert [hit["session_id"] for hit in hits] == ["s"]


def test_a_page_and_a_view_say_in_a_line_what_they_are(log: EventLog) -> None:
    with Catalog.open(log) as catalog:
        assert repr(catalog.list(limit=1)) == "<Page: 1 of 2, SessionItem, more behind next>"
        assert repr(catalog.search("nothing")) == "<SearchPage: 0 of 0, item>"
    assert repr(replay(log.session("s").read(), SessionView)) == f"<SessionView 's' {EVIL!r}, active: 1 messages, 0 tool calls>"


def test_what_a_notebook_shows_is_a_table_and_never_markup_of_what_was_recorded(log: EventLog) -> None:
    with Catalog.open(log) as catalog:
        page = catalog.list()._repr_html_()
    view = replay(log.session("s").read(), SessionView)._repr_html_()
    for shown in (page, view):
        assert shown.startswith("<table>")
        assert "<script" not in shown
        assert "&lt;script&gt;" in shown
    assert "<th>project</th>" not in page  # nothing stands in it
    assert "<td>a, b</td>" in page
    assert "one\n\ntwo" in view
