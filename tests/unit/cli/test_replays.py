"""``eventlog fork``, ``merge`` and ``export``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from eventlog import EventLog
from eventlog.events import MessageAdded, SessionMerged
from projections import SessionView, replay

from ...command_line import eventlog


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """Two sessions: debug-1 of user u1, other-2 of nobody."""
    with EventLog.open(tmp_path / "store", sync="never") as log:
        for id, title, user in (("debug-1", "Debug", "u1"), ("other-2", "Other", None)):
            session = log.start(id=id, title=title, user_id=user)
            session.append(MessageAdded(role="user", content=f"{title}?", message_id="m1"), time="2026-01-02T03:04:05Z")
            session.append(MessageAdded(role="assistant", content=f"{title}!", message_id="m2"), time="2026-01-02T03:04:06Z")
    return tmp_path / "store"


def view_of(store: Path, id: str) -> SessionView:
    with EventLog.open(store) as log:
        return replay(log.session(id).read(), SessionView)


def test_fork_prints_the_id_of_the_new_session(store: Path) -> None:
    made = eventlog("fork", "debug", "--at", 2, "--store", store)
    assert (made.code, made.err) == (0, "")
    assert view_of(store, made.out.strip()).parent == {"session_id": "debug-1", "seq": 2, "relation": "fork"}
    answer = eventlog("fork", "debug-1", "--turn", "1", "--id", "mine", "--store", store, "--json").json
    assert answer == {"session_id": "mine", "source": "debug-1", "last_seq": 3}
    assert eventlog("fork", "debug-1", "--message", "m1", "--store", store, "--json").json["last_seq"] == 2  # type: ignore[index]


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["fork", "nobody"], 1, "no session 'nobody'"),
        (["fork", "debug-1", "--at", "9"], 2, "session 'debug-1' has the events 1 to 3, not 9"),
        (["fork", "debug-1", "--at", "2", "--turn", "1"], 2, "give one of --at, --message, --turn and --call"),
        (["fork", "debug-1", "--id", "other-2"], 1, "session 'other-2' exists already"),
        (["merge", "debug-1"], 2, "a merge needs at least two different sessions"),
        (["merge", "debug-1", "--into", "debug-1"], 2, "a merge needs at least two different sessions"),
        (["merge"], 2, "SESSION"),
        (["export", "debug-1"], 2, "--to"),
        (["export", "--to", "json"], 2, "name sessions, or give filters, or --all: one of the three"),
        (["export", "debug-1", "--all", "--to", "json"], 2, "name sessions, or give filters, or --all: one of the three"),
        (["export", "debug-1", "--to", "json", "--update"], 2, "--update needs the folder, with -o"),
        (["export", "debug-1", "--to", "openai", "--split", "x", "-o", "y"], 2, "a split is like 90/10 or 80/10/10, not 'x'"),
        (["export", "debug-1", "--to", "json", "--split", "90/10"], 2, "json has no samples to split; leave out --split"),
    ],
)
def test_wrong_use_and_bad_news_are_one_line(arguments: list[str], code: int, message: str, store: Path) -> None:
    outcome = eventlog(*arguments, "--store", store)
    assert outcome.code == code
    assert message in outcome.one_line_error()


def test_merge_prints_the_id_and_says_where_the_sessions_disagree(store: Path) -> None:
    made = eventlog("merge", "debug", "other", "--store", store)
    assert made.code == 0
    assert made.err == "eventlog: the sessions disagree on title; the last event has what each says\n"
    assert [message.parts[0]["content"] for message in view_of(store, made.out.strip()).messages] == [
        "Debug?",
        "Debug!",
        "Other?",
        "Other!",
    ]
    again = eventlog("merge", "debug-1", "other-2", "--store", store, "--json").json
    assert again["session_id"] == made.out.strip()  # type: ignore[index]
    into = eventlog("merge", "other-2", "--into", "debug-1", "--store", store, "--json").json
    conflict = {"name": "title", "values": {"debug-1": "Debug", "other-2": "Other"}, "kept": "Debug"}
    assert into == {"session_id": "debug-1", "last_seq": 7, "events_before": 3, "conflicts": [conflict]}
    with EventLog.open(store) as log:
        assert isinstance(list(log.session("debug-1").read())[-1].event, SessionMerged)


def test_export_to_standard_output_and_to_a_file(store: Path, tmp_path: Path) -> None:
    shown = eventlog("show", "debug-1", "--store", store, "--json")
    assert eventlog("export", "debug-1", "--to", "json", "--store", store).out == shown.out
    done = eventlog("export", "debug-1", "--to", "json", "-o", tmp_path / "x.json", "--store", store)
    assert (done.out, done.err) == ("", "eventlog: 1 session -> 1 file written\n")
    assert (tmp_path / "x.json").read_text() == shown.out


def test_export_of_what_a_filter_finds(store: Path, tmp_path: Path) -> None:
    found = eventlog("export", "--user", "u1", "--to", "json", "--store", store)
    assert [json.loads(line)["session_id"] for line in found.out.splitlines()] == ["debug-1"]
    everything = eventlog("export", "--all", "--to", "json", "--store", store)
    assert len(everything.out.splitlines()) == 2
    folder = tmp_path / "notes"
    first = eventlog("export", "--all", "--to", "markdown", "-o", folder, "--store", store)
    assert first.err == "eventlog: 2 sessions -> 2 files written\n"
    again = eventlog("export", "--all", "--to", "markdown", "-o", folder, "--update", "--store", store)
    assert again.err == "eventlog: 2 sessions -> 2 files written\n"
    last = eventlog("export", "--all", "--to", "markdown", "-o", folder, "--update", "--store", store, "--json")
    assert last.json["unchanged"] == 2  # type: ignore[index]
    assert sorted(path.name for path in folder.glob("*.md")) == ["debug-1.md", "other-2.md"]


def test_a_training_export_says_what_it_left_out(store: Path, tmp_path: Path) -> None:
    with EventLog.open(store) as log:
        log.session("debug-1").append(MessageAdded(role="user", content="Thanks"))
    done = eventlog("export", "--all", "--to", "openai", "--store", store)
    assert len(done.out.splitlines()) == 2
    assert done.err == "eventlog: 2 sessions -> 2 samples; left out: 1 turns that the assistant did not answer\n"
    done = eventlog("export", "--all", "--to", "openai", "--store", store, "--json")
    assert len(done.out.splitlines()) == 2
    assert json.loads(done.err)["left_out"] == {"turns that the assistant did not answer": 1}
    done = eventlog("export", "--all", "--to", "trl", "--split", "50/50", "-o", tmp_path / "out.jsonl", "--store", store, "--json")
    assert sum(done.json["split"].values()) == 2  # type: ignore[index]
    assert sorted(path.name for path in tmp_path.glob("out*")) == ["out.test.jsonl", "out.train.jsonl"]
    done = eventlog("export", "other-2", "--to", "trl", "-o", tmp_path / "one.jsonl", "--store", store)
    assert done.err == "eventlog: 1 session -> 1 sample; nothing left out\n"


def test_what_one_store_exports_another_imports(store: Path, tmp_path: Path) -> None:
    eventlog("export", "--all", "--to", "jsonl", "-o", tmp_path / "all.jsonl", "--store", store)
    report = eventlog("import", "jsonl", tmp_path / "all.jsonl", "--store", tmp_path / "other", "--json").json
    assert report == {"files": 1, "sessions": 2, "events_added": 6, "records": 6, "refused": 0, "skipped": []}
    here, there = (eventlog("show", "debug-1", "--store", each, "--json").out for each in (store, tmp_path / "other"))
    assert here == there
