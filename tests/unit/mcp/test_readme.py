"""What the README says to agents and to those who write servers is true: its configurations start a server, its story and its code run."""

from __future__ import annotations

import asyncio
import json
import re
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("mcp", reason="this needs the extra mcp; `make mcp` has it")

from mcp import Client as SdkClient

from .client import ERAS, Client, Era

README = (Path(__file__).parents[3] / "README.md").read_text()
SECTION = README.split("## For agents\n")[1].split("\n## ")[0]


def block(kind: str) -> str:
    (found,) = re.findall(rf"```{kind}\n(.*?)```", SECTION, re.DOTALL)
    return str(found)


def test_the_configurations_name_a_command_that_serves(tmp_path: Path) -> None:
    by_json = json.loads(block("json"))["mcpServers"]["sessions"]
    by_toml = tomllib.loads(block("toml"))["mcp_servers"]["sessions"]
    assert by_json == by_toml
    assert (by_json["command"], by_json["args"][:2]) == ("eventlog", ["mcp", "--store"])
    with Client(tmp_path / "store", "--write") as client:  # which runs the same
        command: Any = client.process.args
        assert command == [sys.executable, "-m", "eventlog", "--store", str(tmp_path / "store"), "mcp", "--write"]


@pytest.mark.parametrize("era", ERAS)
def test_the_story_of_a_conversation_that_goes_on_can_be_told(tmp_path: Path, era: Era) -> None:
    steps = [json.loads(line) for line in block("jsonl").splitlines()]
    five = {"resume_session", "list_sessions", "export_session", "merge_sessions", "cleanup_sessions"}
    assert five <= {name for name, _ in steps}
    answers = {}
    for at, (name, given) in enumerate(steps):
        if at % 3 == 0:  # over restarts, too
            client = Client(tmp_path / "store", "--write", era=era)
        answers[name] = client.call(name, **given)
        assert "failed" not in answers[name], answers[name]
        if at % 3 == 2 or at == len(steps) - 1:
            assert client.close() == (0, "")
    assert {item["session_id"] for item in answers["list_sessions"]["items"]} == {"trip", "trip-by-phone"}
    assert [said["text"] for said in answers["resume_session"]["messages"]] == ["No planes, please."]
    assert "cabin on the ferry" in answers["export_session"]["text"]
    assert answers["cleanup_sessions"]["dry_run"] is True
    with Client(tmp_path / "store", era=era) as client:
        assert "failed" in client.call("resume_session", session_id="trip", user_id="bert")


def test_the_server_of_the_example_records_its_calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {"__name__": "readme"}
    exec(compile(block("py"), "README.md", "exec"), names)

    async def called() -> Any:
        async with SdkClient(names["server"]) as client:
            return await client.call_tool("double", {"x": 21, "session_id": "sums"})

    assert asyncio.run(called()).structured_content == {"result": 42}
    with names["log"] as log, log.session("sums") as session:
        assert [stored.type for stored in session.read()] == ["session.started", "tool.called", "tool.returned"]
