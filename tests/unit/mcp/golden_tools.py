"""What every client gets to read of each tool: a golden file per tool. ``python -m tests.unit.mcp.golden_tools`` writes them anew."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

from .client import Client

FOLDER = Path(__file__).parent / "golden"


def texts(listed: list[dict[str, Any]]) -> dict[str, str]:
    return {tool["name"] + ".json": json.dumps(tool, indent=1, sort_keys=True, ensure_ascii=False) + "\n" for tool in listed}


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, Client(Path(folder) / "store", "--write") as client:
        for name, text in texts(client.ask("tools/list")["tools"]).items():
            (FOLDER / name).write_text(text)


if __name__ == "__main__":
    main()
