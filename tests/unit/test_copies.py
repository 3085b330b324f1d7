"""What a copy says of where it came from."""

from __future__ import annotations

import msgspec

from eventlog import EventLog, limits
from eventlog.backend import Lines
from eventlog.events import ContextCompacted, MessageAdded
from eventlog.line import Envelope, encode
from eventlog.meaning import copies
from eventlog.meaning.copies import Identity
from eventlog.stored import StoredEvent, decode

RECORD = {"format": "test", "record": {"a": 1}}
HELLO = MessageAdded(role="user", content="Hello")


def stored_with(origin: bytes | None, session_id: str = "here") -> StoredEvent:
    envelope = Envelope(3, "2026-01-01T00:00:00.000000Z", HELLO.type, HELLO, origin=None if origin is None else msgspec.Raw(origin))
    (event,) = decode(Lines(session_id, encode(envelope, 0)[0]))
    return event


def test_however_often_an_event_is_copied_its_origin_has_three_links() -> None:
    with EventLog.memory() as log:
        log.start(id="s0").append(HELLO, origin=RECORD)
        for number in range(1, 300):
            log.fork(f"s{number - 1}", id=f"s{number}")
        last = list(log.session("s299").read())[1]
        first = list(log.session("s1").read())[1]
    assert first.origin == {"session_id": "s0", "seq": 2, "origin": RECORD}
    assert last.origin == {"session_id": "s298", "seq": 2, "origin": {"session_id": "s0", "seq": 2, "origin": RECORD}}
    assert copies.identity(last) == copies.identity(first) == Identity("s0", 2)
    assert copies.taken_from(last) == Identity("s298", 2)
    assert bytes(copies.innermost(last.origin_raw)) == msgspec.json.encode(RECORD)


def test_what_a_dropped_link_said_is_said_by_the_outermost() -> None:
    chain = (
        b'{"session_id":"b","seq":2,"ids":{"m":"b:m"},"origin":{"session_id":"a","seq":1,"first_kept_seq":9,"ids":{"m":"x"},"later":[1]}}'
    )
    assert msgspec.json.decode(copies.origin_of(stored_with(chain))) == {
        "session_id": "here",
        "seq": 3,
        "ids": {"m": "b:m"},
        "first_kept_seq": 9,
        "later": [1],
        "origin": {"session_id": "a", "seq": 1},
    }
    assert msgspec.json.decode(copies.origin_of(stored_with(chain), b',"first_kept_seq":4'))["first_kept_seq"] == 4


def test_a_compaction_keeps_its_meaning_through_copies_of_copies() -> None:
    with EventLog.memory() as log:
        log.start(id="a").append(HELLO, HELLO, ContextCompacted(summary="S", first_kept_seq=3))
        log.start(id="b").append(HELLO)
        merged = log.merge(["a", "b"])
        once = log.fork(merged.id, id="f1")
        twice = log.fork(once.id, id="f2")
        for session in (merged, once, twice):
            (compacted,) = session.read(types=["context.compacted"])
            kept = copies.first_kept_seq(compacted, compacted.event.first_kept_seq)
            assert kept is not None
            (named,) = session.read(after=kept - 1, before=kept + 1)
            assert copies.identity(named) == Identity("a", 3)


def test_a_chain_of_an_older_log_is_followed_to_its_end_and_cut_when_it_is_copied() -> None:
    origin = b'{"format":"test","record":{"a":1}}'
    for number in range(2000):
        origin = b'{"session_id":"s%d","seq":2,"origin":%b}' % (number, origin)
    event = stored_with(origin)
    assert copies.identity(event) == Identity("s0", 2)
    copied = copies.origin_of(event)
    assert limits.depth(bytes(copied)) == 4
    assert msgspec.json.decode(copied)["origin"] == {"session_id": "s0", "seq": 2, "origin": RECORD}


def test_what_an_older_log_took_too_deep_is_copied_as_its_text() -> None:
    data = b'{"a":' * 300 + b"1" + b"}" * 300
    line, _ = encode(Envelope(3, "2026-01-01T00:00:00.000000Z", "a.b", msgspec.Raw(data), 4), 0)
    (event,) = decode(Lines("here", line))
    envelope = copies.copy(event, more=False)
    assert (envelope.type, envelope.v) == ("source.record", 1)
    assert msgspec.json.decode(envelope.data)["kind"] == "a.b"
    assert msgspec.json.decode(envelope.origin) == {"session_id": "here", "seq": 3, "record": data.decode()}
    with EventLog.memory() as log, log.start() as session:
        assert session.append_envelopes([envelope]) == 2
