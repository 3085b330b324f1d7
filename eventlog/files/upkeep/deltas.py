"""Which deltas nobody needs any more: those whose message was added whole after them.

Stays: a delta with an id (a retry of its append must find it), the session's first event (it says when the session began), the deltas of
a message that was amended or taken back while it was incomplete (that would not have meant anything without them), and those of
a message that says that it is older than them (the session's last change would be another one). What was taken back completes nothing.
"""

from __future__ import annotations

import msgspec

from ... import stored
from ...algebra.ranges import Ranges
from ...backend import Lines
from ...events import MessageAdded, MessageDelta, SessionCompacted, SessionDeleted
from ...history import taken_back
from ...line import TAIL_SIZE, seq_of
from ...segments.segment import Sealed
from .. import scan
from ..layout import Layout
from ..pieces import Own

_TYPE = b'","type":"'
_MESSAGE, _COMPACTED, _HISTORY = _TYPE + b"message.", _TYPE + SessionCompacted.type.encode(), _TYPE + b"history."
_HEAD_SIZE = 128  # seq, time and the beginning of the type stand within


class _MessageId(msgspec.Struct):
    message_id: str | None = None


class _MessageLine(msgspec.Struct):
    seq: int
    time: str
    type: str
    data: _MessageId
    id: str | None = None


class _Waiting(msgspec.Struct):
    """The deltas of a message that is incomplete so far, and the latest of their times (as text, which sorts)."""

    seqs: Ranges
    time: str


class _LeftOut(msgspec.Struct):
    left_out: list[tuple[int, int]] = []


class _CompactedLine(msgspec.Struct):
    data: _LeftOut
    origin: msgspec.Raw = msgspec.Raw()


_message_line = msgspec.json.Decoder(_MessageLine)
_compacted_line = msgspec.json.Decoder(_CompactedLine)


class CompleteDeltas:
    """The deltas of one session that can go: a change of lines (see `rewriting`). ``recorded`` is what footers say was left out already,
    ``announced`` what events say."""

    reason = "deltas of complete messages were left out"

    def __init__(self, layout: Layout, session_id: str, max_append_bytes: int) -> None:
        """Read the whole session. Raises `FileNotFoundError` where a segment goes meanwhile."""
        self._gone = Ranges()  # what was taken back: it completes nothing
        self._named = Ranges()
        self._scan(layout, session_id, max_append_bytes)
        if len(self._named):  # which is said behind it: once more, with what is known now
            self._gone = self._named
            self._scan(layout, session_id, max_append_bytes)

    def _scan(self, layout: Layout, session_id: str, max_append_bytes: int) -> None:
        self.seqs = Ranges()
        self.recorded = Ranges()
        self.announced = Ranges()
        self.is_deleted = False  # the session takes no event, so that nothing could be announced
        self._waiting: dict[str, _Waiting] = {}
        last_line, position = b"", 0
        for name in layout.segments(session_id):
            if name.first_seq <= position:
                continue  # covered by the one before
            for piece in scan.scan_file(layout.path(name), name, max_append_bytes=max_append_bytes):
                if isinstance(piece, bytes):
                    last_line = piece[piece.rfind(b"\n", 0, -1) + 1 :]
                    position = seq_of(last_line)
                    if _HISTORY in piece:
                        self._named.add_all(taken_back(stored.decode(Lines(session_id, piece))))
                    if _MESSAGE in piece or _COMPACTED in piece:
                        self._look_at(piece)
                elif isinstance(piece, Own) and isinstance(piece.record, Sealed):
                    position = piece.record.last_seq
                    self.recorded.add_all(piece.record.left_out)
        if last_line:
            self.is_deleted = stored.position.decode(last_line).type == SessionDeleted.type

    def _look_at(self, chunk: bytes) -> None:
        for line in chunk.split(b"\n"):
            head = line[:_HEAD_SIZE]
            try:
                if _COMPACTED in head:
                    said = _compacted_line.decode(line)
                    if not bytes(said.origin):  # a copy speaks of another session
                        self.announced.add_all(said.data.left_out)
                elif _MESSAGE in head:
                    self._look_at_message(_message_line.decode(line))
            except (msgspec.ValidationError, RecursionError):
                continue  # of another shape than the vocabulary's: it stays

    def _look_at_message(self, found: _MessageLine) -> None:
        message_id = found.data.message_id
        if message_id is None or found.seq in self._gone:
            return
        waiting = self._waiting.get(message_id)
        if found.type != MessageDelta.type:
            if waiting is not None:
                del self._waiting[message_id]
                if found.type == MessageAdded.type and found.time >= waiting.time:
                    self.seqs.add_all(waiting.seqs)
        elif found.id is None and found.seq > 1:
            if waiting is None:
                waiting = self._waiting[message_id] = _Waiting(Ranges(), found.time)
            waiting.seqs.add(found.seq, found.seq)
            waiting.time = max(waiting.time, found.time)

    # --- as a change of lines ------------------------------------------------------------------------------------------------

    def touches(self, chunk: bytes) -> bool:
        return self.seqs.meets(seq_of(chunk), seq_of(chunk, chunk.rfind(b"\n", 0, -1) + 1))

    def apply(self, line: bytes) -> bytes | None:
        return None if seq_of(line) in self.seqs else line[:-TAIL_SIZE]
