"""What happens when answers come in another order than they were asked for. Each order is forced: an answer is held until it may come."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from eventlog import EventLog
from eventlog.events import MessageAdded

from .conftest import Page, shown


class Held:
    """Requests that are not let through before `release`."""

    def __init__(self) -> None:
        self.waiting: list[Any] = []
        self.released = False

    def __call__(self, route: Any) -> None:
        if self.released:
            route.continue_()
        else:
            self.waiting.append(route)

    def release(self) -> None:
        self.released = True
        while self.waiting:
            self.waiting.pop().continue_()


@contextmanager
def held(page: Page, pattern: str) -> Iterator[Held]:
    """Until the block ends, or `release`."""
    holding = Held()
    page.tab.route(pattern, holding)
    yield holding
    assert holding.waiting or holding.released, "nothing asked for what was to be held"
    holding.release()


def test_a_session_that_is_begun_while_the_list_loads_stays_open(page: Page) -> None:
    with held(page, "**/api/v1/sessions?*") as listing:
        tab = page.open()
        tab.get_by_role("button", name="New", exact=True).click()
        tab.get_by_role("button", name="Begin").click()
        shown(tab, "Nothing has been said in this session yet.")
        listing.release()
        tab.get_by_role("link", name="Debug login").wait_for()
    shown(tab, "Nothing has been said in this session yet.")
    assert "/s/" in tab.url
    page.check_that_nothing_left()


def test_what_is_stored_before_the_live_stream_begins_is_not_missed(page: Page, log: EventLog) -> None:
    with held(page, "**/api/v1/stream*") as stream:
        tab = page.open("s/talk")
        shown(tab, "message number 299")
        tab.get_by_role("link", name="A voice chat").wait_for()
        while not stream.waiting:
            tab.wait_for_timeout(10)
        log.session("talk").append(MessageAdded(role="user", content="in between"))
        log.start(title="A session in between")
    shown(tab, "in between")
    tab.get_by_role("link", name="A session in between").wait_for()
    page.check_that_nothing_left()


def test_a_row_that_is_told_while_the_list_loads_is_not_replaced_by_an_older_one(page: Page, log: EventLog) -> None:
    tab = page.open()
    tab.get_by_role("link", name="Debug login").wait_for()
    log.session("talk").append(MessageAdded(role="user", content="so that the stream is known to run"))
    tab.get_by_text("301 messages").wait_for()
    holding: list[Any] = []

    def fetch_and_hold(route: Any) -> None:
        holding.append((route, route.fetch()))

    tab.route("**/api/v1/sessions?*", fetch_and_hold)
    tab.get_by_text("Filter and sort").click()
    tab.get_by_label("First the largest of").select_option("messages")
    while not holding:
        tab.wait_for_timeout(10)
    log.session("talk").append(MessageAdded(role="user", content="told meanwhile"))
    tab.get_by_text("302 messages").wait_for()
    for route, response in holding:
        route.fulfill(response=response)
    tab.get_by_label("Take away").wait_for()
    tab.wait_for_function("() => document.querySelectorAll('.day').length === 0")  # the list by messages has no days
    assert tab.get_by_text("302 messages").count() == 1


def test_of_two_sessions_that_are_opened_quickly_the_later_one_is_shown(page: Page) -> None:
    tab = page.open()
    with held(page, "**/api/v1/sessions/talk/outline*"):
        tab.get_by_role("link", name="Debug login").click()
        tab.get_by_role("link", name="A voice chat").click()
        shown(tab, "hello there")
    tab.wait_for_timeout(300)
    shown(tab, "hello there")
    assert tab.get_by_text("message number", exact=False).count() == 0
