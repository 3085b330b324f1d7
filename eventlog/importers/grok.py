"""Grok CLI: ``~/.grok/sessions/<cwd, url-encoded>/<id>/``: ``chat_history.jsonl`` is the conversation, ``updates.jsonl`` the stream of what
happened, which has the tokens of each turn. Both are of the folder's session; ``summary.json`` names it.

The conversation has no times. What a user's entry says with a ``synthetic_reason`` was injected; what a person wrote may stand in
``<user_query>``. The stream tells the conversation again: only its tokens count.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import msgspec

from eventlog.events import Event, Parent, Part, SessionStarted, SourceRecord, ToolCalled, ToolReturned, UsageRecorded
from eventlog.ids import session_id_of
from eventlog.shapes import openai_chat, openai_responses
from eventlog.stored import StoredEvent

from .declaration import Format, Found, Lines, Location, beside, named
from .facts import Facts
from .intake import Place, Source
from .records import Record, lenient_value
from .said import Said
from .values import arguments_of, count_of, list_of, mapping_of, text_of, time_of

NAME = "grok"
_MARKS = {
    "user": "content",
    "assistant": "content",
    "system": "content",
    "tool_result": "tool_call_id",
    "reasoning": "summary",
    "backend_tool_call": "kind",
}
_QUERY = re.compile(r"<user_query>\s*(.*?)\s*</user_query>", re.DOTALL)
_SUMMARY, _META = "summary.json", "meta.json"


class Head(msgspec.Struct, gc=False):
    """The fields of a line that date it."""

    timestamp: Any = None


def _is_record(record: dict[str, Any]) -> bool:
    kind = text_of(record.get("type")) or ""
    if kind in _MARKS and not any(name in record for name in ("uuid", "sessionId", "message", "timestamp", "data", "source")):
        return _MARKS[kind] in record and "role" not in record
    return _update(record) is not None


def _update(record: dict[str, Any]) -> dict[str, Any] | None:
    """What an entry of the stream says; None where it is none."""
    params = mapping_of(record.get("params"))
    update = params.get("update", record.get("update"))
    return update if isinstance(update, dict) and "sessionUpdate" in update else None


def _session(path: Path, records: list[Record[Head]], last: bool) -> Place | None:
    folder = path.absolute().parent
    name = folder.name if path.name in ("chat_history.jsonl", "updates.jsonl") else path.stem
    stated = _stated(folder / _META)
    name = text_of(mapping_of(_stated(folder / _SUMMARY).get("info")).get("id")) or name
    caller = text_of(stated.get("parent_session_id")) or text_of(stated.get("parentSessionId"))
    if caller is None and folder.parent.name == "subagents":
        caller = folder.parent.parent.name
    parent = Parent(session_id=session_id_of(NAME, caller), relation="subagent") if caller and caller != name else None
    cwd = unquote(folder.parent.name) if "%" in folder.parent.name else None
    return Place(session_id_of(NAME, name), (name,), parent, metadata={"cwd": cwd} if cwd else {})


def _stated(path: Path) -> dict[str, Any]:
    try:
        return mapping_of(lenient_value(path.read_bytes()))
    except OSError:
        return {}


def _beside(path: Path, place: Place) -> Iterator[Found]:
    if path.name != "updates.jsonl":
        for name in (_SUMMARY, _META):
            yield from beside(path.parent / name)


class GrokMeaning:
    def __init__(self, place: Place) -> None:
        self._facts = Facts(NAME, place, kind="agent", provider="xai")
        self._said = Said()

    def observe(self, stored: StoredEvent) -> None:
        self._facts.observe(stored)

    def start(self) -> SessionStarted:
        return self._facts.start()

    def events(self, source: Source) -> list[Event]:
        record = source.record
        if not isinstance(record, dict):
            return []
        if "file" in record and "value" in record:
            return self._described(mapping_of(record["value"]))
        update = _update(record)
        if update is not None:
            return self._updated(update, source.name)
        kind = text_of(record.get("type"))
        parts = _parts(record.get("content"))
        if kind == "backend_tool_call":
            return self._run_there(mapping_of(record.get("kind")), source.name)
        if kind == "user":
            return self._asked(source.name, parts, is_injected=bool(record.get("synthetic_reason")))
        if kind == "system":
            return self._said.message(source.name, "system", parts)
        if kind == "assistant":
            model = text_of(record.get("model_id"))
            calls = [_call(mapping_of(call)) for call in list_of(record.get("tool_calls"))]
            told = [part for part in parts if part.content not in ("", None) or part.type != "text"]
            return self._facts.uses(model) + self._said.message(source.name, "assistant", [*told, *calls], model=model)
        if kind == "reasoning":
            texts = [mapping_of(item).get("text") for item in list_of(record.get("summary"))]
            texts = [record["summary"]] if isinstance(record.get("summary"), str) else texts
            told = [Part(type="reasoning", content=text) for text in texts if isinstance(text, str) and text]
            return self._said.message(source.name, "reasoning", told, hidden=True) if told else []
        if kind == "tool_result":
            output: Any = record.get("content")
            output = openai_responses.parts(output) if isinstance(output, list) else output
            call_id = text_of(record.get("tool_call_id"))
            failed = record.get("is_error") is True
            return self._said.returned(ToolReturned(call_id=call_id, output=output, is_error=failed), f"{call_id} {source.name}")
        return [SourceRecord(kind=kind)]

    def _asked(self, name: str, parts: list[Part], *, is_injected: bool) -> list[Event]:
        whole = "\n".join(part.content for part in parts if part.type == "text" and isinstance(part.content, str))
        written = "\n".join(_QUERY.findall(whole))
        if is_injected or not written:
            is_reminder = whole.lstrip().startswith(("<system-reminder>", "<user_info>", "<environment"))
            return self._said.message(name, "system" if is_injected or is_reminder else "user", parts)
        others = [part for part in parts if part.type != "text"]
        around = _QUERY.sub("", whole).strip()
        events = self._said.message(f"{name}-around", "system", [Part(type="text", content=around)]) if around else []
        return events + self._said.message(name, "user", [Part(type="text", content=written), *others])

    def _run_there(self, call: dict[str, Any], name: str) -> list[Event]:
        """A call that the provider ran itself."""
        call_id = text_of(call.get("id")) or name
        action = mapping_of(call.get("action"))
        events: list[Event] = [ToolCalled(name=text_of(call.get("tool_type")) or "unknown", arguments=call.get("action"), call_id=call_id)]
        if call.get("status") in ("completed", "failed"):
            told = action.get("sources", call.get("result"))
            events.append(ToolReturned(call_id=call_id, output=told, is_error=call["status"] == "failed"))
        return events

    def _described(self, about: dict[str, Any]) -> list[Event]:
        title = text_of(about.get("title")) or text_of(about.get("generated_title"))
        info = mapping_of(about.get("info"))
        events = self._facts.update(title=title, cwd=text_of(about.get("cwd")) or text_of(info.get("cwd")))
        return events + self._facts.uses(about.get("current_model_id"))

    def _updated(self, update: dict[str, Any], name: str) -> list[Event]:
        usage = mapping_of(update.get("usage"))
        if update.get("sessionUpdate") != "turn_completed" or not usage:
            return [SourceRecord(kind=f"update/{update.get('sessionUpdate')}")]

        def count(*names: str) -> int:
            return next((count_of(usage.get(name)) for name in names if name in usage), 0)

        read = count("cached_read_tokens", "cachedReadTokens", "cache_read_tokens", "cacheReadTokens", "cachedInputTokens")
        thoughts = count("reasoning_tokens", "reasoningTokens", "thought_tokens", "thoughtTokens")
        return self._said.usage(
            UsageRecorded(
                message_id=text_of(update.get("prompt_id")) or name,
                model=text_of(update.get("model")) or self._facts.model,
                input_tokens=max(0, count("input_tokens", "inputTokens", "prompt_tokens") - read),
                output_tokens=count("output_tokens", "outputTokens", "completion_tokens"),
                cache_read_tokens=read,
                reasoning_tokens=thoughts,
            )
        )


def _files(records: list[bytes]) -> list[tuple[str, bytes]]:
    """The files of the session's folder."""
    others = dict(found for record in records if (found := named(record)) is not None)
    own = [record for record in records if named(record) is None]
    stream = [record for record in own if _update(mapping_of(lenient_value(record))) is not None]
    told = [record for record in own if record not in set(stream)]
    both = (("chat_history.jsonl", told), ("updates.jsonl", stream))
    return [*((name, b"".join(each + b"\n" for each in lines)) for name, lines in both if lines), *others.items()]


