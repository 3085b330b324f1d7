"""Taking events back out of the catalog's rows: what a `history.retracted` names goes, as in a view, at the price of what it names.

What the events had changed is in the `journal`; the messages and calls that they were about are made anew from what is left of it.
"""

from __future__ import annotations

from eventlog import StoredEvent
from eventlog.algebra.ranges import Ranges
from eventlog.history import named, not_yet

from ..projection import State
from .journal import Added, Cell, Entry, Journal, Project, last_of
from .message_tally import messages_of
from .summary import Summary


def taken_back(state: State[Summary], stored: StoredEvent) -> None:
    """A `history.retracted` or `history.cleared`."""
    kept = state.kept
    ranges, kept.cleared_until = not_yet(named(stored), kept.cleared_until)
    journal = Journal(state.memory)
    entries = [entry for entry in journal.within(ranges) if not (isinstance(entry, Project) and entry.is_gone)]
    if kept.cleared_until >= max((entry.seq for entry in entries), default=0):
        kept.long_texts = 0
    for entry in entries:
        _discount(state, entry, journal.cell_of(entry), ranges)
    messages_of(state, stored.seq).take_back(entries, ranges)
    _forget_models(kept, journal, entries, stored.seq)
    if any(isinstance(entry, Project) for entry in entries):
        _name_project(kept, journal)


def _discount(state: State[Summary], entry: Entry, cell: Cell, ranges: Ranges) -> None:
    """Its events count no more, and did not make the session active again."""
    kept = state.kept
    for first, last in Ranges([(entry.seq, last_of(entry))]).without(Ranges([(entry.seq, last_of(entry))]).without(ranges)):
        kept.events -= last - first + 1
        state.rows.add("copied", cell[1:2], {"events": first - last - 1})
        state.rows.add("activity", (*cell[:2], ""), {"events": first - last - 1})
        if kept.ended is not None:
            kept.waking -= max(0, last - max(first, kept.ended[0] + 1) + 1)


def _forget_models(kept: Summary, journal: Journal, entries: list[Entry], until: int) -> None:
    """A model that these events saw first was first seen by the next that did, if any."""
    changed = False
    for entry in entries:
        model = journal.model_of(entry) if isinstance(entry, Added) else None
        if model is None or kept.seen.get(model) != entry.seq:
            continue
        changed = True
        others = (other for other in journal.after(entry.seq, until) if isinstance(other, Added))
        later = (other.seq for other in others if journal.model_of(other) == model)
        sights = [seq for seq in (kept.seen_for_good.get(model), next(later, None)) if seq is not None]
        if sights:
            kept.seen[model] = min(sights)
        else:
            del kept.seen[model]
    if changed:
        kept.models = sorted(kept.seen, key=lambda model: kept.seen[model])


def _name_project(kept: Summary, journal: Journal) -> None:
    """The project is what the last `context.updated` says that is left."""
    found = journal.at(kept.project_seq)
    while isinstance(found, Project) and found.is_gone:
        kept.project_seq = found.before
        found = journal.at(found.before)
    if isinstance(found, Project):
        kept.places["context"] = found.value
    else:
        kept.places.pop("context", None)
