from __future__ import annotations

import json
import shutil
import time
from pathlib import Path
from typing import Any

import pytest

from eventlog import EventLog
from eventlog.events import MessageAdded
from eventlog.recorders import provider_keys, recording
from eventlog.recorders.calls import Request
from eventlog.recorders.context import NOWHERE
from eventlog.recorders.redaction import settled

from .program import assistant, events, program, said, user

SECRET = "sk-ant-0123456789abcdef0123456789"


def stored(log: EventLog) -> bytes:
    found = b""
    for session_id in log.session_ids():
        with log.session(session_id) as session:
            found += b"".join(each.raw for each in session.read())
    return found


def test_a_providers_key_is_in_no_byte_of_the_store_and_the_conversation_goes_on(tmp_path: Path) -> None:
    with EventLog.open(tmp_path / "s", sync="never") as log, program(log, delta_interval_ms=1) as it:
        it.chat([user(f"my key is {SECRET}")], f"do not tell {SECRET}")
        it.chat([user(f"my key is {SECRET}"), assistant(f"do not tell {SECRET}"), user("so?")], "yes")
        it.raw_answer(it.begin([user("q")]), json.dumps({"error": {"message": f"wrong key {SECRET}"}}).encode(), 401)
        it.broken(it.begin([user("r")], stream=True), "it is sk-ant-01234", "56789abcdef0123456789", outcome="error", error=OSError(SECRET))
        first = it.views()[0]
        assert said(first)[0] == ("user", "my key is [api_key removed]")
        assert len(first.messages) == 4
    files = [path for path in (tmp_path / "s").rglob("*") if path.is_file()]
    assert not [path for path in files if b"0123456789abcdef" in path.read_bytes()]


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("sk-proj-abcdefghijklmnop_1234", "[api_key removed]"),
        ("AKIAABCDEFGHIJKLMNOP and", "[aws_key removed] and"),
        ("x AIzaSyA-0123456789012345678901234567 y", "x [google_key removed] y"),
        ("ghp_" + "a" * 36, "[github_token removed]"),
        ("-----BEGIN RSA PRIVATE KEY-----\nabc\n-----END RSA PRIVATE KEY-----!", "[private_key removed]!"),
        ("-----BEGIN PRIVATE KEY-----\nabc", "[private_key removed]"),
        ("task-force and sk-short", "task-force and sk-short"),
    ],
)
def test_keys_are_known_by_their_forms(text: str, left: str) -> None:
    assert provider_keys({"a": [text]}) == {"a": [left]}


def test_a_value_without_a_key_is_returned_as_it_is() -> None:
    value: dict[str, Any] = {"a": ["b", 1, None]}
    assert provider_keys(value) is value


@pytest.mark.parametrize("text", [f"my key: {SECRET} is", "-----BEGIN PRIVATE KEY-----\nabc def\n-----END PRIVATE KEY----- ok"])
def test_what_is_shown_of_a_growing_text_is_never_changed_by_what_follows(text: str) -> None:
    whole = provider_keys(text)
    for end in range(len(text) + 1):
        assert whole.startswith(provider_keys(text[: settled(text[:end])]))


def test_a_redactor_that_raises_means_that_the_call_is_not_recorded() -> None:
    def refuse(value: Any) -> Any:
        raise KeyError("no")

    with program(redact=refuse) as it:
        it.chat([user("a secret")])
        it.flush()
        assert it.recorder.stats[:3] == (0, 1, 0)
        assert list(it.log.session_ids()) == []


def test_without_contents_only_roles_sizes_and_usage_are_recorded() -> None:
    with program(content=False) as it:
        it.chat([{"role": "system", "content": "hidden-1"}, user("hidden-2")], "hidden-3", tools=[{"hidden": 1}])
        it.chat([{"role": "system", "content": "hidden-1"}, user("hidden-2"), assistant("hidden-3"), user("hidden-4")], "hidden-5")
        view = it.view()
        assert b"hidden" not in stored(it.log)
        assert [message.role for message in view.messages] == ["system", "user", "assistant", "user", "assistant"]
        added = events(it.log, view.session_id, MessageAdded.type)
        assert [event.metadata["characters"] for event in added] == [8] * 5
        assert view.usage.output_tokens == 4


def test_a_sample_takes_whole_conversations() -> None:
    with program(sample=0.5) as it:
        for number in range(60):
            it.chat([user(f"q{number}")], f"a{number}")
            it.chat([user(f"q{number}"), assistant(f"a{number}"), user("more")], "end")
        views = it.views()
        assert 10 < len(views) < 50
        assert {len(view.messages) for view in views} == {4}


def test_other_hosts_are_not_recorded() -> None:
    with program(hosts=["openai.com"]) as it:
        it.chat([user("q")])
        body = b'{"model":"m","messages":[]}'
        assert it.recorder.begun(Request("/v1/messages", "api.anthropic.com", body), NOWHERE) is None
        assert it.recorder.begun(Request("/v1/messages", "notopenai.com", body), NOWHERE) is None
        assert len(it.views()) == 1


def test_a_restarted_program_goes_on_in_the_sessions_that_it_left(tmp_path: Path) -> None:
    with EventLog.open(tmp_path / "s", sync="never") as log:
        with program(log) as it:
            it.chat([user("q")], "a long enough answer")
            with recording("named"):
                it.chat([user("n")], "m")
        with program(log) as it:
            it.chat([user("q"), assistant("a long enough answer"), user("r")], "b")
            with recording("named"):
                it.chat([user("n"), assistant("m"), user("o")], "p")
            it.flush()
        shutil.rmtree(tmp_path / "s" / "projections")
        with program(log) as it:
            it.chat([user("x")])
            it.flush()
            until = time.monotonic() + 20
            while it.recorder.writer.is_rebuilding and time.monotonic() < until:
                time.sleep(0.01)  # the index is made anew when nothing else is to be done
            it.chat([user("q"), assistant("a long enough answer"), user("r"), assistant("b"), user("s")], "c")
            views = it.views()
    assert sorted(len(view.messages) for view in views) == [2, 4, 6]
