"""The history behind the golden segments: every built-in event type, batches, ids, origins, unknown types, all with fixed times.

``python -m tests.golden.history FOLDER`` writes the segments as today's writer does. Those of a released format are never written
again: they must be read the same for ever.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from eventlog import EventLog, Settings
from eventlog.events import (
    Artifact,
    ContextCompacted,
    ContextUpdated,
    Cost,
    ErrorLogged,
    Event,
    EventRedacted,
    MessageAdded,
    MessageAmended,
    MessageDelta,
    MessageRetracted,
    ModeChanged,
    ModelChanged,
    Parent,
    Part,
    SessionCompacted,
    SessionDeleted,
    SessionEnded,
    SessionMerged,
    SessionRestored,
    SessionResumed,
    SessionStarted,
    SessionUpdated,
    Source,
    SourceRecord,
    ToolCalled,
    ToolReturned,
    UnknownEvent,
    UsageRecorded,
)
from eventlog.files import replacing
from eventlog.files.backend import FilesBackend

SESSION = "golden-1.0"

PARTS = [
    Part(type="text", content="Grüße, 日本, 🙂 \u2028 \x00"),
    Part(type="reasoning", content="because"),
    Part(type="tool_call", id="c1", name="bash", arguments={"command": "ls", "n": 1.5}),
    Part(type="tool_call_response", id="c1", response=None, is_error=True),
    Part(type="blob", mime_type="image/png", modality="image", content="iVBORw0KGgo="),
    Part(type="uri", uri="https://example.org/a", metadata={"k": []}),
    Part(type="file", file_id="f1"),
]

APPENDS: list[list[Event | UnknownEvent]] = [
    [SessionStarted(title="t", tags=["a", "b"], kind="agent", settings={"temperature": 0}, parent=Parent(session_id="p", seq=3))],
    [SessionUpdated(title=None, add_tags=["c"], metadata={"x": None}, pinned=True)],
    [MessageDelta(message_id="m1", content="He"), MessageDelta(message_id="m1", content="llo", kind="reasoning")],
    [
        MessageAdded(role="assistant", content=PARTS, message_id="m1", model="m"),
        UsageRecorded(message_id="m1", input_tokens=1, cost=Cost(amount=0.25)),
    ],
    [MessageAmended(message_id="m1", content="better"), MessageRetracted(message_id="m1", reason="wrong")],
    [
        ToolCalled(name="f", arguments=[1, "x", None], call_id="c"),
        ToolReturned(call_id="c", output={"a": 1}, artifacts=[Artifact(path="/a")]),
    ],
    [ModelChanged(model="m", provider="p"), ModeChanged(mode="plan"), ContextUpdated(topics=["t"], intent=None)],
    [ContextCompacted(summary="s", first_kept_seq=2, tokens_before=10, tokens_after=1), ErrorLogged(message="e", details={"code": 5})],
    [SessionMerged(sources=[Source(session_id="q", first_seq=1, last_seq=2)]), EventRedacted(seqs=[4], what="a key")],
    [SessionCompacted(left_out=[(3, 4)]), SourceRecord(kind="progress")],
    [UnknownEvent("another.tool", {"deep": [[{}]]}), UnknownEvent("another.tool", {"v": 2}, 3)],
    [SessionResumed(), SessionDeleted(reason="r"), SessionRestored(), SessionEnded(status="failed")],
    [MessageAdded(role="user", content='after the end: ,"crc":"deadbeef"}')],
]


def write(store: Path) -> list[Path]:
    """Record the history; returns the two raw segments, the sealed and the active one."""
    with EventLog.open(store, settings=Settings()) as log, log.session(SESSION, create=True) as session:
        for number, events in enumerate(APPENDS):
            when = f"2026-01-02T03:04:{number:02d}{'.5' if number % 2 else ''}Z"
            session.append(
                *events, time=when, id=f"k{number}" if number % 3 == 0 else None, origin={"n": number} if number % 4 == 0 else None
            )
    return sorted(store.glob("sessions/*/*.jsonl"))


def compress_first(store: Path) -> Path:
    """The first segment in its compressed form, in several frames, in its place."""
    backend = FilesBackend.open(Settings(store=store, frame_size_bytes=1_000))
    assert replacing.compress(backend, backend.disk, backend.layout, backend.layout.segments(SESSION)[0])
    (path,) = store.glob("sessions/*/*.jsonl.zst")
    return path


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        store = Path(folder) / "store"
        for path in write(store):
            (Path(sys.argv[1]) / path.name).write_bytes(path.read_bytes())
        path = compress_first(store)
        (Path(sys.argv[1]) / path.name).write_bytes(path.read_bytes())
