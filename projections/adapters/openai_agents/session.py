"""The port of the SDK (`agents.memory.Session`): its four methods, and what its wrappers ask of a store beside them."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from agents.memory import SessionABC, SessionSettings
from agents.memory.session_settings import coerce_session_settings, resolve_session_limit

from eventlog import EventLog, draft
from eventlog.backend import Sync
from eventlog.events import ContextCompacted, HistoryCleared, HistoryRetracted, SessionUpdated, UsageRecorded
from eventlog.line import Envelope
from eventlog.shapes import openai_responses
from eventlog.verbatim import keep

from ..records import drafts, item_of
from ..sessions import Key, Sessions, in_thread, to_its_end
from .branches import MAIN, Branches
from .items import FORMAT, History, HistoryFold, Item, events_of, values

try:  # what makes a compaction of theirs one append; without it they clear and add
    from agents.memory.session import _CompactionSnapshot as CompactionSnapshot
except ImportError:  # pragma: no cover - it is private to them
    CompactionSnapshot = None

_FOLD = HistoryFold()


class EventLogSession(Branches, SessionABC):
    """One conversation, for `Runner.run(..., session=...)`. Safe to use from several tasks, threads, event loops and processes.

    ``path_or_log``: a store's folder (made if it is not there), an open `EventLog`, or None for the configured store. ``sync``: how safe
    an append is when it returns, default the store's. Nothing is written before the first item. See the module for the rest."""

    session_settings: SessionSettings | None

    def __init__(
        self,
        session_id: str,
        path_or_log: str | os.PathLike[str] | EventLog | None = None,
        *,
        session_settings: SessionSettings | dict[str, Any] | None = None,
        sync: Sync | None = None,
    ) -> None:
        self.session_id = session_id
        self.session_settings = SessionSettings() if session_settings is None else coerce_session_settings(session_settings)
        self._sessions = Sessions.of(path_or_log)
        self._sync = sync
        self._branch = MAIN
        self._closed = False

    # --- the interface, in its order ----------------------------------------------------------------------------------------------

    async def get_items(self, limit: int | None = None, branch_id: str | None = None) -> list[Any]:
        """The items so far, or the last ``limit`` of them (default: the settings'; negative: all). Copies, which the caller may change."""
        wanted = resolve_session_limit(limit, self.session_settings)

        def question(state: History) -> list[Item]:
            if wanted is None or wanted < 0:
                return list(state.items)
            return state.items[-wanted:] if wanted else []

        return await in_thread(lambda: values(self._ask(question, [], branch_id)))

    async def add_items(self, items: list[Any]) -> None:
        """Add the items, all or none. Raises `InvalidEvent` for one that is not JSON."""
        self._check_open()
        if items:
            await to_its_end(lambda: self._append(lambda state: events_of(items, state.ids)))

    async def pop_item(self) -> Any | None:
        """Take the last item back and return it; None where there is none. The record keeps it."""
        popped: list[Any] = []

        def decide(state: History) -> list[Envelope]:
            popped.clear()
            if not state.items:
                return []
            last = state.items[-1]
            popped.append(item_of(last.record))
            return [draft(HistoryRetracted(ranges=[(last.first, last.last)], reason="pop_item"))]

        def pop() -> None:
            self._sessions.append(_FOLD, self._key(self._branch), decide, exact=True, sync=self._sync)

        self._check_open()
        await to_its_end(pop)
        return popped[0] if popped else None

    async def clear_session(self) -> None:
        """Take everything back, and delete the branches. The record keeps it."""

        def decide(state: History) -> list[Envelope]:
            made = [draft(HistoryCleared())] if state.items else []
            return [*made, draft(SessionUpdated(metadata={"branches": None}))] if state.branches else made

        def clear() -> None:
            self._delete_branches()
            self._sessions.append(_FOLD, self._key(MAIN), decide, sync=self._sync)
            self._branch = MAIN

        self._check_open()
        await to_its_end(clear)

    def close(self) -> None:
        """Let go of the store. Closing twice is fine."""
        if not self._closed:
            self._closed = True
            self._sessions.close()

    # --- usage --------------------------------------------------------------------------------------------------------------------

    async def store_run_usage(self, result: Any) -> None:
        """Record what the run used (call it after `Runner.run`), for the turn that it was; again, it replaces what was said before."""
        stated = _usage_fields(result.context_wrapper.usage)
        counted = openai_responses.usage(stated) or UsageRecorded()
        model = getattr(getattr(result, "last_agent", None), "model", None)

        def decide(state: History) -> list[Envelope]:
            said = UsageRecorded(
                message_id=state.last_answer,
                model=model if isinstance(model, str) else None,
                input_tokens=counted.input_tokens,
                output_tokens=counted.output_tokens,
                cache_read_tokens=counted.cache_read_tokens,
                cache_write_tokens=counted.cache_write_tokens,
                reasoning_tokens=counted.reasoning_tokens,
            )
            return drafts(FORMAT, keep(stated), [said], note=len(state.turns))

        self._check_open()
        await to_its_end(lambda: self._append(decide))

    async def get_turn_usage(
        self, user_turn_number: int | None = None, branch_id: str | None = None
    ) -> list[dict[str, Any]] | dict[str, Any]:
        """What a turn used, {} where nothing is known of it; without a number a list of all turns."""
        turns = await self._turns_usage(branch_id)
        if user_turn_number is None:
            return [{"user_turn_number": turn, **used} for turn, used in turns.items()]
        return turns.get(user_turn_number, {})

    async def get_session_usage(self, branch_id: str | None = None) -> dict[str, int] | None:
        """The sum of the turns of a branch (default: the current one); None where nothing is known."""
        turns = await self._turns_usage(branch_id)
        names = ("requests", "input_tokens", "output_tokens", "total_tokens")
        sums = {name: sum(used.get(name) or 0 for used in turns.values()) for name in names}
        return sums | {"total_turns": len(turns)} if turns else None

    async def _turns_usage(self, branch_id: str | None) -> dict[int, dict[str, Any]]:
        def question(state: History) -> dict[int, dict[str, Any]]:
            return {turn: item_of(state.usage[turn]) for turn in sorted(state.usage)}

        found: dict[int, dict[str, Any]] = await in_thread(lambda: self._ask(question, {}, branch_id))
        return found

    # --- what their compaction looks for ---------------------------------------------------------------------------------------------

    async def _get_compaction_snapshot(self, limit: int, *, prune_prefix: Callable[[Any], bool] | None = None) -> Any:
        """The last items, and what puts others in the place of a suffix of them: one append, if nobody came between."""
        if CompactionSnapshot is None or type(self) is not EventLogSession:
            return None
        taken: tuple[int, list[Item]] = await in_thread(lambda: self._ask(lambda state: (len(state.items), state.items[-limit:]), (0, [])))
        count, last = taken

        async def replace_suffix(start: int, output: list[Any]) -> bool:
            expected = last[start:]
            if not expected:
                return False
            done: list[bool] = []

            def decide(state: History) -> list[Envelope]:
                done.clear()
                if state.items[-len(expected) :] != expected:
                    return []
                done.append(True)
                kept = state.items[: -len(expected)]
                expired = _leading(kept, prune_prefix)
                return compaction(state, kept[expired:], kept[:expired] + expected, output)

            def replace() -> None:
                self._sessions.append(_FOLD, self._key(self._branch), decide, exact=True, sync=self._sync)

            await to_its_end(replace)
            return bool(done)

        return CompactionSnapshot(values(last), len(last) == count, replace_suffix)

    # --- what is behind it --------------------------------------------------------------------------------------------------------

    def _append(self, decide: Callable[[History], list[Envelope]]) -> int:
        return self._sessions.append(_FOLD, self._key(self._branch), decide, sync=self._sync, details=lambda: {"kind": "agent"})

    def _ask(self, question: Callable[[History], Any], default: Any, branch_id: str | None = None) -> Any:
        self._check_open()
        return self._sessions.ask(_FOLD, self._key(self._branch if branch_id is None else branch_id), question, default)

    def _key(self, branch: str) -> Key:
        return (FORMAT, self.session_id) if branch == MAIN else (FORMAT, self.session_id, branch)

    def _check_open(self) -> None:
        if self._closed:
            raise RuntimeError("EventLogSession is closed; make another one for the same session_id")


