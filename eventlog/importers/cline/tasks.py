"""The family's tasks: a folder ``tasks/<id>/`` with ``api_conversation_history.json`` (what the model got) beside ``ui_messages.json``
(what was shown). A task is taken whole, whichever of the two is named; ``history_item.json`` and ``task_metadata.json`` say more of it.

- The history has Anthropic's messages. Results are text (``[tool for '...'] Result:``) or, with native tools, blocks; calls are XML in the
  answer's text, or blocks.
- A user's turn carries ``<environment_details>`` and reminders, too: only ``<task>``, ``<feedback>``, ``<user_message>`` (or plain
  text) are a person's.
- Tokens and money stand in what was shown: ``api_req_started``, whose text is JSON and is written again when the answer is there.
- Roo Code deletes nothing when it condenses: a message with ``isSummary`` stands for those that name its ``condenseId`` as their
  ``condenseParent``; a truncation marker likewise.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from eventlog.events import ContextCompacted, Cost, Event, Parent, Part, UsageRecorded
from eventlog.ids import session_id_of
from eventlog.shapes import anthropic
from eventlog.shapes.exchange import Said as Spoken

from ..declaration import Conversation, Found, beside, named
from ..intake import Place, Source
from ..listed import ListedMeaning, Message
from ..records import element_texts, lenient_value
from ..values import amount_of, arguments_of, count_of, list_of, mapping_of, text_of, time_of

HISTORY, SHOWN = "api_conversation_history.json", "ui_messages.json"
_RESULT = re.compile(r"\[([a-z_]+)(?: for [^\n]*?)?\] Result:\s*(.*)", re.DOTALL)
_PERSON = re.compile(r"<(task|feedback|user_message|answer)>\s*(.*?)\s*</\1>", re.DOTALL)
_INJECTED = re.compile(r"\s*(<environment_details>|<system_reminder>|<explicit_instructions|\[TASK RESUMPTION\]|\[ERROR\]|# task_progress)")
_CALL = re.compile(
    r"<(execute_command|read_file|write_to_file|replace_in_file|apply_diff|insert_content|search_and_replace|search_files|list_files"
    r"|list_code_definition_names|browser_action|use_mcp_tool|access_mcp_resource|ask_followup_question|attempt_completion|new_task"
    r"|plan_mode_respond|switch_mode|fetch_instructions|codebase_search|update_todo_list|web_fetch)>(.*?)</\1>",
    re.DOTALL,
)
_FIELD = re.compile(r"<([a-z_]+)>(.*?)</\1>", re.DOTALL)
_ABOUT = ("history_item.json", "task_metadata.json")
_CONTROL = ("condenseParent", "truncationParent")


def is_history(value: Any) -> bool:
    """Whether these are the messages that the model got."""
    messages = [mapping_of(message) for message in value] if isinstance(value, list) else []
    is_told = bool(messages) and all("role" in message and isinstance(message.get("content"), (list, str)) for message in messages)
    return is_told and any("<environment_details>" in str(message["content"]) or "modelInfo" in message for message in messages[:4])


def is_shown(value: Any) -> bool:
    messages = [mapping_of(message) for message in value] if isinstance(value, list) else []
    return bool(messages) and all("ts" in message and message.get("type") in ("say", "ask") for message in messages)


def is_injected(part: Part) -> bool:
    """Whether a part of a user's turn is the tool's own."""
    return part.type == "text" and isinstance(part.content, str) and _INJECTED.match(part.content) is not None


def person_in(part: Part) -> Part:
    """The part without the mark around what a person wrote."""
    found = _PERSON.findall(part.content) if part.type == "text" and isinstance(part.content, str) else []
    return Part(type="text", content="\n".join(text for _, text in found)) if found else part


def unit(path: Path) -> Path | None:
    return next((path.parent / name for name in (HISTORY, SHOWN) if (path.parent / name).is_file()), path)


def split(format: str, path: Path, data: bytes, value: list[Any]) -> Iterator[Conversation]:
    """The task, for the format of the family whose it is."""
    shown = data if is_shown(value) else _read(path.parent / SHOWN)
    found = [] if is_shown(value) else [Found(text, _time(message)) for text, message in zip(element_texts(data), value, strict=True)]
    messages = lenient_value(shown) if shown.strip() else None
    if isinstance(messages, list) and is_shown(messages):
        times = list(zip(element_texts(shown), map(_time, messages), strict=True))
        first = next((time for _, time in times if time is not None), None)
        if found and all(each.time is None for each in found):
            found[0].time = first
        found += [Found(text, time) for text, time in times]
    about = [each for name in _ABOUT for each in beside(path.parent / name)]
    name = path.absolute().parent.name
    caller = text_of(_item(about).get("parentTaskId"))
    parent = Parent(session_id=session_id_of(format, caller), relation="subagent") if caller and caller != name else None
    yield Conversation(Place(session_id_of(format, name), (name,), parent), [*about, *found])


def files(records: list[bytes]) -> list[tuple[str, bytes]]:
    """The files of the task's folder."""
    others = dict(found for record in records if (found := named(record)) is not None)
    own = [(record, mapping_of(lenient_value(record))) for record in records if named(record) is None]
    history = [record for record, value in own if "role" in value]
    shown = [record for record, value in own if "role" not in value]
    lists = ((HISTORY, history), (SHOWN, shown))
    return [*((name, b"[" + b",".join(each) + b"]") for name, each in lists if each), *others.items()]


