"""The page in a real Chromium that can reach nothing but this machine."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from eventlog import EventLog
from eventlog.events import MessageAdded

from .conftest import Page, shown


def test_a_session_is_listed_opened_and_read(page: Page) -> None:
    tab = page.open()
    tab.get_by_role("link", name="Debug login").click()
    shown(tab, "message number 299")
    assert tab.url == f"{page.server.url}s/talk"
    assert "token" not in tab.url
    assert tab.locator(".session[aria-current=true] b").inner_text() == "Debug login"
    assert tab.locator("*").count() < 400
    page.check_that_nothing_left()


def test_an_address_leads_to_its_message_and_back_restores(page: Page) -> None:
    tab = page.open("s/talk", "seq=52")
    shown(tab, "message number 50")
    assert tab.evaluate("document.activeElement.dataset.seq") == "52"
    tab.get_by_role("link", name="A voice chat").click()
    shown(tab, "hello there")
    tab.go_back()
    shown(tab, "message number 50")
    page.check_that_nothing_left()


def test_scrolling_through_shows_every_message_once_and_none_over_another(page: Page) -> None:
    tab = page.open("s/talk", "seq=2")
    shown(tab, "message number 0")
    seen: dict[int, None] = {}
    tab.mouse.move(800, 400)
    for _ in range(400):
        rows = tab.evaluate(
            """() => [...document.querySelectorAll('article[data-seq]')].map(each => {
                const box = each.getBoundingClientRect();
                return [Number(each.dataset.seq), box.top, box.bottom];
            }).sort((a, b) => a[0] - b[0])"""
        )
        for sooner, later in pairwise(rows):
            assert abs(later[1] - sooner[2]) <= 1, (sooner, later)
        seen.update(dict.fromkeys(seq for seq, _, _ in rows))
        if 301 in seen:
            break
        tab.mouse.wheel(0, 400)
        tab.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
    assert list(seen) == list(range(2, 302))


def test_what_is_appended_appears_and_is_only_counted_where_one_reads_above(page: Page, log: EventLog) -> None:
    tab = page.open("s/talk")
    shown(tab, "message number 299")
    log.session("talk").append(MessageAdded(role="user", content="it is live"))
    shown(tab, "it is live")
    tab.keyboard.press("g")
    shown(tab, "message number 0")
    log.session("talk").append(MessageAdded(role="user", content="and later"))
    tab.get_by_role("button", name="1 new").click()
    shown(tab, "and later")
    other = log.start(title="A session that is new")
    tab.get_by_role("link", name="A session that is new").wait_for()
    log.delete(other.id)
    tab.get_by_role("link", name="A session that is new").wait_for(state="detached")
    page.check_that_nothing_left()


def test_by_keys_alone_it_is_found_and_read(page: Page) -> None:
    tab = page.open("s/talk")
    shown(tab, "message number 299")
    tab.keyboard.press("/")
    tab.keyboard.type("number 42")
    tab.get_by_text("1 found").wait_for()
    tab.keyboard.press("Enter")
    tab.get_by_text("1 of 1").wait_for()
    tab.keyboard.press("Escape")
    shown(tab, "message number 42")
    tab.keyboard.press("Control+k")
    tab.keyboard.type("hello there")
    tab.get_by_text("1 found").wait_for()
    tab.keyboard.press("Enter")
    shown(tab, "hello there")
    page.check_that_nothing_left()


def test_a_session_is_begun_deleted_and_brought_back(page: Page, log: EventLog) -> None:
    tab = page.open()
    tab.get_by_role("button", name="New", exact=True).click()
    tab.get_by_role("button", name="Begin").click()
    shown(tab, "Nothing has been said in this session yet.")
    tab.get_by_role("link", name="Debug login").click()
    shown(tab, "message number 299")
    tab.get_by_role("button", name="Delete", exact=True).click()
    tab.get_by_role("dialog").get_by_role("button", name="Delete").click()
    tab.get_by_role("button", name="Undo").click()
    shown(tab, "message number 299")
    assert [stored.type for stored in log.session("talk").read(last=2)] == ["session.deleted", "session.restored"]


def test_only_sessions_of_a_kind_are_listed(page: Page) -> None:
    tab = page.open()
    tab.get_by_text("Filter and sort").click()
    tab.get_by_label("Only sessions of this kind").fill("voice")
    tab.get_by_role("link", name="Debug login").wait_for(state="detached")
    tab.get_by_role("link", name="A voice chat").wait_for()


def test_without_the_token_it_asks_for_one(page: Page) -> None:
    page.tab.goto(page.server.url)
    page.tab.get_by_label("Token", exact=True).fill(page.server.token)
    page.tab.get_by_role("button", name="Use it").click()
    page.tab.get_by_role("link", name="Debug login").wait_for()


def test_it_can_be_read_on_a_narrow_screen_and_in_the_dark(browser: Any, server: Any) -> None:
    page = Page(browser, server, viewport={"width": 400, "height": 800}, color_scheme="dark")
    tab = page.open("s/talk")
    shown(tab, "message number 299")
    assert tab.evaluate("document.documentElement.scrollWidth") <= 400
    tab.get_by_role("button", name="Back").click()
    tab.get_by_role("link", name="A voice chat").wait_for()
    page.context.close()
