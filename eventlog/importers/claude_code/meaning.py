"""What a record of a Claude Code session means: record -> events, given the records before it in the session. No I/O.

- One API message is written as one line per content block, all with the same ``message.id``: that is the message's id, and each line
  adds its part. Another message's id is its record's ``uuid``; a record without one is named after its content.
- A tool call is a part of its message. Its result (a block of a ``user`` record) is a `ToolReturned`; a user record of only results is
  no message. So a session has one message per assistant ``message.id`` and one per user record that holds more than results, and
  one tool call per ``tool_use`` block.
- ``usage`` is repeated on the lines of a message and grows: each one that differs replaces the one before.
- The same ``uuid`` again with the same content adds nothing; with other content it amends the message.
- A sidechain inside its parent's file (old files) stays in the session, marked, outside the model's context.
- A compaction is a boundary record and then a user record with the summary: one `ContextCompacted`.
- What has no meaning here is a `SourceRecord` whose kind is the record's type and subtype.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

import msgspec

from eventlog.events import (
    ContextCompacted,
    ErrorLogged,
    Event,
    ModeChanged,
    ModelChanged,
    Part,
    SessionStarted,
    SessionUpdated,
    SourceRecord,
    ToolCalled,
    ToolReturned,
    UsageRecorded,
)
from eventlog.shapes import anthropic
from eventlog.stored import StoredEvent

from ..intake import Place, Source
from ..values import count_of, list_of, mapping_of, text_of
from .content import is_tool_result, parts_of, plain_text
from .messages import SYNTHETIC, Messages
from .results import tool_returned
from .titles import Titles, is_the_tools, prompt_of

_SURROUNDINGS = {"cwd": "cwd", "gitBranch": "git_branch", "version": "version", "entrypoint": "entrypoint"}
_TITLE_FIELDS = {"custom-title": "customTitle", "ai-title": "aiTitle", "last-prompt": "lastPrompt"}


class ClaudeCodeMeaning:
    """The fold over one session's records that turns each into events. Its state is rebuilt by taking the same records again."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._is_child = place.parent is not None and place.parent.relation == "subagent"
        self._titles = Titles()
        self._surroundings: dict[str, Any] = {}
        self._last_surroundings: list[Any] = []  # as the last record had them: mostly they stay
        self._model: str | None = None
        self._mode: str | None = None
        self._tag: str | None = None
        self._messages = Messages()
        self._usage: dict[str, UsageRecorded] = {}
        self._boundary: dict[str, Any] | None = None  # of a compaction whose summary is still to come
        self._titles.offer("description", place.title)

    # --- the intake's side of it ---------------------------------------------------------------------------------------------

    def events(self, source: Source) -> list[Event]:
        return self._take(source.record, source, source.overruled) or [SourceRecord(kind=kind_of(source.record))]

    def observe(self, stored: StoredEvent) -> None:
        event = stored.event
        if isinstance(event, (SessionStarted, SessionUpdated)) and isinstance(event.title, str):
            self._titles.offer("user", event.title)

    def start(self) -> SessionStarted:
        place = self._place
        names: dict[str, Any] = {"source": "claude-code"}
        if place.session_id != place.source_names[0]:
            names["source_session_id"] = place.source_names[0]
        if self._is_child:
            names["agent_id"] = place.source_names[1]
        return SessionStarted(
            title=self._titles.title,
            kind="agent",
            provider="anthropic",
            tags=[self._tag] if self._tag else [],
            metadata=names | place.metadata | self._surroundings | self._title_source(),
            parent=place.parent,
        )

    # --- one record ----------------------------------------------------------------------------------------------------------

    def _take(self, record: dict[str, Any], source: Source, overruled: Collection[str]) -> list[Event]:
        kind = text_of(record.get("type"))
        uuid = text_of(record.get("uuid"))
        former = self._messages.line(uuid)
        if former is not None and former.content == source.content:
            return [SourceRecord(kind=kind_of(record), note="repeats an earlier record")]
        events = self._surrounded(record, overruled)
        if kind in ("user", "assistant") and isinstance(record.get("message"), dict):
            events += self._said(record, uuid, source, overruled)
        elif kind in _TITLE_FIELDS:
            titled = kind not in overruled and self._titles.offer(kind, record.get(_TITLE_FIELDS[kind]))
            events += self._update({}, titled)
        elif kind is not None:
            events += _OTHERS.get(kind, _nothing)(self, record, overruled)
        if uuid is not None:
            self._messages.note(uuid, source.content, record, (event.call_id for event in events if isinstance(event, ToolReturned)))
            if self._titles.leaf_arrived(uuid):
                events += self._update({}, True)
        return events

    def _said(self, record: dict[str, Any], uuid: str | None, source: Source, overruled: Collection[str]) -> list[Event]:
        """A record with a message, or with the results of tools."""
        message = record["message"]
        is_assistant = record["type"] == "assistant"
        blocks = message.get("content")
        message_id = (text_of(message.get("id")) if is_assistant else None) or uuid or source.name
        in_sidechain = record.get("isSidechain") is True and not self._is_child
        events = self._messages.retract(record.get("supersedesUuids"), "superseded", spare=message_id)
        if is_assistant:
            if in_sidechain and message_id in self._messages and not self._messages.is_in_sidechain(message_id):
                return [*events, SourceRecord(kind=kind_of(record), note="a sidechain's copy of a message")]
            events += self._model_of(message, in_sidechain, overruled)
        else:
            events += self._mode_of(record.get("permissionMode"), "permission-mode" in overruled)
            events += self._results_in(record, uuid, blocks)
        parts = parts_of(blocks) if is_assistant else _marked(parts_of(blocks))
        if is_assistant or parts or self._was_message(uuid):
            if message_id not in self._messages:
                events += self._compaction(record, blocks)
            events += self._messages.add(record, source.content, message_id, parts, in_sidechain)
        if is_assistant:
            return events + self._usage_of(message, message_id, overruled) + _api_error(record, blocks)
        prompt = None if in_sidechain else prompt_of(record, blocks)
        if prompt is not None and self._titles.offer("first-prompt", prompt):
            events += self._update({}, True)
        return events

    def _was_message(self, uuid: str | None) -> bool:
        former = self._messages.line(uuid)
        return former is not None and former.parts is not None

    def _results_in(self, record: dict[str, Any], uuid: str | None, blocks: Any) -> list[Event]:
        """The results of tools, but for those that the same record held before it was written again."""
        results = [block for block in blocks if is_tool_result(block)] if isinstance(blocks, list) else []
        former = self._messages.line(uuid)
        known = former.answered if former is not None else ()
        returned = [tool_returned(block, record if len(results) == 1 else {}, self._place) for block in results]
        return [result for result in returned if result.call_id not in known]

    # --- the model, its tokens, its context ----------------------------------------------------------------------------------

    def _model_of(self, message: dict[str, Any], in_sidechain: bool, overruled: Collection[str]) -> list[Event]:
        model = text_of(message.get("model"))
        if not model or model in (SYNTHETIC, self._model) or in_sidechain or (self._model is not None and "model" in overruled):
            return []
        self._model = model
        return [ModelChanged(model=model, provider="anthropic")]

    def _usage_of(self, message: dict[str, Any], message_id: str, overruled: Collection[str]) -> list[Event]:
        usage = message.get("usage")
        model = text_of(message.get("model"))
        if not isinstance(usage, dict) or model == SYNTHETIC or f"usage of {message_id}" in overruled:
            return []
        counted = anthropic.usage(usage) or UsageRecorded()
        recorded = msgspec.structs.replace(counted, message_id=message_id, model=model)
        if self._usage.get(message_id) == recorded:
            return []
        self._usage[message_id] = recorded
        return [recorded]

    def _compaction(self, record: dict[str, Any], blocks: Any) -> list[Event]:
        """The compaction that a summary completes; of a boundary without one, as soon as the conversation goes on."""
        boundary, is_summary = self._boundary, record.get("isCompactSummary") is True
        if boundary is None and not is_summary:
            return []
        self._boundary = None
        details = mapping_of((boundary or {}).get("compactMetadata"))
        return [
            ContextCompacted(
                summary=plain_text(blocks) if is_summary else None,
                tokens_before=count_of(details.get("preTokens")) or None,
                tokens_after=count_of(details.get("postTokens")) or None,
                trigger=text_of(details.get("trigger")),
            )
        ]

    def _mode_of(self, mode: Any, is_overruled: bool) -> list[Event]:
        if not isinstance(mode, str) or not mode or mode == self._mode or (is_overruled and self._mode is not None):
            return []
        self._mode = mode
        return [ModeChanged(mode=mode)]

    # --- the session ---------------------------------------------------------------------------------------------------------

    def _surrounded(self, record: dict[str, Any], overruled: Collection[str]) -> list[Event]:
        values = [record.get(field) for field in _SURROUNDINGS]
        if values == self._last_surroundings or (record.get("isSidechain") is True and not self._is_child):
            return []
        if not overruled:
            self._last_surroundings = values
        return self._update(self._surround(dict(zip(_SURROUNDINGS.values(), values, strict=True)), overruled), False)

    def _surround(self, values: dict[str, Any], overruled: Collection[str]) -> dict[str, Any]:
        known = self._surroundings
        changed = {
            name: value
            for name, value in values.items()
            if value and isinstance(value, str) and known.get(name) != value and not (name in overruled and name in known)
        }
        known.update(changed)
        return changed

    def _update(self, metadata: dict[str, Any], titled: bool) -> list[Event]:
        if not metadata and not titled:
            return []
        if not titled:
            return [SessionUpdated(metadata=metadata)]
        return [SessionUpdated(title=self._titles.title, metadata=metadata | self._title_source())]

    def _title_source(self) -> dict[str, Any]:
        return {} if self._titles.title is None else {"title_source": self._titles.source}

    def _summary(self, record: dict[str, Any], overruled: Collection[str]) -> list[Event]:
        is_here = self._messages.line(text_of(record.get("leafUuid"))) is not None
        return [] if "summary" in overruled else self._update({}, self._titles.offer_summary(record, is_here=is_here))

    def _tagged(self, record: dict[str, Any], overruled: Collection[str]) -> list[Event]:
        tag, former = text_of(record.get("tag")), self._tag
        if "tag" in overruled or tag == former:
            return []
        self._tag = tag or None
        return [SessionUpdated(add_tags=[tag] if tag else [], remove_tags=[former] if former else [])]

    def _system(self, record: dict[str, Any], overruled: Collection[str]) -> list[Event]:
        subtype = record.get("subtype")
        if subtype == "compact_boundary":
            self._boundary = record
        elif subtype in ("api_error", "error"):
            error = record.get("error")
            said = mapping_of(mapping_of(error).get("error")) or mapping_of(error)
            message = text_of(record.get("content")) or text_of(said.get("message")) or text_of(error) or "the API returned an error"
            return [ErrorLogged(message=message, kind=subtype, details=error)]
        refused = record.get("refusedUserMessageUuid")
        return self._messages.retract([*list_of(record.get("retractedMessageUuids")), *([refused] if refused else [])], "refused")

    def _call_record(self, record: dict[str, Any], overruled: Collection[str]) -> list[Event]:
        """A call, or its result, in a record of its own: some old files have them so, without ids."""
        name = text_of(record.get("name"))
        if record["type"] == "tool_use":
            return [ToolCalled(name=name or "unknown", arguments=record.get("input"), call_id=text_of(record.get("id")))]
        answered = text_of(record.get("tool_use_id")) or text_of(record.get("id"))
        output = record.get("output", record.get("content"))
        return [ToolReturned(call_id=answered, name=name, output=output, is_error=record.get("is_error") is True)]

    def _mode_record(self, record: dict[str, Any], overruled: Collection[str]) -> list[Event]:
        kind = record["type"]
        return self._mode_of(record.get("mode") or record.get("permissionMode"), kind in overruled)

    def _named(self, record: dict[str, Any], overruled: Collection[str]) -> list[Event]:
        """A record that says one thing about the session."""
        names = {"agentName": "agent_name", "agentSetting": "agent_setting", "prUrl": "pr_url", "relocatedCwd": "cwd"}
        return self._update(self._surround({name: record.get(field) for field, name in names.items()}, overruled), False)


