"""Claude Code's content blocks -> the parts of a message. Total: a block of any shape becomes some part."""

from __future__ import annotations

from typing import Any

import msgspec

from eventlog.events import Part

from ..values import mapping_of, text_of


def parts_of(content: Any) -> list[Part]:
    """A message's text or blocks, but for the tool results, which are events of their own. None of anything else."""
    if isinstance(content, str):
        return [Part(type="text", content=content)]
    return [part_of(block) for block in content if not is_tool_result(block)] if isinstance(content, list) else []


def is_tool_result(block: Any) -> bool:
    return isinstance(block, dict) and block.get("type") == "tool_result"


def part_of(block: Any) -> Part:
    if isinstance(block, str):
        return Part(type="text", content=block)
    if not isinstance(block, dict):
        return Part(type="unknown", metadata={"block": block})
    kind = block.get("type")
    if kind == "text" and isinstance(block.get("text"), str):
        return Part(type="text", content=block["text"])
    if kind == "thinking":
        return _reasoning(text_of(block.get("thinking")) or "", "signature", block)
    if kind == "redacted_thinking":
        return _reasoning("", "data", block)
    if kind in ("tool_use", "server_tool_use", "mcp_tool_use"):
        return _tool_call(kind, block)
    if kind in ("image", "document"):
        return _attached(kind, block)
    if isinstance(kind, str) and kind.endswith("_tool_result"):
        return Part(type="tool_call_response", id=text_of(block.get("tool_use_id")), response=block.get("content"))
    return Part(type=kind if isinstance(kind, str) and kind else "unknown", metadata={"block": block})


def output_of(content: Any) -> Any:
    """What a tool returned: text as it is, blocks as parts, anything else unchanged."""
    return [part_of(block) for block in content] if isinstance(content, list) else content


def plain_text(content: Any) -> str:
    """The text of a message's content, blocks joined by line breaks."""
    if isinstance(content, str):
        return content
    blocks = content if isinstance(content, list) else []
    texts = [block if isinstance(block, str) else mapping_of(block).get("text") for block in blocks]
    return "\n".join(text for text in texts if isinstance(text, str))


def _reasoning(content: str, name: str, block: dict[str, Any]) -> Part:
    proof = block.get(name)
    return Part(type="reasoning", content=content, metadata={name: proof} if isinstance(proof, str) and proof else msgspec.UNSET)


def _tool_call(kind: str, block: dict[str, Any]) -> Part:
    return Part(
        type="tool_call",
        id=text_of(block.get("id")),
        name=text_of(block.get("name")) or "unknown",
        arguments=block.get("input"),
        metadata={"run_by": "provider"} if kind == "server_tool_use" else msgspec.UNSET,
    )


def _attached(kind: str, block: dict[str, Any]) -> Part:
    source = mapping_of(block.get("source"))
    mime_type = text_of(source.get("media_type"))
    if source.get("type") == "url" and isinstance(source.get("url"), str):
        return Part(type="uri", uri=source["url"], mime_type=mime_type, modality=kind)
    if source.get("type") == "file" and isinstance(source.get("file_id"), str):
        return Part(type="file", file_id=source["file_id"], mime_type=mime_type, modality=kind)
    if source.get("type") == "base64" and isinstance(source.get("data"), str):
        return Part(type="blob", mime_type=mime_type, modality=kind, content=source["data"])
    if source.get("type") == "text" and isinstance(source.get("data"), str):
        return Part(type="text", content=source["data"])
    return Part(type=kind, metadata={"block": block})
