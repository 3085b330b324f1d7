"""Matches that are spread over the pieces of a streamed message."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventlog import EventLog
from eventlog.events import Event, MessageAdded, MessageDelta
from eventlog.maintenance import streamed
from eventlog.maintenance.streamed import StreamedMatches
from projections import Catalog, SessionView, replay
from projections.catalog.cost import NO_PRICES
from tests.files_of import files_that_hold

SECRET = "sk-marker-1234"


def lines_of(*events: Event) -> bytes:
    with EventLog.memory() as log:
        session = log.session("s", create=True)
        for event in events:
            session.append(event)
        return b"".join(stored.raw + b"\n" for stored in session.read())


def delta(text: str, id: str = "m1", kind: str = "text") -> MessageDelta:
    return MessageDelta(message_id=id, content=text, kind=kind)


def changed(*events: Event, pattern: str = SECRET) -> dict[int, str | None]:
    matches = StreamedMatches(re.compile(pattern), "[redacted]")
    matches.observe(lines_of(*events))
    return {seq: matches.content_of(seq) for seq in matches.found()}


def test_a_match_goes_from_every_piece_that_holds_a_part_of_it() -> None:
    found = changed(delta("the key is sk-m"), delta("arker"), delta(""), delta("-1234, use it"), delta("."))
    assert found == {1: "the key is [redacted]", 2: "", 4: ", use it"}


def test_a_match_within_one_piece_is_left_to_the_line_that_it_is_in() -> None:
    assert changed(delta("a "), delta(f"{SECRET} and sk-"), delta("marker-1234")) == {2: f"{SECRET} and [redacted]", 3: ""}


def test_pieces_of_other_messages_stand_between_and_make_no_difference() -> None:
    assert changed(delta("sk-mar"), delta("x", "m2"), MessageAdded(role="user", content="y"), delta("ker-1234")) == {1: "[redacted]", 4: ""}


@pytest.mark.parametrize(
    "between",
    [delta("hm", kind="reasoning"), MessageAdded(message_id="m1", role="assistant", content="done")],
    ids=["another kind", "the message is complete"],
)
def test_what_no_view_puts_together_is_no_match(between: Event) -> None:
    assert changed(delta("sk-mar"), between, delta("ker-1234")) == {}


def test_a_message_that_goes_on_after_it_was_asked_about_is_looked_at_again() -> None:
    text = lines_of(delta("sk-mar"), delta("ker-1234 sk-mark"), delta("er-1234")).splitlines(keepends=True)
    matches = StreamedMatches(re.compile(SECRET), "[redacted]")
    matches.observe(text[0] + text[1])
    assert matches.found() == [1, 2]
    matches.observe(text[1] + text[2])
    assert (matches.found(), matches.content_of(2), matches.content_of(3)) == ([2, 3], " [redacted]", "")


def test_what_is_held_is_bounded_and_a_match_at_the_end_of_it_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streamed, "MOST_HELD", 4_000)
    monkeypatch.setattr(streamed, "OVERLAP", 1_000)
    filler = [delta("." * 50, id) for id in ("m1", "m2", "m3") for _ in range(30)]
    assert changed(*filler, delta("sk-mar", "m3"), *filler[:30], delta("ker-1234", "m3")) == {91: "[redacted]", 122: ""}


@given(st.lists(st.text("sk-x ", max_size=4), max_size=12))
def test_what_is_left_joins_to_the_text_without_matches(texts: list[str]) -> None:
    pattern = re.compile("sk-x?")
    found = changed(*map(delta, texts), pattern=pattern.pattern)
    left = "".join(str(found.get(seq, text)) for seq, text in enumerate(texts, 1))
    assert pattern.sub("", left.replace("[redacted]", "|")).replace("|", "") == pattern.sub("", "".join(texts))
    for seq, text in enumerate(texts, 1):
        assert seq in found or len(text) == 0 or pattern.sub("", text) in pattern.sub("", "".join(texts))


@pytest.mark.parametrize("is_complete", [True, False])
def test_a_secret_that_was_streamed_comes_back_in_no_view_and_no_file(is_complete: bool, tmp_path: Path) -> None:
    with EventLog.open(tmp_path) as log:
        session = log.start(id="s")
        session.append(delta("the key is sk-m"))
        session.append(delta("arker-12"))
        session.append(delta("34 and so on"))
        if is_complete:
            session.append(MessageAdded(message_id="m1", role="assistant", content=f"the key is {SECRET} and so on"))
        report = log.redact("s", pattern=SECRET)
        assert report.seqs == ([2, 3, 4, 5] if is_complete else [2, 3, 4])
        with Catalog.open(log, prices=NO_PRICES) as catalog:
            assert catalog.search("redacted").total >= 1
        assert files_that_hold(tmp_path, SECRET) == []
        deltas = [stored.event.content for stored in session.read(types=["message.delta"])]
        assert deltas == ["the key is [redacted]", "", " and so on"]
        assert replay(session.read(), SessionView).messages[0].parts == [{"type": "text", "content": "the key is [redacted] and so on"}]
        assert log.verify().ok
        assert log.redact("s", pattern=SECRET).seqs == []
