"""A window of a long session's messages, wherever it is, and one session's state kept in memory, beside a replay."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from eventlog import EventLog
from eventlog.events import UsageRecorded
from projections import Catalog, Live, SessionView, replay

from .measure import Area, Contender, Goal, Run
from .stores import session_of

_SEGMENT_SIZE = 8 * 1024 * 1024
_LOOKS = 100
PLACES = ("first", "middle", "last")
IDLE, NEWS, REPLAY = "Live.state, nothing new", "Live.state after one event", "replay of the whole session"


def areas(run: Run) -> Iterator[Area]:
    events = run.scale(110_000, 4_000)
    store = session_of(run, events, segment_size=_SEGMENT_SIZE)
    area = Area(
        name="windows",
        title="Look into a long session",
        workload=f"one session of {events:,} events, about 45 % of them messages, in sealed segments; the outline is caught up",
        unit="us per answer",
    )
    with EventLog.open(store, sync="never") as log, Catalog.open(log) as catalog:
        window = catalog.messages("s", limit=1)
        middle = ((window.first_seq or 0) + (window.last_seq or 0)) // 2
        contenders = [Contender(name=_name(place), units=1, round=_window(catalog, place, middle)) for place in PLACES]
        area.measure(contenders, run.scale(20, 3))
        for place in PLACES:
            area.absolute(f"a window of 100 messages, the {place}", _name(place), Goal(at_most=5), "ms", 1000)
        with log.session("s") as session:
            live = Live(session, SessionView)
            _ = live.state

            def append() -> None:
                session.append(UsageRecorded(model="m", input_tokens=1))

            def idle() -> None:
                for _ in range(_LOOKS):
                    _ = live.state

            def news() -> None:
                _ = live.state

            def whole() -> None:
                replay(session.read(), SessionView)

            area.measure([Contender(name=IDLE, units=_LOOKS, round=idle)], run.scale(20, 3))
            both = [Contender(name=NEWS, units=1, prepare=append, round=news), Contender(name=REPLAY, units=1, round=whole)]
            area.measure(both, run.scale(5, 2))
        area.absolute("Live.state with nothing new", IDLE, Goal(at_most=15), "us", 1)
        area.ratio("a replay, to Live.state after one event", REPLAY, NEWS)
    yield area


def _name(place: str) -> str:
    return f"100 messages, the {place}"


def _window(catalog: Catalog, place: str, middle: int) -> Callable[[], None]:
    def window() -> None:
        if place == "middle":
            found = catalog.messages("s", around=middle, limit=100)
        else:
            found = catalog.messages("s", before=1 << 62, limit=100) if place == "last" else catalog.messages("s", limit=100)
        assert len(found.items) == 100

    return window
