"""Six addresses in the shapes of a chat backend's own API (`POST /api/sessions/...`), for clients that were written for it.

Answers are ``{"success": true, ...}``, refusals ``{"success": false, "error"}`` with a status."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec
from starlette.responses import Response

from eventlog.decoding import decoder
from eventlog.errors import InvalidInput

from ..catalog.listing import SessionItem
from ..operations import Context, Stream, failure_of, operation
from ..operations.failures import WritingRefused
from ..operations.lifecycle import Delete
from ..operations.transcripts import Export
from ..operations.writing import Start
from ..view.session import SessionView
from .answering import json
from .problems import STATUS
from .saving import GivenSession, kind_of, save, texts_of

MOST_OFFSET: Final = 10_000
_SCHEMA: Final = {"type": "object", "properties": {"success": {"type": "boolean"}}, "required": ["success"]}


class StartChat(msgspec.Struct, frozen=True):
    user_name: str | None = None
    metadata: dict[str, Any] = {}


class OneChat(msgspec.Struct, frozen=True):
    session_id: str


class ListChats(msgspec.Struct, frozen=True):
    limit: int = 100
    offset: int = 0


class SaveChat(msgspec.Struct, frozen=True):
    session: GivenSession


class ExportChat(msgspec.Struct, frozen=True):
    session_id: str
    format: str = "openai"


class Command(msgspec.Struct, frozen=True):
    name: str
    arguments: Any
    run: Callable[[Context, Any], Any]
    writes: bool = False


def run(command: Command, context: Context, body: bytes) -> Response | Stream:
    """The answer, whatever happens."""
    try:
        if command.writes and not context.may_write:
            raise WritingRefused(command.name)
        try:
            asked = decoder(command.arguments).decode(body or b"{}")
        except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
            raise InvalidInput(f"the body is not what {command.name} takes: {error}") from error
        found = command.run(context, asked)
        return found if isinstance(found, Stream) else json({"success": True, **found})
    except Exception as error:
        return refused(error)


def refused(error: Exception) -> Response:
    failure = failure_of(error)
    status = STATUS[failure.kind]
    if status == 500:
        from .guards.access_log import LOGGER

        LOGGER.error("the chat API failed", exc_info=error)
    return json({"success": False, "error": failure.message}, status)


def _start(context: Context, asked: StartChat) -> dict[str, Any]:
    started = operation("start")(context, Start(user_id=asked.user_name, metadata=asked.metadata, kind=kind_of(asked.metadata)))
    return {"session_id": started.session_id, "session": _session(context, started.session_id)}


def _load(context: Context, asked: OneChat) -> dict[str, Any]:
    return {"session": _session(context, asked.session_id)}


def _list(context: Context, asked: ListChats) -> dict[str, Any]:
    """By offset, over pages: offsets that are large cost what all before them cost, and have a limit."""
    if not 1 <= asked.limit <= 1_000:
        raise InvalidInput(f"limit = {asked.limit} is not usable: give a number from 1 to 1,000")
    if not 0 <= asked.offset <= MOST_OFFSET:
        raise InvalidInput(
            f"offset = {asked.offset} is not usable: give a number from 0 to {MOST_OFFSET:,}; beyond, /api/v1/sessions has cursors"
        )
    page = context.catalog.list(limit=min(10_000, asked.offset + asked.limit))
    items = page.items[asked.offset :]
    if len(items) < asked.limit and page.next is not None:
        items += context.catalog.list(limit=asked.limit - len(items), after=page.next).items
    totals = context.catalog.statistics(zone=context.zone, now=context.now())
    return {
        "sessions": [_listed(item) for item in items],
        "total_sessions": page.total,
        "sessions_today": totals.sessions.today,
        "sessions_this_week": totals.sessions.this_week,
        "total_messages": sum(totals.messages.values()),
        "limit": asked.limit,
        "offset": asked.offset,
    }


def _save(context: Context, asked: SaveChat) -> dict[str, Any]:
    given = asked.session
    if given.user_name is None and context.user_id is not None:
        given = msgspec.structs.replace(given, user_name=context.user_id)
    added, amended = save(context.log, given)
    return {"added": added, "amended": amended}


def _delete(context: Context, asked: OneChat) -> dict[str, Any]:
    deleted = operation("delete")(context, Delete(session_id=asked.session_id))
    return {"session_id": deleted.session_id, "restorable_until": deleted.restorable_until}


def _export(context: Context, asked: ExportChat) -> Any:
    return operation("export")(context, Export(session_id=asked.session_id, format=asked.format))


def _listed(item: SessionItem) -> dict[str, Any]:
    return {
        "session_id": item.session_id,
        "user_name": item.user_id,
        "title": item.title,
        "started_at": item.started_at,
        "last_updated": item.updated_at,
        "preview": item.preview,
        "message_count": item.messages,
        "user_messages": item.user_messages,
        "assistant_messages": item.assistant_messages,
        "kind": item.kind,
        "model": item.model,
        "tags": item.tags,
        "errors": item.errors,
    }


def _session(context: Context, session_id: str) -> dict[str, Any]:
    with context.log.session(session_id) as session:
        view = SessionView.fold_all(SessionView.initial(), session.read(on_damage="skip"))
    return {
        "session_id": session_id,
        "user_name": view.user_id,
        "title": view.title,
        "started_at": view.started_at,
        "last_updated": view.updated_at,
        "messages": texts_of(view.messages),
        "metadata": view.metadata,
        "stats": {
            "total_messages": view.counts.messages,
            "user_messages": view.counts.user_messages,
            "assistant_messages": view.counts.assistant_messages,
            "errors": view.counts.errors,
        },
        "errors": [{"message": each.message, "kind": each.kind, "timestamp": each.time} for each in view.errors],
    }


COMMANDS: Final[dict[str, Command]] = {
    each.name: each
    for each in (
        Command("start", StartChat, _start, writes=True),
        Command("load", OneChat, _load),
        Command("list", ListChats, _list),
        Command("save", SaveChat, _save, writes=True),
        Command("delete", OneChat, _delete, writes=True),
        Command("export", ExportChat, _export),
    )
}


def _path_item(command: Command) -> dict[str, Any]:
    schema = msgspec.json.schema_components([command.arguments], ref_template="#/x/{name}")[1]
    own = schema[command.arguments.__name__]
    if command.name == "save":
        own = {"type": "object", "properties": {"session": {"type": "object"}}, "required": ["session"]}
    media_type = "*/*" if command.name == "export" else "application/json"
    return {
        "post": {
            "operationId": f"chat_{command.name}",
            "summary": f"{command.name.capitalize()}, in the shapes of a chat backend's own API.",
            "requestBody": {"required": True, "content": {"application/json": {"schema": own}}},
            "responses": {
                "200": {"description": "It was done.", "content": {media_type: {"schema": {} if command.name == "export" else _SCHEMA}}},
                "default": {
                    "description": "What went wrong, with the next step.",
                    "content": {
                        "application/json": {"schema": _SCHEMA},
                        "application/problem+json": {"schema": {"$ref": "#/components/schemas/ProblemDetails"}},
                    },
                },
            },
        }
    }


PATH_ITEMS: Final = {f"/api/sessions/{name}": _path_item(command) for name, command in COMMANDS.items()}
