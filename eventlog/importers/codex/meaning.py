"""What a line of a Codex rollout means, given those before it. No I/O.

- What was said stands there twice, as an item and as an event (since 0.149 as a completed item, too); whichever comes first counts, the
  others are its echo. A few versions wrote only one of them.
- From an editor, the prompt itself stands behind ``## My request for Codex:``; what is before it is the editor's.
- A call and its result are items of their own, no messages. What the end event of a call says (exit code, duration) joins the result
  where it comes before it.
- Reasoning that can be read is a message of its own role, outside of what the model sees; most of it is encrypted, and only kept.
- ``total_token_usage`` counts up, and is repeated: the difference to the one before counts. ``input_tokens`` include cached ones.
- What the tool itself sent as the user (environment, AGENTS.md, notices) is a message of role ``system``.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from eventlog.events import (
    ContextCompacted,
    ErrorLogged,
    Event,
    MessageAdded,
    Part,
    SessionStarted,
    SourceRecord,
    ToolCalled,
    UsageRecorded,
)
from eventlog.shapes import openai_responses
from eventlog.stored import StoredEvent

from ..facts import Facts
from ..intake import Place, Source
from ..said import Said
from ..values import arguments_of, count_of, list_of, mapping_of, text_of, time_of
from .results import End, end_of, returned

NAME = "codex"
_INJECTED = re.compile(
    r"\s*(?:<(?:environment_context|user_instructions|permissions instructions|turn_aborted|skill|skills_instructions|apps_instructions"
    r"|collaboration_mode|subagent_notification|goal_context|INSTRUCTIONS|plugins_instructions|personality_spec|model_switch"
    r"|user_shell_command|recommended_plugins)\b|# AGENTS\.md instructions)"
)
_REQUEST = "## My request for Codex:"
_CWD = re.compile(r"<cwd>\s*(.*?)\s*</cwd>|Current working directory: (\S[^\n]*)")
_REPLAYED_WITHIN = timedelta(seconds=2)
_COUNTED = ("input_tokens", "cached_input_tokens", "cache_write_input_tokens", "output_tokens", "reasoning_output_tokens")
_TOTAL = "total_token_usage"


def meta_of(record: dict[str, Any]) -> dict[str, Any] | None:
    """What the record says of a session as its ``session_meta``; None where it is none. Old files begin with it, bare."""
    meta = record.get("payload") if record.get("type") == "session_meta" else record if "type" not in record else None
    is_bare = isinstance(meta, dict) and ("instructions" in meta or "git" in meta or "cwd" in meta)
    return meta if isinstance(meta, dict) and isinstance(meta.get("id"), str) and meta["id"] and "timestamp" in meta and is_bare else None


class CodexMeaning:
    def __init__(self, place: Place) -> None:
        self._facts = Facts(NAME, place, kind="agent", provider="openai")
        self._said = Said()
        self._heard: dict[str, Counter[str]] = {
            side: Counter() for side in ("item", "event", "completed")
        }  # how often each has said a text
        self._prompts: list[str] = []  # the ids of what the user said
        self._ends: dict[str, End] = {}
        self._has_cwd = False  # in a record of its own
        self._totals: dict[str, int] | None = None
        self._replayed_at: datetime | None = None  # while the lines are the parent's

    def observe(self, stored: StoredEvent) -> None:
        self._facts.observe(stored)

    def start(self) -> SessionStarted:
        return self._facts.start()

    def events(self, source: Source) -> list[Event]:
        record = source.record
        if not isinstance(record, dict):
            return []
        if "file" in record and "value" in record:
            return self._facts.update(title=mapping_of(record["value"]).get("thread_name"))
        kind = text_of(record.get("type"))
        payload = record.get("payload")
        if meta_of(record) is not None:
            return self._meta(record, meta_of(record) or {})
        if "payload" not in record:
            kind, payload = (None, None) if "record_type" in record else ("response_item", record)
        if not isinstance(payload, dict):
            return []
        self._end_replay(time_of(record.get("timestamp")))
        if kind == "turn_context":
            return self._turn(payload)
        if kind == "compacted":
            return [ContextCompacted(summary=text_of(payload.get("message")) or None)]
        name = text_of(payload.get("type")) or ""
        handlers = {"response_item": _ITEMS, "event_msg": _EVENTS}.get(kind or "", {})
        handler = handlers.get(name)
        found = [] if handler is None else handler(self, payload, source)
        if not found and kind == "response_item" and name.endswith("_call") and handler is None:
            found = self._called(payload, source)
        return found or [SourceRecord(kind=f"{kind}/{name}" if name else kind)]

    # --- the session -------------------------------------------------------------------------------------------------------------

    def _meta(self, record: dict[str, Any], meta: dict[str, Any]) -> list[Event]:
        if meta["id"] != self._facts.place.source_names[0]:
            self._replayed_at = time_of(record.get("timestamp"))
            return [SourceRecord(kind="session_meta", note="of the session that this one goes on from")]
        provider = text_of(meta.get("model_provider"))
        if provider:
            self._facts.provider = provider
        git, origin = mapping_of(meta.get("git")), meta.get("source")
        self._has_cwd = self._has_cwd or text_of(meta.get("cwd")) is not None
        return self._facts.update(
            cwd=text_of(meta.get("cwd")),
            git_branch=text_of(git.get("branch")),
            git_commit=text_of(git.get("commit_hash")),
            repository=text_of(git.get("repository_url")),
            version=text_of(meta.get("cli_version")),
            originator=text_of(meta.get("originator")),
            entrypoint=origin if isinstance(origin, str) else next(iter(mapping_of(origin)), None),
            agent_name=text_of(meta.get("agent_nickname")),
            agent_type=text_of(meta.get("agent_role")),
        )

    def _end_replay(self, time: datetime | None) -> None:
        """Lines that were taken over were all written at once."""
        if self._replayed_at is not None and time is not None and abs(time - self._replayed_at) > _REPLAYED_WITHIN:
            self._replayed_at = None

    def _turn(self, payload: dict[str, Any]) -> list[Event]:
        sandbox = payload.get("sandbox_policy")
        sandbox = sandbox if isinstance(sandbox, str) else text_of(mapping_of(sandbox).get("type")) or mapping_of(sandbox).get("mode")
        settings = {"approval_policy": payload.get("approval_policy"), "sandbox": sandbox, "effort": payload.get("effort")}
        self._has_cwd = self._has_cwd or text_of(payload.get("cwd")) is not None
        events = self._facts.update(settings=settings, cwd=text_of(payload.get("cwd")))
        mode = mapping_of(payload.get("collaboration_mode")).get("mode", payload.get("collaboration_mode"))
        return events + self._facts.uses(payload.get("model")) + self._facts.in_mode(mode)

    def _named(self, payload: dict[str, Any], source: Source) -> list[Event]:
        name = payload.get("thread_name")
        of = text_of(payload.get("thread_id"))
        return self._facts.update(title=name) if of in (None, self._facts.place.source_names[0]) else []

    # --- what was said -----------------------------------------------------------------------------------------------------------

    def _message_item(self, payload: dict[str, Any], source: Source) -> list[Event]:
        role = text_of(payload.get("role")) or "user"
        parts = openai_responses.parts(payload.get("content"))
        text = "\n".join(part.content for part in parts if part.type == "text" and isinstance(part.content, str))
        events: list[Event] = []
        if role == "user" and _INJECTED.match(text):
            role = "system"
            events = self._surroundings(text)
        elif role in ("user", "assistant") and self._is_echo("item", role, text):
            return [SourceRecord(kind="response_item/message", note="what an event has told already")]
        metadata = {"phase": payload["phase"]} if isinstance(payload.get("phase"), str) else {}
        return events + self._say(source.name, role, parts, metadata)

    def _surroundings(self, text: str) -> list[Event]:
        """The folder, which old files say nowhere else."""
        found = None if self._has_cwd else _CWD.search(text)
        return self._facts.update(cwd=found[1] or found[2]) if found is not None else []

    def _user_event(self, payload: dict[str, Any], source: Source) -> list[Event]:
        text = text_of(payload.get("message")) or ""
        if self._is_echo("event", "user", text):
            return [SourceRecord(kind="event_msg/user_message", note="what an item has told already")]
        images = [openai_responses.part({"type": "input_image", "image_url": url}) for url in list_of(payload.get("images"))]
        role = "system" if _INJECTED.match(text) else "user"
        return self._say(source.name, role, [*([Part(type="text", content=text)] if text or not images else []), *images], {})

    def _agent_event(self, payload: dict[str, Any], source: Source) -> list[Event]:
        text = text_of(payload.get("message")) or ""
        if self._is_echo("event", "assistant", text):
            return [SourceRecord(kind="event_msg/agent_message", note="what an item has told already")]
        metadata = {"phase": payload["phase"]} if isinstance(payload.get("phase"), str) else {}
        return self._say(source.name, "assistant", [Part(type="text", content=text)], metadata)

    def _reasoning_item(self, payload: dict[str, Any], source: Source) -> list[Event]:
        texts = [mapping_of(item).get("text") for name in ("summary", "content") for item in list_of(payload.get(name))]
        new = [text for text in texts if isinstance(text, str) and text and not self._is_echo("item", "reasoning", text)]
        return self._reason(new, source)

    def _reasoning_event(self, payload: dict[str, Any], source: Source) -> list[Event]:
        text = text_of(payload.get("text"))
        return self._reason([text] if text and not self._is_echo("event", "reasoning", text) else [], source)

    def _reason(self, texts: list[str], source: Source) -> list[Event]:
        parts = [Part(type="reasoning", content=text) for text in texts]
        return self._said.message(source.name, "reasoning", parts, model=self._facts.model, hidden=True) if parts else []

    def _agent_to_agent(self, payload: dict[str, Any], source: Source) -> list[Event]:
        metadata = {name: payload[name] for name in ("author", "recipient") if isinstance(payload.get(name), str)}
        return [
            MessageAdded(role="agent", content=openai_responses.parts(payload.get("content")), message_id=source.name, metadata=metadata)
        ]

    def _completed(self, payload: dict[str, Any], source: Source) -> list[Event]:
        """A message that is told as a completed item; of other items what is told elsewhere."""
        item = mapping_of(payload.get("item"))
        role = {"UserMessage": "user", "AgentMessage": "assistant"}.get(text_of(item.get("type")) or "")
        parts = [_item_part(part) for part in list_of(item.get("content"))]
        text = "\n".join(part.content for part in parts if part.type == "text" and isinstance(part.content, str))
        if role is None or self._is_echo("completed", role, text):
            return []
        return self._say(source.name, "system" if role == "user" and _INJECTED.match(text) else role, parts, {})

    def _say(self, message_id: str, role: str, parts: list[Part], metadata: dict[str, Any]) -> list[Event]:
        if role == "user":
            self._prompts.append(message_id)
            around, parts = _without_editor(parts)
            if around is not None:
                events = self._said.message(f"{message_id}-around", "system", [Part(type="text", content=around)])
                return events + self._said.message(message_id, role, parts, metadata=metadata)
        model = self._facts.model if role == "assistant" else None
        return self._said.message(message_id, role, parts, model=model, metadata=metadata)

    def _is_echo(self, side: str, role: str, text: str) -> bool:
        """Whether another side has said this already, as often as this one now."""
        said = f"{role} {' '.join(text.split())}"
        self._heard[side][said] += 1
        return any(heard[said] >= self._heard[side][said] for name, heard in self._heard.items() if name != side)

    def _rolled_back(self, payload: dict[str, Any], source: Source) -> list[Event]:
        """The last turns are not part of what the model sees any more."""
        count = min(count_of(payload.get("num_turns")), len(self._prompts))
        if not count:
            return []
        first, self._prompts = self._prompts[-count], self._prompts[:-count]
        ids = self._said.ids
        return [event for message_id in ids[ids.index(first) :] for event in self._said.hide(message_id, True)]

    # --- calls -------------------------------------------------------------------------------------------------------------------

    def _called(self, payload: dict[str, Any], source: Source) -> list[Event]:
        kind = text_of(payload.get("type")) or ""
        name = text_of(payload.get("name")) or kind.removesuffix("_call")
        space = text_of(payload.get("namespace"))
        call_id = text_of(payload.get("call_id")) or text_of(payload.get("id")) or source.name
        given = payload.get("arguments", payload.get("input", payload.get("action", payload.get("query"))))
        events: list[Event] = [ToolCalled(name=f"{space}.{name}" if space else name, arguments=arguments_of(given), call_id=call_id)]
        if kind in _RUN_BY_PROVIDER and payload.get("status") in ("completed", "failed"):
            events.append(returned(call_id, payload.get("result"), End(is_error=payload["status"] == "failed")))
        return events

    def _returned(self, payload: dict[str, Any], source: Source) -> list[Event]:
        call_id = text_of(payload.get("call_id"))
        output = payload.get("output", payload.get("tools", payload.get("result")))
        return self._said.returned(returned(call_id, output, self._ends.pop(call_id or "", End())), f"{call_id} {source.name}")

    def _ended(self, payload: dict[str, Any], source: Source) -> list[Event]:
        call_id = text_of(payload.get("call_id"))
        if call_id:
            self._ends[call_id] = end_of(payload)
        return []

    # --- the rest ----------------------------------------------------------------------------------------------------------------

    def _tokens(self, payload: dict[str, Any], source: Source) -> list[Event]:
        info = mapping_of(payload.get("info"))
        if not isinstance(info.get(_TOTAL), dict):
            return []
        total = {name: count_of(info[_TOTAL].get(name)) for name in _COUNTED}
        last = {name: count_of(mapping_of(info.get("last_token_usage")).get(name)) for name in _COUNTED}
        former, self._totals = self._totals, total
        if total == former or self._replayed_at is not None:
            return []
        if former is None:
            used = last if any(last.values()) else total
        else:
            used = {name: total[name] - former[name] for name in _COUNTED}
            if min(used.values()) < 0:  # counted anew
                used = last
        cached = min(used["cached_input_tokens"], used["input_tokens"])
        written = min(used["cache_write_input_tokens"], used["input_tokens"] - cached)
        return [
            UsageRecorded(
                model=self._facts.model,
                input_tokens=used["input_tokens"] - cached - written,
                output_tokens=used["output_tokens"],
                cache_read_tokens=cached,
                cache_write_tokens=written,
                reasoning_tokens=used["reasoning_output_tokens"],
            )
        ]

    def _error(self, payload: dict[str, Any], source: Source) -> list[Event]:
        details = payload.get("codex_error_info")
        return [ErrorLogged(message=text_of(payload.get("message")) or "an error", kind=text_of(payload.get("type")), details=details)]


def _without_editor(parts: list[Part]) -> tuple[str | None, list[Part]]:
    """What an editor put before a prompt, and the parts without it."""
    for number, part in enumerate(parts):
        before, mark, prompt = part.content.partition(_REQUEST) if part.type == "text" and isinstance(part.content, str) else ("", "", "")
        if mark and before.lstrip().startswith("#"):
            written = [Part(type="text", content=prompt.strip())] if prompt.strip() else []
            return before.strip(), [*parts[:number], *written, *parts[number + 1 :]]
    return None, parts


def _item_part(part: Any) -> Part:
    """A part of a completed item: its types are those of an item, with capital letters or without."""
    fields = mapping_of(part)
    if isinstance(fields.get("text"), str):
        return Part(type="text", content=fields["text"])
    url = text_of(fields.get("image_url")) or text_of(fields.get("url"))
    return openai_responses.part({"type": "input_image", "image_url": url} if url else part)


_RUN_BY_PROVIDER = frozenset(("web_search_call", "image_generation_call", "file_search_call", "code_interpreter_call"))
_Handler = Callable[[CodexMeaning, dict[str, Any], Source], list[Event]]
_ITEMS: dict[str, _Handler] = {
    "message": CodexMeaning._message_item,
    "reasoning": CodexMeaning._reasoning_item,
    "agent_message": CodexMeaning._agent_to_agent,
    "function_call_output": CodexMeaning._returned,
    "custom_tool_call_output": CodexMeaning._returned,
    "local_shell_call_output": CodexMeaning._returned,
    "tool_search_output": CodexMeaning._returned,
    "tool_search_call_output": CodexMeaning._returned,
    "tool_result": CodexMeaning._returned,
}
_EVENTS: dict[str, _Handler] = {
    "user_message": CodexMeaning._user_event,
    "agent_message": CodexMeaning._agent_event,
    "agent_reasoning": CodexMeaning._reasoning_event,
    "agent_reasoning_raw_content": CodexMeaning._reasoning_event,
    "token_count": CodexMeaning._tokens,
    "exec_command_end": CodexMeaning._ended,
    "mcp_tool_call_end": CodexMeaning._ended,
    "patch_apply_end": CodexMeaning._ended,
    "thread_name_updated": CodexMeaning._named,
    "item_completed": CodexMeaning._completed,
    "thread_rolled_back": CodexMeaning._rolled_back,
    "error": CodexMeaning._error,
    "stream_error": CodexMeaning._error,
}