_Handler = Callable[[ClaudeCodeMeaning, dict[str, Any], Collection[str]], list[Event]]


def _nothing(meaning: ClaudeCodeMeaning, record: dict[str, Any], overruled: Collection[str]) -> list[Event]:
    return []


_OTHERS: dict[str, _Handler] = {
    "summary": ClaudeCodeMeaning._summary,
    "system": ClaudeCodeMeaning._system,
    "tag": ClaudeCodeMeaning._tagged,
    "mode": ClaudeCodeMeaning._mode_record,
    "tool_use": ClaudeCodeMeaning._call_record,
    "tool_result": ClaudeCodeMeaning._call_record,
    "permission-mode": ClaudeCodeMeaning._mode_record,
    "agent-name": ClaudeCodeMeaning._named,
    "agent-setting": ClaudeCodeMeaning._named,
    "pr-link": ClaudeCodeMeaning._named,
    "relocated": ClaudeCodeMeaning._named,
}


def sets(record: dict[str, Any]) -> Collection[str]:
    """Names for what the record sets until a later one sets it again, such as the title or one message's usage."""
    kind = record.get("type")
    names = [name for field, name in _SURROUNDINGS.items() if record.get(field)]
    if kind == "assistant":
        names += ["model", f"usage of {mapping_of(record.get('message')).get('id')}"]
    elif isinstance(kind, str):
        names.append(kind)
    if record.get("permissionMode"):
        names.append("permission-mode")
    return names


