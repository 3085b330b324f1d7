"""Copilot CLI: ``~/.copilot/session-state/<id>/events.jsonl`` since 1.0, before that ``<id>.jsonl``, and a JSON document with
``chatMessages``.

A line is ``{type, data, id, timestamp, parentId}``. What misleads:

- ``output_tokens`` stand at each message; all other tokens only in ``session.shutdown`` (``modelMetrics``, ``inputTokens`` with the
  cache), which counts over all runs of a resumed session until a compaction: the last one counts, and nothing does after a crash.
- A tool request stands in the assistant's message and again as ``tool.execution_start``. A ``user.message`` without content is the tool's.
- The document has OpenAI's messages; an assistant's that calls tools has no ``content`` at all.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from eventlog.events import ErrorLogged, Event, Part, SessionStarted, SourceRecord, ToolCalled, ToolReturned, UsageRecorded
from eventlog.ids import session_id_of
from eventlog.shapes import openai_chat
from eventlog.stored import StoredEvent

from .declaration import Conversation, Documents, Format, Found, Lines, Location
from .facts import Facts
from .intake import Place, Source
from .records import Record, element_texts, lenient_value, load, without
from .said import Said
from .values import arguments_of, count_of, list_of, mapping_of, text_of, time_of

NAME = "copilot-cli"
_COUNTED = ("inputTokens", "outputTokens", "cacheReadTokens", "cacheWriteTokens", "reasoningTokens")
_FAMILIES = ("session.", "user.", "assistant.", "tool.", "system.", "hook.", "subagent.", "skill.", "permission.", "external_tool.")


class Head(msgspec.Struct, gc=False):
    """The fields of a line that date and place it."""

    type: Any = None
    timestamp: Any = None


def _is_record(record: dict[str, Any]) -> bool:
    kind = text_of(record.get("type")) or ""
    return (kind.startswith(_FAMILIES) or kind == "abort") and isinstance(record.get("data"), dict) and "timestamp" in record


def _session(path: Path, records: list[Record[Head]], last: bool) -> Place | None:
    for record in records:
        if record.head is not None and record.head.type in ("session.start", "session.resume"):
            name = text_of(mapping_of(load(record.text)[0].get("data")).get("sessionId"))
            if name:
                return Place(session_id_of(NAME, name), (name,))
    if not last:
        return None
    name = path.parent.name if path.stem == "events" else path.stem
    return Place(session_id_of(NAME, name), (name,))


def _time(head: Head) -> datetime | None:
    return time_of(head.timestamp)


def _is_document(value: Any) -> bool:
    return isinstance(value, dict) and isinstance(value.get("chatMessages"), list) and isinstance(value.get("sessionId"), str)


def _split(path: Path, data: bytes, value: dict[str, Any]) -> Iterator[Conversation]:
    began = time_of(value.get("startTime"))
    rest = Found(without(data, "chatMessages", b"[]"), began)
    messages = [Found(text) for text in element_texts(data, "chatMessages")]
    name = value["sessionId"]
    yield Conversation(Place(session_id_of(NAME, name), (name,)), [rest, *messages])


def _join(records: list[bytes]) -> bytes | None:
    """The document of the older kind; None where the records are lines."""
    values = [(record, mapping_of(lenient_value(record))) for record in records]
    rest = next((record for record, value in reversed(values) if isinstance(value.get("chatMessages"), list)), None)
    if rest is None:
        return None
    texts = [record for record, value in values if "chatMessages" not in value]
    return without(rest, "chatMessages", b"[" + b",".join(texts) + b"]")


class CopilotMeaning:
    def __init__(self, place: Place) -> None:
        self._facts = Facts(NAME, place, kind="agent", provider="github")
        self._said = Said()
        self._called: set[str] = set()
        self._started: dict[str, datetime | None] = {}
        self._model_of: dict[str, str | None] = {}
        self._last: dict[str, list[int]] = {}
        self._before: dict[str, list[int]] = {}
        self._answers: dict[str, int] = {}  # output tokens by message, while only these are known

    def observe(self, stored: StoredEvent) -> None:
        self._facts.observe(stored)

    def start(self) -> SessionStarted:
        return self._facts.start()

    def events(self, source: Source) -> list[Event]:
        record = source.record
        if not isinstance(record, dict):
            return []
        if "chatMessages" in record:
            return self._facts.update(cwd=text_of(record.get("cwd"))) + self._facts.uses(record.get("selectedModel"))
        if "role" in record and "data" not in record:
            return self._chat(record, source)
        kind, data = text_of(record.get("type")) or "", mapping_of(record.get("data"))
        handler = _HANDLERS.get(kind)
        if handler is None:
            return []
        return handler(self, data, record, text_of(record.get("id")) or source.name)

    # --- the session -------------------------------------------------------------------------------------------------------------

    def _began(self, data: dict[str, Any], record: dict[str, Any], id: str) -> list[Event]:
        context = mapping_of(data.get("context"))
        events = self._facts.update(
            cwd=text_of(context.get("cwd")),
            git_branch=text_of(context.get("branch")),
            git_commit=text_of(context.get("headCommit")),
            repository=text_of(context.get("repository")),
            version=text_of(data.get("copilotVersion")),
            originator=text_of(data.get("producer")),
        )
        return events + self._facts.uses(data.get("selectedModel"))

    def _changed_model(self, data: dict[str, Any], record: dict[str, Any], id: str) -> list[Event]:
        return self._facts.update(settings={"effort": data.get("reasoningEffort")}) + self._facts.uses(data.get("newModel"))

    def _changed_mode(self, data: dict[str, Any], record: dict[str, Any], id: str) -> list[Event]:
        return self._facts.in_mode(data.get("newMode"))

    def _titled(self, data: dict[str, Any], record: dict[str, Any], id: str) -> list[Event]:
        return self._facts.update(title=data.get("title", data.get("name")))

    def _failed(self, data: dict[str, Any], record: dict[str, Any], id: str) -> list[Event]:
        return [ErrorLogged(message=text_of(data.get("message")) or "an error", kind=text_of(data.get("errorType")), details=data)]

    def _shut_down(self, data: dict[str, Any], record: dict[str, Any], id: str) -> list[Event]:
        """The tokens of each model over all of the session: they replace what stood at the messages."""
        metrics = mapping_of(data.get("modelMetrics"))
        if not metrics:
            return []
        events: list[Event] = [UsageRecorded(message_id=each, model=self._model_of.get(each)) for each in self._answers]
        self._answers = {}
        for model, metric in metrics.items():
            usage = mapping_of(mapping_of(metric).get("usage"))
            total = self._counted(model, [count_of(usage.get(name)) for name in _COUNTED])
            events += self._said.usage(
                UsageRecorded(
                    message_id=f"all of {model}",
                    model=model,
                    input_tokens=max(0, total[0] - total[2] - total[3]),
                    output_tokens=total[1],
                    cache_read_tokens=total[2],
                    cache_write_tokens=total[3],
                    reasoning_tokens=total[4],
                )
            )
        return events

    def _counted(self, model: str, now: list[int]) -> list[int]:
        """A model's tokens over all runs: where they are fewer than before, the tool has begun to count anew."""
        last = self._last.get(model, [0] * len(now))
        if any(one < other for one, other in zip(now, last, strict=True)):
            before = self._before.get(model, [0] * len(now))
            self._before[model] = [one + other for one, other in zip(before, last, strict=True)]
        self._last[model] = now
        return [one + other for one, other in zip(now, self._before.get(model, [0] * len(now)), strict=True)]

    # --- messages ----------------------------------------------------------------------------------------------------------------

    def _system(self, data: dict[str, Any], record: dict[str, Any], id: str) -> list[Event]:
        return self._said.message(id, "system", _text(data.get("content")))

    def _user(self, data: dict[str, Any], record: dict[str, Any], id: str) -> list[Event]:
        content, sent = text_of(data.get("content")), text_of(data.get("transformedContent"))
        if not content:
            return self._said.message(id, "system", _text(sent)) if sent else []
        parts = _text(content)
        for file in list_of(data.get("attachments")):
            path = text_of(mapping_of(file).get("path")) or text_of(mapping_of(file).get("displayName"))
            parts += [Part(type="file", file_id=path)] if path else []
        return self._said.message(id, "user", parts)

    def _answered(self, data: dict[str, Any], record: dict[str, Any], id: str) -> list[Event]:
        message_id = text_of(data.get("messageId")) or id
        parts = [Part(type="reasoning", content=data["reasoningText"])] if text_of(data.get("reasoningText")) else []
        parts += _text(data.get("content"))
        for request in list_of(data.get("toolRequests")):
            fields = mapping_of(request)
            call_id = text_of(fields.get("toolCallId"))
            self._called.add(call_id or "")
            arguments = arguments_of(fields.get("arguments"))
            parts.append(Part(type="tool_call", id=call_id, name=text_of(fields.get("name")) or "unknown", arguments=arguments))
        model = text_of(data.get("model")) or self._facts.model
        events = self._facts.uses(text_of(data.get("model")))
        events += self._said.message(message_id, "assistant", parts, model=model)
        output = count_of(data.get("outputTokens"))
        if output:
            self._answers[message_id], self._model_of[message_id] = output, model
            events.append(UsageRecorded(message_id=message_id, model=model, output_tokens=output))
        return events

    def _reasoned(self, data: dict[str, Any], record: dict[str, Any], id: str) -> list[Event]:
        text = text_of(data.get("content")) or text_of(data.get("reasoningText"))
        return self._said.message(id, "reasoning", [Part(type="reasoning", content=text)], hidden=True) if text else []

    # --- tools -------------------------------------------------------------------------------------------------------------------

    def _tool_started(self, data: dict[str, Any], record: dict[str, Any], id: str) -> list[Event]:
        call_id = text_of(data.get("toolCallId")) or id
        self._started[call_id] = time_of(record.get("timestamp"))
        if call_id in self._called:
            return [SourceRecord(kind="tool.execution_start")]
        self._called.add(call_id)
        return [ToolCalled(name=text_of(data.get("toolName")) or "unknown", arguments=arguments_of(data.get("arguments")), call_id=call_id)]

    def _tool_ended(self, data: dict[str, Any], record: dict[str, Any], id: str) -> list[Event]:
        call_id = text_of(data.get("toolCallId")) or id
        began, ended = self._started.pop(call_id, None), time_of(record.get("timestamp"))
        result, error = data.get("result"), data.get("error")
        output = mapping_of(result).get("content", result) if result is not None else mapping_of(error).get("message", error)
        return self._said.returned(
            ToolReturned(
                call_id=call_id,
                output=output,
                is_error=data.get("success") is False,
                duration_ms=(ended - began).total_seconds() * 1000 if began and ended and ended >= began else None,
            )
        )

    # --- the former document -----------------------------------------------------------------------------------------------------

    def _chat(self, record: dict[str, Any], source: Source) -> list[Event]:
        """A message in OpenAI's shape."""
        role = text_of(record.get("role")) or "user"
        if role == "tool":
            call_id = text_of(record.get("tool_call_id"))
            return self._said.returned(ToolReturned(call_id=call_id, output=record.get("content")), f"{call_id} {source.occurrence}")
        content = record.get("content")
        parts = _text(content) if isinstance(content, str) else [openai_chat.part(item) for item in list_of(content)]
        parts += [openai_chat.call(call) for call in list_of(record.get("tool_calls")) if isinstance(call, dict)]
        return self._said.message(source.name, role, parts)


