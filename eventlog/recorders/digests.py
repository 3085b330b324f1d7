"""What a message says, as 16 bytes: equal for the same message whichever SDK, shape or copy of it came by, computed from the log alone.

Left out is what changes without the message changing: reasoning, ids, cache marks, names of fields that say nothing, white space around
texts. A tool's arguments and results count as values, not as JSON texts; media by their bytes.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import blake2b
from typing import Any

import msgspec

from ..events import MessageAdded, Part
from ..shapes.exchange import Said
from ..shapes.fields import value_of

_encode = msgspec.json.Encoder(order="sorted").encode


def digest(said: Said) -> bytes:
    return of_parts(said.role, said.parts)


def of_event(event: MessageAdded) -> bytes:
    """Of a message as it stands in the log."""
    content = event.content
    return of_parts(event.role, [Part(type="text", content=content)] if isinstance(content, str) else content)


def of_parts(role: str, parts: Iterable[Part]) -> bytes:
    try:
        text = _encode([role, _said(parts)])
    except (TypeError, ValueError, RecursionError):
        text = repr((role, list(parts))).encode("utf-8", "replace")
    return blake2b(text, digest_size=16).digest()


def of_value(value: Any) -> str:
    """The digest of anything that JSON holds, as hex."""
    return blake2b(_encode(value), digest_size=12).hexdigest()


def chain(digests: Iterable[bytes]) -> list[bytes]:
    """For each beginning of a conversation one digest of all that it holds."""
    found: list[bytes] = []
    running = blake2b(digest_size=16)
    for each in digests:
        running.update(each)
        found.append(running.copy().digest())
    return found


def text_of(parts: Iterable[Part]) -> str:
    """The texts that the parts say, without reasoning."""
    return "".join(part.content for part in parts if part.type == "text" and isinstance(part.content, str)).strip()


def _said(parts: Iterable[Part]) -> list[Any]:
    found: list[Any] = []
    texts: list[str] = []

    def text_ends() -> None:
        whole = "".join(texts).strip()
        texts.clear()
        if whole:
            found.append(whole)

    for part in parts:
        if part.type == "reasoning":
            continue
        if part.type == "text" and isinstance(part.content, str):
            texts.append(part.content)
            continue
        text_ends()
        found.append(_part(part))
    text_ends()
    return found


def _part(part: Part) -> Any:
    if part.type == "tool_call":
        return ["call", part.name, value_of(part.arguments) if part.arguments not in (msgspec.UNSET, None, "") else {}]
    if part.type == "tool_call_response":
        return ["result", _result(part.response)]
    if part.type == "blob" and isinstance(part.content, str):
        return ["blob", blake2b(part.content.encode("utf-8", "replace"), digest_size=16).hexdigest()]
    if part.type == "uri":
        return ["uri", part.uri]
    if part.type == "file" and part.file_id is not msgspec.UNSET:
        return ["file", part.file_id]
    block = part.metadata.get("block") if isinstance(part.metadata, dict) else None
    kept = (
        {name: value for name, value in block.items() if name not in ("id", "status", "cache_control")}
        if isinstance(block, dict)
        else block
    )
    return [part.type, kept]


def _result(response: Any) -> Any:
    if isinstance(response, (list, tuple)):
        parts = [part if isinstance(part, Part) else _as_part(part) for part in response]
        known = [part for part in parts if part is not None]
        if len(known) == len(parts):
            said = _said(known)
            return value_of(said[0]) if len(said) == 1 else said
    if response in (msgspec.UNSET, None):
        return ""
    return value_of(response.strip()) if isinstance(response, str) else response


def _as_part(item: Any) -> Part | None:
    """A part of a result as the log gives it back: a mapping."""
    try:
        return msgspec.convert(item, type=Part) if isinstance(item, dict) else None
    except msgspec.ValidationError:
        return None