def kind_of(record: dict[str, Any]) -> str | None:
    """``type``, or ``type/subtype`` where the record has one."""
    kind = text_of(record.get("type"))
    nested = {"system": record, "progress": mapping_of(record.get("data")), "attachment": mapping_of(record.get("attachment"))}
    subtype = text_of(nested.get(kind, {}).get("subtype" if kind == "system" else "type")) if kind else None
    return f"{kind}/{subtype}" if subtype else kind


def _marked(parts: list[Part]) -> list[Part]:
    """The parts of a user's message, those marked that the tool has put beside what a person typed."""
    theirs = [part.type == "text" and isinstance(part.content, str) and is_the_tools(part.content) for part in parts]
    if not any(theirs) or all(theirs):
        return parts
    return [
        msgspec.structs.replace(part, metadata={"is_meta": True}) if is_one else part for part, is_one in zip(parts, theirs, strict=True)
    ]


def _api_error(record: dict[str, Any], blocks: Any) -> list[Event]:
    if record.get("isApiErrorMessage") is not True:
        return []
    details = {name: record[name] for name in ("error", "apiErrorStatus", "errorDetails") if record.get(name) is not None}
    return [ErrorLogged(message=plain_text(blocks) or "the API returned an error", kind="api_error", details=details or None)]
