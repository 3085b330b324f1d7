"""Every public read and append of the library, with fresh handles and with handles that were open when the shape changed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from eventlog import EventLog, Session, aio
from eventlog.errors import AppendFailed, OutcomeUnknown, SessionDeleted, SessionError, StoreError
from eventlog.events import MessageAdded
from eventlog.tail import CaughtUp, Tail
from projections import Catalog, SessionView, replay

from .known import Broken
from .store import settings

if TYPE_CHECKING:
    from .case import Case

_NOTHING_STORED = (AppendFailed, SessionError, StoreError)


class Use(NamedTuple):
    """``os_errors``: the call's documentation says that it raises them."""

    function: Callable[[Case], None]
    weight: float
    os_errors: bool = False


USES: dict[str, Use] = {}


def use(weight: float, *, os_errors: bool = False) -> Callable[[Callable[[Case], None]], Callable[[Case], None]]:
    def register(function: Callable[[Case], None]) -> Callable[[Case], None]:
        USES[function.__name__.replace("_", " ")] = Use(function, weight, os_errors)
        return function

    return register


# --- appending ----------------------------------------------------------------------------------------------------------------


def append(case: Case, session: Session, count: int = 1, sync: Any = "always") -> None:
    """An append, and what is to be remembered of it whatever comes of it."""
    texts = [case.known.attempt(session.id) for _ in range(count)]
    try:
        last = session.append(*(MessageAdded(role="user", content=f"later {text} {'.' * 60}") for text in texts), sync=sync)
    except OutcomeUnknown:
        raise
    except _NOTHING_STORED:
        for text in texts:
            case.known.refused(text)
        raise
    for seq, text in enumerate(texts, last - count + 1):
        case.known.acknowledged(session.id, seq, text, durable=sync == "always")


@use(8)
def append_with_a_fresh_handle(case: Case) -> None:
    with case.open() as log, log.session(case.session_id(), create=case.random.random() < 0.3) as session:
        append(case, session, case.random.choice((1, 1, 3)))


@use(6)
def append_many_with_a_fresh_handle(case: Case) -> None:
    """Enough for the next segment."""
    with case.open() as log, log.session(case.session_id()) as session:
        for _ in range(8):
            append(case, session)


@use(10)
def append_with_an_open_handle(case: Case) -> None:
    for session in case.writers:
        for _ in range(case.random.choice((1, 3, 10))):
            append(case, session, case.random.choice((1, 1, 3)), case.random.choice(("always", "always", "interval")))


@use(6)
def append_with_an_exclusive_handle(case: Case) -> None:
    for session in case.exclusive:
        for _ in range(case.random.choice((1, 3, 10))):
            append(case, session, case.random.choice((1, 1, 3)))


@use(2)
def end_with_an_open_handle(case: Case) -> None:
    for session in case.writers:
        case.known.acknowledged(session.id, session.end())


@use(2)
def append_with_a_new_exclusive_handle(case: Case) -> None:
    with case.open() as log, log.session(case.session_id(), exclusive=True) as session:
        append(case, session)
        append(case, session, 2)


@use(2)
def append_and_read_with_asyncio(case: Case) -> None:
    session_id = case.session_id()
    text = case.known.attempt(session_id)

    async def run() -> None:
        log = await aio.EventLog.open(settings=settings(case.store), create=False)
        try:
            session = await log.session(session_id)
            try:
                seq = await session.append(MessageAdded(role="user", content=text))
            except (AppendFailed, SessionError, StoreError) as error:
                if not isinstance(error, OutcomeUnknown):
                    case.known.refused(text)
                raise
            case.known.acknowledged(session_id, seq, text)
            case.known.check_lines(session_id, [(event.seq, event.raw) async for event in session.read(on_damage="skip")])
        finally:
            await log.close()

    asyncio.run(run())


# --- reading ------------------------------------------------------------------------------------------------------------------


def read(case: Case, session: Session, **how: Any) -> None:
    case.known.check_lines(session.id, ((event.seq, event.raw) for event in session.read(**how)))


@use(6)
def read_every_session(case: Case) -> None:
    with case.open() as log:
        for session_id in case.at_most(log.session_ids()):
            with log.session(session_id) as session:
                read(case, session, on_damage="skip")


@use(6)
def read_a_session(case: Case) -> None:
    random = case.random
    with case.open() as log, log.session(case.session_id()) as session:
        after = random.choice((0, 0, 1, random.randrange(40)))
        how: dict[str, Any] = {"after": after, "on_damage": random.choice(("raise", "skip"))}
        if random.random() < 0.3:
            how["before"] = after + random.randrange(1, 12)
        read(case, session, **how)


@use(4)
def read_with_open_handles(case: Case) -> None:
    for session in (*case.writers, *case.exclusive):
        read(case, session, on_damage="skip")
        assert session.last_seq >= 0


@use(3)
def last_seq(case: Case) -> None:
    with case.open() as log:
        for session_id in case.at_most(log.session_ids()):
            with log.session(session_id) as session:
                assert session.last_seq >= 0


@use(3)
def ids_and_stamps(case: Case) -> None:
    with case.open() as log:
        ids = case.at_most(log.session_ids())
        if len(set(ids)) < len(ids):
            raise Broken("doubled", f"sessions are listed twice: {sorted(id for id in set(ids) if ids.count(id) > 1)}")
        case.at_most(log.stamps())
        case.at_most(log.deleted())


@use(3)
def changed_since(case: Case) -> None:
    with case.open() as log:
        for cursor in (None, case.cursor):
            changes = log.changed_since(cursor)
            case.cursor = changes.cursor


