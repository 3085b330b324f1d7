"""Search: what is found by which words, what is shown of it, and what strange queries give."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eventlog import EventLog
from eventlog.errors import SessionNotFound
from eventlog.events import (
    ContextCompacted,
    ErrorLogged,
    MessageAdded,
    MessageAmended,
    MessageDelta,
    MessageRetracted,
    Part,
    SessionDeleted,
    SessionUpdated,
    ToolCalled,
    ToolReturned,
)
from projections import Catalog
from projections.catalog.cost import NO_PRICES
from projections.catalog.search import flatten, humps, names_in
from projections.catalog.search_query import InvalidQuery, parse


@pytest.fixture
def log() -> Iterator[EventLog]:
    with EventLog.memory() as log:
        yield log


@pytest.fixture
def catalog(log: EventLog) -> Iterator[Catalog]:
    with Catalog.open(log, prices=NO_PRICES) as catalog:
        yield catalog


def say(log: EventLog, *texts: str, session_id: str = "s") -> None:
    for text in texts:
        log.session(session_id, create=True).append(MessageAdded(role="user", content=text))


def seqs(catalog: Catalog, query: str) -> list[int]:
    page = catalog.search(query)
    assert page.total == len(page.items)
    return sorted(item.seq for item in page.items)


def test_words_phrases_prefixes_exclusions_and_alternatives(log: EventLog, catalog: Catalog) -> None:
    say(log, "the quick brown fox", "the brown quick dog", "foxes and dogs", "a cat")
    assert seqs(catalog, "quick brown") == [1, 2]
    assert seqs(catalog, "QUICK") == [1, 2]
    assert seqs(catalog, '"quick brown"') == [1]
    assert seqs(catalog, "fox*") == [1, 3]
    assert seqs(catalog, '"brown qu"*') == [2]
    assert seqs(catalog, "quick -fox") == [2]
    assert seqs(catalog, "cat OR dogs") == [3, 4]
    assert seqs(catalog, "the dog OR fox") == [1, 2]
    assert seqs(catalog, "quick AND fox") == [1]
    assert seqs(catalog, "nothing") == []


def test_accents_and_ways_of_writing_do_not_matter(log: EventLog, catalog: Catalog) -> None:
    say(log, "un café serré", "cafe\u0301", "\uff21\uff22\uff23")
    assert seqs(catalog, "cafe serre") == [1]
    assert seqs(catalog, "CAFÉ") == [1, 2]
    assert catalog.search("cafe un").items[0].snippet == "**un** **café** serré"
    assert seqs(catalog, "abc") == [3]
    assert catalog.search("abc").items[0].snippet == "**\uff21\uff22\uff23**"


def test_scripts_without_spaces_are_found_by_any_part(log: EventLog, catalog: Catalog) -> None:
    say(log, "昨天用户登录失败了", "ログインに失敗しました", "로그인을 실패했습니다", "ไม่สามารถเข้าสู่ระบบ", "done 🎉🎉")
    assert seqs(catalog, "登录") == [1]
    assert seqs(catalog, "户登") == [1]
    assert seqs(catalog, "录登") == []
    assert seqs(catalog, "失") == [1, 2]
    assert seqs(catalog, "ログイン") == [2]
    assert seqs(catalog, "로그인") == [3]
    assert seqs(catalog, "เข้าสู่") == [4]
    assert seqs(catalog, "🎉") == [5]
    assert seqs(catalog, "done") == [5]
    assert catalog.search("登录").items[0].snippet == "昨天用户**登录**失败了"
    assert catalog.search("로그인").items[0].snippet == "**로그인**을 실패했습니다"


def test_identifiers_are_found_whole_and_by_their_parts(log: EventLog, catalog: Catalog) -> None:
    say(log, "call getUserName() in src/auth/login_form.py", "parseHTTPResponse", "user")
    assert seqs(catalog, "getUserName") == [1]
    assert seqs(catalog, "getusername") == [1]
    assert seqs(catalog, "UserName") == [1]
    assert seqs(catalog, "getUser*") == [1]
    assert seqs(catalog, "user") == [1, 3]
    assert seqs(catalog, "login_form.py") == [1]
    assert seqs(catalog, "auth/login") == [1]
    assert seqs(catalog, "form") == [1]
    assert seqs(catalog, "HTTPResponse") == [2]
    assert catalog.search("UserName").items[0].snippet == "call get**UserName**() in src/auth/login_form.py"


def test_everything_that_was_said_or_done_is_found(log: EventLog, catalog: Catalog) -> None:
    session = log.start(id="s", title="Alpha", description="bravo", purpose="charlie")
    session.append(
        MessageAdded(
            role="assistant",
            content=[
                Part(type="reasoning", content="delta"),
                Part(type="text", content="echo"),
                Part(type="tool_call", id="1", name="foxtrot", arguments={"golf": ["hotel", 42]}),
                Part(type="tool_call_response", id="1", response={"india": "juliet"}),
                Part(type="blob", content="a2lsbw=="),
            ],
        )
    )
    session.append(ToolCalled(name="lima", arguments="mike"))
    session.append(ToolReturned(output=[{"november": "oscar"}]))
    session.append(ErrorLogged(message="papa"))
    session.append(ContextCompacted(summary="quebec"))
    found = {}
    for word in re.findall(
        r"\w+", "alpha bravo charlie delta echo foxtrot golf hotel 42 india juliet lima mike november oscar papa quebec a2lsbw"
    ):
        found[word] = [(item.seq, item.kind) for item in catalog.search(word).items]
    assert found == {
        "alpha": [(1, "title")],
        "bravo": [(1, "description")],
        "charlie": [(1, "purpose")],
        "delta": [(2, "reasoning")],
        "echo": [(2, "text")],
        "foxtrot": [(2, "arguments")],
        "golf": [(2, "arguments")],
        "hotel": [(2, "arguments")],
        "42": [(2, "arguments")],
        "india": [(2, "output")],
        "juliet": [(2, "output")],
        "lima": [(3, "arguments")],
        "mike": [(3, "arguments")],
        "november": [(4, "output")],
        "oscar": [(4, "output")],
        "papa": [(5, "error")],
        "quebec": [(6, "summary")],
        "a2lsbw": [],
    }


def test_a_title_is_found_until_it_is_replaced_and_counts_most(log: EventLog, catalog: Catalog) -> None:
    say(log, "login login login", session_id="other")
    session = log.start(id="s", title="Debug login")
    assert [item.session_id for item in catalog.search("login").items] == ["s", "other"]
    session.append(SessionUpdated(title="Debug logout"))
    assert [item.session_id for item in catalog.search("login").items] == ["other"]
    assert catalog.search("logout").items[0].seq == 2
    session.append(SessionUpdated(title=None))
    assert catalog.search("logout").total == 0


def test_amended_and_retracted_messages_are_found_as_they_are_now(log: EventLog, catalog: Catalog) -> None:
    session = log.session("s", create=True)
    session.append(MessageAdded(role="user", content="before", message_id="m"))
    assert seqs(catalog, "before") == [1]
    session.append(MessageAmended(message_id="m", content="after"))
    assert (seqs(catalog, "before"), seqs(catalog, "after")) == ([], [2])
    session.append(MessageRetracted(message_id="m"))
    assert seqs(catalog, "after") == []
    session.append(MessageAdded(role="user", content="more of it", message_id="m"))
    assert seqs(catalog, "more") == []


def test_a_message_that_is_amended_before_anybody_asked_is_found_as_it_is_now(log: EventLog, catalog: Catalog) -> None:
    session = log.session("s", create=True)
    session.append(MessageAdded(role="user", content="before", message_id="m"), MessageAmended(message_id="m", content="after"))
    assert (seqs(catalog, "before"), seqs(catalog, "after")) == ([], [2])


def test_a_message_that_was_never_completed_is_found_by_its_deltas(log: EventLog, catalog: Catalog) -> None:
    session = log.session("s", create=True)
    for piece in ("never com", "plete", "d at all"):
        session.append(MessageDelta(message_id="m", content=piece))
        catalog.search("x")
    [hit] = catalog.search("completed").items
    assert (hit.seq, hit.kind, hit.snippet) == (1, "partial", "never **completed** at all")
    session.append(MessageAdded(role="assistant", content="now it is", message_id="m"))
    assert (seqs(catalog, "never"), seqs(catalog, "now")) == ([], [4])


def test_the_filters_are_those_of_the_list(log: EventLog, catalog: Catalog) -> None:
    log.start(id="a", user_id="u1", tags=["x"]).append(MessageAdded(role="user", content="word"))
    log.start(id="b", user_id="u2").append(MessageAdded(role="user", content="word"))
    log.session("b").append(SessionDeleted())
    assert [item.session_id for item in catalog.search("word").items] == ["a"]
    assert [item.session_id for item in catalog.search("word", user_id="u2", deleted=True).items] == ["b"]
    assert catalog.search("word", tags=["y"]).total == 0


def test_pages_of_hits(log: EventLog, catalog: Catalog) -> None:
    say(log, *["same words"] * 5)
    found, cursor = [], None
    for total in (5, 5, 5):
        page = catalog.search("words", limit=2, after=cursor)
        assert page.total == total
        found += [item.seq for item in page.items]
        cursor = page.next
    assert (sorted(found), cursor) == ([1, 2, 3, 4, 5], None)


def test_what_is_written_meanwhile_does_not_move_the_hits_on_later_pages(log: EventLog, catalog: Catalog) -> None:
    say(log, *["same words"] * 5)
    first = catalog.search("words", limit=2)
    say(log, *["same words"] * 3, session_id="another")
    second = catalog.search("words", limit=2, after=first.next)
    third = catalog.search("words", limit=2, after=second.next)
    assert sorted((item.session_id, item.seq) for item in first.items + second.items + third.items) == [("s", seq) for seq in range(1, 6)]
    assert (first.total, second.total, third.total, third.next) == (5, 5, 5, None)
    assert catalog.search("words").total == 8


def test_encoded_bytes_are_one_word_and_long_names_are_not(log: EventLog, catalog: Catalog) -> None:
    picture = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk" * 6 + "/+8AAQ=="
    path = "/".join(f"folder_{number}" for number in range(40))
    say(log, f"see {picture} here", f"in {path}/needle.py", "y" * 400)
    assert seqs(catalog, picture) == [1]
    assert seqs(catalog, "here") == [1]
    assert seqs(catalog, "iVBORw0KGgo*") == []
    assert seqs(catalog, "needle") == [2]
    assert seqs(catalog, "folder_17/folder_18") == [2]
    assert seqs(catalog, "Y" * 400) == [3]
    assert catalog.search("y" * 400).items[0].snippet.startswith("**yyyy")


@pytest.mark.parametrize(
    ("text", "query", "snippet"),
    [
        ("ελληνικά Σίσυφος", "ΣΊΣΥΦΟΣ", "ελληνικά **Σίσυφος**"),
        ("हिन्दी नमस्ते!", "नमस्ते", "हिन्दी **नमस्ते**!"),
        ("un cafe\u0301 la\u0300", "café", "un **cafe\u0301** la\u0300"),
        ("Die STRASSE, die Straße", "STRAßE", "Die STRASSE, die **Straße**"),
    ],
)
def test_a_hit_is_marked_whatever_the_script(log: EventLog, catalog: Catalog, text: str, query: str, snippet: str) -> None:
    say(log, text)
    assert catalog.search(query).items[0].snippet == snippet


def test_a_snippet_shows_the_hit_in_a_long_text_on_one_line(log: EventLog, catalog: Catalog) -> None:
    say(log, "lorem ipsum\n" * 500 + "the needle\tis here" + "\ndolor sit" * 500)
    [hit] = catalog.search("needle").items
    assert "the **needle** is here" in hit.snippet
    assert hit.snippet.startswith("…")
    assert hit.snippet.endswith("…")
    assert len(hit.snippet) < 200
    assert "\n" not in hit.snippet


def test_whole_words_are_marked_where_there_are_any(log: EventLog, catalog: Catalog) -> None:
    say(log, "errors and error, Error_error")
    assert catalog.search("error").items[0].snippet == "errors and **error**, **Error**_**error**"


@pytest.mark.parametrize("query", ["", " ", "!!!", '"', '""', "*", "-", "-word", "AND", "OR OR", "()", "\x00", "^", "'"])
def test_a_query_without_a_word_is_refused(catalog: Catalog, query: str) -> None:
    with pytest.raises(InvalidQuery, match="there is no word to look for"):
        catalog.search(query)


def test_a_query_has_a_limit(catalog: Catalog) -> None:
    with pytest.raises(InvalidQuery, match="more than 64 words"):
        catalog.search("word " * 65)


@pytest.mark.parametrize(
    "query", ["a AND", "NOT a", "a NEAR(b)", "text:a", "names : a", "a^2", "{a}", "(a", 'a"', 'a "b', "a*b*", "a.b'c", "a+b", "--a", "a--"]
)
def test_strange_syntax_is_only_words(log: EventLog, catalog: Catalog, query: str) -> None:
    say(log, "a b c")
    assert catalog.search(query).total in (0, 1)


@settings(max_examples=150)
@given(st.text(max_size=30) | st.text('ab"*-() ORNEAR:^+', max_size=20))
def test_any_query_gives_an_answer_or_says_that_there_is_no_word(query: str) -> None:
    with EventLog.memory() as log, Catalog.open(log, prices=NO_PRICES) as catalog:
        log.session("s", create=True).append(MessageAdded(role="user", content=query.encode(errors="replace").decode()))
        try:
            found = catalog.search(query)
        except InvalidQuery:
            return
        assert found.total == len(found.items) <= 1


def test_a_parsed_query() -> None:
    parsed = parse('one "two three"* -four FIVE OR six')
    assert parsed.expression() == '(("one") AND ("two three"*) AND ("FIVE" OR "six")) NOT "four"'
    assert parse("--store").expression() == '("--store")'


def test_the_pieces_of_preparing_a_text() -> None:
    assert humps("getHTTPResponseCode2x") == ["get", "HTTP", "Response", "Code2x"]
    assert names_in("a getUser NAME Title getUser x1 iOS") == "get User\ni OS"
    assert flatten({"a": [1, None, True, {"b": "c"}], "d": 2.5}) == "a\n1\nb\nc\nd\n2.5"
    deep: object = "bottom"
    for _ in range(50_000):
        deep = [deep]
    assert flatten(deep) == "bottom"


def test_words_with_signs_are_words_of_their_own(log: EventLog, catalog: Catalog) -> None:
    log.session("s", create=True).append(
        MessageAdded(role="user", content="I like C++ templates"), MessageAdded(role="user", content="c and d, a+b, x+++")
    )
    log.session("t", create=True).append(MessageAdded(role="user", content="c# is not C++; g++ compiles it"))
    assert sorted((hit.session_id, hit.seq) for hit in catalog.search("C++").items) == [("s", 1), ("t", 1)]
    assert [(hit.session_id, hit.snippet) for hit in catalog.search("C#").items] == [("t", "**c#** is not C++; g++ compiles it")]
    assert [hit.session_id for hit in catalog.search('"c++ templates"').items] == ["s"]
    assert catalog.search("G++").total == 1
    assert catalog.search("d++").total == 0
    assert catalog.search("c").total == 3
    assert catalog.search("-C++ c").total == 1


def test_a_search_within_a_session_and_in_messages_of_a_role(log: EventLog, catalog: Catalog) -> None:
    log.session("s", create=True).append(MessageAdded(role="user", content="word"), MessageAdded(role="assistant", content="word word"))
    log.session("t", create=True).append(MessageAdded(role="user", content="word"), ToolCalled(name="word"))
    log.session("s", create=True).append(MessageAdded(role="user", content="word again"))
    assert sorted(hit.seq for hit in catalog.search("word", session_id="s").items) == [1, 2, 3]
    assert [hit.seq for hit in catalog.search("word", session_id="s", roles=["assistant"]).items] == [2]
    assert catalog.search("word", roles=["user", "assistant"]).total == 4
    assert catalog.search("word", roles=["nobody"]).total == 0
    assert catalog.search("word", session_id="s", limit=2).total == 3
    following = catalog.search("word", session_id="s", limit=2).next
    assert len(catalog.search("word", session_id="s", limit=2, after=following).items) == 1
    log.delete("s")
    assert catalog.search("word", session_id="s").total == 3  # whoever names it means it
    assert catalog.search("word").total == 2
    with pytest.raises(SessionNotFound):
        catalog.search("word", session_id="nobody")
    with pytest.raises(TypeError, match="roles is a list of texts"):
        catalog.search("word", roles="user")
