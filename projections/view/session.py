"""The session as a person or a model needs it: its events folded into one value.

`SessionView` is the projection and its state. Its fields are the JSON of ``eventlog show --json``: the names are fixed and
always there, more may join them. The messages, the tool calls and the usage are put together in `messages`, `tool_calls`
and `usage`; here is what belongs to the session itself:

- **Order is by seq, never by time.** ``updated_at`` is the latest time of an event about the work: what an import adds late, or a clock
  that was set back, does not make a session older than it was, and neither does what is said about the record
  (`eventlog.meaning.history.ABOUT_THE_RECORD`) make it newer.
- **The first ``session.started`` counts.** A later one (a merge or fork took it over) fills only what is still empty; its tags join.
- **``session.updated`` and ``context.updated`` are merge patches** (RFC 7386). Tags keep their order and are never doubled.
- **Status**: active, what ``session.ended`` said, or deleted. Any later event makes an ended session active again, except those
  that are about the record: to give an ended session a title must not reopen it. ``session.restored`` brings back the former status.
- **An event that is not known here** counts in ``counts.events`` and ``updated_at``, and wakes an ended session.
- **What was taken back** (``history.retracted``, ``history.cleared``) is not there: the view is that of the session without these events,
  but for ``started_at`` and ``updated_at``, which ``history.*`` does not move. See `taking_back`.

It holds every message of the session, and what was said of each, so its size is the session's: what needs only a summary of many
sessions is the catalog.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable
from datetime import datetime, timezone
from functools import reduce
from typing import Any, ClassVar

import msgspec
from msgspec import UNSET

from eventlog.events import (
    ContextCompacted,
    ContextUpdated,
    ErrorLogged,
    HistoryCleared,
    HistoryRetracted,
    MessageAdded,
    MessageAmended,
    MessageDelta,
    MessageRetracted,
    ModeChanged,
    ModelChanged,
    Parent,
    SessionDeleted,
    SessionEnded,
    SessionRestored,
    SessionStarted,
    SessionUpdated,
    ToolCalled,
    ToolReturned,
    UsageRecorded,
)
from eventlog.meaning.copies import as_meant, first_kept_seq
from eventlog.meaning.history import is_about_the_record, named
from eventlog.meaning.merge_patch import merge_patch
from eventlog.stored import NO_ORIGIN, StoredEvent

from .. import tables
from .messages import Message, Messages, Retracted
from .models import Seen
from .taking_back import Journal, take_back
from .tool_calls import ToolCall, ToolCalls
from .usage import Usage, UsageTally

_NO_TIME = datetime.min.replace(tzinfo=timezone.utc)
_ACTIVE = "active"
_DELETED = "deleted"


class Compaction(msgspec.Struct, gc=False):
    """Where the model's view shrank to a summary and what follows ``first_kept_seq``."""

    seq: int
    time: datetime
    summary: str | None
    first_kept_seq: int | None
    tokens_before: int | None
    tokens_after: int | None
    trigger: str | None = None


class LoggedError(msgspec.Struct, gc=False):
    """An error that was logged."""

    seq: int
    time: datetime
    message: str
    kind: str | None
    details: Any


class Counts(msgspec.Struct, gc=False):
    """``events`` are all that were folded and not taken back, ``messages`` (and those of a role) are the ones shown, partial ones too.

    Messages that are an alternative to another one do not count, and neither do calls that only these made."""

    events: int = 0
    messages: int = 0
    user_messages: int = 0
    assistant_messages: int = 0
    tool_calls: int = 0
    errors: int = 0


