"""For any history: what the model is given, and what it is trained on, keeps the rules of those who take it."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eventlog import EventLog
from eventlog.events import ContextCompacted, MessageAdded, MessageRetracted, Part, ToolCalled, ToolReturned
from projections import SessionView, replay, to_messages
from projections.exporters import export
from tests.api_rules import check_anthropic, check_openai, check_openai_sample, check_sharegpt_sample, check_trl_sample

from .test_session_view import histories, stored_events, times

quick = settings(max_examples=5000 if "TEST_BUDGET_S" in os.environ else 80)
names = st.sampled_from(["m1", "m2", "m3", None])
call_ids = st.sampled_from(["c1", "c2", "c 3", None])
texts = st.sampled_from(["one", "two", " ", ""])
arguments = st.sampled_from([{"n": 1}, "ls", None, "{}"])
parts = st.one_of(
    st.builds(Part, type=st.sampled_from(["text", "reasoning"]), content=texts),
    st.builds(Part, type=st.just("reasoning"), content=texts, metadata=st.just({"signature": "s"})),
    st.builds(Part, type=st.just("tool_call"), id=call_ids, name=st.sampled_from(["git", "a.b"]), arguments=arguments),
    st.builds(Part, type=st.just("tool_call_response"), id=call_ids, response=texts),
    st.builds(Part, type=st.just("blob"), modality=st.just("image"), mime_type=st.just("image/png"), content=st.just("AAAA")),
)
roles = st.sampled_from(["user", "assistant", "assistant", "tool", "system"])
talk = st.one_of(
    st.builds(MessageAdded, role=roles, content=texts, message_id=names),
    st.builds(MessageAdded, role=roles, content=st.lists(parts, max_size=3), message_id=names, exclude_from_context=st.booleans()),
    st.builds(MessageRetracted, message_id=names.filter(bool)),
    st.builds(ToolCalled, name=st.just("git"), call_id=call_ids, message_id=names, arguments=arguments),
    st.builds(ToolReturned, call_id=call_ids, output=st.sampled_from(["done", {"a": 1}, None])),
    st.builds(ContextCompacted, summary=st.none() | st.just("so far"), first_kept_seq=st.none() | st.integers(1, 12)),
)
conversations = st.lists(st.tuples(talk, times), max_size=20)
BEGINNING = [MessageAdded(role="user", content="go"), MessageAdded(role="assistant", content="I go")]


@quick
@given(histories | conversations)
def test_what_the_model_is_given_is_what_its_api_takes(history: list[Any]) -> None:
    view = replay(stored_events(history), SessionView)
    check_openai(to_messages(view))
    check_anthropic(to_messages(view, provider="anthropic"))


@pytest.mark.parametrize(
    ("format", "check"), [("openai", check_openai_sample), ("trl", check_trl_sample), ("sharegpt", check_sharegpt_sample)]
)
def test_samples_keep_the_rules_of_their_format(format: str, check: Callable[[Any], None]) -> None:
    checked = 0

    @quick
    @given(st.lists(conversations, max_size=2), st.integers(1, 25))
    def samples_do(sessions: list[list[Any]], at: int) -> None:
        nonlocal checked
        with EventLog.memory() as log:
            for number, history in enumerate(sessions):
                session = log.start(id=f"s{number}")
                session.append(*BEGINNING)
                for event, time in history:
                    session.append(event, time=time)
                fork = log.fork(session.id, min(at, session.last_seq), id=f"f{number}")
                for event, time in history[: at // 3]:
                    fork.append(event, time=time)
            taken: list[bytes] = []
            report = export(log, log.session_ids(), format, taken.append)
            rows = [json.loads(line) for line in b"".join(taken).splitlines()]
            for row in rows:
                check(row)
            assert report.samples == len(rows)
            checked += len(rows)

    samples_do()
    assert checked > 40
