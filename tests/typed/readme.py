"""``python -m tests.typed.readme FOLDER``: the README's Python blocks, each as a file that a type checker can read.

A file begins with as many blank lines as stand above its block, so that what a checker says carries the line of the README."""

from __future__ import annotations

import re
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def blocks(text: str) -> dict[int, str]:
    """The blocks by the number of their first line."""
    return {
        text.count("\n", 0, found.start(1)) + 1: found[1]
        for found in re.finditer(r"^```python\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    }


def write(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for left_over in folder.glob("readme_*.py"):
        left_over.unlink()
    for line, block in blocks((ROOT / "README.md").read_text()).items():
        (folder / f"readme_{line}.py").write_text("\n" * (line - 1) + block)


if __name__ == "__main__":
    write(Path(sys.argv[1]))
