"""What a transcript shows of everything that a session can hold, and what can be done with it."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from eventlog import EventLog
from eventlog.events import (
    ContextCompacted,
    ErrorLogged,
    MessageAdded,
    MessageAmended,
    MessageDelta,
    MessageRetracted,
    Parent,
    Part,
    ToolCalled,
    ToolReturned,
)

from .conftest import Page, shown

PIXEL = base64.b64encode(
    base64.b64decode("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==")
).decode()
FOUND = "# Found\n\n* **bold** <b>not bold</b> [there](https://example.org/) [not](javascript:x)\n\n|a|b|\n|-|-|\n|1|2|"


@pytest.fixture
def log(tmp_path: Path) -> Iterator[EventLog]:
    with EventLog.open(tmp_path / "store", sync="never") as log:
        edit = {"file_path": "/app.py", "old_string": "a\nsame\nb", "new_string": "a\nsame\nc"}
        log.start(id="rich", title="Rich", kind="agent", model="gpt-4o").append(
            MessageAdded(role="user", content="please `fix` it", message_id="u1"),
            MessageAdded(
                role="assistant",
                message_id="a1",
                content=[
                    Part(type="reasoning", content="I think of it"),
                    Part(type="text", content=FOUND),
                    Part(type="tool_call", id="c1", name="Edit", arguments=edit),
                ],
            ),
            ToolReturned(call_id="c1", output="done", duration_ms=340),
            ToolCalled(name="bash", call_id="c2", arguments={"command": "pytest -q"}),
            ToolReturned(call_id="c2", output="\n".join(f"line {number}" for number in range(3_000)), is_error=True),
            ToolCalled(name="Task", call_id="c3", arguments={"prompt": "look"}),
            ContextCompacted(summary="short of it", tokens_before=1000, tokens_after=10),
            ErrorLogged(message="overloaded", kind="server"),
            MessageAdded(role="user", content="a typo hre", message_id="u2"),
            MessageAmended(message_id="u2", content="a typo here"),
            MessageAdded(role="user", content="never said", message_id="u3"),
            MessageRetracted(message_id="u3"),
            MessageAdded(role="user", content=[Part(type="blob", mime_type="image/png", content=PIXEL), Part(type="uri", uri="https://example.org/a.png")]),
            MessageAdded(role="assistant", content=[Part(type="reasoning", content=""), Part(type="text", content="the end")]),
        )  # fmt: skip
        child = log.start(id="child", title="Looking", parent=Parent(session_id="rich", seq=4, relation="subagent"))
        child.append(MessageAdded(role="user", content="look"), MessageAdded(role="assistant", content="nothing there"))
        yield log


@pytest.fixture
def tab(page: Page) -> Iterator[Any]:
    tab = page.open("s/rich")
    shown(tab, "the end")
    yield tab
    page.check_that_nothing_left()


def message(tab: Any, text: str) -> Any:
    return tab.locator("article").filter(has_text=text)


def test_what_an_assistant_says_is_read_as_markdown_and_html_in_it_is_text(tab: Any) -> None:
    answer = message(tab, "Found")
    assert answer.locator("strong").inner_text() == "bold"
    assert "<b>not bold</b>" in answer.inner_text()
    assert [link.get_attribute("href") for link in answer.locator(".markdown a").all()] == ["https://example.org/"]
    assert answer.locator("td").all_inner_texts() == ["1", "2"]
    assert "please `fix` it" in message(tab, "please").inner_text()  # what a person typed stays as it was typed


def test_an_edit_is_shown_as_its_difference(tab: Any) -> None:
    call = tab.locator("details.call", has_text="Edit")
    assert call.locator("summary").inner_text() == "Edit /app.py 340 ms"
    call.locator("summary").click()
    assert [line.inner_text().strip() for line in call.locator(".diff > *").all()] == ["a", "same", "- b", "+ c"]
    assert (call.locator("del").inner_text().strip(), call.locator("ins").inner_text().strip()) == ("- b", "+ c")


def test_long_output_is_cut_with_a_way_to_all_of_it(tab: Any) -> None:
    call = tab.locator("details.call.failed")
    assert call.locator("summary").inner_text() == "bash pytest -q failed, 0 ms"
    call.locator("summary").click()
    assert call.locator("pre").last.inner_text().count("line ") == 40
    call.get_by_role("button", name="All 28,889 characters").click()  # which are fetched only now
    tab.wait_for_function("() => [...document.querySelectorAll('.call.failed pre')].at(-1).textContent.split('line ').length === 3_001")


def test_thinking_is_folded_and_said_to_be_missing_where_it_is(tab: Any) -> None:
    assert not tab.get_by_text("I think of it").is_visible()
    assert tab.locator("summary", has_text="Thinking (not recorded)").count() == 1
    tab.keyboard.press("t")
    tab.get_by_text("I think of it").wait_for()


def test_a_call_without_a_result_is_marked(tab: Any) -> None:
    assert tab.locator("details.call.open summary").inner_text() == "Task look no result yet"


def test_compactions_and_errors_stand_where_they_happened(tab: Any) -> None:
    behind = message(tab, "a typo here")
    assert behind.locator("summary", has_text="Context compacted from 1,000 to 10 tokens").count() == 1
    behind.locator("summary", has_text="Context compacted").click()
    behind.get_by_text("short of it").wait_for()
    assert "Error (server): overloaded" in behind.inner_text()


def test_what_was_amended_or_taken_back_is_marked_and_can_be_seen(tab: Any) -> None:
    amended = message(tab, "a typo here")
    assert "a typo hre" not in amended.inner_text()
    amended.get_by_role("button", name="amended").click()
    amended.get_by_text("a typo hre").wait_for()
    retracted = tab.locator("article.retracted")
    assert retracted.get_by_text("taken back", exact=True).count() == 1
    assert not retracted.get_by_text("never said").is_visible()
    retracted.locator("summary").click()
    retracted.get_by_text("never said").wait_for()


def test_an_image_is_shown_by_a_click_and_an_address_is_never_fetched(tab: Any) -> None:
    assert tab.locator("article img").count() == 0
    tab.get_by_role("button", name="Show image").click()
    tab.wait_for_function("() => document.querySelector('article img')?.naturalWidth === 1")
    assert tab.get_by_text("[uri] https://example.org/a.png").count() == 1


def test_a_subagent_is_read_inside_its_parent(tab: Any) -> None:
    child = message(tab, "Found").locator("details.child")
    assert "subagent" in child.inner_text()
    child.locator("summary").first.click()
    child.get_by_text("nothing there").wait_for()
    child.get_by_role("button", name="Open it").click()
    tab.wait_for_url("**/s/child")
    shown(tab, "nothing there")
    tab.get_by_role("button", name="Details").click()
    tab.locator("aside").get_by_role("link", name="rich").click()
    shown(tab, "the end")


def test_a_message_that_is_being_written_grows_and_is_then_there_once(tab: Any, log: EventLog) -> None:
    session = log.session("rich")
    session.append(MessageDelta(message_id="d", content="I am being"))
    tab.get_by_text("being written").wait_for()
    session.append(MessageDelta(message_id="d", content=" written to"))
    shown(tab, "I am being written to")
    session.append(MessageAdded(role="assistant", message_id="d", content="I am written."))
    shown(tab, "I am written.")
    assert tab.get_by_text("being written").count() == 0
    assert tab.locator("article", has_text="I am").count() == 1


def test_a_correction_of_an_earlier_message_is_seen_at_once(tab: Any, log: EventLog) -> None:
    log.session("rich").append(MessageAmended(message_id="u1", content="please mend it"))
    shown(tab, "please mend it")
    log.session("rich").append(ToolReturned(call_id="c3", output="seen", duration_ms=7))
    tab.locator("details.call", has_text="Task look 7 ms").wait_for()


def test_the_stored_line_is_shown_as_it_is(tab: Any, log: EventLog) -> None:
    answer = message(tab, "please `fix` it")
    answer.get_by_label("What can be done with this message").click()
    answer.get_by_role("button", name="Stored line").click()
    answer.locator(".actions pre").wait_for()
    stored = next(each for each in log.session("rich").read() if each.seq == 2)
    assert json.loads(answer.locator(".actions pre").inner_text()) == json.loads(bytes(stored.raw))


def test_a_fork_begins_at_a_message(tab: Any, log: EventLog) -> None:
    answer = message(tab, "Found")
    answer.get_by_label("What can be done with this message").click()
    answer.get_by_role("button", name="Fork here").click()
    tab.get_by_text("This is the fork.").wait_for()
    [fork] = [session_id for session_id in log.session_ids() if session_id not in ("rich", "child")]
    assert tab.url.endswith(f"/s/{fork}")
    assert [stored.event.role for stored in log.session(fork).read(types=["message.added"])] == ["user", "assistant"]  # type: ignore[attr-defined]


def test_a_message_that_damage_has_taken_is_a_band_that_says_so(page: Page, log: EventLog) -> None:
    session = log.start(id="torn")
    for number in range(5):
        session.append(MessageAdded(role="user", content=f"number {number}"))
    assert page.server.ask("GET", "/api/v1/sessions/torn/messages")[0] == 200  # the outline knows all five
    [path] = Path(str(log.path)).rglob("torn.jsonl")
    path.write_bytes(path.read_bytes().replace(b'"number 2"', b'"numb\x00r 2"'))
    tab = page.open("s/torn")
    shown(tab, "number 1")
    band = tab.locator("article.damaged")
    band.wait_for()
    assert "damaged" in band.inner_text()
    shown(tab, "number 4")


def test_what_one_has_unfolded_stays_so_while_more_is_said(tab: Any, log: EventLog) -> None:
    call = tab.locator("details.call", has_text="Edit")
    call.locator("summary").click()
    log.session("rich").append(MessageAdded(role="user", content="and one more"))
    shown(tab, "and one more")
    assert call.get_attribute("open") == ""
