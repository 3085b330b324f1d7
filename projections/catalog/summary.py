"""What the catalog knows of one session: the state of the fold in `tally`, and the row that it makes."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from eventlog.events import Parent

from ..projection import State
from .pairing import Waiting

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
    previews: list[tuple[str | None, str]] = []
    status: str = "active"
    begun: bool = False
    deleted: bool = False
    pinned: bool = False
    user_id: str | None = None
    tags: list[str] = []
    kind: str | None = None
    model: str | None = None
    models: list[str] = []
    provider: str | None = None
    places: dict[str, Any] = {}
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
    price_versions: list[str | None] = []
    unpriced_tokens: int = 0
    size_bytes: int = 0
    waiting: Waiting = msgspec.field(default_factory=Waiting)
    quarter: int | None = None
    source: str = ""
    run: int = 0  # events of the present source that have no row yet


Cell = tuple[int, str, str]  # quarter of an hour, source, model


def count(state: State[Summary], cell: Cell, amounts: dict[str, int]) -> None:
    kept = state.kept
    for name, amount in amounts.items():
        setattr(kept, name, getattr(kept, name) + amount)
    state.rows.add("activity", cell, amounts)


def cell_of(kept: Summary, model: str | None = None) -> Cell:
    return kept.quarter or 0, kept.source, model or ""


def see_model(kept: Summary, model: str | None) -> None:
    if model is not None and model not in kept.models:
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
        "preview": kept.previews[0][1] if kept.previews else None,
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
        "updated_at": kept.updated_at or 0,
        "events": kept.events,
        **{name: getattr(kept, name) for name in AMOUNTS},
        "price_version": kept.price_versions[0] if len(kept.price_versions) == 1 else None,
        "size_bytes": kept.size_bytes,
    }
