"""The records of an imported Claude Code session, verbatim and in the order in which they came: the source file again.

They are in the origins of the events (`eventlog.importers.provenance`), of forks and merges at the inner end of the chain. What the
session has that did not come from Claude Code is not in the output.
"""

from __future__ import annotations

from eventlog import Session
from eventlog.backend import OnDamage
from eventlog.importers.provenance import Records

from . import Write


def export_session(session: Session, write: Write, on_damage: OnDamage) -> None:
    for _, record in Records(session, "claude-code").all(on_damage):
        if record is not None:
            write(record + b"\n")
