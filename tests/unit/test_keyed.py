from __future__ import annotations

import json
from hashlib import sha256

import pytest

from eventlog import EventLog
from eventlog.errors import InvalidInput
from eventlog.events import MessageAdded
from eventlog.keyed import keyed_id


def test_the_id_follows_from_the_key() -> None:
    digest = sha256(json.dumps(["c-1", "ü"], ensure_ascii=False, separators=(",", ":")).encode()).hexdigest()[:24]
    with EventLog.memory() as log:
        session = log.keyed("slack", "c-1", "ü")
        assert session.id == f"slack-{digest}" == keyed_id("slack", "c-1", "ü")
        (started,) = [stored.event for stored in session.read()]
        assert started.metadata["key"] == {"namespace": "slack", "key": ["c-1", "ü"], "generation": 1}  # type: ignore[union-attr]
        assert log.keyed("slack", "c-1", "ü").id == session.id
        assert session.last_seq == 1


def test_after_a_deletion_the_key_has_its_next_generation_and_a_restored_one_is_not_current() -> None:
    with EventLog.memory() as log:
        first = log.keyed("n", "k").id
        log.delete(first)
        second = log.keyed("n", "k")
        assert second.id == f"{first}.2"
        log.restore(first)
        assert log.keyed("n", "k").id == second.id
        log.delete(second.id)
        log.restore(second.id)
        log.session(second.id).append(MessageAdded(role="user", content="x"))
        assert log.keyed("n", "k").id == second.id


def test_a_namespace_that_is_none_is_refused() -> None:
    with EventLog.memory() as log:
        with pytest.raises(InvalidInput, match="a namespace matches"):
            log.keyed("a b", "k")
        with pytest.raises(TypeError, match="one text or several"):
            log.keyed("a")
