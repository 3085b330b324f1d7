"""Sessions as training samples: what of a session is worth learning from, and what was left out and why.

- **One sample per compaction window**: what lies between two compactions, behind the system messages and the summary that the model
  then saw. The messages that a compaction kept are copies of the window before and are not in the next sample again.
- **Left out**: what the model did not see or was taken back (excluded, retracted, unfinished and meta messages), tool calls without
  a result, what comes before the user first speaks, and what comes after the last words of the assistant, calls with them included.
- **Forks and merges**: a window in which every answer is a copy of one that another sample of this export has is left out. In one that
  goes on from copies, these stay as context; `Sample.known` says which they are, so that they are not learned twice.
- **The split** is a function of the session's id, or of the one that it was forked from, so that a fork never tests what its parent
  taught.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any, Final

import msgspec

from eventlog import Session, StoredEvent
from eventlog.algebra.ranges import Ranges
from eventlog.backend import OnDamage
from eventlog.copies import Identity, identity
from eventlog.errors import InvalidInput
from eventlog.events import ContextCompacted, MessageAdded, MessageDelta, ToolCalled
from eventlog.stored import NO_ORIGIN

from ..replay import replay
from .conversation import Turn, first_seq_after, summary_turn, turns_of
from .session import SessionView
from .to_messages import accept_calls

DANGLING: Final = "dangling tool calls"
META: Final = "meta messages"
KEPT: Final = "compaction copies"
FORKED: Final = "duplicates of forks"
UNPROMPTED: Final = "turns before the user's first"
UNANSWERED: Final = "turns that the assistant did not answer"
EMPTY: Final = "windows with nothing to learn from"

_PARTS = {1: ("train",), 2: ("train", "test"), 3: ("train", "validation", "test")}
_JSON_TYPES: Final = {str: "string", bool: "boolean", int: "integer", float: "number", list: "array", dict: "object"}
_BEGIN_TURNS = (MessageAdded, MessageDelta, ToolCalled, ContextCompacted)


class Split(msgspec.Struct, frozen=True):
    """The share of each part of a split: ``90/10`` is train and test, ``80/10/10`` has a validation part between them.

    >>> Split.parse("90/10").part_of("0193a5a2")
    'train'
    """

    shares: tuple[float, ...]

    @classmethod
    def parse(cls, text: str) -> Split:
        """Raises `InvalidInput` for anything but two or three positive numbers with strokes between them."""
        try:
            shares = tuple(float(share) for share in text.split("/"))
        except ValueError:
            shares = ()
        if len(shares) not in (2, 3) or not all(0 < share < 1e9 for share in shares):
            raise InvalidInput(f"a split is like 90/10 or 80/10/10, not {text!r}")
        return cls(shares)

    @property
    def parts(self) -> tuple[str, ...]:
        return _PARTS[len(self.shares)]

    def part_of(self, session_id: str) -> str:
        """The part that a session belongs to, today and in every later export with the same shares."""
        place = int.from_bytes(hashlib.sha256(session_id.encode()).digest()[:8], "big") / 2**64 * sum(self.shares)
        for part, share in zip(self.parts, self.shares, strict=True):
            place -= share
            if place < 0:
                return part
        return self.parts[-1]


class Sample(msgspec.Struct, kw_only=True):
    """One window of one session. ``known``: for each turn, whether another sample has it already. ``family``: the session's id, or that
    of the session at the root of its forks. Tokens and cost are the whole session's and stand in its first sample only."""

    session_id: str
    window: int
    first_seq: int
    last_seq: int
    turns: list[Turn]
    known: list[bool]
    tools: list[dict[str, Any]]
    settings: dict[str, Any]
    family: str
    project: str | None = None
    model: str | None = None
    started_at: str | None = None
    tokens_in: int | None = None
    tokens_out: int | None = None
    cost: float | None = None
    label: str | None = None
    split: str | None = None

    @property
    def n_context(self) -> int:
        """How many turns at the beginning are in another sample already."""
        return next((index for index, known in enumerate(self.known) if not known), len(self.known))


