"""What a session of ADK's, and a state that sessions share, are to the adapter: the folds, and what an event of theirs means here."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any, NamedTuple

import msgspec
from google.adk.events.event import Event as AdkEvent
from google.adk.sessions.base_session_service import GetSessionConfig
from google.adk.sessions.state import State as Prefixes
from pydantic_core import to_jsonable_python

from eventlog import StoredEvent, draft
from eventlog.errors import InvalidEvent
from eventlog.events import ContextCompacted, ErrorLogged, Event, HistoryRetracted, SourceRecord
from eventlog.line import Envelope
from eventlog.shapes import gemini
from eventlog.verbatim import Kept, keep

from ..records import drafts, has_record, item_of, whence, with_numbers
from ..sessions import Fold, State

FORMAT = "google-adk"
SHARED = "google-adk-state"
CREATED = "created"
EVENT = "event"
REWOUND = "rewound"


class Told(NamedTuple):
    """An event of theirs. ``seq`` is that of its last event here."""

    first: int
    seq: int
    id: str
    time: float
    invocation: str
    record: msgspec.Raw


class Values(State):
    """What a state of theirs holds."""

    def __init__(self) -> None:
        super().__init__()
        self._values: dict[str, Any] = {}

    def change(self, delta: dict[str, Any]) -> None:
        self._values.update(delta)

    def copy(self) -> dict[str, Any]:
        found: dict[str, Any] = item_of(keep(self._values).record)
        return found


class Conversation(Values):
    """A session of theirs. ``last``: the seq of their last event, or of the beginning; ``sharing``: the last event that changed shared
    state."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[Told] = []
        self.by_id: dict[str, Told] = {}
        self.updated = 0.0
        self.last = 0
        self.sharing: Told | None = None

    def wanted(self, config: GetSessionConfig | None) -> list[Told]:
        if config is None:
            return list(self.told)
        found = self.told
        if config.num_recent_events is not None:
            found = found[-config.num_recent_events :] if config.num_recent_events else []
        if config.after_timestamp is not None:
            before = [index for index, each in enumerate(found) if each.time < config.after_timestamp]
            found = found[before[-1] + 1 :] if before else found
        return list(found)


class ConversationFold(Fold[Conversation]):
    name = "adapter_google_adk"

    def initial(self) -> Conversation:
        return Conversation()

    def take(self, state: Conversation, stored: StoredEvent) -> None:
        said = whence(stored, FORMAT)
        if said is None:
            return
        if not has_record(said):
            if state.told and state.last == stored.seq - 1 and said.note != REWOUND:
                self._more(state, stored.seq)
            return
        record = said.record.copy()
        if said.note == CREATED:
            state.change(own_part(item_of(record)["state"]))
            state.updated, state.last = stored.time.timestamp(), stored.seq
        elif said.note == EVENT:
            fields = item_of(record)
            told = Told(stored.seq, stored.seq, fields["id"], fields["timestamp"], fields.get("invocation_id", ""), record)
            state.told.append(told)
            state.by_id[told.id] = told
            state.updated, state.last = told.time, stored.seq
            delta = (fields.get("actions") or {}).get("state_delta") or {}
            state.change(own_part(delta))
            if len(own_part(delta)) < len(delta):
                state.sharing = told

    def _more(self, state: Conversation, seq: int) -> None:
        told = state.told[-1]._replace(seq=seq)
        state.told[-1] = state.by_id[told.id] = told
        state.last = seq
        if state.sharing is not None and state.sharing.first == told.first:
            state.sharing = told


class Shared(Values):
    """A state that outlives sessions. ``by``: the changes that are in it."""

    def __init__(self) -> None:
        super().__init__()
        self.by: set[str] = set()


class SharedFold(Fold[Shared]):
    name = "adapter_google_adk_state"

    def initial(self) -> Shared:
        return Shared()

    def take(self, state: Shared, stored: StoredEvent) -> None:
        said = whence(stored, SHARED)
        if said is not None and has_record(said):
            record = item_of(said.record)
            state.by.add(record["by"])
            state.change(record["state"])


