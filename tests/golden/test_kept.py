"""The store of each release is opened, tells the same as then, and is gone on with."""

from __future__ import annotations

import tarfile
from pathlib import Path

import msgspec
import pytest

from eventlog import EventLog
from eventlog.events import MessageAdded

from . import kept

VERSIONS = sorted(path.name.removesuffix(".tar.gz") for path in kept.STORES.glob("*.tar.gz"))


@pytest.fixture(params=VERSIONS)
def version(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def store(version: str, tmp_path: Path) -> Path:
    with tarfile.open(kept.STORES / f"{version}.tar.gz") as archive:
        archive.extractall(tmp_path, filter="data")
    return tmp_path / "store"


def test_it_tells_the_same_as_it_did_then(store: Path, version: str) -> None:
    then = msgspec.json.decode((kept.STORES / f"{version}.json").read_bytes())
    assert then["problems"] == []
    assert set(then["events"]) >= {"chat", "Agent.1", "secret", "gone", "purged", "torn", "forked"}
    assert msgspec.json.decode(msgspec.json.encode(kept.told(store))) == then


def test_every_session_of_it_is_gone_on_with(store: Path) -> None:
    with EventLog.open(store, create=False) as log:
        for session_id in list(log.session_ids()):
            if session_id in ("gone", "purged"):
                continue
            session = log.session(session_id)
            assert session.append(MessageAdded(role="user", content="more")) == session.last_seq
        for session_id in ("chat", "Agent.1", "torn"):  # the ids that were given then still count
            before = log.session(session_id).last_seq
            assert log.session(session_id).append(MessageAdded(role="user", content="again"), id=f"{session_id}-0") <= before
        log.compact(idle_s=0)
        assert log.verify().ok
