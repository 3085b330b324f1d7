"""Real files of every format come back, value for value, from what the log holds of them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from eventlog import EventLog
from eventlog.importers import import_paths
from eventlog.importers.looking import recognise
from projections.exporters import export
from projections.exporters.native import Native

DATA = Path(__file__).resolve().parents[2].parent / "shared" / "data"

pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason="the real session files are not here (../shared/data)")

FOLDERS = sorted(path.name for path in DATA.iterdir() if path.is_dir()) if DATA.is_dir() else []
NOT_THESE = ("openai", "sharegpt")  # exported as samples to train with
TEXTS = ("aider", "specstory")


def values(data: bytes) -> list[Any]:
    """What a document says, or each line; a line that is none as it is."""
    try:
        return [json.loads(data)]
    except ValueError:
        return [_value(line) for line in data.splitlines() if line.strip()]


def _value(line: bytes) -> Any:
    try:
        return json.loads(line)
    except ValueError:
        return repr(line)


def counted(found: list[Any]) -> Counter[str]:
    return Counter(json.dumps(each, sort_keys=True) for each in found)


def sessions_of(path: Path, format: str) -> list[bytes]:
    with EventLog.memory() as log:
        import_paths(log, format, [path])
        found = []
        for session_id in log.session_ids():
            pieces: list[bytes] = []
            export(log, [session_id], format, pieces.append)
            found.append(b"".join(pieces))
        return found


def files_in(folder: str) -> Iterator[tuple[Path, str]]:
    for path in sorted(path for path in (DATA / folder).rglob("*") if path.is_file() and path.suffix != ".eval"):
        format = recognise(path)
        if format is not None and format not in NOT_THESE:
            yield path, format


@pytest.mark.parametrize("folder", [name for name in FOLDERS if name not in ("opencode", "openai-messages", "sharegpt")])
def test_every_session_is_what_its_file_said(folder: str) -> None:
    for path, format in files_in(folder):
        data = path.read_bytes()
        given = sessions_of(path, format)
        if format in TEXTS:
            assert all(each in data for each in given), path
            assert sum(map(len, given)) >= len(data) * 0.99, path  # what is half a line stays out
            continue
        source = values(data)
        if len(source) > 1:
            said = counted([value for each in given for value in values(each)])
            glued = sum(isinstance(value, str) for value in source)  # two objects on a line come back on two
            assert sum((counted(source) - said).values()) <= glued, path
            continue
        inside = source[0].get("samples", source[0].get("loglines", ())) if isinstance(source[0], dict) else source[0]
        for each in given:
            assert values(each) == source or all(value in inside for value in values(each)), path


@pytest.mark.parametrize(("folder", "format"), [("openai-messages", "openai"), ("sharegpt", "sharegpt")])
def test_what_an_export_makes_samples_of_is_held_as_it_came(folder: str, format: str) -> None:
    for path in sorted((DATA / folder).rglob("*.json")):
        source = values(path.read_bytes())[0]
        items = source if isinstance(source, list) and "role" not in source[0] else [source]
        with EventLog.memory() as log:
            import_paths(log, format, [path])
            pieces: list[bytes] = []
            for session_id in log.session_ids():
                Native(format).export_session(log.session(session_id), pieces.append, "raise")
        assert counted([json.loads(piece) for piece in pieces]) == counted(list({json.dumps(each): each for each in items}.values())), path


def test_the_samples_of_an_evaluation_are_what_their_archive_has(tmp_path: Path) -> None:
    import zipfile

    for path in sorted((DATA / "inspect-eval").rglob("*.eval")):
        with zipfile.ZipFile(path) as archive:
            names = [name for name in archive.namelist() if name.startswith("samples/")]
            there = counted([json.loads(archive.read(name)) for name in names])
        given = [value for each in sessions_of(path, "inspect") for value in values(each)]
        assert counted(given) == there, path


def test_the_files_of_opencode_come_back_under_their_names(tmp_path: Path) -> None:
    seen = 0
    for number, root in enumerate(sorted(path.parent for path in (DATA / "opencode").rglob("message") if path.is_dir())):
        source = counted([json.loads(path.read_bytes()) for kind in ("session", "message") for path in (root / kind).rglob("*.json")])
        back = tmp_path / str(number)
        back.mkdir()
        with EventLog.memory() as log:
            import_paths(log, "opencode", [root])
            export(log, list(log.session_ids()), "opencode", back)
        given = counted([json.loads(path.read_bytes()) for path in back.rglob("*.json") if "part" not in path.relative_to(back).parts])
        assert source - given == Counter(), root
        seen += 1
    assert seen
