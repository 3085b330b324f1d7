"""The records of an imported Claude Code session, verbatim and in the order in which they came: the source file again.

They are in the origins of the events (`eventlog.importers.provenance`), of forks and merges at the inner end of the chain. What the
session has that did not come from Claude Code is not in the output.
"""

from __future__ import annotations

from eventlog import Session
from eventlog.backend import OnDamage
from eventlog.copies import innermost
from eventlog.importers.provenance import Provenance

from . import Write

_provenance = Provenance("claude-code")


def export_session(session: Session, write: Write, on_damage: OnDamage) -> None:
    for stored in session.read(on_damage=on_damage):
        record = _provenance.record_in(innermost(stored.origin_raw))
        if record is not None:
            write(record + b"\n")
