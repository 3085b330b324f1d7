"""Documents, pages and folders: everything of a session is in them, and nothing in a session can be more than text."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from contextlib import suppress
from pathlib import Path

import msgspec
import pytest

from eventlog import EventLog, Session
from eventlog.errors import InvalidInput, SessionNotFound
from eventlog.events import (
    Artifact,
    ContextCompacted,
    Cost,
    ErrorLogged,
    MessageAdded,
    MessageDelta,
    Part,
    SessionStarted,
    ToolCalled,
    ToolReturned,
    UsageRecorded,
)
from eventlog.importers import import_paths
from projections import SessionView, replay
from projections.exporters import FORMATS, export
from projections.exporters.output import whole_file
from projections.view.training import Split

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FIXTURES = Path(__file__).parents[2] / "fixtures" / "claude-code"
HOSTILE = (
    "</pre></script><script>document.documentElement.setAttribute('data-ran','yes')</script><img src=x onerror=\"document.title='ran'\">"
)

MARKDOWN = """\
# Debug \\*login\\*

| | |
|---|---|
| session | s |
| status | active |
| kind | agent |
| tags | a\\|b |
| models | m-1 |
| started | 2026-11-21 00:00:00Z |
| updated | 2026-11-21 00:00:08Z |
| messages | 3 (1 user, 2 assistant) |
| tool calls | 2 |
| tokens | 10 in, 5 out |
| cost | 0.0100 USD |

## User · 2026-11-21 00:00:01Z

What *changed*?

*[image/png, 4 characters of base64]*

## Assistant · 2026-11-21 00:00:02Z · m-1

<details>
<summary>Thinking</summary>

```
Hm.
```

</details>

Looking.

<details>
<summary>Tool: git (failed in 0.25 s)</summary>

```json
{
  "n": 1
}
```

````
```
the cookie
````

- report.txt

</details>

<details>
<summary>Tool: ls &lt;b&gt; (no result)</summary>

</details>

<details>
<summary>Context compacted at event 7, 9,000 tokens before</summary>

They looked.

</details>

> **Error** (api): it &lt;broke&gt;

## Assistant · 2026-11-21 00:00:08Z · not finished

As far

"""


def recorded(log: EventLog, id: str = "s") -> Session:
    session = log.session(id, create=True)
    blob = Part(type="blob", modality="image", mime_type="image/png", content="AAAA")
    parts = [
        Part(type="reasoning", content="Hm."),
        Part(type="text", content="Looking."),
        Part(type="tool_call", id="c1", name="git", arguments={"n": 1}),
    ]
    events = [
        SessionStarted(title="Debug *login*", kind="agent", tags=["a|b"]),
        MessageAdded(role="user", content=[Part(type="text", content="What *changed*?"), blob]),
        MessageAdded(role="assistant", content=parts, model="m-1"),
        ToolReturned(call_id="c1", output="```\nthe cookie", is_error=True, duration_ms=250, artifacts=[Artifact(path="report.txt")]),
        ToolCalled(name="ls <b>", call_id="c2"),
        UsageRecorded(input_tokens=10, output_tokens=5, cost=Cost(amount=0.01)),
        ContextCompacted(summary="They looked.", tokens_before=9_000),
        ErrorLogged(message="it\n<broke>", kind="api"),
        MessageDelta(message_id="m9", content="As far"),
    ]
    for second, event in enumerate(events):
        session.append(event, time=f"2026-11-21T00:00:{second:02}Z")
    return session


def exported(log: EventLog, format: str, *ids: str) -> str:
    taken: list[bytes] = []
    export(log, ids or ("s",), format, taken.append)
    return b"".join(taken).decode()


# --- documents ---------------------------------------------------------------------------------------------------------------


def test_a_session_as_markdown() -> None:
    with EventLog.memory() as log:
        recorded(log)
        assert exported(log, "markdown") == MARKDOWN
        assert exported(log, "markdown", "s", "s") == f"{MARKDOWN}\n---\n\n{MARKDOWN}"


def test_a_session_as_json_is_its_view() -> None:
    with EventLog.memory() as log:
        session = recorded(log)
        assert exported(log, "json") == msgspec.json.encode(replay(session.read(), SessionView)).decode() + "\n"
        assert exported(log, "json", "s", "s").count("\n") == 2


def test_an_imported_session_as_what_it_was_imported_from() -> None:
    file = FIXTURES / "3f1c0e52-0000-4000-8000-000000000001.jsonl"
    with EventLog.memory() as log:
        import_paths(log, "claude-code", [file])
        text = exported(log, "claude-code", file.stem)
        objects = [line for line in file.read_text().splitlines() if line.startswith('{"') and "}{" not in line]
        assert [line for line in text.splitlines() if line in objects] == objects
        fork = log.fork(file.stem)
        log.session(file.stem).append(MessageAdded(role="user", content="not from there"))
        assert exported(log, "claude-code", fork.id) == exported(log, "claude-code", file.stem) == text


