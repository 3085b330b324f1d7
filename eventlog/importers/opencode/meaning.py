"""What a record of opencode means: a row of either generation, or a file of the time before there was a database.

- A message is put together of its own record and those of its parts, whenever one of them comes or changes.
- A tool's part is call and result in one; the result is told when it is there.
- Text that is ``synthetic`` or ``ignored`` is the tool's own: of a user's message it is a message of role ``system`` beside it.
- ``New session - <time>`` is a placeholder, no title. ``input`` excludes the cache; whether ``output`` includes the reasoning is told by
  ``total``, where that is there.
"""

from __future__ import annotations

import re
from typing import Any

from eventlog.events import ContextCompacted, Cost, ErrorLogged, Event, Part, SessionStarted, SourceRecord, ToolReturned, UsageRecorded
from eventlog.shapes import openai_chat
from eventlog.stored import StoredEvent

from ..facts import Facts
from ..intake import Place, Source
from ..said import Said
from ..values import amount_of, arguments_of, count_of, list_of, mapping_of, text_of, time_of

NAME = "opencode"
_PLACEHOLDER = re.compile(r"(New|Child) session - \d{4}-\d\d-\d\dT")


class OpencodeMeaning:
    def __init__(self, place: Place) -> None:
        self._facts = Facts(NAME, place, kind="agent")
        self._said = Said()
        self._messages: dict[str, dict[str, Any]] = {}
        self._parts: dict[str, dict[str, dict[str, Any]]] = {}  # by message, by part
        self._compactions: set[str] = set()
        self._errors: set[str] = set()

    def observe(self, stored: StoredEvent) -> None:
        self._facts.observe(stored)

    def start(self) -> SessionStarted:
        return self._facts.start()

    def events(self, source: Source) -> list[Event]:
        record = source.record
        if not isinstance(record, dict):
            return []
        if isinstance(record.get("row"), dict):
            return self._row(text_of(record.get("table")) or "", record["row"])
        if isinstance(record.get("value"), dict) and isinstance(record.get("file"), str):
            folders = record["file"].split("/")  # part/<message>/<id>.json
            return self._part(folders[1] if len(folders) > 2 else "", text_of(record["value"].get("id")) or source.name, record["value"])
        if isinstance(record.get("info"), dict):
            return self._exchanged(record["info"], record.get("parts"))
        if "role" in record:
            return self._message(text_of(record.get("id")) or source.name, record)
        if "type" in record:
            return self._part(text_of(record.get("messageID")) or "", text_of(record.get("id")) or source.name, record)
        return self._session(record, mapping_of(record.get("time")).get("archived"), record.get("revert"))

    def _exchanged(self, info: dict[str, Any], parts: Any) -> list[Event]:
        """What an exported document says: of the session, or of a message with its parts."""
        if not isinstance(parts, list):
            return self._session(info, mapping_of(info.get("time")).get("archived"), info.get("revert"))
        message_id = text_of(info.get("id")) or ""
        told: list[Event] = []
        for number, part in enumerate(each for each in parts if isinstance(each, dict)):
            told += self._part(message_id, text_of(part.get("id")) or f"{message_id}-{number}", part)
        return [event for event in told if not isinstance(event, SourceRecord)] + self._message(message_id, info)

    def _row(self, table: str, row: dict[str, Any]) -> list[Event]:
        if table in ("session", "session_v2"):
            return self._session(row, row.get("time_archived"), arguments_of(row.get("revert")))
        data = arguments_of(row.get("data"))
        if not isinstance(data, dict):
            return []
        id = text_of(row.get("id")) or ""
        if table == "message":
            return self._message(id, data)
        if table == "part":
            return self._part(text_of(row.get("message_id")) or "", id, data)
        return self._second(id, text_of(row.get("type")) or "", data)

    # --- the session -------------------------------------------------------------------------------------------------------------

    def _session(self, fields: dict[str, Any], archived: Any, revert: Any) -> list[Event]:
        title = text_of(fields.get("title"))
        events = self._facts.update(
            title=None if title and _PLACEHOLDER.match(title) else title,
            cwd=text_of(fields.get("directory")),
            version=text_of(fields.get("version")),
            project_id=text_of(fields.get("project_id")) or text_of(fields.get("projectID")),
            agent=text_of(fields.get("agent")),
        )
        events += self._facts.tag("archived", on=time_of(archived) is not None)
        left = text_of(mapping_of(revert).get("messageID"))
        for message_id in self._said.ids:
            events += self._said.hide(message_id, left is not None and message_id >= left)
        return events

    # --- messages and parts of the first generation --------------------------------------------------------------------------------

    def _message(self, message_id: str, info: dict[str, Any]) -> list[Event]:
        self._messages[message_id] = info
        events: list[Event] = []
        error = info.get("error")
        if isinstance(error, dict) and message_id not in self._errors:
            self._errors.add(message_id)
            said = text_of(mapping_of(error.get("data")).get("message")) or text_of(error.get("message")) or text_of(error.get("name"))
            events.append(ErrorLogged(message=said or "an error", kind=text_of(error.get("name")), details=error))
        return self._told(message_id) + events

    def _part(self, message_id: str, part_id: str, part: dict[str, Any]) -> list[Event]:
        self._parts.setdefault(message_id, {})[part_id] = part
        events: list[Event] = []
        if part.get("type") == "compaction" and part_id not in self._compactions:
            self._compactions.add(part_id)
            events.append(ContextCompacted(trigger="auto" if part.get("auto") is True else "manual"))
        if message_id in self._messages:
            events += self._told(message_id)
        return events or [SourceRecord(kind=f"part/{part.get('type')}")]

    def _told(self, message_id: str) -> list[Event]:
        """The message as it is now, with what is new of it: parts, results, tokens."""
        info = self._messages[message_id]
        role = text_of(info.get("role")) or "user"
        parts = self._parts.get(message_id, {})
        own = [made for part in parts.values() if not (role == "user" and _is_the_tools(part)) for made in _part_of(part)]
        injected = [made for part in parts.values() if role == "user" and _is_the_tools(part) for made in _part_of(part)]
        model = text_of(info.get("modelID")) or text_of(mapping_of(info.get("model")).get("modelID"))
        provider = text_of(info.get("providerID")) or text_of(mapping_of(info.get("model")).get("providerID"))
        is_answer = role == "assistant"
        events = self._facts.uses(model, provider) if is_answer else []
        events += self._facts.in_mode(info.get("mode") or info.get("agent")) if is_answer else []
        if own or not injected or message_id in self._said:
            events += self._said.message(message_id, role, own, model=model if is_answer else None, metadata=_finish(info))
        if injected:
            events += self._said.message(f"{message_id}-injected", "system", injected)
        for part_id, part in parts.items():
            if part.get("type") == "tool":
                result = _result(part, text_of(part.get("callID")) or part_id)
                events += [] if result is None else self._said.returned(result, part_id)
        return events + (self._tokens(message_id, info, list(parts.values()), model) if is_answer else [])

    def _tokens(self, message_id: str, info: dict[str, Any], parts: list[dict[str, Any]], model: str | None) -> list[Event]:
        steps = [part for part in parts if part.get("type") == "step-finish"]
        stated = [info] if isinstance(info.get("tokens"), dict) else steps
        recorded = [usage_of(each.get("tokens"), each.get("cost"), message_id, model) for each in stated]
        if not recorded:
            return []
        costs = [each.cost.amount for each in recorded if each.cost is not None]
        return self._said.usage(
            UsageRecorded(
                message_id=message_id,
                model=model,
                input_tokens=sum(each.input_tokens for each in recorded),
                output_tokens=sum(each.output_tokens for each in recorded),
                cache_read_tokens=sum(each.cache_read_tokens for each in recorded),
                cache_write_tokens=sum(each.cache_write_tokens for each in recorded),
                reasoning_tokens=sum(each.reasoning_tokens for each in recorded),
                cost=Cost(amount=sum(costs)) if costs else None,
            )
        )

    # --- the second generation -----------------------------------------------------------------------------------------------------

    def _second(self, message_id: str, kind: str, data: dict[str, Any]) -> list[Event]:
        model = mapping_of(data.get("model"))
        name, provider = text_of(model.get("id")) or text_of(model.get("modelID")), text_of(model.get("providerID"))
        if kind == "assistant":
            content = [mapping_of(item) for item in list_of(data.get("content"))]
            events = self._facts.uses(name, provider) + self._facts.in_mode(data.get("agent"))
            parts = [made for item in content for made in _part_of(item)]
            events += self._said.message(message_id, "assistant", parts, model=name, metadata=_finish(data))
            for index, item in enumerate(content):
                if item.get("type") == "tool":
                    key = _call_id(item) or f"{message_id}-{index}"
                    result = _result(item, key)
                    events += [] if result is None else self._said.returned(result, f"{message_id} {index}")
            if isinstance(data.get("tokens"), dict):
                events += self._said.usage(usage_of(data["tokens"], data.get("cost"), message_id, name))
            return events
        if kind == "compaction":
            if message_id in self._compactions or text_of(data.get("status")) in ("started", "pending", "failed"):
                return []
            self._compactions.add(message_id)
            return [ContextCompacted(summary=text_of(data.get("summary")), trigger=text_of(data.get("reason")))]
        if kind == "model-switched":
            return self._facts.uses(name, provider)
        if kind in ("user", "system", "synthetic"):
            parts = [Part(type="text", content=data["text"])] if isinstance(data.get("text"), str) else []
            parts += [made for file in list_of(data.get("files")) for made in _part_of({"type": "file", **mapping_of(file)})]
            return self._said.message(message_id, "user" if kind == "user" else "system", parts)
        return [SourceRecord(kind=kind)]


