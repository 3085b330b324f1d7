"""The six addresses in a chat backend's own shapes."""

from __future__ import annotations

import pytest

from eventlog import EventLog
from eventlog.events import MessageAdded

from .client import Client


def chat(count: int) -> list[dict[str, object]]:
    return [
        {"role": ("user", "assistant")[n % 2], "content": f"message {n}", "timestamp": f"2026-11-30T08:{n:02}:00Z"} for n in range(count)
    ]


def save(client: Client, messages: list[dict[str, object]], session_id: str = "0123456789ab") -> tuple[int, object]:
    answer = client.post("/api/sessions/save", {"session": {"session_id": session_id, "user_name": "ann", "messages": messages}})
    return answer.status, answer.json


def test_a_chat_is_started_loaded_listed_exported_and_deleted(client: Client) -> None:
    started = client.post("/api/sessions/start", {"user_name": "ann", "metadata": {"type": "voice"}}).json
    session_id = started["session_id"]
    assert save(client, chat(3), session_id) == (200, {"success": True, "added": 3, "amended": 0})
    loaded = client.post("/api/sessions/load", {"session_id": session_id}).json["session"]
    assert (loaded["session_id"], loaded["user_name"], loaded["metadata"]) == (session_id, "ann", {"type": "voice"})
    assert [(each["role"], each["content"]) for each in loaded["messages"]] == [(each["role"], each["content"]) for each in chat(3)]
    assert loaded["stats"] == {"total_messages": 3, "user_messages": 2, "assistant_messages": 1, "errors": 0}
    listed = client.post("/api/sessions/list", {"limit": 1, "offset": 2}).json
    assert (listed["success"], listed["total_sessions"], listed["limit"], listed["offset"], len(listed["sessions"])) == (True, 3, 1, 2, 1)
    assert listed["total_messages"] == 5
    assert client.post("/api/sessions/export", {"session_id": session_id, "format": "openai"}).status == 200
    assert client.post("/api/sessions/delete", {"session_id": session_id}).json["success"] is True
    assert session_id not in [each["session_id"] for each in client.post("/api/sessions/list", {}).json["sessions"]]


def test_saving_adds_only_what_is_new_and_amends_what_has_changed(client: Client, log: EventLog) -> None:
    assert save(client, chat(45)) == (200, {"success": True, "added": 45, "amended": 0})
    before = log.session("0123456789ab").last_seq
    assert save(client, chat(45)) == (200, {"success": True, "added": 0, "amended": 0})
    assert log.session("0123456789ab").last_seq == before
    assert save(client, chat(46)) == (200, {"success": True, "added": 1, "amended": 0})
    assert log.session("0123456789ab").last_seq == before + 1
    changed = chat(46)
    changed[7]["content"] = "otherwise"
    assert save(client, changed) == (200, {"success": True, "added": 0, "amended": 1})
    assert [stored.type for stored in log.session("0123456789ab").read(after=before + 1)] == ["message.amended"]


def test_fewer_messages_lose_nothing(client: Client, log: EventLog) -> None:
    save(client, chat(3))
    before = log.session("0123456789ab").last_seq
    status, said = save(client, chat(2))
    assert (status, said["success"], "load it again" in said["error"]) == (409, False, True)  # type: ignore[index]
    assert log.session("0123456789ab").last_seq == before


def test_what_others_appended_counts_when_a_chat_is_saved(client: Client, log: EventLog) -> None:
    save(client, chat(2))
    log.session("0123456789ab").append(MessageAdded(role="user", content="message 2"))
    assert save(client, chat(4)) == (200, {"success": True, "added": 1, "amended": 0})


@pytest.mark.parametrize(
    ("name", "body", "status"),
    [
        ("load", {"session_id": "../../etc"}, 400),
        ("load", {"session_id": "nobody"}, 404),
        ("load", {}, 400),
        ("list", {"limit": 0}, 400),
        ("list", {"offset": 10_001}, 400),
        ("export", {"session_id": "s1", "format": "docx"}, 400),
        ("delete", {"session_id": "nobody"}, 404),
        ("save", {"session": {"session_id": "a/b"}}, 400),
        ("start", b"{", 400),
    ],
)
def test_refusals_are_in_its_shape_too(client: Client, name: str, body: object, status: int) -> None:
    answer = client.post(f"/api/sessions/{name}", body)
    assert (answer.status, answer.json["success"], isinstance(answer.json["error"], str)) == (status, False, True)
    assert client.get(f"/api/sessions/{name}").status == 405
