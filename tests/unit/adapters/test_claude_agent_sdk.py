from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("claude_agent_sdk", reason="claude-agent-sdk is not installed: make adapters has it")

import anyio
from claude_agent_sdk import get_session_messages_from_store, list_sessions_from_store
from claude_agent_sdk.testing import run_session_store_conformance

from eventlog import EventLog
from eventlog.events import SessionUpdated
from eventlog.importers import import_paths
from projections import Catalog
from projections.adapters.claude_agent_sdk import EventLogSessionStore

from .seen import HARD, counts, search, session_ids, texts, view

KEY: Any = {"project_key": "proj", "session_id": "11111111-2222-4333-8444-555555555555"}
FIXTURES = Path(__file__).parents[2] / "fixtures" / "claude-code"


@pytest.fixture
def store(log: EventLog) -> Iterator[EventLogSessionStore]:
    made = EventLogSessionStore(log)
    yield made
    made.close()


def entry(n: int, role: str, content: Any, **more: Any) -> dict[str, Any]:
    message = {"role": role, "content": content} | ({"id": f"msg_{n}", "model": "claude-x"} if role == "assistant" else {})
    made = {"type": role, "uuid": f"u{n}", "parentUuid": f"u{n - 1}" if n else None, "sessionId": KEY["session_id"], "message": message}
    return made | {"timestamp": f"2026-03-01T10:00:{n:02}.000Z"} | more


def conversation() -> list[dict[str, Any]]:
    call = {"type": "tool_use", "id": "toolu_1", "name": "Bash", "input": {"command": "ls"}}
    usage = {"input_tokens": 12, "output_tokens": 5, "cache_read_input_tokens": 100}
    return [
        entry(0, "user", "List the walruses", cwd="/home/me/zoo"),
        entry(1, "assistant", [{"type": "text", "text": "Looking"}, call]),
        entry(2, "user", [{"type": "tool_result", "tool_use_id": "toolu_1", "content": "walrus.txt"}]),
        {**entry(3, "assistant", [{"type": "text", "text": "There is one walrus"}]), "message": {**entry(3, "assistant", "")["message"],
         "content": [{"type": "text", "text": "There is one walrus"}], "usage": usage}},
        {"type": "custom-title", "customTitle": "Walruses", "sessionId": KEY["session_id"]},
    ]  # fmt: skip


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_the_fourteen_contracts_hold(backend: str, tmp_path: Path) -> None:
    numbers = iter(range(1000))
    made: list[EventLogSessionStore] = []

    def make() -> EventLogSessionStore:
        made.append(EventLogSessionStore(tmp_path / str(next(numbers)), sync="never"))
        return made[-1]

    async def run() -> None:
        await run_session_store_conformance(make)

    anyio.run(run, backend=backend)
    for each in made:
        each.close()


def test_a_transcript_is_seen_by_everything_that_looks(log: EventLog, store: EventLogSessionStore) -> None:
    async def mirror() -> None:
        for each in conversation():
            await store.append(KEY, [each])

    anyio.run(mirror)
    found = view(log)
    assert texts(found) == [
        ("user", "List the walruses"),
        ("assistant", "Looking[tool_call]"),
        ("assistant", "There is one walrus"),
    ]
    (call,) = found.tool_calls
    assert (call.call_id, call.name, call.arguments, call.output) == ("toolu_1", "Bash", {"command": "ls"}, "walrus.txt")
    assert (found.title, found.kind, found.metadata["cwd"], found.started_at.isoformat()[:10]) == (
        "Walruses",
        "agent",
        "/home/me/zoo",
        "2026-03-01",
    )
    assert search(log, "walrus")[0] == found.session_id
    counted = counts(log)
    assert (counted["messages"]["user"], counted["messages"]["assistant"], counted["tool_calls"]) == (1, 2, 1)
    assert (counted["usage"]["input_tokens"], counted["usage"]["cache_read_tokens"], counted["usage"]["output_tokens"]) == (12, 100, 5)
    with Catalog.open(log) as catalog:
        assert catalog.find(f"claude-agent-sdk/proj/{KEY['session_id']}").session_id == found.session_id


