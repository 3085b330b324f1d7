"""Real files of what runs, evaluates, traces and writes down agents, against counts taken straight from them by a few lines for each."""

from __future__ import annotations

import json
import re
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from eventlog import EventLog
from eventlog.importers import import_paths
from eventlog.importers.provenance import Records
from projections import Catalog, SessionView, replay

DATA = Path(__file__).resolve().parents[2].parent / "shared" / "data"

pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason="the real session files are not here (../shared/data)")

FOLDERS = {"inspect": "inspect-eval", "managed-agents": "anthropic-managed-agents"}
Counts = tuple[int, int, int, int, int]  # sessions, user, assistant, calls, input tokens


def files(format: str) -> list[Path]:
    return sorted(path for path in (DATA / FOLDERS.get(format, format)).rglob("*") if path.is_file())


def aider() -> Counts:
    text = files("aider")[0].read_text()
    runs = re.split(r"(?m)^(?=# aider chat started at )", text)
    kinds = [["u" if line[:5] == "#### " else "t" if line[:2] == "> " or line == ">" else "a" for line in run.split("\n")] for run in runs]
    user = sum(kind == "u" != before for run in kinds for before, kind in zip(["", *run], run, strict=False))
    answers = 0
    for run in runs:
        spoken = [line for line in run.split("\n") if line.strip() and not line.startswith("# aider chat started at ")]
        marks = ["#" if line[:5] == "#### " else ">" if line[:2] == "> " or line.rstrip() == ">" else "" for line in spoken]
        answers += sum(mark == "" != before for before, mark in zip(["x", *marks], marks, strict=False))
    return len(runs), user, answers, 0, 0


def swe_agent() -> Counts:
    runs = [json.loads(path.read_text()) for path in files("swe-agent")]
    messages = [message for run in runs for message in run["history"] if not message.get("is_demo")]
    answers = [message for message in messages if message["role"] == "assistant"]
    sent = sum(run.get("info", {}).get("model_stats", {}).get("tokens_sent", 0) for run in runs)
    return len(runs), len(runs), len(answers), sum(bool(answer["action"].strip()) for answer in answers), sent


def mini_swe_agent() -> Counts:
    runs = [json.loads(path.read_text()) for path in files("mini-swe-agent")]
    messages = [message for run in runs for message in (run if isinstance(run, list) else run["messages"])]
    answers = [message for message in messages if message["role"] == "assistant"]
    calls = sum(len(answer.get("tool_calls") or ()) for answer in answers)
    used = [answer["extra"]["response"]["usage"] for answer in answers if "extra" in answer]
    fresh = sum(each["prompt_tokens"] - each["prompt_tokens_details"]["cached_tokens"] for each in used)
    return len(runs), len(runs), len(answers), calls, fresh


def openhands() -> Counts:
    runs = [json.loads(line) for path in files("openhands") if path.name == "output.jsonl" for line in path.read_text().splitlines()]
    acts = [event for run in runs for event in run["history"] if event.get("action") and event.get("tool_call_metadata")]
    (events,) = [[json.loads(line) for line in path.read_text().splitlines()] for path in files("openhands") if path.name == "events.jsonl"]
    acts += [event for event in events if event["kind"] == "ActionEvent"]
    used = [run["metrics"]["accumulated_token_usage"]["prompt_tokens"] for run in runs]
    totals: dict[str, int] = {}
    for event in events:
        if event.get("key") == "stats":
            for key, each in event["value"]["usage_to_metrics"].items():
                stated = each["accumulated_token_usage"] or {}
                read, write = stated.get("cache_read_tokens", 0), stated.get("cache_write_tokens", 0)
                totals[key] = stated.get("prompt_tokens", 0) - read - write
    return len(runs) + 1, len(runs), len(acts), len(acts), sum(used) + sum(totals.values())


def inspect() -> Counts:
    samples: dict[tuple[Any, ...], dict[str, Any]] = {}
    for path in files("inspect"):
        if path.suffix == ".json":
            log = json.loads(path.read_text())
            found = log["samples"]
        else:
            with zipfile.ZipFile(path) as archive:
                log = json.loads(archive.read("header.json"))
                found = [json.loads(archive.read(name)) for name in archive.namelist() if name.startswith("samples/")]
        samples |= {(log["eval"]["run_id"], sample["id"], sample["epoch"]): sample for sample in found}
    roles = Counter(message["role"] for sample in samples.values() for message in sample["messages"])
    calls = sum(len(message.get("tool_calls") or ()) for sample in samples.values() for message in sample["messages"])
    used = [sample.get("model_usage") or {"": sample.get("output", {}).get("usage") or {}} for sample in samples.values()]
    given = sum(usage.get("input_tokens", 0) - usage.get("input_tokens_cache_read", 0) for each in used for usage in each.values())
    return len(samples), roles["user"], roles["assistant"], calls, given


