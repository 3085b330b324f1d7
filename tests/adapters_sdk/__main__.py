"""The SDKs' own tests of their stores, with ours in their place: ``python -m tests.adapters_sdk [NAME ...]``.

The tests are those of exactly the version that is installed: they come with its source archive, which pip downloads (once, into the
environment's folder). Each suite is a process of its own, in the archive's folder; a plugin (`plugins/`) puts our class where the tests
say theirs, and leaves out those that look into theirs, by a rule that stands in it. What a suite leaves out and runs is printed.

LangGraph's capabilities and Claude's fourteen contracts are packages that are installed: `tests/unit/adapters` runs them. ADK's tests are
in no archive, Pydantic AI has none: theirs are compared with the services in memory, method by method, there too.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

PLUGINS = Path(__file__).parent / "plugins"
FOLDER = Path(sys.prefix) / "suites"


class Suite(NamedTuple):
    package: str
    plugin: str
    files: tuple[str, ...]
    options: tuple[str, ...] = ()


SUITES = {
    "openai-agents": Suite(
        "openai-agents",
        "openai_agents_suite",
        (
            "tests/memory/test_session.py",
            "tests/memory/test_session_limit.py",
            "tests/memory/test_session_context_wrapper.py",
            "tests/memory/test_openai_responses_compaction_session.py",
            "tests/memory/test_compaction_suffix.py",
            "tests/memory/test_compaction_model_visibility.py",
            "tests/memory/test_session_persistence_sanitize.py",
            "tests/extensions/memory/test_encrypt_session.py",
        ),
    ),
    "claude-agent-sdk": Suite(
        "claude-agent-sdk",
        "claude_agent_sdk_suite",
        (
            "tests/test_session_store_conformance.py",
            "tests/test_session_helpers_store.py",
            "tests/test_session_summary.py",
            "tests/test_session_import.py",
            "tests/test_session_resume.py",
            "tests/test_transcript_mirror.py",
            "tests/test_session_store_anyio.py",
        ),
        ("--import-mode=importlib",),
    ),
    "langgraph": Suite("langgraph-checkpoint", "langgraph_suite", ("tests/test_store.py", "tests/test_memory.py")),
}


def fetched(package: str) -> Path:
    """The folder of the source archive of the version that is installed."""
    stem = f"{package.replace('-', '_')}-{version(package)}"
    folder = FOLDER / stem
    if not folder.exists():
        FOLDER.mkdir(exist_ok=True)
        options = ["--quiet", "--no-deps", "--no-build-isolation", "--no-binary", package, "--dest", str(FOLDER)]
        subprocess.run([sys.executable, "-m", "pip", "download", *options, f"{package}=={version(package)}"], check=True)
        with tarfile.open(FOLDER / f"{stem}.tar.gz") as archive:
            archive.extractall(FOLDER, filter="data")
    return folder


def run(suite: Suite) -> int:
    folder = fetched(suite.package)
    ini = FOLDER / "pytest.ini"
    ini.write_text("[pytest]\nasyncio_mode = auto\nasyncio_default_fixture_loop_scope = function\n")
    command = ["-m", "pytest", "-q", "-c", str(ini), "--rootdir", str(folder), "-p", "no:cacheprovider", "-p", suite.plugin, *suite.options]
    paths = os.pathsep.join([str(PLUGINS), str(folder)])
    return subprocess.run([sys.executable, *command, *suite.files], cwd=folder, env={**os.environ, "PYTHONPATH": paths}).returncode


def main(names: list[str]) -> int:
    unknown = [name for name in names if name not in SUITES]
    if unknown:
        print(f"no suite {', '.join(unknown)}; there are {', '.join(SUITES)}", file=sys.stderr)
        return 2
    failed = []
    for name in names or SUITES:
        print(f"--- {name}", flush=True)
        if run(SUITES[name]) != 0:
            failed.append(name)
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
