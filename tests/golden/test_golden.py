"""Segments of every released format version are read the same for ever, and today's writer writes today's bytes."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from eventlog import EventLog, Settings
from eventlog.events import Event
from eventlog.files.layout import Layout

from . import history

V1 = Path(__file__).parent / "v1"


def store_with(tmp_path: Path, *names: str) -> Path:
    EventLog.open(tmp_path / "store").close()
    folder = Path(Layout(tmp_path / "store").folder(history.SESSION))
    for name in names:
        shutil.copy(V1 / name, folder / name)
    return tmp_path / "store"


@pytest.mark.parametrize("first", ["golden-1.0+000000000001.jsonl", "golden-1.0+000000000001.jsonl.zst"])
def test_golden_segments_of_format_1_are_read_the_same(tmp_path: Path, first: str) -> None:
    with EventLog.open(store_with(tmp_path, first, "golden-1.0.jsonl")) as log:
        assert log.verify().problems == []
        found = list(log.session(history.SESSION).read())
    expected = [event for append in history.APPENDS for event in append]
    assert [stored.event for stored in found] == expected
    assert [stored.seq for stored in found] == list(range(1, len(expected) + 1))
    assert found[0].time.isoformat() == "2026-01-02T03:04:00+00:00"
    assert found[1].time.isoformat() == "2026-01-02T03:04:01.500000+00:00"
    assert [stored.id for stored in found if stored.id] == ["k0", "k3", "k6", "k9", "k12"]
    assert found[0].origin == {"n": 0}
    assert found[1].origin is None


def test_today_s_writer_writes_the_golden_bytes(tmp_path: Path) -> None:
    written = history.write(tmp_path / "store")
    assert [path.name for path in written] == ["golden-1.0+000000000001.jsonl", "golden-1.0.jsonl"]
    for path in written:
        assert path.read_bytes() == (V1 / path.name).read_bytes()


def test_a_golden_segment_is_appended_to(tmp_path: Path) -> None:
    with EventLog.open(store_with(tmp_path, "golden-1.0+000000000001.jsonl.zst", "golden-1.0.jsonl"), settings=Settings()) as log:
        session = log.session(history.SESSION)
        assert session.append(history.APPENDS[0][0]) == 27
        assert isinstance(next(session.read(after=26)).event, Event)
        assert log.verify().ok