def own_part(delta: dict[str, Any]) -> dict[str, Any]:
    return {
        name: value
        for name, value in delta.items()
        if not name.startswith((Prefixes.APP_PREFIX, Prefixes.USER_PREFIX, Prefixes.TEMP_PREFIX))
    }


# --- writing -------------------------------------------------------------------------------------------------------------------------


def events_of(kept: Kept, event: AdkEvent, known: Conversation) -> list[Envelope]:
    when = datetime.fromtimestamp(event.timestamp, timezone.utc)
    try:
        made = drafts(FORMAT, kept, _meaning(kept.value, known) or [SourceRecord(kind="google-adk.event")], time=when, note=EVENT)
    except InvalidEvent:  # content of a shape that nobody has seen
        made = drafts(FORMAT, kept, [SourceRecord(kind="google-adk.event")], time=when, note=EVENT)
    target = (kept.value.get("actions") or {}).get("rewind_before_invocation_id")
    first = next((each.first for each in known.told if target is not None and each.invocation == target), None)
    if first is not None:
        rewound = HistoryRetracted(ranges=[(first, known.last)], reason="rewind")
        made.append(draft(rewound, time=when, origin={"format": FORMAT, "note": REWOUND}))
    return made


def _meaning(fields: dict[str, Any], known: Conversation) -> list[Event]:
    role = "user" if fields.get("author") == "user" else "assistant"
    model, finish = fields.get("model_version"), fields.get("finish_reason")
    named = {"author": fields["author"]} if role == "assistant" and fields.get("author") else {}
    made: list[Event] = []
    id = fields["id"] if fields["id"] not in known.by_id else None
    for index, said in enumerate(gemini.contents(fields.get("content")) if fields.get("content") else []):
        said_by = said.role if said.role == "tool" else role
        more: dict[str, Any] = {"role": said_by, "message_id": id if index == 0 else None, "metadata": named if said_by == role else {}}
        if said_by == "assistant":
            more |= {"model": model, "finish_reason": finish if isinstance(finish, str) else None}
            more["interrupted"] = "interrupted" if fields.get("interrupted") else None
        made.append(said.event(**more))
    usage = gemini.usage(fields.get("usage_metadata"))
    if usage is not None:
        made.append(msgspec.structs.replace(usage, message_id=id, model=model))
    if fields.get("error_code") or fields.get("error_message"):
        message = str(fields.get("error_message") or fields.get("error_code"))
        made.append(ErrorLogged(message=message, kind=str(fields.get("error_code") or "error")))
    compaction = (fields.get("actions") or {}).get("compaction")
    if compaction:
        made.append(_compacted(compaction, known))
    return made


def _compacted(compaction: dict[str, Any], known: Conversation) -> ContextCompacted:
    texts = [part.content for said in gemini.contents(compaction.get("compacted_content")) for part in said.parts if part.type == "text"]
    end = compaction.get("end_timestamp")
    kept = next((each.first for each in known.told if isinstance(end, int | float) and each.time > end), None)
    return ContextCompacted(summary="\n\n".join(map(str, texts)) or None, first_kept_seq=kept, trigger="google-adk")


def fields_of(event: AdkEvent) -> dict[str, Any]:
    """The event as JSON that gives the same event again, NaN too."""
    whole = event.model_dump(mode="json", exclude_none=True)
    found: dict[str, Any] = with_numbers(whole, event.model_dump(exclude_none=True))
    if event.actions is not None and event.actions.state_delta:
        found["actions"]["state_delta"] = json_safe(event.actions.state_delta)
    return found


def json_safe(state: dict[str, Any]) -> dict[str, Any]:
    """The state as JSON; what has no form in it is its text, as in their services."""
    found: dict[str, Any] = to_jsonable_python(state, fallback=str)
    return found
