"""What the catalog knows of one session: the state of the fold in `tally`, and the row that it makes."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from eventlog.events import Parent

from ..projection import State
from .call_records import Waiting
from .journal import Cell
from .turns import Latest

PLACES: Final = ("project", "cwd")

TOKENS: Final = ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens", "reasoning_tokens")
AMOUNTS: Final = (
    "messages",
    "user_messages",
    "assistant_messages",
    "tool_calls",
    "errors",
    *TOKENS,
    "costs",
    "cost_nano",
    "unpriced_tokens",
)
ORDERS: Final[dict[str, str]] = {  # of the list, each with an index of its own
    "updated": "updated_at",
    "started": "started_at",
    "messages": "messages",
    "tokens": "(input_tokens + output_tokens + cache_read_tokens + cache_write_tokens)",
    "cost": "cost_nano",
    "size": "size_bytes",
}


class Summary(msgspec.Struct, omit_defaults=True, kw_only=True):
    """What one session is, as far as its events go. Times are microseconds since 1970."""

    session_id: str = ""
    title: str | None = None
    description: str | None = None
    purpose: str | None = None
    preview: tuple[int, str] | None = None  # the first text of a user, and where it stands
    long_texts: int = 0  # how many are kept that may become it
    ended: tuple[int, str] | None = None  # where it last ended, and how
    is_woken: bool = False  # by something since that nothing takes back
    waking: int = 0  # events since that can be taken back
    begun: bool = False
    deleted: bool = False
    pinned: bool = False
    user_id: str | None = None
    tags: list[str] = []
    kind: str | None = None
    model: str | None = None
    models: list[str] = []
    seen: dict[str, int] = {}  # by model: the seq of its first sight, and the first of those that nothing takes back
    seen_for_good: dict[str, int] = {}
    provider: str | None = None
    places: dict[str, Any] = {}
    project_seq: int = 0  # of the context.updated that named the project last
    cleared_until: int = 0  # up to here everything is gone that can be
    metadata_names: list[str] = []
    key: tuple[str, str, int] | None = None  # namespace, key, generation
    parent: Parent | None = None
    started_at: int | None = None
    updated_at: int | None = None
    events: int = 0
    messages: int = 0
    user_messages: int = 0
    assistant_messages: int = 0
    tool_calls: int = 0
    errors: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    reasoning_tokens: int = 0
    costs: int = 0  # how many usages have one
    cost_nano: int = 0
    price_versions: list[tuple[str | None, int]] = []  # with how many costs there are of each
    unpriced_tokens: int = 0
    size_bytes: int = 0
    waiting: Waiting = msgspec.field(default_factory=Waiting)
    turns: Latest = msgspec.field(default_factory=Latest)
    quarter: int | None = None
    source: str = ""
    run: int = 0  # events of the present source that have no row yet

    @property
    def status(self) -> str:
        return "active" if self.ended is None or self.is_woken or self.waking else self.ended[1]


def count(state: State[Summary], cell: Cell, amounts: dict[str, int]) -> None:
    kept = state.kept
    for name, amount in amounts.items():
        setattr(kept, name, getattr(kept, name) + amount)
    state.rows.add("activity", cell, amounts)


def cell_of(kept: Summary, model: str | None = None) -> Cell:
    return kept.quarter or 0, kept.source, model or ""


def saw_model(kept: Summary, model: str | None, seq: int, *, for_good: bool = False) -> None:
    """An event names the model; ``for_good``: one that is never taken back."""
    if model is None:
        return
    if for_good:
        kept.seen_for_good.setdefault(model, seq)
    if model not in kept.seen:
        kept.seen[model] = seq
        kept.models.append(model)


def project_of(kept: Summary) -> str | None:
    """The project's folder: what the context says, else the metadata, else the working directory, which every tool records."""
    for name in ("context", *PLACES):
        place = kept.places.get(name)
        if isinstance(place, dict):
            place = next((place[inner] for inner in ("path", "directory", "root", "name") if isinstance(place.get(inner), str)), None)
        if isinstance(place, str):
            return place
    return None


def row_of(kept: Summary) -> dict[str, Any]:
    text = msgspec.json.encode
    return {
        "session_id": kept.session_id,
        "title": kept.title,
        "title_folded": (kept.title or "").casefold(),
        "preview": None if kept.preview is None else kept.preview[1],
        "status": "deleted" if kept.deleted else kept.status,
        "deleted": int(kept.deleted),
        "pinned": int(kept.pinned),
        "user_id": kept.user_id,
        "tags": text(kept.tags).decode(),
        "kind": kept.kind,
        "model": kept.model,
        "models": text(kept.models).decode(),
        "provider": kept.provider,
        "project": project_of(kept),
        "namespace": None if kept.key is None else kept.key[0],
        "foreign_key": None if kept.key is None else kept.key[1],
        "generation": None if kept.key is None else kept.key[2],
        "parent": None if kept.parent is None else text(kept.parent).decode(),
        "started_at": kept.started_at or 0,
        "updated_at": (kept.started_at if kept.updated_at is None else kept.updated_at) or 0,
        "events": kept.events,
        **{name: getattr(kept, name) for name in AMOUNTS},
        "price_version": kept.price_versions[0][0] if len(kept.price_versions) == 1 else None,
        "size_bytes": kept.size_bytes,
    }
