"""Which conversation a request goes on with: found by aligning what it says with what was recorded, message by message.

A *thread* is what the recorder knows of one conversation: for each message in the model's order its digest, id and seq. A session has one,
or several (programs that put several agents into one session).

- **An anchor is an answer that was recorded here.** Two chats that begin with the same words stay two, and so do two that begin with the
  same examples. From the anchor both are walked backwards (how much overlaps) and forwards (what is recorded already).
- **Without an anchor** only a question that nobody has answered, and nobody is answering, can be meant: a retry.
- **Identical conversations are interchangeable**: the one whose end matches, the latest of them, is taken.
- Memory: some 200 bytes a message; the threads that were not used for longest are dropped, and folded again from the log.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from .digests import chain

if TYPE_CHECKING:
    from .sessions import Recorded

MAX_THREADS = 4096


class Entry:
    """A message of a thread. ``at``: its place there. ``seq``: None until it is stored. ``is_soft``: an answer that was broken off or
    failed, which the caller may send back whole, cut or not at all; ``text`` then is what it said."""

    __slots__ = ("at", "digest", "has_call", "is_answer", "is_soft", "message_id", "others", "response_id", "role", "seq", "text")

    def __init__(self, digest: bytes, message_id: str, role: str, *, is_answer: bool = False, has_call: bool = False) -> None:
        self.at = 0
        self.digest = digest
        self.message_id = message_id
        self.role = role
        self.seq: int | None = None
        self.is_answer = is_answer
        self.has_call = has_call
        self.is_soft = False
        self.response_id: str | None = None
        self.text = ""
        self.others: list[Entry] = []  # its alternatives, of which the caller may choose one

    def copy(self) -> Entry:
        made = Entry(self.digest, self.message_id, self.role, is_answer=self.is_answer, has_call=self.has_call)
        made.seq, made.response_id, made.is_soft, made.text = self.seq, self.response_id, self.is_soft, self.text
        return made


class Thread:
    """``in_flight``: how many requests at its end are not answered yet. ``window``: the first entry that the caller last sent, and the
    digest of what stood before it."""

    __slots__ = ("entries", "in_flight", "instructions", "session", "tip", "window")

    def __init__(self, session: Recorded) -> None:
        self.session = session
        self.entries: list[Entry] = []
        self.in_flight = 0
        self.instructions: Entry | None = None  # the system message, which is none of the entries
        self.window: tuple[Entry, bytes] | None = None
        self.tip: bytes | None = None  # under which it waits for an answer

    def add(self, entry: Entry) -> Entry:
        entry.at = len(self.entries)
        self.entries.append(entry)
        return entry

    def holds(self, entry: Entry) -> bool:
        return entry.at < len(self.entries) and self.entries[entry.at] is entry

    def insert(self, at: int, entry: Entry) -> Entry:
        self.entries.insert(at, entry)
        for place in range(at, len(self.entries)):
            self.entries[place].at = place
        return entry

    def remove(self, entry: Entry) -> None:
        if self.holds(entry):
            del self.entries[entry.at]
            for place in range(entry.at, len(self.entries)):
                self.entries[place].at = place


class Match(NamedTuple):
    """``known``: how many messages of the request, from its start, need not be recorded: its first ``unknown`` ones (the caller's own
    summary) and those that are the thread's. ``end``: where in the thread they end; ``first``: where they begin."""

    thread: Thread
    first: int
    unknown: int
    known: int
    end: int


