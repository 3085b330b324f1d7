"""A session as a person reads it: what happened, entry by entry, which of it is wanted, and how much of it is shown.

An entry is a message, a tool call, a compaction or an error. What tools said is folded to a few lines unless it is asked for; of an
entry that was looked for, the lines that were meant are what is left of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from eventlog.cli.amounts import local_with_zone, size, utc
from eventlog.errors import InvalidInput

from ..exporters.transcript import entries, notes, outcome
from ..view.messages import Message
from ..view.session import Compaction, SessionView
from ..view.tool_calls import ToolCall

_ARGUMENTS_SHOWN: Final = 200
_OUTPUT_SHOWN: Final = 1_500
LINES_IN_A_PIPE: Final = 12
LINES_ON_A_TERMINAL: Final = 4


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """Which entries, and how. ``tools``: None folds what they said, True shows all of it, False leaves them out. ``around``: so many
    entries before and after those that are looked for."""

    last: int | None = None
    seq: int | None = None
    pattern: re.Pattern[str] | None = None
    around: int = 0
    tools: bool | None = None

    @property
    def is_everything(self) -> bool:
        return self.last is None and self.seq is None and self.pattern is None and self.tools is not False


@dataclass(frozen=True, kw_only=True)
class Block:
    """Some text of an entry. ``folds``: what a tool was given or said; ``is_prose``: Markdown, as models write it."""

    text: str
    style: str = ""
    folds: bool = False
    is_prose: bool = False


@dataclass(frozen=True, kw_only=True)
class Entry:
    seq: int
    kind: type
    heading: str
    style: str
    blocks: Sequence[Block]

    def has(self, pattern: re.Pattern[str]) -> bool:
        return any(pattern.search(text) for text in (self.heading, *(block.text for block in self.blocks)))


def read(view: SessionView, *, is_local: bool, session: str) -> list[Entry]:
    """All entries, in order. ``is_local``: times of this machine's zone, else UTC. ``session``: what it is called in advice."""
    when = local_with_zone if is_local else utc
    found = []
    for seq, entry in entries(view):
        if isinstance(entry, Message):
            blocks = [block for part in entry.parts if (block := _part(part, entry, session)) is not None]
            if blocks:
                about = "".join(f"  {note}" for note in notes(entry))
                heading = f"{seq}  {entry.role}  {when(entry.time)}{about}"
                found.append(Entry(seq=seq, kind=Message, heading=heading, style="bold cyan", blocks=blocks))
        elif isinstance(entry, ToolCall):
            found.append(_call(seq, entry))
        elif isinstance(entry, Compaction):
            tokens = f": {entry.tokens_before} to {entry.tokens_after} tokens" if entry.tokens_before else ""
            blocks = [Block(text=entry.summary or "", style="dim")]
            found.append(Entry(seq=seq, kind=Compaction, heading=f"{seq}  context compacted{tokens}", style="bold magenta", blocks=blocks))
        else:
            blocks = [Block(text=entry.message, style="red")]
            found.append(Entry(seq=seq, kind=type(entry), heading=f"{seq}  error  {entry.kind or ''}", style="bold red", blocks=blocks))
    return found


def _call(seq: int, call: ToolCall) -> Entry:
    went = "open" if call.returned_seq is None else outcome(call)
    blocks = []
    if call.arguments is not None:
        blocks.append(Block(text=_json(call.arguments), folds=True))
    shown = call.output if call.display is None else call.display
    if shown is not None:
        blocks.append(Block(text=_text(shown), style="dim", folds=True))
    style = "bold red" if call.is_error else "bold yellow"
    return Entry(
        seq=seq, kind=ToolCall, heading=f"{seq}  tool  {call.name or call.call_id or 'unknown'}  {went}", style=style, blocks=blocks
    )


