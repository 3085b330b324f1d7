"""A session as one page: nothing is loaded, nothing runs, and what is in the session cannot become anything but text.

There is no script, and the page's own policy forbids any, as well as every request; its one style sheet is named by its hash. All
content is escaped; images stand in the page if they are of a kind that holds no code. Pages of long sessions stay usable,
because the browser lays out what is in sight (``content-visibility``) and tools are folded.
"""

from __future__ import annotations

import base64
import hashlib
import html
import re
from collections.abc import Iterator
from typing import Any, Final

from eventlog import Session
from eventlog.backend import OnDamage

from ..conversation import content_parts
from ..messages import Message
from ..replay import replay
from ..session_view import Compaction, LoggedError, SessionView
from ..tool_calls import ToolCall
from . import Write
from .transcript import as_json, entries, header, moment, notes, outcome

_STYLE: Final = """
:root{color-scheme:light dark;--line:#8884;--soft:#8881;--dim:#777;--bad:#c33}
body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:0 auto;padding:1rem}
h1{font-size:1.5rem;overflow-wrap:anywhere}
dl{display:grid;grid-template-columns:max-content 1fr;gap:.2rem 1rem;margin:0 0 1rem}
dt{color:var(--dim)}dd{margin:0;overflow-wrap:anywhere}
section{content-visibility:auto;contain-intrinsic-size:auto 8rem;border-top:1px solid var(--line);padding:.6rem 0}
section:target{background:var(--soft)}
section>header{color:var(--dim);font-size:.85rem}
section>header b{font-size:1rem;margin-right:.5rem}
.user{background:var(--soft);padding:.6rem;border-radius:.4rem}
pre{white-space:pre-wrap;overflow-wrap:anywhere;margin:.4rem 0;font:.85rem/1.45 ui-monospace,monospace}
pre.text{font:inherit}
pre.reasoning{color:var(--dim);font:italic .9rem/1.45 inherit}
details>pre{border-left:3px solid var(--line);padding-left:.6rem;max-height:40rem;overflow:auto}
summary{cursor:pointer;overflow-wrap:anywhere}
.bad{color:var(--bad)}
img{max-width:100%;height:auto}
nav ol{padding-left:1.5rem}nav a{color:inherit;overflow-wrap:anywhere}
"""
_POLICY: Final = (
    f"default-src 'none'; style-src 'sha256-{base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()}'; img-src data:;"
    " base-uri 'none'; form-action 'none'"
)
_IMAGES: Final = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})
_BASE64: Final = re.compile(r"[A-Za-z0-9+/\s]*={0,2}\s*")
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufffe\uffff]")
_OUTLINE_SIZE: Final = 90
_OUTLINE_FROM: Final = 3


def export_session(session: Session, write: Write, on_damage: OnDamage) -> None:
    view = replay(session.read(on_damage=on_damage), SessionView)
    for piece in page(view):
        write(piece.encode())


def page(view: SessionView) -> Iterator[str]:
    """The page, piece by piece."""
    title = _text(view.title or view.session_id)
    yield (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="viewport" content="width=device-width,initial-scale=1">\n<meta name="referrer" content="no-referrer">\n'
        f"<title>{title}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n<h1>{title}</h1>\n<dl>\n"
    )
    yield from (f"<dt>{_text(name)}</dt><dd>{_text(value)}</dd>\n" for name, value in header(view))
    yield "</dl>\n"
    yield from _outline(view)
    yield "<main>\n"
    for seq, entry in entries(view):
        if isinstance(entry, Message):
            yield from _message(entry)
        elif isinstance(entry, ToolCall):
            yield _section(f"t{seq}", "tool", _tool(entry))
        elif isinstance(entry, Compaction):
            tokens = f", {entry.tokens_before:,} tokens before" if entry.tokens_before else ""
            yield _section(f"c{seq}", "compaction", _folded(f"Context compacted{tokens}", _pre(entry.summary or "")))
        elif isinstance(entry, LoggedError):
            yield _section(f"x{seq}", "error", f'<b class="bad">Error {_text(entry.kind or "")}</b>{_pre(entry.message)}')
    yield "</main>\n</body>\n</html>\n"


def _outline(view: SessionView) -> Iterator[str]:
    """Links to what the user said, for a session that is too long to look through."""
    asked = [(message.seq, _first_text(message)) for message in view.messages if message.role == "user"]
    if len(asked) < _OUTLINE_FROM:
        return
    yield "<nav><details><summary>What was asked</summary><ol>\n"
    yield from (f'<li><a href="#e{seq}">{_text(text[:_OUTLINE_SIZE] or "(no text)")}</a></li>\n' for seq, text in asked)
    yield "</ol></details></nav>\n"


def _first_text(message: Message) -> str:
    texts = (part["content"] for part in message.parts if part["type"] == "text" and isinstance(part["content"], str))
    return " ".join(next(texts, "")[: 4 * _OUTLINE_SIZE].split())


def _message(message: Message) -> Iterator[str]:
    shown = "".join(_part(part) for part in message.parts)
    if shown:
        about = " · ".join([moment(message.time) or "", *notes(message)])
        role = "user" if message.role == "user" else "other"
        yield _section(f"e{message.seq}", role, f"<header><b>{_text(message.role)}</b>{_text(about)}</header>{shown}")


def _part(part: dict[str, Any]) -> str:
    kind, content = part["type"], part.get("content")
    if kind in ("text", "reasoning"):
        if not content:
            return ""
        text = content if isinstance(content, str) else as_json(content, pretty=True)
        return _pre(text, "text") if kind == "text" else _folded("Thinking", _pre(text, "reasoning"))
    if kind in ("tool_call", "tool_call_response"):
        return ""
    if kind == "blob":
        mime_type = part.get("mime_type")
        if mime_type in _IMAGES and isinstance(content, str) and _BASE64.fullmatch(content):
            return f'<p><img alt="image" src="data:{mime_type};base64,{"".join(content.split())}"></p>'
        return _pre(f"[{mime_type or 'blob'}, {len(content or ''):,} characters of base64]")
    return _pre(f"[{kind}] {as_json({name: value for name, value in part.items() if name != 'type'})}")


def _tool(call: ToolCall) -> str:
    inside = ""
    if call.arguments is not None:
        inside += _pre(call.arguments if isinstance(call.arguments, str) else as_json(call.arguments, pretty=True))
    inside += "".join(
        _pre(str(part["content"])) if part["type"] == "text" else _part(part)
        for part in content_parts(call.output if call.display is None else call.display)
    )
    inside += "".join(_pre(artifact.title or artifact.path or artifact.uri or "") for artifact in call.artifacts)
    return _folded(f"{call.name or call.call_id or 'unknown'}: {outcome(call)}", inside, bad=call.is_error)


def _section(anchor: str, kind: str, inside: str) -> str:
    return f'<section id="{anchor}" class="{kind}">{inside}</section>\n'


def _folded(summary: str, inside: str, *, bad: bool = False) -> str:
    marked = ' class="bad"' if bad else ""
    return f"<details><summary{marked}>{_text(summary)}</summary>{inside}</details>"


def _pre(text: str, kind: str = "raw") -> str:
    return f'<pre class="{kind}" dir="auto">\n{_text(text)}</pre>'


def _text(text: str) -> str:
    """Text that is nothing but text in a page."""
    return html.escape(_CONTROL.sub("\ufffd", text))
