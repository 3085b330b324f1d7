"""``eventlog cat``: stored lines byte for byte, a part of them, and what is said about damage."""

from __future__ import annotations

from pathlib import Path

import pytest

from eventlog import EventLog
from eventlog.events import MessageAdded, ToolCalled

from ...command_line import eventlog


@pytest.fixture
def store(tmp_path: Path) -> Path:
    with EventLog.open(tmp_path / "store") as log:
        session = log.start(id="s", title="Grüße")
        session.append(MessageAdded(role="user", content="line\none"), ToolCalled(name="grep"))
        session.append(MessageAdded(role="assistant", content="\x1b[2J"))
    return tmp_path / "store"


def segment(store: Path) -> Path:
    return next(store.glob("sessions/*/s.jsonl"))


def test_the_lines_come_as_they_are_stored(store: Path) -> None:
    stored = segment(store).read_text().splitlines(keepends=True)
    assert eventlog("cat", "s", "--store", store) == (0, "".join(stored[1:]), "")
    assert eventlog("cat", "s", "--json", "--store", store).out == "".join(stored[1:])


@pytest.mark.parametrize(
    ("arguments", "seqs"),
    [
        (["--after", 2], [3, 4]),
        (["--before", 3], [1, 2]),
        (["--after", 1, "--before", 4], [2, 3]),
        (["--type", "message.added"], [2, 4]),
        (["--type", "tool.called", "--type", "session.started"], [1, 3]),
        (["--type", "nothing.like.it"], []),
        (["--after", 10**30], []),
        (["--before", 10**30], [1, 2, 3, 4]),
    ],
)
def test_a_part_of_the_session(store: Path, arguments: list[object], seqs: list[int]) -> None:
    lines = segment(store).read_text().splitlines(keepends=True)
    assert eventlog("cat", "s", *arguments, "--store", store) == (0, "".join(lines[seq] for seq in seqs), "")


def test_damage_is_bad_news_and_what_stands_before_it_is_printed(store: Path) -> None:
    flip(segment(store), 2)
    outcome = eventlog("cat", "s", "--store", store)
    assert outcome.code == 1
    assert [line[:8] for line in outcome.out.splitlines()] == ['{"seq":1']
    assert "--skip-damaged" in outcome.err
    assert outcome.err.count("\n") == 1


def test_skip_damaged_prints_the_rest_and_says_what_is_not_there(store: Path) -> None:
    flip(segment(store), 4)
    outcome = eventlog("cat", "s", "--skip-damaged", "--store", store)
    assert outcome.code == 0
    assert [line[:8] for line in outcome.out.splitlines()] == ['{"seq":1', '{"seq":2', '{"seq":3']
    flip(segment(store), 4)
    with EventLog.open(store) as log:
        log.session("s").append(MessageAdded(role="user", content="more"))
    flip(segment(store), 4)
    outcome = eventlog("cat", "s", "--skip-damaged", "--store", store)
    assert [line[:8] for line in outcome.out.splitlines()] == ['{"seq":1', '{"seq":2', '{"seq":3', '{"seq":5']
    assert outcome.err == "eventlog: event 4 is not there: damaged, or left out on purpose; `eventlog verify s` says which\n"


def flip(path: Path, index: int) -> None:
    """Flip a bit in the middle of a line, or flip it back."""
    lines = path.read_bytes().split(b"\n")
    middle = len(lines[index]) // 2
    lines[index] = lines[index][:middle] + bytes([lines[index][middle] ^ 1]) + lines[index][middle + 1 :]
    path.write_bytes(b"\n".join(lines))
