"""``grep`` and ``cat --all``: every session, sealed and compressed ones too."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from eventlog import EventLog
from eventlog.events import MessageAdded, ToolReturned

from ...command_line import eventlog


@pytest.fixture
def store(tmp_path: Path) -> Path:
    with EventLog.open(tmp_path / "store") as log:
        log.start(id="cold").append(MessageAdded(role="user", content='He said "cookie"\nand left'))
        log.session("cold").end("completed")
        log.compact(idle_s=0)
        log.start(id="warm").append(ToolReturned(call_id="c", output={"deep": ["one", "a Cookie jar"]}))
        log.start(id="gone").append(MessageAdded(role="user", content="cookie"))
        log.delete("gone")
    assert list((tmp_path / "store").glob("sessions/*/cold*.zst"))
    return tmp_path / "store"


def test_grep_finds_what_was_said_in_every_session_that_is_not_deleted(store: Path) -> None:
    assert eventlog("grep", '"cookie"', "--store", store).out == 'cold:2:message.added: He said "cookie"\n'
    assert eventlog("grep", "-i", "cookie", "--store", store).out.splitlines() == [
        'cold:2:message.added: He said "cookie"',
        "warm:2:tool.returned: a Cookie jar",
    ]
    assert "gone:2" in eventlog("grep", "cookie", "--deleted", "--store", store).out
    assert eventlog("grep", "-l", "left", "--store", store).out == "cold\n"
    assert eventlog("grep", "Cookie", "warm", "--type", "message.added", "--store", store) == (1, "", "")


def test_grep_for_a_program_is_a_line_of_json_for_each_hit(store: Path) -> None:
    (line,) = eventlog("grep", "jar", "--json", "--store", store).out.splitlines()
    found = msgspec.json.decode(line)
    assert {name: found[name] for name in ("session_id", "seq", "type", "text")} == {
        "session_id": "warm",
        "seq": 2,
        "type": "tool.returned",
        "text": "a Cookie jar",
    }


def test_what_is_no_pattern_is_wrong_use_and_may_be_a_text(store: Path) -> None:
    assert eventlog("grep", "(", "--store", store).code == 2
    assert eventlog("grep", "-F", "(", "--store", store) == (1, "", "")
    assert eventlog("grep", "-F", "--limit", "1", "e", "--store", store).out.count("\n") == 1


def test_a_hit_is_coloured_and_fits_the_terminal(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with EventLog.open(store) as log:
        log.session("warm").append(MessageAdded(role="user", content="x" * 500 + " needle " + "y" * 500))
    monkeypatch.setenv("COLUMNS", "80")
    lines = eventlog("grep", "needle", "--store", store, terminal=True).out.splitlines()
    assert "\x1b[31m\x1b[1mneedle\x1b[0m" in lines[1]
    assert len(lines[1].replace("\x1b[31m\x1b[1m", "").replace("\x1b[0m", "")) <= 80


def test_cat_all_gives_every_line_of_every_session_as_it_is(store: Path) -> None:
    each = [eventlog("cat", session, "--store", store).out for session in ("cold", "warm")]
    assert eventlog("cat", "--all", "--store", store).out == "".join(each)
    lines = eventlog("cat", "--all", "--json", "--store", store).out.splitlines()
    assert [line[: len('{"session_id":"cold",')] for line in lines][:1] == ['{"session_id":"cold",']
    assert [msgspec.json.decode(line)["session_id"] for line in lines] == ["cold"] * 3 + ["warm"] * 2
    assert eventlog("cat", "--store", store).code == eventlog("cat", "cold", "--all", "--store", store).code == 2
