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

from ..pricing import PricedView
from ..replay import replay
from ..view.conversation import content_parts
from ..view.messages import Message
from ..view.session import Compaction, LoggedError, SessionView
from ..view.tool_calls import ToolCall
from . import Write
from .transcript import as_json, entries, header, moment, notes, outcome

_STYLE: Final = """
:root{color-scheme:light dark;--line:#8884;--soft:#8881;--dim:light-dark(#666,#999);--bad:light-dark(#b3261e,#ff8a80);--user:#2f6fdb}
body{font:16px/1.55 system-ui,sans-serif;max-width:56rem;margin:0 auto;padding:1.5rem 1rem 4rem}
h1{font-size:1.6rem;line-height:1.25;margin:.2em 0 .6em;overflow-wrap:anywhere}
dl{display:grid;grid-template-columns:max-content 1fr;gap:.15rem 1rem;margin:0 0 1rem;padding:.7rem 1rem;background:var(--soft);
border-radius:.5rem;font-size:.9rem}
dt{color:var(--dim)}dd{margin:0;overflow-wrap:anywhere}
section{content-visibility:auto;contain-intrinsic-size:auto 6rem;padding:.5rem 1rem;margin:.9rem 0 0}
section:target{outline:2px solid var(--user);border-radius:.5rem}
section>header{color:var(--dim);font-size:.8rem;margin-bottom:.2rem}
section>header b{font-size:.95rem;margin-right:.5rem;color:CanvasText;text-transform:capitalize}
.user{background:var(--soft);border-left:3px solid var(--user);border-radius:.5rem}
.tool,.error,.compaction{contain-intrinsic-size:auto 1.6rem;margin:.15rem 0 0;padding:.1rem 1rem;font-size:.9rem}
.compaction{border-top:1px dashed var(--line);border-bottom:1px dashed var(--line);margin:1rem 0}
pre{white-space:pre-wrap;overflow-wrap:anywhere;margin:.4rem 0;font:.85rem/1.45 ui-monospace,monospace}
pre.text{font:inherit}
pre.reasoning{color:var(--dim);font:inherit;font-style:italic}
details>pre{border-left:3px solid var(--line);padding-left:.6rem;max-height:40rem;overflow:auto}
summary{cursor:pointer;overflow-wrap:anywhere;color:var(--dim)}
summary b{color:CanvasText;font-weight:600}
summary code{font:.82rem ui-monospace,monospace;margin:0 .5rem}
summary.bad,.bad,summary.bad b{color:var(--bad)}
img{max-width:100%;height:auto}
nav{padding:0 1rem}nav ol{padding-left:1.5rem;margin:.4rem 0}nav a{color:inherit;overflow-wrap:anywhere}
@media print{section{content-visibility:visible}}
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
    view = replay(session.read(on_damage=on_damage), PricedView())
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
        text = content.strip("\r\n") if isinstance(content, str) else as_json(content, pretty=True)
        if not text.strip():
            return ""  # agents write blank lines before they think
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
    about = _about(call)
    shown = f" <code>{_text(about)}</code>" if about else ""
    return _folded_markup(
        f"<b>{_text(call.name or call.call_id or 'unknown')}</b>{shown} {_text(outcome(call))}", inside, bad=call.is_error
    )


def _about(call: ToolCall) -> str:
    """The beginning of what the tool was given, by which a reader knows one call from the next."""
    given = call.arguments
    if isinstance(given, dict):
        given = next((value for value in given.values() if isinstance(value, str) and value.strip()), "")
    if not isinstance(given, str):
        return ""
    text = " ".join(given[: 4 * _OUTLINE_SIZE].split())
    return text if len(text) <= _OUTLINE_SIZE else f"{text[:_OUTLINE_SIZE]}…"


def _section(anchor: str, kind: str, inside: str) -> str:
    return f'<section id="{anchor}" class="{kind}">{inside}</section>\n'


def _folded(summary: str, inside: str) -> str:
    return _folded_markup(_text(summary), inside)


def _folded_markup(summary: str, inside: str, *, bad: bool = False) -> str:
    marked = ' class="bad"' if bad else ""
    return f"<details><summary{marked}>{summary}</summary>{inside}</details>"


def _pre(text: str, kind: str = "raw") -> str:
    return f'<pre class="{kind}" dir="auto">\n{_text(text)}</pre>'


def _text(text: str) -> str:
    """Text that is nothing but text in a page."""
    return html.escape(_CONTROL.sub("\ufffd", text))