class SessionView(msgspec.Struct, dict=True, kw_only=True):
    """The state of one session: `replay` makes it, `msgspec.json.encode` writes it as ``show --json`` does.

    A projection (``name``, ``version``, `initial`, `fold`), so a view can be folded on as events arrive. It changes in place. A view
    that was decoded from JSON or copied is for reading only.

    >>> from eventlog import EventLog
    >>> from eventlog.events import MessageAdded
    >>> from projections import SessionView, replay
    >>> session = EventLog.memory().start(title="Debug login")
    >>> session.append(MessageAdded(role="user", content="What changed?"))
    2
    >>> view = replay(session.read(), SessionView)
    >>> view.title, view.messages[0].parts, view.counts.events
    ('Debug login', [{'type': 'text', 'content': 'What changed?'}], 2)
    """

    name: ClassVar[str] = "session_view"
    version: ClassVar[int | str] = 2

    session_id: str = ""
    status: str = _ACTIVE
    title: str | None = None
    description: str | None = None
    purpose: str | None = None
    user_id: str | None = None
    tags: list[str] = []
    kind: str | None = None
    model: str | None = None
    provider: str | None = None
    models: list[str] = []
    modes: list[str] = []
    started_at: datetime | None = None
    updated_at: datetime | None = None
    parent: dict[str, Any] | None = None
    metadata: dict[str, Any] = {}
    context: dict[str, Any] = {}
    compactions: list[Compaction] = []
    messages: list[Message] = []
    tool_calls: list[ToolCall] = []
    errors: list[LoggedError] = []
    usage: Usage = msgspec.field(default_factory=Usage)
    counts: Counts = msgspec.field(default_factory=Counts)
    mode: str | None = None
    pinned: bool = False
    settings: dict[str, Any] = {}

    def __repr__(self) -> str:
        counts = self.counts
        return (
            f"<SessionView {self.session_id!r}{f' {self.title!r}' if self.title else ''}, {self.status}: {counts.messages:,} messages,"
            f" {counts.tool_calls:,} tool calls>"
        )

    def _repr_html_(self) -> str:
        rows = ({"seq": each.seq, "role": each.role, "time": each.time, "text": each.text} for each in self.messages)
        return tables.html(rows, f"{self.title or self.session_id} ({self.status})")

    retracted: list[Retracted] = []
    orphan_results: list[ToolCall] = []

    @staticmethod
    def initial() -> SessionView:
        """The view of a session without events."""
        view = SessionView()
        view.__dict__["folding"] = _Folding(view)
        return view

    @staticmethod
    def fold(view: SessionView, stored: StoredEvent) -> SessionView:
        """The view with one more event in it: the same object, changed. Events come in the order of their seq.

        Raises `ValueError` for a view that did not come from `initial`."""
        return SessionView.fold_all(view, (stored,))

    @staticmethod
    def fold_all(view: SessionView, events: Iterable[StoredEvent]) -> SessionView:
        """`fold` for many events, and cheaper: what is summed up is set once, at their end.

        An error of the reading passes through and leaves the view right up to there. Raises `ValueError` like `fold`."""
        try:
            folding: _Folding = view.__dict__["folding"]
        except KeyError:
            raise ValueError("this view was decoded or copied and cannot be folded on; replay the session into a new one") from None
        messages, tools, usage = folding.messages, folding.tools, folding.usage
        models = folding.models.known
        note_seq, note_event = folding.journal.seqs.append, folding.journal.events.append
        count = 0
        latest = folding.worked_at
        stored: StoredEvent | None = None
        try:
            for stored in events:
                if stored.origin_raw is not NO_ORIGIN:
                    stored = as_meant(stored)
                event = stored.event
                kind = type(event)
                count += 1
                note_seq(stored.seq)
                note_event(event)
                if not folding.settled:
                    _settle(view, folding, stored, event)
                if kind is MessageAdded:  # a place for each, as the interpreter learns what is called where: a table costs 3 % more
                    if event.model not in models:
                        folding.models.saw(event.model, stored.seq)
                    messages.added(stored, event)
                elif kind is ToolCalled:
                    tools.called(stored, event)
                elif kind is ToolReturned:
                    tools.returned(stored, event)
                elif kind is UsageRecorded:
                    usage.recorded(stored, event, view.model, view.provider)
                elif kind is MessageDelta:
                    messages.delta(stored, event)
                else:
                    _CHANGES.get(kind, _nothing)(view, stored, event)
                    if is_about_the_record(event):
                        continue
                time = stored.time
                if time > latest:
                    latest = time
        finally:
            if stored is not None:
                folding.worked_at = latest
                view.updated_at = view.started_at if latest is _NO_TIME else latest
                folding.sum_up(view, count)
        return view


