"""A session as a Markdown document: title, what is known of it, messages, tools as blocks that fold.

What people and models wrote stands as they wrote it, since most of it is Markdown. What tools got and gave stands in fences that
nothing inside them can close, titles and fields on one line each.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from typing import Any

from eventlog import Session
from eventlog.backend import OnDamage

from ..pricing import PricedView
from ..replay import replay
from ..view.conversation import content_parts
from ..view.messages import Message
from ..view.session import Compaction, LoggedError, SessionView
from ..view.tool_calls import ToolCall
from . import Write
from .transcript import as_json, entries, header, moment, notes, outcome

SEPARATOR = b"\n---\n\n"
_TICKS = re.compile("`+")
_SPECIAL = re.compile(r"([\\`*_\[\]#|])")


def export_session(session: Session, write: Write, on_damage: OnDamage) -> None:
    view = replay(session.read(on_damage=on_damage), PricedView())
    for block in blocks(view):
        write(f"{block}\n\n".encode())


def blocks(view: SessionView) -> Iterator[str]:
    """The document, block by block."""
    yield f"# {_line(view.title or view.session_id)}"
    yield "\n".join(["| | |", "|---|---|", *(f"| {name} | {_line(value)} |" for name, value in header(view))])
    for seq, entry in entries(view):
        if isinstance(entry, Message):
            yield from _message(entry)
        elif isinstance(entry, ToolCall):
            yield _tool(entry)
        elif isinstance(entry, Compaction):
            tokens = f", {entry.tokens_before:,} tokens before" if entry.tokens_before else ""
            yield _folded(f"Context compacted at event {seq}{tokens}", [entry.summary or ""])
        elif isinstance(entry, LoggedError):
            yield f"> **Error**{f' ({_line(entry.kind)})' if entry.kind else ''}: {_line(entry.message)}"


def _message(message: Message) -> Iterator[str]:
    shown = [text for part in message.parts for text in _part(part)]
    if shown:
        about = "".join(f" · {_line(note)}" for note in [moment(message.time) or "", *notes(message)])
        yield f"## {_line(message.role.capitalize())}{about}"
        yield from shown


def _part(part: dict[str, Any]) -> Iterator[str]:
    kind, content = part["type"], part.get("content")
    if kind == "text":
        if content:
            yield content if isinstance(content, str) else _fenced(as_json(content, pretty=True), "json")
    elif kind == "reasoning":
        if content:
            yield _folded("Thinking", [_fenced(content if isinstance(content, str) else as_json(content))])
    elif kind == "blob":
        yield f"*[{_line(part.get('mime_type') or 'blob')}, {len(content or ''):,} characters of base64]*"
    elif kind not in ("tool_call", "tool_call_response"):
        yield f"*[{_line(kind)}]* `{as_json({name: value for name, value in part.items() if name != 'type'})[:500].replace('`', ' ')}`"


def _tool(call: ToolCall) -> str:
    inside = []
    if call.arguments is not None:
        is_text = isinstance(call.arguments, str)
        inside.append(_fenced(call.arguments if is_text else as_json(call.arguments, pretty=True), "" if is_text else "json"))
    for part in content_parts(call.output if call.display is None else call.display):
        inside += [_fenced(str(part["content"]))] if part["type"] == "text" else list(_part(part))
    inside += [f"- {_line(artifact.title or artifact.path or artifact.uri or '')}" for artifact in call.artifacts]
    return _folded(f"Tool: {call.name or call.call_id or 'unknown'} ({outcome(call)})", inside)


def _folded(summary: str, inside: list[str]) -> str:
    """A block that opens when its summary is clicked. The empty lines make what is inside Markdown again."""
    return "\n\n".join([f"<details>\n<summary>{html.escape(' '.join(summary.split()))}</summary>", *inside, "</details>"])


def _fenced(text: str, language: str = "") -> str:
    fence = "`" * max(3, max((len(run) for run in _TICKS.findall(text)), default=0) + 1)
    return f"{fence}{language}\n{text}\n{fence}"


def _line(text: str) -> str:
    """Text on one line in which nothing means anything to Markdown or HTML."""
    return html.escape(_SPECIAL.sub(r"\\\1", " ".join(text.split())), quote=False)
