from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from zlib import crc32

import msgspec
import pytest

from eventlog import line, stored, timestamps
from eventlog.backend import Lines
from eventlog.events import MessageAdded, MessageAmended, Part, UnknownEvent
from eventlog.line import Envelope
from eventlog.stored import StoredEvent

TIME = "2026-01-02T03:04:05.678901Z"


def chunk(*seqs: int, session_id: str = "s", **fields: object) -> Lines:
    """Lines of messages with these seqs, each of which says its own."""
    written, running = b"", 0
    for seq in seqs:
        envelope = Envelope(seq, TIME, "message.added", MessageAdded(role="user", content=f"message {seq}"))
        for name, value in fields.items():
            setattr(envelope, name, value)
        one, running = line.encode(envelope, running)
        written += one
    return Lines(session_id, written)


@pytest.mark.parametrize("seqs", [(1, 2, 3), (9_998, 9_999, 10_000, 10_001), (4, 5, 9, 10, 200), (7,)])
def test_each_event_finds_its_own_line_also_where_events_are_missing_between_them(seqs: tuple[int, ...]) -> None:
    lines = chunk(*seqs)
    events = stored.decode(lines)
    assert [event.seq for event in events] == list(seqs)
    for event in events:
        assert event.raw.startswith(b'{"seq":%d,' % event.seq)
        assert f'"message {event.seq}"'.encode() in event.raw
        assert event.size_bytes == len(event.raw) + 1
    assert b"".join(event.raw + b"\n" for event in events) == lines.data


def test_events_of_several_chunks_keep_to_their_own() -> None:
    one, other = stored.decode(chunk(1, 2)), stored.decode(chunk(1, 5, session_id="t"))
    assert [(event.session_id, event.raw[:9]) for event in [*one, *other]] == [
        ("s", b'{"seq":1,'),
        ("s", b'{"seq":2,'),
        ("t", b'{"seq":1,'),
        ("t", b'{"seq":5,'),
    ]


def test_threads_that_decode_at_once_do_not_mix_up_their_chunks() -> None:
    chunks = [chunk(*range(1, 400), session_id=f"s{number}") for number in range(8)]
    with ThreadPoolExecutor(8) as pool:
        for lines, events in zip(chunks * 4, pool.map(stored.decode, chunks * 4), strict=True):
            assert {event.session_id for event in events} == {lines.session_id}


def test_a_line_of_another_version_is_told_from_its_neighbours() -> None:
    first, second = chunk(1), chunk(2, v=2)
    events = stored.decode(Lines("s", first.data + second.data))
    assert events[0].event == MessageAdded(role="user", content="message 1")
    assert events[1].event == UnknownEvent("message.added", {"role": "user", "content": "message 2"}, 2)
    assert [event.raw[:9] for event in events] == [b'{"seq":1,', b'{"seq":2,']


def test_text_that_looks_like_a_version_is_text() -> None:
    lines = chunk(1)
    written, _ = line.encode(Envelope(1, TIME, "message.added", MessageAdded(role="user", content='{"a":1,"v":2}')), 0)
    (event,) = stored.decode(Lines(lines.session_id, written))
    assert event.event == MessageAdded(role="user", content='{"a":1,"v":2}')


def test_an_event_that_was_not_read_from_a_log_has_no_line() -> None:
    stored.decode(chunk(1))  # leaves nothing behind
    event = StoredEvent(seq=1, time=msgspec.json.decode(f'"{TIME}"', type=object), event=None)
    with pytest.raises(IndexError, match="has no line"):
        event.raw  # noqa: B018
    assert event.session_id == ""


def test_an_event_is_equal_however_often_it_is_read_and_to_no_other() -> None:
    once, again, other = stored.decode(chunk(1, 2)), stored.decode(chunk(1, 2)), stored.decode(chunk(1, session_id="t"))
    assert once == again
    assert once[0] == stored.decode(chunk(1))[0]
    assert once[0] != once[1]
    assert once[0] != other[0]
    assert once[0] != stored.decode(chunk(1, id="retry"))[0]
    assert once[0] != "an event"


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, lambda event: pickle.loads(pickle.dumps(event))])
def test_an_event_can_be_copied_and_pickled_with_its_line_alone(duplicate: Callable[[StoredEvent], StoredEvent]) -> None:
    events = stored.decode(Lines("s", chunk(4, 5, origin=msgspec.Raw(b'{"from":"here"}')).data + chunk(6, type="not.known").data))
    for event in events:
        found = duplicate(event)
        assert found == event
        assert (found.session_id, found.type, found.origin) == (event.session_id, event.type, event.origin)
        assert (found.raw, found.size_bytes) == (event.raw, event.size_bytes)
    assert len(pickle.dumps(events[0])) < len(pickle.dumps(events[0].raw)) + 600


