"""What the writer does with a call: place it, write its question, its deltas, its answer. Of one thread; no call waits for another's
session.

The recorder's memory of a conversation runs ahead of the disk by what waits for it. Where an append fails for good, that memory is cut back
to what is stored, so that the next request of the conversation brings what is missing.
"""

from __future__ import annotations

import time as clock
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec

from ..events import Event, MessageAdded, MessageDelta, Parent, UsageRecorded
from ..ids import new_session_id
from ..shapes import telling
from ..shapes.exchange import Answer, Ask, Exchange, Said
from . import conversation, digests, providers, tools
from .answers import Outcome, Reading, decoded, duration_ms, redacted
from .calls import Call
from .context import Context
from .conversation import Plan
from .doors import Doors, Seen
from .options import Options
from .placing import Places
from .redaction import Redact, provider_keys, settled
from .restart import Restart
from .sessions import Job, Recorded
from .threads import Entry, Thread

if TYPE_CHECKING:
    from ..log import EventLog

_DELTA_BYTES = 4096


class Placed:
    """A call and its place."""

    __slots__ = ("ask", "message_id", "plan")

    def __init__(self, ask: Ask, plan: Plan) -> None:
        self.ask = ask
        self.plan = plan
        self.message_id: str | None = None  # of the answer, fixed with the first delta


class Open(Placed):
    """One that is not over, and what has come of its answer."""

    __slots__ = ("at", "reading", "told")

    def __init__(self, shape: str, ask: Ask, plan: Plan) -> None:
        super().__init__(ask, plan)
        self.reading = Reading(shape)
        self.told = {"text": 0, "reasoning": 0}  # how much of it the deltas have
        self.at = 0.0