def usage_of(tokens: Any, cost: Any, message_id: str, model: str | None) -> UsageRecorded:
    fields = mapping_of(tokens)
    cache = mapping_of(fields.get("cache"))
    counts = {name: count_of(fields.get(name)) for name in ("input", "output", "reasoning", "total")}
    read, write = count_of(cache.get("read")), count_of(cache.get("write"))
    without = counts["input"] + counts["output"] + read + write
    is_apart = counts["total"] != 0 and counts["total"] != without and counts["total"] == without + counts["reasoning"]
    amount = amount_of(cost) if not isinstance(cost, dict) else amount_of(cost.get("usd"))
    return UsageRecorded(
        message_id=message_id,
        model=model,
        input_tokens=counts["input"],
        output_tokens=counts["output"] + (counts["reasoning"] if is_apart else 0),
        cache_read_tokens=read,
        cache_write_tokens=write,
        reasoning_tokens=counts["reasoning"],
        cost=Cost(amount=amount) if amount else None,
    )


def _is_the_tools(part: dict[str, Any]) -> bool:
    return part.get("synthetic") is True or part.get("ignored") is True


def _part_of(part: dict[str, Any]) -> list[Part]:
    """The part as one of ours; none where it says nothing of the message itself."""
    kind = part.get("type")
    if kind in ("text", "reasoning"):
        return [Part(type=kind, content=text_of(part.get("text")) or "")]
    if kind == "tool":
        state = mapping_of(part.get("state"))
        name = text_of(part.get("tool")) or text_of(part.get("name")) or "unknown"
        return [Part(type="tool_call", id=_call_id(part), name=name, arguments=state.get("input", part.get("input")))]
    if kind == "file":
        mime_type = text_of(part.get("mime")) or text_of(part.get("mimeType"))
        url = text_of(part.get("url")) or text_of(part.get("uri"))
        modality = (mime_type or "file").partition("/")[0]
        if url is not None:
            return [openai_chat.linked(url, modality, {"file_name": part["filename"]} if isinstance(part.get("filename"), str) else {})]
    return []


def _call_id(part: dict[str, Any]) -> str | None:
    return text_of(part.get("callID")) or text_of(part.get("id"))


def _result(part: dict[str, Any], call_id: str) -> ToolReturned | None:
    """None while the call is open."""
    state = mapping_of(part.get("state"))
    status = state.get("status")
    if status in (None, "pending", "running", "streaming") and "output" not in state and "error" not in state:
        return None
    times = mapping_of(state.get("time")) or mapping_of(part.get("time"))
    start, end = time_of(times.get("start")), time_of(times.get("end"))
    is_error = status == "error"
    output = state.get("error") if is_error else state.get("output", state.get("content", state.get("result")))
    return ToolReturned(
        call_id=text_of(part.get("callID")) or text_of(part.get("id")) or call_id,
        name=text_of(part.get("tool")) or text_of(part.get("name")),
        output=output,
        display=text_of(state.get("title")),
        is_error=is_error,
        duration_ms=(end - start).total_seconds() * 1000 if start and end and end >= start else None,
    )


def _finish(info: dict[str, Any]) -> dict[str, Any]:
    return {"is_summary": True} if info.get("summary") is True else {}
