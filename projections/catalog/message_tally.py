"""How messages, tool calls and errors count, in the words of `SessionView`: the same session gives the same numbers.

A message counts once, where it first appeared, until it is retracted. Tool calls are paired by `pairing`. Each event leaves what it says
in the `journal`, and the message is a fold over that: once as the events come, and again, from what is left, where some are taken back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

import msgspec
from msgspec import UNSET

from eventlog import StoredEvent
from eventlog import events as e
from eventlog.decoding import decoder
from eventlog.meaning.ranges import Ranges

from ..projection import State
from .call_records import EVENT, Key, Record
from .journal import Added, Amended, Cell, Entry, Journal, OfAMessage, Retracted, Streamed, Told, held, left_of
from .moments import microseconds_of
from .pairing import Pairing
from .summary import Summary, cell_of, count, saw_model
from .turns import Turns

PREVIEW_SIZE: Final = 300
_SHORT_SIZE: Final = 60
_LONG_TEXTS: Final = 8


class Known(msgspec.Struct, array_like=True):
    """A message that has an id: where it stands and how it counts, what it called and answered, and the seqs of its journal entries."""

    seq: int
    role: str
    cell: Cell
    is_partial: bool = False
    is_retracted: bool = False
    is_excluded: bool = False
    is_alternative: bool = False
    text: str = ""
    called: list[tuple[str | None, Key]] = []
    answered: list[tuple[str | None, Key]] = []
    told: list[int] = []

    @property
    def is_shown_first(self) -> bool:
        """Whether it can be the first text of a user."""
        return bool(
            self.role == "user" and self.text and not (self.is_partial or self.is_retracted or self.is_excluded or self.is_alternative)
        )


decoder(Known)  # which makes converting to it safe in every thread


class Messages:
    """The messages of one session, on the memory of its state. ``seq`` is that of the event at hand."""

    __slots__ = ("_journal", "_kept", "_look_from", "_memory", "_pairing", "_state", "_turns", "_turns_changed", "seq")

    def __init__(self, state: State[Summary]) -> None:
        self.seq = 0
        self._state = state
        self._kept = state.kept
        self._memory = state.memory
        self._journal = Journal(state.memory)
        self._turns = Turns(state.kept.turns, state.memory)
        self._turns_changed = False
        self._look_from: int | None = None  # where the preview was that went

        def count_calls(cell: Cell, amount: int) -> None:
            count(state, cell, {"tool_calls": amount})

        self._pairing = Pairing(state.kept.waiting, state.memory, state.rows, self._turns.between, count_calls)

    # --- as events come ------------------------------------------------------------------------------------------------------

    def added(self, stored: StoredEvent, event: e.MessageAdded) -> None:
        kept = self._kept
        saw_model(kept, event.model, stored.seq)
        known = self._known(event.message_id)
        cell = cell_of(kept, (event.model or kept.model) if event.role == "assistant" else None)
        is_by_a_user = "user" in (event.role, known.role if known is not None else None)
        text = self._said(event.content) if is_by_a_user and event.metadata.get("is_meta") is not True else ""
        records = _records(self._kept, stored, event.message_id, event.content)
        entry = Added(
            stored.seq,
            event.message_id,
            event.role,
            self._journal.cell(stored.seq, cell),
            True if event.model and event.model == cell[2] else event.model,
            event.exclude_from_context,
            event.alternative_to is not None,
            text,
            [(record.part, call_id) for call_id, record in records],
        )
        self._journal.note(entry)
        if event.message_id is None:
            self._nameless(entry)
            for call_id, record in records:
                record.counts = not entry.is_alternative
                self._pairing.add(call_id, record)
            return
        counted = known is not None and not known.is_alternative
        now = self._apply(event.message_id, known, entry, records)
        if now is not None and counted and entry.is_alternative:  # it is one from now on, with all that it has
            self._pairing.change()
            self._make_again(event.message_id, now, Ranges())
            self._pairing.settle(self._every_id, turns_changed=False)
        self._find_preview()

    def streamed(self, stored: StoredEvent, event: e.MessageDelta) -> None:
        known = self._known(event.message_id)
        cell = cell_of(self._kept, self._kept.model if event.role == "assistant" else None)
        entry = self._journal.streamed(stored.seq, event.message_id, event.role, cell)
        if entry is not None:
            self._apply(event.message_id, known, entry, [])

    def amended(self, stored: StoredEvent, event: e.MessageAmended) -> None:
        known = self._known(event.message_id)
        if known is None:
            self._journal.other(stored.seq, cell_of(self._kept))
            return
        content = event.content
        records = [] if content is UNSET else _records(self._kept, stored, event.message_id, content)
        entry = Amended(
            stored.seq,
            self._journal.cell(stored.seq, cell_of(self._kept)),
            event.message_id,
            None if content is UNSET else self._said(content),
            None if event.exclude_from_context is UNSET else event.exclude_from_context,
            [(record.part, call_id) for call_id, record in records],
        )
        self._journal.note(entry)
        if records:
            self._pairing.change()
        self._apply(event.message_id, known, entry, records)
        if records:
            self._pairing.settle(self._every_id, turns_changed=False)
        self._find_preview()

    def retracted(self, stored: StoredEvent, event: e.MessageRetracted) -> None:
        known = self._known(event.message_id)
        if known is None:
            self._journal.other(stored.seq, cell_of(self._kept))
            return
        entry = Retracted(stored.seq, self._journal.cell(stored.seq, cell_of(self._kept)), event.message_id)
        self._journal.note(entry)
        self._apply(event.message_id, known, entry, [])
        self._find_preview()

    def told(self, stored: StoredEvent, event: e.ToolCalled | e.ToolReturned) -> None:
        call_id = event.call_id or None
        self._journal.note(Told(stored.seq, self._journal.cell(stored.seq, cell_of(self._kept)), call_id))
        is_call = isinstance(event, e.ToolCalled)
        self._pairing.add(
            call_id,
            Record(
                stored.seq,
                EVENT,
                is_call,
                microseconds_of(stored.time),
                self._kept.source,
                event.name or None,
                event.message_id if isinstance(event, e.ToolCalled) else None,
                (event.arguments if isinstance(event, e.ToolCalled) else event.output) is not None,
                False if isinstance(event, e.ToolCalled) else event.is_error,
                None if isinstance(event, e.ToolCalled) else event.duration_ms,
            ),
        )

    # --- one message ---------------------------------------------------------------------------------------------------------

    def _apply(
        self,
        message_id: str,
        known: Known | None,
        entry: OfAMessage,
        records: list[tuple[str | None, Record]],
        *,
        alternative: bool = False,
    ) -> Known | None:
        """The message with what the entry says of it; returns what is known of it then. ``alternative``: some entry says that it is one."""
        was_first = known is not None and known.is_shown_first
        if isinstance(entry, Streamed):
            if known is None:
                known = self._appears(entry, is_alternative=alternative)
                known.is_partial = True
        elif isinstance(entry, Added):
            known = self._more(known, entry, is_alternative=alternative or entry.is_alternative)
        elif known is None:
            return None
        elif isinstance(entry, Retracted):
            self._count(known, -1)
            known.is_retracted = True
        else:
            known.text = known.text if entry.text is None else entry.text
            known.is_excluded = known.is_excluded if entry.is_excluded is None else entry.is_excluded
        known.told.append(entry.seq)
        self._add_records(known, records, is_amended=isinstance(entry, Amended))
        self._memory.keep("message " + message_id, known)
        if was_first or known.is_shown_first:
            self._preview(known.seq, known.text if known.is_shown_first else None)
        return known

    def _appears(self, entry: Streamed | Added, *, is_alternative: bool) -> Known:
        known = Known(entry.seq, entry.role, self._journal.cell_of(entry), is_alternative=is_alternative, called=[], answered=[], told=[])
        self._count(known, 1)
        return known

    def _more(self, known: Known | None, entry: Added, *, is_alternative: bool) -> Known:
        if known is None:
            known = self._appears(entry, is_alternative=is_alternative)
            self._begin_turn(entry.seq)
        elif known.is_partial:  # it is counted where it is added, as if there had been no deltas
            self._begin_turn(entry.seq)
            self._count(known, -1)
            known.is_partial = False
            if not known.is_retracted:
                known.seq, known.cell = entry.seq, self._journal.cell_of(entry)
            known.role, known.text, known.is_alternative = entry.role, "", is_alternative
            self._count(known, 1)
        known.text = known.text or entry.text
        known.is_excluded |= entry.is_excluded
        return known

    def _add_records(self, known: Known, records: list[tuple[str | None, Record]], *, is_amended: bool) -> None:
        """Calls and results that the message already had are corrected by an amendment, others are new, none goes away."""
        places = {True: list(known.called), False: list(known.answered)}
        for call_id, record in records:
            record.counts = not known.is_alternative
            record.corrects = _take(places[record.is_call], call_id) if is_amended else None
            if record.corrects is None:
                (known.called if record.is_call else known.answered).append((call_id, record.key))
            self._pairing.add(call_id, record)

    def _nameless(self, entry: Added) -> None:
        known = self._nameless_one(entry)
        self._count(known, 1)
        self._begin_turn(entry.seq)
        if known.is_shown_first:
            self._preview(known.seq, known.text)

    def _nameless_one(self, entry: Added) -> Known:
        """What is known of a message that has no id."""
        cell = self._journal.cell_of(entry)
        return Known(entry.seq, entry.role, cell, False, False, entry.is_excluded, entry.is_alternative, entry.text)

    def _said(self, content: str | list[e.Part]) -> str:
        """The beginning of the first text, a shorter one where it is unlikely to become the session's first."""
        kept = self._kept
        if kept.long_texts >= _LONG_TEXTS:
            return _first_text(content, _SHORT_SIZE)
        kept.long_texts += 1
        return _first_text(content, PREVIEW_SIZE)

    def _begin_turn(self, seq: int) -> None:
        self._turns.begin(seq)
        self._turns_changed = True

    def _count(self, known: Known, amount: int) -> None:
        if known.is_retracted or known.is_alternative:
            return
        amounts = {"messages": amount}
        if known.role in ("user", "assistant"):
            amounts[f"{known.role}_messages"] = amount
        count(self._state, known.cell, amounts)
        self._state.rows.add("role", (*known.cell[:2], known.role), {"messages": amount})

    def _preview(self, seq: int, text: str | None) -> None:
        """A user's text stands, or (None) no longer stands, at ``seq``: the first one of all is the preview."""
        kept = self._state.kept
        if text is None:
            if kept.preview is not None and kept.preview[0] == seq:
                kept.preview = None
                self._look_from = seq
        elif kept.preview is None or seq <= kept.preview[0]:
            kept.preview = seq, text

    def _find_preview(self) -> None:
        """The next text of a user after one that went."""
        if self._look_from is None:
            return
        start, self._look_from = self._look_from, None
        for entry in self._journal.after(start - 1, self.seq):
            if not isinstance(entry, Added):
                continue
            known = self._known(entry.message_id) if entry.message_id is not None else self._nameless_one(entry)
            if known is not None and known.seq == entry.seq and known.is_shown_first:
                self._preview(known.seq, known.text)
                return

    def _known(self, message_id: str | None) -> Known | None:
        return None if message_id is None else held(self._memory, "message " + message_id, Known)

    # --- taking back ---------------------------------------------------------------------------------------------------------

    def take_back(self, entries: list[Entry], ranges: Ranges) -> None:
        """What these entries of the journal say, as far as it is in the ranges, is taken back; the journal is left as it is."""
        pairing = self._pairing
        touched: dict[str, None] = {}
        pairing.change()
        self._turns_changed = False
        for entry in entries:
            if isinstance(entry, Told):
                pairing.drop(entry.call_id, (entry.seq, EVENT))
            elif isinstance(entry, Added) and entry.message_id is None:
                self._count(self._nameless_one(entry), -1)
                self._turns_changed |= self._turns.end(entry.seq)
                for part, call_id in entry.calls:
                    pairing.drop(call_id, (entry.seq, part))
                self._preview(entry.seq, None)
            elif isinstance(entry, OfAMessage) and entry.message_id is not None:
                touched[entry.message_id] = None
        for message_id in touched:
            known = self._known(message_id)
            if known is not None:
                self._make_again(message_id, known, ranges)
        self._journal.cut(entries, ranges)
        pairing.settle(self._every_id, turns_changed=self._turns_changed)
        self._find_preview()

    def _make_again(self, message_id: str, known: Known, ranges: Ranges) -> None:
        """The message from what is left of its entries outside of the ranges."""
        self._count(known, -1)
        self._preview(known.seq, None)
        self._memory.keep("message " + message_id, None)
        entries = [entry for entry in map(self._journal.at, known.told) if isinstance(entry, OfAMessage)]
        records: dict[Key, tuple[str | None, Record]] = {}
        for entry in entries:
            if isinstance(entry, (Added, Amended)):
                self._turns_changed |= self._turns.end(entry.seq)
                for part, call_id in entry.calls:
                    records[entry.seq, part] = call_id, self._pairing.drop(call_id, (entry.seq, part))
        left = [part for entry in entries for part in left_of(entry, ranges) if isinstance(part, OfAMessage)]
        alternative = any(isinstance(entry, Added) and entry.is_alternative for entry in left)
        again: Known | None = None
        for entry in left:
            said = [records[entry.seq, part] for part, _ in entry.calls] if isinstance(entry, (Added, Amended)) else []
            again = self._apply(message_id, again, entry, said, alternative=alternative)

    def _every_id(self) -> Iterator[str]:
        """The ids of all calls and results, as often as they occur."""
        for entry in self._journal.after(0, self.seq):
            if isinstance(entry, Told) and entry.call_id is not None:
                yield entry.call_id
            elif isinstance(entry, (Added, Amended)):
                yield from (call_id for _, call_id in entry.calls if call_id is not None)


