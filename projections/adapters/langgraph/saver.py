"""The port of LangGraph's checkpointers (`BaseCheckpointSaver`), its extended capabilities too, sync and async."""

from __future__ import annotations

import os
import random
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Self

from langgraph.checkpoint.base import WRITES_IDX_MAP, BaseCheckpointSaver, CheckpointTuple, get_checkpoint_id, get_checkpoint_metadata

from eventlog import EventLog
from eventlog.backend import Sync
from eventlog.errors import SessionExists
from eventlog.events import SessionUpdated
from eventlog.keyed import generation_id, keyed_id, last_generation
from eventlog.line import Envelope

from ...catalog.facade import Catalog
from ..keys import Keys, keys_of
from ..sessions import Key, Sessions, in_thread, to_its_end
from .thread import FORMAT, Saved, Thread, ThreadFold, Writer, conversation_in, removal, shown_changes
from .values import Values

_FOLD = ThreadFold()
Found = list[CheckpointTuple]
Drafts = list[Envelope]


class EventLogSaver(BaseCheckpointSaver[str]):
    """A checkpointer. Safe to use from several tasks, threads, event loops and processes.

    ``path_or_log``: a store's folder (made if it is not there), an open `EventLog`, or None for the configured store. ``serde``: the
    serializer of values; with another one than LangGraph's usual (one that encrypts, say) no content stands in the log in the clear, and
    no message is shown. ``sync``: how safe an append is when it returns, default the store's."""

    def __init__(
        self, path_or_log: str | os.PathLike[str] | EventLog | None = None, *, serde: Any = None, sync: Sync | None = None
    ) -> None:
        super().__init__(serde=serde)
        self._sessions = Sessions.of(path_or_log)
        self._sync = sync
        self._catalog = Catalog.open(self._sessions.log, projections=[Keys()])
        self._closed = False

    @classmethod
    @contextmanager
    def from_path(cls, path: str | os.PathLike[str], *, serde: Any = None, sync: Sync | None = None) -> Iterator[Self]:
        """A saver on the store at ``path`` that is closed at the end of the block."""
        with cls(path, serde=serde, sync=sync) as saver:
            yield saver

    # --- the interface, in its order ----------------------------------------------------------------------------------------------

    def get_tuple(self, config: Any) -> CheckpointTuple | None:
        thread_id, ns, id = _place(config)
        values = self._values

        def question(state: Thread) -> CheckpointTuple | None:
            found = state.newest(ns) if id is None else id
            saved = state.checkpoints.get(ns, {}).get(found or "")
            if found is None or saved is None:
                return None
            return _tuple(state, values, thread_id, ns, found, saved, config if id is not None else None)

        return self._sessions.ask(_FOLD, (FORMAT, thread_id), question, None)

    def list(
        self, config: Any, *, filter: dict[str, Any] | None = None, before: Any = None, limit: int | None = None
    ) -> Iterator[CheckpointTuple]:
        """The checkpoints, the newest of each namespace first; without a config those of every thread."""
        stated = (config or {}).get("configurable", {})
        wanted = _Wanted(stated.get("checkpoint_ns"), get_checkpoint_id(config) if config else None, filter, _before(before))
        threads = [key[0] for key in keys_of(self._catalog, FORMAT)] if config is None else [stated["thread_id"]]
        left = limit
        for thread_id in threads:
            if left is not None and left <= 0:
                return
            found: Found = self._sessions.ask(_FOLD, (FORMAT, thread_id), wanted.question(self._values, thread_id, left), [])
            left = None if left is None else left - len(found)
            yield from found

    def put(self, config: Any, checkpoint: Any, metadata: Any, new_versions: Any) -> Any:
        thread_id, ns, parent = _place(config)
        values, id = self._values, checkpoint["id"]
        held: dict[str, Any] = checkpoint["channel_values"]
        rest = values.dump({name: value for name, value in checkpoint.items() if name != "channel_values"})
        about = values.dump(get_checkpoint_metadata(config, metadata))
        talk = conversation_in(held) if ns == "" and values.is_readable else None

        def decide(state: Thread) -> list[Envelope]:
            writer = Writer(state, values)
            new = {channel: (version, held.get(channel)) for channel, version in new_versions.items()}
            writer.checkpoint(ns, id, parent, rest, about, new, held)
            if talk is not None and id >= (state.newest("") or ""):
                messages: list[Any] = held[talk]
                is_new = talk in new and bool(messages) and ("", talk) in writer.latest
                items = writer.latest["", talk].whole() if is_new else [values.dump(message) for message in messages]
                writer.drafts += shown_changes(state, messages, items, follows=state.head is None or parent == state.head)
            return writer.drafts

        self._append(thread_id, decide, exact=True)
        return _config(thread_id, ns, id)

    def put_writes(self, config: Any, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str = "") -> None:
        thread_id, ns, id = _place(config)
        values = self._values
        placed = [(WRITES_IDX_MAP.get(channel, place), channel, value) for place, (channel, value) in enumerate(writes)]

        def decide(state: Thread) -> list[Envelope]:
            known = state.writes.get((ns, id or ""), {})
            fresh = [each for each in placed if each[0] < 0 or (task_id, each[0]) not in known]
            if not fresh:
                return []
            writer = Writer(state, values)
            writer.writes(ns, id or "", task_id, task_path, fresh)
            return writer.drafts

        self._append(thread_id, decide, exact=True)

    def delete_thread(self, thread_id: str) -> None:
        """Delete the thread's session. `EventLog.restore` brings it back, `purge` erases it."""
        self._sessions.delete((FORMAT, thread_id), "delete_thread")

    def delete_for_runs(self, run_ids: Sequence[str]) -> None:
        """Take back the checkpoints of these runs, and what was written on top of them. Costs a look at every thread."""
        runs, values = set(run_ids), self._values

        def of_runs(state: Thread, _: str, __: str, saved: Saved) -> bool:
            return values.load(saved.metadata).get("run_id") in runs

        for (thread_id,) in keys_of(self._catalog, FORMAT):
            self._remove(thread_id, of_runs)

    def copy_thread(self, source_thread_id: str, target_thread_id: str) -> None:
        """Make a fork of the source the target. Without a source nothing happens; raises `SessionExists` where the target is there."""
        source, key = self._sessions.id_of((FORMAT, source_thread_id)), (FORMAT, target_thread_id)
        if source is None:
            return
        if self._sessions.id_of(key) is not None:
            raise SessionExists(keyed_id(*key))
        first = keyed_id(*key)
        generation = last_generation(self._sessions.log, first) + 1
        with self._sessions.log.fork(source, id=generation_id(first, generation)) as forked:
            about = {"namespace": FORMAT, "key": [target_thread_id], "generation": generation}
            forked.append(SessionUpdated(metadata={"key": about}), sync=self._sync)

    def prune(self, thread_ids: Sequence[str], *, strategy: str = "keep_latest") -> None:
        """ "keep_latest" takes back all but the newest checkpoint of each namespace, and but what a delta channel needs to be put together;
        "delete" everything."""
        if strategy not in ("keep_latest", "delete"):
            raise ValueError(f'strategy is "keep_latest" or "delete", not {strategy!r}')
        for thread_id in thread_ids:
            if strategy == "delete":
                self.delete_thread(thread_id)
            else:
                self._remove(thread_id, lambda state, ns, name, _: name not in _needed(state, self._values, ns))

    def get_next_version(self, current: str | int | None, channel: None) -> str:
        number = 0 if current is None else current if isinstance(current, int) else int(current.split(".")[0])
        return f"{number + 1:032}.{random.random():016}"

    # --- the same for asyncio -----------------------------------------------------------------------------------------------------

    async def aget_tuple(self, config: Any) -> CheckpointTuple | None:
        return await in_thread(lambda: self.get_tuple(config))

    async def alist(
        self, config: Any, *, filter: dict[str, Any] | None = None, before: Any = None, limit: int | None = None
    ) -> AsyncIterator[CheckpointTuple]:
        for each in await in_thread(lambda: [*self.list(config, filter=filter, before=before, limit=limit)]):
            yield each

    async def aput(self, config: Any, checkpoint: Any, metadata: Any, new_versions: Any) -> Any:
        return await to_its_end(lambda: self.put(config, checkpoint, metadata, new_versions))

    async def aput_writes(self, config: Any, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str = "") -> None:
        await to_its_end(lambda: self.put_writes(config, writes, task_id, task_path))

    async def adelete_thread(self, thread_id: str) -> None:
        await to_its_end(lambda: self.delete_thread(thread_id))

    async def adelete_for_runs(self, run_ids: Sequence[str]) -> None:
        await to_its_end(lambda: self.delete_for_runs(run_ids))

    async def acopy_thread(self, source_thread_id: str, target_thread_id: str) -> None:
        await to_its_end(lambda: self.copy_thread(source_thread_id, target_thread_id))

    async def aprune(self, thread_ids: Sequence[str], *, strategy: str = "keep_latest") -> None:
        await to_its_end(lambda: self.prune(thread_ids, strategy=strategy))

    # --- what is behind it --------------------------------------------------------------------------------------------------------

    @property
    def _values(self) -> Values:
        return Values(self.serde)  # which `with_allowlist` replaces in a copy

    def _append(self, thread_id: str, decide: Callable[[Thread], Drafts], *, exact: bool) -> None:
        self._sessions.append(_FOLD, (FORMAT, thread_id), decide, exact=exact, sync=self._sync, details=lambda: {"kind": "agent"})

    def _remove(self, thread_id: str, goes: Callable[[Thread, str, str, Saved], bool]) -> None:
        values = self._values

        def decide(state: Thread) -> list[Envelope]:
            gone = [(ns, id) for ns, saved in state.checkpoints.items() for id, each in saved.items() if goes(state, ns, id, each)]
            seqs = {state.checkpoints[ns][id].seq for ns, id in gone}
            seqs |= {each.seq for place in gone for each in state.writes.get(place, {}).values()}
            return removal(state, seqs, values)

        key: Key = (FORMAT, thread_id)
        if self._sessions.ask(_FOLD, key, lambda state: bool(state.checkpoints), False):
            self._sessions.append(_FOLD, key, decide, exact=True, sync=self._sync)

    def close(self) -> None:
        """Let go of the store. Closing twice is fine."""
        if not self._closed:
            self._closed = True
            self._catalog.close()
            self._sessions.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        await in_thread(self.close)