def test_an_event_shows_what_it_is() -> None:
    event = stored.decode(chunk(3, id="retry", origin=msgspec.Raw(b'{"from":"here"}')))[0]
    assert repr(event) == (
        "StoredEvent(session_id='s', seq=3, time='2026-01-02T03:04:05.678901+00:00', event=MessageAdded(role='user', content='message 3'),"
        " id='retry', origin={'from': 'here'})"
    )


# --- lines that are hard to understand -------------------------------------------------------------------------------------------


def written(*payloads: str) -> Lines:
    """Lines as another program may have written them, with their checksums."""
    data, running = b"", 0
    for payload in payloads:
        running = crc32(payload.encode(), running)
        tail = line.tail_of(running)
        running = crc32(tail, running)
        data += payload.encode() + tail
    return Lines("s", data)


FINE = f'{{"seq":1,"time":"{TIME}","type":"message.added","data":{{"role":"user","content":"x"}}'


@pytest.mark.parametrize(
    ("payload", "type", "time"),
    [
        (f'{{"seq":2,"time":"{TIME}","type":"message.added"', "message.added", TIME),
        ('{"seq":2,"type":"message.added","data":3', "message.added", "1970-01-01T00:00:00.000000Z"),
        (f'{{"seq":2,"time":"{TIME}","data":{{}}', "unknown", TIME),
        ('{"seq":2,"time":"yesterday","type":5,"data":[],"v":"x","id":7,"more":"no","origin":3', "unknown", "1970-01-01T00:00:00.000000Z"),
        (f'{{"seq":2,"time":"{TIME}","type":"a.b","data":' + '{"a":' * 5000 + "1" + "}" * 5000 + ',"id":"k"', "a.b", TIME),
    ],
)
def test_a_line_that_cannot_be_understood_costs_only_itself(payload: str, type: str, time: str) -> None:
    lines = written(FINE, payload, FINE.replace('"seq":1', '"seq":3'))
    first, odd, last = stored.decode(lines)
    assert first.event == last.event == MessageAdded(role="user", content="x")
    assert isinstance(odd.event, UnknownEvent)
    assert (odd.seq, odd.type, timestamps.to_text(odd.time)) == (2, type, time)
    assert odd.raw.startswith(payload.encode())
    assert odd.origin is None
    assert repr(odd)
    found = stored.position.decode(lines.line(2) + b"\n")
    assert (found.seq, found.type, found.more) == (2, type, False)


def test_a_line_without_data_is_shown_as_it_stands() -> None:
    (event,) = stored.decode(written('{"seq":1,"type":"a.b"'))
    assert bytes(event.event.data) == event.raw


def test_a_line_without_a_seq_has_no_position() -> None:
    for payload in ('{"time":"x"', '{"seq":"1"', '{"seq":true', "{"):
        with pytest.raises(msgspec.DecodeError):
            stored.position.decode(written(payload).data)


def test_the_stack_of_whoever_reads_decides_nothing_about_positions() -> None:
    deep = f'{{"seq":7,"time":"{TIME}","type":"a.b","data":' + '{"a":' * 200 + "1" + "}" * 200 + ',"id":"k","origin":{"a":[[]]},"more":true'
    lines = written(deep)

    def down(frames: int) -> tuple[stored.Position, StoredEvent]:
        if frames:
            return down(frames - 1)
        return stored.position.decode(lines.data), stored.decode(lines)[0]

    here, event = down(0)
    for frames in (500, 700, 800, 850):
        found, same = down(frames)
        assert (found.seq, found.type, found.id, found.more) == (here.seq, here.type, here.id, here.more) == (7, "a.b", "k", True)
        assert (same.seq, same.type, same.id, same.raw) == (event.seq, event.type, event.id, event.raw)


@pytest.mark.parametrize(
    ("content", "parts"),
    [
        ('[{"type":"text","text":"hi"}]', [Part(type="text", content="hi")]),
        ('[{"type":"tool_use","id":"t","name":"n","input":{}}]', [Part(type="tool_call", id="t", name="n", arguments={})]),
        ('[{"type":"text","content":"hi","joined_later":1},{"type":"later","x":1}]', [Part(type="text", content="hi"), Part(type="later")]),
    ],
)
def test_parts_of_a_provider_s_shape_that_a_store_holds_are_healed(content: str, parts: list[Part]) -> None:
    message, amended = stored.decode(
        written(
            f'{{"seq":1,"time":"{TIME}","type":"message.added","data":{{"role":"user","content":{content},"message_id":"m"}}',
            f'{{"seq":2,"time":"{TIME}","type":"message.amended","data":{{"message_id":"m","content":{content}}}',
        )
    )
    assert message.event == MessageAdded(role="user", content=parts, message_id="m")
    assert amended.event == MessageAmended(message_id="m", content=parts)


def test_content_that_is_no_parts_stays_unknown() -> None:
    (event,) = stored.decode(written(f'{{"seq":1,"time":"{TIME}","type":"message.added","data":{{"role":"user","content":[3]}}'))
    assert event.event == UnknownEvent("message.added", {"role": "user", "content": [3]})