def _take(places: list[tuple[str | None, Key]], call_id: str | None) -> Key | None:
    """Where the first of these is that has the id; it is then no longer among them."""
    for index, (other, key) in enumerate(places):
        if other == call_id:
            del places[index]
            return key
    return None


def _records(kept: Summary, stored: StoredEvent, message_id: str | None, content: str | list[e.Part]) -> list[tuple[str | None, Record]]:
    """What the parts say of calls and results, with their call ids."""
    if isinstance(content, str):
        return []
    found = []
    for index, part in enumerate(content):
        if part.type in ("tool_call", "tool_call_response"):
            is_call = part.type == "tool_call"
            says = part.arguments if is_call else part.response
            record = Record(
                stored.seq,
                index,
                is_call,
                microseconds_of(stored.time),
                kept.source,
                part.name or None,
                message_id if is_call else None,
                says is not UNSET and says is not None,
                not is_call and part.is_error is True,
            )
            found.append((part.id or None, record))
    return found


def _first_text(content: str | list[e.Part], size: int) -> str:
    if isinstance(content, str):
        return content[:size]
    texts = (part.content for part in content if part.type == "text" and not (part.metadata and part.metadata.get("is_meta") is True))
    return next((text[:size] for text in texts if isinstance(text, str) and text), "")


