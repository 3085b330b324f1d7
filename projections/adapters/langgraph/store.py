"""The port of LangGraph's stores of memories (`BaseStore`), sync and async.

All of a store is one session of the log. An item is a `ContextUpdated` with the item whole in its origin, vectors too, so that nothing is
embedded twice; an update takes the former one back, and so does a deletion. Searching, filtering and listing is done by the
SDK's own `InMemoryStore`, which the fold keeps filled.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Self

from langchain_core.embeddings import Embeddings
from langgraph.store.base import (
    BaseStore,
    GetOp,
    Item,
    ListNamespacesOp,
    PutOp,
    SearchItem,
    SearchOp,
    ensure_embeddings,
    get_text_at_path,
    tokenize_path,
)
from langgraph.store.memory import InMemoryStore

from eventlog import EventLog, StoredEvent, draft
from eventlog.backend import Sync
from eventlog.events import ContextUpdated, HistoryCleared, HistoryRetracted
from eventlog.line import Envelope
from eventlog.meaning import history
from eventlog.meaning.ranges import Ranges
from eventlog.verbatim import keep

from ..records import drafts, has_record, item_of, whence
from ..sessions import Fold, Key, Sessions, State, in_thread, to_its_end

FORMAT = "langgraph-store"
Vectors = dict[str, list[float]]


class EventLogStore(BaseStore):
    """Memories, for ``builder.compile(store=...)``. Safe to use from several tasks, threads, event loops and processes.

    ``path_or_log``: a store's folder (made if it is not there), an open `EventLog`, or None for the configured store. ``name``: which of
    several in one log. ``index``: the SDK's `IndexConfig`, for searching by meaning. ``sync``: how safe an append is when it returns,
    default the store's. Values are JSON; a ``ttl`` is not supported (``supports_ttl``)."""

    def __init__(
        self,
        path_or_log: str | os.PathLike[str] | EventLog | None = None,
        *,
        name: str = "default",
        index: Any = None,
        sync: Sync | None = None,
    ) -> None:
        self._sessions = Sessions.of(path_or_log)
        self._key: Key = (FORMAT, name)
        self._sync = sync
        self.index_config = index
        self._embeddings = None if index is None else ensure_embeddings(index["embed"])
        self._fields = [] if index is None else list(index.get("fields") or ["$"])
        self._fold = MemoriesFold(index)
        self._closed = False

    # --- the interface, in its order ----------------------------------------------------------------------------------------------

    def batch(self, ops: Iterable[Any]) -> list[Any]:
        """Answer and do all of it: what is asked is of before what is put, and all that is put is stored, or nothing."""
        ops = list(ops)
        texts, queries = self._to_embed(ops)
        vectors: Vectors = {}
        if self._embeddings is not None:
            if texts:
                vectors.update(zip(texts, self._embeddings.embed_documents(texts), strict=True))
            vectors.update((query, self._embeddings.embed_query(query)) for query in queries)
        return self._batch(ops, vectors)

    async def abatch(self, ops: Iterable[Any]) -> list[Any]:
        ops = list(ops)
        texts, queries = self._to_embed(ops)
        vectors: Vectors = {}
        if self._embeddings is not None:
            if texts:
                vectors.update(zip(texts, await self._embeddings.aembed_documents(texts), strict=True))
            for query in queries:
                vectors[query] = await self._embeddings.aembed_query(query)
        return await to_its_end(lambda: self._batch(ops, vectors))

    # --- what is behind it --------------------------------------------------------------------------------------------------------

    def _batch(self, ops: Sequence[Any], vectors: Vectors) -> list[Any]:
        for op in ops:
            if not isinstance(op, GetOp | SearchOp | ListNamespacesOp | PutOp):
                raise ValueError(f"Unknown operation type: {type(op)}")
        asked = [op for op in ops if not isinstance(op, PutOp)]
        answers = iter(
            self._sessions.ask(self._fold, self._key, lambda state: state.answer(asked, vectors), _nothing(asked)) if asked else []
        )
        put = {(op.namespace, op.key): op for op in ops if isinstance(op, PutOp)}
        if put:
            self._sessions.append(
                self._fold,
                self._key,
                lambda state: self._changes(state, put.values(), vectors),
                exact=True,
                sync=self._sync,
                details=lambda: {"kind": "memory", "title": f"Memories ({self._key[1]})"},
            )
        return [None if isinstance(op, PutOp) else next(answers) for op in ops]

    def _changes(self, state: Memories, ops: Iterable[PutOp], vectors: Vectors) -> list[Envelope]:
        former = [state.held[op.namespace, op.key] for op in ops if (op.namespace, op.key) in state.held]
        ranges = list(Ranges((each.seq, each.seq) for each in former))
        made = [draft(HistoryRetracted(ranges=ranges, reason="replaced"))] if ranges else []
        for op in ops:
            if op.value is None:
                continue
            known = state.held.get((op.namespace, op.key))
            record = {"namespace": list(op.namespace), "key": op.key, "value": dict(op.value), "index": op.index}
            record["created_at"] = None if known is None else known.created_at.isoformat()
            record["vectors"] = {text: vectors[text] for text in self._texts_of(op) if text in vectors}
            kept = keep(record)
            made += drafts(FORMAT, kept, [ContextUpdated(metadata={"/".join([*op.namespace, op.key]): kept.value["value"]})])
        return made

    def _to_embed(self, ops: Sequence[Any]) -> tuple[list[str], list[str]]:
        if self._embeddings is None:
            return [], []
        texts = [text for op in ops if isinstance(op, PutOp) for text in self._texts_of(op)]
        return list(dict.fromkeys(texts)), list(dict.fromkeys(op.query for op in ops if isinstance(op, SearchOp) and op.query))

    def _texts_of(self, op: PutOp) -> list[str]:
        if op.value is None or op.index is False:
            return []
        paths = self._fields if op.index is None else op.index
        return [text for path in paths for text in get_text_at_path(op.value, path if path == "$" else tokenize_path(path))]

    def close(self) -> None:
        """Let go of the store. Closing twice is fine."""
        if not self._closed:
            self._closed = True
            self._sessions.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        await in_thread(self.close)


