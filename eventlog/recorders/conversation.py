"""From a request to its place in a session: which thread it goes on with, and what of it is new. The rules of identity, one function each.

- What is known is not recorded again. What follows is new, and each of its messages replies to the one before it.
- History that was edited or answered anew: a session of the recorder's own is forked there; in one that the program named, what was left
  behind is retracted (not while it is being answered: then both branches go on).
- An answer that was broken off counts as the one that is sent back if it begins like it; left out, it is excluded from the context.
- The caller's window or summary: `ContextCompacted`, when the first message that it keeps changes.
- Instructions, tools and settings are not part of a conversation: they may change with every call.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..events import ContextCompacted, Event, MessageAdded, MessageAmended, MessageRetracted, ModelChanged, SessionStarted
from ..shapes.exchange import Ask, Said
from . import digests
from .threads import Entry, Match, Thread, Threads

Later = Callable[[], list[Event]]  # events that need what is only known when they are written


class Plan:
    """What a call adds, and what its answer will need. ``seen``: what the model sees."""

    __slots__ = ("added", "ask", "call_id", "error", "events", "is_stored", "is_twin", "question", "reply_to", "seen", "thread")

    def __init__(self, call_id: str, ask: Ask, thread: Thread) -> None:
        self.call_id = call_id
        self.ask = ask
        self.thread = thread
        self.events: list[Event | Later] = []
        self.added: list[tuple[int, Entry]] = []  # which of the events each new entry is
        self.seen: list[Entry] = []
        self.reply_to: str | None = None  # the question's last message,
        self.question: bytes | None = None  # and its digest
        self.is_twin = False
        self.is_stored = False
        self.error: Exception | None = None  # why it is not

    def add(self, entry: Entry, event: Event) -> None:
        self.added.append((len(self.events), entry))
        self.events.append(event)

    def place(self) -> int | None:
        """Where in the thread the answer comes; None where its question is no longer there."""
        if self.reply_to is None:
            return 0
        return next((entry.at + 1 for entry in reversed(self.thread.entries) if entry.message_id == self.reply_to), None)

    def made(self) -> tuple[list[Event], list[int]]:
        """The events, and which of them each of ``events`` begins with."""
        events: list[Event] = []
        places: list[int] = []
        for each in self.events:
            places.append(len(events))
            events += each() if callable(each) else [each]
        return events, places

    def context(self) -> list[tuple[int, int]]:
        """What the model saw, as ranges of seqs."""
        ranges: list[tuple[int, int]] = []
        for seq in sorted(entry.seq for entry in self.seen if entry.seq):
            if ranges and ranges[-1][1] >= seq - 1:
                ranges[-1] = (ranges[-1][0], seq)
            else:
                ranges.append((seq, seq))
        return ranges


def go_on(plan: Plan, match: Match | None, said: list[Said], keys: list[bytes], threads: Threads) -> None:
    """Add what is new of the request's messages to the plan and to its thread."""
    thread = plan.thread
    known = 0
    if match is not None:
        known = match.known
        known = _broken_off(plan, match, said, keys, threads)
        _window(plan, match, said, keys)
    first = match.first if match is not None else 0
    plan.is_twin = known == len(said) and thread.in_flight > 0
    reply_to = thread.entries[-1].message_id if thread.entries else None
    for number in range(known, len(said)):
        message = said[number]
        entry = Entry(keys[number], f"{plan.call_id}.{number}", message.role, has_call=_has_call(message))
        metadata = {"from": "request"} if message.role == "assistant" else {}
        plan.add(entry, message.event(message_id=entry.message_id, reply_to=reply_to, metadata=metadata))
        thread.add(entry)
        reply_to = entry.message_id
    plan.reply_to = thread.entries[-1].message_id if thread.entries else None
    plan.seen += thread.entries[first:]


def _broken_off(plan: Plan, match: Match, said: list[Said], keys: list[bytes], threads: Threads) -> int:
    """The thread goes on with answers that were broken off: the next message may be one of them. Returns how much is known then."""
    thread, end, known = plan.thread, match.end, match.known
    while end < len(thread.entries) and thread.entries[end].is_soft:
        entry = thread.entries[end]
        sent = said[known] if known < len(said) else None
        if sent is not None and sent.role == "assistant" and _is_of(entry, digests.text_of(sent.parts)):
            threads.forget(thread, entry)  # from now on it is what the caller calls it
            entry.digest, entry.is_soft = keys[known], False
            threads.anchor(thread, entry)
            end, known = end + 1, known + 1
            continue
        for left in threads.cut(thread, end):
            plan.events.append(MessageAmended(message_id=left.message_id, exclude_from_context=True, reason="left out by the caller"))
    return known


