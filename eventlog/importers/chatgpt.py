"""ChatGPT's export: ``conversations.json`` (newer ones in parts, ``conversations-000.json``), alone or in its ZIP; single conversations.

A conversation is a tree of nodes; the branch that ends at ``current_node`` is what one sees, the others are former versions. Its records
are the nodes, and the rest with ``{node: parent}`` in the place of the nodes. What misleads:

- ``update_time`` is mostly null, ids are called ``id`` or ``conversation_id``; scripts that save single conversations leave keys out.
- A message to a ``recipient`` other than ``all`` is a call of that tool, what follows from a ``tool`` is its result (or several).
- Hidden messages, the user's standing instructions and the model's memory are no message of a person.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import msgspec

from eventlog.events import Event, MessageAdded, Part, SessionStarted, SourceRecord, ToolCalled, ToolReturned
from eventlog.ids import session_id_for, session_id_of
from eventlog.stored import StoredEvent

from .chat_export import is_export, split_export
from .declaration import Conversation, Documents, Format, Found
from .facts import Facts
from .intake import Place, Source
from .provenance import fingerprint
from .records import lenient_value, member_texts, without
from .said import Said
from .values import arguments_of, list_of, mapping_of, text_of, time_of

NAME = "chatgpt"
_STANDING = frozenset(("user_editable_context", "model_editable_context"))
_FIRST = datetime.min.replace(tzinfo=timezone.utc)


def _is_conversation(value: Any) -> bool:
    if not isinstance(value, dict) or not isinstance(value.get("mapping"), dict):
        return False
    nodes = list(value["mapping"].values())[:10]
    return all(isinstance(node, dict) and ("children" in node or "parent" in node) for node in nodes)


def _is_document(value: Any) -> bool:
    return is_export(value, _is_conversation)


def _split(path: Path, data: bytes, value: Any) -> Iterator[Conversation]:
    return split_export(data, value, _is_conversation, _conversation, "tree of messages")


def _conversation(text: bytes, value: dict[str, Any]) -> Conversation:
    name = text_of(value.get("conversation_id")) or text_of(value.get("id"))
    session_id = session_id_of(NAME, name) if name else session_id_for(NAME, _first_message(value) or fingerprint(text).hex())
    nodes = value["mapping"]
    tree = {node_id: text_of(mapping_of(node).get("parent")) for node_id, node in nodes.items()}
    began = time_of(value.get("create_time"))
    records = [Found(without(text, "mapping", msgspec.json.encode(tree)), began)]
    texts = dict(member_texts(text, "mapping"))
    records += (Found(texts[node_id], _time(nodes[node_id])) for node_id in _in_order(nodes, tree))
    return Conversation(Place(session_id, (name or session_id,)), records)


def _join(records: list[bytes]) -> bytes | None:
    """The conversation: every node that the last state of the rest names, as it was last."""
    rest: bytes | None = None
    nodes: dict[str, bytes] = {}
    tree: dict[str, Any] = {}
    for record in records:
        value = mapping_of(lenient_value(record))
        if isinstance(value.get("mapping"), dict):
            if rest is None or len(value["mapping"]) >= len(tree):
                rest, tree = record, value["mapping"]
        else:
            node_id = text_of(value.get("id")) or text_of(mapping_of(value.get("message")).get("id"))
            nodes[node_id or ""] = record
    if rest is None:
        return None
    pairs = (msgspec.json.encode(node_id) + b":" + nodes[node_id] for node_id in tree if node_id in nodes)
    return without(rest, "mapping", b"{" + b",".join(pairs) + b"}")


def _first_message(value: dict[str, Any]) -> str | None:
    """The id of the first message: what stays the same of a conversation without an id."""
    return next((str(mapping_of(node["message"]).get("id")) for node in value["mapping"].values() if mapping_of(node).get("message")), None)


def _in_order(nodes: dict[str, Any], tree: dict[str, str | None]) -> list[str]:
    """The nodes by their times, each after its parent."""
    moments: dict[str, tuple[datetime, int]] = {}
    for node_id in nodes:
        chain = []
        at: str | None = node_id
        while at is not None and at in nodes and at not in moments and at not in chain:
            chain.append(at)
            at = tree.get(at)
        before, depth = moments.get(at or "", (_FIRST, -1))
        for each in reversed(chain):
            before, depth = max(before, _time(nodes[each]) or before), depth + 1
            moments[each] = before, depth
    return sorted(nodes, key=lambda node_id: moments[node_id])


def _time(node: Any) -> datetime | None:
    return time_of(mapping_of(mapping_of(node).get("message")).get("create_time"))


class ChatgptMeaning:
    def __init__(self, place: Place) -> None:
        self._facts = Facts(NAME, place, kind="chat", provider="openai")
        self._said = Said()
        self._parents: dict[str, str | None] = {}
        self._thoughts: set[str] = set()  # what the model thought, or said to nobody
        self._calls: dict[str, str] = {}  # the tools that were called, by node
        self._path: set[str] | None = None
        self._updated = _FIRST

    def observe(self, stored: StoredEvent) -> None:
        self._facts.observe(stored)

    def start(self) -> SessionStarted:
        return self._facts.start()

    def events(self, source: Source) -> list[Event]:
        record = source.record
        if not isinstance(record, dict):
            return []
        return self._rest(record) if "mapping" in record else self._node(record, source.name)

    def _rest(self, record: dict[str, Any]) -> list[Event]:
        updated = time_of(record.get("update_time")) or time_of(record.get("create_time")) or _FIRST
        tree = mapping_of(record.get("mapping"))
        if updated < self._updated or (updated == self._updated and len(tree) < len(self._parents)):
            return []  # a state from before
        self._updated = updated
        self._parents |= tree
        path: set[str] = set()
        at = text_of(record.get("current_node"))
        while at is not None and at in tree and at not in path:
            path.add(at)
            at = text_of(tree[at])
        self._path = path or None
        events = self._facts.update(
            title=record.get("title"), gizmo_id=record.get("gizmo_id"), plugin_ids=record.get("plugin_ids"), voice=record.get("voice")
        )
        events += self._facts.tag("archived", on=record.get("is_archived") is True)
        for message_id in self._said.ids:
            events += self._said.hide(message_id, message_id in self._thoughts or self._is_aside(message_id))
        return events

    def _is_aside(self, node_id: str) -> bool:
        """Whether the node is on a branch that was left."""
        return self._path is not None and node_id not in self._path

    def _node(self, record: dict[str, Any], otherwise: str) -> list[Event]:
        message = mapping_of(record.get("message"))
        node_id = text_of(record.get("id")) or text_of(message.get("id")) or otherwise
        self._parents[node_id] = text_of(record.get("parent"))
        if not message:
            return [SourceRecord(kind="node")]
        content, metadata = mapping_of(message.get("content")), mapping_of(message.get("metadata"))
        kind, role = text_of(content.get("content_type")), text_of(mapping_of(message.get("author")).get("role")) or "user"
        if kind == "reasoning_recap":
            return [SourceRecord(kind=kind)]
        model = text_of(metadata.get("model_slug"))
        events = self._facts.uses(model) if role == "assistant" and not self._is_aside(node_id) else []
        recipient = text_of(message.get("recipient")) or "all"
        if role == "assistant" and recipient != "all":
            return events + self._called(node_id, recipient, content)
        if role == "tool":
            return events + self._returned(node_id, message, content)
        parts = _parts(content)
        if kind == "thoughts":
            role = "reasoning"
            self._thoughts.add(node_id)
        elif role == "assistant" and _is_unseen(message):
            self._thoughts.add(node_id)
        elif kind in _STANDING or (role == "user" and _is_unseen(message)) or metadata.get("is_visually_hidden_from_conversation") is True:
            role = "system"
        if role in ("system", "reasoning") and not any(part.content for part in parts):
            return events or [SourceRecord(kind=kind)]
        return events + self._said.message(
            node_id,
            role,
            parts,
            model=model if role == "assistant" else None,
            reply_to=self._message_before(node_id),
            hidden=node_id in self._thoughts or self._is_aside(node_id),
        )

    def _message_before(self, node_id: str) -> str | None:
        at = self._parents.get(node_id)
        passed = {node_id}
        while at is not None and at not in self._said and at not in passed:
            passed.add(at)
            at = self._parents.get(at)
        return at if at is not None and at in self._said else None

    def _called(self, node_id: str, recipient: str, content: dict[str, Any]) -> list[Event]:
        if node_id in self._calls:
            return []
        self._calls[node_id] = recipient
        texts = [part.content for part in _parts(content) if isinstance(part.content, str)]
        return [ToolCalled(name=recipient, arguments=arguments_of("\n".join(texts)), call_id=node_id)]

    def _returned(self, node_id: str, message: dict[str, Any], content: dict[str, Any]) -> list[Event]:
        """The result of the nearest call above; what else it gave is a message of the tool."""
        call, passed = self._parents.get(node_id), {node_id}
        while call is not None and call not in self._calls and call not in passed:
            passed.add(call)
            call = self._parents.get(call)
        parts = _parts(content)
        output: Any = parts[0].content if len(parts) == 1 and parts[0].type == "text" else parts
        name = text_of(mapping_of(message.get("author")).get("name"))
        failed = content.get("content_type") == "system_error"
        if call in self._calls:
            told = self._said.returned(ToolReturned(call_id=call, output=output, is_error=failed, name=name))
            if told or node_id in self._said:
                self._said.returned(ToolReturned(call_id=node_id))
                return told
        if self._said.returned(ToolReturned(call_id=node_id)):
            return [MessageAdded(role="tool", content=parts, message_id=node_id, exclude_from_context=self._is_aside(node_id))]
        return []


def _is_unseen(message: dict[str, Any]) -> bool:
    """Whether nobody saw the message."""
    weight = message.get("weight")
    return isinstance(weight, (int, float)) and not isinstance(weight, bool) and weight == 0


def _parts(content: dict[str, Any]) -> list[Part]:
    """What a message of any content type says."""
    kind = content.get("content_type")
    if kind == "thoughts":
        texts = [_joined(mapping_of(thought), "summary", "content") for thought in list_of(content.get("thoughts"))]
        return [Part(type="reasoning", content=text) for text in texts if text]
    if kind == "user_editable_context":
        return [Part(type="text", content=_joined(content, "user_profile", "user_instructions"))]
    if kind in ("tether_quote", "sonic_webpage"):
        return [Part(type="text", content=_joined(content, "title", "url", "text"))]
    if kind == "tether_browsing_display":
        return [Part(type="text", content=text_of(content.get("result")) or text_of(content.get("summary")) or "")]
    if isinstance(content.get("parts"), list):
        return [_part(part) for part in content["parts"]]
    text = next((content[name] for name in ("text", "result", "model_set_context", "content") if isinstance(content.get(name), str)), "")
    if kind == "code" and text:
        return [Part(type="text", content=text)]
    return [Part(type="text", content=text)] if text or not kind else [Part(type=str(kind), metadata={"block": content})]


def _joined(fields: dict[str, Any], *names: str) -> str:
    texts = [text_of(fields.get(name)) for name in names]
    return "\n".join(text for text in texts if text)


def _part(part: Any) -> Part:
    if isinstance(part, str):
        return Part(type="text", content=part)
    fields = mapping_of(part)
    if isinstance(fields.get("text"), str):
        return Part(type="text", content=fields["text"])
    pointer = fields.get("asset_pointer") or mapping_of(fields.get("audio_asset_pointer")).get("asset_pointer")
    modality = (text_of(fields.get("content_type")) or "file").partition("_")[0]
    if isinstance(pointer, str):
        return Part(type="uri", uri=pointer, modality="audio" if modality == "real" else modality)
    return Part(type=text_of(fields.get("content_type")) or "unknown", metadata={"block": part})


FORMAT = Format(
    name=NAME,
    tool="ChatGPT (data export)",
    meaning=ChatgptMeaning,
    names=("*.json", "*.zip"),
    not_names=(
        "user.json", "message_feedback.json", "model_comparisons.json", "shared_conversations.json", "user_settings.json",
        "group_chats.json", "shopping.json", "sora.json", "tasks.json",
    ),
    documents=Documents(_is_document, _split, join=_join),
)  # fmt: skip
