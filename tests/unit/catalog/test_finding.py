"""Which session is meant: the first rule that anything fits decides, and where several fit, none is chosen."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from eventlog import EventLog
from eventlog.errors import InvalidInput, SessionNotFound
from eventlog.events import Parent, SessionStarted, SessionUpdated, UsageRecorded
from projections import Catalog
from projections.catalog.cost import NO_PRICES
from projections.catalog.finding import AmbiguousSession

NOON = datetime(2026, 3, 2, 12, tzinfo=timezone.utc)


@pytest.fixture
def log() -> Iterator[EventLog]:
    with EventLog.memory() as log:
        yield log


@pytest.fixture
def catalog(log: EventLog) -> Iterator[Catalog]:
    with Catalog.open(log, prices=NO_PRICES) as catalog:
        yield catalog


def start(log: EventLog, session_id: str, minutes: int = 0, **details: Any) -> None:
    log.session(session_id, create=True).append(SessionStarted(**details), time=NOON + timedelta(minutes=minutes))


def key(namespace: str, *texts: str, generation: int = 1) -> dict[str, Any]:
    return {"key": {"namespace": namespace, "key": list(texts), "generation": generation}}


def found(catalog: Catalog, given: str, **options: Any) -> str:
    return catalog.find(given, **options).session_id


def test_an_exact_id_wins_over_everything_else(log: EventLog, catalog: Catalog) -> None:
    start(log, "last", title="abc")
    start(log, "abc", 1, title="last")
    start(log, "abcd", 2)
    assert found(catalog, "last") == "last"
    assert found(catalog, "abc") == "abc"


def test_last_is_the_latest_activity_that_is_no_subagent_s(log: EventLog, catalog: Catalog) -> None:
    start(log, "a", 0)
    start(log, "b", 5, parent=Parent(session_id="a"))  # a fork is somebody's own
    start(log, "c", 9, parent=Parent(session_id="a", relation="subagent"))
    assert found(catalog, "last") == "b"
    log.delete("b")
    assert found(catalog, "last") == "a"


def test_a_row_of_a_list_is_the_list_that_was_shown_or_the_present_one(log: EventLog, catalog: Catalog) -> None:
    for number in range(3):
        start(log, f"s{number}", number)
    assert [found(catalog, f"@{number}") for number in (1, 2, 3)] == ["s2", "s1", "s0"]
    assert found(catalog, "@2", rows=["s0", "s2"]) == "s2"
    for rows in (None, ["s0"]):
        with pytest.raises(SessionNotFound):
            catalog.find("@4", rows)


def test_a_unique_prefix_is_enough_and_a_parent_wins_over_its_subagents(log: EventLog, catalog: Catalog) -> None:
    start(log, "0193aa", 0, title="one")
    start(log, "0193aa.agent-1", 1, parent=Parent(session_id="0193aa", relation="subagent"))
    start(log, "0193aa.agent-1.x", 2, parent=Parent(session_id="0193aa.agent-1", relation="subagent"))
    start(log, "0193bb", 3)
    assert found(catalog, "0193a") == "0193aa"
    assert found(catalog, "0193aa.agent-1.") == "0193aa.agent-1.x"
    with pytest.raises(AmbiguousSession) as ambiguous:
        catalog.find("0193")
    assert ambiguous.value.count == 4
    assert [item.session_id for item in ambiguous.value.candidates] == ["0193bb", "0193aa.agent-1.x", "0193aa.agent-1", "0193aa"]
    assert str(ambiguous.value).startswith("4 sessions fit '0193': 0193bb (no title), 0193aa.agent-1.x (no title), ")
    assert str(ambiguous.value).endswith("; give the id of one of them, or more of what you gave")


def test_a_foreign_key_is_its_last_generation_that_is_there(log: EventLog, catalog: Catalog) -> None:
    start(log, "slack-1", 0, metadata=key("slack", "C1", "17"))
    start(log, "slack-1.2", 1, metadata=key("slack", "C1", "17", generation=2))
    start(log, "mail-1", 2, metadata=key("mail", "C1", "17"))
    start(log, "fork", 3, metadata=key("slack", "C1", "17"))  # has its source's key, and is not the session of it
    assert found(catalog, "slack/C1/17") == "slack-1.2"
    assert found(catalog, "mail/C1/17") == "mail-1"
    with pytest.raises(AmbiguousSession):
        catalog.find("C1/17")
    log.delete("mail-1")
    assert found(catalog, "C1/17") == "slack-1.2"
    log.delete("slack-1.2")
    assert found(catalog, "C1/17") == "slack-1"
    log.session("slack-1").append(SessionUpdated(metadata={"key": None}))
    with pytest.raises(SessionNotFound):
        catalog.find("C1/17")


def test_words_of_the_title_in_any_case_and_order(log: EventLog, catalog: Catalog) -> None:
    start(log, "a", 0, title="Debug the Login")
    start(log, "b", 1, title="Debug the build")
    assert found(catalog, "login DEBUG") == "a"
    with pytest.raises(AmbiguousSession, match=r"2 sessions fit 'debug': b \(Debug the build\), a \(Debug the Login\);"):
        catalog.find("debug")


@pytest.mark.parametrize("given", ["", " ", "nothing", "@0", "@", "%", "a\x00b", "../etc", "x" * 300])
def test_what_fits_nothing_is_no_session(log: EventLog, catalog: Catalog, given: str) -> None:
    start(log, "s", title="a title")
    with pytest.raises(SessionNotFound):
        catalog.find(given)


def test_half_of_a_character_is_wrong_use_everywhere(log: EventLog, catalog: Catalog) -> None:
    start(log, "s")
    for ask in (catalog.find, catalog.search, lambda text: catalog.list(user_id=text), lambda text: catalog.tools(call_id=text)):
        with pytest.raises(InvalidInput, match="half of a character"):
            ask("a\ud800")


# --- metadata and names --------------------------------------------------------------------------------------------------------


def ids(catalog: Catalog, **filters: Any) -> list[str]:
    return [item.session_id for item in catalog.list(**filters).items]


def test_metadata_is_compared_as_json_and_follows_its_changes(log: EventLog, catalog: Catalog) -> None:
    start(log, "a", 0, metadata={"n": 3, "deep": {"y": 1, "x": [1, None]}, "long": "z" * 10_000, "null": None})
    start(log, "b", 1, metadata={"n": "3"})
    assert ids(catalog, metadata={"n": 3}) == ["a"]
    assert ids(catalog, metadata={"n": "3"}) == ["b"]
    assert ids(catalog, metadata={"deep": {"x": [1, None], "y": 1}, "long": "z" * 10_000, "null": None}) == ["a"]
    assert ids(catalog, metadata={"n": 3, "deep": 1}) == []
    log.session("a").append(SessionUpdated(metadata={"n": None, "deep": {"x": None}, "new": True}))
    assert ids(catalog, metadata={"n": 3}) == []
    assert ids(catalog, metadata={"deep": {"y": 1}, "new": True}) == ["a"]
    log.session("a").append(SessionUpdated(metadata=None))
    assert ids(catalog, metadata={"new": True}) == []


def test_a_namespace_lists_its_sessions(log: EventLog, catalog: Catalog) -> None:
    start(log, "slack-1", 0, metadata=key("slack", "C1"))
    start(log, "slack-2", 1, metadata=key("slack", "C2"))
    start(log, "x", 2)
    assert ids(catalog, namespace="slack") == ["slack-2", "slack-1"]


@pytest.mark.parametrize("strange", ["text", 3, [], {}, {"namespace": 3}, {"namespace": "n", "key": 4}, {"namespace": "n", "key": [1]}])
def test_what_is_no_foreign_key_is_only_metadata(log: EventLog, catalog: Catalog, strange: Any) -> None:
    start(log, "n-1", metadata={"key": strange})
    assert ids(catalog, metadata={"key": strange}) == ["n-1"]
    assert ids(catalog, namespace="n") == []


def test_more_metadata_than_can_be_found_is_stored_all_the_same(log: EventLog, catalog: Catalog) -> None:
    start(log, "a", metadata={f"name {number}": number for number in range(1000)})
    assert ids(catalog, metadata={"name 0": 0}) == ["a"]
    assert ids(catalog, metadata={"name 999": 999}) == []
    assert log.session("a").last_seq == 1


def test_a_status_that_is_none_is_wrong_use(catalog: Catalog) -> None:
    with pytest.raises(InvalidInput, match="no session has the status 'foo': give one of active, completed, failed, abandoned, deleted"):
        catalog.list(status="foo")


def test_the_nearest_names_of_one_that_never_occurred(log: EventLog, catalog: Catalog) -> None:
    start(log, "a", user_id="Anna", tags=["bug"], kind="chat")
    log.session("a").append(UsageRecorded(model="claude-opus-4-1"), UsageRecorded(model="gpt-5"))
    assert catalog.nearest("model", "opus") == ["claude-opus-4-1"]
    assert catalog.nearest("model", "gpt5") == ["gpt-5"]
    assert catalog.nearest("model", "gpt-5") is None
    assert catalog.nearest("user", "anna") == ["Anna"]
    assert catalog.nearest("tool", "bash") == []
    for what, name in (("tag", "bugs"), ("kind", "chats"), ("project", "x"), ("namespace", "x"), ("role", "x")):
        assert catalog.nearest(what, name) is not None  # type: ignore[arg-type]


# --- short ids -----------------------------------------------------------------------------------------------------------------


def test_a_short_id_is_the_shortest_beginning_that_finds_its_session(log: EventLog, catalog: Catalog) -> None:
    families = ["0193ab42-1", "0193ab42-27", "0193ab43-9", "b", "bc", "last-word-of-all"]
    for session_id in families:
        start(log, session_id)
    log.session("0193ab43-9.agent-1", create=True).append(SessionStarted(parent=Parent(session_id="0193ab43-9", relation="subagent")))
    listed = [item.session_id for item in catalog.list().items]
    short = catalog.short_ids(listed, least=2)
    assert {given: catalog.find(given).session_id for given in short.values()} == {value: key for key, value in short.items()}
    assert short["0193ab42-27"] == "0193ab42-27"  # its beginning would save two characters
    assert short["0193ab43-9"] == "0193ab43-9"
    assert catalog.short_ids(["last-word-of-all"], least=6) == {"last-word-of-all": "last-w"}


def test_ids_that_begin_so_are_offered_the_latest_first_and_subagents_last(log: EventLog, catalog: Catalog) -> None:
    for session_id in ("aa", "ab", "b"):
        start(log, session_id)
    assert {item.session_id for item in catalog.starting("a")} == {"aa", "ab"}
    assert [item.session_id for item in catalog.starting("a", 1)] != []
    assert list(catalog.starting("../")) == []
