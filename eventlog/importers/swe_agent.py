"""SWE-agent: ``<run>/<instance>/<instance>.traj``, one JSON document that is written anew after each step.

``history`` is what the model saw and said; ``trajectory`` repeats it by steps, and alone is read where there is no history. What misleads:

- An observation has role user where no tools are declared; only the first user message is the task. Demonstrations (``is_demo``) are the
  tool's own.
- An answer has its ``action`` where it has no ``tool_calls``; ``tool_call_ids`` name what an observation answers.
- No times, no id, and the model's name only in ``replay_config``. Tokens and money are stated for the whole run.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from eventlog.events import Event, Part
from eventlog.shapes import openai_chat
from eventlog.shapes.exchange import Said as Spoken

from .declaration import Conversation, Documents, Format
from .intake import Place
from .listed import ListedMeaning, Message, join_list, place_by_path, split_list
from .values import amount_of, arguments_of, count_of, list_of, mapping_of, text_of

NAME = "swe-agent"


def _is_document(value: Any) -> bool:
    if not isinstance(value, dict):
        return False
    history, steps = value.get("history"), value.get("trajectory")
    if isinstance(steps, list) and any("observation" in mapping_of(step) for step in steps):
        return True
    if not isinstance(history, list) or not history or not all("role" in mapping_of(message) for message in history):
        return False
    return any(name in history[0] for name in ("agent", "message_type"))


def _split(path: Path, data: bytes, value: dict[str, Any]) -> Iterator[Conversation]:
    has_history = isinstance(value.get("history"), list)
    yield split_list(place_by_path(NAME, path), data, value, "history" if has_history else "trajectory")


def _join(records: list[bytes]) -> bytes | None:
    return join_list("history")(records) or join_list("trajectory")(records)


class SweAgentMeaning(ListedMeaning):
    NAME = NAME
    LIST = "history"

    def __init__(self, place: Place) -> None:
        super().__init__(place)
        self._has_task = False
        self._open: list[str] = []

    def rest(self, record: dict[str, Any]) -> list[Event]:
        info, config = mapping_of(record.get("info")), mapping_of(arguments_of(record.get("replay_config")))
        stats = mapping_of(info.get("model_stats"))
        model = mapping_of(mapping_of(config.get("agent")).get("model")).get("name")
        events = self.facts.update(
            environment=text_of(record.get("environment")), exit_status=text_of(info.get("exit_status")), submission=info.get("submission")
        )
        cost = amount_of(stats.get("instance_cost"))
        sent, received = count_of(stats.get("tokens_sent")), count_of(stats.get("tokens_received"))
        return events + self.facts.uses(model) + self.total(cost=cost, input_tokens=sent, output_tokens=received)

    def events(self, source: Any) -> list[Event]:
        record = source.record
        if isinstance(record, dict) and "history" not in record and isinstance(record.get("trajectory"), list):
            source.record = {**record, "history": record["trajectory"]}
        return super().events(source)

    def message(self, record: Message, name: str) -> list[Event]:
        if "role" not in record:
            return self._step(record, name)
        role = text_of(record.get("role")) or "user"
        if record.get("is_demo") is True:
            return self.tell(name, openai_chat.message(record), role="system")
        if role == "assistant":
            return self._answer(record, name)
        if role in ("user", "tool") and (self._has_task or role == "tool"):
            return self._observed(name, record.get("content"), [text_of(id) for id in list_of(record.get("tool_call_ids"))])
        self._has_task = self._has_task or role == "user"
        return self.tell(name, openai_chat.message({"role": role, "content": record.get("content")}))

    def _answer(self, record: Message, name: str) -> list[Event]:
        spoken = openai_chat.message({key: record.get(key) for key in ("role", "content", "tool_calls") if record.get(key) is not None})
        calls = [part for part in spoken.parts if part.type == "tool_call"]
        action = text_of(record.get("action"))
        if not calls and action and action.strip():
            calls = [Part(type="tool_call", id=f"{name}-call", name=action.split()[0], arguments={"command": action})]
            spoken = Spoken(role="assistant", parts=[*spoken.parts, *calls])
        self._open = [part.id for part in calls if isinstance(part.id, str)]
        return self.tell(name, spoken)

    def _observed(self, name: str, content: Any, ids: list[str | None]) -> list[Event]:
        """An observation: the results of the calls that it names, or of those that are open; else what the tool says by itself."""
        answered = [id for id in ids if id] or self._open
        self._open = [id for id in self._open if id not in answered]
        output = openai_chat.message({"role": "tool", "content": content}).parts[0].response
        results = [Part(type="tool_call_response", id=id, response=output) for id in answered]
        if results:
            return self.tell(name, Spoken(role="tool", parts=results))
        return self.tell(name, openai_chat.message({"role": "system", "content": content}))

    def _step(self, record: Message, name: str) -> list[Event]:
        """A step, where there is no history."""
        response = text_of(record.get("response")) or text_of(record.get("thought"))
        events = self._answer({"role": "assistant", "content": response, "action": record.get("action")}, name)
        return events + (self._observed(f"{name}-result", record["observation"], []) if "observation" in record else [])


FORMAT = Format(
    name=NAME,
    tool="SWE-agent",
    meaning=SweAgentMeaning,
    names=("*.traj",),
    documents=Documents(_is_document, _split, join=_join),
)
