"""The arithmetic of the long list, without a browser: in Node, if it is there."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "projections" / "page"


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")
def test_places_are_those_of_adding_everything(tmp_path: Path) -> None:
    chosen = random.Random(3)
    heights = [chosen.randint(20, 900) for _ in range(1_000)]
    changes = [(chosen.randrange(1_000), chosen.randint(20, 900)) for _ in range(500)]
    (tmp_path / "heights.mjs").write_text((PAGE / "heights.js").read_text())
    script = f"""
        import {{ Heights }} from "{(tmp_path / "heights.mjs").as_uri()}";
        const list = new Heights({heights});
        for (const [index, height] of {json.dumps(changes)}) list.set(index, height);
        const offsets = [...Array(1000).keys()].map((index) => list.offset(index));
        console.log(JSON.stringify([list.total, offsets, offsets.map((offset) => list.at(offset)), list.at(-5), list.at(1e9)]));
    """
    said = subprocess.run(["node", "--input-type=module", "-e", script], capture_output=True, text=True, check=True).stdout
    for index, height in changes:
        heights[index] = height
    offsets = [sum(heights[:index]) for index in range(1_000)]
    assert json.loads(said) == [sum(heights), offsets, list(range(1_000)), 0, 999]
