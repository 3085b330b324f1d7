"""`eventlog.aio` is the same API: whoever adds to the one has to add to the other."""

from __future__ import annotations

import inspect
from collections.abc import Iterator

import pytest

import eventlog
from eventlog import aio, backend, tail
from eventlog.tails import subscription

PAIRS = [
    (eventlog.EventLog, aio.EventLog),
    (eventlog.Session, aio.Session),
    (tail.Tail, aio.Tail),
    (subscription.Subscription, aio.Subscription),
    (backend.Bundle, aio.Bundle),
]
# What an async program has no use for, and why.
NOT_THERE = {
    eventlog.EventLog: set(),
    eventlog.Session: {"pending", "append_all"},  # what the queue of an async session is made of
    tail.Tail: {"wait", "is_ready", "is_over", "stop", "interrupt", "finish"}  # for threads and signal handlers: tasks are cancelled
    | {"take", "head", "has_looked"},  # for whoever waits for many
    subscription.Subscription: {"begin", "finish"},  # of the thread behind it
    backend.Bundle: set(),
}
ONLY_THERE = {
    aio.EventLog: {"settings", "closed"},  # plain attributes there
    aio.Bundle: {"path"},  # the same
    aio.Subscription: {"deliver", "report"},  # called by the thread behind it
}


def public(kind: type) -> dict[str, object]:
    return {name: inspect.getattr_static(kind, name) for name in dir(kind) if not name.startswith("_")}


def shape(member: object) -> object:
    """What a caller writes: a property, or the parameters with their kinds, defaults and types."""
    function = getattr(member, "__func__", member)  # of class and static methods
    if not callable(function):
        return "property"
    found = inspect.signature(function).parameters.values()
    return type(member).__name__, [(each.name, each.kind, each.default, each.annotation) for each in found]


def members() -> Iterator[tuple[type, type, str]]:
    for sync, other in PAIRS:
        for name in sorted(public(sync).keys() - NOT_THERE[sync]):
            yield sync, other, name


@pytest.mark.parametrize(("sync", "other", "name"), list(members()), ids=lambda value: getattr(value, "__name__", value))
def test_every_public_name_is_there_with_the_same_signature(sync: type, other: type, name: str) -> None:
    assert name in public(other)
    assert shape(public(other)[name]) == shape(public(sync)[name])


@pytest.mark.parametrize(("sync", "other"), PAIRS, ids=lambda kind: kind.__name__)
def test_there_is_nothing_that_the_synchronous_one_does_not_have(sync: type, other: type) -> None:
    behind = {name for name in public(other) if name.startswith("sync_")}
    assert public(other).keys() - public(sync).keys() - behind - ONLY_THERE.get(other, set()) == set()
    assert NOT_THERE[sync] <= public(sync).keys(), "what is not there need not be left out"


def test_what_is_set_when_they_are_made_has_the_same_names() -> None:
    """Plain attributes stand on no class."""
    with eventlog.EventLog.memory() as log:
        other = aio.EventLog(log)
        assert {name for name in vars(log) if not name.startswith("_")} == {"settings", "closed"}
        assert (other.settings, other.closed) == (log.settings, False)
