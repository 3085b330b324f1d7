"""The fold from events to the session as a reader sees it: header, status, messages, context, and its JSON."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

import msgspec
import pytest

import projections
from eventlog import EventLog, StoredEvent
from eventlog.events import (
    ContextCompacted,
    ContextUpdated,
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
    SessionDeleted,
    SessionEnded,
    SessionRestored,
    SessionResumed,
    SessionStarted,
    SessionUpdated,
    ToolCalled,
    ToolReturned,
    UnknownEvent,
    UsageRecorded,
)
from projections import SessionView, replay

T0 = datetime(2026, 11, 21, 0, 44, 1, 123456, tzinfo=timezone.utc)

SHOW = [
    *["session_id", "status", "title", "description", "purpose", "user_id", "tags", "kind", "model", "provider", "models", "modes"],
    *["started_at", "updated_at", "parent", "metadata", "context", "compactions", "messages", "tool_calls", "errors", "usage", "counts"],
]
MESSAGE = ["seq", "message_id", "role", "parts", "model", "time", "exclude_from_context"]
TOOL_CALL = ["call_id", "name", "arguments", "output", "is_error", "duration_ms", "called_seq", "returned_seq", "message_id"]
USAGE = ["input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens", "reasoning_tokens", "cost"]
COUNTS = ["events", "messages", "user_messages", "assistant_messages", "tool_calls", "errors"]


def stored_events(*events: Event | UnknownEvent) -> list[StoredEvent]:
    """The events as they come back from a log, one second apart."""
    with EventLog.memory() as log:
        session = log.session("s1", create=True)
        for index, event in enumerate(events):
            session.append(event, time=T0 + timedelta(seconds=index))
        return list(session.read())


def view_of(*events: Event | UnknownEvent) -> SessionView:
    return replay(stored_events(*events), SessionView)


def as_json(view: SessionView) -> Any:
    return msgspec.json.decode(msgspec.json.encode(view))


def said(view: SessionView) -> list[str]:
    return ["".join(part["content"] for part in message.parts) for message in view.messages]


# --- the JSON ----------------------------------------------------------------------------------------------------------------


def test_every_fixed_name_is_there_in_its_order_also_when_the_session_says_nothing() -> None:
    shown = as_json(view_of())
    assert list(shown)[: len(SHOW)] == SHOW
    assert list(shown["usage"])[: len(USAGE)] == USAGE
    assert list(shown["counts"]) == COUNTS
    assert shown["session_id"] == ""
    assert shown["started_at"] is None


def test_messages_tool_calls_and_usage_have_their_fixed_names() -> None:
    shown = as_json(view_of(MessageAdded(role="user", content="Hello"), ToolCalled(name="bash"), UsageRecorded(input_tokens=3)))
    assert list(shown["messages"][0])[: len(MESSAGE)] == MESSAGE
    assert list(shown["tool_calls"][0])[: len(TOOL_CALL)] == TOOL_CALL
    assert list(shown["usage"])[: len(USAGE)] == USAGE
    assert shown["messages"][0] == {
        "seq": 1,
        "message_id": None,
        "role": "user",
        "parts": [{"type": "text", "content": "Hello"}],
        "model": None,
        "time": "2026-11-21T00:44:01.123456Z",
        "exclude_from_context": False,
        "reply_to": None,
        "metadata": {},
        "partial": False,
        "finish_reason": None,
        "response_id": None,
        "duration_ms": None,
        "first_chunk_ms": None,
        "interrupted": None,
        "alternative_to": None,
    }


def test_nothing_but_the_fields_is_in_the_json_and_it_decodes_to_an_equal_view() -> None:
    view = view_of(
        SessionStarted(title="t", parent=Parent(session_id="p")),
        MessageAdded(role="user", content="Hello", message_id="m"),
        ToolCalled(name="bash", call_id="c"),
        ErrorLogged(message="boom"),
        ContextCompacted(summary="s"),
        MessageRetracted(message_id="m"),
    )
    text = msgspec.json.encode(view)
    assert set(msgspec.json.decode(text)) == set(SessionView.__struct_fields__)
    assert msgspec.json.decode(text, type=SessionView) == view


def test_a_decoded_or_copied_view_refuses_to_be_folded_on() -> None:
    [stored] = stored_events(ErrorLogged(message="boom"))
    view = replay([stored], SessionView)
    for still in (copy.copy(view), msgspec.json.decode(msgspec.json.encode(view), type=SessionView)):
        with pytest.raises(ValueError, match="replay the session into a new one"):
            SessionView.fold(still, stored)


def test_the_same_events_twice_make_the_same_json_and_are_not_changed_by_it() -> None:
    events = stored_events(
        SessionStarted(title="t", tags=["a"], metadata={"x": {"y": 1}}, settings={"k": [1]}),
        SessionUpdated(metadata={"x": {"z": 2}}, add_tags=["b"]),
        MessageAdded(role="assistant", content=[Part(type="text", content="a")], message_id="m", metadata={"n": {"a": 1}}),
        MessageAdded(role="assistant", content="b", message_id="m", metadata={"n": {"b": 2}}),
        MessageDelta(message_id="d", content="x"),
        MessageDelta(message_id="d", content="y"),
        ToolCalled(name="bash", call_id="c", arguments={"command": "ls"}),
        ToolReturned(call_id="c", output={"n": 1}),
        ContextUpdated(preferences={"a": {"b": 1}}),
        ContextUpdated(preferences={"a": {"c": 2}}),
        MessageAmended(message_id="m", metadata={"n": {"a": None}}),
    )
    before = [msgspec.json.encode(stored.event) for stored in events]
    first = msgspec.json.encode(replay(events, SessionView))
    second = msgspec.json.encode(replay(events, SessionView))
    assert first == second
    assert [msgspec.json.encode(stored.event) for stored in events] == before


def test_the_projection_has_the_four_names_of_the_port() -> None:
    assert (SessionView.name, SessionView.version) == ("session_view", 2)
    view = SessionView.initial()
    for stored in stored_events(SessionStarted(title="t"), MessageAdded(role="user", content="Hello")):
        view = SessionView.fold(view, stored)
    assert (view.title, view.counts.events, view.counts.user_messages) == ("t", 2, 1)


def test_any_projection_with_these_names_can_be_replayed() -> None:
    class Longest:
        name = "longest"
        version = 1

        def initial(self) -> int:
            return 0

        def fold(self, state: int, stored: StoredEvent) -> int:
            return max(state, len(stored.raw))

    events = stored_events(ErrorLogged(message="x"), ErrorLogged(message="x" * 100))
    assert replay(events, Longest()) == len(events[1].raw)


def test_the_package_gives_its_names_and_says_which_it_has() -> None:
    assert {"Catalog", "SessionView", "replay"} <= set(dir(projections))
    with pytest.raises(AttributeError, match="it has Catalog, Live, PricedView, SessionView, replay"):
        projections.Catalogue  # noqa: B018


def test_an_error_while_reading_passes_through_and_the_view_is_right_up_to_there() -> None:
    def breaking() -> Iterator[StoredEvent]:
        yield from stored_events(MessageAdded(role="user", content="a"), UsageRecorded(input_tokens=3))
        raise OSError("gone")

    view = SessionView.initial()
    with pytest.raises(OSError, match="gone"):
        SessionView.fold_all(view, breaking())
    assert (view.counts.events, view.counts.messages, view.usage.input_tokens) == (2, 1, 3)
    assert view.updated_at == T0 + timedelta(seconds=1)


# --- the session's own ---------------------------------------------------------------------------------------------------------


def test_the_header_is_what_the_session_was_started_with() -> None:
    view = view_of(
        SessionStarted(
            title="Debug login",
            description="d",
            purpose="p",
            user_id="u1",
            tags=["bug", "web", "bug"],
            kind="agent",
            model="m1",
            provider="acme",
            settings={"size": 1},
            metadata={"cwd": "/x"},
            parent=Parent(session_id="s0", seq=4),
        )
    )
    shown = as_json(view)
    assert shown["session_id"] == "s1"
    assert [shown[name] for name in ("title", "description", "purpose", "user_id", "kind", "model", "provider")] == (
        ["Debug login", "d", "p", "u1", "agent", "m1", "acme"]
    )
    assert (shown["tags"], shown["models"], shown["settings"], shown["metadata"]) == (["bug", "web"], ["m1"], {"size": 1}, {"cwd": "/x"})
    assert shown["parent"] == {"session_id": "s0", "seq": 4, "relation": "fork"}
    assert shown["started_at"] == shown["updated_at"] == "2026-11-21T00:44:01.123456Z"


def test_updates_are_merge_patches() -> None:
    view = view_of(
        SessionStarted(title="t", user_id="u", metadata={"a": 1, "b": {"c": 1, "d": 2}}, settings={"s": 1}, parent=Parent(session_id="p")),
        SessionUpdated(title=None, metadata={"a": None, "b": {"c": 3}, "e": {"f": None, "g": 1}}, settings=None, parent=None, pinned=True),
    )
    assert (view.title, view.user_id, view.settings, view.parent, view.pinned) == (None, "u", {}, None, True)
    assert view.metadata == {"b": {"c": 3, "d": 2}, "e": {"g": 1}}


def test_tags_keep_their_order_and_are_never_doubled() -> None:
    started = SessionStarted(tags=["b", "a"])
    assert view_of(started, SessionUpdated(add_tags=["c", "a"])).tags == ["b", "a", "c"]
    assert view_of(started, SessionUpdated(add_tags=["c"], remove_tags=["b"])).tags == ["a", "c"]
    assert view_of(started, SessionUpdated(tags=["z", "y", "z"])).tags == ["z", "y"]
    assert view_of(started, SessionUpdated(tags=None)).tags == []
    assert view_of(started, SessionUpdated(title="t")).tags == ["b", "a"]


def test_a_later_session_started_fills_only_what_is_empty() -> None:
    view = view_of(
        SessionStarted(title="mine", tags=["a"], parent=Parent(session_id="p"), metadata={"x": 1}),
        SessionStarted(title="theirs", user_id="u", tags=["b", "a"], parent=Parent(session_id="q"), metadata={"x": 2, "y": 3}),
    )
    assert (view.title, view.user_id, view.tags, view.metadata) == ("mine", "u", ["a", "b"], {"x": 1, "y": 3})
    assert view.parent == {"session_id": "p", "seq": None, "relation": "fork"}
    assert view.started_at == T0


def test_a_session_starts_when_it_says_so_else_with_its_first_event() -> None:
    assert view_of(ErrorLogged(message="x"), ErrorLogged(message="y")).started_at == T0
    assert view_of(ErrorLogged(message="x"), SessionStarted()).started_at == T0 + timedelta(seconds=1)


def test_a_session_is_as_young_as_its_latest_event_also_when_times_run_backwards() -> None:
    with EventLog.memory() as log:
        session = log.session("s1", create=True)
        session.append(ErrorLogged(message="late"), time=T0)
        session.append(ErrorLogged(message="early"), time=T0 - timedelta(days=1))
        view = replay(session.read(), SessionView)
    assert view.updated_at == T0
    assert view.started_at == T0
    assert [error.message for error in view.errors] == ["late", "early"]


def test_models_and_modes_are_listed_once_in_order_of_first_sight() -> None:
    view = view_of(
        SessionStarted(model="a", provider="p"),
        MessageAdded(role="assistant", content="x", model="b"),
        UsageRecorded(model="c"),
        ModelChanged(model="d", settings={"context": 8}),
        SessionUpdated(model="e"),
        ModelChanged(model="a", provider="q", settings={"context": 9}),
        ModeChanged(mode="plan"),
        ModeChanged(mode="act", settings={"strict": True}),
        ModeChanged(mode="plan"),
    )
    assert view.models == ["a", "b", "c", "d", "e"]
    assert (view.model, view.provider, view.mode, view.modes) == ("a", "q", "plan", ["plan", "act"])
    assert view.settings == {"context": 9, "strict": True}


def test_context_is_patched_and_compactions_and_errors_are_listed() -> None:
    view = view_of(
        ContextUpdated(preferences={"a": 1, "b": 2}, topics=["x"], intent="i"),
        ContextUpdated(preferences={"a": None}, topics=["y"], intent=None, project={"dir": "/p"}),
        ContextCompacted(summary="so far", first_kept_seq=2, tokens_before=900, tokens_after=90),
        ErrorLogged(message="boom", kind="io", details={"n": 1}),
    )
    shown = as_json(view)
    assert shown["context"] == {"preferences": {"b": 2}, "topics": ["y"], "project": {"dir": "/p"}}
    assert shown["compactions"] == [
        {
            "seq": 3,
            "time": "2026-11-21T00:44:03.123456Z",
            "summary": "so far",
            "first_kept_seq": 2,
            "tokens_before": 900,
            "tokens_after": 90,
            "trigger": None,
        }
    ]
    assert shown["errors"] == [{"seq": 4, "time": "2026-11-21T00:44:04.123456Z", "message": "boom", "kind": "io", "details": {"n": 1}}]
    assert shown["counts"]["errors"] == 1


# --- status --------------------------------------------------------------------------------------------------------------------

END = SessionEnded(status="failed")


@pytest.mark.parametrize(
    ("events", "status"),
    [
        ([], "active"),
        ([SessionEnded()], "completed"),
        ([SessionEnded(status="abandoned")], "abandoned"),
        ([END, MessageAdded(role="user", content="more")], "active"),
        ([END, SessionResumed()], "active"),
        ([END, UnknownEvent("shop.rated", {"stars": 5})], "active"),
        ([END, UsageRecorded()], "active"),
        ([END, SessionUpdated(title="a better one")], "failed"),
        ([END, EventRedacted(seqs=[1], what="a key")], "failed"),
        ([END, SessionUpdated(title="a"), ErrorLogged(message="x"), SessionEnded()], "completed"),
        ([SessionDeleted()], "deleted"),
        ([SessionDeleted(), SessionRestored()], "active"),
        ([END, SessionDeleted(), SessionRestored()], "failed"),
        ([END, SessionDeleted(), SessionRestored(), ErrorLogged(message="x")], "active"),
    ],
)
def test_status_follows_the_end_the_tombstones_and_what_came_later(events: list[Event], status: str) -> None:
    view = SessionView.initial()
    for seq, event in enumerate([SessionStarted(), *events], 1):
        view = SessionView.fold(view, StoredEvent(seq=seq, time=T0, event=event))
    assert view.status == status


def test_what_comes_after_a_tombstone_shows_when_the_session_is_restored() -> None:
    view = SessionView.initial()
    for seq, event in enumerate([END, SessionDeleted(), ErrorLogged(message="a merge was faster")], 1):
        SessionView.fold(view, StoredEvent(seq=seq, time=T0, event=event))
    assert view.status == "deleted"
    SessionView.fold(view, StoredEvent(seq=4, time=T0, event=SessionRestored()))
    assert view.status == "active"


def test_an_event_that_is_not_known_only_counts() -> None:
    known = [SessionStarted(title="t"), MessageAdded(role="user", content="Hello")]
    without, with_it = as_json(view_of(*known)), as_json(view_of(*known, UnknownEvent("shop.rated", {"stars": 5, "model": "m"})))
    assert (with_it["counts"].pop("events"), without["counts"].pop("events")) == (3, 2)
    assert with_it.pop("updated_at") != without.pop("updated_at")
    assert with_it == without


# --- messages -------------------------------------------------------------------------------------------------------------------


def test_a_message_is_put_together_from_all_events_with_its_id() -> None:
    view = view_of(
        MessageAdded(role="assistant", content="a", message_id="m", metadata={"x": 1, "n": {"a": 1}}),
        MessageAdded(role="user", content="in between"),
        MessageAdded(role="other", content=[Part(type="reasoning", content="b")], message_id="m", model="m1", metadata={"n": {"b": 2}}),
        MessageAdded(role="other", content="c", message_id="m", model="m2", reply_to="r", exclude_from_context=True),
    )
    first, second = view.messages
    assert first.parts == [{"type": "text", "content": "a"}, {"type": "reasoning", "content": "b"}, {"type": "text", "content": "c"}]
    assert (first.seq, first.time, first.role, first.model, first.reply_to) == (1, T0, "assistant", "m1", "r")
    assert (first.metadata, first.exclude_from_context) == ({"x": 1, "n": {"a": 1, "b": 2}}, True)
    assert (second.seq, second.message_id) == (2, None)
    assert (view.counts.messages, view.counts.assistant_messages, view.counts.user_messages) == (2, 1, 1)


def test_messages_without_an_id_are_never_joined() -> None:
    assert said(view_of(MessageAdded(role="user", content="a"), MessageAdded(role="user", content="a"))) == ["a", "a"]


def test_deltas_show_as_a_partial_message_in_the_order_of_their_kinds() -> None:
    view = view_of(
        MessageDelta(message_id="m", content="let ", kind="reasoning"),
        MessageDelta(message_id="m", content="me see", kind="reasoning"),
        MessageDelta(message_id="m", content="It "),
        MessageDelta(message_id="m", content="is"),
        MessageDelta(message_id="m", content="wait", kind="reasoning"),
    )
    [message] = view.messages
    assert message.parts == [
        {"type": "reasoning", "content": "let me see"},
        {"type": "text", "content": "It is"},
        {"type": "reasoning", "content": "wait"},
    ]
    assert (message.partial, message.role, view.counts.assistant_messages) == (True, "assistant", 1)


def test_the_completing_message_replaces_its_deltas_and_stands_where_it_is_added_and_later_deltas_are_ignored() -> None:
    view = view_of(
        MessageDelta(message_id="m", content="Hel"),
        MessageAdded(role="user", content="in between"),
        MessageAdded(role="tool", content="Hello", message_id="m", model="m1"),
        MessageDelta(message_id="m", content="lo"),
        MessageAdded(role="tool", content="!", message_id="m"),
    )
    assert said(view) == ["in between", "Hello!"]
    message = view.messages[1]
    assert (message.seq, message.time, message.partial, message.role, message.model) == (3, T0 + timedelta(seconds=2), False, "tool", "m1")
    assert (view.counts.messages, view.counts.assistant_messages, view.counts.user_messages, view.counts.events) == (2, 0, 1, 5)


def test_deltas_of_two_messages_may_interleave() -> None:
    view = view_of(*(MessageDelta(message_id=name, content=text) for name, text in [("a", "1"), ("b", "x"), ("a", "2"), ("b", "y")]))
    assert said(view) == ["12", "xy"]


def test_an_amendment_replaces_what_it_gives_and_keeps_the_rest() -> None:
    view = view_of(
        MessageAdded(role="user", content="wrong", message_id="m", metadata={"a": 1, "b": 2}),
        MessageAmended(message_id="m", content="right"),
        MessageAmended(message_id="m", metadata={"a": None, "c": 3}),
        MessageAmended(message_id="m", exclude_from_context=True),
        MessageAdded(role="user", content=" and more", message_id="m"),
    )
    [message] = view.messages
    assert message.parts == [{"type": "text", "content": "right"}, {"type": "text", "content": " and more"}]
    assert (message.metadata, message.exclude_from_context, message.seq) == ({"b": 2, "c": 3}, True, 1)


def test_a_retracted_message_is_hidden_for_good_and_stays_reachable() -> None:
    view = view_of(
        MessageAdded(role="user", content="a", message_id="a"),
        MessageAdded(role="assistant", content="b", message_id="b"),
        MessageAdded(role="user", content="c", message_id="c"),
        MessageRetracted(message_id="b", reason="refused"),
        MessageRetracted(message_id="b"),
        MessageAdded(role="assistant", content="more b", message_id="b"),
        MessageAmended(message_id="b", content="other b"),
    )
    assert said(view) == ["a", "c"]
    assert as_json(view)["retracted"] == [{"message_id": "b", "seq": 2, "retracted_seq": 4, "reason": "refused"}]
    assert (view.counts.messages, view.counts.user_messages, view.counts.assistant_messages) == (2, 2, 0)


def test_a_retracted_partial_message_is_not_counted_when_it_is_completed() -> None:
    view = view_of(
        MessageDelta(message_id="m", content="x"), MessageRetracted(message_id="m"), MessageAdded(role="user", content="y", message_id="m")
    )
    assert (view.counts.messages, view.counts.user_messages, view.counts.assistant_messages) == (0, 0, 0)


def test_a_correction_of_a_message_that_is_not_there_changes_nothing() -> None:
    view = view_of(MessageAmended(message_id="m", content="x"), MessageRetracted(message_id="m"))
    assert (view.messages, view.retracted, view.counts.events) == ([], [], 2)


def test_parts_show_the_fields_of_their_type_and_keep_the_others() -> None:
    view = view_of(
        MessageAdded(
            role="assistant",
            content=[
                Part(type="text", content="t", metadata={"k": 1}),
                Part(type="tool_call", name="bash"),
                Part(type="tool_call_response", response={"ok": True}, is_error=True),
                Part(type="blob", mime_type="image/png", modality="image", content="AAAA"),
                Part(type="file", file_id="f1"),
                Part(type="uri", uri="https://example.org/x", mime_type=None),
            ],
        )
    )
    assert view.messages[0].parts == [
        {"type": "text", "content": "t", "metadata": {"k": 1}},
        {"type": "tool_call", "id": None, "name": "bash", "arguments": None},
        {"type": "tool_call_response", "id": None, "response": {"ok": True}, "is_error": True},
        {"type": "blob", "content": "AAAA", "mime_type": "image/png", "modality": "image"},
        {"type": "file", "file_id": "f1"},
        {"type": "uri", "mime_type": None, "uri": "https://example.org/x"},
    ]


def test_a_part_of_an_unknown_type_keeps_every_field() -> None:
    part = {"type": "canvas", "strokes": [[1, 2], [3, 4]], "content": "c", "more": {"deep": None}}
    event = UnknownEvent("message.added", {"role": "user", "content": [{"type": "text", "content": "see"}, part]})
    assert view_of(event).messages[0].parts == [{"type": "text", "content": "see"}, part]


def test_a_part_of_an_unknown_type_keeps_what_its_event_has_when_it_did_not_come_from_a_log() -> None:
    event = MessageAdded(role="user", content=[Part(type="canvas", content="c")])
    view = replay([StoredEvent(seq=1, time=T0, event=event)], SessionView)
    assert view.messages[0].parts == [{"type": "canvas", "content": "c"}]