class _Folding:
    """What the fold must remember that is not for readers. It does not hold the view: a view goes as soon as it is let go."""

    __slots__ = (
        "begun",
        "deleted",
        "ended",
        "journal",
        "lifecycle",
        "messages",
        "models",
        "patches",
        "settled",
        "started",
        "taken_back",
        "tools",
        "usage",
        "worked_at",
    )

    def __init__(self, view: SessionView) -> None:
        self.settled = False  # the session has begun and is active, so that an event need not be asked what it means for that
        self.begun = False
        self.started = False
        self.deleted = False
        self.lifecycle = _ACTIVE  # the status but for deletion
        self.ended: tuple[int, str] | None = None  # where it last ended, and how
        self.worked_at = _NO_TIME
        self.taken_back = 0  # events that `sum_up` has not heard of
        self.patches: list[tuple[int, dict[str, Any]]] = []  # of the context
        self.journal = Journal()
        self.models = Seen(view.models)
        self.tools = tools = ToolCalls(view.tool_calls, view.orphan_results, self.journal.at)
        self.messages = Messages(view.messages, view.retracted, tools, self.journal.at)
        self.usage = UsageTally(self.models)

    def sum_up(self, view: SessionView, events: int) -> None:
        """Set what is derived from the rest of the view, after so many more events."""
        counts = view.counts
        counts.events += events - self.taken_back
        self.taken_back = 0
        counts.messages = len(view.messages) - self.messages.alternatives
        counts.user_messages = self.messages.by_user
        counts.assistant_messages = self.messages.by_assistant
        counts.tool_calls = len(view.tool_calls) - len(self.tools.uncounted)
        counts.errors = len(view.errors)
        self.usage.settle(view.usage)


def _settle(view: SessionView, folding: _Folding, stored: StoredEvent, event: Any) -> None:
    """What an event means for a session that has not begun, or is not active."""
    if not folding.begun:
        folding.begun = True
        view.session_id = stored.session_id
        view.started_at = stored.time
    if not is_about_the_record(event):
        _live(view, folding, _ACTIVE)
    folding.settled = folding.lifecycle == _ACTIVE


def _live(view: SessionView, folding: _Folding, status: str) -> None:
    folding.lifecycle = status
    folding.settled = status == _ACTIVE
    view.status = _DELETED if folding.deleted else status


def _started(view: SessionView, stored: StoredEvent, event: SessionStarted) -> None:
    folding: _Folding = view.__dict__["folding"]
    if not folding.started:
        folding.started = True
        view.started_at = stored.time
    view.title = view.title if view.title is not None else event.title
    view.description = view.description if view.description is not None else event.description
    view.purpose = view.purpose if view.purpose is not None else event.purpose
    view.user_id = view.user_id if view.user_id is not None else event.user_id
    view.kind = view.kind if view.kind is not None else event.kind
    view.model = view.model if view.model is not None else event.model
    view.provider = view.provider if view.provider is not None else event.provider
    view.parent = view.parent if view.parent is not None else _parent(event.parent)
    view.tags = list(dict.fromkeys([*view.tags, *event.tags]))
    view.settings = {**event.settings, **view.settings}
    view.metadata = {**event.metadata, **view.metadata}
    view.__dict__["folding"].models.saw_for_good(event.model, stored.seq)


def _updated(view: SessionView, stored: StoredEvent, event: SessionUpdated) -> None:
    for name in ("title", "description", "purpose", "user_id", "kind", "model", "provider"):
        value = getattr(event, name)
        if value is not UNSET:
            setattr(view, name, value)
    view.__dict__["folding"].models.saw_for_good(view.model, stored.seq)
    if event.tags is not UNSET or event.add_tags or event.remove_tags:
        tags = view.tags if event.tags is UNSET else event.tags or []
        gone = set(event.remove_tags)
        view.tags = [tag for tag in dict.fromkeys([*tags, *event.add_tags]) if tag not in gone]
    if event.settings is not UNSET:
        view.settings = merge_patch(view.settings, event.settings) or {}
    if event.metadata is not UNSET:
        view.metadata = merge_patch(view.metadata, event.metadata) or {}
    if event.parent is not UNSET:
        view.parent = _parent(event.parent)
    if event.pinned is not UNSET:
        view.pinned = event.pinned


