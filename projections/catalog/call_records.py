"""What is kept of tool calls: in a memory while a result or another record may come (`pairing`), and as rows of a table."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from eventlog import StoredEvent
from eventlog.decoding import decoder

from ..projection import Table
from ..view.pairing import BY_EVENT, BY_PART
from .journal import Cell
from .moments import quarter_of

EVENT: Final = -1  # in place of a part's index: the record is an event of its own

TOOL_CALLS: Final = Table(
    name="tool_call",
    columns={
        "seq": "INTEGER",
        "part": "INTEGER",
        "call_id": "TEXT",
        "tool": "TEXT",
        "message_id": "TEXT",
        "source": "TEXT NOT NULL",
        "called_seq": "INTEGER",
        "returned_seq": "INTEGER",
        "called_at": "INTEGER",
        "returned_at": "INTEGER",
        "is_error": "INTEGER NOT NULL",
        "duration_ms": "REAL",
        "arguments_seq": "INTEGER",
        "arguments_part": "INTEGER",
        "output_seq": "INTEGER",
        "output_part": "INTEGER",
    },
    key=("seq", "part"),
    indexes=("tool, called_at", "tool, duration_ms", "call_id"),
)
Key = tuple[int, int]  # seq and part of a record; of a row, those of the first record of its call


class Track(msgspec.Struct, array_like=True):
    """A call for as long as a result or a second record may come. ``seq`` and ``part`` say where it was first told of."""

    seq: int
    part: int
    called_by: int
    called_at: int | None
    tool: str | None = None
    message_id: str | None = None
    has_arguments: bool = False
    returned_by: int = 0
    has_output: bool = False

    @property
    def key(self) -> Key:
        return self.seq, self.part


class Record(msgspec.Struct, array_like=True):
    """One record of a call or of its result, wherever it stands.

    ``counts``: not in a message that does not count. ``corrects``: the record that it is the amended form of. ``made``: whether it is the
    first of a call, and whether that was counted."""

    seq: int
    part: int
    is_call: bool
    moment: int
    source: str
    tool: str | None
    message_id: str | None
    has_content: bool
    is_error: bool = False
    duration_ms: float | None = None
    counts: bool = True
    corrects: Key | None = None
    made: int = 0

    @property
    def by(self) -> int:
        return BY_EVENT if self.part == EVENT else BY_PART

    @property
    def key(self) -> Key:
        return self.seq, self.part

    @property
    def cell(self) -> Cell:
        return quarter_of(self.moment), self.source, ""


NOTHING, COUNTED, UNCOUNTED, ORPHAN = range(4)  # what a record made


class Group(msgspec.Struct, array_like=True):
    """The calls of one id. ``tracks`` are those that still matter, oldest first; ``records`` the last ones of all, before which there
    are so many chunks."""

    tracks: list[Track]
    records: list[Record]
    chunks: int = 0
    is_tangled: bool = False  # the order of turns decided something


class Chunk(msgspec.Struct, array_like=True):
    records: list[Record]


class Ids(msgspec.Struct, array_like=True):
    ids: list[str]


decoder(Group), decoder(Chunk), decoder(Ids)  # which makes converting to them safe in every thread


class Waiting(msgspec.Struct, omit_defaults=True):
    """What goes into a checkpoint: calls without an id, and the ids of the latest calls that have one and no result; how many results
    came without an id, and how many ids are tangled."""

    without_id: list[Track] = []
    open_ids: list[str] = []
    results_without_id: int = 0
    tangled: int = 0


def row_of(call_id: str | None, record: Record) -> dict[str, Any]:
    return {
        "seq": record.seq,
        "part": record.part,
        "call_id": call_id,
        "tool": record.tool,
        "message_id": record.message_id,
        "source": record.source,
        "called_seq": record.seq,
        "returned_seq": None,
        "called_at": record.moment,
        "returned_at": None,
        "is_error": 0,
        "duration_ms": None,
        "arguments_seq": record.seq,
        "arguments_part": record.part,
        "output_seq": None,
        "output_part": None,
    }


def result_of(record: Record) -> dict[str, Any]:
    return {
        "returned_seq": record.seq,
        "returned_at": record.moment,
        "is_error": int(record.is_error),
        "output_seq": record.seq,
        "output_part": record.part,
    }


def content_at(stored: StoredEvent, part: int, *, of_result: bool) -> Any:
    """The arguments or the output that a row points at, out of its event; None where there is nothing."""
    event = stored.event
    if part == EVENT:
        return getattr(event, "output" if of_result else "arguments", None)
    content = getattr(event, "content", None)
    if not isinstance(content, list) or part >= len(content):
        return None
    found = content[part].response if of_result else content[part].arguments
    return None if found is msgspec.UNSET else found
