"""The documents are true: their examples run, their tables are complete, their links lead somewhere."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import eventlog
import projections
from eventlog import registry
from eventlog.cli.commands import COMMANDS
from eventlog.settings import table

from .test_architecture import SDKS

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
EXTRAS = ("mcp", "mcp_types", *(name for names in SDKS.values() for name in names))  # recorders have doors for some of these
EXAMPLES = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


@pytest.fixture(autouse=True)
def event_types_of_examples_go_with_them() -> Iterator[None]:
    types, upcasts = dict(registry._types), dict(registry._upcasts)
    yield
    for now, before in ((registry._types, types), (registry._upcasts, upcasts)):
        now.clear()
        now.update(before)
    registry.generation += 1


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.splitlines()[0])
def test_the_examples_of_the_readme_run(example: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    exec(compile(example, "README.md", "exec"), {"__name__": "readme"})


def test_the_first_example_prints_the_session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    exec(EXAMPLES[0], {})
    assert capsys.readouterr().out == "Debug login What changed? Fix the cookie\n"
    assert len(EXAMPLES[0].strip().splitlines()) <= 15


def test_every_command_stands_in_the_readme() -> None:
    rows = [line for line in README.splitlines() if line.startswith("| `")]
    named = {name for row in rows for name in re.findall(r"`([a-z-]+)", row.split("|")[1])}
    assert set(COMMANDS) - named == set()


def test_every_setting_stands_in_the_readme_as_it_is() -> None:
    for setting in table():
        (row,) = (line for line in README.splitlines() if line.startswith(f"| `{setting.name}` |"))
        cells = [cell.strip() for cell in row.split("|")]
        assert cells[3:5] == [setting.allowed, setting.description]


@pytest.mark.parametrize("name", ["README.md", "FORMAT.md", "ARCHITECTURE.md", "CHANGELOG.md"])
def test_what_a_page_links_to_is_there(name: str) -> None:
    text = (ROOT / name).read_text()
    for target in re.findall(r"\]\(([^)#]+)\)", text):
        assert (ROOT / target).exists(), target
    for path in re.findall(r"`((?:tests|bench|eventlog|projections)/[\w./-]+)`", text):
        assert (ROOT / path).exists(), path


def test_the_architecture_page_stays_short_and_names_every_core_file() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text()
    assert len(text.splitlines()) < 150
    files = {path.name for package in ("eventlog", "projections") for path in (ROOT / package).glob("*.py")} - {
        "__init__.py",
        "__main__.py",
    }
    assert {name for name in files if f"`{name}`" not in text} == set()


def modules() -> list[str]:
    return sorted(
        module.name
        for package in (eventlog, projections)
        for module in pkgutil.walk_packages(package.__path__, package.__name__ + ".")
        if not module.name.endswith("__main__")
    )


@pytest.mark.parametrize("name", modules())
def test_every_module_opens_with_its_job_and_its_examples_run(name: str) -> None:
    try:
        module = importlib.import_module(name)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in EXTRAS:
            raise
        pytest.skip(f"{error.name} is not installed: it comes with an extra")
    assert module.__doc__, name
    assert doctest.testmod(module).failed == 0
