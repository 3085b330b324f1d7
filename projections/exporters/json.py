"""The whole `SessionView` as JSON, one line per session: what ``eventlog show --json`` prints."""

from __future__ import annotations

import msgspec

from eventlog import Session
from eventlog.backend import OnDamage

from ..pricing import PricedView
from ..replay import replay
from . import Write


def export_session(session: Session, write: Write, on_damage: OnDamage) -> None:
    write(msgspec.json.encode(replay(session.read(on_damage=on_damage), PricedView())) + b"\n")
