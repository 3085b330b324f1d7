"""A session as a file of another tool: as it came, where it was imported from there; else made, for the tools that go on with such a file.

What was imported comes back as its source had it, value for value (`eventlog.importers.giving_back`); what the session has that did not
come from there is not in it. A session of another tool, or of none, is told anew (`told`) in the grammar of the tool: what the model sees.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import datetime
from importlib import import_module
from typing import Any

from eventlog import Session
from eventlog.backend import OnDamage
from eventlog.errors import InvalidInput
from eventlog.events import SessionStarted
from eventlog.ids import session_id_for
from eventlog.importers import declared
from eventlog.importers.giving_back import beside, main, names
from eventlog.importers.provenance import Records

from ... import SessionView, replay
from .. import MADE, Write
from .told import Told


class Native:
    """The exporter of one tool's format."""

    def __init__(self, format: str) -> None:
        self.format = format
        self._declared = declared(format)

    def check(self, session: Session) -> None:
        """Raise `InvalidInput` where the session did not come from the tool, and its format cannot be made."""
        if self.format not in MADE and not self.is_from_there(session):
            raise InvalidInput(
                f"session {session.id} did not come from {self.format}, and its files cannot be made of other sessions; "
                f"give one of: {', '.join(MADE)}"
            )

    def export_session(self, session: Session, write: Write, on_damage: OnDamage) -> None:
        """Write the session's file. Raises `InvalidInput` where it did not come from the tool and its format cannot be made."""
        if self.is_from_there(session):
            for chunk in main(self._declared, lambda: self._records(session, on_damage)):
                write(chunk)
            return
        for chunk in self.made(session, on_damage=on_damage)[1]:
            write(chunk)

    def beside(self, session: Session) -> Iterator[tuple[str, bytes]]:
        """The other files that the session's source had, each with the name that it has beside `file_name`."""
        if not self.is_from_there(session):
            return
        own = names(self._declared, lambda: self._records(session, "skip"))[0]
        name = self.file_name(session)
        folder = name.removesuffix(own) if own else f"{os.path.dirname(name)}/".lstrip("/")
        for other, data in beside(self._declared, lambda: self._records(session, "skip")):
            yield folder + other, data

    def file_name(self, session: Session) -> str:
        """The name that the tool itself would give to the file."""
        started = next((stored.event for stored in session.read(on_damage="skip") if isinstance(stored.event, SessionStarted)), None)
        first = next((stored.time for stored in session.read(on_damage="skip")), datetime.min)
        named = started.metadata.get("source_session_id") if started is not None else None
        is_own = self.is_from_there(session)
        own, *others = names(self._declared, lambda: self._records(session, "skip")) if is_own else [""]
        if self.format in MADE and not own:
            id = session.id if is_own else native_id(self.format, session.id)
            return str(module_of(self.format).file_name(id, first))
        name = (named if isinstance(named, str) and is_own else session.id).replace("/", "-").replace("\0", "-").lstrip(".") or session.id
        is_alone = not own and all(other.startswith(name) for other in others)
        return f"{name}{self._suffix}" if is_alone else f"{name}/{own or name + self._suffix}"

    def made(
        self, session: Session, *, id: str | None = None, cwd: str | None = None, on_damage: OnDamage = "raise"
    ) -> tuple[Told, Iterator[bytes]]:
        """The session told anew, and its file. ``id``: the new session's, a UUID; ``cwd``: the folder that it is of."""
        self.check(session)
        view = replay(session.read(on_damage=on_damage), SessionView)
        told = Told(view, id or native_id(self.format, session.id), cwd or folder_of(view))
        return told, module_of(self.format).compose(told)

    def is_from_there(self, session: Session) -> bool:
        """Whether the session holds records of the format."""
        return next(iter(Records(session, self.format).all()), None) is not None

    @property
    def _suffix(self) -> str:
        format = self._declared
        return ".md" if format.texts is not None else ".json" if format.documents is not None and format.lines is None else ".jsonl"

    def _records(self, session: Session, on_damage: OnDamage) -> Iterator[bytes]:
        return (record for _, record in Records(session, self.format).all(on_damage) if record is not None)


def native_id(format: str, session_id: str) -> str:
    """The id of the session in another tool: a UUID that follows from its own."""
    return session_id_for("native", format, session_id)


def folder_of(view: SessionView) -> str:
    """The folder in which the session was; the root where nothing says."""
    cwd = view.metadata.get("cwd") or view.metadata.get("project")
    return cwd if isinstance(cwd, str) and cwd.startswith("/") else "/"


def module_of(format: str) -> Any:
    """What makes files of the format: `compose`, `file_name` and the `folder` of a tool's home that they go to."""
    return import_module(f"{__name__}.{MADE[format]}")
