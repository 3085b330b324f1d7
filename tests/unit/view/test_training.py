"""Which samples a session makes, what is left out of them, and what is said about that."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from eventlog import EventLog, Session
from eventlog.errors import InvalidInput
from eventlog.events import ContextCompacted, MessageAdded, MessageDelta, MessageRetracted, Part, ToolCalled, ToolReturned, UsageRecorded
from projections.exporters import ExportReport, export
from projections.view.training import Split
from tests.api_rules import check_openai_sample, check_sharegpt_sample, check_trl_sample


def say(session: Session, *texts: str, **more: Any) -> None:
    """What the user and the assistant say in turn."""
    for number, text in enumerate(texts):
        session.append(MessageAdded(role=("user", "assistant")[number % 2], content=text, **more), time="2026-01-02T03:04:05Z")


def call(name: str, id: str, **arguments: Any) -> MessageAdded:
    return MessageAdded(role="assistant", content=[Part(type="tool_call", id=id, name=name, arguments=arguments)])


def rows(log: EventLog, format: str = "openai", ids: list[str] | None = None) -> tuple[list[dict[str, Any]], ExportReport]:
    taken: list[bytes] = []
    report = export(log, list(log.session_ids()) if ids is None else ids, format, taken.append)
    found = [json.loads(line) for line in b"".join(taken).splitlines()]
    check = {"openai": check_openai_sample, "trl": check_trl_sample, "sharegpt": check_sharegpt_sample}[format]
    for row in found:
        check(row)
    return found, report


def contents(row: dict[str, Any]) -> list[Any]:
    return [message["content"] for message in row["messages"]]


def test_each_format_in_its_shape() -> None:
    with EventLog.memory() as log:
        session = log.start(id="s", model="m-1")
        session.append(MessageAdded(role="system", content="Be brief."))
        say(session, "What changed?")
        session.append(call("git", "c1", n=1), ToolReturned(call_id="c1", output="the cookie"))
        session.append(
            MessageAdded(role="assistant", content=[Part(type="reasoning", content="hm"), Part(type="text", content="The cookie.")])
        )
        tool = {"name": "git", "parameters": {"type": "object", "properties": {"n": {"type": "integer"}}}}
        [row], report = rows(log)
        assert row == {
            "messages": [
                {"role": "system", "content": "Be brief."},
                {"role": "user", "content": "What changed?"},
                {
                    "role": "assistant",
                    "content": None,
                    "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "git", "arguments": '{"n":1}'}}],
                },
                {"role": "tool", "tool_call_id": "c1", "content": "the cookie"},
                {"role": "assistant", "content": "The cookie."},
            ],
            "tools": [{"type": "function", "function": tool}],
        }
        assert (report.sessions, report.samples, report.left_out) == (1, 1, {"reasoning parts": 1})
        side = {"session_id": "s", "window": 1, "first_seq": 2, "last_seq": 6, "n_context": 0, "exporter": "session-eventlog 0.1.0"}
        [row], _ = rows(log, "trl")
        assert row == {
            "messages": [
                {"role": "system", "content": "Be brief."},
                {"role": "user", "content": "What changed?"},
                {
                    "role": "assistant",
                    "content": "",
                    "tool_calls": [{"type": "function", "function": {"name": "git", "arguments": {"n": 1}}}],
                },
                {"role": "tool", "name": "git", "content": "the cookie"},
                {"role": "assistant", "content": "The cookie."},
            ],
            "tools": [{"type": "function", "function": tool}],
            **side,
        }
        [row], _ = rows(log, "sharegpt")
        assert row == {
            "conversations": [
                {"from": "human", "value": "What changed?"},
                {"from": "function_call", "value": '{"name":"git","arguments":{"n":1}}'},
                {"from": "observation", "value": "the cookie"},
                {"from": "gpt", "value": "<think>\nhm\n</think>\n\nThe cookie."},
            ],
            "system": "Be brief.",
            "tools": json.dumps([tool], separators=(",", ":")),
            **side,
        }


def test_one_sample_for_each_compaction_window_without_what_the_compaction_kept() -> None:
    with EventLog.memory() as log:
        session = log.session("s", create=True)
        session.append(MessageAdded(role="system", content="Be brief."))
        say(session, "one", "1", "two", "2")
        session.append(ContextCompacted(summary="They counted.", first_kept_seq=4))
        say(session, "three", "3")
        session.append(ContextCompacted())
        found, report = rows(log)
        summary = "Summary of the conversation so far:\n\nThey counted."
        assert [contents(row) for row in found] == [["Be brief.", "one", "1", "two", "2"], ["Be brief.", summary, "three", "3"]]
        assert report.left_out == {"compaction copies": 2, "windows with nothing to learn from": 1}
        [first, second], _ = rows(log, "trl")
        assert [(row["window"], row["first_seq"], row["last_seq"]) for row in (first, second)] == [(1, 1, 5), (2, 1, 8)]


def test_what_is_left_out_is_counted_with_its_reason() -> None:
    with EventLog.memory() as log:
        session = log.session("s", create=True)
        say(session, "Hello")
        session.append(MessageAdded(role="assistant", content="Hello, too", message_id="m1"), MessageRetracted(message_id="m1"))
        session.append(MessageAdded(role="user", content="aside", exclude_from_context=True))
        session.append(MessageAdded(role="user", content="Caveat", metadata={"is_meta": True}))
        session.append(call("git", "c1"))
        session.append(ToolReturned(call_id="nobody", output="?"))
        session.append(MessageAdded(role="assistant", content="Yes?"))
        session.append(MessageDelta(message_id="m2", content="half"))
        say(session, "Anybody there?")
        [row], report = rows(log)
        assert contents(row) == ["Hello", "Yes?"]
        assert report.left_out == {
            "dangling tool calls": 1,
            "messages excluded from the context": 1,
            "meta messages": 1,
            "retracted messages": 1,
            "tool results without a call": 1,
            "turns that the assistant did not answer": 1,
            "unfinished messages": 1,
        }


def test_a_sample_ends_with_words_of_the_assistant_and_begins_with_the_user() -> None:
    with EventLog.memory() as log:
        session = log.session("s", create=True)
        session.append(MessageAdded(role="assistant", content="Welcome"))
        say(session, "go")
        words = [Part(type="text", content="I look."), Part(type="tool_call", id="c1", name="git", arguments={})]
        session.append(MessageAdded(role="assistant", content=words), ToolReturned(call_id="c1", output="x"))
        session.append(call("git", "c2"), ToolReturned(call_id="c2", output="y"))
        [row], report = rows(log)
        assert contents(row) == ["go", "I look."]
        assert report.left_out == {"turns before the user's first": 1, "turns that the assistant did not answer": 2}


def test_a_fork_that_adds_nothing_is_left_out_and_the_copies_of_another_are_not_learned_again() -> None:
    with EventLog.memory() as log:
        parent = log.start(id="a")
        say(parent, "one", "1")
        log.fork("a", id="copy")
        fork = log.fork("a", id="fork")
        say(fork, "two", "2")
        say(parent, "three", "3")
        found, report = rows(log, ids=["a", "copy", "fork"])
        assert [contents(row) for row in found] == [["one", "1", "three", "3"], ["one", "1", "two", "2"]]
        assert [message.get("weight") for row in found for message in row["messages"]] == [None] * 4 + [None, 0, None, None]
        assert report.left_out == {"duplicates of forks": 3}
        found, _ = rows(log, "trl", ["fork", "a"])
        assert [row["n_context"] for row in found] == [0, 2]


def test_a_merge_of_what_is_exported_anyway_is_left_out() -> None:
    with EventLog.memory() as log:
        for id in "ab":
            say(log.start(id=id), f"{id}1", f"{id}2")
        merged = log.merge(["a", "b"])
        found, report = rows(log, ids=["a", "b", merged.id])
        assert len(found) == 2
        assert report.left_out == {"duplicates of forks": 4}


def test_weights_and_tools_that_the_session_says_itself() -> None:
    with EventLog.memory() as log:
        tools = [{"type": "function", "function": {"name": "git", "parameters": {"type": "object", "required": ["n"]}}}]
        session = log.start(id="s", settings={"tools": tools, "parallel_tool_calls": True})
        say(session, "go")
        session.append(MessageAdded(role="assistant", content="wrong", metadata={"weight": 0}))
        session.append(call("git", "c1", n=1), ToolReturned(call_id="c1", output="x"))
        session.append(call("ls", "c2", path="/", deep=True), ToolReturned(call_id="c2", output="y"))
        session.append(call("ls", "c3", path=7), ToolReturned(call_id="c3", output="y"))
        session.append(MessageAdded(role="assistant", content="right"))
        [row], _ = rows(log)
        assert [message.get("weight") for message in row["messages"] if message["content"] in ("wrong", "right")] == [0, None]
        assert row["parallel_tool_calls"] is True
        properties = {"path": {}, "deep": {"type": "boolean"}}
        derived = {"type": "function", "function": {"name": "ls", "parameters": {"type": "object", "properties": properties}}}
        assert row["tools"] == [*tools, derived]


def test_sharegpt_makes_turns_fit_and_says_what_it_cost() -> None:
    with EventLog.memory() as log:
        session = log.session("s", create=True)
        say(session, "one")
        say(session, "and two")
        calls = [Part(type="tool_call", id=id, name="git", arguments={"n": id}) for id in ("c1", "c2")]
        session.append(MessageAdded(role="assistant", content=[Part(type="text", content="I look."), *calls]))
        session.append(ToolReturned(call_id="c2", output="y"), ToolReturned(call_id="c1", output="x"))
        session.append(MessageAdded(role="assistant", content="Done."), MessageAdded(role="assistant", content="Really."))
        session.append(MessageAdded(role="system", content="in the middle"))
        say(session, "three")
        session.append(call("git", "c3"), ToolReturned(call_id="c3", output="z"))
        say(session, "stop", "Stopped.")
        [row], report = rows(log, "sharegpt")
        assert [(turn["from"], turn["value"]) for turn in row["conversations"]] == [
            ("human", "one\n\nand two"),
            ("function_call", '[{"name":"git","arguments":{"n":"c1"}},{"name":"git","arguments":{"n":"c2"}}]'),
            ("observation", '["x","y"]'),
            ("gpt", "Done.\n\nReally."),
            ("human", "three\n\nstop"),
            ("gpt", "Stopped."),
        ]
        assert report.left_out == {
            "system messages in the middle": 1,
            "text beside a tool call": 1,
            "tool calls that were not answered": 1,
        }


def test_a_split_depends_on_nothing_but_the_session_and_keeps_a_family_together() -> None:
    split = Split.parse("90/10")
    assert (split.parts, Split.parse("80/10/10").parts) == (("train", "test"), ("train", "validation", "test"))
    counted = Counter(split.part_of(f"s{number}") for number in range(2_000))
    assert counted == {"train": 1_799, "test": 201}
    assert Split.parse("9/1") == Split((9.0, 1.0))
    assert all(Split.parse("9/1").part_of(f"s{number}") == split.part_of(f"s{number}") for number in range(200))


@pytest.mark.parametrize("text", ["90", "90/", "a/b", "0/1", "-1/2", "1/2/3/4", "nan/1", "inf/1", ""])
def test_a_split_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput, match="a split is like 90/10"):
        Split.parse(text)


def test_the_parts_of_a_split_are_files_of_their_own_with_their_provenance(tmp_path: Path) -> None:
    with EventLog.memory() as log:
        for number in range(30):
            say(log.start(id=f"s{number}"), f"question {number}", "answer")
        log.fork("s9", id="f")
        say(log.session("f"), "more", "more")
        report = export(log, [*(f"s{number}" for number in range(30)), "f"], "openai", tmp_path / "out.jsonl", split=Split.parse("80/20"))
        assert sorted(path.name for path in tmp_path.iterdir()) == [
            "out.test.jsonl",
            "out.test.provenance.jsonl",
            "out.train.jsonl",
            "out.train.provenance.jsonl",
        ]
        assert sorted(report.written) == sorted(str(path) for path in tmp_path.iterdir())
        family = set()
        for part, count in report.split.items():
            samples = (tmp_path / f"out.{part}.jsonl").read_text().splitlines()
            sources = [json.loads(line)["session_id"] for line in (tmp_path / f"out.{part}.provenance.jsonl").read_text().splitlines()]
            assert len(samples) == len(sources) == count
            family |= {part for source in sources if source in ("s9", "f")}
        assert len(family) == 1
        assert sum(report.split.values()) == report.samples == 31
        folder = tmp_path / "folder"
        folder.mkdir()
        report = export(log, ["s1"], "trl", folder, split=Split.parse("80/20"))
        assert sorted(path.name for path in folder.iterdir()) == ["test.jsonl", "train.jsonl"]


def test_parquet_has_columns_that_need_no_guessing(tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed (extra: parquet)")
    with EventLog.memory() as log:
        session = log.start(id="s", model="m-1", metadata={"cwd": "/app", "label": "good"})
        say(session, "go")
        session.append(call("git", "c1", n=1), ToolReturned(call_id="c1", output="x"))
        say(session, "and?", "Done.")
        session.append(UsageRecorded(input_tokens=10, output_tokens=5))
        session.append(ContextCompacted(summary="short"))
        say(session, "more", "More.")
        report = export(log, ["s"], "parquet", tmp_path / "s.parquet")
        assert report.samples == 2
        first, second = parquet.read_table(tmp_path / "s.parquet").to_pylist()
        assert [message["role"] for message in first["messages"]] == ["user", "assistant", "tool", "user", "assistant"]
        assert json.loads(first["messages"][1]["tool_calls"])[0]["function"]["name"] == "git"
        assert first["messages"][2]["tool_call_id"] == "c1"
        assert json.loads(first["tools"])[0]["function"]["name"] == "git"
        plain = {name: first[name] for name in ("session_id", "window", "project", "model", "label", "n_turns", "tokens_in", "tokens_out")}
        assert plain == {
            "session_id": "s",
            "window": 1,
            "project": "/app",
            "model": "m-1",
            "label": "good",
            "n_turns": 4,
            "tokens_in": 10,
            "tokens_out": 5,
        }
        assert (second["window"], second["tokens_in"], second["tools"]) == (2, None, None)
        taken: list[bytes] = []
        export(log, ["s"], "parquet", taken.append)
        assert b"".join(taken) == (tmp_path / "s.parquet").read_bytes()


def test_no_sample_is_an_empty_file_and_not_an_error(tmp_path: Path) -> None:
    with EventLog.memory() as log:
        log.start(id="s").append(ToolCalled(name="x"))
        for format in ("openai", "trl", "sharegpt"):
            report = export(log, ["s"], format, tmp_path / format)
            assert (report.samples, (tmp_path / format).read_bytes()) == (0, b"")
            assert report.left_out == {"dangling tool calls": 1, "windows with nothing to learn from": 1}
