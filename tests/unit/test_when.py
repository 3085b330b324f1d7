"""Times and ages as people write them."""

from __future__ import annotations

from datetime import datetime, timezone
from zoneinfo import ZoneInfo

import pytest

from eventlog.errors import InvalidInput
from eventlog.when import moment, seconds

BERLIN = ZoneInfo("Europe/Berlin")
NOW = datetime(2026, 11, 30, 8, 30, tzinfo=timezone.utc)  # a Monday; 09:30 in Berlin


@pytest.mark.parametrize(
    ("text", "begin", "end"),
    [
        ("today", "2026-11-30 00:00", "2026-12-01 00:00"),
        ("Yesterday", "2026-11-29 00:00", "2026-11-30 00:00"),
        ("monday", "2026-11-30 00:00", "2026-12-01 00:00"),
        ("last monday", "2026-11-23 00:00", "2026-11-24 00:00"),
        ("sun", "2026-11-29 00:00", "2026-11-30 00:00"),
        ("tuesday", "2026-11-24 00:00", "2026-11-25 00:00"),
        ("this week", "2026-11-30 00:00", "2026-12-07 00:00"),
        ("last week", "2026-11-23 00:00", "2026-11-30 00:00"),
        ("this month", "2026-11-01 00:00", "2026-12-01 00:00"),
        ("last month", "2026-10-01 00:00", "2026-11-01 00:00"),
        ("last year", "2025-01-01 00:00", "2026-01-01 00:00"),
        ("2026-02", "2026-02-01 00:00", "2026-03-01 00:00"),
        ("2025", "2025-01-01 00:00", "2026-01-01 00:00"),
        ("2026-11-21", "2026-11-21 00:00", "2026-11-22 00:00"),
        ("2026-11-21T08:00", "2026-11-21 08:00", "2026-11-21 08:00"),
        ("2 weeks", "2026-11-16 09:30", "2026-11-16 09:30"),
        ("2 weeks ago", "2026-11-16 09:30", "2026-11-16 09:30"),
        ("an hour ago", "2026-11-30 08:30", "2026-11-30 08:30"),
        ("1y", "2025-11-30 09:30", "2025-11-30 09:30"),
        ("9mo", "2026-02-28 09:30", "2026-02-28 09:30"),
        ("40d", "2026-10-21 10:30", "2026-10-21 10:30"),
        ("now", "2026-11-30 09:30", "2026-11-30 09:30"),
    ],
)
def test_words_name_a_moment_or_a_span_in_the_zone_of_who_asks(text: str, begin: str, end: str) -> None:
    for expected, is_end in ((begin, False), (end, True)):
        found = moment(text, NOW, BERLIN, end=is_end)
        assert found.tzinfo is not None
        assert found.astimezone(BERLIN).strftime("%Y-%m-%d %H:%M") == expected


def test_a_time_that_names_its_zone_keeps_it() -> None:
    assert moment("2026-11-21T08:00Z", NOW, BERLIN) == datetime(2026, 11, 21, 8, tzinfo=timezone.utc)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("90s", 90), ("15 min", 900), ("12h", 43_200), ("30d", 2_592_000), ("2 weeks", 1_209_600), ("a month", 2_592_000), ("1y", 31_536_000)],
)
def test_an_age_is_a_number_and_a_unit(text: str, expected: float) -> None:
    assert seconds(text) == expected


@pytest.mark.parametrize("text", ["", "30", "soon", "5 parsecs", "-3d", "99999999999d", "2000y"])
def test_what_is_no_age_is_refused_with_examples(text: str) -> None:
    with pytest.raises(InvalidInput, match="2 weeks"):
        seconds(text)


@pytest.mark.parametrize(
    "text", ["", "soon", "2026-13", "2026-02-30", "monday week", "99999999999999999999d", "9999 years", "0000", "week ago"]
)
def test_what_is_no_time_is_refused_with_examples(text: str) -> None:
    with pytest.raises(InvalidInput, match="monday, 2026-11-21"):
        moment(text, NOW, BERLIN)