def _text(content: Any) -> list[Part]:
    return [Part(type="text", content=content)] if isinstance(content, str) and content else []


_HANDLERS = {
    "session.start": CopilotMeaning._began,
    "session.resume": CopilotMeaning._began,
    "session.model_change": CopilotMeaning._changed_model,
    "session.mode_changed": CopilotMeaning._changed_mode,
    "session.title_changed": CopilotMeaning._titled,
    "session.error": CopilotMeaning._failed,
    "session.shutdown": CopilotMeaning._shut_down,
    "system.message": CopilotMeaning._system,
    "system.notification": CopilotMeaning._system,
    "user.message": CopilotMeaning._user,
    "assistant.message": CopilotMeaning._answered,
    "assistant.reasoning": CopilotMeaning._reasoned,
    "tool.execution_start": CopilotMeaning._tool_started,
    "tool.execution_complete": CopilotMeaning._tool_ended,
}

FORMAT = Format(
    name=NAME,
    tool="Copilot CLI",
    meaning=CopilotMeaning,
    names=("*.jsonl", "*.json"),
    not_names=("workspace.json", "config.json"),
    locations=(Location("~/.copilot/session-state"), Location("~/.copilot/history-session-state")),
    lines=Lines(head=msgspec.json.Decoder(Head), is_record=_is_record, session=_session, time=_time),
    documents=Documents(_is_document, _split, join=_join),
)
