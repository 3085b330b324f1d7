"""The log's own format to take away: a header line, then the stored event lines as they are. ``import jsonl`` reads it back.

The header says up to which event the session is in the file, so that a file that was cut is noticed.
"""

from __future__ import annotations

import msgspec

from eventlog import Session
from eventlog.backend import OnDamage

from . import Write

_BLOCK_SIZE = 64 * 1024


def export_session(session: Session, write: Write, on_damage: OnDamage) -> None:
    """Write the session as it is now; what is appended meanwhile is not in it."""
    last_seq = session.last_seq
    header = {"type": "session.exported", "session_id": session.id, "format": 1, "last_seq": last_seq}
    block, size = [msgspec.json.encode(header)], 0
    for stored in session.read(before=last_seq + 1, on_damage=on_damage):
        block.append(stored.raw)
        size += stored.size_bytes
        if size >= _BLOCK_SIZE:
            write(b"\n".join(block) + b"\n")
            block, size = [], 0
    if block:
        write(b"\n".join(block) + b"\n")