def _ended(view: SessionView, stored: StoredEvent, event: SessionEnded) -> None:
    folding: _Folding = view.__dict__["folding"]
    folding.ended = stored.seq, event.status
    _live(view, folding, event.status)


def _deleted(view: SessionView, stored: StoredEvent, event: SessionDeleted) -> None:
    view.__dict__["folding"].deleted = True
    view.status = _DELETED


def _restored(view: SessionView, stored: StoredEvent, event: SessionRestored) -> None:
    folding: _Folding = view.__dict__["folding"]
    folding.deleted = False
    view.status = folding.lifecycle


def _model_changed(view: SessionView, stored: StoredEvent, event: ModelChanged) -> None:
    view.model = event.model
    view.provider = event.provider if event.provider is not None else view.provider
    view.settings = merge_patch(view.settings, event.settings)
    view.__dict__["folding"].models.saw_for_good(event.model, stored.seq)


def _mode_changed(view: SessionView, stored: StoredEvent, event: ModeChanged) -> None:
    view.mode = event.mode
    view.settings = merge_patch(view.settings, event.settings)
    _saw(view.modes, event.mode)


def _context_updated(view: SessionView, stored: StoredEvent, event: ContextUpdated) -> None:
    patch = {name: value for name, value in msgspec.structs.asdict(event).items() if value is not UNSET}
    view.__dict__["folding"].patches.append((stored.seq, patch))
    view.context = merge_patch(view.context, patch)


def _context_compacted(view: SessionView, stored: StoredEvent, event: ContextCompacted) -> None:
    kept = first_kept_seq(stored, event.first_kept_seq)
    view.compactions.append(
        Compaction(stored.seq, stored.time, event.summary, kept, event.tokens_before, event.tokens_after, event.trigger)
    )


def _error_logged(view: SessionView, stored: StoredEvent, event: ErrorLogged) -> None:
    view.errors.append(LoggedError(stored.seq, stored.time, event.message, event.kind, event.details))


def _parent(parent: Parent | None) -> dict[str, Any] | None:
    return None if parent is None else {"session_id": parent.session_id, "seq": parent.seq, "relation": parent.relation}


def _taken_back(view: SessionView, stored: StoredEvent, event: HistoryRetracted | HistoryCleared) -> None:
    folding: _Folding = view.__dict__["folding"]
    gone = take_back(named(stored), folding.journal, folding.messages, folding.tools, folding.models, view.compactions)
    if not gone:
        return
    folding.taken_back += len(gone)
    left = [patch for patch in folding.patches if not _holds(gone, patch[0])]
    if len(left) < len(folding.patches):
        folding.patches = left
        view.context = reduce(merge_patch, (patch for _, patch in left), {})
    if folding.ended is not None and folding.ended[0] >= folding.journal.worked_until:
        _live(view, folding, folding.ended[1])  # what had made it active again is gone


def _holds(seqs: list[int], seq: int) -> bool:
    index = bisect_left(seqs, seq)
    return index < len(seqs) and seqs[index] == seq


def _saw(names: list[str], name: str | None) -> None:
    if name is not None and name not in names:
        names.append(name)


def _message_amended(view: SessionView, stored: StoredEvent, event: MessageAmended) -> None:
    view.__dict__["folding"].messages.amended(stored, event)


def _message_retracted(view: SessionView, stored: StoredEvent, event: MessageRetracted) -> None:
    view.__dict__["folding"].messages.retract(stored, event)


def _nothing(view: SessionView, stored: StoredEvent, event: Any) -> None:
    """A type that says nothing here, or is not known."""


_CHANGES: dict[type, Callable[[SessionView, StoredEvent, Any], None]] = {
    MessageAmended: _message_amended,
    MessageRetracted: _message_retracted,
    SessionStarted: _started,
    SessionUpdated: _updated,
    SessionEnded: _ended,
    SessionDeleted: _deleted,
    SessionRestored: _restored,
    ModelChanged: _model_changed,
    ModeChanged: _mode_changed,
    ContextUpdated: _context_updated,
    ContextCompacted: _context_compacted,
    HistoryRetracted: _taken_back,
    HistoryCleared: _taken_back,
    ErrorLogged: _error_logged,
}
