"""Aider: ``.aider.chat.history.md`` in each project, appended to. A run begins with ``# aider chat started at <local time>``.

Lines that begin with ``#### `` are the user's, with ``> `` Aider's own and its commands' output, all others the model's answer. What
misleads:

- Code fences tell nothing: they are cut and nested, and a line with ``#### `` inside one is the user's all the same.
- No id, no model, no tokens, and no times but the runs' own, which name no zone.
- What stands before the first run is a run whose beginning is lost.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from eventlog.events import Event, Part, SessionStarted
from eventlog.ids import session_id_for
from eventlog.stored import StoredEvent

from .declaration import Conversation, Format, Texts
from .facts import Facts
from .intake import Place, Source
from .said import Said
from .text_file import block
from .values import count_of, text_of, time_of

NAME = "aider"
_RUN = "# aider chat started at "
_RUNS = re.compile(r"^(?=# aider chat started at \d{4}-\d\d-\d\d \d\d:\d\d:\d\d)", re.MULTILINE)
_TIME = slice(len(_RUN), len(_RUN) + 19)
_TRAILING = re.compile(r"[ \t\r]+$", re.MULTILINE)


def _is_text(text: str) -> bool:
    return _RUNS.search(text) is not None


def _split(path: Path, text: str) -> Iterator[Conversation]:
    text = _without_half_a_line(text)
    seen: Counter[str] = Counter()
    line = 1
    for run in _RUNS.split(text):
        started = run[_TIME] if run.startswith(_RUN) else None
        seen[started or ""] += 1
        if started is None:
            name = f"before the first run of {path.absolute()}"
        else:
            name = started if seen[started] == 1 else f"{started} ({seen[started]})"
        if run.strip():
            time = time_of(started)
            blocks = [block(piece, at, time if at == 1 else None, line_in_file=line + at - 1) for at, piece in _blocks(run)]
            yield Conversation(Place(session_id_for(NAME, name), (name,)), blocks)
        line += run.count("\n")


def _without_half_a_line(text: str) -> str:
    """The text without a last line that may become one of another kind."""
    start = text.rfind("\n") + 1
    last = text[start:]
    return text[:start] if _RUN.startswith(last) or "#### ".startswith(last) or (last.startswith(_RUN) and len(last) < _TIME.stop) else text


def _blocks(run: str) -> Iterator[tuple[int, str]]:
    """The blocks of lines of one kind, each with the line that it begins on. Blank lines belong to what is before them."""
    found: list[str] = []
    start, kind = 1, ""
    for number, line in enumerate(run.splitlines(keepends=True) if "\r" not in run else re.findall(r"[^\n]*\n|[^\n]+", run), 1):
        its = _kind(line)
        if found and its != kind and (line.strip() or its != "assistant"):
            yield start, "".join(found)
            found, start = [], number
        if not found or line.strip():
            kind = its
        elif kind == "user":
            kind = "none"  # the next line of the user is another message
        found.append(line)
    if found:
        yield start, "".join(found)


def _kind(line: str) -> str:
    if line.startswith(_RUN):
        return "run"
    return "user" if line.startswith("#### ") else "tool" if line.startswith("> ") or line.rstrip() == ">" else "assistant"


class AiderMeaning:
    def __init__(self, place: Place) -> None:
        self._facts = Facts(NAME, place, kind="agent")
        self._said = Said()
        self._texts: dict[int, tuple[str, str]] = {}  # by line: what stands there, and whose it is

    def observe(self, stored: StoredEvent) -> None:
        self._facts.observe(stored)

    def start(self) -> SessionStarted:
        return self._facts.start()

    def events(self, source: Source) -> list[Event]:
        record = source.record if isinstance(source.record, dict) else {}
        text, line = text_of(record.get("text")) or "", count_of(record.get("line"))
        kind = _kind(text)
        said = _said(text, kind)
        if kind == "run" or not said:
            return []
        former, its = self._texts.get(line, ("", kind))
        if former.startswith(said):
            return []  # a state from before
        events = self._said.retract([f"{its}-{line}"], "the line went on otherwise") if its != kind else []
        self._texts[line] = said, kind
        return events + self._said.message(f"{kind}-{line}", kind, [Part(type="text", content=said)], hidden=kind == "tool")


def _said(text: str, kind: str) -> str:
    """The text without what marks its lines."""
    if kind == "assistant":
        return text.strip("\r\n") if text.strip() else ""
    mark = 5 if kind == "user" else 2
    return _TRAILING.sub("", "\n".join(line[mark:] for line in text.rstrip().split("\n"))).strip("\n")


FORMAT = Format(
    name=NAME,
    tool="Aider",
    meaning=AiderMeaning,
    names=(".aider.chat.history.md", "*chat*history*.md"),
    texts=Texts(_is_text, _split),
)
