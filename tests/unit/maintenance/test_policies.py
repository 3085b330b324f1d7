"""The settings' policies on a log without a disk, and the names of backups."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path

import pytest

from eventlog import EventLog
from eventlog.errors import Unsupported
from eventlog.maintenance.policies import back_up, compact, generations, retain
from eventlog.settings import Settings


def test_what_a_log_cannot_do_is_not_a_policy_that_fails() -> None:
    with EventLog.memory() as log:
        assert compact(log, dry_run=False) is None
        assert retain(log, dry_run=False) is None
        assert back_up(log, datetime.now(timezone.utc), dry_run=False) is None


def test_a_backup_that_was_asked_for_and_cannot_be_made_is_said(tmp_path: Path) -> None:
    with EventLog.memory() as log:
        log.settings = Settings(backup_folder=str(tmp_path / "b"))
        with pytest.raises(Unsupported, match="backup"):
            back_up(log, datetime.now(timezone.utc), dry_run=False)
    assert generations(tmp_path / "b") == []


def test_only_folders_of_that_name_are_generations(tmp_path: Path) -> None:
    for name in ("eventlog-20260101-000000", "eventlog-20250101-000000", "eventlog-2026", "unfinished", "photos"):
        (tmp_path / name).mkdir()
    assert generations(tmp_path) == ["eventlog-20250101-000000", "eventlog-20260101-000000"]