class _Wanted:
    """What `list` filters by."""

    def __init__(self, ns: str | None, id: str | None, metadata: dict[str, Any] | None, before: str | None) -> None:
        self.ns, self.id, self.metadata, self.before = ns, id, metadata, before

    def question(self, values: Values, thread_id: str, limit: int | None) -> Callable[[Thread], Found]:
        def ask(state: Thread) -> Found:
            found: Found = []
            for ns, saved in state.checkpoints.items():
                if self.ns is not None and ns != self.ns:
                    continue
                for id in sorted(saved, reverse=True):
                    if limit is not None and len(found) >= limit:
                        return found
                    if self._lets_through(values, id, saved[id]):
                        found.append(_tuple(state, values, thread_id, ns, id, saved[id], None))
            return found

        return ask

    def _lets_through(self, values: Values, id: str, saved: Saved) -> bool:
        if (self.id is not None and id != self.id) or (self.before is not None and id >= self.before):
            return False
        if not self.metadata:
            return True
        metadata = values.load(saved.metadata)
        return all(metadata.get(name) == value for name, value in self.metadata.items())


def _place(config: Any) -> tuple[str, str, str | None]:
    stated = config["configurable"]
    return str(stated["thread_id"]), stated.get("checkpoint_ns", ""), get_checkpoint_id(config)