@pytest.mark.parametrize("file", sorted(FIXTURES.rglob("*.jsonl")), ids=lambda file: file.stem)
def test_a_mirrored_transcript_shows_what_an_imported_one_shows(file: Path, log: EventLog, tmp_path: Path) -> None:
    entries = [each for line in file.read_text().splitlines() if (each := _entry(line)) is not None]
    assert entries
    store = EventLogSessionStore(log)

    async def mirror() -> list[Any] | None:
        for each in entries:
            await store.append(KEY, [each])
        return await store.load(KEY)

    loaded = anyio.run(mirror)
    store.close()
    seen: set[str] = set()
    assert loaded == [each for each in entries if "uuid" not in each or not (each["uuid"] in seen or seen.add(each["uuid"]))]
    mirrored = view(log)
    with EventLog.open(tmp_path / "imported", sync="never") as other:
        import_paths(other, "claude-code", [file])
        imported = [view(other, each) for each in session_ids(other)]
    assert [each for each in texts(mirrored) if each[0] == "user"] == [
        each for found in imported for each in texts(found) if each[0] == "user"
    ]


def _entry(line: str) -> Any:
    try:
        found = json.loads(line)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def test_the_entries_come_back_as_they_were_given(store: EventLogSessionStore) -> None:
    entries = [
        {"type": "x", "uuid": "a", **HARD},
        {"type": "user", "message": {"role": "user", "content": HARD["half"]}},
        {"n": [1, 2.0, None]},
    ]

    async def run() -> Any:
        await store.append(KEY, entries)
        return await store.load(KEY)

    assert anyio.run(run) == entries


def test_an_entry_of_a_shape_that_nobody_has_seen_stops_no_other(log: EventLog, store: EventLogSessionStore) -> None:
    strange = {"type": "assistant", "uuid": "odd", "message": {"id": {}, "content": [[]], "usage": {"input_tokens": "x"}}}
    odd: list[Any] = [entry(0, "user", "before"), strange, entry(2, "user", "after")]

    async def run() -> Any:
        await store.append(KEY, odd)
        return await store.load(KEY)

    assert anyio.run(run) == odd
    assert [each for each in texts(view(log)) if each[0] == "user"] == [("user", "before"), ("user", "after")]


def test_an_entry_that_is_there_is_not_stored_again(log: EventLog, store: EventLogSessionStore) -> None:
    async def run() -> Any:
        await store.append(KEY, [entry(0, "user", "a"), entry(0, "user", "a"), {"type": "mode", "mode": "plan"}])
        await store.append(KEY, [entry(0, "user", "a"), entry(1, "user", "b"), {"type": "mode", "mode": "plan"}])
        return await store.load(KEY)

    loaded = anyio.run(run)
    assert [each.get("uuid", each["type"]) for each in loaded] == ["u0", "mode", "u1", "mode"]
    assert texts(view(log)) == [("user", "a"), ("user", "b")]


WRITER = """
import anyio, sys
from projections.adapters.claude_agent_sdk import EventLogSessionStore

async def main():
    store = EventLogSessionStore(sys.argv[1], sync="never")
    for n in range(40):
        await store.append({"project_key": "p", "session_id": "s"}, [
            {"type": "user", "uuid": f"{n}-{half}", "message": {"role": "user", "content": f"say {n} {half}"}} for half in "ab"])

anyio.run(main)
"""


def test_three_processes_that_send_the_same_batches_store_each_entry_once(tmp_path: Path) -> None:
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path / "s")]) for _ in range(3)]
    assert [writer.wait() for writer in writers] == [0, 0, 0]
    with EventLog.open(tmp_path / "s") as log:
        store = EventLogSessionStore(log)
        loaded: Any = anyio.run(store.load, {"project_key": "p", "session_id": "s"})
        assert [each["uuid"] for each in loaded] == [f"{n}-{half}" for n in range(40) for half in "ab"]
        assert len(texts(view(log))) == 80
        store.close()


