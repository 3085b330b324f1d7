"""Recall: what is chosen, how it is cut, and that it stays within its budget."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventlog.events import MessageAdded
from projections.operations.recalling import excerpt, stem, words_of

from .conftest import Asker


def test_any_word_of_the_question_finds_the_passage_and_its_neighbours_come_with_it(ask: Asker) -> None:
    with ask.context.log.start(id="talk") as session:
        for text in ("Where is the harbour?", "The lighthouse keeper knows the tides.", "Thanks, that is all."):
            session.append(MessageAdded(role="user", content=text))
    found = ask("recall", query="What does the keeper of lighthouses say?")
    assert [(each["session_id"], each["seq"], each["text"]) for each in found["passages"]] == [
        ("talk", 2, "Where is the harbour?"),
        ("talk", 3, "The lighthouse keeper knows the tides."),
        ("talk", 4, "Thanks, that is all."),
    ]
    assert found["more"] is False
    assert ask.tool("recall", query="What does the keeper of lighthouses say?") == found


def test_what_the_user_first_wanted_comes_with_the_hits_of_a_session(ask: Asker) -> None:
    with ask.context.log.start(id="talk") as session:
        session.append(MessageAdded(role="user", content="Plan the summer trip."))
        for number in range(10):
            session.append(MessageAdded(role="assistant", content=f"Step {number}."))
        session.append(MessageAdded(role="assistant", content="The ferry leaves at noon."))
    found = ask("recall", query="ferry")
    assert [each["text"] for each in found["passages"]] == ["Plan the summer trip.", "Step 9.", "The ferry leaves at noon."]


def test_a_word_that_is_written_nowhere_is_looked_for_by_its_beginning(ask: Asker) -> None:
    with ask.context.log.start(id="talk") as session:
        session.append(MessageAdded(role="user", content="Read the signals of a game controller."))
    assert [each["seq"] for each in ask("recall", query="gamepad")["passages"]] == [2]


def test_the_budget_holds_and_what_is_left_out_is_said(ask: Asker) -> None:
    for number in range(12):
        with ask.context.log.start(id=f"n{number}") as session:
            session.append(MessageAdded(role="user", content=f"zebra {number} " + f"word{number} " * 2_000))
    for most in (200, 500, 8_000):
        found = ask.tool("recall", query="zebra", max_tokens=most)
        assert sum(len(each["text"]) for each in found["passages"]) <= 4 * most
        assert 0 < found["used_tokens"] <= most
        assert all("zebra" in each["text"] for each in found["passages"])
    assert ask("recall", query="zebra", max_tokens=200)["more"] is True


def test_the_same_text_is_given_once(ask: Asker) -> None:
    for number in range(3):
        with ask.context.log.start(id=f"copy{number}") as session:
            session.append(MessageAdded(role="user", content="The walrus sleeps."))
    assert len(ask("recall", query="walrus")["passages"]) == 1


@pytest.mark.parametrize("query", ["nothingofthekind", "???", "   "])
def test_nothing_is_found_where_there_is_nothing(ask: Asker, query: str) -> None:
    assert ask("recall", query=query) == {"passages": [], "used_tokens": 0, "more": False, "complete": True}


def test_words_that_are_everywhere_count_only_where_there_are_no_others() -> None:
    assert words_of("What did the user want?") == ["user", "want"]
    assert words_of("To be or not to be") == ["to", "be", "or", "not"]
    assert words_of("somebody's photo") == ["photo"]


@pytest.mark.parametrize(
    ("word", "beginning"), [("slides", "slid"), ("blurring", "blurr"), ("face", "face"), ("templates", "templat"), ("über", "über")]
)
def test_forms_of_a_word_share_their_beginning(word: str, beginning: str) -> None:
    assert stem(word) == beginning


def test_an_excerpt_is_the_part_with_most_of_the_words() -> None:
    text = "x " * 2_000 + "the cookie expires too early " + "y " * 2_000
    assert "cookie expires" in excerpt(text, ["cookie", "expires"], 200)


@given(st.text(max_size=3_000), st.lists(st.text(min_size=1, max_size=8), max_size=4), st.integers(20, 900))
def test_an_excerpt_is_never_longer_than_asked(text: str, words: list[str], most: int) -> None:
    found = excerpt(text, words, most)
    assert len(found) <= most
    assert found.strip("…") in text
