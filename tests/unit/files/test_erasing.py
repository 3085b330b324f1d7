"""Redaction and purge on disk: afterwards no file of the store holds what was to go, and everything else is as it was."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from eventlog import EventLog, Settings, errors
from eventlog.events import EventRedacted, MessageAdded, SessionDeleted, SessionRestored, SessionStarted
from eventlog.files.layout import Layout
from eventlog.files.replacing import Replacing
from eventlog.importers import import_paths
from eventlog.session import Session
from projections import Catalog
from projections.catalog.cost import NO_PRICES
from tests.files_of import files_that_hold

SECRET = "sk-marker-1234"
SETTINGS = Settings(segment_size_bytes=1_500, frame_size_bytes=600, compress_after="0", lock_timeout_s=2)


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "store"


@pytest.fixture
def log(store: Path) -> EventLog:
    return EventLog.open(store, settings=SETTINGS)


def say(session: Session, text: str, **fields: object) -> int:
    return session.append(MessageAdded(role="user", content=text), **fields)  # type: ignore[arg-type]


def with_secrets(log: EventLog) -> Session:
    """Thirty messages, of which three hold the secret: in a compressed, a sealed and the active segment."""
    session = log.start(id="s", title="t")
    for number in range(2, 32):
        say(session, f"{number} {SECRET if number in (3, 20, 31) else 'harmless'} {'.' * 60}")
    return session


def texts(session: Session) -> dict[int, str]:
    return {stored.seq: stored.event.content for stored in session.read(types=["message.added"])}


def test_a_pattern_goes_from_every_segment_and_everything_else_stays(log: EventLog, store: Path) -> None:
    session = with_secrets(log)
    log.compact()
    before = texts(session)
    report = log.redact("s", pattern=r"sk-\w+-\d+", reason="a key")
    assert (report.seqs, report.announced_seq) == ([3, 20, 31], 32)
    assert files_that_hold(store, SECRET) == []
    assert texts(session) == {seq: text.replace(SECRET, "[redacted]") for seq, text in before.items()}
    (announced,) = session.read(after=31)
    assert announced.event == EventRedacted(seqs=[3, 20, 31], what="matches of a pattern", reason="a key")
    found = log.verify()
    assert found.ok
    assert {rewrite.reason for rewrite in found.rewrites} == {"redaction"}
    assert len(found.rewrites) == report.segments == 3
    assert say(session, "goes on") == 33


def test_a_pattern_goes_from_every_frame_of_a_compressed_segment(log: EventLog, store: Path) -> None:
    session = log.start(id="s", title="t")
    for _ in range(30):
        say(session, f"{SECRET} {'.' * 60}")
    log.compact()
    assert log.redact("s", pattern=SECRET).seqs == list(range(2, 32))
    assert files_that_hold(store, SECRET) == []
    assert log.verify().ok


def test_events_are_emptied_by_seq_with_their_source_records(log: EventLog, store: Path) -> None:
    session = with_secrets(log)
    say(session, "x", origin={"format": "f", "record": {"text": SECRET}})
    report = log.redact("s", seqs=[32, 3, 20, 31])
    assert report.seqs == [3, 20, 31, 32]
    assert files_that_hold(store, SECRET) == []
    assert texts(session)[3] == "[redacted]"
    assert texts(session)[4].startswith("4 harmless")
    assert log.verify().ok


def test_redacting_again_finds_nothing_and_says_so(log: EventLog) -> None:
    session = with_secrets(log)
    log.redact("s", pattern=SECRET)
    again = log.redact("s", pattern=SECRET)
    assert (again.seqs, again.segments, again.announced_seq) == ([], 0, None)
    assert session.last_seq == 32


def test_a_dry_run_says_which_events_and_changes_nothing(log: EventLog, store: Path) -> None:
    session = with_secrets(log)
    before = files_that_hold(store, SECRET)
    assert log.redact("s", pattern=SECRET, dry_run=True).seqs == [3, 20, 31]
    assert files_that_hold(store, SECRET) == before != []
    assert session.last_seq == 31


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"seqs": [99]}, "there is no event 99 in session 's'"),
        ({"seqs": [0]}, "from 1"),
        ({"seqs": []}, "from 1"),
        ({"pattern": "x*"}, "the empty text"),
        ({"pattern": SECRET, "reason": f"it is {SECRET}"}, "the reason holds what is to be removed"),
    ],
)
def test_what_cannot_be_meant_is_refused_before_anything_is_done(log: EventLog, arguments: dict[str, object], says: str) -> None:
    session = with_secrets(log)
    with pytest.raises(errors.InvalidInput, match=says):
        log.redact("s", **arguments)  # type: ignore[arg-type]
    assert session.last_seq == 31


def test_redact_takes_seqs_or_a_pattern_and_a_session_that_is_there(log: EventLog) -> None:
    with pytest.raises(ValueError, match="seqs or a pattern"):
        log.redact("s")
    with pytest.raises(errors.SessionNotFound):
        log.redact("nobody", pattern="x")


def test_a_torn_tail_in_quarantine_goes_too(log: EventLog, store: Path) -> None:
    session = with_secrets(log)
    active = next((store / "sessions").rglob("s.jsonl"))
    with active.open("ab") as file:
        file.write(b'{"seq":32,"time":"2026-01-01T00:00:00.000000Z","type":"message.added","data":{"content":"other-' + SECRET.encode())
    say(session, "sets it aside")
    assert [name for name in files_that_hold(store, "other-" + SECRET) if name.startswith("quarantine/")]
    report = log.redact("s", pattern="other-" + SECRET)
    assert (report.seqs, report.quarantine) == ([], 1)
    assert files_that_hold(store, "other-" + SECRET) == []


def test_damaged_bytes_that_hold_it_go_and_the_proven_events_around_them_stay(log: EventLog, store: Path) -> None:
    session = with_secrets(log)
    session.close()
    (path,) = [path for path in (store / "sessions").rglob("s*.jsonl") if b'"seq":31,' in path.read_bytes()]
    path.write_bytes(path.read_bytes().replace(b"31 " + SECRET.encode(), b"32 " + SECRET.encode()))  # damage: its checksum is wrong now
    with EventLog.open(store, settings=SETTINGS) as other:
        session = other.session("s")
        say(session, "leaves the damaged segment")
        assert not other.verify().ok
        report = other.redact("s", pattern=SECRET)
        assert report.damaged_bytes > 0
        assert files_that_hold(store, SECRET) == []
        assert other.verify().ok
        assert 31 not in texts(session)
        assert texts(session)[30].startswith("30 harmless")


def test_damage_that_was_an_event_goes_when_its_seq_is_named(log: EventLog, store: Path) -> None:
    with_secrets(log).close()
    (path,) = [path for path in (store / "sessions").rglob("s*.jsonl") if b'"seq":31,' in path.read_bytes()]
    path.write_bytes(path.read_bytes().replace(b"31 " + SECRET.encode(), b"32 " + SECRET.encode()))
    with EventLog.open(store, settings=SETTINGS) as other:
        say(other.session("s"), "leaves the damaged segment")
        other.redact("s", seqs=[31])
        assert files_that_hold(store, "32 " + SECRET) == []
        assert other.verify().ok


def test_a_file_that_was_repaired_leaves_its_copy_in_quarantine_until_a_redaction(log: EventLog, store: Path) -> None:
    with_secrets(log).close()
    path = next(path for path in (store / "sessions").rglob("s+000000000001.jsonl"))
    data = bytearray(path.read_bytes())
    data[data.index(b"4 harmless")] ^= 1
    path.write_bytes(data)
    with EventLog.open(store, settings=SETTINGS) as other:
        other.repair(apply=True)
        assert other.verify().ok
        assert [name for name in files_that_hold(store, SECRET) if name.startswith("quarantine/")]
        other.redact("s", pattern=SECRET)
    assert files_that_hold(store, SECRET) == []


def test_a_deleted_session_is_redacted_and_stays_deleted_as_it_was(log: EventLog, store: Path) -> None:
    session = with_secrets(log)
    log.delete("s", "why")
    (tombstone,) = session.read(after=31)
    log.redact("s", pattern=SECRET)
    *_, restored, redacted, deleted = session.read()
    assert [type(stored.event) for stored in (restored, redacted, deleted)] == [SessionRestored, EventRedacted, SessionDeleted]
    assert (deleted.event, deleted.time) == (tombstone.event, tombstone.time)
    assert files_that_hold(store, SECRET) == []
    with pytest.raises(errors.SessionDeleted):
        say(session, "x")


@pytest.mark.parametrize("erase", ["redact", "purge"])
def test_an_open_catalog_forgets_it_and_so_do_its_files(log: EventLog, store: Path, erase: str) -> None:
    with_secrets(log)
    with log.start(id="other", title="stays") as other, Catalog.open(log, prices=NO_PRICES) as catalog:
        say(other, "marker of another")
        assert catalog.search("marker").total == 4
        assert files_that_hold(store, "marker")
        if erase == "redact":
            log.redact("s", pattern=SECRET)
        else:
            log.purge("s", now=True)
        assert files_that_hold(store, SECRET) == []
        assert catalog.search("marker").total == 1
        assert {item.session_id for item in catalog.list(deleted=True).items} == {"s", "other"}
        assert files_that_hold(store, SECRET) == []
    with Catalog.open(log, prices=NO_PRICES) as catalog:
        assert catalog.search("marker").total == 1


@pytest.mark.parametrize("by", ["seq", "pattern"])
def test_importing_the_file_again_does_not_bring_it_back(log: EventLog, store: Path, tmp_path: Path, by: str) -> None:
    source = tmp_path / "0b6e7d1e-5a3c-4d52-8f0e-1f8f3c0f5a11.jsonl"
    records = [
        {
            "type": "user",
            "uuid": f"u{n}",
            "timestamp": f"2026-01-01T00:00:0{n}Z",
            "sessionId": source.stem,
            "message": {"role": "user", "content": text},
        }
        for n, text in enumerate(["hello", f"the {SECRET}", "bye"])
    ]
    source.write_text("".join(json.dumps(record) + "\n" for record in records))
    import_paths(log, "claude-code", [source])
    (session_id,) = log.session_ids()
    session = log.session(session_id)
    (seq,) = [stored.seq for stored in session.read() if SECRET.encode() in stored.raw]
    if by == "seq":
        log.redact(session_id, seqs=[seq])
    else:
        log.redact(session_id, pattern=SECRET)
    position = session.last_seq
    assert files_that_hold(store, SECRET) == []
    assert import_paths(log, "claude-code", [source]).events_added == 0
    assert session.last_seq == position
    with source.open("a") as file:
        file.write(json.dumps({**records[2], "uuid": "u9", "timestamp": "2026-01-01T00:00:09Z"}) + "\n")
    with EventLog.open(store, settings=SETTINGS) as later:
        assert import_paths(later, "claude-code", [source]).events_added == 1
    assert files_that_hold(store, SECRET) == []


def test_a_purge_leaves_one_segment_with_a_tombstone(log: EventLog, store: Path) -> None:
    session = with_secrets(log)
    log.compact()
    say(session, "more")
    log.delete("s", "why")
    report = log.purge("s", now=True)
    (path,) = (store / "sessions").rglob("s.*")
    assert path.name == "s.jsonl.zst"
    assert files_that_hold(store, "harmless") == files_that_hold(store, SECRET) == []
    (left,) = session.read()
    assert (left.seq, left.event) == (report.seq, SessionDeleted(reason="why"))
    found = log.verify()
    assert found.ok
    assert [(rewrite.reason, rewrite.segment) for rewrite in found.rewrites] == [("purged", path.name)]
    assert session.last_seq == report.seq
    assert report.freed_bytes > 1_000


def test_the_id_of_a_purged_session_stays_burned(log: EventLog, store: Path) -> None:
    session = with_secrets(log)
    log.purge("s", now=True)
    with pytest.raises(errors.SessionExists):
        log.start(id="s")
    for handle in (session, log.session("s", create=True)):
        with pytest.raises(errors.SessionDeleted):
            say(handle, "x")
    with pytest.raises(errors.SessionPurged):
        log.restore("s")
    assert [path.name for path in store.rglob("s*.zst")] == ["s.jsonl.zst"]  # what is refused changes no name
    assert log.purge("s").files == 0
    assert log.verify().ok


def test_a_purge_waits_for_the_grace_period(store: Path) -> None:
    with EventLog.open(store, settings=SETTINGS.replace(grace_period_s=3600)) as log:
        with_secrets(log)
        with pytest.raises(errors.NotDeleted):
            log.purge("s")
        log.delete("s")
        with pytest.raises(errors.StillRestorable) as caught:
            log.purge("s")
        assert caught.value.until > "2026"
        assert files_that_hold(store, SECRET)
    with EventLog.open(store, settings=SETTINGS.replace(grace_period_s=0)) as log:
        assert [(each.session_id, each.is_due, each.is_purged) for each in log.deleted()] == [("s", True, False)]
        assert log.purge("s", dry_run=True).freed_bytes > 0
        assert files_that_hold(store, SECRET)
        log.purge("s")
        assert files_that_hold(store, SECRET) == []
        assert [(each.session_id, each.is_due, each.is_purged) for each in log.deleted()] == [("s", False, True)]


def test_a_purge_that_nobody_deleted_before_leaves_the_reason_that_is_given(log: EventLog) -> None:
    session = with_secrets(log)
    log.purge("s", now=True, reason="asked to")
    assert [stored.event for stored in session.read()] == [SessionDeleted(reason="asked to")]


def test_a_session_of_a_tombstone_alone_can_be_purged(log: EventLog) -> None:
    session = log.session("s", create=True)
    session.append(SessionDeleted())
    log.purge("s", now=True)
    assert [stored.event for stored in session.read()] == [SessionDeleted()]
    assert log.verify().ok


def test_a_writer_that_held_the_session_open_notices_the_purge(log: EventLog, store: Path) -> None:
    session = with_secrets(log)
    say(session, "its descriptor is open")
    with EventLog.open(store, settings=SETTINGS) as other:
        other.purge("s", now=True)
    with pytest.raises(errors.SessionDeleted):
        say(session, SECRET)
    assert files_that_hold(store, SECRET) == []
    assert log.verify().ok


def test_a_tombstone_that_was_sealed_still_refuses_appends(log: EventLog) -> None:
    session = log.start(id="s")
    log.delete("s")
    log.compact(idle_s=0)
    with pytest.raises(errors.SessionDeleted):
        say(session, "x")
    assert log.restore("s") == 3
    assert say(session, "x") == 4


def test_a_compression_that_comes_late_brings_nothing_back(log: EventLog, store: Path) -> None:
    with_secrets(log)
    layout = Layout(store)
    backend = log._backend
    for erase in (lambda: log.redact("s", pattern=SECRET), lambda: log.purge("s", now=True)):
        with Replacing(backend.disk, layout, layout.segments("s")[:1], SETTINGS) as late:  # type: ignore[attr-defined]
            assert late.write(late.lines())
            erase()
            assert late.lock(wait=True)
            assert not late.put_in_place()
        assert files_that_hold(store, SECRET) == []


def test_a_session_started_only_is_redacted_in_its_title(log: EventLog, store: Path) -> None:
    session = log.start(id="s", title=SECRET, tags=[SECRET], metadata={SECRET: SECRET})
    log.redact("s", seqs=[1])
    assert files_that_hold(store, SECRET) == []
    assert next(session.read()).event == SessionStarted(title="[redacted]")


def test_a_fifo_in_quarantine_is_not_waited_for(tmp_path: Path) -> None:
    with EventLog.open(tmp_path) as log:
        log.start(id="s").append(MessageAdded(role="user", content="the secret"))
        quarantine = tmp_path / "quarantine"
        quarantine.mkdir(exist_ok=True)
        os.mkfifo(quarantine / "s.jsonl.922.573f05b3c8dd7227.torn")
        assert log.redact("s", pattern="secret").seqs == [2]
        assert log.redact("s", pattern="no such thing").seqs == []
