"""The way in: what is acknowledged is shown."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from eventlog import EventLog, Session, Settings, aio
from eventlog.discard import DiscardBackend
from eventlog.errors import InvalidEvent
from eventlog.events import Event, MessageAdded, MessageAmended, Part, ToolCalled, ToolReturned, UnknownEvent, UsageRecorded
from eventlog.line import Envelope
from eventlog.session import draft

Backend = Callable[[Path], EventLog]
BACKENDS: dict[str, Backend] = {
    "files": lambda path: EventLog.open(path / "store"),
    "memory": lambda path: EventLog.memory(),
    "discard": lambda path: EventLog(DiscardBackend(Settings(), None), Settings()),
}


@pytest.fixture(params=list(BACKENDS))
def session(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Session]:
    with BACKENDS[request.param](tmp_path) as log, log.session("s", create=True) as found:
        yield found


def nested(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = {"a": value}
    return value


def raw(text: str) -> msgspec.Raw:
    return msgspec.Raw(text.encode())


DOES_NOT_DECODE: list[tuple[Any, str]] = [
    (MessageAdded(role="assistant", content=None), "content"),  # type: ignore[arg-type]
    (MessageAdded(role="assistant", content=3), "content"),  # type: ignore[arg-type]
    (MessageAdded(role=None, content="x"), "role"),  # type: ignore[arg-type]
    (MessageAdded(role="user", content="x", metadata=["a"]), "metadata"),  # type: ignore[arg-type]
    (MessageAdded(role="user", content=[Part(type="text", content="x", name=3)]), "content[0].name"),  # type: ignore[arg-type]
    (MessageAmended(message_id="m", content=7), "content"),  # type: ignore[arg-type]
    (UsageRecorded(input_tokens="3"), "input_tokens"),  # type: ignore[arg-type]
    (UsageRecorded(context=[(1,)]), "context[0]"),  # type: ignore[list-item]
    (ToolReturned(duration_ms="12"), "duration_ms"),  # type: ignore[arg-type]
    (UnknownEvent("message.added", {"content": 3}), "content"),
    (UnknownEvent("message.added", {"content": "x"}), "role"),
    (UnknownEvent("message.added", raw('{"role":"user","content":3}')), "content"),
    (UnknownEvent("session.started", {"parent": {"seq": 1}}), "parent.session_id"),
]
JSON_HAS_NO_TEXT: list[tuple[Any, str, str]] = [
    (ToolCalled(name="x", arguments={"rows": [1.0, float("nan")]}), "arguments.rows[1]", "NaN"),
    (ToolReturned(duration_ms=float("inf")), "duration_ms", "an infinity"),
    (MessageAdded(role="user", content="\ud800"), "content", "half of a surrogate pair"),
    (MessageAdded(role="user", content=[Part(type="text", content="\udfff")]), "content[0].content", "half of a surrogate pair"),
    (ToolCalled(name="x", arguments=raw('{"a":NaN}')), "arguments", "NaN"),
    (ToolCalled(name="x", arguments={"b": raw('"\\ud800"')}), "arguments.b", "half of a surrogate pair"),
    (UnknownEvent("x.y", {"a": raw('{"b":-Infinity}')}), "a", "an infinity"),
    (UnknownEvent("x.y", {"a": float("nan")}), "a", "NaN"),
    (UnknownEvent("x.y", {"a": raw('1},"crc":"00000000"}')}), "a", "what is not JSON"),
]


@pytest.mark.parametrize(("event", "field"), DOES_NOT_DECODE)
def test_an_event_of_a_registered_type_that_would_not_be_read_back_is_refused(event: Any, field: str, session: Session) -> None:
    with pytest.raises(InvalidEvent) as caught:
        session.append(MessageAdded(role="user", content="before"), event)
    assert caught.value.field == field
    assert field.rpartition(".")[2] in str(caught.value)
    assert session.last_seq == 0


@pytest.mark.parametrize(("event", "field", "what"), JSON_HAS_NO_TEXT)
def test_what_json_has_no_text_for_is_refused_by_name(event: Any, field: str, what: str, session: Session) -> None:
    with pytest.raises(InvalidEvent, match=what) as caught:
        session.append(event)
    assert caught.value.field == field
    assert session.last_seq == 0


@pytest.mark.parametrize("text", [b'{"a":NaN}', b'{"a":"\\ud800"}', b'{"a":"\xff"}'])
def test_raw_data_that_json_has_no_text_for_is_refused_for_every_type(text: bytes, session: Session) -> None:
    for name in ("x.y", "message.added"):
        with pytest.raises(InvalidEvent, match=r"half of a surrogate pair|NaN|not UTF-8"):
            session.append(UnknownEvent(name, msgspec.Raw(text)))
    assert session.last_seq == 0


def test_the_start_of_a_session_is_checked_like_any_append(tmp_path: Path) -> None:
    with EventLog.open(tmp_path / "store") as log:
        with pytest.raises(InvalidEvent, match=r"tags: expected `array`, got `str`"):
            log.start(tags="bug")
        assert list(log.session_ids()) == []


@pytest.mark.parametrize(
    "event",
    [
        UnknownEvent("message.added", {"role": "user", "content": "x", "joined_later": {"a": [None]}}),
        UnknownEvent("message.added", {"role": "user", "content": [{"type": "text", "content": "x", "joined_later": 1}]}),
        UnknownEvent("message.added", {"whatever": 1}, 2),
        UnknownEvent("not.registered", {"a": None, "b": [1.5, "é"]}),
        UnknownEvent("not.registered", raw('{"a":1e400}')),
        ToolCalled(name="x", arguments=raw('{"a":[null]}')),
        ToolReturned(output="null NaN \\ud800"),
    ],
)
def test_unknown_fields_types_and_higher_versions_pass_as_they_are(event: Any) -> None:
    with EventLog.memory() as log, log.start() as session:
        session.append(event)
        *_, stored = session.read()
    data = event.data if isinstance(event, UnknownEvent) else event
    assert b'"data":' + msgspec.json.encode(data) + b"," in stored.raw + b","


@pytest.mark.parametrize("levels", [200, 201, 985, 5000])
def test_what_is_nested_deeper_than_the_limit_is_refused_with_it(levels: int, session: Session) -> None:
    text = '{"a":' * levels + "1" + "}" * levels
    events: list[Event | UnknownEvent] = [UnknownEvent("x.y", raw(text)), UnknownEvent("message.added", raw(text))]
    if levels < 900:
        events += [UnknownEvent("x.y", nested(levels)), ToolCalled(name="x", arguments=nested(levels - 1))]
    for event in events:
        if levels > 200 or event.type == "message.added":
            with pytest.raises(InvalidEvent, match=r"the limit is 200 levels for data|missing required field"):
                session.append(event)
        else:
            session.append(event)
    assert session.last_seq == (3 if levels == 200 else 0)


def test_an_origin_is_checked_like_data(session: Session) -> None:
    hello = MessageAdded(role="user", content="x")
    for origin in ({"record": nested(201)}, {"a": nested(205)}, {"record": raw('{"a":' * 201 + "1" + "}" * 201)}):
        with pytest.raises(InvalidEvent, match=r"the limit is 200 levels for data and for origin\.record"):
            session.append(hello, origin=origin)
    bad_ones: list[tuple[Any, str]] = [
        ({"a": float("nan")}, "NaN"),
        (raw('{"a":"\\ud800"}'), "half of a surrogate pair"),
        (raw("[1]"), "an origin is a JSON object"),
    ]
    for bad, what in bad_ones:
        with pytest.raises(InvalidEvent, match=what):
            session.append(hello, origin=bad)
    with pytest.raises(TypeError, match="an origin is a mapping"):
        session.append(hello, origin="x")  # type: ignore[arg-type]
    assert session.append(hello, origin={"record": nested(200)}) == 1


def test_drafts_ids_and_versions_are_checked_too(session: Session) -> None:
    bad = MessageAdded(role="user", content=None)  # type: ignore[arg-type]
    with pytest.raises(InvalidEvent):
        draft(bad, time="2026-01-01T00:00:00Z")
    with pytest.raises(TypeError, match="the id of an append is text"):
        session.append(MessageAdded(role="user", content="x"), id=7)  # type: ignore[arg-type]
    with pytest.raises(InvalidEvent, match="is a number from 1"):
        session.append(UnknownEvent("x.y", {}, 0))


def test_of_what_replays_copy_only_the_depth_is_measured(session: Session) -> None:
    when = "2026-01-01T00:00:00.000000Z"
    for data, origin in (
        (raw('{"a":' * 201 + "1" + "}" * 201), None),
        (raw("{}"), raw('{"a":' * 204 + "1" + "}" * 204)),
        (nested(201), None),
    ):
        with pytest.raises(InvalidEvent, match="the limit is 200 levels"):
            session.append_envelopes([Envelope(0, when, "a.b", data, origin=origin)])
        with pytest.raises(InvalidEvent, match="the limit is 200 levels"):
            session.append_new([Envelope(0, when, "a.b", data, origin=origin)])
    assert session.append_envelopes([Envelope(0, when, "message.added", raw('{"content":3}'))]) == 1


def test_the_asyncio_log_checks_too() -> None:
    async def append() -> None:
        async with aio.EventLog.memory() as log:
            session = await log.start()
            with pytest.raises(InvalidEvent):
                await session.append(UsageRecorded(input_tokens="3"))  # type: ignore[arg-type]

    asyncio.run(append())


# --- parts of providers --------------------------------------------------------------------------------------------------------------

PROVIDERS_PARTS: list[tuple[Any, Part]] = [
    ({"type": "text", "text": "hi"}, Part(type="text", content="hi")),
    ({"type": "image_url", "image_url": {"url": "https://x"}}, Part(type="uri", uri="https://x", modality="image")),
    ({"type": "input_text", "text": "hi"}, Part(type="text", content="hi")),
    ({"type": "tool_use", "id": "t", "name": "n", "input": {"a": 1}}, Part(type="tool_call", id="t", name="n", arguments={"a": 1})),
    ({"type": "tool_result", "tool_use_id": "t", "content": "out"}, Part(type="tool_call_response", id="t", response="out")),
    ({"type": "thinking", "thinking": "h", "signature": "s"}, Part(type="reasoning", content="h", metadata={"signature": "s"})),
    ({"text": "hi"}, Part(type="text", content="hi")),
    ({"functionCall": {"name": "n", "args": {}}}, Part(type="tool_call", id=None, name="n", arguments={})),
    ("hi", Part(type="text", content="hi")),
    (Part(type="text", content="ours"), Part(type="text", content="ours")),
    ({"type": "text", "content": "ours"}, Part(type="text", content="ours")),
    ({"type": "tool_call", "id": "c", "name": "n", "arguments": None}, Part(type="tool_call", id="c", name="n", arguments=None)),
]


@pytest.mark.parametrize("carrier", ["struct", "mapping", "raw"])
@pytest.mark.parametrize(("given", "part"), PROVIDERS_PARTS)
def test_a_part_in_a_provider_s_shape_is_stored_as_ours(given: Any, part: Part, carrier: str) -> None:
    if carrier == "struct":
        event: Any = MessageAdded(role="user", content=[given])
    elif carrier == "mapping":
        event = UnknownEvent("message.added", {"role": "user", "content": [given]})
    else:
        event = UnknownEvent("message.added", msgspec.Raw(msgspec.json.encode({"role": "user", "content": [given]})))
    with EventLog.memory() as log, log.start() as session:
        session.append(event)
        *_, stored = session.read()
    assert stored.event == MessageAdded(role="user", content=[part])
    assert msgspec.json.decode(stored.raw)["data"]["content"] == [msgspec.to_builtins(part)]


@pytest.mark.parametrize(
    "given",
    [
        3,
        None,
        [],
        {},
        {"foo": "bar"},
        {"type": 3},
        {"type": ""},
        {"type": "text"},
        {"type": "text", "content": 3},
        {"type": "tool_call", "x": 1},
        {"type": "blob", "y": 1},
    ],
)
def test_what_is_neither_a_part_nor_a_provider_s_is_refused_with_the_rule(given: Any, session: Session) -> None:
    for before in ([], ["fine"]):
        with pytest.raises(InvalidEvent) as caught:
            session.append(MessageAdded(role="user", content=[*before, given]))
        assert caught.value.field is not None
        assert caught.value.field.startswith(f"content[{len(before)}]")
        assert caught.value.field in str(caught.value)
    assert session.last_seq == 0


def test_a_part_of_a_type_that_joined_later_is_kept_with_all_its_fields() -> None:
    hologram = {"type": "hologram", "beams": [1, {"text": "x"}]}
    with EventLog.memory() as log, log.start() as session:
        session.append(MessageAdded(role="user", content=[hologram, {"type": "text", "text": "hi"}]))  # type: ignore[list-item]
        *_, stored = session.read()
    assert msgspec.json.decode(stored.raw)["data"]["content"] == [hologram, {"type": "text", "content": "hi"}]
    assert stored.event.content == [Part(type="hologram"), Part(type="text", content="hi")]


def test_a_mended_message_keeps_its_other_fields_and_is_checked_as_a_whole(session: Session) -> None:
    block = {"type": "text", "text": "hi"}
    session.append(UnknownEvent("message.added", {"role": "user", "content": [block], "joined_later": 1, "metadata": {"a": 1}}))
    with pytest.raises(InvalidEvent, match="role"):
        session.append(MessageAdded(role=3, content=[block]))  # type: ignore[arg-type, list-item]
    with pytest.raises(InvalidEvent, match="NaN"):
        session.append(MessageAdded(role="user", content=[block], duration_ms=float("nan")))  # type: ignore[list-item]
    assert session.last_seq == 1