def _parts(content: Any) -> list[Part]:
    """What an entry says: a text, or parts; an image has its address in a field of its own."""
    items = content if isinstance(content, list) else [content] if content else []
    found = []
    for item in items:
        url = text_of(mapping_of(item).get("url"))
        is_image = mapping_of(item).get("type") == "image" and url is not None
        found.append(openai_chat.linked(url or "", "image", {}) if is_image else openai_responses.part(item))
    return found


def _call(call: dict[str, Any]) -> Part:
    if "function" in call:
        return openai_chat.call(call)
    name = text_of(call.get("name")) or "unknown"
    return Part(type="tool_call", id=text_of(call.get("id")), name=name, arguments=arguments_of(call.get("arguments")))


def _time(head: Head) -> datetime | None:
    return time_of(head.timestamp)


FORMAT = Format(
    name=NAME,
    tool="Grok CLI",
    meaning=GrokMeaning,
    names=("chat_history.jsonl", "updates.jsonl"),
    locations=(Location("~/.grok", "sessions", "GROK_HOME"),),
    lines=Lines(msgspec.json.Decoder(Head), _is_record, _session, _time, beside=_beside, has_times=False),
    side_file=lambda path: path.with_name(_SUMMARY) if path.name == "chat_history.jsonl" else None,
    files=_files,
    checked_on="its description",
)
