"""README's tour: its pictures are what the commands print, and its commands run."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from importlib.metadata import version
from pathlib import Path

import pytest

from tests import tour
from tests.command_line import eventlog

README = (Path(__file__).parents[2] / "README.md").read_text()
TOUR = README.partition("## Five minutes")[2].partition("\n## ")[0]
COMMANDS = [line.partition("  #")[0].strip() for block in re.findall(r"```sh\n(.*?)```", TOUR, re.DOTALL) for line in block.splitlines()]


PINNED = re.search(r"^rich==(.+)$", (Path(__file__).parents[2] / "constraints.txt").read_text(), re.MULTILINE)


@pytest.mark.skipif(PINNED is None or version("rich") != PINNED[1], reason="the pictures are drawn with the pinned version of rich")
def test_the_pictures_are_what_the_commands_print() -> None:
    stored = {path.stem: tour.words_of(path.read_text()) for path in tour.FOLDER.glob("*.svg")}
    assert {name: tour.words_of(svg) for name, svg in tour.all_drawn().items()} == stored != {}


def test_the_tour_shows_every_picture_beside_its_command() -> None:
    assert set(re.findall(r"\]\(pictures/(\w+)\.svg\)", TOUR)) == set(tour.PICTURES)
    assert set(tour.PICTURES.values()) <= set(COMMANDS)


def test_a_picture_loads_nothing_from_elsewhere() -> None:
    for svg in tour.FOLDER.glob("*.svg"):
        assert not re.search(r"https?://(?!www\.w3\.org/)", svg.read_text())


@pytest.fixture
def store(tmp_path: Path) -> Path:
    tour.build(tmp_path / "store")
    return tmp_path / "store"


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_of_the_tour_runs(store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    first, *others = command.split(" | ", 1)
    with tour.surroundings(store):
        outcome = eventlog(*shlex.split(first)[1:])
    assert (outcome.code, outcome.out != "" or "import" in command) == (0, True), outcome.err
    if others:
        for program in ("jq", "bc"):
            if shutil.which(program) is None:
                pytest.skip(f"{program} is not installed")
        done = subprocess.run(others[0], shell=True, input=outcome.out, capture_output=True, text=True, check=True)
        assert int(done.stdout) == 35_680  # as `stats` counts


def test_no_line_of_the_list_wraps_at_the_width_of_the_picture(store: Path) -> None:
    with tour.surroundings(store):
        lines = re.sub(r"\x1b\[[0-9;]*m", "", tour.printed("eventlog list")).splitlines()
    assert max(map(len, lines)) <= tour.WIDTH
    assert len(lines) == 1 + 7 + 1
