"""Windows of a session's messages, and its outline: what is asked for, what lies between, what it costs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from eventlog import EventLog, Session, stored
from eventlog.errors import InvalidInput, InvalidSessionId, SessionNotFound
from eventlog.events import ContextCompacted, ErrorLogged, MessageAdded, MessageAmended, MessageDelta, MessageRetracted, Part, ToolCalled
from projections import Catalog
from projections.catalog.facade import Window


@pytest.fixture
def log(tmp_path: Path) -> Iterator[EventLog]:
    with EventLog.open(tmp_path / "store", sync="never") as log:
        yield log


@pytest.fixture
def catalog(log: EventLog) -> Iterator[Catalog]:
    with Catalog.open(log) as catalog:
        yield catalog


def said(text: str, message_id: str | None = None, role: str = "user") -> MessageAdded:
    return MessageAdded(role=role, content=text, message_id=message_id)


def texts(window: Window) -> list[str]:
    return [str(message.parts[0]["content"]) for message in window.items]


@pytest.fixture
def ten(log: EventLog) -> str:
    """Ten messages at the seqs 3, 5, ..., 21, a call behind each, an error before the first and a compaction behind the fifth."""
    session = log.start(id="ten")
    session.append(ErrorLogged(message="before all"))
    for number in range(10):
        session.append(said(str(number), f"m{number}", "user" if number % 2 else "assistant"), ToolCalled(name="git", call_id=f"c{number}"))
    session.append(ContextCompacted(summary="so far"))
    session.close()
    return session.id


@pytest.mark.parametrize(
    ("asked", "shown"),
    [
        ({}, "0123456789"),
        ({"limit": 3}, "012"),
        ({"after": 0, "limit": 3}, "012"),
        ({"after": 3, "limit": 3}, "123"),
        ({"after": 4, "limit": 3}, "123"),
        ({"after": 21}, ""),
        ({"before": 21, "limit": 3}, "678"),
        ({"before": 22, "limit": 3}, "789"),
        ({"before": 1 << 62, "limit": 3}, "789"),
        ({"before": 3}, ""),
        ({"around": 9, "limit": 3}, "234"),
        ({"around": 10, "limit": 3}, "345"),
        ({"around": 9, "limit": 4}, "2345"),
        ({"around": 9, "limit": 1}, "3"),
        ({"around": 0, "limit": 3}, "01"),
        ({"around": 1 << 62, "limit": 3}, "789"),
        ({"roles": ["user"], "limit": 2}, "13"),
        ({"roles": ["user"], "before": 15, "limit": 2}, "35"),
        ({"roles": ["nobody"]}, ""),
    ],
)
def test_a_window_holds_what_was_asked_for(catalog: Catalog, ten: str, asked: dict[str, Any], shown: str) -> None:
    assert "".join(texts(catalog.messages(ten, **asked))) == shown


def test_a_window_says_where_it_is_and_what_lies_between(catalog: Catalog, ten: str) -> None:
    first = catalog.messages(ten, limit=4)
    assert (first.total, first.first_seq, first.last_seq, first.previous, first.next) == (10, 3, 21, None, 9)
    assert ([call.call_id for call in first.tool_calls], len(first.errors), first.compactions) == (["c0", "c1", "c2", "c3"], 1, [])
    middle = catalog.messages(ten, after=first.next, limit=4)
    assert (middle.total, middle.first_seq, middle.last_seq, middle.previous, middle.next) == (10, 3, 21, 11, 17)
    assert ([call.call_id for call in middle.tool_calls], middle.errors, middle.compactions) == (["c4", "c5", "c6", "c7"], [], [])
    last = catalog.messages(ten, after=middle.next, limit=4)
    assert (last.previous, last.next) == (19, None)
    assert ([call.call_id for call in last.tool_calls], len(last.compactions)) == (["c8", "c9"], 1)
    behind = catalog.messages(ten, after=21)
    assert (behind.items, behind.tool_calls, behind.compactions, behind.total, behind.next) == ([], [], [], 10, None)


def test_a_session_without_messages_has_one_window_with_the_rest(log: EventLog, catalog: Catalog) -> None:
    log.start(id="s1").append(ErrorLogged(message="no"), ToolCalled(name="git"))
    window = catalog.messages("s1")
    assert (window.items, window.total, window.first_seq, window.last_seq, window.next, window.previous) == ([], 0, None, None, None, None)
    assert (len(window.errors), len(window.tool_calls)) == (1, 1)


def test_a_correction_reaches_a_window_that_was_read_before(log: EventLog, catalog: Catalog, ten: str) -> None:
    catalog.messages(ten)
    with log.session(ten) as session:
        session.append(MessageAmended(message_id="m1", content="one"), MessageRetracted(message_id="m2"), said("more", "m0"))
    window = catalog.messages(ten, limit=3)
    assert texts(window) == ["0", "one", "3"]
    assert (window.total, [part["content"] for part in window.items[0].parts]) == (9, ["0", "more"])
    outline = catalog.outline(ten)
    assert {seq: flags for seq, _, _, flags in outline.items if flags} == {5: outline.flags_of["amended"]}
    shown = catalog.messages(ten, limit=3, retracted=True)
    assert ([message.retracted for message in shown.items], texts(shown)) == ([False, False, True], ["0", "one", "2"])
    assert [message.amended for message in shown.items] == [False, True, False]
    assert [row[0] for row in catalog.outline(ten, retracted=True).items if row[3] & outline.flags_of["retracted"]] == [shown.items[2].seq]


def test_a_streamed_message_grows_and_then_stands_where_it_was_completed(log: EventLog, catalog: Catalog) -> None:
    with log.start(id="s1") as session:
        for piece in ("Hel", "lo"):
            session.append(MessageDelta(message_id="m1", content=piece))
            session.append(MessageDelta(message_id="m2", content=piece.upper()))
            window = catalog.messages("s1")
        assert (texts(window), [message.partial for message in window.items]) == (["Hello", "HELLO"], [True, True])
        session.append(said("Hello!", "m1", "assistant"))
        window = catalog.messages("s1")
        assert [(message.seq, message.partial, message.role) for message in window.items] == [
            (3, True, "assistant"),
            (6, False, "assistant"),
        ]
        assert texts(window) == ["HELLO", "Hello!"]
        assert [seq for seq, *_ in catalog.outline("s1").items] == [3, 6]
        assert window.total == 2


def test_what_is_cut_says_so_and_how_long_it_was(log: EventLog, catalog: Catalog) -> None:
    session = log.start(id="s1")
    session.append(MessageAdded(role="user", content=[Part(type="text", content="x" * 50), Part(type="text", content="short")]))
    session.append(ToolCalled(name="git", arguments={"text": "y" * 50}))
    window = catalog.messages("s1", max_chars=10)
    assert window.items[0].parts == [
        {"type": "text", "content": "x" * 10, "truncated": True, "chars": 50},
        {"type": "text", "content": "short"},
    ]
    assert (window.items[0].truncated, window.tool_calls[0].truncated, window.tool_calls[0].arguments) == (True, True, '{"text":"y')
    whole = catalog.messages("s1", max_chars=1_000)
    assert (whole.items[0].truncated, whole.tool_calls[0].truncated) == (False, False)


@pytest.mark.parametrize(
    "asked",
    [
        {"after": 1, "before": 2},
        {"around": 1, "after": 1},
        {"after": -1},
        {"after": 1 << 63},
        {"before": "3"},
        {"around": True},
        {"limit": 0},
        {"limit": 10_001},
        {"limit": 2.0},
        {"max_chars": 0},
        {"roles": ["\udcff"]},
    ],
)
def test_what_cannot_be_asked_is_said(catalog: Catalog, ten: str, asked: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput):
        catalog.messages(ten, **asked)


def test_roles_are_no_single_text(catalog: Catalog, ten: str) -> None:
    with pytest.raises(TypeError):
        catalog.messages(ten, roles="user")


def test_a_session_that_is_not_there_is_said(catalog: Catalog, ten: str) -> None:
    for ask in (catalog.messages, catalog.outline):
        with pytest.raises(SessionNotFound):
            ask("other")
        with pytest.raises(InvalidSessionId):
            ask("../ten")


def test_a_deleted_session_can_still_be_read(log: EventLog, catalog: Catalog, ten: str) -> None:
    log.delete(ten)
    assert len(catalog.messages(ten).items) == 10


def test_what_was_redacted_is_in_no_window(log: EventLog, catalog: Catalog, tmp_path: Path) -> None:
    session = log.start(id="s1")
    session.append(said("the secret", "m1"), said("rest", "m2"))
    assert "the secret" in texts(catalog.messages("s1"))
    log.redact("s1", pattern="secret")
    assert texts(catalog.messages("s1")) == ["the [redacted]", "rest"]
    assert list(catalog.check("outline", jobs=1)) == []


def test_a_window_is_right_after_a_merge_that_had_to_rename_messages(log: EventLog, catalog: Catalog) -> None:
    for name in ("a", "b"):
        with log.start(id=name) as session:
            session.append(said(f"of {name}", "m1"), MessageAmended(message_id="m1", content=f"amended in {name}"))
    with log.merge(["a", "b"]) as merged:
        assert sorted(texts(catalog.messages(merged.id))) == ["amended in a", "amended in b"]


# --- what it costs ---------------------------------------------------------------------------------------------------------------


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many events were decoded, chunk by chunk."""
    counts: list[int] = []
    decode = stored.decode

    def counting(lines: Any) -> Any:
        found = decode(lines)
        counts.append(len(found))
        return found

    monkeypatch.setattr(stored, "decode", counting)
    return counts


