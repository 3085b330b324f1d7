"""What a thread is to the adapter: the fold over its session, and the events that change it.

- ``langgraph.checkpoint``: a checkpoint without values, and the values of the channels that are new with it (`values`).
- ``langgraph.writes``: what tasks wrote on top of a checkpoint. The same task and place again is ignored, a place below 0 replaces.
- The messages of the newest checkpoint (of the graph itself, not of a subgraph) stand in the session as `MessageAdded`, each once. Where
  the next checkpoint follows the one that is shown, a message that it lacks is only hidden from the model; where it begins another
  path, the messages of the path that was left are taken back.
- What is removed is taken back, and what stays and stood on it (a list that began with one of its lists, a value that only it held) is
  written again, whole. So a compaction may leave out what was taken back.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from eventlog import StoredEvent, draft
from eventlog.errors import InvalidEvent
from eventlog.events import HistoryCleared, HistoryRetracted, MessageAdded, MessageAmended, UnknownEvent, UsageRecorded
from eventlog.line import Envelope
from eventlog.meaning import history
from eventlog.meaning.copies import data_of
from eventlog.meaning.ranges import Ranges

from .. import langchain_messages
from ..records import whence
from ..sessions import Fold, State
from .values import List, Stored, Values, read

FORMAT = "langgraph"
CHECKPOINT = "langgraph.checkpoint"
WRITES = "langgraph.writes"
_MESSAGES = "messages"
_NOTHING = b"null"
Version = str | int | float


class Checkpoint(msgspec.Struct, gc=False):
    """``values``: version and value of each channel that is new with it; null where it has none."""

    id: str
    checkpoint: msgspec.Raw
    metadata: msgspec.Raw
    ns: str = ""
    parent: str | None = None
    values: dict[str, tuple[Version, msgspec.Raw]] = {}


class Writes(msgspec.Struct, gc=False):
    """``writes``: place, channel and value of each."""

    id: str
    task_id: str
    writes: list[tuple[int, str, msgspec.Raw]]
    ns: str = ""
    task_path: str = ""


class Saved(NamedTuple):
    seq: int
    parent: str | None
    checkpoint: bytes
    metadata: bytes


class Write(NamedTuple):
    seq: int
    task_id: str
    task_path: str
    place: int
    channel: str
    value: Stored


class Shown(NamedTuple):
    """A message that stands in the session. ``seqs``: its events."""

    first: int
    last: int
    id: str | None
    digest: str
    hidden: bool = False


class Thread(State):
    def __init__(self) -> None:
        super().__init__()
        self.checkpoints: dict[str, dict[str, Saved]] = {}  # by namespace and id
        self.writes: dict[tuple[str, str], dict[tuple[str, int], Write]] = {}
        self.values: dict[tuple[str, str, Version], tuple[int, Stored | None]] = {}  # by namespace, channel and version
        self.lists: dict[str, List] = {}
        self.latest: dict[tuple[str, str], List] = {}  # by namespace and channel: what the next value is compared with
        self.shown: list[Shown] = []
        self.head: str | None = None  # the checkpoint whose messages are shown

    def newest(self, ns: str) -> str | None:
        return max(self.checkpoints.get(ns, {}), default=None)

    def ordered_writes(self, ns: str, id: str) -> list[Write]:
        return sorted(self.writes.get((ns, id), {}).values(), key=lambda each: (each.task_path, each.task_id, each.place))


_checkpoint = msgspec.json.Decoder(Checkpoint)
_writes = msgspec.json.Decoder(Writes)


class ThreadFold(Fold[Thread]):
    name = "adapter_langgraph"

    def initial(self) -> Thread:
        return Thread()

    def take(self, state: Thread, stored: StoredEvent) -> None:
        if stored.type == CHECKPOINT:
            self._checkpoint(state, stored.seq, _checkpoint.decode(data_of(stored)))
        elif stored.type == WRITES:
            self._writes(state, stored.seq, _writes.decode(data_of(stored)))
        elif isinstance(stored.event, HistoryRetracted | HistoryCleared):
            forget(state, history.named(stored))
        elif isinstance(stored.event, MessageAdded | MessageAmended | UsageRecorded):
            _message(state, stored)

    def _checkpoint(self, state: Thread, seq: int, found: Checkpoint) -> None:
        saved = Saved(seq, found.parent, bytes(found.checkpoint), bytes(found.metadata))
        state.checkpoints.setdefault(found.ns, {})[found.id] = saved
        for channel, (version, raw) in found.values.items():
            value = None if bytes(raw) == _NOTHING else self._value(state, seq, (found.ns, channel), raw)
            state.values[found.ns, channel, version] = seq, value
        if found.ns == "" and found.id >= (state.head or ""):
            state.head = found.id

    def _writes(self, state: Thread, seq: int, found: Writes) -> None:
        known = state.writes.setdefault((found.ns, found.id), {})
        for place, channel, raw in found.writes:
            value = self._value(state, seq, (found.ns, channel), raw)
            if place < 0 or (found.task_id, place) not in known:
                known[found.task_id, place] = Write(seq, found.task_id, found.task_path, place, channel, value)

    def _value(self, state: Thread, seq: int, where: tuple[str, str], raw: msgspec.Raw) -> Stored:
        value = read(raw, state.lists, seq)
        if isinstance(value, List):
            state.lists[value.id] = value
            state.latest[where] = value
        return value


def _message(state: Thread, stored: StoredEvent) -> None:
    said = whence(stored, FORMAT)
    if said is None or not isinstance(said.note, dict):
        return
    event, note = stored.event, said.note
    if isinstance(event, MessageAmended):
        state.shown = [each._replace(hidden=True) if each.id == event.message_id else each for each in state.shown]
    elif "digest" in note and isinstance(event, MessageAdded):
        state.shown.append(Shown(stored.seq, stored.seq, event.message_id, str(note["digest"])))
    elif state.shown:
        state.shown[-1] = state.shown[-1]._replace(last=stored.seq)


def forget(state: Thread, gone: Ranges) -> None:
    """What these events said no longer counts."""
    for ns, saved in state.checkpoints.items():
        state.checkpoints[ns] = {id: each for id, each in saved.items() if each.seq not in gone}
    for key, writes in state.writes.items():
        state.writes[key] = {place: each for place, each in writes.items() if each.seq not in gone}
    state.values = {key: each for key, each in state.values.items() if each[0] not in gone}
    state.lists = {id: each for id, each in state.lists.items() if each.seq not in gone}
    state.latest = {where: each for where, each in state.latest.items() if not each.stands_on(gone)}
    state.shown = [each for each in state.shown if each.first not in gone]
    if state.head is not None and state.head not in state.checkpoints.get("", {}):
        state.head = state.newest("")


# --- writing ---------------------------------------------------------------------------------------------------------------------------


class Writer:
    """Makes the events of one append; what it encodes begins with what the state, or this append, has already. ``latest``: the lists."""

    def __init__(self, state: Thread, values: Values, *, anew: bool = False) -> None:
        self._values = values
        self.latest: dict[tuple[str, str], List] = {} if anew else dict(state.latest)
        self.drafts: list[Envelope] = []

    def value(self, ns: str, channel: str, value: Any) -> msgspec.Raw:
        text, as_list = self._values.dump_after(value, self.latest.get((ns, channel)))
        if as_list is not None:
            self.latest[ns, channel] = as_list
        return msgspec.Raw(text)

    def checkpoint(
        self, ns: str, id: str, parent: str | None, checkpoint: bytes, metadata: bytes, values: Mapping[str, tuple[Version, Any]], has: Any
    ) -> None:
        """``has``: the names of the channels that have a value."""
        said = {
            channel: (version, self.value(ns, channel, value) if channel in has else msgspec.Raw(_NOTHING))
            for channel, (version, value) in values.items()
        }
        found = Checkpoint(id, msgspec.Raw(checkpoint), msgspec.Raw(metadata), ns, parent, said)
        self.drafts.append(draft(UnknownEvent(CHECKPOINT, msgspec.Raw(msgspec.json.encode(found)))))

    def writes(self, ns: str, id: str, task_id: str, task_path: str, writes: Sequence[tuple[int, str, Any]]) -> None:
        said = [(place, channel, self.value(ns, channel, value)) for place, channel, value in writes]
        found = Writes(id, task_id, said, ns, task_path)
        self.drafts.append(draft(UnknownEvent(WRITES, msgspec.Raw(msgspec.json.encode(found)))))


def conversation_in(values: Mapping[str, Any]) -> str | None:
    """The channel that holds the conversation: the one named ``messages``, else the first that is one. None where there is none."""
    for name in (_MESSAGES, *sorted(values)):
        found = values.get(name)
        if isinstance(found, list) and found and all(map(langchain_messages.is_message, found)):
            return name
    return _MESSAGES if values.get(_MESSAGES) == [] else None


def shown_changes(state: Thread, messages: Sequence[Any], items: Sequence[bytes], *, follows: bool) -> Iterator[Envelope]:
    """What makes the session's messages these (``items``: as they are stored), of the checkpoint that is newest now. ``follows``: it comes
    after the one that is shown."""
    wanted = [digest_of(item) for item in items]
    place = 0
    left: list[Shown] = []
    for each in state.shown:
        if not each.hidden and place < len(wanted) and each.digest == wanted[place]:
            place += 1
        else:
            left.append(each)
    if not left and place == len(wanted):
        return
    ids = {langchain_messages.id_of(message) for message in messages} if left else set()
    gone: list[Shown] = []
    for each in left:
        if not (follows and each.id is not None and each.id not in ids):
            gone.append(each)
        elif not each.hidden:
            yield draft(MessageAmended(message_id=each.id, exclude_from_context=True), origin={"format": FORMAT, "note": {"hidden": True}})
    if gone:
        yield draft(HistoryRetracted(ranges=[(each.first, each.last) for each in gone], reason="another path"))
    used = {each.id for each in state.shown} - {each.id for each in gone}
    for index in range(place, len(wanted)):
        id = langchain_messages.id_of(messages[index])
        id = id if id is not None and id not in used else f"{wanted[index]}-{index}"
        used.add(id)
        yield from _said(messages[index], id, wanted[index])


def _said(message: Any, id: str, digest: str) -> Iterator[Envelope]:
    first: dict[str, Any] = {"format": FORMAT, "note": {"digest": digest}}
    rest: dict[str, Any] = {"format": FORMAT, "note": {}}
    try:
        events = langchain_messages.events_of(message, id) or [MessageAdded(role="unknown", content=[], message_id=id)]
        made = [draft(event, origin=rest if index else first) for index, event in enumerate(events)]
    except InvalidEvent:  # content of a shape that nobody has seen: the checkpoint has it
        made = [draft(MessageAdded(role="unknown", content=[], message_id=id), origin=first)]
    yield from made


def digest_of(text: bytes) -> str:
    return hashlib.blake2b(text, digest_size=8).hexdigest()


def removal(state: Thread, gone: set[int], values: Values) -> list[Envelope]:
    """What takes these events back, and writes again what stays and stood on them."""
    if not gone:
        return []
    again: list[tuple[int, str, str, Any]] = []
    entries: list[tuple[int, str, str, Any]] = [
        (each.seq, ns, id, each) for ns, saved in state.checkpoints.items() for id, each in saved.items()
    ]
    grouped: dict[int, tuple[str, str, list[Write]]] = {}
    for (ns, id), writes in state.writes.items():
        for write in writes.values():
            grouped.setdefault(write.seq, (ns, id, []))[2].append(write)
    entries += [(seq, ns, id, writes) for seq, (ns, id, writes) in grouped.items()]
    gone = set(gone)
    for entry in sorted(entries, key=lambda entry: entry[0]):
        if entry[0] not in gone and _stands_on(state, values, entry, gone):
            again.append(entry)
            gone.add(entry[0])
    ranges = list(Ranges((seq, seq) for seq in sorted(gone)))
    writer = Writer(state, values, anew=True)
    for _, ns, id, what in again:
        if isinstance(what, Saved):
            held = {c: (v, state.values[ns, c, v]) for c, v in versions_of(values, what).items() if (ns, c, v) in state.values}
            needed = {c: (v, at[1]) for c, (v, at) in held.items() if at[0] in gone or _list_stands_on(at[1], gone)}
            loaded = {c: (v, None if value is None else values.load(value)) for c, (v, value) in needed.items()}
            writer.checkpoint(
                ns, id, what.parent, what.checkpoint, what.metadata, loaded, {c for c, (_, value) in needed.items() if value is not None}
            )
        else:
            first = what[0]
            writer.writes(ns, id, first.task_id, first.task_path, [(each.place, each.channel, values.load(each.value)) for each in what])
    return [draft(HistoryRetracted(ranges=ranges, reason="removed")), *writer.drafts]


def _stands_on(state: Thread, values: Values, entry: tuple[int, str, str, Any], gone: set[int]) -> bool:
    _, ns, _, what = entry
    if isinstance(what, Saved):
        held = [state.values.get((ns, channel, version)) for channel, version in versions_of(values, what).items()]
        return any(each is not None and (each[0] in gone or _list_stands_on(each[1], gone)) for each in held)
    return any(_list_stands_on(each.value, gone) for each in what)


def _list_stands_on(value: Stored | None, gone: set[int]) -> bool:
    return isinstance(value, List) and value.stands_on(gone)


def versions_of(values: Values, saved: Saved) -> dict[str, Version]:
    found: dict[str, Version] = values.load(saved.checkpoint)["channel_versions"]
    return found
