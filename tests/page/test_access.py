"""The page for everybody: by keys alone, for screen readers, at 400 px, in the dark, with forced colours, enlarged."""

from __future__ import annotations

from typing import Any

import pytest

from eventlog import EventLog
from eventlog.events import ToolCalled, ToolReturned

from .conftest import Page, shown

HEALTH = "?screen=health"
SCREENS = {
    "s/talk": "message number 299",
    "": "Choose a session, or begin a new one.",
    "?screen=trash": "The trash is empty.",
    HEALTH: "Check every byte",
}


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("address", [*SCREENS, "?screen=statistics", "?screen=tools"])
def test_axe_finds_nothing_serious(browser: Any, server: Any, log: EventLog, address: str, scheme: str) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is not installed; `make page` installs it")
    log.session("talk").append(
        ToolCalled(name="bash", call_id="1", arguments={"command": "make"}), ToolReturned(call_id="1", is_error=True)
    )
    page = Page(browser, server, color_scheme=scheme, bypass_csp=True)  # axe itself makes styles
    tab = page.open(address)
    if address in SCREENS:
        shown(tab, SCREENS[address])
    else:
        tab.locator({"?screen=statistics": "figure img", "?screen=tools": ".used"}[address]).first.wait_for()
    tab.locator(".session-row").first.wait_for()
    found = axe.Axe().run(tab).response["violations"]
    grave = [
        (each["id"], [node["html"][:200] for node in each["nodes"][:3]]) for each in found if each["impact"] in ("serious", "critical")
    ]
    assert grave == []
    page.context.close()


def test_by_keys_alone_a_session_is_opened_read_searched_deleted_and_restored(page: Page, log: EventLog) -> None:
    tab = page.open()
    tab.get_by_role("link", name="Debug login").wait_for()
    keys = tab.keyboard
    keys.press("]")
    shown(tab, "hello there")
    keys.press("]")
    shown(tab, "message number 299")
    keys.press("g")
    shown(tab, "message number 0")
    for _ in range(3):
        keys.press("j")
    tab.wait_for_function("() => document.activeElement.dataset.seq === '5'")
    keys.press("J")
    tab.wait_for_function("() => document.activeElement.dataset.seq === '6'")
    keys.press("c")
    tab.get_by_role("button", name="Fork here").wait_for()
    keys.press("Control+k")
    keys.type("number 77")
    tab.get_by_text("1 found").wait_for()
    keys.press("Enter")
    shown(tab, "message number 77")
    keys.press("?")
    tab.get_by_role("dialog").get_by_text("delete the session (asks)").wait_for()
    keys.press("Escape")
    keys.press("Delete")
    tab.get_by_role("dialog").wait_for()
    keys.press("Tab")
    keys.press("Enter")
    tab.get_by_role("link", name="Debug login").wait_for(state="detached")
    keys.press("Control+k")
    keys.type("trash")
    tab.locator("dialog .hit", has_text="Trash").wait_for()
    tab.get_by_text("0 found").wait_for()
    keys.press("Enter")
    tab.get_by_role("button", name="Restore Debug login").wait_for()
    while "Restore" not in (tab.evaluate("document.activeElement.getAttribute('aria-label')") or ""):
        keys.press("Tab")
    keys.press("Enter")
    tab.get_by_role("link", name="Debug login").wait_for()
    assert [stored.type for stored in log.session("talk").read(last=2)] == ["session.deleted", "session.restored"]


def test_a_message_says_which_of_how_many_it_is(page: Page) -> None:
    tab = page.open("s/talk", "seq=52")
    shown(tab, "message number 50")
    node = tab.locator("article[data-seq='52']")
    assert [node.get_attribute(f"aria-{name}") for name in ("posinset", "setsize")] == ["51", "300"]
    assert tab.locator("[role=feed]").count() == 1


@pytest.mark.parametrize("how", [{"viewport": {"width": 400, "height": 800}}, {"viewport": {"width": 640, "height": 400}}])
@pytest.mark.parametrize("address", [*SCREENS, "?screen=statistics", "?screen=tools"])
def test_nothing_is_wider_than_a_narrow_screen(browser: Any, server: Any, address: str, how: dict[str, Any]) -> None:
    page = Page(browser, server, **how, color_scheme="dark", forced_colors="active")
    tab = page.open(address)
    if address in SCREENS:
        shown(tab, SCREENS[address]) if address else tab.get_by_role("link", name="Debug login").wait_for()
    else:
        tab.locator({"?screen=statistics": "figure img", "?screen=tools": "h1"}[address]).first.wait_for()
    wide = tab.evaluate(
        """() => [...document.querySelectorAll("body *")].filter((each) => each.getBoundingClientRect().right > innerWidth + 1
            && !each.closest(".wide, figure, pre, .badges, .keys") && getComputedStyle(each).visibility !== "hidden")
            .map((each) => each.outerHTML.slice(0, 120))"""
    )
    assert wide == []
    assert tab.evaluate("document.documentElement.scrollWidth") <= how["viewport"]["width"]
    page.context.close()
