"""Continue: ``~/.continue/sessions/<id>.json``, one document with ``history``; ``sessions.json`` beside it is the list of all.

- An item has the ``message`` and what surrounded it. Roles: user, assistant, thinking, tool, system.
- A call's result stands in ``toolCallStates`` of the item that called, and again in a message of role tool: it counts once.
- There are no times but the list's ``dateCreated``. Tokens and money are the whole session's.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from eventlog.events import Event, Part, ToolReturned
from eventlog.ids import session_id_of
from eventlog.shapes import openai_chat
from eventlog.shapes.exchange import Said as Spoken

from .declaration import Conversation, Documents, Format, Location
from .intake import Place
from .listed import ListedMeaning, Message, join_list, split_list
from .records import lenient_value
from .values import amount_of, count_of, list_of, mapping_of, text_of, time_of

NAME = "continue"
_INDEX = "sessions.json"
_FAILED = ("errored", "canceled", "cancelled")
_ROLES = ("user", "assistant", "thinking", "tool", "system")


def _is_document(value: Any) -> bool:
    if not isinstance(value, dict) or not isinstance(value.get("sessionId"), str) or not isinstance(value.get("history"), list):
        return False
    return all(mapping_of(mapping_of(item).get("message")).get("role") in _ROLES for item in value["history"])


def _split(path: Path, data: bytes, value: dict[str, Any]) -> Iterator[Conversation]:
    place = Place(session_id_of(NAME, value["sessionId"]), (value["sessionId"],))
    yield split_list(place, data, value, "history", time=time_of(value.get("dateCreated")) or _created(path, value["sessionId"]))


def _created(path: Path, name: str) -> datetime | None:
    """What the list of sessions says of this one."""
    try:
        listed = lenient_value((path.parent / _INDEX).read_bytes())
    except OSError:
        return None
    entry = next((each for each in map(mapping_of, list_of(listed)) if each.get("sessionId") == name), {})
    stated = entry.get("dateCreated")
    return time_of(float(stated) if isinstance(stated, str) and stated.replace(".", "", 1).isdigit() else stated)


class ContinueMeaning(ListedMeaning):
    NAME = NAME
    LIST = "history"

    def rest(self, record: dict[str, Any]) -> list[Event]:
        title = text_of(record.get("title"))
        events = self.facts.update(title=None if title == "New Session" else title, cwd=text_of(record.get("workspaceDirectory")))
        events += self.facts.uses(record.get("chatModelTitle")) + self.facts.in_mode(record.get("mode"))
        usage = mapping_of(record.get("usage"))
        details = mapping_of(usage.get("promptTokensDetails"))
        read, written = count_of(details.get("cachedTokens")), count_of(details.get("cacheWriteTokens"))
        return events + self.total(
            input_tokens=max(0, count_of(usage.get("promptTokens")) - read - written),
            output_tokens=count_of(usage.get("completionTokens")),
            cache_read_tokens=read,
            cache_write_tokens=written,
            cost=amount_of(usage.get("totalCost")),
        )

    def message(self, record: Message, name: str) -> list[Event]:
        message = mapping_of(record.get("message"))
        role = text_of(message.get("role")) or "user"
        if role == "thinking":
            return self.tell(name, Spoken(role="reasoning", parts=_thought(message.get("content"))), hidden=True)
        if role == "tool":
            return self._returned(ToolReturned(call_id=text_of(message.get("toolCallId")), output=_output(message.get("content"))))
        parts = _parts(message.get("content"))
        thought = _thought(mapping_of(record.get("reasoning")).get("text"))
        calls = [mapping_of(call) for call in list_of(message.get("toolCalls"))]
        states = [mapping_of(state) for state in list_of(record.get("toolCallStates"))]
        calls += [mapping_of(state.get("toolCall")) for state in states if _id_of(state) not in [text_of(call.get("id")) for call in calls]]
        spoken = Spoken(role=role, parts=[*thought, *parts, *(openai_chat.call(call) for call in calls if call)])
        events = self.tell(name, spoken, model=self.facts.model if role == "assistant" else None)
        for state in states:
            status = state.get("status")
            if status == "done" or status in _FAILED:
                told = ToolReturned(call_id=_id_of(state), output=_output(state.get("output")), is_error=status in _FAILED)
                events += self._returned(told)
        summary = text_of(record.get("conversationSummary"))
        return events + (self.tell_text(f"{name}-summary", "system", summary) if summary else [])

    def _returned(self, result: ToolReturned) -> list[Event]:
        return self.said.returned(result)


def _id_of(state: dict[str, Any]) -> str | None:
    return text_of(state.get("toolCallId")) or text_of(mapping_of(state.get("toolCall")).get("id"))


def _thought(text: Any) -> list[Part]:
    return [Part(type="reasoning", content=text)] if isinstance(text, str) and text else []


def _parts(content: Any) -> list[Part]:
    if isinstance(content, str):
        return [Part(type="text", content=content)] if content else []
    found = []
    for item in list_of(content):
        fields = mapping_of(item)
        url = text_of(mapping_of(fields.get("imageUrl")).get("url"))
        found.append(openai_chat.linked(url, "image", {}) if url else openai_chat.part(item))
    return found


def _output(output: Any) -> Any:
    """A result's texts, where it is a list of what a tool gave."""
    if not isinstance(output, list):
        return output
    texts = [text_of(mapping_of(item).get("content")) or text_of(mapping_of(item).get("text")) for item in output]
    return "\n".join(text for text in texts if text) if any(texts) else output or None


FORMAT = Format(
    name=NAME,
    tool="Continue",
    meaning=ContinueMeaning,
    names=("*.json",),
    not_names=(_INDEX,),
    locations=(Location("~/.continue", "sessions", "CONTINUE_GLOBAL_DIR"),),
    documents=Documents(_is_document, _split, join=join_list("history")),
    checked_on="its description",
)
