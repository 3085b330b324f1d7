"""``stats`` for eyes: bars and shades; ``--by``, ``--plot``."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from eventlog import EventLog
from eventlog.cli.columns import cells_of
from eventlog.events import Cost, MessageAdded, SessionStarted, ToolCalled, ToolReturned, UsageRecorded

from ...command_line import eventlog

THEN = datetime(2026, 3, 2, 12, tzinfo=timezone.utc)


@pytest.fixture
def store(tmp_path: Path) -> Path:
    with EventLog.open(tmp_path / "store") as log:
        for number, tokens in enumerate((900_000, 100_000)):
            at = THEN + timedelta(days=2 * number)
            session = log.session(f"s{number}", create=True)
            session.append(SessionStarted(metadata={"cwd": f"/home/someone/projects/with/a/long/path/shop-{number}"}), time=at)
            session.append(*[MessageAdded(role="user", content="hi")] * (4 - 2 * number), time=at)
            session.append(UsageRecorded(model=f"m{number}", input_tokens=tokens, cost=Cost(amount=1.5)), time=at)
            session.append(ToolCalled(name="Bash", call_id="1"), ToolReturned(call_id="1", is_error=True), time=at)
    return tmp_path / "store"


def screen(monkeypatch: pytest.MonkeyPatch, store: Path, width: int, *arguments: object) -> list[str]:
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setenv("NO_COLOR", "1")
    outcome = eventlog("stats", "--zone", "UTC", *arguments, "--quiet", "--store", store, terminal=True)
    assert (outcome.code, outcome.err) == (0, "")
    return outcome.out.splitlines()


def test_days_are_bars_and_days_without_anything_are_a_gap(monkeypatch: pytest.MonkeyPatch, store: Path) -> None:
    assert screen(monkeypatch, store, 60, "--by", "day") == [
        "",
        "messages by the day",
        "Mon 2026-03-02  ████████████████████████████  4  900k  $1.50",
        "⋮",
        "Wed 2026-03-04  ██████████████                2  100k  $1.50",
    ]


def test_models_are_shares_of_the_whole(monkeypatch: pytest.MonkeyPatch, store: Path) -> None:
    lines = screen(monkeypatch, store, 40, "--by", "model")
    assert lines == ["", "models, by tokens", f"m0  {'█' * 31}  90%", "m1  ███▌                             10%"]


def test_hours_are_shades(monkeypatch: pytest.MonkeyPatch, store: Path) -> None:
    lines = screen(monkeypatch, store, 80, "--by", "hour")
    assert lines[1:] == ["messages by the hour (UTC)", " " * 24 + "██", "0     3     6     9     12    15    18    21"]


def test_of_a_path_its_end_is_shown(monkeypatch: pytest.MonkeyPatch, store: Path) -> None:
    assert screen(monkeypatch, store, 60, "--by", "project")[2].startswith("…cts/with/a/long/path/shop-0  ")


@pytest.mark.parametrize("width", [40, 80, 160])
def test_no_picture_is_wider_than_the_terminal(monkeypatch: pytest.MonkeyPatch, store: Path, width: int) -> None:
    lines = screen(
        monkeypatch, store, width, *[each for name in ("day", "hour", "weekday", "model", "project", "tool") for each in ("--by", name)]
    )
    assert max(map(cells_of, lines)) <= width
    assert "100% failed" in "\n".join(lines) or width < 60


def test_in_a_pipe_by_is_one_table_with_all_numbers(store: Path) -> None:
    out = eventlog("stats", "--by", "weekday", "--zone", "UTC", "--store", store).out
    assert out.splitlines()[:3] == ["", "weekday    messages", "Monday            4"]
    assert "tool" not in out
    whole: Any = eventlog("stats", "--by", "model", "--store", store, "--json").json
    assert whole["by_tool"][0]["name"] == "Bash"


def test_plot_draws_svg_into_a_file_or_to_standard_output(store: Path, tmp_path: Path) -> None:
    outcome = eventlog("stats", "--since", "2026-03", "--plot", tmp_path / "year.svg", "--store", store)
    assert outcome.err == f"eventlog: drawn into {tmp_path / 'year.svg'}\n"
    drawn = (tmp_path / "year.svg").read_bytes()
    assert ElementTree.fromstring(drawn).tag == "{http://www.w3.org/2000/svg}svg"
    assert eventlog("stats", "--since", "2026-03", "--plot", "-", "--store", store).out.encode() == drawn
