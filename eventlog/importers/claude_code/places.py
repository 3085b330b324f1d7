"""Which session a Claude Code record belongs to. Its own ``sessionId`` decides, with ``agentId`` for a subagent's; never a path.

A record that names none goes to its file's main session: the first one that a record of the file names. Where none does, that
is the session whose id the file has as its name (Claude Code names its files so), else one named after the content of
the first record of a conversation.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

import msgspec

from eventlog.errors import InvalidSessionId
from eventlog.events import Parent
from eventlog.ids import check_session_id, session_id_for

from ..intake import Place
from ..provenance import fingerprint
from ..records import Record
from ..values import time_of

FORMAT = "claude-code"
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_CONVERSATION = ("user", "assistant")
_JOURNAL = ("started", "result")  # of a workflow: these speak of an agent, they are not its records


class Head(msgspec.Struct, gc=False):
    """The fields of a record that place it."""

    type: Any = None
    sessionId: Any = None  # noqa: N815 (the source's name)
    session_id: Any = None
    agentId: Any = None  # noqa: N815
    timestamp: Any = None

    @property
    def session_name(self) -> str | None:
        name = self.sessionId or self.session_id
        return name if isinstance(name, str) and name else None

    @property
    def agent_name(self) -> str | None:
        name = self.agentId if self.type not in _JOURNAL else None
        return name if isinstance(name, str) and name else None

    @property
    def time(self) -> datetime | None:
        """None where the record has no time that can be read. A time without a zone is taken as UTC, a number as a Unix time."""
        return time_of(self.timestamp)


def main_session(name: str) -> Place:
    return Place(_allowed(name, name), (name,))


def subagent(
    session_name: str, agent_name: str, *, parent_agent: str | None = None, title: str | None = None, metadata: dict[str, Any] | None = None
) -> Place:
    """The child session of an agent: ``<session>.agent-<agent>``, whose parent is the session or the agent that called it."""
    parent = main_session(session_name) if parent_agent is None else subagent(session_name, parent_agent)
    own = f"{main_session(session_name).session_id}.agent-{agent_name}"
    names = (session_name, agent_name)
    return Place(_allowed(own, *names), names, Parent(session_id=parent.session_id, relation="subagent"), title, metadata or {})


def place_of(head: Head) -> Place | None:
    """The session that the record names; None where it names none."""
    name, agent = head.session_name, head.agent_name
    if name is None:
        return None
    return main_session(name) if agent is None else subagent(name, agent)


def first_named_place(records: list[Record[Head]]) -> Place | None:
    """The first session that one of the records names."""
    places = (place_of(record.head) for record in records if record.head is not None)
    return next((place for place in places if place is not None), None)


def main_place(records: list[Record[Head]], file_stem: str) -> Place | None:
    """The main session of a file with these records; None where nothing in it says which conversation it is of."""
    named = first_named_place(records)
    if named is not None:
        return named
    if _UUID.fullmatch(file_stem):
        return main_session(file_stem)
    for record in records:
        if record.head is not None and (record.head.type in _CONVERSATION or record.head.timestamp is not None):
            session_id = session_id_for(FORMAT, fingerprint(record.text).hex())
            return Place(session_id, (session_id,))
    return None


def _allowed(session_id: str, *names: str) -> str:
    """The id, or the stable one for the names where our rule refuses it."""
    try:
        return check_session_id(session_id)
    except InvalidSessionId:
        return session_id_for(FORMAT, *names)
