"""What was recorded is never more than text: 60 vectors in every place that a store has, on every screen, and in the HTML export."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from eventlog import EventLog
from eventlog.events import (
    Artifact,
    ContextUpdated,
    ErrorLogged,
    MessageAdded,
    MessageAmended,
    Part,
    ToolCalled,
    ToolReturned,
    UsageRecorded,
)

from ..unit.http.serving import Served, served
from .conftest import Page, shown

VECTORS = (
    "<script>window.__xss=1</script>",
    "<img src=x onerror='window.__xss=1'>",
    "<svg onload=window.__xss=1>",
    "<iframe srcdoc='<script>parent.__xss=1</script>'></iframe>",
    "[x](javascript:window.__xss=1)",
    "![x](https://evil.example/x.png)",
    '<a href="javascript:window.__xss=1">x</a>',
    "data:text/html,<script>window.__xss=1</script>",
    "<style>*{background:url(https://evil.example)}</style>",
    "<link rel=stylesheet href=https://evil.example/x.css>",
    "<base href=https://evil.example/>",
    "<meta http-equiv=refresh content='0;url=https://evil.example'>",
    "<form action=https://evil.example><button autofocus>",
    "</title></textarea></script><script>window.__xss=1</script>",
    "\u202eabc\u2066def",
    "```html\n<script>window.__xss=1</script>\n```",
    "${window.__xss=1}",
    "{{constructor.constructor('window.__xss=1')()}}",
    "x" * 1_000_000,
    "> " * 2_000,
    "\n" * 5_000,
    "__proto__",
    "<SCRIPT SRC=https://evil.example/x.js></SCRIPT>",
    "<img src='https://evil.example/x.png'>",
    "<img src=x:x onerror=alert(window.__xss=1)>",
    "<svg><animate onbegin=window.__xss=1 attributeName=x dur=1s>",
    "<svg><script>window.__xss=1</script></svg>",
    "<math><mtext><table><mglyph><style><img src=x onerror=window.__xss=1>",
    "<body onload=window.__xss=1>",
    "<input onfocus=window.__xss=1 autofocus>",
    "<details open ontoggle=window.__xss=1>",
    "<video><source onerror=window.__xss=1>",
    "<audio src=https://evil.example/x.mp3 autoplay>",
    "<object data=https://evil.example/x.swf></object>",
    "<embed src=https://evil.example/x>",
    "<iframe src=javascript:parent.__xss=1>",
    "<template><script>window.__xss=1</script></template>",
    '<noscript><p title="</noscript><img src=x onerror=window.__xss=1>">',
    "<a href='jav&#x09;ascript:window.__xss=1'>x</a>",
    "[x](JaVaScRiPt:window.__xss=1)",
    "[x](data:text/html;base64,PHNjcmlwdD53aW5kb3cuX194c3M9MTwvc2NyaXB0Pg==)",
    "[x](vbscript:x)",
    "[x](//evil.example/x)",
    "[x]: javascript:window.__xss=1\n[x]",
    "![x][y]\n\n[y]: https://evil.example/y.png",
    "<https://evil.example/auto>",
    "<javascript:window.__xss=1>",
    "`<script>window.__xss=1</script>`",
    "| <script>window.__xss=1</script> | <img src=x onerror=window.__xss=1> |\n|-|-|\n| <svg onload=window.__xss=1> | x |",
    "- [ ] <img src=x onerror=window.__xss=1>",
    "# <img src=x onerror=window.__xss=1>",
    "**<img src=x onerror=window.__xss=1>**",
    "$$\\href{javascript:window.__xss=1}{x}$$",
    "constructor",
    "toString",
    "\u2028window.__xss=1\u2029",
    "\ufeff<script>window.__xss=1</script>",
    "\u200b\u200d\u200e",
    "<!--><script>window.__xss=1</script>-->",
    "<![CDATA[<script>window.__xss=1</script>]]>",
    "<?xml-stylesheet href='https://evil.example/x.xsl'?>",
)

assert len(VECTORS) >= 60
NUMBERS = range(len(VECTORS))


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("hostile") / "store"
    with EventLog.open(path, sync="never") as log:
        for number, vector in enumerate(VECTORS):
            short = vector[:2000]
            session = log.start(
                id=f"v{number}", title=short, tags=[short], model=short, kind=short, user_id=short, purpose=short, metadata={short: short}
            )
            session.append(
                ContextUpdated(project=short, preferences={short: short}),
                MessageAdded(role="user", content=vector, model=short, message_id=short),
                MessageAmended(message_id=short, content=vector + " "),
                MessageAdded(role="assistant", content=[Part(type="text", content=vector), Part(type="reasoning", content=vector)]),
                MessageAdded(
                    role="assistant",
                    content=[
                        Part(type="blob", mime_type=short, content=short),
                        Part(type="blob", mime_type="image/svg+xml", content="PHN2ZyBvbmxvYWQ9J3dpbmRvdy5fX3hzcz0xJy8+"),
                        Part(type="uri", uri=short),
                        Part(type="file", file_id=short),
                    ],
                ),
                ToolCalled(name=short, call_id=short, arguments={short: short, "command": short, "old_string": short, "new_string": short}),
                ToolReturned(call_id=short, output=vector, artifacts=[Artifact(path=short)]),
                ToolCalled(name=short, call_id="open"),
                ErrorLogged(message=short, kind=short, details={short: short}),
                UsageRecorded(model=short, input_tokens=1, output_tokens=1),
                MessageAdded(role=short[:100] or "x", content="the end"),
            )
        log.delete("v0")
    return path


@pytest.fixture(scope="module")
def server(store: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(store, tmp_path_factory.mktemp("config")) as server:
        yield server


@pytest.fixture(scope="module")
def page(browser: Any, server: Served) -> Iterator[Page]:
    page = Page(browser, server)
    yield page
    page.context.close()


@pytest.mark.parametrize("number", NUMBERS)
def test_what_was_recorded_is_never_more_than_text(page: Page, number: int) -> None:
    tab = page.tab
    tab.goto("about:blank")
    page.open(f"s/v{number}")
    shown(tab, "the end")
    tab.evaluate("for (const each of document.querySelectorAll('details')) each.open = true")
    tab.evaluate("for (const each of document.querySelectorAll('article header button')) each.click()")
    tab.get_by_role("button", name="Details", exact=True).click()
    tab.locator("aside dl").wait_for()
    assert tab.evaluate("window.__xss") is None
    assert (
        tab.locator(
            "article script, article iframe, article object, article embed, article style, article form, article svg, article img"
        ).count()
        == 0
    )
    schemes = {link.get_attribute("href").partition(":")[0] for link in tab.locator("article .markdown a").all()}
    assert schemes <= {"http", "https", "mailto"}
    page.check_that_nothing_left()


@pytest.mark.parametrize("address", ["", "?screen=statistics", "?screen=tools", "?screen=trash"])
def test_nor_is_it_on_the_other_screens(page: Page, address: str) -> None:
    tab = page.tab
    tab.goto("about:blank")
    page.open(address)
    tab.locator(
        {"": ".session-row", "?screen=statistics": "figure img", "?screen=tools": ".used", "?screen=trash": "li.row"}[address]
    ).first.wait_for()
    tab.evaluate("for (const each of document.querySelectorAll('details')) each.open = true")
    tab.keyboard.press("Control+k")
    tab.keyboard.type("script OR onerror OR evil")
    tab.locator("dialog .hit mark").first.wait_for()
    tab.keyboard.press("Escape")
    assert tab.evaluate("window.__xss") is None
    page.check_that_nothing_left()


def test_nor_is_it_in_the_html_export(browser: Any, store: Path, tmp_path: Path) -> None:
    names = [f"v{number}" for number in NUMBERS[1:]]
    subprocess.run(
        [sys.executable, "-m", "eventlog", "--store", str(store), "export", *names, "--to", "html", "-o", str(tmp_path)],
        check=True,
        capture_output=True,
    )
    files = sorted(tmp_path.rglob("*.html"))
    assert len(files) == len(names)
    context = browser.new_context()
    tab = context.new_page()
    asked: list[str] = []
    tab.on("request", lambda request: asked.append(request.url))
    for file in files:
        tab.goto(file.as_uri())
        tab.evaluate("for (const each of document.querySelectorAll('details')) each.open = true")
        assert tab.evaluate("window.__xss") is None
    assert [url for url in asked if not url.startswith(("file://", "data:"))] == []
    context.close()