class Sampler:
    """Makes samples of sessions, one session after the other, and remembers what it has given out. ``left_out`` counts by reason."""

    def __init__(self, split: Split | None = None) -> None:
        self.left_out: Counter[str] = Counter()
        self._split = split
        self._given: dict[str, Ranges] = {}

    def samples(self, session: Session, on_damage: OnDamage = "raise") -> Iterator[Sample]:
        """The samples of a session, each with its provenance. The memory is that of the session's view."""
        origins: dict[int, Identity] = {}
        view = replay(_watched(session.read(on_damage=on_damage), origins), SessionView)
        family = origins.pop(0, Identity(session.id, 0)).session_id
        is_first = True
        for number, window in enumerate(self._windows(view), 1):
            turns = self._learnable(window)
            if not any(turn.role == "assistant" for turn in turns):
                self.left_out[EMPTY] += 1
                continue
            which = [origins.get(turn.seq, Identity(session.id, turn.seq)) for turn in turns]
            known = [self._has(one) for one in which]
            if all(is_known for turn, is_known in zip(turns, known, strict=True) if turn.role == "assistant"):
                self.left_out[FORKED] += sum(turn.role != "system" for turn in turns)
                continue
            for one in which:
                self._given.setdefault(one.session_id, Ranges()).add(one.seq, one.seq)
            sample = Sample(
                session_id=session.id,
                window=number,
                first_seq=turns[0].seq,
                last_seq=turns[-1].seq,
                turns=turns,
                known=known,
                tools=_tools(view, turns),
                settings=view.settings,
                family=family,
                project=_text(view.metadata.get("project") or view.metadata.get("cwd")),
                model=view.model or next(iter(view.models), None),
                started_at=None if view.started_at is None else view.started_at.isoformat(),
                label=_text(view.metadata.get("label")),
                split=None if self._split is None else self._split.part_of(family),
            )
            if is_first:
                sample.tokens_in, sample.tokens_out = view.usage.input_tokens, view.usage.output_tokens
                sample.cost = None if view.usage.cost is None else view.usage.cost.amount
            is_first = False
            yield sample

    def _has(self, one: Identity) -> bool:
        return one.session_id in self._given and one.seq in self._given[one.session_id]

    def _windows(self, view: SessionView) -> Iterator[list[Turn]]:
        """The turns of each window, with the instructions and the summary before them."""
        turns = turns_of(view, self.left_out, partial=False)
        self.left_out[META] += sum(_is_meta(turn) for turn in turns)
        turns = [turn for turn in turns if not _is_meta(turn)]
        accept_ids(turns, self.left_out)
        begin = 0
        lead: list[Turn] = []
        for compaction in [*view.compactions, None]:
            end = None if compaction is None else compaction.seq
            yield [*lead, *(turn for turn in turns if turn.seq >= begin and (end is None or turn.seq < end))]
            if compaction is not None:
                self.left_out[KEPT] += sum(first_seq_after(compaction) <= turn.seq < compaction.seq for turn in turns)
                summary = summary_turn(compaction)
                lead = [turn for turn in turns if turn.role == "system" and turn.seq < compaction.seq]
                lead += [summary] if summary is not None else []
                begin = compaction.seq

    def _learnable(self, window: list[Turn]) -> list[Turn]:
        """The window from the user's first turn to the assistant's last whole one, its instructions as one turn."""
        lead = next((index for index, turn in enumerate(window) if turn.role != "system"), len(window))
        system, turns = window[:lead], window[lead:]
        first = next((index for index, turn in enumerate(turns) if turn.role == "user"), len(turns))
        last = next((index for index in range(len(turns), first, -1) if _speaks(turns[index - 1])), first)
        self.left_out[UNPROMPTED] += first
        self.left_out[UNANSWERED] += len(turns) - max(first, last)
        turns = turns[first:last]
        if turns and turns[-1].calls:
            self.left_out[UNANSWERED] += 1
            turns[-1] = msgspec.structs.replace(turns[-1], calls=[])
        if system and turns:
            parts = [part for turn in system for part in turn.parts]
            turns.insert(0, Turn(system[0].seq, "system", parts))
        return turns


def accept_ids(turns: list[Turn], left_out: Counter[str]) -> None:
    """Take out the calls without a result and the turns of which nothing is left then; give the other calls ids that APIs accept."""
    for turn in turns:
        dangling = [call for call in turn.calls if call.result is None]
        left_out[DANGLING] += len(dangling)
        if dangling:
            turn.calls = [call for call in turn.calls if call.result is not None]
    turns[:] = [turn for turn in turns if turn.calls or any(part["type"] != "reasoning" for part in turn.parts)]
    accept_calls(turns)


def _speaks(turn: Turn) -> bool:
    """Whether it can be the last turn: the assistant says something. Calls at the end led to nothing that could be learned."""
    return turn.role == "assistant" and any(part["type"] != "reasoning" for part in turn.parts)


def _is_meta(turn: Turn) -> bool:
    return turn.metadata.get("is_meta") is True


def _watched(events: Iterable[StoredEvent], origins: dict[int, Identity]) -> Iterator[StoredEvent]:
    """The events as they are; notes which ones are copies of what, and under 0 what the first one is."""
    for stored in events:
        if stored.origin_raw is not NO_ORIGIN and (stored.seq == 1 or isinstance(stored.event, _BEGIN_TURNS)):
            which = identity(stored)
            if which.session_id != stored.session_id:
                origins[stored.seq] = which
                if stored.seq == 1:
                    origins[0] = which
        yield stored


def _tools(view: SessionView, turns: list[Turn]) -> list[dict[str, Any]]:
    """The definitions of the tools: those that the session's settings have, and for others what their calls show of them."""
    given = view.settings.get("tools")
    tools = [tool for tool in given if isinstance(tool, dict)] if isinstance(given, list) else []
    names = {tool["function"].get("name") for tool in tools if isinstance(tool.get("function"), dict)}
    seen: dict[str, dict[str, set[str]]] = {}
    for turn in turns:
        for call in turn.calls:
            if call.name not in names:
                properties = seen.setdefault(call.name, {})
                for name, value in call.arguments.items():
                    properties.setdefault(name, set()).add(_JSON_TYPES.get(type(value), "null"))
    return tools + [
        {"type": "function", "function": {"name": name, "parameters": {"type": "object", "properties": _schemas(properties)}}}
        for name, properties in seen.items()
    ]


def _schemas(properties: dict[str, set[str]]) -> dict[str, Any]:
    return {name: {"type": next(iter(types))} if len(types) == 1 else {} for name, types in properties.items()}


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None