@pytest.mark.parametrize("place", [{"after": 0}, {"around": 10_000}, {"before": 1 << 62}])
def test_a_window_of_a_long_session_decodes_few_of_its_events(
    log: EventLog, catalog: Catalog, decoded: list[int], place: dict[str, int]
) -> None:
    with log.start(id="long") as session:
        for number in range(200):
            session.append(*[said(f"{number} {each} " + "x" * 200, f"m{number}-{each}") for each in range(100)])
        catalog.messages("long")
        decoded.clear()
        assert len(catalog.messages("long", limit=100, **place).items) == 100
        assert sum(decoded) < 2_000  # a few chunks, and the last one to see that it is still what was folded
        decoded.clear()
        assert catalog.messages("long", after=1 << 60).items == []
        assert sum(decoded) <= 1  # the last one, to see that it is still what was folded
        session.append(said("new"))
        decoded.clear()
        assert catalog.messages("long", limit=1, before=1 << 62).items[0].parts == [{"type": "text", "content": "new"}]
        assert sum(decoded) < 4_000


def test_a_window_reads_the_session_once_for_its_messages_and_their_calls(
    log: EventLog, catalog: Catalog, ten: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    catalog.messages(ten)
    read, asked = Session.read, []

    def counted(session: Session, *arguments: Any, **options: Any) -> Any:
        asked.append(session.id)
        return read(session, *arguments, **options)

    monkeypatch.setattr(Session, "read", counted)
    found = catalog.messages(ten, after=5, limit=3)
    assert (len(found.items), [call.call_id for call in found.tool_calls]) == (3, ["c2", "c3", "c4"])
    assert asked == [ten]


def test_for_a_window_only_its_own_session_is_folded(log: EventLog, catalog: Catalog, ten: str) -> None:
    for number in range(5):
        with log.start(id=f"other{number}") as session:
            session.append(said("x"))
    assert catalog.messages(ten).total == 10
    held = catalog._serving.ask_about(
        ten, (), "outline", lambda connection: list(connection.execute("SELECT session_id FROM outline.checkpoint"))
    )
    assert held == [(ten,)]
    assert catalog.messages("other3").total == 1
    catalog.catch_up("outline")
    assert list(catalog.check("outline", jobs=1)) == []
    catalog.rebuild("outline", jobs=1)
    assert [catalog.messages(f"other{number}").total for number in range(5)] == [1] * 5


def test_the_outline_of_a_store_in_memory_works_too() -> None:
    with EventLog.memory() as log, Catalog.open(log) as catalog:
        log.start(id="s1").append(said("hi"))
        assert catalog.messages("s1").total == 1
        log.session("s1").append(said("more"))
        assert texts(catalog.messages("s1")) == ["hi", "more"]
