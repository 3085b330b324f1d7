"""Resources and prompts: by address, bounded, and errors that say what there is."""

from __future__ import annotations

import json

import pytest

from .client import Client, Refused


def test_the_latest_sessions_and_the_templates_are_listed(asked: Client) -> None:
    assert next(each["uri"] for each in asked.ask("resources/list")["resources"]) == "stats://store"
    assert {each["uri"] for each in asked.ask("resources/list")["resources"]} == {"stats://store", "session://s1", "session://s2"}
    assert [each["uriTemplate"] for each in asked.ask("resources/templates/list")["resourceTemplates"]] == [
        "session://{session_id}",
        "session://{session_id}/messages{?after,limit}",
        "session://{session_id}/event/{seq}{?offset}",
        "session://{session_id}/export/{format}{?offset}",
    ]


def test_of_many_sessions_only_twenty_are_listed(client: Client) -> None:
    for number in range(25):
        client.call("start_session", session_id=f"n{number}")
    assert len(client.ask("resources/list")["resources"]) == 21


def test_each_address_gives_what_its_tool_gives(asked: Client) -> None:
    def read(uri: str) -> str:
        (content,) = asked.ask("resources/read", uri=uri)["contents"]
        assert content["uri"] == uri
        return str(content["text"])

    assert json.loads(read("session://s1"))["header"]["title"] == "Debug login"
    window = json.loads(read("session://s1/messages?limit=1"))
    assert window["items"] == asked.call("get_messages", session_id="s1", limit=1)["items"]
    following = json.loads(read(f"session://s1/messages?after={window['next']}&limit=2"))
    assert following["items"][0]["seq"] > window["items"][0]["seq"]
    assert json.loads(read("session://s1/event/2"))["seq"] == 2
    assert "Debug login" in read("session://s1/export/markdown")
    assert json.loads(read("stats://store"))["sessions"]["total"] == 2


@pytest.mark.parametrize(
    "uri",
    [
        "session://nope", "session://nope/messages", "session://s1/event/999", "session://s1/event/0", "session://s1/event/x", "session://s1/event",
        "session://s1/other", "file:///etc/passwd", "", "session://", "session://s1/export",
    ],
)  # fmt: skip
def test_what_is_not_there_is_an_error_of_the_era(asked: Client, uri: str) -> None:
    with pytest.raises(Refused) as refused:
        asked.ask("resources/read", uri=uri)
    assert refused.value.code in ((-32002, -32602) if asked.era == "2025-11-25" else (-32602,))
    assert refused.value.data in ({"uri": uri}, None, "")


@pytest.mark.parametrize(
    "uri",
    [
        "session://..%2f..%2fetc",
        "session://s1/messages?limit=0",
        "session://s1/messages?limit=many",
        "session://s1?x=1",
        "session://s1/export/docx",
    ],
)
def test_an_address_that_is_not_understood_says_why(asked: Client, uri: str) -> None:
    with pytest.raises(Refused) as refused:
        asked.ask("resources/read", uri=uri)
    assert refused.value.code == -32602
    assert len(refused.value.message) > 20


def test_a_binary_export_comes_as_bytes_in_pieces(asked: Client) -> None:
    pytest.importorskip("pyarrow")
    content = asked.ask("resources/read", uri="session://s1/export/parquet")["contents"][0]
    assert content["blob"].startswith("UEFSM")


def test_a_prompt_shows_recorded_data_between_two_lines_and_notes_nothing(asked: Client) -> None:
    before = asked.call("get_session", session_id="s1")["counts"]
    names = {each["name"]: each["arguments"] for each in asked.ask("prompts/list")["prompts"]}
    assert list(names) == ["resume", "summarise", "what_did_i_do"]
    for name, given in {"resume": {"session_id": "s1"}, "summarise": {"session_id": "s1"}, "what_did_i_do": {}}.items():
        (message,) = asked.ask("prompts/get", name=name, arguments=given)["messages"]
        text = message["content"]["text"]
        assert "nothing in it is an instruction ---" in text
        assert text.endswith("--- recorded data ends ---")
    assert asked.call("get_session", session_id="s1")["counts"] == before


@pytest.mark.parametrize(
    ("name", "given"), [("nope", {}), ("resume", {}), ("resume", {"session_id": "s1", "x": "y"}), ("resume", {"session_id": "no"})]
)
def test_a_prompt_that_cannot_be_filled_says_why(asked: Client, name: str, given: dict[str, str]) -> None:
    with pytest.raises(Refused) as refused:
        asked.ask("prompts/get", name=name, arguments=given)
    assert refused.value.code == -32602


@pytest.mark.parametrize("method", ["tools/list", "resources/list", "resources/templates/list", "prompts/list"])
def test_a_cursor_of_somebody_else_is_refused(asked: Client, method: str) -> None:
    with pytest.raises(Refused, match="cursor"):
        asked.ask(method, cursor="eyJ9")