def test_a_title_that_a_person_gave_stays(log: EventLog, store: EventLogSessionStore) -> None:
    async def append(*entries: Any) -> None:
        await store.append(KEY, list(entries))

    anyio.run(append, entry(0, "user", "a"))
    with log.session(session_ids(log)[0]) as session:
        session.append(SessionUpdated(title="Mine"))
    anyio.run(append, {"type": "ai-title", "aiTitle": "Theirs"})
    assert view(log).title == "Mine"


def test_a_subagent_is_a_child_and_goes_with_its_parent(log: EventLog, store: EventLogSessionStore) -> None:
    sub: Any = {**KEY, "subpath": "subagents/agent-1"}

    async def run() -> None:
        await store.append(KEY, [entry(0, "user", "main")])
        await store.append(sub, [entry(0, "user", "sub")])

    anyio.run(run)
    with Catalog.open(log) as catalog:
        (main,) = [item for item in catalog.list().items if item.parent is None]
        (child,) = catalog.list(parent=main.session_id).items
        assert (child.parent.session_id, child.parent.relation) == (main.session_id, "subagent") if child.parent else False
    anyio.run(store.delete, KEY)
    with Catalog.open(log) as catalog:
        assert catalog.list().items == []


def test_a_deleted_transcript_begins_anew_under_the_same_key(log: EventLog, store: EventLogSessionStore) -> None:
    async def run() -> None:
        for text in ("first", "second", "third"):
            await store.append(KEY, [entry(0, "user", text)])
            loaded: Any = await store.load(KEY)
            assert [each["message"]["content"] for each in loaded] == [text]
            assert [each["session_id"] for each in await store.list_sessions("proj")] == [KEY["session_id"]]
            await store.delete(KEY)
            assert await store.load(KEY) is None
            assert await store.list_sessions("proj") == []

    anyio.run(run)
    assert len(session_ids(log)) == 3


def test_a_fork_of_a_transcript_is_not_listed_for_it(log: EventLog, store: EventLogSessionStore) -> None:
    anyio.run(store.append, KEY, conversation())
    log.fork(session_ids(log)[0]).close()
    assert len(anyio.run(store.list_sessions, "proj")) == 1


def test_their_helpers_read_the_store(store: EventLogSessionStore, tmp_path: Path) -> None:
    from claude_agent_sdk import project_key_for_directory

    key: Any = {**KEY, "project_key": project_key_for_directory(str(tmp_path))}

    async def run() -> tuple[Any, Any]:
        await store.append(key, conversation())
        messages = await get_session_messages_from_store(store, KEY["session_id"], directory=str(tmp_path))
        return messages, await list_sessions_from_store(store, directory=str(tmp_path))

    messages, (listed,) = anyio.run(run)
    assert [message.type for message in messages] == ["user", "assistant", "user", "assistant"]
    assert (listed.session_id, listed.custom_title, listed.first_prompt) == (KEY["session_id"], "Walruses", "List the walruses")


def test_an_entry_that_is_too_large_with_its_meaning_is_kept_alone(tmp_path: Path) -> None:
    from eventlog import Settings

    settings = Settings().replace(max_event_bytes=100_000)
    with EventLog.open(tmp_path / "s", settings=settings) as log:
        store = EventLogSessionStore(log)
        large = [entry(0, "user", "small"), entry(1, "user", "x" * 60_000), entry(2, "user", "also small")]

        async def run() -> Any:
            await store.append(KEY, large)
            return await store.load(KEY)

        assert anyio.run(run) == large
        assert texts(view(log)) == [("user", "small"), ("user", "also small")]
        store.close()
