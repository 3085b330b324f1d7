"""The pictures of statistics and their tables: what they show, and that what was recorded is only ever text in them."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from xml.etree import ElementTree

import pytest

from eventlog import EventLog
from eventlog.errors import InvalidInput
from eventlog.events import ContextUpdated, Cost, MessageAdded, ToolCalled, ToolReturned, UsageRecorded
from projections import Catalog, pictures
from projections.catalog.statistics import Statistics

START = datetime(2026, 3, 2, 10, 30, tzinfo=timezone.utc)
SVG = "{http://www.w3.org/2000/svg}"
HOSTILE = "</text><script>alert(1)</script>\x00\u202e&\"'"


@pytest.fixture
def log() -> Iterator[EventLog]:
    with EventLog.memory() as log:
        yield log


def statistics(log: EventLog) -> Statistics:
    with Catalog.open(log) as catalog:
        return catalog.statistics(zone=timezone.utc, now=START)


def say(log: EventLog, *after: timedelta, model: str = "m", project: str | None = None) -> None:
    session = log.start()
    if project is not None:
        session.append(ContextUpdated(project=project), time=START)
    for each in after:
        session.append(MessageAdded(role="user", content="x"), time=START + each)
        session.append(UsageRecorded(model=model, input_tokens=1000, output_tokens=500, cost=Cost(amount=0.25)), time=START + each)


def texts(svg: str) -> list[str]:
    return [text.text or "" for text in ElementTree.fromstring(svg).iter(f"{SVG}text")]


def columns(svg: str) -> list[str]:
    """What is said of each column or bar."""
    return [title.text or "" for title in ElementTree.fromstring(svg).iter(f"{SVG}title")]


def test_there_is_a_column_for_each_day_from_the_first_to_the_last(log: EventLog) -> None:
    say(log, timedelta(0), timedelta(0), timedelta(3))
    assert columns(pictures.picture(statistics(log), "days")) == [
        "2 Mar 2026: 2 user, 0 assistant, 0 other",
        "3 Mar 2026: 0 user, 0 assistant, 0 other",
        "4 Mar 2026: 0 user, 0 assistant, 0 other",
        "5 Mar 2026: 1 user, 0 assistant, 0 other",
    ]


@pytest.mark.parametrize(
    ("days", "each", "count", "first"),
    [(89, "day", 90, "2 Mar 2026"), (90, "week", 13, "2 Mar 2026"), (3000, "year", 9, "2026"), (700, "month", 23, "Mar 2026")],
)
def test_a_long_time_is_drawn_in_weeks_months_or_years(log: EventLog, days: int, each: str, count: int, first: str) -> None:
    say(log, timedelta(0), timedelta(days))
    svg = pictures.picture(statistics(log), "days")
    assert (len(columns(svg)), columns(svg)[0].split(":")[0]) == (count, first)
    assert f"a column a {each}" in texts(svg)


def test_of_millennia_the_last_years_are_drawn(log: EventLog) -> None:
    say(log, timedelta(0))
    log.start().append(MessageAdded(role="user", content="x"), time=datetime(1, 1, 1, 1, tzinfo=timezone.utc))
    log.start().append(MessageAdded(role="user", content="x"), time=datetime(9999, 12, 31, 1, tzinfo=timezone.utc))
    found = columns(pictures.picture(statistics(log), "days"))
    assert (len(found), found[-1]) == (90, "9999: 1 user, 0 assistant, 0 other")


def test_tools_say_how_often_they_failed(log: EventLog) -> None:
    session = log.start()
    for number in range(4):
        session.append(ToolCalled(name="bash", call_id=str(number)))
        session.append(ToolReturned(call_id=str(number), is_error=number == 0, duration_ms=1500))
    session.append(ToolCalled(name="bash", call_id="open"))
    svg = pictures.picture(statistics(log), "tools")
    assert columns(svg) == ["bash: 5, 25% failed, 1 open, 1.5 s"]
    assert [float(rect.get("width", "0")) for rect in ElementTree.fromstring(svg).iter(f"{SVG}rect") if rect.get("class") == "bad"] == [
        60.0
    ]


def test_tokens_and_costs_are_those_of_the_statistics(log: EventLog) -> None:
    say(log, timedelta(0), timedelta(hours=1), model="priced")
    found = statistics(log)
    assert columns(pictures.picture(found, "tokens")) == ["2 Mar 2026: 2,000 input, 1,000 output, 0 read from cache, 0 written to cache"]
    assert columns(pictures.picture(found, "costs")) == ["2 Mar 2026: $0.50"]
    assert columns(pictures.picture(found, "models")) == ["priced: 3,000, $0.50"]


def test_all_pictures_stand_on_one_sheet_and_those_without_anything_do_not(log: EventLog) -> None:
    say(log, timedelta(0), project="/work/here")
    said = texts(pictures.sheet(statistics(log), "My store"))
    assert said[0] == "My store"
    assert {"Messages", "Messages by hour", "Tokens", "Cost in US dollars", "Projects: messages"} <= set(said)
    assert "Tools: calls, failed ones in red, median duration" not in said


def test_nothing_at_all_is_said(log: EventLog) -> None:
    found = statistics(log)
    for name in pictures.NAMES:
        assert texts(pictures.picture(found, name))[-1] == "Nothing to show."
        assert columns(pictures.picture(found, name)) == []


@pytest.mark.parametrize("name", pictures.NAMES)
def test_what_was_recorded_is_only_text(log: EventLog, name: str) -> None:
    say(log, timedelta(0), model=HOSTILE, project=HOSTILE)
    session = log.start(user_id=HOSTILE)
    session.append(MessageAdded(role="user", content="x"), ToolCalled(name=HOSTILE, call_id="1"), time=START)
    drawn = pictures.picture(statistics(log), name)
    elements = {element.tag.removeprefix(SVG) for element in ElementTree.fromstring(drawn).iter()}
    assert elements <= {"svg", "style", "rect", "text", "g", "title", "path"}
    assert "\u202e" not in drawn


def test_a_table_has_all_rows_and_names(log: EventLog) -> None:
    for number in range(20):
        log.start().append(ToolCalled(name=f"tool{number:02}", call_id="1"))
    log.start().append(ToolCalled(name="=1+1", call_id="1"))
    names, *rows = csv.reader(pictures.table(statistics(log), "tools").splitlines())
    assert names[:4] == ["name", "calls", "open", "failures"]
    assert [row[0] for row in rows] == ["'=1+1", *(f"tool{number:02}" for number in range(20))]
    assert pictures.table(statistics(log), "hours").splitlines()[:2] == ["hour,messages", "0,0"]


def test_a_name_that_is_none_is_refused_with_those_that_are(log: EventLog) -> None:
    for ask in (pictures.picture, pictures.table):
        with pytest.raises(InvalidInput, match="there are days, hours"):
            ask(statistics(log), "moons")