# --- the page ----------------------------------------------------------------------------------------------------------------


def test_a_page_has_everything_and_asks_for_nothing() -> None:
    with EventLog.memory() as log:
        recorded(log)
        page = exported(log, "html")
        for text in (
            "Debug *login*",
            "What *changed*?",
            "Looking.",
            "the cookie",
            "They looked.",
            "it\n&lt;broke&gt;",
            "<summary><b>ls &lt;b&gt;</b> no result</summary>",
            '<summary class="bad"><b>git</b> failed in 0.25 s</summary>',
        ):
            assert text in page
        assert '<img alt="image" src="data:image/png;base64,AAAA">' in page
        assert re.findall(r'(?:src|href)="(?!data:image/png;base64,|#)', page) == []
        assert "<script" not in page
        assert "default-src 'none'" in page


def test_everything_in_a_page_is_escaped() -> None:
    with EventLog.memory() as log:
        session = log.start(id="s", title=HOSTILE, user_id=HOSTILE, tags=[HOSTILE], metadata={HOSTILE: HOSTILE})
        blob = Part(type="blob", mime_type="image/png", content=HOSTILE, modality="image")
        svg = Part(type="blob", mime_type="image/svg+xml", content="AAAA", modality="image")
        uri = Part(type="uri", uri=f"javascript:{HOSTILE}", modality="image")
        session.append(MessageAdded(role=HOSTILE, content=[Part(type="text", content=HOSTILE), blob, svg, uri, Part(type=HOSTILE)]))
        session.append(MessageAdded(role="user", content=[Part(type="reasoning", content=HOSTILE)], model=HOSTILE))
        session.append(ToolCalled(name=HOSTILE, call_id="c", arguments={HOSTILE: HOSTILE}))
        session.append(ToolReturned(call_id="c", output=HOSTILE, artifacts=[Artifact(uri=HOSTILE)]))
        session.append(ErrorLogged(message=HOSTILE, kind=HOSTILE), ContextCompacted(summary=HOSTILE))
        session.append(MessageAdded(role="user", content="a\x00b\x1b[31m\x9bc"))
        page = exported(log, "html")
        assert "<script" not in page
        assert "<img" not in page
        assert "onerror=&quot;" in page
        assert "a\ufffdb\ufffd[31m\ufffdc" in page
        allowed = "!doctype html head meta title style body h1 dl dt dd main section header b pre details summary code"
        assert set(re.findall(r"<([a-z0-9!]+)", page)) == set(allowed.split())


def test_a_tool_call_shows_the_beginning_of_what_it_was_given_and_blank_text_shows_nothing() -> None:
    with EventLog.memory() as log:
        session = log.start(id="s")
        session.append(MessageAdded(role="assistant", content="\n\n"))
        session.append(ToolCalled(name="Bash", call_id="c1", arguments={"timeout": 5, "command": "ls -l\n  | <wc>"}))
        session.append(ToolCalled(name="Write", call_id="c2", arguments="x" * 91))
        page = exported(log, "html")
        assert "<summary><b>Bash</b> <code>ls -l | &lt;wc&gt;</code> no result</summary>" in page
        assert f"<summary><b>Write</b> <code>{'x' * 90}…</code> no result</summary>" in page
        assert "<section" in page
        assert "assistant</b>" not in page


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed")
def test_a_browser_shows_the_session_and_runs_nothing_of_it(tmp_path: Path) -> None:
    with EventLog.memory() as log:
        session = recorded(log)
        session.append(MessageAdded(role="user", content=HOSTILE))
        session.append(*[MessageAdded(role="user", content=f"question {number}") for number in range(500)])
        export(log, ["s"], "html", tmp_path / "s.html")
    dom = _dom(tmp_path / "s.html", tmp_path)
    assert "What *changed*?" in dom
    assert "question 499" in dom
    assert "data-ran" not in dom.replace("setAttribute('data-ran'", "")
    assert "<title>Debug *login*</title>" in dom
    marked = tmp_path / "marked.html"  # the same browser runs a script that is one: the test could fail
    marked.write_text("<html><body><script>document.documentElement.setAttribute('data-ran','yes')</script></body></html>")
    assert 'data-ran="yes"' in _dom(marked, tmp_path)


def _dom(page: Path, folder: Path) -> str:
    assert CHROMIUM is not None
    quiet = ["--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-quic"]
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", *quiet, f"--user-data-dir={folder / 'profile'}"]
    done = subprocess.run([CHROMIUM, *options, "--dump-dom", page.as_uri()], capture_output=True, text=True, timeout=120, check=True)
    return done.stdout


