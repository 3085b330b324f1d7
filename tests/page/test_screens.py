"""The page's other screens, what is done with one session and with many, and what is remembered."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from eventlog import EventLog
from eventlog.events import MessageAdded, ToolCalled, ToolReturned
from projections import pictures
from projections.exporters import FORMATS

from .conftest import Page, shown


@pytest.fixture
def tab(page: Page) -> Iterator[Any]:
    tab = page.open("s/talk")
    shown(tab, "message number 299")
    yield tab
    page.check_that_nothing_left()


def dialog(tab: Any) -> Any:
    return tab.get_by_role("dialog")


def types_of(log: EventLog, session_id: str) -> list[str]:
    return [stored.type for stored in log.session(session_id).read()]


def test_statistics_are_tiles_pictures_and_tables(tab: Any) -> None:
    tab.get_by_role("button", name="Statistics").click()
    tab.locator("figure img").nth(len(pictures.NAMES) - 1).wait_for()
    assert "301" in tab.locator(".tile", has_text="Messages").inner_text()
    tab.wait_for_function("() => [...document.querySelectorAll('figure img')].every(image => image.naturalWidth === 760)")
    assert tab.locator("figure img").count() == len(pictures.NAMES)
    tab.locator("figure", has_text="Messages by hour as a table").locator("summary").click()
    assert tab.locator("figure table tbody tr").filter(visible=True).count() == 24
    with tab.expect_download() as download:
        tab.get_by_role("button", name="Save as CSV").first.click()
    assert download.value.suggested_filename == "statistics-days.csv"
    assert Path(download.value.path()).read_text().splitlines()[0].startswith("input_tokens,")
    with tab.expect_download() as download:
        tab.get_by_role("button", name="Save all as SVG").click()
    assert Path(download.value.path()).read_text().startswith("<svg ")


def test_the_ledger_has_open_calls_first_and_leads_to_each(tab: Any, log: EventLog) -> None:
    log.session("talk").append(
        ToolCalled(name="bash", call_id="1", arguments={"command": "make"}), ToolReturned(call_id="1", is_error=True)
    )
    log.session("voice").append(ToolCalled(name="ring", call_id="2"))
    tab.get_by_role("button", name="Tool calls").click()
    tab.locator(".used").nth(1).wait_for()
    assert tab.locator("section").first.locator(".used").all_inner_texts()[0].startswith("ring")
    assert tab.locator("h2", has_text="Without a result").inner_text() == "Without a result 1 call"
    tab.get_by_label("Which calls").select_option("failed")
    tab.locator(".used", has_text="ring").wait_for(state="detached")
    tab.locator(".used a").click()
    tab.wait_for_url("**/s/talk#seq=302")
    tab.locator("details.call[open]", has_text="bash make").wait_for()


def test_the_trash_gives_back_what_was_deleted(tab: Any, log: EventLog) -> None:
    log.delete("voice")
    tab.get_by_role("button", name="Trash").click()
    tab.get_by_role("button", name="Restore A voice chat").click()
    tab.get_by_text("1 session restored.").wait_for()
    tab.get_by_text("The trash is empty.").wait_for()
    tab.get_by_role("link", name="A voice chat").wait_for()
    assert types_of(log, "voice")[-2:] == ["session.deleted", "session.restored"]


def test_health_says_that_all_is_whole_or_what_is_not(tab: Any, log: EventLog) -> None:
    tab.get_by_role("button", name="Health").click()
    tab.get_by_role("button", name="Check every byte").click()
    shown(tab, "Everything is whole.")
    [path] = Path(str(log.path)).rglob("voice.jsonl")
    path.write_bytes(path.read_bytes().replace(b"hello", b"hullo"))
    tab.get_by_role("button", name="Check every byte").click()
    tab.locator(".verdict.bad").wait_for()
    tab.locator("td", has_text="voice").first.wait_for()


def test_a_screen_has_an_address_and_back_leaves_it(page: Page) -> None:
    tab = page.open("?screen=trash")
    shown(tab, "The trash is empty.")
    tab.get_by_role("link", name="Debug login").click()
    shown(tab, "message number 299")
    tab.go_back()
    shown(tab, "The trash is empty.")
    tab.go_forward()
    shown(tab, "message number 299")


def test_the_palette_finds_and_commands(tab: Any) -> None:
    tab.keyboard.press("Control+k")
    tab.keyboard.type("statis")
    tab.locator("dialog .hit", has_text="Statistics").wait_for()
    tab.get_by_text("0 found").wait_for()
    tab.keyboard.press("Enter")
    tab.locator("h1", has_text="Statistics").wait_for()
    tab.keyboard.press("Control+k")
    tab.keyboard.type("hello")
    tab.locator("dialog mark", has_text="hello").wait_for()
    tab.keyboard.press("ArrowDown")
    tab.keyboard.press("Enter")
    shown(tab, "hello there")


def test_hits_within_a_session_are_counted_marked_and_gone_through(tab: Any) -> None:
    tab.keyboard.press("Control+f")
    tab.keyboard.type("number 1")
    tab.get_by_text("1 found").wait_for()
    tab.keyboard.type("*")
    tab.get_by_text("111 found").wait_for()
    tab.keyboard.press("Enter")
    tab.get_by_text("1 of 111").wait_for()
    shown(tab, "message number 1")
    tab.keyboard.press("Shift+Enter")
    tab.get_by_text("111 of 111").wait_for()
    shown(tab, "message number 199")
    assert tab.evaluate("CSS.highlights.get('found').size") > 0
    tab.keyboard.press("Escape")
    assert not tab.get_by_label("Find in this session").is_visible()


def test_a_session_is_renamed_tagged_pinned_ended_and_forked(tab: Any, page: Page) -> None:
    tab.get_by_role("button", name="Rename").click()
    dialog(tab).get_by_label("Title").fill("Another name")
    tab.keyboard.press("Enter")
    tab.locator(".head h1", has_text="Another name").wait_for()
    tab.get_by_text("More", exact=True).click()
    tab.get_by_role("button", name="Tags…").click()
    dialog(tab).get_by_label("Tags").fill("one, two")
    dialog(tab).get_by_role("button", name="Set").click()
    tab.locator(".head .badge", has_text="two").wait_for()
    tab.get_by_role("button", name="Pin", exact=True).click()
    tab.get_by_role("button", name="Unpin", exact=True).wait_for()
    tab.get_by_text("More", exact=True).click()
    tab.get_by_role("button", name="End…").click()
    dialog(tab).get_by_label("As").select_option("failed")
    dialog(tab).get_by_role("button", name="End").click()
    tab.locator(".head", has_text="failed").wait_for()
    tab.get_by_text("More", exact=True).click()
    tab.get_by_role("button", name="Fork", exact=True).click()
    tab.get_by_text("This is the fork.").wait_for()
    view = json.loads(page.server.ask("GET", "/api/v1/sessions/talk?parts=header")[1])
    assert (view["title"], view["tags"], view["status"]) == ("Another name", ["one", "two"], "failed")


def test_clear_begins_a_new_session_of_the_same_kind_and_deletes_nothing(page: Page, log: EventLog) -> None:
    tab = page.open("s/voice")
    shown(tab, "hello there")
    before = types_of(log, "voice")
    tab.get_by_text("More", exact=True).click()
    tab.get_by_role("button", name="Clear").click()
    shown(tab, "Nothing has been said in this session yet.")
    [new] = [session_id for session_id in log.session_ids() if session_id not in ("talk", "voice")]
    assert next(iter(log.session(new).read())).event.kind == "voice"  # type: ignore[attr-defined]
    assert types_of(log, "voice") == before


def test_a_session_is_exported_and_resumed(tab: Any, log: EventLog) -> None:
    tab.get_by_role("button", name="Export").click()
    assert sorted(dialog(tab).locator("option").all_inner_texts()) == sorted(FORMATS)
    dialog(tab).get_by_label("As").select_option("jsonl")
    with tab.expect_download() as download:
        dialog(tab).get_by_role("button", name="Export").click()
    assert download.value.suggested_filename == "talk.jsonl"
    assert len(Path(download.value.path()).read_text().splitlines()) >= 301
    tab.get_by_role("button", name="Resume").click()
    dialog(tab).get_by_text("eventlog resume talk").wait_for()
    dialog(tab).get_by_role("button", name="Note that it goes on").click()
    tab.get_by_text("Noted. 0 tool calls without a result.").wait_for()
    assert types_of(log, "talk")[-1] == "session.resumed"


def test_many_sessions_are_tagged_and_deleted_after_a_look_at_what_it_would_be(tab: Any, log: EventLog) -> None:
    log.start(id="empty", title="An empty one")
    tab.get_by_role("link", name="An empty one").wait_for()
    tab.get_by_role("button", name="Choose").click()
    tab.get_by_role("checkbox", name="Choose A voice chat").check()
    tab.get_by_role("checkbox", name="Choose An empty one").check()
    tab.get_by_role("button", name="Tag", exact=True).click()
    dialog(tab).get_by_label("Tag").fill("seen")
    tab.keyboard.press("Enter")
    tab.locator("dialog h2", has_text="Tag “seen”: 2 sessions").wait_for()
    assert types_of(log, "voice").count("session.updated") == 0  # so far it was only asked
    dialog(tab).get_by_role("button", name="Tag “seen”: 2 sessions").click()
    tab.get_by_text("2 sessions done.").wait_for()
    tab.get_by_role("button", name="Choose").click()
    tab.get_by_role("checkbox", name="Choose A voice chat").check()
    tab.get_by_role("group").get_by_role("button", name="Delete", exact=True).click()
    dialog(tab).get_by_text("· A voice chat").wait_for()
    tab.keyboard.press("Enter")  # which is never what deletes
    dialog(tab).wait_for(state="detached")
    assert "session.deleted" not in types_of(log, "voice")
    tab.get_by_role("group").get_by_role("button", name="Delete", exact=True).click()
    dialog(tab).get_by_role("button", name="Delete: 1 session").click()
    tab.get_by_role("link", name="A voice chat").wait_for(state="detached")
    tab.get_by_role("button", name="Undo").click()
    tab.get_by_role("link", name="A voice chat").wait_for()
    assert types_of(log, "voice")[-3:] == ["session.updated", "session.deleted", "session.restored"]


def test_sessions_are_merged(tab: Any, log: EventLog) -> None:
    tab.get_by_role("button", name="Choose").click()
    tab.get_by_role("button", name="All of the list").click()
    tab.get_by_role("button", name="Merge").click()
    dialog(tab).get_by_role("button", name="Merge").click()
    tab.get_by_text("events brought together.").wait_for()
    shown(tab, "message number 299")
    assert len(list(log.session_ids())) == 3


def test_filters_stand_in_the_address_and_are_taken_away_one_by_one(page: Page) -> None:
    tab = page.open("?kind=voice&title=chat")
    tab.get_by_role("link", name="A voice chat").wait_for()
    assert tab.get_by_role("link", name="Debug login").count() == 0
    assert tab.get_by_text("1 session of these").count() == 1
    tab.get_by_role("button", name="Take away kind voice").click()
    tab.wait_for_url("**/?title=chat")
    tab.get_by_label("Only sessions with these words in the title").fill("")
    tab.get_by_role("link", name="Debug login").wait_for()


def test_the_last_session_is_opened_where_that_is_wanted(page: Page, log: EventLog) -> None:
    tab = page.open()
    shown(tab, "Choose a session, or begin a new one.")
    tab.get_by_label("Open the last session when the page is opened").check()
    log.session("voice").append(MessageAdded(role="user", content="the latest of all"))
    tab.goto("about:blank")
    page.open()
    shown(tab, "the latest of all")


def test_a_row_has_its_facts_and_the_totals_are_above(page: Page) -> None:
    tab = page.open()
    row = tab.locator(".session-row", has_text="A voice chat")
    row.wait_for()
    tab.get_by_text("2 sessions · 2 today · 2 this week").wait_for()
    assert "1 message" in row.inner_text()
    assert row.locator(".badge.kind").inner_text() == "voice"
    row.hover()
    row.get_by_role("button", name="Delete A voice chat").click()
    dialog(tab).get_by_role("button", name="Cancel").click()
    tab.get_by_role("link", name="A voice chat").click()
    assert tab.locator("[aria-current=true]").get_attribute("data-id") == "voice"
