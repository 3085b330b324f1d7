"""One life of a store: put down, used, bent, used again, and looked at in the end."""

from __future__ import annotations

import os
import shutil
import signal
import threading
import traceback
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from random import Random
from types import FrameType
from typing import Any, TypeVar

from eventlog import EventLog, Session
from eventlog.errors import EventLogError, StoreError
from eventlog.tail import Tail
from projections import Catalog

from . import commands, library  # noqa: F401  (the commands register themselves)
from .known import Broken, Known
from .library import USES, append, ask
from .mutations import MUTATIONS, Shape
from .store import FORK, SESSIONS, Template, events_in, settings

LIMIT_S = 8.0  # for one use; the slowest takes a tenth of it, or waits two seconds for a lock
_AGAIN_S = 1.0  # what swallows the first alarm gets another
_INTERRUPT_S = 0.06
_MOST_SESSIONS = 200
_PRODUCT = (f"{os.sep}eventlog{os.sep}", f"{os.sep}projections{os.sep}")

T = TypeVar("T")


class _Hang(BaseException):
    pass


class Case:
    """``skip``: steps that are left out; every step has dice of its own, so that the others stay as they are."""

    def __init__(self, folder: Path, template: Template, seed: str, skip: frozenset[int] = frozenset(), tell: Any = None) -> None:
        self.folder, self.store, self.out = folder, folder / "store", folder / "out"
        self.seed, self.skip, self._tell = seed, skip, tell or (lambda text: None)
        self.random = Random(seed)
        self.template = template
        self.all_ids = [*SESSIONS, FORK]
        self.log: list[str] = []  # what was done
        self.done: list[str] = []
        self.known = Known(template.files.values())
        self.known.learn_older(template.older.values())
        self.answers: Counter[str] = Counter()
        self.cursor: str | None = None
        self.count = 0
        self.logs: list[EventLog] = []
        self.writers: list[Session] = []
        self.exclusive: list[Session] = []
        self.tails: list[Tail] = []
        self.tail_positions: dict[int, dict[str, int]] = {}
        self.catalogs: list[Catalog] = []
        self._shape = Shape(folder, template)
        self._fired: list[str] = []
        self._interrupt = False
        self._last_mutation = "nothing"

    # --- what uses need ---

    def open(self) -> EventLog:
        return EventLog.open(settings=settings(self.store), create=False)

    def session_id(self) -> str:
        return self.random.choice(self.all_ids)

    def id_for_a_command(self) -> str:
        """Commands take the beginning of an id where no session has it whole."""
        chosen = self.session_id()
        if any(each != chosen and each.startswith(chosen) for each in self.all_ids) and chosen not in self._ids_there():
            return next(each for each in self.all_ids if each != chosen and each.startswith(chosen))
        return chosen

    def at_most(self, items: Iterable[T]) -> list[T]:
        found = list(islice(items, _MOST_SESSIONS + 1))
        if len(found) > _MOST_SESSIONS:
            raise Broken("hang", "a listing without an end")
        return found

    def interrupt_soon(self) -> None:
        """Ctrl-C, in a moment, for what runs until it is interrupted."""
        self._interrupt = True
        signal.setitimer(signal.ITIMER_REAL, _INTERRUPT_S, _AGAIN_S)

    def adopt_new_sessions(self) -> None:
        """What a command that failed half-way may have begun."""
        for session_id in self._ids_there():
            if session_id.count("-") == 4:
                self.known.derived.add(session_id)

    def _ids_there(self) -> list[str]:
        try:
            with self.open() as log:
                return self.at_most(log.session_ids())
        except (EventLogError, OSError):
            return []

    # --- one life ---

    def run(self) -> None:
        """Raises `Broken`."""
        self._lay_out()
        steps = list(self._plan())
        cwd = os.getcwd()
        os.chdir(self.folder / "cwd")
        try:
            for number, (name, step) in enumerate(steps):
                if number not in self.skip:
                    self.random = self._shape.random = Random(f"{self.seed}/{number}")
                    self._do(f"{number} {name}", step)
            self.random = Random(f"{self.seed}/end")
            self._do("close", Case._close)
            self._do("read it all again", Case._look_at_the_end)
        finally:
            os.chdir(cwd)
            self._let_go()

    def _lay_out(self) -> None:
        self.folder.mkdir(parents=True)
        self.template.put_down(self.store)
        for name in ("outside", "out", "cwd", "outside/folder"):
            (self.folder / name).mkdir()
        (self.folder / "outside" / "precious.txt").write_bytes(b"precious\n")
        (self.folder / "outside" / "folder" / "precious.jsonl").write_bytes(b"precious\n")
        (self.out / "template.bundle").write_bytes(self.template.bundle)
        segments = sorted(name for name in self.template.files if name.startswith("sessions/"))
        for number, name in enumerate(self.random.sample(segments, min(3, len(segments)))):
            (self.folder / "outside" / f"copy-{number}").write_bytes(self.template.files[name])

    def _plan(self) -> Iterator[tuple[str, Callable[[Case], None]]]:
        random = Random(f"{self.seed}/plan")
        for chance, name, opening in (
            (0.6, "open a writer", Case._open_writer),
            (0.3, "open an exclusive handle", Case._open_exclusive),
            (0.25, "open a tail", Case._open_tail),
            (0.2, "open a catalog", Case._open_catalog),
        ):
            if random.random() < chance:
                yield name, opening
        names, weights = list(USES), [each.weight for each in USES.values()]
        mutations, heft = list(MUTATIONS), [weight for _, weight in MUTATIONS.values()]
        for _ in range(random.choice((1, 1, 2, 2, 3))):
            (mutation,) = random.choices(mutations, heft)
            yield mutation, lambda case, mutation=mutation: case._mutate(mutation)  # type: ignore[misc]
            for use in random.choices(names, weights, k=random.choice((1, 2, 3))):
                yield use, USES[use].function

    def _do(self, name: str, step: Callable[[Case], None]) -> None:
        self._tell(name)
        self.done.append(name)
        before = self._around()
        allowed: tuple[type[BaseException], ...] = (EventLogError,)
        use = USES.get(name.partition(" ")[2])
        if use is not None and use.os_errors:
            allowed = (EventLogError, OSError)
        try:
            with self._watched():
                try:
                    step(self)
                except allowed as error:
                    self.answers[f"{type(error).__name__} from {name.partition(' ')[2] or name}"] += 1
                    self._tell(f"    {type(error).__name__}: {error}")
        except Broken as broken:
            raise self._placed(broken, name) from broken
        except _Hang:
            raise Broken("hang", f"{name} after: {self._last_mutation}", self._fired[0]) from None
        except Exception as error:
            if self._fired:
                raise Broken("hang", f"{name} after: {self._last_mutation}", self._fired[0]) from error
            where = _innermost(traceback.extract_tb(error.__traceback__))
            raise Broken("not ours", f"{name}: {type(error).__name__}: {error} after: {self._last_mutation}", where) from error
        if self._fired and not self._interrupt:
            raise Broken("hang", f"{name} after: {self._last_mutation}", self._fired[0])
        after = self._around()
        if before != after and name.partition(" ")[2] not in MUTATIONS:
            changed = sorted({name for name, _ in before.items() ^ after.items()})
            raise Broken("written outside", f"{name} changed {changed} after: {self._last_mutation}", name.partition(" ")[2])

    def _placed(self, broken: Broken, name: str) -> Broken:
        of_shape = broken.verdict in ("hidden", "acknowledged and lost", "seq given again", "wrong event", "not ascending")
        where = broken.where or (self._last_mutation.partition(":")[0] if of_shape else name.partition(" ")[2] or name)
        return Broken(broken.verdict, f"{name}: {broken.detail} after: {self._last_mutation}", where)

    @contextmanager
    def _watched(self) -> Iterator[None]:
        def alarm(number: int, frame: FrameType | None) -> None:
            if self._interrupt and not self._fired:
                self._fired.append("interrupted")
                signal.setitimer(signal.ITIMER_REAL, LIMIT_S, _AGAIN_S)
                raise KeyboardInterrupt
            self._fired.append(_entry(traceback.extract_stack(frame)))
            raise _Hang

        self._fired.clear()
        self._interrupt = False
        former = signal.signal(signal.SIGALRM, alarm)
        signal.setitimer(signal.ITIMER_REAL, LIMIT_S, _AGAIN_S)
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, former)

    def _around(self) -> dict[str, tuple[object, ...]]:
        """What lies around the store, and must not be touched."""
        found: dict[str, tuple[object, ...]] = {}
        for top in ("outside", "cwd"):
            for root, folders, names in os.walk(self.folder / top):
                for name in (*folders, *names):
                    path = os.path.join(root, name)
                    state = os.lstat(path)
                    link = os.readlink(path) if os.path.islink(path) else ""
                    found[os.path.relpath(path, self.folder)] = (state.st_mode, state.st_size, state.st_mtime_ns, state.st_ino, link)
        found["."] = tuple(sorted(set(os.listdir(self.folder)) - {"moved", "store"}))
        return found

    # --- steps ---

    def _open_log(self) -> EventLog:
        log = self.open()
        self.logs.append(log)
        return log

    def _open_writer(self) -> None:
        session = self._open_log().session(self.session_id())
        self.writers.append(session)
        for _ in range(self.random.choice((1, 1, 4))):
            append(self, session)

    def _open_exclusive(self) -> None:
        taken = {session.id for session in self.writers}
        session = self._open_log().session(self.random.choice([each for each in self.all_ids if each not in taken]), exclusive=True)
        self.exclusive.append(session)
        append(self, session)

    def _open_tail(self) -> None:
        log = self._open_log()
        which = self.random.choice((None, self.session_id()))
        self.tails.append(
            log.tail(which, self.random.choice(("start", "end")), marks=True, on_damage=self.random.choice(("raise", "skip")))
        )
        library.tails_that_were_open(self)

    def _open_catalog(self) -> None:
        catalog = Catalog.open(self._open_log(), notice=lambda text: None)
        self.catalogs.append(catalog)
        ask(catalog, self)

    def _mutate(self, name: str) -> None:
        for thread in threading.enumerate():
            if thread.name == "eventlog-compress":
                thread.join(0.3)  # so that the case is the same when it is tried again; it may wait for a lock
        before = self._files()
        self._check_recent(before)
        said = MUTATIONS[name][0](self._shape)
        self.known.reshaped(before, self._files())
        self._last_mutation = f"{name}: {said}"
        self.log.append(said or "nothing to do it to")
        self._tell(f"    {said}")

    def _files(self) -> dict[str, bytes]:
        return {
            str(path.relative_to(self.store)): path.read_bytes()
            for path in self._shape.entries("sessions")[0]
            if path.is_file() and not path.is_symlink()
        }

    def _check_recent(self, files: dict[str, bytes]) -> None:
        """What was acknowledged since the shape changed last must be readable now, before it changes again."""
        held = {place for content in files.values() for place in events_in(content)}
        if not self.known.recent <= held:
            self._look_for(self.known.recent)

    def _close(self) -> None:
        for each in (*self.tails, *self.catalogs, *self.writers, *self.exclusive, *self.logs):
            try:
                each.close()
            except EventLogError as error:
                self._tell(f"    {type(error).__name__}: {error}")
        self._forget_handles()

    def _forget_handles(self) -> None:
        for handles in (self.tails, self.catalogs, self.writers, self.exclusive, self.logs):
            handles.clear()  # type: ignore[attr-defined]

    def _look_at_the_end(self) -> None:
        """As another program would: everything that must be there, after the store's own file is back where that was taken away."""
        path = self.store / "store.json"
        wanted = self.template.files["store.json"]
        if self.store.is_dir() and not (path.is_file() and not path.is_symlink() and path.read_bytes() == wanted):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            elif os.path.lexists(path):
                path.unlink()
            path.write_bytes(wanted)
        self._look_for(self.known.required)

    def _look_for(self, places: set[tuple[str, int]]) -> None:
        if not places:
            return
        try:
            with self.open() as log:
                for session_id in sorted({session_id for session_id, _ in places}):
                    try:
                        with log.session(session_id) as session:
                            lines = ((event.seq, event.raw) for event in session.read(on_damage="skip"))
                            there = self.known.check_lines(session_id, lines)
                    except EventLogError as error:
                        there = set()
                        self._tell(f"    {type(error).__name__}: {error}")
                    missing = {place for place in places if place[0] == session_id} - there
                    if missing & self.known.recent:
                        raise Broken("acknowledged and lost", f"{sorted(missing & self.known.recent)[:5]}")
                    if missing:
                        raise Broken("hidden", f"{sorted(missing)[:5]} of {session_id}, whose bytes are where they were")
        except StoreError as error:
            raise Broken("hidden", f"the store cannot be opened: {error}") from error

    def _let_go(self) -> None:
        """After a failure nothing is promised: what can be closed is."""
        for each in (*self.tails, *self.catalogs, *self.logs):
            try:
                with self._watched():
                    each.close()
            except (_Hang, Exception):
                pass
        self._forget_handles()


def _innermost(stack: traceback.StackSummary) -> str:
    """The innermost place in the product."""
    return next((_place(frame) for frame in reversed(stack) if _is_product(frame)), "")


def _entry(stack: traceback.StackSummary) -> str:
    """The outermost place in what knows files or indexes: where something without an end goes round."""
    frames = [frame for frame in stack if _is_product(frame)]
    deep = [frame for frame in frames if os.path.basename(os.path.dirname(frame.filename)) in ("files", "upkeep", "index")]
    return _place((deep or frames)[0]) if frames else ""


def _is_product(frame: traceback.FrameSummary) -> bool:
    return any(each in frame.filename for each in _PRODUCT) and f"{os.sep}tests{os.sep}" not in frame.filename


def _place(frame: traceback.FrameSummary) -> str:
    return f"{os.path.basename(os.path.dirname(frame.filename))}/{os.path.basename(frame.filename)}:{frame.name}"