@use(6)
def verify(case: Case) -> None:
    with case.open() as log:
        report = log.verify()
        assert len(report.problems) < 10_000


@use(2)
def view(case: Case) -> None:
    session_id = case.session_id()
    with case.open() as log, log.session(session_id) as session:
        found = replay(session.read(on_damage="skip"), SessionView)
        case.known.check_marks(session_id, str(found.messages))


def _take(case: Case, tail: Tail) -> None:
    """Everything that a tail has to say now."""
    last: dict[str, int] = case.tail_positions.setdefault(id(tail), {})
    for _ in range(5_000):
        if not tail.wait(0.0):
            return
        item = next(tail)
        if isinstance(item, CaughtUp):
            continue
        if item.seq <= last.get(item.session_id, 0):
            raise Broken("not ascending", f"a tail gave {item.session_id} {item.seq} after {last[item.session_id]}")
        last[item.session_id] = item.seq
        case.known.check_lines(item.session_id, [(item.seq, item.raw)])
    raise Broken("hang", "a tail never comes to an end")


@use(5)
def tails_that_were_open(case: Case) -> None:
    for tail in case.tails:
        _take(case, tail)


@use(2)
def tail_a_session(case: Case) -> None:
    with case.open() as log, log.tail(case.session_id(), case.random.choice((0, "end", 3)), marks=True, on_damage="skip") as tail:
        _take(case, tail)


@use(2)
def tail_everything(case: Case) -> None:
    with case.open() as log, log.tail(None, case.random.choice(("start", "end")), marks=True, on_damage="skip") as tail:
        _take(case, tail)


@use(1)
def subscribe(case: Case) -> None:
    with case.open() as log:
        stop = log.subscribe(lambda event: None, on_error=lambda error, event: None)
        try:
            with log.session(case.session_id()) as session:
                append(case, session)
        finally:
            stop()


def ask(catalog: Catalog, case: Case) -> None:
    session_id = case.session_id()
    catalog.list(limit=10)
    catalog.search("hello")
    catalog.statistics()
    for item in catalog.tools(session_id=session_id).items:
        case.known.check_marks(session_id, str(item))


@use(3)
def catalogs_that_were_open(case: Case) -> None:
    for catalog in case.catalogs:
        ask(catalog, case)


@use(3)
def catalog(case: Case) -> None:
    with case.open() as log, Catalog.open(log, notice=lambda text: None) as made:
        ask(made, case)


@use(1)
def catalog_made_anew(case: Case) -> None:
    with case.open() as log, Catalog.open(log, notice=lambda text: None) as made:
        made.rebuild(jobs=1)
        for _ in made.check(jobs=1):
            pass


# --- what makes sessions of others, and what keeps a store -----------------------------------------------------------------------


@use(2)
def fork(case: Case) -> None:
    with case.open() as log, log.fork(case.session_id(), on_damage=case.random.choice(("raise", "skip"))) as made:
        case.known.derived.add(made.id)
        read(case, made)


@use(2)
def merge(case: Case) -> None:
    first, second = case.random.sample(case.all_ids, 2)
    try:
        with case.open() as log, log.merge([first, second], on_damage="skip") as made:
            case.known.derived.add(made.id)
            read(case, made)
    finally:
        case.adopt_new_sessions()  # what an interrupted merge has made is finished by the next one


@use(4)
def compact(case: Case) -> None:
    with case.open() as log:
        log.compact(idle_s=0, drop_deltas=case.random.random() < 0.3, dry_run=case.random.random() < 0.2)


@use(4, os_errors=True)
def repair(case: Case) -> None:
    with case.open() as log:
        apply = case.random.random() < 0.7
        log.repair(apply=apply)


@use(1)
def delete_and_restore(case: Case) -> None:
    session_id = case.session_id()
    with case.open() as log:
        try:
            log.delete(session_id)
        except SessionDeleted:
            pass
        if case.random.random() < 0.7:
            log.restore(session_id)


@use(1)
def clean_up(case: Case) -> None:
    with case.open() as log:
        log.cleanup(0.0, keep=case.random.choice((0, 3)), dry_run=case.random.random() < 0.7)


@use(1, os_errors=True)
def purge(case: Case) -> None:
    session_id = case.session_id()
    case.known.forget(session_id)
    case.known.derived.add(session_id)  # what comes after is not followed any more
    with case.open() as log:
        log.purge(session_id, now=True)


@use(1, os_errors=True)
def redact(case: Case) -> None:
    session_id = case.session_id()
    with case.open() as log:
        if case.random.random() < 0.5:
            case.known.redacted.add(session_id)
            seq = case.random.randrange(1, 8)
            log.redact(session_id, [seq])
        else:
            log.redact(session_id, pattern=f"{'.' * 20}nothing that is there")


@use(2, os_errors=True)
def backup_and_restore(case: Case) -> None:
    case.count += 1
    folder = case.out / f"backup-{case.count}"
    with case.open() as log:
        log.backup(folder)
    EventLog.restore_backup(folder, settings=settings(case.out / f"restored-{case.count}"))
    EventLog.restore_backup(folder, settings=settings(case.store))


@use(2, os_errors=True)
def bundle(case: Case) -> None:
    case.count += 1
    path = case.out / f"{case.count}.bundle"
    with case.open() as log:
        log.bundle([case.session_id()], path)
        with log.open_bundle(path) as found:
            for session_id in found.session_ids:
                for _ in found.read(session_id):
                    pass