def _part(part: dict[str, Any], message: Message, session: str) -> Block | None:
    """A message's part; tool calls and their results stand on their own."""
    kind = part["type"]
    if kind in ("text", "reasoning"):
        said = _text(part["content"]) if part["content"] else ""
        if not said:
            return None
        return Block(text=said, is_prose=True) if kind == "text" else Block(text=said, style="dim italic")
    if kind in ("tool_call", "tool_call_response"):
        return None
    if kind == "blob":
        what = part.get("mime_type") or part.get("modality") or "blob"
        held = size(len(part.get("content") or "") * 3 // 4)
        return Block(text=f"[{what}, {held}: eventlog show {session} --seq {message.seq} --save FOLDER]", style="dim")
    about = _json({name: value for name, value in part.items() if name != "type"})
    return Block(text=f"[{kind}: {shortened(about, _ARGUMENTS_SHOWN, 1)}]", style="dim")


def choose(everything: Sequence[Entry], wanted: Wanted) -> list[Entry]:
    """The entries that are wanted, in order. Raises `InvalidInput` for a seq behind the last one."""
    kept = [entry for entry in everything if wanted.tools is not False or entry.kind is not ToolCall]
    if wanted.last is not None:
        messages = [place for place, entry in enumerate(kept) if entry.kind is Message]
        kept = kept[messages[-wanted.last] :] if len(messages) > wanted.last else kept
    if wanted.seq is None and wanted.pattern is None:
        return kept
    places = range(len(kept))
    if wanted.seq is not None:
        first = next((place for place in places if kept[place].seq >= wanted.seq), None)
        if first is None:
            raise InvalidInput(f"there is nothing to show from event {wanted.seq} on; the last one is {kept[-1].seq if kept else 0}")
        last = max(place for place in places if kept[place].seq == kept[first].seq)
        places = range(first, last + 1)
    hits = [place for place in places if wanted.pattern is None or kept[place].has(wanted.pattern)]
    chosen = sorted({near for hit in hits for near in range(hit - wanted.around, hit + wanted.around + 1) if 0 <= near < len(kept)})
    return [kept[place] for place in chosen]


def folded(block: Block, wanted: Wanted, most_lines: int) -> str:
    """The block's text as it is to be shown."""
    if not block.folds or wanted.tools:
        return block.text
    if wanted.pattern is not None:
        meant = [line for line in block.text.splitlines() if wanted.pattern.search(line)]
        if meant:
            return shortened("\n".join(_around(line, wanted.pattern) for line in meant), _OUTPUT_SHOWN, most_lines)
    is_output = block.style == "dim"
    return shortened(block.text, _OUTPUT_SHOWN if is_output else _ARGUMENTS_SHOWN, most_lines if is_output else 1)


def _around(line: str, pattern: re.Pattern[str]) -> str:
    """A long line from shortly before its first hit."""
    found = pattern.search(line)
    begin = max(0, found.start() - _ARGUMENTS_SHOWN // 2) if found else 0
    return ("…" if begin else "") + line[begin : begin + 2 * _ARGUMENTS_SHOWN]


def narrowed(view: SessionView, chosen: Sequence[Entry]) -> dict[str, Any]:
    """The view as a program gets it, its lists without what was not wanted; header and totals are those of the whole session."""
    seqs = {(entry.kind, entry.seq) for entry in chosen}
    whole: dict[str, Any] = msgspec.to_builtins(view)
    whole["messages"] = [each for each in whole["messages"] if (Message, each["seq"]) in seqs]
    whole["tool_calls"] = [each for each in whole["tool_calls"] if (ToolCall, each["called_seq"] or each["returned_seq"]) in seqs]
    whole["compactions"] = [each for each in whole["compactions"] if (Compaction, each["seq"]) in seqs]
    others = {entry.seq for entry in chosen if entry.kind not in (Message, ToolCall, Compaction)}
    whole["errors"] = [each for each in whole["errors"] if each["seq"] in others]
    return whole


def shortened(text: str, most: int, line_count: int) -> str:
    lines = text.splitlines()
    kept = "\n".join(lines[:line_count])[:most]
    left_out = len("\n".join(lines)) - len(kept)
    return f"{kept} ... ({left_out:,} more characters)" if left_out else kept


def blobs(view: SessionView, chosen: Sequence[Entry]) -> Iterator[tuple[str, str]]:
    """Of the messages that were chosen, what is in them beside text: a name for a file, and base64."""
    import mimetypes

    seqs = {entry.seq for entry in chosen if entry.kind is Message}
    for message in view.messages:
        if message.seq not in seqs:
            continue
        for number, part in enumerate((part for part in message.parts if part["type"] == "blob"), 1):
            ending = mimetypes.guess_extension(part.get("mime_type") or "") or ".bin"
            yield f"{message.seq}-{number}{ending}", part.get("content") or ""


def _text(value: Any) -> str:
    return value if isinstance(value, str) else _json(value)


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()
