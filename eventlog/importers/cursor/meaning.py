"""What a record of Cursor means: a row of the app's database or of the command line's, or a line of a transcript.

- A message of the app (a bubble) is of type 1 (the user's) or 2. One of type 2 is a text, a thought or a call with its result; only a text
  makes a message of the assistant. ``tokenCount`` is mostly 0.
- What is in no header is on a branch that was left: outside the model's context.
- The command line puts what a person wrote into ``<user_query>``; what stands around it is injected.
"""

from __future__ import annotations

import base64
import re
from typing import Any

import msgspec

from eventlog.events import Cost, Event, Part, SessionStarted, SourceRecord, ToolCalled, ToolReturned, UsageRecorded
from eventlog.shapes import anthropic
from eventlog.stored import StoredEvent

from ..facts import Facts
from ..intake import Place, Source
from ..records import lenient_value
from ..said import Said
from ..values import amount_of, arguments_of, count_of, list_of, mapping_of, text_of

NAME = "cursor"
_QUERY = re.compile(r"<user_query>\s*(.*?)\s*</user_query>", re.DOTALL)
_ENDED = frozenset(("completed", "error", "cancelled", "success", "failed", "rejected"))
_FAILED = frozenset(("error", "cancelled", "failed", "rejected"))


class CursorMeaning:
    def __init__(self, place: Place) -> None:
        self._facts = Facts(NAME, place, kind="agent")
        self._said = Said()
        self._called: set[str] = set()
        self._thoughts: set[str] = set()
        self._path: set[str] | None = None
        self._is_of_app = False
        self._open: list[str] = []  # calls of a transcript
        self._copied: list[str] = []  # the messages of a transcript

    def observe(self, stored: StoredEvent) -> None:
        self._facts.observe(stored)

    def start(self) -> SessionStarted:
        return self._facts.start()

    def events(self, source: Source) -> list[Event]:
        record = source.record
        if not isinstance(record, dict):
            return []
        row = mapping_of(record.get("row"))
        table = record.get("table")
        if table == "cursorDiskKV":
            return self._of_app(text_of(row.get("key")) or "", mapping_of(value_of(row.get("value"))))
        if table == "meta":
            return self._about(row.get("value"))
        if table == "blobs":
            return self._blob(text_of(row.get("id")) or source.name, value_of(row.get("data")))
        if "file" in record:
            return self._facts.update(title=mapping_of(record.get("value")).get("title"))
        return self._line(record, source.name)

    # --- the app -------------------------------------------------------------------------------------------------------------------

    def _of_app(self, key: str, value: dict[str, Any]) -> list[Event]:
        kind, _, rest = key.partition(":")
        events = self._said.retract(self._copied, "the database has it, too") if not self._is_of_app else []
        self._is_of_app = True
        if kind == "composerData":
            return events + self._conversation(value)
        return events + self._bubble(rest.rpartition(":")[2], value)

    def _conversation(self, data: dict[str, Any]) -> list[Event]:
        headers = [text_of(mapping_of(each).get("bubbleId")) for each in list_of(data.get("fullConversationHeadersOnly"))]
        self._path = {each for each in headers if each is not None} or None
        events = self._facts.update(title=data.get("name"))
        model = text_of(mapping_of(data.get("modelConfig")).get("modelName"))
        events += self._facts.uses(None if model == "default" else model)
        events += self._facts.in_mode(data.get("unifiedMode"))
        for message_id in self._said.ids:
            if message_id not in self._thoughts:
                events += self._said.hide(message_id, self._is_aside(message_id))
        for number, bubble in enumerate(list_of(data.get("conversation"))):
            events += self._bubble(text_of(mapping_of(bubble).get("bubbleId")) or f"bubble-{number}", mapping_of(bubble))
        for name, used in mapping_of(data.get("usageData")).items():
            cents = amount_of(mapping_of(used).get("costInCents"))
            if cents:
                told = UsageRecorded(message_id=f"{NAME}-total-{name}", model=name, cost=Cost(amount=cents / 100))
                events += self._said.usage(told)
        return events

    def _is_aside(self, message_id: str) -> bool:
        return self._path is not None and message_id not in self._path

    def _bubble(self, name: str, bubble: dict[str, Any]) -> list[Event]:
        is_answer = bubble.get("type") == 2
        text = text_of(bubble.get("text")) or _plain(bubble.get("richText"))
        model = text_of(mapping_of(bubble.get("modelInfo")).get("modelName"))
        model = None if model == "default" else model
        events = self._facts.uses(model) if is_answer else []
        thought = text_of(mapping_of(bubble.get("thinking")).get("text"))
        if thought and is_answer:
            told = [Part(type="reasoning", content=thought)]
            self._thoughts.add(f"{name}-thinking")
            events += self._said.message(f"{name}-thinking", "reasoning", told, model=model, hidden=True)
        parts = [Part(type="text", content=text)] if text else []
        parts += [Part(type="uri", uri=image, modality="image") for image in _images(bubble)]
        if parts or name in self._said:
            role = "assistant" if is_answer else "user"
            events += self._said.message(name, role, parts, model=model if is_answer else None, hidden=self._is_aside(name))
        events += self._tool(mapping_of(bubble.get("toolFormerData")), name)
        return events + self._tokens(mapping_of(bubble.get("tokenCount")), name, model)

    def _tool(self, tool: dict[str, Any], name: str) -> list[Event]:
        called = text_of(tool.get("name")) or (tool["tool"] if isinstance(tool.get("tool"), str) else None)
        if not called:
            return []
        call_id = text_of(tool.get("toolCallId")) or f"{name}-call"
        given = tool.get("rawArgs") if tool.get("rawArgs") not in (None, "", "{}") else tool.get("params")
        events: list[Event] = []
        if call_id not in self._called:
            self._called.add(call_id)
            events.append(ToolCalled(name=called, arguments=arguments_of(given), call_id=call_id))
        status = text_of(tool.get("status"))
        if status in _ENDED or (status is None and tool.get("result") is not None):
            output = tool.get("result") if tool.get("result") is not None else tool.get("error")
            failed = status in _FAILED or mapping_of(tool.get("additionalData")).get("status") == "error"
            events += self._said.returned(ToolReturned(call_id=call_id, name=called, output=output, is_error=failed))
        return events

    def _tokens(self, tokens: dict[str, Any], name: str, model: str | None) -> list[Event]:
        given, made = count_of(tokens.get("inputTokens")), count_of(tokens.get("outputTokens"))
        return self._said.usage(UsageRecorded(message_id=name, model=model, input_tokens=given, output_tokens=made))

    # --- the command line ------------------------------------------------------------------------------------------------------------

    def _about(self, value: Any) -> list[Event]:
        stated = about_of(value)
        return self._facts.update(title=stated.get("name"), cwd=text_of(stated.get("cwd"))) + self._facts.uses(stated.get("lastUsedModel"))

    def _blob(self, name: str, value: Any) -> list[Event]:
        message = mapping_of(value)
        role = text_of(message.get("role"))
        if role is None:
            return [SourceRecord(kind="blob")]
        content = message.get("content")
        items = list_of(content) if isinstance(content, list) else [{"type": "text", "text": content}]
        if role == "user":
            return self._asked(name, [_of_sdk(mapping_of(item)) for item in items])
        parts = [_of_sdk(mapping_of(item)) for item in items if item is not None]
        return self._said.message(name, role, parts, model=self._facts.model if role == "assistant" else None)

    def _asked(self, name: str, parts: list[Part]) -> list[Event]:
        """What a person wrote, and what stands around it."""
        texts = [part.content for part in parts if part.type == "text" and isinstance(part.content, str)]
        others = [part for part in parts if part.type != "text"]
        whole = "\n".join(texts)
        written = "\n".join(_QUERY.findall(whole))
        around = _QUERY.sub("", whole).strip()
        if not written and not around.startswith("<"):
            written, around = around, ""
        events = []
        if around:
            events += self._said.message(f"{name}-around", "system", [Part(type="text", content=around)])
        if written or others:
            events += self._said.message(name, "user", [*([Part(type="text", content=written)] if written else []), *others])
        return events

    # --- transcripts -----------------------------------------------------------------------------------------------------------------

    def _line(self, record: dict[str, Any], name: str) -> list[Event]:
        role = text_of(record.get("role"))
        if role is None or self._is_of_app:
            return [SourceRecord(kind=text_of(record.get("type")) or "line", note="what the database has told" if role else None)]
        parts: list[Part] = []
        results: list[Part] = []
        for number, block in enumerate(list_of(mapping_of(record.get("message")).get("content"))):
            fields = mapping_of(block)
            if fields.get("type") == "tool_use":
                fields = {**fields, "id": text_of(fields.get("id")) or f"{name}-{number}"}
                self._open.append(fields["id"])
            elif fields.get("type") == "tool_result" and self._open:  # calls mostly have no id: then they are answered in their order
                answered = text_of(fields.get("tool_use_id")) or ""
                fields = {**fields, "tool_use_id": self._open.pop(self._open.index(answered) if answered in self._open else 0)}
            part = anthropic.part(fields)
            (results if part.type == "tool_call_response" else parts).append(part)
        events: list[Event] = []
        if results:
            events += self._told(f"{name}-results", "tool", results)
        if parts and role == "user":
            before = set(self._said.ids)
            events += self._asked(name, parts)
            self._copied += [each for each in self._said.ids if each not in before]
        elif parts:
            events += self._told(name, role, parts)
        return events

    def _told(self, name: str, role: str, parts: list[Part]) -> list[Event]:
        self._copied.append(name)
        return self._said.message(name, role, parts)