class Threads:
    """All threads of a recorder, found by what they say. Of one thread of execution: the writer's."""

    def __init__(self, limit: int = MAX_THREADS) -> None:
        self._limit = limit
        self._threads: OrderedDict[Thread, None] = OrderedDict()
        self._answers: dict[bytes, list[tuple[Thread, Entry]]] = {}
        self._responses: dict[str, tuple[Thread, Entry]] = {}
        self._tips: dict[bytes, list[Thread]] = {}
        self._alternatives: dict[bytes, list[tuple[Thread, Entry]]] = {}

    def __len__(self) -> int:
        return len(self._threads)

    def __iter__(self) -> Iterator[Thread]:
        return iter(self._threads)

    def use(self, thread: Thread) -> list[Thread]:
        """It is used now. Returns those that had to go for it."""
        self._threads[thread] = None
        self._threads.move_to_end(thread)
        gone: list[Thread] = []
        for oldest in list(self._threads):
            if len(self._threads) <= self._limit:
                break
            if oldest is not thread and not oldest.in_flight:
                self.drop(oldest)
                gone.append(oldest)
        return gone

    def drop(self, thread: Thread) -> None:
        self._threads.pop(thread, None)
        self.settle(thread, is_gone=True)
        for entry in thread.entries:
            self.forget(thread, entry)

    def forget(self, thread: Thread, entry: Entry) -> None:
        """The entry is no anchor any more."""
        found = self._answers.get(entry.digest)
        if found is not None:
            found[:] = [each for each in found if each[0] is not thread or each[1] is not entry]
            if not found:
                del self._answers[entry.digest]
        if entry.response_id is not None and self._responses.get(entry.response_id, (None, None))[1] is entry:
            del self._responses[entry.response_id]
        for other in entry.others:
            left = [each for each in self._alternatives.get(other.digest, ()) if each[1] is not entry]
            if left:
                self._alternatives[other.digest] = left
            else:
                self._alternatives.pop(other.digest, None)

    def anchor(self, thread: Thread, entry: Entry) -> None:
        """The entry is an answer that was recorded."""
        self._answers.setdefault(entry.digest, []).append((thread, entry))
        if entry.response_id is not None:
            self._responses[entry.response_id] = (thread, entry)

    def cut(self, thread: Thread, end: int) -> list[Entry]:
        """Leave behind what comes after ``end``. Returns it."""
        gone = thread.entries[end:]
        for entry in gone:
            self.forget(thread, entry)
        del thread.entries[end:]
        self.settle(thread)
        return gone

    def settle(self, thread: Thread, *, is_gone: bool = False) -> None:
        """Note whether the thread's end is a question without an answer (one that counts)."""
        if thread.tip is not None:
            waiting = self._tips.get(thread.tip, [])
            if thread in waiting:
                waiting.remove(thread)
            if not waiting:
                self._tips.pop(thread.tip, None)
            thread.tip = None
        end = len(thread.entries)
        while end and thread.entries[end - 1].is_soft:
            end -= 1
        if is_gone or not end or thread.entries[end - 1].is_answer:
            return
        thread.tip = chain(entry.digest for entry in thread.entries[:end])[-1]
        self._tips.setdefault(thread.tip, []).append(thread)

    def align_alternative(self, digests: Sequence[bytes], session: Recorded | None) -> tuple[Match, tuple[Entry, Entry]] | None:
        """The thread that the request goes on with by an alternative to its last answer, which then takes that answer's place.

        Returns the match, and (the answer until now, the chosen one)."""
        if not self._alternatives:
            return None
        for digest in reversed(digests):
            for thread, entry in reversed(self._alternatives.get(digest, ())):
                if (session is not None and thread.session is not session) or not thread.holds(entry) or entry.digest in digests:
                    continue
                other = next(each for each in entry.others if each.digest == digest)
                self._exchange(thread, entry, other)
                match = self.align(digests, thread.session)
                if match is not None and match.thread is thread and match.end == len(thread.entries) and match.end > other.at:
                    return match, (entry, other)
                self._exchange(thread, other, entry)
        return None

    def _exchange(self, thread: Thread, entry: Entry, other: Entry) -> None:
        others = [entry, *(each for each in entry.others if each is not other)]
        self.forget(thread, entry)
        entry.others = []
        other.at, other.others = entry.at, []
        thread.entries[other.at] = other
        self.anchor(thread, other)
        for each in others:
            self.offer(thread, other, each)

    def offer(self, thread: Thread, entry: Entry, other: Entry) -> None:
        """``other`` is an alternative to the entry."""
        entry.others.append(other)
        self._alternatives.setdefault(other.digest, []).append((thread, entry))

    def of_response(self, response_id: str) -> tuple[Thread, Entry] | None:
        return self._responses.get(response_id)

    def has_answer(self, digest: bytes) -> bool:
        return digest in self._answers

    def align(self, digests: Sequence[bytes], session: Recorded | None = None) -> Match | None:
        """The thread that the request goes on with, of one session or of all. None where it begins one."""
        anchored = self._anchored(digests, session)
        waiting = self._waiting(digests, session)
        if anchored is None or waiting is None:
            return anchored or waiting
        return waiting if waiting.known > anchored.known else anchored

    def _anchored(self, digests: Sequence[bytes], session: Recorded | None) -> Match | None:
        for index in range(len(digests) - 1, -1, -1):
            best: tuple[tuple[bool, int, bool, int], Match] | None = None
            for order, (thread, entry) in enumerate(self._answers.get(digests[index], ())):
                if (session is not None and thread.session is not session) or not thread.holds(entry):
                    continue
                back = 1
                while back <= min(index, entry.at) and digests[index - back] == thread.entries[entry.at - back].digest:
                    back += 1
                reaches_start = back == index + 1
                if not reaches_start and back < 2 and not entry.has_call:
                    continue  # an answer as short as "yes" is in many conversations
                on = 1
                while (
                    index + on < len(digests)
                    and entry.at + on < len(thread.entries)
                    and digests[index + on] == thread.entries[entry.at + on].digest
                ):
                    on += 1
                end = entry.at + on
                match = Match(thread, entry.at - back + 1, index + 1 - back, index + on, end)
                rank = (reaches_start, back + on, end == len(thread.entries), order)
                if best is None or rank > best[0]:
                    best = rank, match
            if best is not None:
                return best[1]
        return None

    def _waiting(self, digests: Sequence[bytes], session: Recorded | None) -> Match | None:
        keys = chain(digests)
        for known in range(len(keys), 0, -1):
            for thread in reversed(self._tips.get(keys[known - 1], ())):
                if thread.session is session or (session is None and not thread.in_flight):
                    return Match(thread, 0, 0, known, known)
        return None
