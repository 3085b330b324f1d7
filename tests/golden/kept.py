"""A whole store as a release leaves it behind: what a user has on disk when the next release is installed.

``python -m tests.golden.kept VERSION`` makes ``stores/VERSION.tar.gz`` and beside it ``stores/VERSION.json``, which says what is in it.
That is done once, when a version is released, and never again: later ones must open the store, tell the same of it, and go on with it.
"""

from __future__ import annotations

import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Any

import msgspec

from eventlog import EventLog, Settings
from eventlog.events import HistoryRetracted, MessageAdded, SessionStarted
from projections import Catalog

STORES = Path(__file__).parent / "stores"
SETTINGS = Settings(segment_size_bytes=2_000, frame_size_bytes=500)


def make(store: Path) -> None:
    """Raw, numbered, compressed and joined segments; an id with upper-case letters; what was redacted, purged, deleted, taken back, forked
    and merged; a torn tail in quarantine; an index."""
    with EventLog.open(store, settings=SETTINGS) as log:
        for session_id, count in (("chat", 30), ("Agent.1", 30), ("secret", 3), ("gone", 3), ("purged", 3), ("torn", 3), ("short", 1)):
            session = log.session(session_id, create=True)
            session.append(SessionStarted(title=f"The {session_id}", tags=["kept"]), time="2026-01-02T03:04:05Z")
            for number in range(count):
                role = "assistant" if number % 2 else "user"
                session.append(MessageAdded(role=role, content=f"{session_id} {number} {'x' * 80}"), id=f"{session_id}-{number}")
        log.session("chat").append(HistoryRetracted(ranges=[(29, 31)]))
        log.fork("chat", 10, id="forked")
        log.merge(["secret", "short"])
        log.redact("secret", pattern="secret 1", reason="a secret")
        log.delete("gone")
        log.purge("purged", now=True)
    with EventLog.open(store, settings=SETTINGS.replace(segment_size_bytes=20_000)) as log:
        log.compact(["Agent.1"], idle_s=0)
    with next(store.rglob("torn.jsonl")).open("ab") as file:
        file.write(b'{"seq":5,"time":"2026-')
    with EventLog.open(store, settings=SETTINGS) as log:
        log.session("torn").append(MessageAdded(role="user", content="after the tear"))
        with Catalog.open(log) as catalog:
            catalog.list()


def told(store: Path) -> dict[str, Any]:
    """What the store says of itself: each session's events, and its line in the list."""
    with EventLog.open(store, create=False) as log:
        problems = log.verify().problems
        events = {
            session_id: [
                [stored.seq, stored.type, stored.id, msgspec.to_builtins(stored.event)] for stored in log.session(session_id).read()
            ]
            for session_id in sorted(log.session_ids())
        }
        with Catalog.open(log) as catalog:
            listed = {item.session_id: [item.title, item.status, item.events, item.messages] for item in catalog.list().items}
            found = sorted(hit.session_id for hit in catalog.search("tear").items)
    return {"problems": [problem.kind for problem in problems], "events": events, "listed": listed, "found": found}


def main(version: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        store = Path(folder) / "store"
        make(store)
        (STORES / f"{version}.json").write_bytes(msgspec.json.format(msgspec.json.encode(told(store)), indent=1) + b"\n")
        with tarfile.open(STORES / f"{version}.tar.gz", "w:gz") as archive:
            archive.add(store, "store")


if __name__ == "__main__":
    main(sys.argv[1])
