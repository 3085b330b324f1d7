"""A real Chromium on a real server. Skipped, with the reason, where there is none: `make page` says what to install."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from eventlog import EventLog
from eventlog.events import MessageAdded

from ..unit.http.serving import Served, served

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed; `make page` installs it")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
OFFLINE = "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    if CHROMIUM is None:
        pytest.skip("there is no Chromium here; install the package chromium")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", OFFLINE])
        yield browser
        browser.close()


class Page:
    """A tab, with everything that it asked for and complained of."""

    def __init__(self, browser: Any, server: Served, **how: Any) -> None:
        self.server = server
        self.context = browser.new_context(**how)
        self.tab = self.context.new_page()
        self.tab.set_default_timeout(30_000)
        self.requests: list[str] = []
        self.complaints: list[str] = []
        self.tab.on("request", lambda request: self.requests.append(request.url))
        self.tab.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.tab.on("console", lambda said: self.complaints.append(said.text) if said.type == "error" else None)

    def open(self, path: str = "", fragment: str = "") -> Any:
        self.tab.goto(f"{self.server.url}{path}#token={self.server.token}{'&' + fragment if fragment else ''}")
        return self.tab

    def check_that_nothing_left(self) -> None:
        assert [url for url in self.requests if not url.startswith((self.server.url, "data:"))] == []
        assert self.complaints == []


def shown(tab: Any, text: str) -> None:
    tab.get_by_text(text, exact=True).first.wait_for()


@pytest.fixture
def log(tmp_path: Path) -> Iterator[EventLog]:
    with EventLog.open(tmp_path / "store", sync="never") as log:
        session = log.start(id="talk", title="Debug login", kind="chat", tags=["bug"], model="gpt-4o")
        session.append(
            *(MessageAdded(role=("user", "assistant")[n % 2], content=f"message number {n}", message_id=f"m{n}") for n in range(300))
        )
        log.start(id="voice", title="A voice chat", kind="voice").append(MessageAdded(role="user", content="hello there"))
        yield log


@pytest.fixture
def server(log: EventLog, tmp_path: Path) -> Iterator[Served]:
    with served(Path(str(log.path)), tmp_path / "config") as server:
        yield server


@pytest.fixture
def page(browser: Any, server: Served) -> Iterator[Page]:
    page = Page(browser, server)
    yield page
    page.context.close()
