"""The public conformance suite of the protocol, on `eventlog serve`, in both eras: every scenario that it has.

What is expected to fail stands in ``expected_failures``, by reason. `make mcp` installs the suite (npm) and its Node into ``.node``."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from ..http.serving import served
from .client import ERAS, Era

MODULES = Path(__file__).parents[3] / ".node" / "node_modules"
NODE = MODULES / "node" / "bin" / "node"
SUITE = MODULES / "@modelcontextprotocol" / "conformance" / "dist" / "index.js"
EXPECTED = Path(__file__).parent / "expected_failures"

pytestmark = pytest.mark.skipif(
    not (NODE.exists() and SUITE.exists()), reason="the public conformance suite is not in .node; `make mcp` installs it where npm is"
)


@pytest.mark.parametrize("era", ERAS)
def test_every_scenario_passes_but_those_that_are_expected_to_fail(store: Path, tmp_path: Path, era: Era) -> None:
    with served(store, tmp_path, "--no-token") as server:
        asked = ["--url", f"{server.url}mcp", "--suite", "all", "--spec-version", era]
        run = subprocess.run(
            [NODE, SUITE, "server", *asked, "--expected-failures", EXPECTED / f"{era}.yml", "--output-dir", tmp_path / "results"],
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
            cwd=tmp_path,
        )
    assert run.returncode == 0, run.stdout[-3_000:] + run.stderr
    assert "server-initialize: 3 passed" in run.stdout or era == "2026-07-28"
    assert "caching: 8 passed" in run.stdout or era == "2025-11-25"
