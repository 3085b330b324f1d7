"""Anthropic's managed agents: what a program saw of them, a line each: ``[method, payload]``, and the stream's events by themselves.

The creation of the session names it and its agent; what was sent comes again as an event of the stream. A call's id is the id of its event
(``agent.tool_use``, ``agent.mcp_tool_use``, ``agent.custom_tool_use``). Tokens stand in ``span.model_request_end``.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from eventlog.events import ErrorLogged, Event, Part, ToolReturned, UsageRecorded
from eventlog.ids import session_id_for, session_id_of
from eventlog.shapes import anthropic
from eventlog.shapes.exchange import Said as Spoken

from .declaration import Conversation, Documents, Format, Found
from .intake import Place, Source
from .listed import ListedMeaning
from .provenance import fingerprint
from .records import lenient_value
from .values import count_of, mapping_of, text_of, time_of

NAME = "managed-agents"
_METHOD = "client.beta.sessions"
_RESULTS = {"agent.tool_result": "tool_use_id", "agent.mcp_tool_result": "mcp_tool_use_id", "user.custom_tool_result": "custom_tool_use_id"}


def _is_line(value: Any) -> bool:
    if isinstance(value, list):
        return len(value) == 2 and isinstance(value[0], str) and value[0].startswith(_METHOD)
    kind = text_of(mapping_of(value).get("type")) or ""
    return (text_of(mapping_of(value).get("id")) or "").startswith("sevt_") and "." in kind


def _is_document(value: Any) -> bool:
    return _is_line(value) or (isinstance(value, list) and bool(value) and all(map(_is_line, value[:20])))


def _split(path: Path, data: bytes, value: Any) -> Iterator[Conversation]:
    found: list[Found] = []
    name: str | None = None
    for number, line in enumerate(data.split(b"\n"), 1):
        if not line.strip():
            continue
        each = lenient_value(line)
        payload = each[1] if isinstance(each, list) and len(each) == 2 else each
        if isinstance(each, list) and len(each) == 2:
            named = payload[0] if isinstance(payload, list) and payload else mapping_of(payload).get("id")
            name = name or (named if isinstance(named, str) and named.startswith("sesn_") else None)
        time = time_of(mapping_of(payload).get("processed_at")) or time_of(mapping_of(payload).get("created_at"))
        problem = "not JSON, or the file ends within it" if each is msgspec.UNSET else None
        found.append(Found(line.strip(), time, number, problem))
    name = name or next((text_of(mapping_of(mapping_of(lenient_value(each.text))).get("session_id")) for each in found), None)
    session_id = session_id_of(NAME, name) if name else session_id_for(NAME, fingerprint(found[0].text).hex())
    yield Conversation(Place(session_id, (name or session_id,)), found)


class ManagedAgentsMeaning(ListedMeaning):
    NAME = NAME
    PROVIDER = "anthropic"

    def events(self, source: Source) -> list[Event]:
        record = source.record
        payload = record[1] if isinstance(record, list) and len(record) == 2 else record
        if not isinstance(payload, dict):
            return []  # what was sent comes again in the stream
        kind, id = text_of(payload.get("type")) or "", text_of(payload.get("id")) or source.name
        if "agent" in payload and isinstance(payload["agent"], dict):
            return self._began(payload)
        if kind in ("user.message", "agent.message"):
            role = "user" if kind == "user.message" else "assistant"
            model = self.facts.model if role == "assistant" else None
            return self.tell(id, Spoken(role=role, parts=anthropic.parts(payload.get("content"))), model=model)
        if kind == "agent.thinking":
            said = payload.get("thinking", payload.get("content"))
            text = said if isinstance(said, str) else " ".join(str(part.content) for part in anthropic.parts(said) if part.content)
            return self.tell(id, Spoken(role="reasoning", parts=[Part(type="reasoning", content=text)]), hidden=True)
        if kind.endswith("tool_use"):
            return self.tell(id, Spoken(role="tool", parts=[self._call(id, payload)]))
        if kind in _RESULTS:
            call_id = text_of(payload.get(_RESULTS[kind])) or text_of(payload.get("tool_use_id"))
            output = anthropic.output(payload.get("content"))
            return self.said.returned(ToolReturned(call_id=call_id, output=output, is_error=payload.get("is_error") is True), id)
        if kind == "span.model_request_end":
            return self._usage(id, mapping_of(payload.get("model_usage")))
        if kind == "session.error":
            error = mapping_of(payload.get("error"))
            return [ErrorLogged(message=text_of(error.get("message")) or "an error", kind=text_of(error.get("type")), details=error)]
        return []

    def _began(self, payload: dict[str, Any]) -> list[Event]:
        agent = mapping_of(payload["agent"])
        model = agent.get("model")
        events = self.facts.uses(model.get("id") if isinstance(model, dict) else model)
        events += self.facts.update(title=payload.get("title"), agent=text_of(agent.get("name")), agent_id=text_of(agent.get("id")))
        system = text_of(agent.get("system"))
        return events + (self.tell_text("system", "system", system) if system else [])

    def _call(self, id: str, payload: dict[str, Any]) -> Part:
        name = text_of(payload.get("name")) or text_of(payload.get("tool_name")) or "unknown"
        return Part(type="tool_call", id=id, name=name, arguments=payload.get("input"))

    def _usage(self, id: str, usage: dict[str, Any]) -> list[Event]:
        return self.said.usage(
            UsageRecorded(
                message_id=id,
                model=self.facts.model,
                input_tokens=count_of(usage.get("input_tokens")),
                output_tokens=count_of(usage.get("output_tokens")),
                cache_read_tokens=count_of(usage.get("cache_read_input_tokens")),
                cache_write_tokens=count_of(usage.get("cache_creation_input_tokens")),
            )
        )


FORMAT = Format(
    name=NAME,
    tool="Anthropic's managed agents (recorded streams)",
    meaning=ManagedAgentsMeaning,
    names=("*.jsonl",),
    documents=Documents(_is_document, _split, each_line=True),
)
