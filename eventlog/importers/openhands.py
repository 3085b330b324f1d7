"""OpenHands: ``events.jsonl`` (V1, one event a line) and ``output.jsonl`` of its evaluations (V0, one run a line with ``history``).

V0: ids count, ``cause`` is the id of the action that an observation answers, ``tool_call_metadata`` stands at both and repeats the model's
whole response. V1: ``action_id`` names the action, which may not be in the file; ``tool_call_id`` joins the two. Times name no zone. What
misleads:

- V0 tells the user's message again as ``recall``, and the system prompt as an action of the agent.
- Several actions of one response repeat its text and its usage.
- V1 states its tokens only as totals that grow (``stats``).
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, TypeGuard

import msgspec

from eventlog.events import ErrorLogged, Event, Part
from eventlog.ids import session_id_for, session_id_of
from eventlog.shapes import openai_chat
from eventlog.shapes.exchange import Said as Spoken

from .declaration import Conversation, Documents, Format, Lines
from .intake import Place
from .listed import ListedMeaning, Message, join_list, split_list
from .records import Record, lenient_value
from .values import amount_of, arguments_of, count_of, list_of, mapping_of, text_of, time_of

NAME = "openhands"


class Head(msgspec.Struct, gc=False):
    """The field of an event that dates it."""

    timestamp: Any = None


def _is_event(record: dict[str, Any]) -> bool:
    return isinstance(record.get("kind"), str) and record["kind"].endswith("Event") and "timestamp" in record and "source" in record


def _session(path: Path, records: list[Record[Head]], last: bool) -> Place | None:
    """The folder is the conversation's, or the folder ``events`` in it."""
    folder = path.absolute().parent
    return Place(session_id_of(NAME, folder.name), (folder.name,)) if folder.name else None


def _is_run(value: Any) -> TypeGuard[dict[str, Any]]:
    history = value.get("history") if isinstance(value, dict) else None
    events = [mapping_of(event) for event in history[:20]] if isinstance(history, list) else []
    return any("source" in event and ("action" in event or "observation" in event) for event in events)


def _split(path: Path, data: bytes, value: Any) -> Iterator[Conversation]:
    """One run, or one a line."""
    for line in [data] if value is not msgspec.UNSET else data.split(b"\n"):
        run = lenient_value(line) if line.strip() else None
        if _is_run(run):
            began = text_of(mapping_of(mapping_of(run["history"][0])).get("timestamp")) or ""
            name = text_of(run.get("instance_id")) or path.stem
            place = Place(session_id_for(NAME, name, began), (f"{name} {began}",))
            yield split_list(place, line, run, "history", time_of_message=_time, id_of=_id)


def _time(message: Message) -> datetime | None:
    return time_of(message.get("timestamp"))


def _id(message: Message) -> str | None:
    return f"event-{message['id']}" if isinstance(message.get("id"), int) else None


