"""The export of a chat service: a list of conversations, each an object of its own; or a single one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from .declaration import Conversation, Found
from .records import element_texts


def is_export(value: Any, is_conversation: Callable[[Any], bool]) -> bool:
    """Whether this is one conversation, or a list with some in it."""
    return any(map(is_conversation, value)) if isinstance(value, list) else is_conversation(value)


def split_export(
    data: bytes,
    value: Any,
    is_conversation: Callable[[Any], bool],
    conversation: Callable[[bytes, dict[str, Any]], Conversation],
    lacks: str,
) -> Iterator[Conversation]:
    """Every conversation of it. ``lacks``: what an element that is none does not have."""
    if isinstance(value, dict):
        yield conversation(data, value)
        return
    for text, each in zip(element_texts(data), value, strict=True):
        if is_conversation(each):
            yield conversation(text, each)
        else:
            yield Conversation(None, [Found(text, problem=f"no conversation: it has no {lacks}")])
