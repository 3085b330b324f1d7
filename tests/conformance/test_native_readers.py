"""The tools' own readers take the files that are made for them: Gemini CLI, pi and opencode, as npm has them (`make readers`)."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from eventlog import EventLog

from ..unit.exporters.test_native import exported, told

READERS = Path(os.environ.get("EVENTLOG_READERS", "/nowhere")).absolute()
MODULES = READERS / "node_modules"

pytestmark = pytest.mark.skipif(not MODULES.is_dir(), reason="the tools are not installed; make readers does it")

GEMINI = """
import { loadConversationRecord, hasResumableConversationContent } from '%s/services/chatRecordingService.js';
import { convertSessionToClientHistory } from '%s/utils/sessionUtils.js';
const record = await loadConversationRecord(process.argv[2]);
const history = convertSessionToClientHistory(record.messages);
console.log(JSON.stringify({ goes_on: hasResumableConversationContent(record.messages), history }));
"""
PI = """
import { SessionManager } from '%s';
const manager = SessionManager.open(process.argv[2]);
console.log(JSON.stringify({ id: manager.getSessionId(), messages: manager.buildSessionContext().messages }));
"""


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME"):
        monkeypatch.setenv(name, str(tmp_path / name))
        (tmp_path / name).mkdir()
    return tmp_path


def written(work: Path, tool: str) -> Path:
    path = work / ("session.json" if tool == "opencode" else "session.jsonl")
    with EventLog.memory() as log:
        path.write_bytes(exported(log, told(log).id, tool))
    return path


def said_by(work: Path, script: str, path: Path) -> Any:
    program = work / "read.mjs"
    program.write_text(script)
    return json.loads(ran("node", program, path, cwd=work).splitlines()[-1])


def ran(*command: object, cwd: Path) -> str:
    done = subprocess.run([str(each) for each in command], cwd=cwd, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_gemini_cli_goes_on_with_the_conversation(work: Path) -> None:
    source = MODULES / "@google/gemini-cli-core/dist/src"
    found = said_by(work, GEMINI % (source, source), written(work, "gemini-cli"))
    assert found["goes_on"] is True
    parts = [part for entry in found["history"] for part in entry["content"]["parts"]]
    assert [part["text"] for part in parts if "text" in part] == ["Fix the till", "I look.", "It is gone.", "Why? \u2603"]
    calls = [part["functionCall"] for part in parts if "functionCall" in part]
    assert [(call["name"], call["args"]) for call in calls] == [("my_tool_x", {"path": "till"}), ("read", {"input": "plain text"})]
    assert [part["functionResponse"]["id"] for part in parts if "functionResponse" in part] == [call["id"] for call in calls]


def test_pi_goes_on_with_the_conversation(work: Path) -> None:
    path = written(work, "pi")
    module = MODULES / "@mariozechner/pi-coding-agent/dist/core/session-manager.js"
    found = said_by(work, PI % module, path)
    assert found["id"] == json.loads(path.read_text().splitlines()[0])["id"]
    assert [message["role"] for message in found["messages"]] == [
        "user",
        "assistant",
        "toolResult",
        "assistant",
        "toolResult",
        "assistant",
        "user",
    ]


def test_opencode_imports_the_conversation_and_gives_it_back(work: Path) -> None:
    program = MODULES / ".bin/opencode"
    if not program.exists() or shutil.which("node") is None:
        pytest.skip("opencode is not installed; make readers does it")
    path = written(work, "opencode")
    assert "Imported session" in ran(program, "import", path, cwd=work)
    id = json.loads(path.read_text())["info"]["id"]
    back = json.loads(ran(program, "export", id, cwd=work))
    assert back["info"]["title"] == "The till"
    assert [message["info"]["role"] for message in back["messages"]] == ["user", "assistant", "assistant", "assistant", "user"]
    tools = [part for message in back["messages"] for part in message["parts"] if part["type"] == "tool"]
    assert [(tool["tool"], tool["state"]["status"]) for tool in tools] == [("my_tool_x", "error"), ("read", "error")]