def messages_of(state: State[Summary], seq: int) -> Messages:
    """The messages of the session that is being folded, at this event."""
    found = state.aside
    if not isinstance(found, Messages):
        found = state.aside = Messages(state)
    found.seq = seq
    return found


def _added(state: State[Summary], stored: StoredEvent) -> None:
    messages_of(state, stored.seq).added(stored, stored.event)


def _streamed(state: State[Summary], stored: StoredEvent) -> None:
    messages_of(state, stored.seq).streamed(stored, stored.event)


def _amended(state: State[Summary], stored: StoredEvent) -> None:
    messages_of(state, stored.seq).amended(stored, stored.event)


def _retracted(state: State[Summary], stored: StoredEvent) -> None:
    messages_of(state, stored.seq).retracted(stored, stored.event)


def _told(state: State[Summary], stored: StoredEvent) -> None:
    messages_of(state, stored.seq).told(stored, stored.event)


def _error(state: State[Summary], stored: StoredEvent) -> None:
    count(state, cell_of(state.kept), {"errors": 1})


HANDLERS: Final[dict[type, Callable[[State[Summary], StoredEvent], None]]] = {
    e.MessageAdded: _added,
    e.MessageDelta: _streamed,
    e.MessageAmended: _amended,
    e.MessageRetracted: _retracted,
    e.ToolCalled: _told,
    e.ToolReturned: _told,
    e.ErrorLogged: _error,
}