def value_of(stored: Any) -> Any:
    """The JSON of a value in a row: a text, a blob, or a blob as a record has it."""
    encoded = mapping_of(stored).get("base64")
    data = base64.b64decode(encoded) if isinstance(encoded, str) else stored
    if isinstance(data, str):
        data = data.encode("utf-8", "surrogateescape")
    return lenient_value(data) if isinstance(data, bytes) else msgspec.UNSET


def about_of(value: Any) -> dict[str, Any]:
    """What a row of ``meta`` says, which is JSON, mostly written in hexadecimal digits."""
    encoded = mapping_of(value).get("base64")
    data = base64.b64decode(encoded).decode(errors="replace") if isinstance(encoded, str) else value
    if isinstance(data, bytes):
        data = data.decode(errors="replace")
    try:
        return mapping_of(lenient_value(bytes.fromhex(data))) if isinstance(data, str) else {}
    except ValueError:
        return mapping_of(value_of(data))


def _of_sdk(item: dict[str, Any]) -> Part:
    """A part of a message as the command line keeps it."""
    kind = item.get("type")
    if kind == "text":
        return Part(type="text", content=text_of(item.get("text")) or "")
    if kind == "reasoning":
        return Part(type="reasoning", content=text_of(item.get("text")) or "")
    if kind == "redacted-reasoning":
        return Part(type="reasoning", content="")
    if kind == "tool-call":
        name = text_of(item.get("toolName")) or text_of(item.get("name")) or "unknown"
        given = item.get("args", item.get("input"))
        return Part(type="tool_call", id=text_of(item.get("toolCallId")), name=name, arguments=arguments_of(given))
    if kind == "tool-result":
        failed = True if item.get("isError") is True else msgspec.UNSET
        output = item.get("result", item.get("output"))
        return Part(type="tool_call_response", id=text_of(item.get("toolCallId")), response=output, is_error=failed)
    return anthropic.part(item)


def _images(bubble: dict[str, Any]) -> list[str]:
    stated = [*list_of(bubble.get("images")), *list_of(mapping_of(bubble.get("context")).get("selectedImages"))]
    found = (text_of(mapping_of(each).get("path")) or text_of(mapping_of(each).get("url")) for each in stated)
    return [each for each in found if each]


def _plain(rich: Any) -> str | None:
    """The text in a ``richText``: JSON of an editor, whose leaves have it."""
    tree = mapping_of(lenient_value(rich.encode("utf-8", "replace"))) if isinstance(rich, str) else {}
    found: list[str] = []
    waiting: list[Any] = [tree.get("root")]
    while waiting:
        node = mapping_of(waiting.pop(0))
        if isinstance(node.get("text"), str):
            found.append(node["text"])
        waiting[:0] = list_of(node.get("children"))
    return "".join(found) or None