def _before(config: Any) -> str | None:
    return get_checkpoint_id(config) if config else None


def _config(thread_id: str, ns: str, id: str) -> Any:
    return {"configurable": {"thread_id": thread_id, "checkpoint_ns": ns, "checkpoint_id": id}}


def _tuple(state: Thread, values: Values, thread_id: str, ns: str, id: str, saved: Saved, config: Any) -> CheckpointTuple:
    checkpoint = values.load(saved.checkpoint)
    held = {channel: state.values.get((ns, channel, version)) for channel, version in checkpoint["channel_versions"].items()}
    loaded = {channel: values.load(each[1]) for channel, each in held.items() if each is not None and each[1] is not None}
    return CheckpointTuple(
        config=_config(thread_id, ns, id) if config is None else config,
        checkpoint={**checkpoint, "channel_values": loaded},
        metadata=values.load(saved.metadata),
        parent_config=None if saved.parent is None else _config(thread_id, ns, saved.parent),
        pending_writes=[(each.task_id, each.channel, values.load(each.value)) for each in state.ordered_writes(ns, id)],
    )


def _needed(state: Thread, values: Values, ns: str) -> set[str]:
    """The newest checkpoint, and those before it that its delta channels (its metadata names them) are put together of."""
    saved = state.checkpoints[ns]
    id = state.newest(ns)
    missing: set[str] | None = None
    found: set[str] = set()
    while id is not None and id in saved:
        found.add(id)
        if missing is None:
            missing = set(values.load(saved[id].metadata).get("counters_since_delta_snapshot") or ())
        versions = values.load(saved[id].checkpoint)["channel_versions"]
        missing -= {channel for channel, version in versions.items() if state.values.get((ns, channel, version), (0, None))[1] is not None}
        if not missing:
            break
        id = saved[id].parent
    return found