def _item(about: list[Found]) -> dict[str, Any]:
    records = (mapping_of(lenient_value(each.text)) for each in about)
    return next((mapping_of(record.get("value")) for record in records if record.get("file") == _ABOUT[0]), {})


def _time(message: Any) -> datetime | None:
    return time_of(mapping_of(message).get("ts"))


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


class TaskMeaning(ListedMeaning):
    def __init__(self, format: str, place: Place) -> None:
        self.NAME = format
        super().__init__(place)
        self._has_history = False
        self._open: list[str] = []
        self._unnamed: list[UsageRecorded] = []  # tokens of a model that is not known yet
        self._condensed: dict[str, list[str]] = {}  # the messages that a summary or a truncation took out, by its id
        self._stood_for: set[str] = set()

    def events(self, source: Source) -> list[Event]:
        record = source.record
        if not isinstance(record, dict):
            return []
        if "file" in record:
            return self._about(mapping_of(record.get("value")))
        if "role" in record:
            self._has_history = True
            return self._told(record, source.name)
        return self._shown(record, source.name)

    def _about(self, item: dict[str, Any]) -> list[Event]:
        return self.facts.update(
            cwd=text_of(item.get("workspace")) or text_of(item.get("cwdOnTaskInitialization")), mode=text_of(item.get("mode"))
        )

    def _told(self, record: Message, name: str) -> list[Event]:
        own = text_of(record.get("condenseId")) or text_of(record.get("truncationId"))
        events: list[Event] = []
        if record.get("isSummary") is True:
            said = [
                part.content for part in anthropic.parts(record.get("content")) if part.type == "text" and isinstance(part.content, str)
            ]
            events.append(ContextCompacted(summary="\n".join(said) or None))
            events += self.tell(name, Spoken(role="system", parts=anthropic.parts(record.get("content"))))
        elif record.get("isTruncationMarker") is not True:
            events += self._answer(record, name) if record["role"] == "assistant" else self._turn(record, name)
        for field in _CONTROL:
            above = text_of(record.get(field))
            if above is not None:
                self._condensed.setdefault(above, []).append(name)
        if own is not None and (record.get("isSummary") is True or record.get("isTruncationMarker") is True):
            self._stood_for.add(own)
        for above in self._stood_for & set(self._condensed):
            for each in self._condensed[above]:
                events += [event for id in self._ids_under(each) for event in self.said.hide(id, True)]
        return events

    def _ids_under(self, name: str) -> list[str]:
        return [id for id in self.said.ids if id == name or id.startswith(f"{name}-")]

    # --- what the model got ----------------------------------------------------------------------------------------------------------

    def _answer(self, record: Message, name: str) -> list[Event]:
        parts: list[Part] = []
        for part in anthropic.parts(record.get("content")):
            found = list(_CALL.finditer(part.content)) if part.type == "text" and isinstance(part.content, str) else []
            parts.append(part)
            for call in found:
                arguments = {field[1]: field[2].strip() for field in _FIELD.finditer(call[2])}
                parts.append(Part(type="tool_call", id=f"{name}-{len(parts)}", name=call[1], arguments=arguments))
        self._open = [part.id for part in parts if part.type == "tool_call" and isinstance(part.id, str)]
        model = text_of(mapping_of(record.get("modelInfo")).get("modelId"))
        provider = mapping_of(record.get("modelInfo")).get("providerId")
        events = self.facts.uses(model, provider) + self.tell(name, Spoken(role="assistant", parts=parts), model=model)
        if self.facts.model is not None:
            for usage in self._unnamed:
                events += self.said.usage(msgspec.structs.replace(usage, model=self.facts.model))
            self._unnamed = []
        return events

    def _turn(self, record: Message, name: str) -> list[Event]:
        said: dict[str, list[Part]] = {"tool": [], "system": [], "user": []}
        content = record.get("content")
        blocks = content if isinstance(content, list) else [{"type": "text", "text": content}]
        for block in blocks:
            part = anthropic.part(block)
            text = part.content if part.type == "text" and isinstance(part.content, str) else None
            result = _RESULT.match(text) if text else None
            if part.type == "tool_call_response":
                self._open = [id for id in self._open if id != part.id]
                said["tool"].append(part)
            elif result is not None:
                if self._open:
                    said["tool"].append(Part(type="tool_call_response", id=self._open.pop(0), response=result[2]))
                else:
                    said["system"].append(part)
            elif text is not None and (person := list(_PERSON.finditer(text))):
                said["user"] += [Part(type="text", content=each[2]) for each in person]
            else:
                role = "system" if is_injected(part) or (text is not None and said["tool"]) else "user"
                said[role].append(part)
        return [event for role, parts in said.items() if parts for event in self.tell(f"{name}-{role}", Spoken(role=role, parts=parts))]

    # --- what was shown ------------------------------------------------------------------------------------------------------------

    def _shown(self, record: Message, name: str) -> list[Event]:
        what, text = text_of(record.get("say")) or text_of(record.get("ask")) or "", text_of(record.get("text"))
        name = f"shown-{record.get('ts')}" if isinstance(record.get("ts"), int) else name
        if what == "api_req_started":
            return self._usage(mapping_of(arguments_of(text)), name)
        if self._has_history or record.get("partial") is True or not text:
            return []
        if what in ("task", "user_feedback"):
            return self.tell_text(name, "user", text)
        return self.tell_text(name, "assistant", text) if what in ("text", "completion_result") and record.get("type") == "say" else []

    def _usage(self, stated: dict[str, Any], name: str) -> list[Event]:
        amount = amount_of(stated.get("cost"))
        usage = UsageRecorded(
            message_id=name,
            model=self.facts.model,
            input_tokens=count_of(stated.get("tokensIn")),
            output_tokens=count_of(stated.get("tokensOut")),
            cache_read_tokens=count_of(stated.get("cacheReads")),
            cache_write_tokens=count_of(stated.get("cacheWrites")),
            cost=Cost(amount=amount) if amount else None,
        )
        if usage.model is None:
            self._unnamed = [each for each in self._unnamed if each.message_id != name] + [usage]
        return self.said.usage(usage)


def is_document(value: Any) -> bool:
    return bool(list_of(value)) and (is_shown(value) or is_history(value))
