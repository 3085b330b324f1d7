"""OpenClaw: ``~/.openclaw/agents/<agent>/sessions/<id>.jsonl``, in pi's grammar (`pi`); earlier it was called Clawdbot and Moltbot.

The list ``sessions.json`` beside them drifts and is not read. Locks, ``*.trajectory.jsonl`` and what was deleted are no sessions.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from .declaration import Format, Lines, Location
from .intake import Place
from .pi import FAMILY, Head, PiMeaning, is_record, session_of, time_of_entry
from .records import Record

NAME = "openclaw"


class OpenclawMeaning(PiMeaning):
    NAME = NAME


def _session(path: Path, records: list[Record[Head]], last: bool) -> Place | None:
    return session_of(NAME, path, records, last)


FORMAT = Format(
    name=NAME,
    tool="OpenClaw",
    meaning=OpenclawMeaning,
    names=("*.jsonl",),
    not_names=("*.lock", "*.trajectory.jsonl", "*.deleted.*"),
    family=FAMILY,
    locations=(
        Location("~/.openclaw", "agents/*/sessions", "OPENCLAW_STATE_DIR"),
        *(Location(f"~/.{name}", "agents/*/sessions") for name in ("clawdbot", "moltbot", "moldbot")),
    ),
    lines=Lines(head=msgspec.json.Decoder(Head), is_record=is_record, session=_session, time=time_of_entry),
    checked_on="its description",
)