def _is_of(entry: Entry, text: str) -> bool:
    return bool(text and entry.text) and (entry.text.startswith(text) or text.startswith(entry.text))


def leave_behind(plan: Plan, end: int, threads: Threads) -> None:
    """The caller went back: what came after ``end`` is retracted."""
    for entry in threads.cut(plan.thread, end):
        plan.events.append(MessageRetracted(message_id=entry.message_id, reason="the caller went on from before it"))


def promoted(before: Entry, now: Entry) -> list[Event | Later]:
    """The caller goes on with an alternative."""
    return [
        MessageAmended(message_id=now.message_id, exclude_from_context=False, reason="the caller went on with it"),
        MessageAmended(message_id=before.message_id, exclude_from_context=True, reason="the caller chose another answer"),
    ]


def _window(plan: Plan, match: Match, said: list[Said], keys: list[bytes]) -> None:
    """Only a part of what was said is sent: the caller keeps a window, or has summarised what was before."""
    thread = plan.thread
    if match.first == 0 and not match.unknown:
        return
    first = thread.entries[match.first]
    head = digests.chain(keys[: match.unknown])[-1] if match.unknown else b""
    if thread.window is not None and thread.window[0] is first and thread.window[1] == head:
        return
    thread.window = first, head
    summary = "\n\n".join(text for each in said[: match.unknown] if (text := digests.text_of(each.parts))) or None

    def compacted() -> list[Event]:
        return [ContextCompacted(summary=summary, first_kept_seq=first.seq, trigger="caller")] if first.seq else []

    plan.events.append(compacted)


def _has_call(said: Said) -> bool:
    return any(part.type == "tool_call" for part in said.parts)


def begins(plan: Plan, details: dict[str, Any], settings: dict[str, Any], api: str) -> None:
    """The session's own events: it begins, or its model or settings change."""
    session, ask = plan.thread.session, plan.ask
    given = details.pop("settings", {})
    session.own.update(given)
    settings = {name: value for name, value in (session.settings | given).items() if name in session.own} | settings
    if not session.is_begun:
        metadata = {**details.pop("metadata", {}), "source": "recorder", "api": api}
        started = {"kind": "chat", "model": ask.model, "provider": ask.provider, "settings": settings}
        plan.events.append(SessionStarted(**(started | details), metadata=metadata))
        session.is_begun = True
    else:
        patch = difference(session.settings, settings)
        model = ask.model or session.model
        if model is not None and (patch or (model, ask.provider) != (session.model, session.provider)):
            plan.events.append(ModelChanged(model=model, provider=ask.provider, settings=patch))
    session.model, session.provider, session.settings = ask.model or session.model, ask.provider, settings


def instructs(plan: Plan, instructions: list[Said]) -> None:
    """The system message: recorded once, amended where it changes."""
    if not instructions:
        return
    thread = plan.thread
    parts = [part for each in instructions for part in each.parts]
    said = Said(role="system", parts=parts, metadata=instructions[0].metadata)
    key = digests.digest(said)
    entry = thread.instructions
    if entry is None:
        entry = thread.instructions = Entry(key, f"{plan.call_id}.system", "system")
        plan.add(entry, said.event(message_id=entry.message_id))
    elif entry.digest != key:
        plan.events.append(MessageAmended(message_id=entry.message_id, content=said.content, reason="the caller changed it"))
        entry.digest = key
    plan.seen.append(entry)


def difference(before: dict[str, Any], after: dict[str, Any]) -> dict[str, Any]:
    """The merge patch from one to the other."""
    patch: dict[str, Any] = {name: None for name in before if name not in after}
    for name, value in after.items():
        held = before.get(name)
        if held == value and name in before:
            continue
        if isinstance(held, dict) and isinstance(value, dict):
            patch[name] = difference(held, value)
        else:
            patch[name] = value
    return patch


def folded(thread: Thread, event: MessageAdded, seq: int) -> Entry | None:
    """A message that stands in the log, as an entry of the thread. None where it is none of the conversation."""
    if event.alternative_to is not None or event.exclude_from_context:
        return None
    key = digests.of_event(event)
    if event.role == "system" and not thread.entries:
        thread.instructions = Entry(key, event.message_id or f"seq-{seq}", "system")
        thread.instructions.seq = seq
        return None
    from_request = event.metadata.get("from") == "request"
    parts = event.content if isinstance(event.content, list) else []
    entry = Entry(
        key,
        event.message_id or f"seq-{seq}",
        event.role,
        is_answer=event.role == "assistant" and not from_request,
        has_call=any(part.type == "tool_call" for part in parts),
    )
    entry.seq = seq
    entry.response_id = event.response_id
    if event.interrupted is not None:
        entry.is_soft = True
        entry.text = event.content.strip() if isinstance(event.content, str) else digests.text_of(parts)
    return thread.add(entry)
