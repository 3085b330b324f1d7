"""What a program was told, and whether what the store gives out and keeps agrees with it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

from .store import MARK, SESSIONS, Place, events_in, mark, payload

_TYPE = re.compile(rb'"type":"([^"]+)"')
# Events that commands write about a session. They hold no mark, so they are known by what they are.
_ABOUT = frozenset(
    b"session." + name for name in (b"started", b"updated", b"ended", b"resumed", b"deleted", b"restored", b"compacted", b"merged")
) | {b"event.redacted"}
_UNKNOWN = 0  # the seq of an append whose outcome is unknown
_REFUSED = -1


class Broken(Exception):
    """A promise that did not hold: what kind, where in the product (as far as is known), and what was seen."""

    def __init__(self, verdict: str, detail: str, where: str = "") -> None:
        super().__init__(f"{verdict}: {detail}{f' [{where}]' if where else ''}")
        self.verdict, self.detail, self.where = verdict, detail, where


class _Attempt(NamedTuple):
    session_id: str
    seq: int


class Known:
    """``required``: the places that must be readable now. ``derived``: sessions that commands made of others, or put others into."""

    def __init__(self, files: Iterable[bytes]) -> None:
        self.required: set[Place] = set()
        self.recent: set[Place] = set()  # acknowledged since the shape was changed last
        self.derived: set[str] = set()
        self.redacted: set[str] = set()
        self.sessions: set[str] = set(SESSIONS)
        self._given: set[Place] = set()  # seen since the shape was changed last
        self._payloads: dict[Place, set[bytes]] = {}
        self._attempts: dict[bytes, _Attempt] = {}
        self._next = 1_000_000
        for content in files:
            self._learn(content)
            self.required.update(events_in(content))
        self.sessions.update(session_id for session_id, _ in self.required)
        self._marks: dict[str, set[bytes]] = {}

    def _learn(self, content: bytes) -> None:
        for place, found in events_in(content).items():
            self._payloads.setdefault(place, set()).add(found)

    def learn_older(self, files: Iterable[bytes]) -> None:
        """Take in what an older copy holds, which may come back."""
        for content in files:
            self._learn(content)

    # --- appending ---

    def attempt(self, session_id: str) -> str:
        """The mark of an append that is about to be tried."""
        self._next += 1
        text = mark(self._next)
        self._attempts[text.encode()] = _Attempt(session_id, _UNKNOWN)
        return text

    def refused(self, text: str) -> None:
        """The program was told that nothing of it is stored."""
        self._attempts[text.encode()] = self._attempts[text.encode()]._replace(seq=_REFUSED)

    def acknowledged(self, session_id: str, seq: int, text: str | None = None, *, durable: bool = True) -> None:
        """What is not durable may be gone where its file was replaced since the last look at its name, which is up to an interval ago."""
        place = session_id, seq
        if place in self.required or place in self._given:
            raise Broken("seq given again", f"{session_id} {seq}, which another event has")
        if text is not None:
            self._attempts[text.encode()] = _Attempt(session_id, seq)
        if durable:
            self.required.add(place)
            self.recent.add(place)

    # --- reading ---

    def check_lines(self, session_id: str, lines: Iterable[tuple[int, bytes]]) -> set[Place]:
        """Stored lines with their seqs, as a session gave them out. Returns their places."""
        last = 0
        found: set[Place] = set()
        for seq, line in lines:
            if seq <= last:
                raise Broken("not ascending", f"{session_id} gave event {seq} after {last}")
            last = seq
            self.check(session_id, seq, payload(line))
            found.add((session_id, seq))
        return found

    def check(self, session_id: str, seq: int, text: bytes) -> None:
        """One event that was given out: it is the one that was acknowledged there."""
        place = session_id, seq
        if text not in self._payloads.get(place, ()):
            if not self._may_be(session_id, seq, text):
                raise Broken("wrong event", f"{session_id} gave as event {seq}: {text[:300]!r}")
            self._payloads.setdefault(place, set()).add(text)
        self._given.add(place)

    def _may_be(self, session_id: str, seq: int, text: bytes) -> bool:
        if seq != int(text[7 : text.index(b",")]):
            return False
        marks = MARK.findall(text)
        if session_id in self.derived:
            return all(found in self._attempts or int(found[1:-1]) < 1_000_000 for found in marks)
        if session_id not in self.sessions:
            return False
        if session_id in self.redacted:
            return True  # it may be any of them, emptied
        if not marks:
            type = _TYPE.search(text)
            return type is not None and type[1] in _ABOUT
        attempts = [self._attempts.get(found) for found in marks]
        return all(attempt is not None and attempt.session_id == session_id and attempt.seq in (seq, _UNKNOWN) for attempt in attempts)

    def check_marks(self, session_id: str, output: str) -> None:
        """Whatever is shown of a session comes from it."""
        if session_id in self.derived or session_id not in self.sessions:
            return
        for found in set(MARK.findall(output.encode())):
            attempt = self._attempts.get(found)
            if attempt is None:
                mine = self._marks_of(session_id)
                if found not in mine:
                    raise Broken("wrong event", f"{found.decode()} is shown as of {session_id}, which never held it")
            elif attempt.session_id != session_id:
                raise Broken("wrong event", f"{found.decode()}, appended to {attempt.session_id}, is shown as of {session_id}")

    def _marks_of(self, session_id: str) -> set[bytes]:
        if session_id not in self._marks:
            texts = (text for place, found in self._payloads.items() if place[0] == session_id for text in found)
            self._marks[session_id] = {each for text in texts for each in MARK.findall(text)}
        return self._marks[session_id]

    # --- what the shape still holds ---

    def reshaped(self, before: dict[str, bytes], after: dict[str, bytes]) -> None:
        """The shape has changed: what must still be readable is what stands where it stood, whole."""
        kept: set[Place] = set()
        for name, content in before.items():
            if after.get(name, b"").startswith(content):
                kept.update(events_in(content))
        self.required &= kept
        self.recent.clear()
        self._given.clear()

    def forget(self, session_id: str, seq: int | None = None) -> None:
        """Events were removed on purpose: all of a session, or one."""
        gone = {place for place in self.required if place[0] == session_id and seq in (None, place[1])}
        self.required -= gone
        self.recent -= gone
