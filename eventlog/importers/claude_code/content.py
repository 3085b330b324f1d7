"""Claude Code's content blocks -> the parts of a message, by `shapes.anthropic`; and the text in them."""

from __future__ import annotations

from typing import Any

from eventlog.events import Part
from eventlog.shapes import anthropic

from ..values import mapping_of


def parts_of(content: Any) -> list[Part]:
    """A message's text or blocks, but for the tool results, which are events of their own. None of anything else."""
    if isinstance(content, str):
        return [Part(type="text", content=content)]
    return [anthropic.part(block) for block in content if not is_tool_result(block)] if isinstance(content, list) else []


def is_tool_result(block: Any) -> bool:
    return isinstance(block, dict) and block.get("type") == "tool_result"


def plain_text(content: Any) -> str:
    """The text of a message's content, blocks joined by line breaks."""
    return "\n".join(texts_of(content))


def texts_of(content: Any) -> list[str]:
    """The texts of a message's content, block by block."""
    if isinstance(content, str):
        return [content]
    blocks = content if isinstance(content, list) else []
    texts = [block if isinstance(block, str) else mapping_of(block).get("text") for block in blocks]
    return [text for text in texts if isinstance(text, str)]
