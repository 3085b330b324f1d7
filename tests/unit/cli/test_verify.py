"""``eventlog verify``: the verdict, its exit code, its two forms."""

from __future__ import annotations

from pathlib import Path

import pytest

from eventlog import EventLog

from ...command_line import eventlog


@pytest.fixture
def store(tmp_path: Path) -> Path:
    with EventLog.open(tmp_path / "store") as log:
        log.start(id="good")
        log.start(id="torn")
    return tmp_path / "store"


def tear(store: Path) -> None:
    segment = next(store.glob("sessions/*/torn.jsonl"))
    with segment.open("ab") as file:
        file.write(b'{"seq":2,"time"')


def test_a_sound_store_is_ok(store: Path) -> None:
    outcome = eventlog("verify", "--store", store)
    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.out.startswith("ok: 2 sessions, 2 segments, 2 events, ")
    report = eventlog("verify", "good", "--store", store, "--json").json
    assert isinstance(report, dict)
    assert {name: report[name] for name in ("ok", "sessions", "segments", "events", "rewrites", "problems")} == {
        "ok": True,
        "sessions": 1,
        "segments": 1,
        "events": 1,
        "rewrites": [],
        "problems": [],
    }
    assert report["bytes"] > 100


def test_a_problem_is_told_with_its_place_and_makes_the_exit_code_1(store: Path) -> None:
    tear(store)
    offset = next(store.glob("sessions/*/torn.jsonl")).stat().st_size - 15
    outcome = eventlog("verify", "--store", store, "--json")
    assert outcome.code == 1
    report = outcome.json
    assert isinstance(report, dict)
    assert report["ok"] is False
    (problem,) = report["problems"]
    assert problem.pop("detail")
    assert problem == {"session_id": "torn", "segment": "torn.jsonl", "offset": offset, "length": 15, "kind": "torn_tail"}
    outcome = eventlog("verify", "--store", store)
    assert outcome.code == 1
    assert "torn.jsonl" in outcome.out
    assert "not ok (1 of them): 2 sessions" in outcome.out
    assert "the next append sets it aside" in outcome.out


def test_only_the_sessions_that_are_named_count(store: Path) -> None:
    tear(store)
    assert eventlog("verify", "good", "good", "--store", store).out.startswith("ok: 1 sessions")
    assert eventlog("verify", "good", "nope", "--store", store).code == 1
