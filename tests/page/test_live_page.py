"""The page as others write: how soon, in how many tabs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

from eventlog import EventLog
from eventlog.events import MessageAdded

from ..unit.http.serving import Served
from .conftest import Page, shown

WRITER = """
import sys, time
from eventlog import EventLog
from eventlog.events import MessageAdded
with EventLog.open(sys.argv[1]) as log, log.session("talk") as session:
    for number in range(int(sys.argv[2])):
        session.append(MessageAdded(role="user", content=f"at {time.time_ns()}", message_id=f"w{number}"))
        time.sleep(0.02)
"""


def test_what_another_process_appends_is_shown_and_each_message_once(page: Page, log: EventLog) -> None:
    tab = page.open("s/talk")
    shown(tab, "message number 299")
    tab.evaluate(
        """() => {
            window.__seen = new Map();
            new MutationObserver(() => {
                for (const node of document.querySelectorAll("article .text")) {
                    const text = node.textContent;
                    if (text.startsWith("at ") && !window.__seen.has(text)) window.__seen.set(text, Date.now());
                }
            }).observe(document.querySelector(".space[role=feed]"), { childList: true, subtree: true });
        }"""
    )
    log.session("talk").append(MessageAdded(role="user", content="it runs"))
    shown(tab, "it runs")
    subprocess.run([sys.executable, "-c", WRITER, str(log.path), "100"], check=True)
    tab.wait_for_function("() => window.__seen.size === 100")
    waited = sorted(told - int(text[3:]) / 1e6 for text, told in tab.evaluate("[...window.__seen]"))
    print(f"from an append in another process to the page: median {waited[50]:.0f} ms, 99th percentile {waited[98]:.0f} ms")
    assert tab.evaluate("[...window.__seen.keys()]") == sorted(tab.evaluate("[...window.__seen.keys()]"))
    page.check_that_nothing_left()


def test_seven_tabs_share_one_stream_and_each_is_told(browser: Any, server: Served, log: EventLog) -> None:
    """A browser has six connections to a server: a stream in each tab would leave none for the seventh."""
    page = Page(browser, server)
    tabs = [page.open("s/talk")]
    shown(tabs[0], "message number 299")
    for _ in range(6):
        tab = page.context.new_page()
        tab.goto(f"{server.url}s/talk#token={server.token}")
        shown(tab, "message number 299")
        tabs.append(tab)
    log.session("talk").append(MessageAdded(role="user", content="for all tabs"))
    for tab in tabs:
        shown(tab, "for all tabs")
    logged = next(Path(str(log.path)).parent.rglob("server-*.log")).read_text()
    assert logged.count("/api/v1/stream") <= 1  # a line is written when an answer ends
    tabs[0].close()
    log.session("talk").append(MessageAdded(role="user", content="after the first tab went"))
    for tab in tabs[1:]:
        shown(tab, "after the first tab went")
    page.context.close()


def test_the_page_needs_nothing_but_this_server(page: Page) -> None:
    """Chromium can reach nothing but this machine (`conftest.OFFLINE`): every screen works all the same."""
    tab = page.open("s/talk")
    shown(tab, "message number 299")
    for name, wanted in (("Statistics", ".tile"), ("Tool calls", "p.empty"), ("Trash", "p.empty"), ("Health", "h1")):
        tab.get_by_role("button", name=name).click()
        tab.locator(f".screen {wanted}").first.wait_for()
    page.check_that_nothing_left()
