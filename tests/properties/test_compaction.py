"""For any history: compacting, however often, changes no view, no position and no line that stays."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from eventlog import EventLog, Settings
from eventlog.errors import SessionDeleted
from eventlog.events import MessageAdded, MessageDelta
from projections import Catalog, SessionView, replay
from projections.catalog.cost import NO_PRICES

from .test_session_view import events, histories, ids, times, words

COMPACT, DROP_DELTAS = "compact", "drop deltas"

# As a program streams: deltas, then the whole message.
streams = st.builds(
    lambda message_id, pieces: [
        *[MessageDelta(message_id=message_id, content=piece) for piece in pieces],
        MessageAdded(role="assistant", content="".join(pieces), message_id=message_id),
    ],
    ids,
    st.lists(words, max_size=3),
)
steps = st.lists(
    st.tuples(streams | st.lists(events, min_size=1, max_size=3), times) | st.sampled_from([COMPACT, DROP_DELTAS]), max_size=20
)
SETTINGS = Settings(segment_size_bytes=700, frame_size_bytes=300, sync="never", compress_after="0", compression_level=1)


def open_log(folder: str, **changes: Any) -> EventLog:
    return EventLog.open(Path(folder) / "store", settings=SETTINGS.replace(**changes))


def lines(log: EventLog) -> dict[int, tuple[str, Any]]:
    return {stored.seq: (stored.type, msgspec.json.decode(stored.raw)["data"]) for stored in log.session("s", create=True).read()}


def told(log: EventLog) -> tuple[Any, Any, Any]:
    """What the projections say, but for the number of events and their size."""
    view = msgspec.to_builtins(replay(log.session("s", create=True).read(), SessionView))
    view["counts"].pop("events")
    with Catalog.open(log, prices=NO_PRICES) as catalog:
        items = [msgspec.to_builtins(item) for item in catalog.list(deleted=True).items]
        calls = msgspec.to_builtins(catalog.tools(session_id="s")) if items else None
    for item in items:
        del item["events"], item["size_bytes"]
    return view, items, calls


@settings(max_examples=40)
@given(steps, st.sampled_from([700, 5_000]))
def test_views_are_the_same_before_and_after(history: list[Any], target_size: int) -> None:
    with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as folder, open_log(folder) as log:
        session = log.session("s", create=True)
        for step in [*history, COMPACT, DROP_DELTAS]:
            if step not in (COMPACT, DROP_DELTAS):
                try:
                    session.append(*step[0], time=step[1])
                except SessionDeleted:
                    pass  # refused, as it should be
                continue
            before, stood, position = told(log), lines(log), session.last_seq
            with open_log(folder, segment_size_bytes=target_size) as compacting:
                report = compacting.compact(drop_deltas=step == DROP_DELTAS, idle_s=0)
            assert report.skipped == []
            assert log.verify().ok
            assert told(log) == before
            stands = lines(log)
            gone = {seq: stood[seq][0] for seq in set(stood) - set(stands)}
            assert set(gone.values()) <= ({"message.delta"} if step == DROP_DELTAS else set())
            assert len(gone) == report.left_out
            assert {seq: line for seq, line in stands.items() if seq <= position} == {seq: stood[seq] for seq in stood if seq not in gone}
            assert session.last_seq == position + bool(gone)


@settings(max_examples=15)
@given(histories)
def test_a_compacted_session_reads_the_same_from_any_position(history: list[Any]) -> None:
    with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as folder, open_log(folder) as log:
        session = log.session("s", create=True)
        for event, time in history:
            try:
                session.append(event, time=time)
            except SessionDeleted:
                continue
        with open_log(folder, segment_size_bytes=3_000) as compacting:
            compacting.compact(drop_deltas=True, idle_s=0)
        seqs = [stored.seq for stored in session.read()]
        for after in range(session.last_seq + 2):
            assert [stored.seq for stored in session.read(after=after)] == [seq for seq in seqs if seq > after]
            assert [stored.seq for stored in session.read(before=after)] == [seq for seq in seqs if seq < after]