def _nothing(asked: Sequence[Any]) -> list[Any]:
    return [None if isinstance(op, GetOp) else [] for op in asked]


# --- the fold ------------------------------------------------------------------------------------------------------------------------


class _Recalled(Embeddings):
    """The vectors that the log, or whoever asks, has."""

    def __init__(self) -> None:
        self.known: Mapping[str, list[float]] = {}

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return [self.known[text] for text in texts]

    def embed_query(self, text: str) -> list[float]:
        return self.known[text]


class Held:
    def __init__(self, seq: int, created_at: datetime, updated_at: datetime) -> None:
        self.seq = seq
        self.created_at = created_at
        self.updated_at = updated_at


class Memories(State):
    def __init__(self, index: Any) -> None:
        super().__init__()
        self.recalled = _Recalled()
        self.index = None if index is None else {**index, "embed": self.recalled}
        self.items = InMemoryStore(index=self.index)
        self.held: dict[tuple[tuple[str, ...], str], Held] = {}

    def answer(self, asked: Sequence[Any], vectors: Vectors) -> list[Any]:
        self.recalled.known = vectors
        there = {namespace for namespace, _ in self.held}  # theirs also knows namespaces that are empty now
        found = self.items.batch([_everywhere(op) if isinstance(op, ListNamespacesOp) else op for op in asked])
        return [
            _page(op, [each for each in answer if each in there]) if isinstance(op, ListNamespacesOp) else self._dated(answer)
            for op, answer in zip(asked, found, strict=True)
        ]

    def _dated(self, answer: Any) -> Any:
        if isinstance(answer, list):
            return [self._dated(each) for each in answer]
        if not isinstance(answer, Item):
            return answer
        held = self.held[answer.namespace, answer.key]
        about: dict[str, Any] = {"namespace": answer.namespace, "key": answer.key, "value": _copy(answer.value)}
        about |= {"created_at": held.created_at, "updated_at": held.updated_at}
        return SearchItem(**about, score=answer.score) if isinstance(answer, SearchItem) else Item(**about)

    def put(self, stored: StoredEvent, record: Any) -> None:
        namespace, key = tuple(record["namespace"]), record["key"]
        created = stored.time if record["created_at"] is None else datetime.fromisoformat(record["created_at"])
        self.recalled.known = record["vectors"]
        index = record["index"] if record["vectors"] else False
        self.items.batch([PutOp(namespace, key, record["value"], index=index)])
        self.held[namespace, key] = Held(stored.seq, created, stored.time)

    def forget(self, gone: Ranges) -> None:
        for (namespace, key), held in list(self.held.items()):
            if held.seq in gone:
                self.items.batch([PutOp(namespace, key, None)])
                del self.held[namespace, key]


def _everywhere(op: ListNamespacesOp) -> ListNamespacesOp:
    return op._replace(max_depth=None, limit=sys.maxsize, offset=0)


def _page(op: ListNamespacesOp, found: list[tuple[str, ...]]) -> list[tuple[str, ...]]:
    shortened = sorted({namespace[: op.max_depth] for namespace in found})
    return shortened[op.offset : op.offset + op.limit]


def _copy(value: Any) -> Any:
    """JSON, the caller's own to change."""
    if isinstance(value, dict):
        return {name: _copy(item) for name, item in value.items()}
    return [_copy(item) for item in value] if isinstance(value, list) else value


class MemoriesFold(Fold[Memories]):
    def __init__(self, index: Any) -> None:
        self._index = index
        # a state has the vectors of one configuration
        self.name = "adapter_langgraph_store" if index is None else f"adapter_langgraph_store_{id(index)}"  # type: ignore[misc]

    def initial(self) -> Memories:
        return Memories(self._index)

    def take(self, state: Memories, stored: StoredEvent) -> None:
        if isinstance(stored.event, HistoryRetracted | HistoryCleared):
            state.forget(history.named(stored))
        elif isinstance(stored.event, ContextUpdated):
            said = whence(stored, FORMAT)
            if said is not None and has_record(said):
                state.put(stored, item_of(said.record))
