"""The API, asked by schemathesis whatever its own document allows, and what it does not: nothing ends in a 5xx, and every answer is one
that the document names. Skipped, with the reason, where it is not installed: `make api`."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

from eventlog import EventLog

from ..unit.http.serving import served
from ..unit.operations.conftest import fill

pytest.importorskip("schemathesis", reason="schemathesis is not installed; `make api` installs it")
CHECKS = "not_a_server_error,status_code_conformance,response_schema_conformance"
EXAMPLES = 20  # for each operation


def test_whatever_is_asked_is_answered_as_the_document_says(tmp_path: Path) -> None:
    with EventLog.open(tmp_path / "store", sync="never") as log:
        fill(log)
    with served(tmp_path / "store", tmp_path / "config") as server:
        document = msgspec.json.decode(server.ask("GET", "/api/v1/openapi.json")[1])
        del document["paths"]["/api/v1/stream"]  # which does not end
        _loosen(document)
        (tmp_path / "openapi.json").write_bytes(msgspec.json.encode(document))
        token = f"Authorization: Bearer {server.token}"
        where = ["run", str(tmp_path / "openapi.json"), "--url", server.url.rstrip("/"), "-H", token]
        how = ["--checks", CHECKS, "--max-examples", str(EXAMPLES), "--seed", "7", "--continue-on-failure", "--no-color"]
        done = subprocess.run(
            [sys.executable, "-m", "schemathesis.cli", *where, *how],
            capture_output=True,
            text=True,
            cwd=tmp_path,
        )
        assert done.returncode == 0, done.stdout[-8_000:] + done.stderr[-2_000:]
        assert int(re.findall(r"(\d+) generated", done.stdout)[-1]) > 1_000, done.stdout[-2_000:]
        assert server.ask("GET", "/api/v1/sessions")[0] == 200  # nothing that it appended keeps the index from going on
        assert server.stop() == (0, b"")


def _loosen(part: Any) -> None:
    """Without tuples (``prefixItems``), which this tester reads as the ``items`` of an older draft and then calls invalid."""
    if isinstance(part, dict):
        if part.pop("prefixItems", None) is not None:
            part.pop("items", None)
        part = list(part.values())
    for each in part if isinstance(part, list) else ():
        _loosen(each)
