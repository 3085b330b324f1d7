"""An import that was interrupted at any step is finished by importing again: whole records, each once."""

from __future__ import annotations

from pathlib import Path

from eventlog import EventLog
from eventlog.files.backend import FilesBackend
from eventlog.importers import import_paths
from eventlog.settings import Settings
from eventlog.testing.counting import CountingDisk
from eventlog.testing.crashing import CrashingDisk

FIXTURES = Path(__file__).parents[1] / "fixtures" / "claude-code"


def _settings(root: Path) -> Settings:
    return Settings(store=root / "store", compress_after="0")


def _events(log: EventLog) -> dict[str, list[tuple[int, str, object, object]]]:
    return {
        session_id: [(s.seq, s.type, s.time, s.origin) for s in log.session(session_id).read()] for session_id in sorted(log.session_ids())
    }


def test_after_a_power_loss_at_any_step_importing_again_ends_as_if_nothing_had_happened(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    disk = CrashingDisk(root)
    with EventLog(FilesBackend.open(_settings(root), disk=disk), _settings(root)) as log:
        import_paths(log, "claude-code", [FIXTURES])
        whole = _events(log)
    tried = 0
    for count, medium in disk.history():
        after = tmp_path / f"after-{count}"
        medium.lose_power(str(after), count, (0.0, 0.5, 1.0)[count % 3])
        if not (after / "store" / "store.json").exists():
            continue
        with EventLog.open(settings=_settings(after)) as log:
            import_paths(log, "claude-code", [FIXTURES])
            assert _events(log) == whole
            assert import_paths(log, "claude-code", [FIXTURES]).events_added == 0
        tried += 1
    assert tried > 20


def test_a_session_is_synced_once_when_its_file_is_through(tmp_path: Path) -> None:
    disk = CountingDisk()
    settings = _settings(tmp_path)
    with EventLog(FilesBackend.open(settings, disk=disk), settings) as log:
        report = import_paths(log, "claude-code", [FIXTURES])
        shards = {path.parent.name for path in (tmp_path / "store" / "sessions").rglob("*.jsonl")}
    assert report.sessions == 2
    assert sum(disk.count("sync", shard) for shard in shards) == 2
