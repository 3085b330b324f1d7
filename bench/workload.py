"""What is recorded: a seeded run of events like those of a real agent's session, 384 bytes a line on average.

45 % messages of 50 to 2,000 characters (short ones are more frequent), 30 % tool calls and results, 15 % usage, 10 % others. The text
is made of invented words with the frequencies of a language, so that it compresses as text does.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from functools import cache
from itertools import accumulate, count, islice
from typing import Any, Final

import msgspec

from eventlog import EventLog
from eventlog.events import (
    ContextUpdated,
    ErrorLogged,
    Event,
    MessageAdded,
    ModeChanged,
    ModelChanged,
    SessionUpdated,
    ToolCalled,
    ToolReturned,
    UsageRecorded,
)

SEED: Final = 20261121
DESCRIPTION: Final = f"seed {SEED}; 45 % messages of 50 to 2,000 characters, 30 % tool calls and results, 15 % usage, 10 % others; 384 bytes a line on average"
Record = dict[str, Any]

_SYLLABLES: Final = [
    "ka",
    "lo",
    "mi",
    "ten",
    "ra",
    "sho",
    "ve",
    "dun",
    "pi",
    "sal",
    "or",
    "en",
    "ti",
    "gra",
    "mon",
    "ule",
    "bez",
    "ci",
    "far",
    "hol",
]
_TOOLS: Final = ("read_file", "search", "edit", "shell", "fetch")
_IDS: Final = ("message_id", "call_id")
_MODELS: Final = ("large-2", "large-2", "large-2", "small-1")


class _Text:
    """Words by their rank: the n-th is about n times rarer than the first."""

    def __init__(self, random_: random.Random) -> None:
        self._random = random_
        self._words = ["".join(random_.choices(_SYLLABLES, k=random_.choice((2, 3, 3, 4)))) for _ in range(20_000)]
        self._weights = list(accumulate(1 / (rank + 300) for rank in range(len(self._words))))

    def of(self, length: int) -> str:
        words = self._random.choices(self._words, cum_weights=self._weights, k=length // 4 + 4)
        return " ".join(words)[:length]


def stream(seed: int = SEED) -> Iterator[Event]:
    """Events without end; the same for the same seed."""
    rng = random.Random(seed)
    text = _Text(rng)
    number = 0
    open_call: str | None = None
    while True:
        number += 1
        kind = rng.random()
        if kind < 0.45:
            yield _message(rng, text, number)
        elif kind < 0.75:
            if open_call is None:
                open_call = f"call_{rng.getrandbits(64):016x}"
                arguments = {"path": f"src/{text.of(12)}.py", "query": text.of(rng.randint(10, 90))}
                yield ToolCalled(name=rng.choice(_TOOLS), call_id=open_call, arguments=arguments)
            else:
                output = text.of(rng.randint(20, 260))
                yield ToolReturned(call_id=open_call, output=output, duration_ms=float(rng.randint(2, 900)))
                open_call = None
        elif kind < 0.90:
            yield UsageRecorded(
                message_id=f"msg_{number}",
                model=rng.choice(_MODELS),
                input_tokens=rng.randint(200, 90_000),
                output_tokens=rng.randint(10, 2_000),
                cache_read_tokens=rng.randint(0, 80_000),
            )
        else:
            yield _other(rng, text)


def _message(rng: random.Random, text: _Text, number: int) -> MessageAdded:
    content = text.of(int(50 * 40 ** rng.random() ** 1.42))
    if rng.random() < 0.5:
        return MessageAdded(role="user", content=content)
    return MessageAdded(role="assistant", content=content, message_id=f"msg_{number}", model=rng.choice(_MODELS))


def _other(rng: random.Random, text: _Text) -> Event:
    match rng.randrange(5):
        case 0:
            return SessionUpdated(title=text.of(40))
        case 1:
            return ModelChanged(model=rng.choice(_MODELS), settings={"temperature": 0.2})
        case 2:
            return ModeChanged(mode=rng.choice(("plan", "edit")))
        case 3:
            return ContextUpdated(topics=[text.of(8), text.of(8)], intent=text.of(30))
        case _:
            return ErrorLogged(message=text.of(80), kind="timeout")


def endless(made: Workload) -> Iterator[Event]:
    """The workload's events again and again, each time with ids of their own: a message or call that came back would be another thing."""
    for lap in count():
        for event in made.events:
            given = {name: found for name in _IDS if (found := getattr(event, name, None)) is not None}
            yield msgspec.structs.replace(event, **{name: f"{id}_{lap}" for name, id in given.items()}) if lap and given else event


class Workload:
    """A number of events, in every form that a contender may want: as events, as stored lines, as plain records."""

    def __init__(self, events: int, seed: int = SEED) -> None:
        self.events: list[Event] = list(islice(stream(seed), events))
        with EventLog.memory() as log, log.session("workload", create=True) as session:
            for event in self.events:
                session.append(event)
            self.lines: list[bytes] = [stored.raw + b"\n" for stored in session.read()]

    @property
    def mean_size(self) -> float:
        """Bytes per line."""
        return sum(map(len, self.lines)) / len(self.lines)

    def records(self) -> list[Record]:
        """The same as plain mappings, which is what a program that keeps its own log has."""
        return [{"type": event.type, **msgspec.to_builtins(event)} for event in self.events]


@cache
def workload(events: int, seed: int = SEED) -> Workload:
    return Workload(events, seed)


def shape(events: int = 20_000) -> dict[str, Any]:
    """What the workload really is: its mix, and the average size of a line."""
    made = workload(events)
    kinds: dict[str, int] = {}
    for line in made.lines:
        kind = json.loads(line)["type"]
        kinds[kind] = kinds.get(kind, 0) + 1
    return {"events": events, "mean_line_bytes": round(made.mean_size, 1), "share": {kind: n / events for kind, n in sorted(kinds.items())}}
