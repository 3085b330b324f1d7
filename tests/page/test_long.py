"""A session of 50,000 messages is as quick as one of 50: what is on the page stays small, whatever there is. Durations are printed, not
held to anything: machines that run tests are busy with others."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from eventlog import EventLog
from eventlog.events import MessageAdded

from ..unit.http.serving import Served, served
from .conftest import Page, shown

COUNT = 50_000
LOREM = "The quick brown fox looks at the log, and the log says what it knows. "


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("long")
    with EventLog.open(folder / "store", sync="never") as log:
        session = log.start(id="long", title="A long one")
        for first in range(0, COUNT, 500):
            session.append(
                *(
                    MessageAdded(role=("user", "assistant")[n % 2], content=f"message number {n}. {LOREM * (n % 9)}", message_id=f"m{n}")
                    for n in range(first, first + 500)
                )
            )
        for number in range(150):
            log.start(title=f"Another {number}")
    with served(folder / "store", folder / "config") as server:
        assert server.ask("GET", "/api/v1/sessions/long/outline")[0] == 200
        while b'"complete":true' not in server.ask("GET", "/api/v1/search?q=number&limit=1")[1]:
            time.sleep(0.1)
        yield server


def renderer_mib(browser: Any) -> float:
    """What the largest renderer has in memory; of what it shares with other processes (the browser's own program) its part."""
    session = browser.new_browser_cdp_session()
    found = session.send("SystemInfo.getProcessInfo")["processInfo"]
    session.detach()
    sizes = []
    for process in found:
        if process["type"] == "renderer":
            memory = Path(f"/proc/{process['id']}/smaps_rollup").read_text()
            sizes += [int(line.split()[1]) / 1024 for line in memory.splitlines() if line.startswith("Pss:")]
    return max(sizes)


class Clock:
    def __init__(self) -> None:
        self.begun = time.perf_counter()

    def say(self, what: str) -> None:
        now = time.perf_counter()
        print(f"{what}: {(now - self.begun) * 1000:,.0f} ms")
        self.begun = now


def test_50000_messages_are_few_elements_and_little_memory(browser: Any, server: Served) -> None:
    page = Page(browser, server)
    tab = page.open("s/long")
    shown(tab, f"message number {COUNT - 1}. {LOREM * ((COUNT - 1) % 9)}".strip())
    print(f"first message after {tab.evaluate('performance.now()'):,.0f} ms at the latest")
    assert tab.locator("*").count() <= 400
    print(f"renderer: {renderer_mib(browser):.0f} MiB when it is opened")
    clock = Clock()
    for number in (25_000, 3, 49_000, 12_345, 40_404):
        tab.evaluate(f"location.hash = '#seq={number + 2}'")
        tab.locator(f"article[data-seq='{number + 2}']").wait_for()
        assert tab.locator("*").count() <= 400
        clock.say(f"jump to {number}")
    tab.keyboard.press("/")
    tab.keyboard.type('"number 31313"')
    tab.get_by_text("1 found").wait_for()
    tab.keyboard.press("Enter")
    tab.locator("article[data-seq='31315']").wait_for()
    clock.say("search and jump")
    tab.keyboard.press("Escape")
    frames = tab.evaluate(
        """async () => {
            const scroller = document.querySelector(".transcript .scroller");
            const took = [];
            let last = performance.now();
            for (let step = 0; step < 200; step++) {
                scroller.scrollTop += 400;
                await new Promise(requestAnimationFrame);
                took.push(performance.now() - last);
                last = performance.now();
            }
            return took.sort((a, b) => a - b);
        }"""
    )
    print(f"frames while scrolling: median {frames[100]:.0f} ms, 95th percentile {frames[190]:.0f} ms")
    assert tab.locator("*").count() <= 400
    size = renderer_mib(browser)
    print(f"renderer: {size:.0f} MiB")
    assert size <= 200
    page.check_that_nothing_left()
    page.context.close()


def test_a_list_longer_than_an_element_can_be_high_is_scrolled_to_each_end(browser: Any, server: Served) -> None:
    page = Page(browser, server)
    tab = page.open()
    tab.get_by_role("link", name="Another 149").wait_for()
    seen = tab.evaluate(
        """async () => {
            const { Virtual } = await import("/virtual.js");
            const { make } = await import("/dom.js");
            const scroller = make("div.scroller");
            scroller.style.cssText = "position:fixed;inset:0;z-index:9;background:white";
            document.body.append(scroller);
            const list = new Virtual(scroller, { role: "list", label: "x", follows: false, node: (index) => {
                const node = make("div", {}, `item ${index}`);
                node.style.cssText = "position:absolute;height:40px";
                return node;
            }});
            list.reset(new Array(1_000_000).fill(40));
            list.draw();
            const frame = () => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
            const shown = () => Math.min(...[...list.nodes].filter(([, node]) => {
                const { top } = node.getBoundingClientRect();
                return top >= 0 && top < 400;
            }).map(([index]) => index));
            const found = [shown()];
            for (let step = 0; step < 5; step++) { scroller.scrollTop += 40; await frame(); found.push(shown()); }
            scroller.scrollTop = scroller.scrollHeight; await frame();
            found.push(Math.max(...list.nodes.keys()));
            scroller.scrollTop = scroller.scrollHeight / 2; await frame();
            found.push(Math.round(shown() / 10_000));
            list.jump(777_777); await frame();
            found.push(shown());
            scroller.scrollTop = 0; await frame();
            found.push(shown(), scroller.scrollHeight);
            scroller.remove();
            list.destroy();
            return found;
        }"""
    )
    assert seen == [0, 1, 2, 3, 4, 5, 999_999, 50, 777_777, 0, 8_000_000]
    page.context.close()


def test_the_list_of_sessions_is_fetched_as_it_is_scrolled(browser: Any, server: Served) -> None:
    page = Page(browser, server)
    tab = page.open()
    tab.get_by_role("link", name="Another 149").wait_for()
    titles: set[str] = set()
    tab.locator(".sessions").hover()
    for _ in range(200):
        titles.update(tab.locator(".session b").all_inner_texts())
        if len(titles) == 151:
            break
        tab.mouse.wheel(0, 400)
        tab.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
    assert titles == {"A long one", *(f"Another {number}" for number in range(150))}
    assert tab.locator("*").count() <= 400
    page.check_that_nothing_left()
    page.context.close()
