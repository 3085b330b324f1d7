"""Where a call belongs: which session and which thread of it, by what the program says, what the request names, and what was said before.

Sessions are begun here, forked, and brought up to date with what other programs have written to them. Nothing of a call is written.
"""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

from ..errors import EventLogError
from ..events import MessageAdded, MessageAmended, MessageRetracted
from ..ids import new_session_id
from ..shapes.exchange import Ask
from . import conversation
from .context import Context, named
from .options import Options
from .restart import Restart
from .sessions import Recorded
from .threads import Entry, Match, Thread, Threads

if TYPE_CHECKING:
    from ..log import EventLog


class Places:
    """``threads``: the conversations that are known; ``sessions``: those that they are in, by their ids."""

    def __init__(self, log: EventLog, restart: Restart, options: Options) -> None:
        self._log = log
        self._restart = restart
        self._options = options
        self.threads = Threads()
        self.sessions: dict[str, Recorded] = {}

    def place(self, context: Context, ask: Ask, keys: list[bytes]) -> tuple[Thread, Match | None, tuple[Entry, Entry] | None]:
        """The thread that the call goes on with, how, and which alternative it chose; a new thread where there is none."""
        session = None
        if context.session_id is not None:
            session = self._session(context.session_id)
        elif ask.conversation_id is not None:
            session = self._session(str(named(ask.conversation_id).session_id))
        match = self._after_response(ask, session)
        if match is None and (found := self.threads.align_alternative(keys, session)) is not None:
            return found[0].thread, found[0], found[1]
        if match is None:
            match = self.threads.align(keys, session)
        if match is None and session is None and self._remembered(ask, keys):
            match = self._after_response(ask, None) or self.threads.align(keys)
        if match is None:
            return Thread(session or self._new()), None, None
        thread = match.thread
        rest = [entry for entry in thread.entries[match.end :] if not entry.is_soft]
        if not rest or (thread.session.is_given and not thread.in_flight):
            return thread, match, None
        return *self._branch(match), None

    def _after_response(self, ask: Ask, session: Recorded | None) -> Match | None:
        """After the response that the request names."""
        if ask.previous_response_id is None:
            return None
        found = self.threads.of_response(ask.previous_response_id)
        if found is None or (session is not None and found[0].session is not session) or not found[0].holds(found[1]):
            return None
        return Match(found[0], 0, 0, 0, found[1].at + 1)

    def _branch(self, match: Match) -> tuple[Thread, Match | None]:
        """The conversation goes two ways: in a session of our own a fork, in a given one a second thread."""
        source = match.thread.session
        kept = match.thread.entries[: match.end]
        if source.is_given:
            session = source
        else:
            session = self._forked(source, kept[-1].seq)
        thread = Thread(session)
        if session is not source and not session.is_begun:  # it could not be forked: it takes its history from the request
            return thread, None
        thread.instructions = match.thread.instructions.copy() if match.thread.instructions is not None else None
        for entry in kept:
            copy = thread.add(entry.copy())
            if copy.is_answer:
                self.threads.anchor(thread, copy)
        return thread, match._replace(thread=thread)

    def _forked(self, source: Recorded, seq: int | None) -> Recorded:
        made = self._new(source)
        if seq is None or source.is_muted or source.jobs:
            return made
        try:
            self._log.fork(source.id, seq, id=made.id).close()
        except (EventLogError, OSError):
            return made
        made.is_begun = True
        made.seen = seq
        made.model, made.provider, made.settings = source.model, source.provider, source.settings
        return made

    def _new(self, parent: Recorded | None = None) -> Recorded:
        session_id = new_session_id()
        made = Recorded(session_id, is_muted=parent.is_muted if parent is not None else not self._options.takes(session_id))
        self.sessions[session_id] = made
        return made

    def _session(self, session_id: str, *, is_given: bool = True) -> Recorded:
        """The session, with what anybody has written to it."""
        session = self.sessions.get(session_id)
        if session is None:
            session = self.sessions[session_id] = Recorded(session_id, is_given=is_given, is_muted=not self._options.takes(session_id))
        self._fold(session)
        return session

    def _fold(self, session: Recorded) -> None:
        news = session.look(self._log)
        first = next(news, None)
        if first is None:
            return
        threads = [thread for thread in self.threads if thread.session is session]
        known = {entry.message_id: (thread, entry) for thread in threads for entry in thread.entries}
        known |= {each.instructions.message_id: (each, each.instructions) for each in threads if each.instructions is not None}
        others = {other.message_id for thread in threads for entry in thread.entries for other in entry.others}
        for stored in chain((first,), news):
            event = stored.event
            if isinstance(event, MessageRetracted) or (isinstance(event, MessageAmended) and event.exclude_from_context is True):
                if (found := known.get(event.message_id)) is not None:
                    self.threads.forget(*found)
                    found[0].remove(found[1])
                    self.threads.settle(found[0])
            elif isinstance(event, MessageAdded) and event.message_id not in known and event.message_id not in others:
                thread = self._thread_for(event, known, threads, session)
                entry = conversation.folded(thread, event, stored.seq)
                if entry is not None:
                    known[entry.message_id] = thread, entry
                    if entry.is_answer:
                        self.threads.anchor(thread, entry)
                    self.threads.settle(thread)

    def _thread_for(self, event: MessageAdded, known: dict[str, tuple[Thread, Entry]], threads: list[Thread], session: Recorded) -> Thread:
        """The thread that a message from the log belongs to: that of the message it replies to, else the latest."""
        found = known.get(event.reply_to) if event.reply_to is not None else None
        if found is not None:
            thread, entry = found
            if entry.at == len(thread.entries) - 1:
                return thread
            made = Thread(session)
            made.instructions = thread.instructions
            for each in thread.entries[: entry.at + 1]:
                made.add(each.copy())
        elif threads and not (event.message_id or "").endswith(".0"):
            return threads[-1]
        else:
            made = Thread(session)
        threads.append(made)
        self.threads.use(made)
        return made

    def _remembered(self, ask: Ask, keys: list[bytes]) -> bool:
        """Load the sessions that an answer in the request was in before this process began. Whether there were any."""
        wanted: list[bytes | str] = [] if ask.previous_response_id is None else [ask.previous_response_id]
        last = next((index for index in range(len(keys) - 1, -1, -1) if ask.messages[index].role == "assistant"), None)
        if last is not None:
            wanted.append(keys[last])
        found = {session_id for key in wanted for session_id in self._restart.sessions_of(key)} - self.sessions.keys()
        for session_id in found:
            try:
                self._session(session_id, is_given=False)
            except (EventLogError, OSError):
                continue  # it is gone, or cannot be read
        return bool(found)

    def use(self, thread: Thread) -> None:
        """The thread is used now. What was not used for longest goes for it: a session goes with the last of its threads."""
        for gone in self.threads.use(thread):
            session = gone.session
            if not session.jobs and not any(other.session is session for other in self.threads):
                self.sessions.pop(session.id, None)
                session.forget_handle()