def compaction(state: History, kept: list[Item], replaced: list[Item], output: list[Any]) -> list[Envelope]:
    """Other items in the place of the replaced ones. Of all items, that is what a compaction is: the messages stay in every view, and the
    model sees what comes. Of some of them, these are taken back."""
    added = events_of(output, state.ids)
    if kept:
        return [draft(HistoryRetracted(ranges=[(item.first, item.last) for item in replaced], reason="compaction")), *added]
    marked = ContextCompacted(first_kept_seq=state.seq + 2, trigger="openai-responses")
    return [draft(marked, origin={"format": FORMAT}), *added]


def _leading(items: list[Item], expired: Callable[[Any], bool] | None) -> int:
    """How many of the first items have expired."""
    if expired is None:
        return 0
    return next((index for index, item in enumerate(items) if not expired(item_of(item.record))), len(items))


def _usage_fields(usage: Any) -> dict[str, Any]:
    def details(value: Any) -> Any:
        value = value[-1] if isinstance(value, list) and value else value
        return value.model_dump() if hasattr(value, "model_dump") else value

    names = ("requests", "input_tokens", "output_tokens", "total_tokens")
    stated = {name: getattr(usage, name, 0) for name in names}
    return stated | {name: details(getattr(usage, name, None)) for name in ("input_tokens_details", "output_tokens_details")}
