"""What Claude Code's hooks hand over: the prompt at once, the transcript when it is there, each message once."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import msgspec
import pytest

from eventlog import EventLog, Settings, spool
from eventlog.importers.hooks import TOOL, take, waiting
from projections import SessionView, replay

from .samples import claude_code


@pytest.fixture(autouse=True)
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[EventLog]:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    with EventLog.open(tmp_path / "store", sync="never") as made:
        yield made


def hand_over(event: str, **fields: Any) -> str:
    return spool.hand_over(TOOL, None, msgspec.json.encode({"hook_event_name": event, "session_id": "cc-1", **fields}))


def import_now(tmp_path: Path) -> int:
    return take(lambda store: EventLog.open(tmp_path / "store", sync="never"))


def transcript(tmp_path: Path, *, minutes: float = 0) -> Path:
    """The sample, as it is written a moment after a prompt that is handed over now."""
    path = tmp_path / "cc-1.jsonl"
    now = datetime.now(timezone.utc) + timedelta(minutes=minutes)
    records = [record | ({"timestamp": now.isoformat()} if "timestamp" in record else {}) for record in claude_code()]
    path.write_bytes(b"".join(msgspec.json.encode(record) + b"\n" for record in records))
    return path


def view(log: EventLog) -> SessionView:
    with log.session("cc-1") as session:
        return replay(session.read(), SessionView)


def roles(log: EventLog) -> list[str]:
    return [message.role for message in view(log).messages]


def test_a_prompt_is_there_before_the_transcript_is_and_once_when_it_is(log: EventLog, tmp_path: Path) -> None:
    hand_over("UserPromptSubmit", prompt="List it", transcript_path=str(tmp_path / "cc-1.jsonl"))
    assert import_now(tmp_path) == 1
    assert [(message.role, message.parts[0]["content"]) for message in view(log).messages] == [("user", "List it")]
    path = transcript(tmp_path)
    for _ in range(2):
        hand_over("Stop", transcript_path=str(path))
        assert import_now(tmp_path) == 1
    assert roles(log) == ["user", "assistant"]
    assert (view(log).title, len(view(log).retracted)) == ("A listing", 1)


def test_a_prompt_that_the_transcript_says_in_other_words_is_there_once(log: EventLog, tmp_path: Path) -> None:
    hand_over("UserPromptSubmit", prompt="/list")
    hand_over("SessionEnd", transcript_path=str(transcript(tmp_path)))
    assert import_now(tmp_path) == 2
    assert roles(log) == ["user", "assistant"]


def test_a_prompt_that_the_transcript_never_got_stays(log: EventLog, tmp_path: Path) -> None:
    hand_over("Stop", transcript_path=str(transcript(tmp_path, minutes=-5)))
    hand_over("UserPromptSubmit", prompt="and now?")
    hand_over("SessionEnd", transcript_path=str(tmp_path / "cc-1.jsonl"))
    assert import_now(tmp_path) == 3
    assert roles(log) == ["user", "assistant", "user"]


def test_the_same_hand_over_twice_is_one_prompt(log: EventLog, tmp_path: Path) -> None:
    path = Path(hand_over("UserPromptSubmit", prompt="once"))
    copy = path.read_bytes()
    import_now(tmp_path)
    path.write_bytes(copy)  # the process died before it could remove it
    import_now(tmp_path)
    assert roles(log) == ["user"]


@pytest.mark.parametrize("said", [b"no json", b"[]", b'{"hook_event_name":"Stop"}', b'{"session_id":7}'])
def test_what_cannot_be_understood_is_kept_aside_and_stops_nothing(said: bytes, log: EventLog, tmp_path: Path) -> None:
    broken = Path(spool.hand_over(TOOL, None, said))
    hand_over("UserPromptSubmit", prompt="hello")
    assert import_now(tmp_path) == 1
    assert (broken.parent / "failed" / broken.name).read_bytes() == b"\n" + said
    assert broken.name in (broken.parent / "errors.log").read_text()
    assert roles(log) == ["user"]


def test_a_session_that_another_program_holds_waits_for_the_next_hook(tmp_path: Path) -> None:
    def opened(store: str | None) -> EventLog:
        return EventLog.open(settings=Settings(store=tmp_path / "store", sync="never", lock_timeout_s=0.05))

    with opened(None) as log:
        log.start(id="cc-1").close()
        with log.session("cc-1", exclusive=True):
            hand_over("UserPromptSubmit", prompt="held up")
            assert take(opened) == 0
            assert "SessionLocked" in (Path(spool.folder()) / "errors.log").read_text()
        assert len(list(waiting(TOOL))) == 1
        assert take(opened) == 1
        assert roles(log) == ["user"]


def test_a_session_that_was_deleted_stays_so(log: EventLog, tmp_path: Path) -> None:
    log.start(id="cc-1").close()
    log.delete("cc-1")
    hand_over("UserPromptSubmit", prompt="hello")
    hand_over("Stop", transcript_path=str(transcript(tmp_path)))
    import_now(tmp_path)
    assert not [name for name in os.listdir(spool.folder()) if name.endswith(TOOL)]
    assert [stored.type for stored in log.session("cc-1").read()] == ["session.started", "session.deleted"]
