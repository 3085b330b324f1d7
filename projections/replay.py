"""Replay: all events of a session through a projection, from nothing and in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from eventlog import Session, StoredEvent
    from eventlog.backend import OnDamage

    from .projection import Projection
    from .view.session import SessionView

S = TypeVar("S")


def replay(events: Iterable[StoredEvent], projection: Projection[S]) -> S:
    """The state of the projection after the events, which come in the order of their seq (`Session.read` gives them so).

    Nothing is stored. Takes the memory of the state and of one chunk of events, whatever the length of the session; errors of
    the reading (`Damaged`, `SessionNotFound`) pass through. A projection may have a ``fold_all(state, events)`` that does the same as
    its `fold` one by one, only faster; it is used where it is there."""
    state = projection.initial()
    fold_all: Callable[[S, Iterable[StoredEvent]], S] | None = getattr(projection, "fold_all", None)
    if fold_all is not None:
        return fold_all(state, events)
    fold = projection.fold
    for stored in events:
        state = fold(state, stored)
    return state


def view_of(session: Session, *, on_damage: OnDamage = "raise") -> SessionView:
    """The view of a session as it is now: ``replay(session.read(), SessionView)``.

    Costs one reading of the whole session. "skip" leaves out what damage has made unreadable. Raises `Damaged`, `SessionNotFound`."""
    from .view.session import SessionView

    return replay(session.read(on_damage=on_damage), SessionView)
