"""LangSmith: what its SDK sends, ``{"post":[run],"patch":[run]}``, and runs exported a line each. A trace is a session.

- A run is created, then patched with the same id: its outputs come with the patch, and may already be in the first.
- A run of type ``llm`` is an exchange with a model: its inputs are the conversation so far, its outputs the answer. Messages that earlier
  runs of the trace said already are not said again. A ``tool`` run is a call; ``chain`` s only group others.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from eventlog.events import ErrorLogged, Event, ToolCalled, ToolReturned
from eventlog.ids import session_id_of
from eventlog.shapes import openai_chat, telling

from .declaration import Conversation, Documents, Format, Found
from .intake import Place, Source
from .listed import ListedMeaning
from .provenance import fingerprint
from .records import element_texts, lenient_value, on_one_line
from .values import count_of, list_of, mapping_of, text_of, time_of

NAME = "langsmith"
_LISTS = ("post", "patch")


def _is_run(value: Any) -> bool:
    return isinstance(value, dict) and isinstance(value.get("trace_id"), str) and ("dotted_order" in value or "run_type" in value)


def _is_document(value: Any) -> bool:
    if isinstance(value, list):
        return any(map(_is_run, value[:10]))
    return _is_run(value) or (isinstance(value, dict) and any(_is_run(run) for name in _LISTS for run in list_of(value.get(name))))


def _split(path: Path, data: bytes, value: Any) -> Iterator[Conversation]:
    traces: dict[str, list[Found]] = {}
    for text, run in _runs(data, value):
        if not _is_run(run):
            yield Conversation(None, [Found(text, problem="a run that does not say of which trace it is")])
            continue
        time = time_of(run.get("start_time")) or time_of(run.get("end_time"))
        traces.setdefault(run["trace_id"], []).append(Found(text, time))
    for trace, found in traces.items():
        yield Conversation(Place(session_id_of(NAME, trace), (trace,)), found)


def _join(records: list[bytes]) -> bytes:
    """The runs as they are sent: one that comes again changes what was said of it."""
    known: set[str] = set()
    sent: dict[str, list[bytes]] = {"post": [], "patch": []}
    for record in records:
        run = str(mapping_of(lenient_value(record)).get("id"))
        sent["patch" if run in known else "post"].append(record)
        known.add(run)
    return b'{"post":[' + b",".join(sent["post"]) + b'],"patch":[' + b",".join(sent["patch"]) + b"]}"


def _runs(data: bytes, value: Any) -> Iterator[tuple[bytes, Any]]:
    if value is msgspec.UNSET:
        for line in data.split(b"\n"):
            if line.strip():
                each = lenient_value(line)
                yield from _runs(line, each) if each is not msgspec.UNSET else [(line, None)]
    elif isinstance(value, list):
        yield from zip(element_texts(data), value, strict=True)
    elif _is_run(value):
        yield on_one_line(data.strip()), value
    else:
        for name in _LISTS:
            if isinstance(value.get(name), list):
                yield from zip(element_texts(data, name), value[name], strict=True)


class LangSmithMeaning(ListedMeaning):
    NAME = NAME
    LIST = "runs"

    def __init__(self, place: Place) -> None:
        super().__init__(place)
        self._told: set[bytes] = set()
        self._called: set[str] = set()
        self._answered: set[str] = set()
        self._runs: dict[str, dict[str, Any]] = {}
        self._began: datetime | None = None

    def events(self, source: Source) -> list[Event]:
        record = source.record
        if not isinstance(record, dict):
            return []
        id = text_of(record.get("id")) or source.name
        known = self._runs.setdefault(id, {})
        known.update({name: value for name, value in record.items() if value not in (None, {}, [])})
        events = self._ran(known, id)
        if isinstance(record.get("error"), str) and record["error"]:
            events.append(ErrorLogged(message=record["error"], kind="error"))
        return events

    def _ran(self, run: dict[str, Any], id: str) -> list[Event]:
        kind, metadata = text_of(run.get("run_type")), mapping_of(mapping_of(run.get("extra")).get("metadata"))
        inputs, outputs = mapping_of(run.get("inputs")), mapping_of(run.get("outputs"))
        events: list[Event] = []
        if run.get("parent_run_id") is None and run.get("trace_id") == id:
            events += self.facts.update(title=run.get("name"), project=text_of(run.get("session_name")), thread=metadata.get("thread_id"))
        if kind == "tool":
            return events + self._tool(run, id, inputs, outputs)
        if kind != "llm":
            return events
        model = text_of(outputs.get("model")) or text_of(metadata.get("ls_model_name")) or text_of(inputs.get("model"))
        events += self.facts.uses(model, metadata.get("ls_provider"))
        given = inputs.get("messages", inputs.get("input"))
        events += self._asked([{"role": "user", "content": given}] if isinstance(given, str) else list_of(given), id)
        return events + (self._answer(outputs, id, model) if outputs else [])

    def _asked(self, messages: list[Any], id: str) -> list[Event]:
        events: list[Event] = []
        for number, message in enumerate(each for given in messages for each in (given if isinstance(given, list) else [given])):
            for spoken in telling.messages(_plain(message)) if isinstance(message, dict) else []:
                content = fingerprint(msgspec.json.encode([spoken.role, spoken.parts]))
                if content not in self._told:
                    self._told.add(content)
                    events += self.tell(f"{id}-{number}", spoken)
        return events

    def _answer(self, outputs: dict[str, Any], id: str, model: str | None) -> list[Event]:
        if id in self._answered:
            return []
        answer = telling.answer(outputs)
        choices = answer.choices if answer is not None else []
        generations = [each for each in list_of(outputs.get("generations")) for each in (each if isinstance(each, list) else [each])]
        if not choices:
            found = [mapping_of(each).get("message") for each in generations] or [outputs.get("message", outputs)]
            choices = [each for one in found if isinstance(one, dict) and _says(one) for each in telling.messages(_plain(one))]
        if not choices:
            return []
        self._answered.add(id)
        events: list[Event] = []
        for spoken in choices[:1]:
            self._told.add(fingerprint(msgspec.json.encode([spoken.role, spoken.parts])))
            events += self.tell(id, spoken, model=model)
        usage = answer.usage if answer is not None else openai_chat.usage(outputs.get("usage"))
        stated = mapping_of(outputs.get("usage_metadata"))
        if usage is None and stated:
            return events + self.total(
                model=model, input_tokens=count_of(stated.get("input_tokens")), output_tokens=count_of(stated.get("output_tokens"))
            )
        return events + ([] if usage is None else self.said.usage(msgspec.structs.replace(usage, message_id=id, model=model)))

    def _tool(self, run: dict[str, Any], id: str, inputs: dict[str, Any], outputs: dict[str, Any]) -> list[Event]:
        events: list[Event] = []
        if id not in self._called:
            self._called.add(id)
            events.append(ToolCalled(name=text_of(run.get("name")) or "unknown", arguments=inputs, call_id=id))
        if outputs or run.get("error"):
            start, end = time_of(run.get("start_time")), time_of(run.get("end_time"))
            duration = (end - start).total_seconds() * 1000 if start and end and end >= start else None
            failed = bool(run.get("error"))
            output = outputs.get("output", outputs) or run.get("error")
            events += self.said.returned(ToolReturned(call_id=id, output=output, is_error=failed, duration_ms=duration), id)
        return events


def _says(message: dict[str, Any]) -> bool:
    return "content" in message or "kwargs" in message or "role" in message


def _plain(message: dict[str, Any]) -> dict[str, Any]:
    """A message as its provider has it: LangChain's own have their fields in ``kwargs``, and a type in the place of a role."""
    fields = mapping_of(message.get("kwargs")) or mapping_of(message.get("data")) or message
    if "role" in fields:
        return fields
    named = text_of(fields.get("type")) or (text_of(next(reversed(list_of(message.get("id"))), None)) or "").removesuffix("Message").lower()
    role = {"human": "user", "ai": "assistant"}.get(named, named or "assistant")
    calls = [
        {"id": call.get("id"), "function": {"name": call.get("name"), "arguments": call.get("args")}}
        for call in map(mapping_of, list_of(fields.get("tool_calls")))
        if "args" in call
    ]
    return {
        **{name: value for name, value in fields.items() if name not in ("type", "tool_calls")},
        "role": role,
        **({"tool_calls": calls} if calls else {}),
    }


FORMAT = Format(
    name=NAME,
    tool="LangSmith (traces)",
    meaning=LangSmithMeaning,
    names=("*.json", "*.jsonl"),
    documents=Documents(_is_document, _split, each_line=True, join=_join),
)
