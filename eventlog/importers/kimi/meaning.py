"""What a line of either Kimi means. Both tell an answer in pieces: the texts of a step are one message, its thoughts another; a call is a
record of its own, and no message.

- kimi-cli: ``{timestamp, message{type, payload}}``. Arguments of a call may follow in ``ToolCallPart``; tokens stand in ``StatusUpdate``.
- Kimi Code: what the user said is in ``context.append_message``, what the model did in ``context.append_loop_event``, tokens in
  ``usage.record``, the real model in ``llm.request``.
- A message whose origin is not the user was injected; so was one that is a reminder.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from eventlog.events import ContextCompacted, Event, Part, SessionStarted, SourceRecord, ToolCalled, ToolReturned, UsageRecorded
from eventlog.shapes import openai_chat
from eventlog.stored import StoredEvent

from ..facts import Facts
from ..intake import Place, Source
from ..records import lenient_value
from ..said import Said
from ..values import arguments_of, count_of, list_of, mapping_of, text_of

NAME = "kimi"
_INJECTED = re.compile(r"\s*<(system|system-reminder|system_reminder|notification|environment)\b")


class KimiMeaning:
    def __init__(self, place: Place) -> None:
        self._facts = Facts(NAME, place, kind="agent")
        self._said = Said()
        self._told: dict[str, tuple[str, str]] = {}  # of this step, by kind: the message that is being told, and its text so far
        self._begun: Part | None = None  # a call whose arguments are not whole yet

    def observe(self, stored: StoredEvent) -> None:
        self._facts.observe(stored)

    def start(self) -> SessionStarted:
        return self._facts.start()

    def events(self, source: Source) -> list[Event]:
        record = source.record
        if not isinstance(record, dict):
            return []
        if "file" in record and isinstance(record.get("value"), dict):
            state = record["value"]
            title = text_of(state.get("custom_title")) or text_of(state.get("title"))
            return self._facts.update(title=title, cwd=text_of(state.get("workDir")) or text_of(state.get("work_dir")))
        kind = text_of(record.get("type"))
        if kind is None:
            message = mapping_of(record.get("message"))
            kind = text_of(message.get("type")) or ""
            return self._old(kind, mapping_of(message.get("payload")), source) or [SourceRecord(kind=kind)]
        return self._new(kind, record, source) or [SourceRecord(kind=kind)]

    # --- kimi-cli --------------------------------------------------------------------------------------------------------------------

    def _old(self, kind: str, payload: dict[str, Any], source: Source) -> list[Event]:
        if kind in ("TurnBegin", "SteerInput"):
            return self._asked(source.name, _parts(payload.get("user_input")))
        if kind in ("StepBegin", "TurnEnd", "StepInterrupted"):
            return self._end()
        if kind == "ContentPart":
            return self._add(source.name, _part(payload))
        if kind == "ToolCall":
            return self._called(openai_chat.call(payload))
        if kind == "ToolCallPart":
            return self._more_arguments(text_of(payload.get("arguments_part")) or "")
        if kind == "ToolResult":
            value = mapping_of(payload.get("return_value")) or mapping_of(payload.get("result"))
            failed = value.get("is_error") is True
            output = _output(value.get("output"))
            told = output if output not in (None, "") else value.get("message")
            result = ToolReturned(call_id=text_of(payload.get("tool_call_id")), output=told, is_error=failed)
            return self._cut_off() + self._said.returned(result)
        if kind == "StatusUpdate":
            usage = mapping_of(payload.get("token_usage"))
            key = text_of(payload.get("message_id")) or source.name
            return self._tokens(usage, key, None) if usage else []
        if kind == "CompactionBegin":
            return [*self._end(), ContextCompacted()]
        return []

    def _more_arguments(self, text: str) -> list[Event]:
        """What follows of the last call's arguments: it is told when they are whole."""
        begun, self._begun = self._begun, None
        if begun is None:
            return []
        so_far = begun.arguments if isinstance(begun.arguments, str) else ""
        return self._called(msgspec.structs.replace(begun, arguments=arguments_of(so_far + text)))

    # --- Kimi Code -------------------------------------------------------------------------------------------------------------------

    def _new(self, kind: str, record: dict[str, Any], source: Source) -> list[Event]:
        if kind == "context.append_message":
            return self._appended(mapping_of(record.get("message")), source.name)
        if kind == "context.append_loop_event":
            return self._loop(mapping_of(record.get("event")), source.name)
        if kind == "usage.record":
            return self._tokens(mapping_of(record.get("usage")) or record, source.name, text_of(record.get("model")))
        if kind == "llm.request":
            return self._facts.uses(text_of(record.get("model")) or text_of(mapping_of(record.get("request")).get("model")))
        if kind == "config.update":
            return self._facts.update(cwd=text_of(record.get("cwd")))
        if kind == "context.apply_compaction":
            return [*self._end(), ContextCompacted(summary=text_of(record.get("summary")))]
        if kind == "context.clear":
            return self._end() + [event for each in self._said.ids for event in self._said.hide(each, True)]
        return []

    def _appended(self, message: dict[str, Any], name: str) -> list[Event]:
        role = text_of(message.get("role")) or "user"
        parts = _parts(message.get("content"))
        if role == "tool":
            told = ToolReturned(call_id=text_of(message.get("toolCallId")), output=_output(message.get("content")))
            return self._said.returned(told)
        if role == "user":
            origin = text_of(mapping_of(message.get("origin")).get("kind"))
            is_asked = origin in (None, "user") or mapping_of(message.get("origin")).get("name") == "subagent"
            return self._asked(name, parts, is_injected=not is_asked)
        calls = [_call(mapping_of(call)) for call in list_of(message.get("toolCalls"))]
        return self._end() + self._said.message(name, role, [*parts, *calls], model=self._facts.model if role == "assistant" else None)

    def _loop(self, event: dict[str, Any], name: str) -> list[Event]:
        kind = event.get("type")
        if kind in ("step.begin", "step.end"):
            return self._end()
        if kind == "content.part":
            return self._add(name, _part(event.get("part")))
        if kind == "tool.call":
            return self._called(_call(event))
        if kind == "tool.result":
            result = event.get("result")
            fields = mapping_of(result)
            output = _output(fields.get("output", fields.get("content", result if not fields else None)))
            failed = fields.get("isError") is True or fields.get("is_error") is True
            call_id = text_of(event.get("toolCallId")) or text_of(event.get("parentUuid"))
            return self._said.returned(ToolReturned(call_id=call_id, output=output, is_error=failed))
        return []

    # --- both ------------------------------------------------------------------------------------------------------------------------

    def _asked(self, name: str, parts: list[Part], *, is_injected: bool = False) -> list[Event]:
        first = next((part.content for part in parts if part.type == "text" and isinstance(part.content, str)), "")
        role = "system" if is_injected or _INJECTED.match(first) else "user"
        return self._end() + (self._said.message(name, role, parts) if parts else [])

    def _called(self, call: Part) -> list[Event]:
        """A call, unless more of its arguments is to come."""
        if isinstance(call.arguments, str) and lenient_value(call.arguments.encode("utf-8", "replace")) is msgspec.UNSET:
            self._begun = call
            return []
        id = call.id if isinstance(call.id, str) else None
        return [ToolCalled(name=call.name if isinstance(call.name, str) else "unknown", arguments=call.arguments, call_id=id)]

    def _add(self, name: str, part: Part) -> list[Event]:
        """A piece of the answer, or of what was thought."""
        role = "reasoning" if part.type == "reasoning" else "assistant"
        is_hidden = role == "reasoning"
        if not isinstance(part.content, str) or part.type not in ("text", "reasoning"):
            return self._said.message(name, role, [part], model=self._facts.model, hidden=is_hidden)
        message_id, before = self._told.get(role, (name, ""))
        self._told[role] = message_id, before + part.content
        told = Part(type=part.type, content=before + part.content)
        return self._said.message(message_id, role, [told], model=self._facts.model, hidden=is_hidden)

    def _end(self) -> list[Event]:
        """A step is over; a call that was cut off is told as far as it came."""
        self._told = {}
        return self._cut_off()

    def _cut_off(self) -> list[Event]:
        begun, self._begun = self._begun, None
        if begun is None:
            return []
        id = begun.id if isinstance(begun.id, str) else None
        return [ToolCalled(name=begun.name if isinstance(begun.name, str) else "unknown", arguments=begun.arguments, call_id=id)]

    def _tokens(self, usage: dict[str, Any], key: str, model: str | None) -> list[Event]:
        def count(*names: str) -> int:
            return next((count_of(usage.get(name)) for name in names if name in usage), 0)

        named = self._facts.uses(model) if self._facts.model is None else []  # this is an alias of the one that was asked
        return named + self._said.usage(
            UsageRecorded(
                message_id=key,
                model=self._facts.model,
                input_tokens=count("input_other", "inputOther"),
                output_tokens=count("output"),
                cache_read_tokens=count("input_cache_read", "inputCacheRead"),
                cache_write_tokens=count("input_cache_creation", "inputCacheCreation"),
            )
        )


def _parts(content: Any) -> list[Part]:
    if isinstance(content, str):
        return [Part(type="text", content=content)] if content else []
    return [_part(item) for item in list_of(content)]


def _part(item: Any) -> Part:
    fields = mapping_of(item)
    if fields.get("type") in ("think", "thinking"):
        return Part(type="reasoning", content=text_of(fields.get("think")) or text_of(fields.get("text")) or "")
    return openai_chat.part(item)


def _call(call: dict[str, Any]) -> Part:
    if "function" in call:
        return openai_chat.call(call)
    given = arguments_of(call.get("args", call.get("arguments")))
    call_id = text_of(call.get("toolCallId")) or text_of(call.get("id")) or text_of(call.get("uuid"))
    return Part(type="tool_call", id=call_id, name=text_of(call.get("name")) or "unknown", arguments=given)


def _output(output: Any) -> Any:
    """A tool's text, where it is nothing else."""
    if not isinstance(output, list):
        return output
    texts = [mapping_of(item).get("text") for item in output]
    return "".join(text for text in texts if isinstance(text, str)) if all(isinstance(text, str) for text in texts) else output