def langsmith() -> Counts:
    runs = [json.loads(path.read_text()) for path in files("langsmith")]
    asked = sum(message["role"] == "user" for run in runs for message in run["post"][0]["inputs"]["messages"])
    used = [run["patch"][0]["outputs"].get("usage_metadata") or {} for run in runs]
    return len(runs), asked, len(runs), 0, sum(each.get("input_tokens", 0) for each in used)


def managed_agents() -> Counts:
    lines = [json.loads(line) for path in files("managed-agents") for line in path.read_text().splitlines() if line.strip()]
    events = [payload for _, payload in lines if isinstance(payload, dict)]
    kinds = Counter(event.get("type", "") for event in events)
    calls = sum(count for kind, count in kinds.items() if kind.endswith("tool_use"))
    given = sum(event["model_usage"]["input_tokens"] for event in events if "model_usage" in event)
    return len(files("managed-agents")), kinds["user.message"], kinds["agent.message"], calls, given


def sharegpt() -> Counts:
    (rows,) = [json.loads(path.read_text()) for path in files("sharegpt")]
    roles = Counter(turn["from"] for row in rows for turn in row["conversations"])
    return len(rows), roles["human"], roles["gpt"], 0, 0


COUNTS: dict[str, Callable[[], Counts]] = {
    "aider": aider,
    "swe-agent": swe_agent,
    "mini-swe-agent": mini_swe_agent,
    "openhands": openhands,
    "inspect": inspect,
    "langsmith": langsmith,
    "managed-agents": managed_agents,
    "sharegpt": sharegpt,
}


@pytest.mark.parametrize("format", COUNTS)
def test_show_and_list_agree_with_the_source(format: str) -> None:
    with EventLog.memory() as log, Catalog.open(log) as catalog:
        import_paths(log, format, [DATA / FOLDERS.get(format, format)])
        views = [replay(log.session(session_id).read(), SessionView) for session_id in log.session_ids()]
        shown = (
            len(views),
            sum(view.counts.user_messages for view in views),
            sum(view.counts.assistant_messages for view in views),
            sum(view.counts.tool_calls for view in views),
            sum(view.usage.input_tokens for view in views),
        )
        assert shown == COUNTS[format]()
        listed = catalog.list(limit=10_000).items
        assert sum(item.user_messages for item in listed) == shown[1]
        assert sum(item.tool_calls for item in listed) == shown[3]


def test_turns_and_tools_of_specstory_are_those_of_its_marks() -> None:
    for path in files("specstory"):
        text = path.read_text()
        turns = re.findall(r"(?m)^_\*\*(User|Agent|Assistant)[^\n]*\*\*_$", text)
        with EventLog.memory() as log:
            import_paths(log, "specstory", [path])
            (session_id,) = log.session_ids()
            assert session_id in text
            assert len(list(Records(log.session(session_id), "specstory").all())) == len(turns) + 1


@pytest.mark.parametrize("format", [*COUNTS, "specstory"])
def test_all_files_are_imported_and_the_second_time_adds_nothing(format: str) -> None:
    with EventLog.memory() as log:
        first = import_paths(log, format, [DATA / FOLDERS.get(format, format)])
        again = import_paths(log, format, [DATA / FOLDERS.get(format, format)])
        assert (again.events_added, again.records, again.sessions) == (0, first.records, first.sessions)
        assert [skipped for skipped in first.skipped if "understood" in skipped.reason or "looks like" in skipped.reason] == []


@pytest.mark.parametrize("format", ["aider", "specstory"])
def test_the_blocks_of_a_text_are_the_text(format: str) -> None:
    for path in files(format):
        with EventLog.memory() as log:
            import_paths(log, format, [path])
            kept = Counter(record["text"] for record in records(log, format))
            whole = path.read_bytes().decode()
            assert sum(len(text) * count for text, count in kept.items()) == len(whole)
            assert all(text in whole for text in kept)


@pytest.mark.parametrize("format", ["swe-agent", "mini-swe-agent", "openhands", "inspect", "sharegpt", "langsmith"])
def test_every_message_of_a_document_is_in_the_store(format: str) -> None:
    for path in files(format):
        if path.suffix == ".eval" or path.name in ("events.jsonl", "base_state.json"):
            continue
        values = [json.loads(line) for line in path.read_text().splitlines()] if path.suffix == ".jsonl" else [json.loads(path.read_text())]
        messages = Counter(strictly(message) for value in values for message in _messages(value))
        with EventLog.memory() as log:
            import_paths(log, format, [path])
            assert not messages - Counter(strictly(record) for record in records(log, format))


def records(log: EventLog, format: str) -> Iterator[Any]:
    for session_id in log.session_ids():
        yield from (json.loads(record or b"null") for _, record in Records(log.session(session_id), format).all())


def strictly(value: Any) -> str:
    return json.dumps(value, sort_keys=True)


def _messages(value: Any) -> Iterator[Any]:
    if isinstance(value, list):
        yield from value
    for name in ("history", "messages", "post", "patch"):
        yield from value.get(name, ()) if isinstance(value, dict) else ()
    for sample in value.get("samples", ()) if isinstance(value, dict) else ():
        yield from sample["messages"]