class OpenHandsMeaning(ListedMeaning):
    NAME = NAME
    LIST = "history"

    def __init__(self, place: Place) -> None:
        super().__init__(place)
        self._first_of: dict[str, str] = {}  # by response: the record that tells its text
        self._model: str | None = None

    def rest(self, record: dict[str, Any]) -> list[Event]:
        metadata, metrics = mapping_of(record.get("metadata")), mapping_of(record.get("metrics"))
        self._model = text_of(mapping_of(metadata.get("llm_config")).get("model")) or self._model
        events = self.facts.uses(self._model) + self.facts.update(
            instance_id=text_of(record.get("instance_id")), agent=text_of(metadata.get("agent_class")), dataset=metadata.get("dataset")
        )
        if isinstance(record.get("error"), str) and record["error"]:
            events.append(ErrorLogged(message=record["error"], kind="error"))
        return events + self._stated(metrics, self._model)

    def message(self, record: Message, name: str) -> list[Event]:
        if isinstance(record.get("kind"), str):
            return self._of_v1(record, text_of(record.get("id")) or name)
        name = _id(record) or name
        if "observation" in record:
            return self._observed(record, name)
        return self._acted(record, name)

    # --- V0 ------------------------------------------------------------------------------------------------------------------------

    def _acted(self, record: Message, name: str) -> list[Event]:
        kind, args = text_of(record.get("action")), mapping_of(record.get("args"))
        call = mapping_of(record.get("tool_call_metadata"))
        if kind == "system":
            return self.tell_text(name, "system", args.get("content"))
        if kind == "message" and not call:
            said = args.get("content") if isinstance(args.get("content"), str) else record.get("message")
            return self.tell_text(name, "user" if record.get("source") == "user" else "assistant", said)
        if record.get("source") != "agent":
            return []
        response = mapping_of(call.get("model_response"))
        message = mapping_of(mapping_of(next(iter(list_of(response.get("choices"))), None)).get("message"))
        said = args.get("thought") or message.get("content") or (args.get("final_thought") if kind == "finish" else None)
        parts = [Part(type="text", content=said)] if isinstance(said, str) and said and self._is_first(response.get("id"), name) else []
        id = text_of(call.get("tool_call_id")) or name
        arguments = next(
            (
                arguments_of(mapping_of(each.get("function")).get("arguments"))
                for each in map(mapping_of, list_of(message.get("tool_calls")))
                if each.get("id") == id
            ),
            args,
        )
        if kind not in ("finish", "message", "delegate") or call:
            parts.append(
                Part(type="tool_call", id=f"{id}-{name}", name=text_of(call.get("function_name")) or kind or "?", arguments=arguments)
            )
        return self.tell(name, Spoken(role="assistant", parts=parts), model=self._model)

    def _is_first(self, response: Any, name: str) -> bool:
        id = text_of(response)
        return id is None or self._first_of.setdefault(id, name) == name

    def _observed(self, record: Message, name: str) -> list[Event]:
        call, extras = mapping_of(record.get("tool_call_metadata")), mapping_of(record.get("extras"))
        if record.get("observation") in ("recall", "agent_state_changed", "null"):
            return []
        if record.get("observation") == "error":
            return [ErrorLogged(message=text_of(record.get("content")) or "an error", kind="error")]
        if not call and not isinstance(record.get("cause"), int):
            return self.tell_text(name, "system", record.get("content"))
        cause = f"event-{record['cause']}" if isinstance(record.get("cause"), int) else name
        id = text_of(call.get("tool_call_id")) or cause
        failed = mapping_of(extras.get("metadata")).get("exit_code", 0) not in (0, -1, None) or record.get("success") is False
        return self.tell(name, _result(f"{id}-{cause}", record.get("content"), failed))

    # --- V1 ------------------------------------------------------------------------------------------------------------------------

    def _of_v1(self, record: Message, name: str) -> list[Event]:
        kind = record["kind"]
        if kind == "SystemPromptEvent":
            prompt = mapping_of(record.get("system_prompt"))
            return self.tell_text(name, "system", prompt.get("text") or record.get("system_prompt"))
        if kind == "MessageEvent":
            message = mapping_of(record.get("llm_message"))
            role = "user" if record.get("source") == "user" else "assistant" if record.get("source") == "agent" else "system"
            return self.tell(name, openai_chat.message({**message, "role": message.get("role") or role}), role=role)
        if kind == "ActionEvent":
            return self._action(record, name)
        if kind in ("ObservationEvent", "AgentErrorEvent", "UserRejectObservation"):
            observation = mapping_of(record.get("observation"))
            output = [openai_chat.part(block) for block in list_of(observation.get("content"))] or record.get("error")
            failed = observation.get("is_error") is True or kind != "ObservationEvent"
            return self.tell(name, _result(text_of(record.get("tool_call_id")), output, failed))
        if kind == "ConversationStateUpdateEvent" and record.get("key") == "stats":
            metrics = mapping_of(mapping_of(record.get("value")).get("usage_to_metrics"))
            return [event for key, each in metrics.items() for event in self._stated(mapping_of(each), key)]
        if kind == "ConversationErrorEvent":
            return [ErrorLogged(message=text_of(record.get("detail")) or "an error", kind=text_of(record.get("code")))]
        return []

    def _action(self, record: Message, name: str) -> list[Event]:
        call = mapping_of(record.get("tool_call"))
        is_first = self._is_first(record.get("llm_response_id"), name)
        fields = {"role": "assistant", "content": record.get("thought"), "reasoning_content": record.get("reasoning_content")}
        parts = openai_chat.message(fields).parts if is_first else []
        given = call.get("arguments") or mapping_of(call.get("function")).get("arguments")
        tool = text_of(record.get("tool_name")) or text_of(call.get("name")) or "unknown"
        arguments = arguments_of(given) if given is not None else record.get("action")
        id = text_of(record.get("tool_call_id")) or text_of(call.get("id")) or name
        return self.tell(name, Spoken(role="assistant", parts=[*parts, Part(type="tool_call", id=id, name=tool, arguments=arguments)]))

    def _stated(self, metrics: dict[str, Any], key: str | None) -> list[Event]:
        """Totals, of which the last count."""
        tokens = mapping_of(metrics.get("accumulated_token_usage"))
        read, write = count_of(tokens.get("cache_read_tokens")), count_of(tokens.get("cache_write_tokens"))
        return self.total(
            key=key,
            model=text_of(metrics.get("model_name")) or key,
            cost=amount_of(metrics.get("accumulated_cost")),
            input_tokens=max(0, count_of(tokens.get("prompt_tokens")) - read - write),
            output_tokens=count_of(tokens.get("completion_tokens")),
            cache_read_tokens=read,
            cache_write_tokens=write,
            reasoning_tokens=count_of(tokens.get("reasoning_tokens")),
        )


def _result(id: str | None, output: Any, failed: bool) -> Spoken:
    answer = Part(type="tool_call_response", id=id, response=output, is_error=True if failed else msgspec.UNSET)
    return Spoken(role="tool", parts=[answer])


FORMAT = Format(
    name=NAME,
    tool="OpenHands",
    meaning=OpenHandsMeaning,
    names=("output*.jsonl", "events.jsonl"),
    lines=Lines(msgspec.json.Decoder(Head), _is_event, _session, lambda head: time_of(head.timestamp)),
    documents=Documents(_is_run, _split, each_line=True, join=join_list("history", _id)),
)