# --- files and folders ---------------------------------------------------------------------------------------------------------


def test_a_folder_that_is_kept_up_to_date_gets_only_what_changed(tmp_path: Path) -> None:
    with EventLog.memory() as log:
        for id in ("a", "b", "c"):
            recorded(log, id)
        first = export(log, log.session_ids(), "markdown", tmp_path, update=True)
        assert (len(first.written), first.unchanged) == (3, 0)
        for path in tmp_path.glob("*.md"):
            os.utime(path, (1, 1))
        log.session("b").append(MessageAdded(role="user", content="new"))
        (tmp_path / "c.md").unlink()
        second = export(log, log.session_ids(), "markdown", tmp_path, update=True)
        assert sorted(Path(path).name for path in second.written) == ["b.md", "c.md"]
        assert second.unchanged == 1
        assert (tmp_path / "a.md").stat().st_mtime == 1
        assert "new" in (tmp_path / "b.md").read_text()
        (tmp_path / ".eventlog-export.json").write_text("not what we wrote")
        assert len(export(log, log.session_ids(), "markdown", tmp_path, update=True).written) == 3
        assert export(log, log.session_ids(), "html", tmp_path, update=True).unchanged == 0
        assert export(log, log.session_ids(), "markdown", tmp_path, update=True).unchanged == 3


def test_the_file_of_a_deleted_session_stays_and_is_reported(tmp_path: Path) -> None:
    with EventLog.memory() as log:
        for id in ("a", "b", "c"):
            recorded(log, id)
        assert export(log, ["a", "b", "c"], "markdown", tmp_path, update=True).deleted == []
        log.delete("b")
        report = export(log, ["a"], "markdown", tmp_path, update=True)
        assert (report.deleted, report.unchanged) == ([str(tmp_path / "b.md")], 1)
        assert export(log, ["b"], "markdown", tmp_path, update=True).deleted == []
        (tmp_path / "b.md").unlink()
        assert export(log, ["a"], "markdown", tmp_path, update=True).deleted == []


def test_two_pages_are_refused_before_the_first_is_written() -> None:
    with EventLog.memory() as log:
        recorded(log, "a"), recorded(log, "b")
        taken: list[bytes] = []
        with pytest.raises(InvalidInput, match="one page per session"):
            export(log, ["a", "b"], "html", taken.append)
        assert taken == []


@pytest.mark.parametrize("format", ["markdown", "json", "jsonl", "html"])
def test_a_folder_has_a_file_for_each_session(format: str, tmp_path: Path) -> None:
    with EventLog.memory() as log:
        recorded(log, "a")
        recorded(log, "b.c")
        export(log, ["a", "b.c"], format, tmp_path)
        assert sorted(path.name for path in tmp_path.iterdir()) == [f"a{FORMATS[format].suffix}", f"b.c{FORMATS[format].suffix}"]


def test_a_file_is_there_whole_or_not_at_all(tmp_path: Path) -> None:
    (tmp_path / "s.json").write_text("as it was")
    with EventLog.memory() as log:
        recorded(log)
        with pytest.raises(SessionNotFound):
            export(log, ["s", "nobody"], "json", tmp_path / "s.json")
        with pytest.raises(InvalidInput, match="html is one page per session; name a folder with -o"):
            export(log, ["s", "s"], "html", tmp_path / "s.json")
        with pytest.raises(SessionNotFound):
            export(log, ["s", "nobody"], "openai", tmp_path / "s.json")
    with suppress(KeyboardInterrupt), whole_file(tmp_path / "s.json") as file:
        file.write(b"half")
        raise KeyboardInterrupt
    assert [path.name for path in tmp_path.iterdir()] == ["s.json"]
    assert (tmp_path / "s.json").read_text() == "as it was"
    with whole_file(tmp_path / "new" / "folder" / "x.md") as file:
        file.write(b"whole")
    assert (tmp_path / "new" / "folder" / "x.md").read_bytes() == b"whole"


def test_what_a_format_cannot_do_is_said() -> None:
    with EventLog.memory() as log:
        recorded(log)
        with pytest.raises(InvalidInput, match="unknown export format 'pdf'; give one of: markdown, json,"):
            export(log, ["s"], "pdf", print)
        with pytest.raises(InvalidInput, match="markdown has no samples to split; leave out --split"):
            export(log, ["s"], "markdown", print, split=Split.parse("90/10"))
        with pytest.raises(InvalidInput, match="openai has no file per session that could be updated; leave out --update"):
            export(log, ["s"], "openai", Path("x"), update=True)
        with pytest.raises(InvalidInput, match="a split is written to one file per part; name a file or a folder with -o"):
            export(log, ["s"], "openai", print, split=Split.parse("90/10"))
