"""The events of one session that a program took back, as a change of lines (see `rewriting`): a compaction may leave them out."""

from __future__ import annotations

from ... import stored
from ...algebra.ranges import Ranges
from ...backend import Lines
from ...events import SessionCompacted, SessionDeleted
from ...history import TakenBack
from ...line import TAIL_SIZE, seq_of
from ...segments.segment import Sealed
from ...stored import NO_ORIGIN, StoredEvent
from .. import scan
from ..layout import Layout
from ..pieces import Own


class RetractedEvents:
    """``recorded`` is what footers say was left out already, ``announced`` what events say."""

    reason = "what was taken back was left out"

    def __init__(self, layout: Layout, session_id: str, max_append_bytes: int) -> None:
        """Read the whole session. Raises `FileNotFoundError` where a segment goes meanwhile."""
        self.recorded = Ranges()
        self.announced = Ranges()
        self.is_deleted = False  # the session takes no event, so that nothing could be announced
        found = TakenBack()
        position = 0
        for name in layout.segments(session_id):
            if name.first_seq <= position:
                continue  # covered by the one before
            for piece in scan.scan_file(layout.path(name), name, max_append_bytes=max_append_bytes):
                if isinstance(piece, bytes):
                    for each in stored.decode(Lines(session_id, piece)):
                        found.observe(each)
                        self._look_at(each)
                        position = each.seq
                elif isinstance(piece, Own) and isinstance(piece.record, Sealed):
                    position = piece.record.last_seq
                    self.recorded.add_all(piece.record.left_out)
        self.seqs = found.seqs()

    def _look_at(self, each: StoredEvent) -> None:
        event = each.event
        self.is_deleted = isinstance(event, SessionDeleted)
        if isinstance(event, SessionCompacted) and each.origin_raw is NO_ORIGIN:  # a copy speaks of another session
            self.announced.add_all(event.left_out)

    def touches(self, chunk: bytes) -> bool:
        return self.seqs.meets(seq_of(chunk), seq_of(chunk, chunk.rfind(b"\n", 0, -1) + 1))

    def apply(self, line: bytes) -> bytes | None:
        return None if seq_of(line) in self.seqs else line[:-TAIL_SIZE]
