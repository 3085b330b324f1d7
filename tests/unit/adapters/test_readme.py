"""The README's blocks that need an SDK: each runs where its SDK is installed, and leaves a session that can be seen."""

from __future__ import annotations

import gc
import importlib
import re
from pathlib import Path

import pytest

from eventlog import EventLog
from projections import Catalog

README = (Path(__file__).parents[3] / "README.md").read_text()
BLOCKS = re.findall(r"^```python sdk=([\w.]+)\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)
STORES_NOTHING = ("claude_agent_sdk", "llama_index.core", "agent_framework")


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("sdk", "block"), BLOCKS, ids=[sdk for sdk, _ in BLOCKS])
def test_the_blocks_of_the_readme_run(sdk: str, block: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    try:
        importlib.import_module(sdk)
    except ModuleNotFoundError as error:
        pytest.skip(f"{error.name} is not installed: make adapters has it")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OPENAI_AGENTS_DISABLE_TRACING", "1")
    if sdk == "agents":
        import agents

        agents.set_tracing_disabled(True)
    exec(compile(block, "README.md", "exec"), {"__name__": "readme"})
    gc.collect()
    with EventLog.open("my-store") as log, Catalog.open(log) as catalog:
        found = [item for item in catalog.list().items if item.kind in ("agent", "chat") and item.parent is None]
        assert [item.preview for item in found] == ([] if sdk in STORES_NOTHING else ["What changed?"])


def test_there_is_a_block_for_each_adapter() -> None:
    adapters = {
        path.stem for path in (Path(__file__).parents[3] / "projections" / "adapters").iterdir() if path.suffix == ".py" or path.is_dir()
    }
    shared = {"__init__", "__pycache__", "keys", "langchain_messages", "message_list", "records", "sessions"}
    assert {name for name in adapters - shared if not any(f"projections.adapters.{name} import" in block for _, block in BLOCKS)} == set()