class Books:
    def __init__(
        self, log: EventLog, restart: Restart, options: Options, done: Callable[[Call], None], lost: Callable[[Call, Exception], None]
    ) -> None:
        self._log = log
        self._restart = restart
        self._options = options
        self._done = done
        self._lost = lost
        self._places = Places(log, restart, options)
        self.threads = self._places.threads
        self._waiting: dict[Recorded, None] = {}  # those with appends that could not be made yet
        self.open: dict[Call, Open] = {}
        self._doors = Doors()

    # --- a call begins -------------------------------------------------------------------------------------------------------

    def begin(self, call: Call) -> bool:
        """Place the call and write what is new of its question. False where it is no model call."""
        value = decoded(call.request.body)
        shape = telling.of_request(call.request.path, value)
        if shape is None:
            return False
        ask = telling.SHAPES[shape].ask(redacted(value, self._options.redact), providers.model_in(call.request.path))
        if shape.startswith("openai") and ask.model is None:
            ask = msgspec.structs.replace(ask, model=providers.model_in(call.request.path))
        ask = msgspec.structs.replace(ask, provider=providers.provider_of(call.request.host, ask.provider))
        self.open[call] = Open(shape, ask, self._ask(call, ask, new_session_id()))
        return True

    def _ask(self, call: Call, ask: Ask, call_id: str) -> Plan:
        keys = [digests.digest(said) for said in ask.messages]
        thread, match, chosen = self._places.place(call.context, ask, keys)
        self._places.use(thread)
        plan = Plan(call_id, ask, thread)
        plan.question = keys[-1] if keys else None
        session = thread.session
        before = session.is_begun, session.model, session.provider, session.settings, thread.instructions
        details = self._details(call.context, ask) if not session.is_begun else {}
        settings = tools.kept(ask.settings, session, self._options.record_tools, self._restart) if self._options.content else {}
        conversation.begins(plan, details, settings, ask.shape)
        conversation.instructs(plan, [self._shown(said) for said in ask.instructions])
        if chosen is not None:
            plan.events += conversation.promoted(*chosen)
        if match is not None and any(not entry.is_soft for entry in thread.entries[match.end :]):
            conversation.leave_behind(plan, match.end, self.threads)
        conversation.go_on(plan, match, [self._shown(said) for said in ask.messages], keys, self.threads)
        thread.in_flight += 1
        self.threads.settle(thread)

        def failed(error: Exception) -> None:
            plan.error = error
            session.is_begun, session.model, session.provider, session.settings, thread.instructions = before
            first = min((entry.at for _, entry in plan.added if thread.holds(entry)), default=len(thread.entries))
            self.threads.cut(thread, first)

        def stored(seqs: list[int]) -> None:
            plan.is_stored = True
            for index, entry in plan.added:
                entry.seq = seqs[places[index]]

        places: list[int] = []

        def events() -> Sequence[Event]:
            made, places[:] = plan.made()
            return made

        if plan.events:
            self._write(session, Job(events, _time(call.started_at), stored, failed))
        else:
            plan.is_stored = True
        return plan

    def _details(self, context: Context, ask: Ask) -> dict[str, Any]:
        details = dict(context.details)
        if isinstance(details.get("tags"), Iterable) and not isinstance(details["tags"], str):
            details["tags"] = [str(tag) for tag in details["tags"]]
        metadata = dict(details.get("metadata") or {})
        if context.key is not None:
            metadata["key"] = {"namespace": "recording", "key": [context.key], "generation": 1}
        if ask.previous_response_id is not None:
            metadata["previous_response_id"] = ask.previous_response_id
        if ask.conversation_id is not None:
            metadata["conversation_id"] = ask.conversation_id
        details["metadata"] = metadata
        if context.parent is not None:
            details["parent"] = Parent(session_id=context.parent, relation="subagent")
        return details

    def _shown(self, said: Said) -> Said:
        """The message as it is recorded: without what it says where contents are not recorded."""
        if self._options.content:
            return said
        sizes = [len(part.content) for part in said.parts if isinstance(part.content, str)]
        return msgspec.structs.replace(said, parts=[], metadata={"characters": sum(sizes), "parts": [part.type for part in said.parts]})

    # --- a call that another door has seen ---------------------------------------------------------------------------------------

    def told(self, call: Call, told: Callable[[Redact | None], Exchange | None]) -> bool:
        """Write the call, unless it is none of a model's, or is known already: then False."""
        exchange = told(self._options.redact)
        if exchange is None:
            return False
        ask, answer, error = exchange.ask, exchange.answer, exchange.error
        response_id = answer.response_id if answer is not None else None
        if response_id is not None and (self.threads.of_response(response_id) or self._restart.sessions_of(response_id)):
            return False
        question = digests.digest(ask.messages[-1]) if ask.messages else None
        said = digests.digest(answer.choices[0]) if answer is not None and answer.choices else None
        seen = _seen(call, ask, question, answer, said)
        if self._doors.know(seen, (_seen(each, opened.ask, opened.plan.question) for each, opened in self.open.items())):
            return False
        if exchange.details and call.context.session_id is None:
            call.context = call.context._replace(details={**exchange.details, **call.context.details})
        placed = Placed(ask, self._ask(call, ask, new_session_id()))
        placed.plan.thread.in_flight -= 1
        self._answer(call, placed, placed.plan, Outcome(answer, "error" if answer is not None and error is not None else None, error))
        return True

    # --- it goes on ------------------------------------------------------------------------------------------------------------

    def advance(self, now: float) -> None:
        """Write what has come of the streams that are open."""
        for call, opened in self.open.items():
            if call.is_stream and call.outcome is None and call.status is not None and call.status < 400 and opened.plan.error is None:
                opened.reading.more(call)
                self._tell(call, opened, now)

    def _tell(self, call: Call, opened: Open, now: float) -> None:
        if now < opened.at or not self._options.content or self._options.redact not in (None, provider_keys):
            return
        opened.at = now + self._options.delta_interval_ms / 1000
        events: list[Event] = []
        for kind, pieces in opened.reading.texts.items():
            whole = "".join(pieces)
            pieces[:] = [whole]
            if self._options.redact is not None:
                whole = redacted(whole[: settled(whole)], self._options.redact)
            piece = whole[opened.told[kind] :]
            opened.told[kind] = max(opened.told[kind], len(whole))
            if piece:
                message_id = self._answer_id(opened, opened.reading.response_id())
                cuts = range(0, len(piece), _DELTA_BYTES)
                events += [MessageDelta(message_id=message_id, content=piece[cut : cut + _DELTA_BYTES], kind=kind) for cut in cuts]
        if events:
            time = _time(clock.time())
            self._write(opened.plan.thread.session, Job(lambda: events, time, lambda seqs: None, lambda error: None))

    def _answer_id(self, opened: Placed, response_id: str | None) -> str:
        """The id of the answer's message: the response's, unless the session has one of that id."""
        if opened.message_id is None:
            known = self.threads.of_response(response_id) if response_id else None
            opened.message_id = response_id if response_id and known is None else f"{opened.plan.call_id}.answer"
        return opened.message_id

    # --- it is over ------------------------------------------------------------------------------------------------------------

    def end(self, call: Call) -> None:
        """Write what came of the call."""
        opened = self.open.pop(call)
        plan = opened.plan
        plan.thread.in_flight -= 1
        outcome = opened.reading.outcome(call, self._options.redact)
        if plan.error is not None:  # its question was not stored: once more
            plan = opened.plan = self._ask(call, opened.ask, plan.call_id)
            plan.thread.in_flight -= 1
        self._answer(call, opened, plan, outcome)

    def _answer(self, call: Call, opened: Placed, plan: Plan, outcome: Outcome) -> None:
        session, thread = plan.thread.session, plan.thread
        answer = outcome.answer
        entries: list[Entry] = []
        made: list[Event] = []
        if answer is not None:
            message_id = self._answer_id(opened, answer.response_id)
            primary = self._takes_place(plan, thread)
            said = self._events(call, opened, answer, outcome, message_id, primary.message_id if primary is not None else None)
            entries = self._enter(plan, answer, said, outcome.interrupted, primary)
            made += said
        if answer is not None or outcome.error is not None:
            self._doors.saw(_seen(call, opened.ask, plan.question, answer, entries[0].digest if entries else None))
        if outcome.error is not None:
            made.append(outcome.error if self._options.content else msgspec.structs.replace(outcome.error, details=None))
        self.threads.settle(thread)

        def events() -> list[Event]:
            if plan.error is not None:
                raise plan.error
            seen = plan.context() if not session.is_muted else []
            return [msgspec.structs.replace(each, context=seen) if isinstance(each, UsageRecorded) else each for each in made]

        def stored(seqs: list[int]) -> None:
            names = {each.message_id: seq for each, seq in zip(made, seqs, strict=True) if isinstance(each, MessageAdded)}
            for entry in entries:
                entry.seq = names.get(entry.message_id)
                if not session.is_muted and entry.is_answer:
                    self._restart.note(session.id, entry.digest, entry.response_id)
            self._done(call)

        def failed(error: Exception) -> None:
            for entry in entries:
                if thread.holds(entry):
                    self.threads.cut(thread, entry.at)
            self._lost(call, error)

        self._write(session, Job(events, _time(call.ended_at), stored, failed))

    def _takes_place(self, plan: Plan, thread: Thread) -> Entry | None:
        """The answer to the same question that is there already: what comes now is an alternative to it."""
        place = plan.place()
        if plan.is_twin and place is not None and place < len(thread.entries) and thread.entries[place].is_answer:
            return thread.entries[place]
        return None

    def _events(
        self, call: Call, opened: Placed, answer: Answer, outcome: Outcome, message_id: str, alternative_to: str | None
    ) -> list[Event]:
        about = {"request_id": call.request_id, "retry": call.request.retry}
        shown = msgspec.structs.replace(answer, choices=[self._shown(said) for said in answer.choices], error=None)
        model = answer.model or opened.ask.model
        fields: dict[str, Any] = {
            "model": model,
            "reply_to": opened.plan.reply_to,
            "duration_ms": duration_ms(call),
            "first_chunk_ms": round((call.first - call.started) * 1000, 3) if call.is_stream and call.first else None,
            "interrupted": outcome.interrupted,
            "alternative_to": alternative_to,
            "metadata": {name: value for name, value in about.items() if value is not None},
        }
        made = shown.events(message_id=message_id, **fields)
        for index, each in enumerate(made):
            if isinstance(each, UsageRecorded):
                cost = providers.cost_of(each, each.model or model, opened.ask.provider)
                made[index] = msgspec.structs.replace(each, model=each.model or model, cost=cost)
        return made

    def _enter(self, plan: Plan, answer: Answer, said: list[Event], interrupted: str | None, primary: Entry | None) -> list[Entry]:
        """The answer takes its place in the thread, its alternatives beside it."""
        thread, made = plan.thread, [each for each in said if isinstance(each, MessageAdded)]
        entries: list[Entry] = []
        place = plan.place()
        for number, (choice, event) in enumerate(zip(answer.choices, made, strict=True)):
            has_call = any(part.type == "tool_call" for part in choice.parts)
            entry = Entry(digests.digest(choice), str(event.message_id), "assistant", is_answer=True, has_call=has_call)
            entry.response_id = answer.response_id if not number else None
            entries.append(entry)
            if interrupted is not None:
                entry.is_soft, entry.text = True, digests.text_of(choice.parts)
            if primary is not None:
                self.threads.offer(thread, primary, entry)
            elif place is not None:
                thread.insert(place, entry)
                self.threads.anchor(thread, entry)
                primary = entry
        return entries

    # --- appends -----------------------------------------------------------------------------------------------------------------

    def _write(self, session: Recorded, job: Job) -> None:
        session.jobs.append(job)
        session.work(self._log, clock.monotonic())
        if session.jobs:
            self._waiting[session] = None

    def work(self, now: float) -> float | None:
        """Try again what waits. Returns when to come back, on `time.monotonic`'s clock; None where nothing waits."""
        for session in list(self._waiting):
            session.work(self._log, now)
            if not session.jobs:
                del self._waiting[session]
        return min((session.try_at for session in self._waiting), default=None)

    @property
    def is_waiting(self) -> bool:
        return bool(self._waiting)

    def give_up(self, error: Exception) -> None:
        for session in self._waiting:
            session.give_up(error)
        self._waiting.clear()

    def close(self) -> None:
        for session in self._places.sessions.values():
            session.forget_handle()


def _seen(call: Call, ask: Ask, question: bytes | None, answer: Answer | None = None, said: bytes | None = None) -> Seen:
    """What tells the call from others."""
    response_id, model = (None, None) if answer is None else (answer.response_id, answer.model)
    ended_at = clock.time() if call.outcome is None else call.ended_at
    return Seen(call.started_at, ended_at, question, said, response_id, model or ask.model, call.told is None)


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()
