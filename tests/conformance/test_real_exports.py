"""Real Claude Code files, exported in every format: the source comes back, and samples keep the rules of their formats."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import msgspec
import pytest

from eventlog import EventLog, Settings
from eventlog.importers import import_paths
from projections import SessionView, replay, to_messages
from projections.exporters import export
from tests.api_rules import check_anthropic, check_openai, check_openai_sample, check_sharegpt_sample, check_trl_sample

DATA = Path(__file__).resolve().parents[2].parent / "shared" / "data"

pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason="the real session files are not here (../shared/data)")

CLAUDE_CODE = DATA / "claude-code"
SAMPLES = {"openai": check_openai_sample, "trl": check_trl_sample, "sharegpt": check_sharegpt_sample}


def _files() -> list[Path]:
    return sorted([*CLAUDE_CODE.rglob("*.jsonl"), *CLAUDE_CODE.rglob("*.json")])


def _source(path: Path) -> list[Any]:
    if path.suffix == ".json":
        records: list[Any] = json.loads(path.read_bytes())["loglines"]
        return records
    return [json.loads(line) for line in path.read_bytes().split(b"\n") if line.strip()]


def _exported(log: EventLog, session_id: str) -> list[Any]:
    taken: list[bytes] = []
    export(log, [session_id], "claude-code", taken.append)
    return [json.loads(line) for line in b"".join(taken).split(b"\n")[:-1]]


def _strictly(records: list[Any]) -> list[str]:
    """Text that differs wherever the records do: in Python, 1 == 1.0 == True. The order of names makes no difference."""
    return [json.dumps(record, sort_keys=True) for record in records]


def _name(record: Any) -> str | None:
    return record.get("sessionId") if isinstance(record, dict) else None


@pytest.mark.parametrize("path", _files() if CLAUDE_CODE.is_dir() else [], ids=lambda path: path.name)
def test_a_file_comes_back_record_by_record(path: Path, tmp_path: Path) -> None:
    with EventLog.open(tmp_path / "store", sync="never") as log:
        import_paths(log, "claude-code", [path])
        source = _source(path)
        exported = {session_id: _exported(log, session_id) for session_id in log.session_ids()}
        if len(exported) == 1:
            [records] = exported.values()
            assert records == source
            assert _strictly(records) == _strictly(source)
        else:
            together = [record for records in exported.values() for record in records]
            assert sorted(_strictly(together)) == sorted(_strictly(source))
            for session_id, records in exported.items():
                named = [record for record in source if _name(record) == session_id]
                assert [record for record in records if _name(record) is not None] == named
        [session_id, *_] = exported
        assert _exported(log, log.fork(session_id).id) == exported[session_id]


@pytest.fixture(scope="module")
def log() -> EventLog:
    log = EventLog.memory()
    import_paths(log, "claude-code", [CLAUDE_CODE])
    import_paths(log, "openai", [DATA / "openai-messages"])
    return log


def test_compacted_they_take_at_most_a_fifth_of_their_segments(tmp_path: Path) -> None:
    settings = Settings(store=str(tmp_path / "store"), sync="never", compress_after="0")
    with EventLog.open(settings=settings) as log:
        import_paths(log, "claude-code", [CLAUDE_CODE])
        import_paths(log, "openai", [DATA / "openai-messages"])
        raw = log.verify().bytes
    for level in (settings.compression_level, 9):
        copy = tmp_path / f"level-{level}"
        shutil.copytree(tmp_path / "store", copy)
        with EventLog.open(copy, settings=msgspec.structs.replace(settings, compress_after="0", compression_level=level)) as log:
            report = log.compact(idle_s=0)
            assert report.skipped == []
            assert report.bytes_before >= raw
            assert report.bytes_after * 5 <= raw
            assert log.verify().ok


@pytest.mark.parametrize("format", SAMPLES)
def test_samples_of_all_of_them_keep_the_rules(format: str, log: EventLog) -> None:
    taken: list[bytes] = []
    report = export(log, log.session_ids(), format, taken.append)
    rows = [json.loads(line) for line in b"".join(taken).splitlines()]
    for row in rows:
        SAMPLES[format](row)
    assert len(rows) == report.samples
    assert len(rows) >= 26


def test_what_a_model_is_given_of_all_of_them_keeps_the_rules(log: EventLog) -> None:
    for session_id in log.session_ids():
        view = replay(log.session(session_id).read(), SessionView)
        check_openai(to_messages(view))
        check_anthropic(to_messages(view, provider="anthropic"))


def test_what_openai_export_wrote_is_imported_and_written_again(log: EventLog, tmp_path: Path) -> None:
    export(log, log.session_ids(), "openai", tmp_path / "once.jsonl")
    with EventLog.memory() as other:
        report = import_paths(other, "openai", [tmp_path / "once.jsonl"])
        assert report.skipped == []
        export(other, other.session_ids(), "openai", tmp_path / "twice.jsonl")
    # conversations that are equal to the byte are one session, so that sets are compared
    assert set((tmp_path / "twice.jsonl").read_bytes().splitlines()) == set((tmp_path / "once.jsonl").read_bytes().splitlines())


def test_every_session_exports_as_jsonl_and_comes_back(log: EventLog, tmp_path: Path) -> None:
    export(log, log.session_ids(), "jsonl", tmp_path / "all.jsonl")
    with EventLog.memory() as other:
        report = import_paths(other, "jsonl", [tmp_path / "all.jsonl"])
        assert report.skipped == []
        for session_id in log.session_ids():
            there = [stored.raw[:-18] for stored in log.session(session_id).read()]
            assert [stored.raw[:-18] for stored in other.session(session_id).read()] == there
