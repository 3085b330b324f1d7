"""Many lives, in processes of their own that are killed when nothing else ends them; what went wrong, by kind, each with its case."""

from __future__ import annotations

import faulthandler
import json
import os
import resource
import select
import shutil
import signal
import sys
import time
import traceback
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from .case import LIMIT_S, Case
from .known import Broken
from .store import Template, make, settings

_BATCH = 50  # lives in one process
_TEMPLATES = 24  # stores, each of which is lived with many times
_SILENCE_S = 6 * LIMIT_S  # after that a process is killed: its own watchdog did not get through
_MOST_MEMORY = 3 << 30
_SHOWN = 3  # cases of each kind


class Failure(NamedTuple):
    case: str
    verdict: str
    detail: str
    where: str
    steps: list[str]

    @property
    def kind(self) -> tuple[str, str]:
        return self.verdict, self.where


class Found(NamedTuple):
    """``answers``: how often uses were refused, and how."""

    cases: int
    failures: list[Failure]
    answers: Counter[str]
    spent_s: float


class Lives:
    """Cases of a seed, in a folder that is emptied after each."""

    def __init__(self, folder: Path, seed: int) -> None:
        self._folder = folder
        self.seed = seed

    def template(self, number: int) -> Template:
        return _template(str(self._folder), f"{self.seed}/{number % _TEMPLATES}")

    def live(
        self, number: int, skip: frozenset[int] = frozenset(), tell: Callable[[str], None] | None = None
    ) -> tuple[Case, Failure | None]:
        folder = self._folder / f"{os.getpid()}"
        case = Case(folder, self.template(number), f"{self.seed}:{number}", skip, tell)
        try:
            case.run()
        except Broken as broken:
            return case, Failure(f"{self.seed}:{number}", broken.verdict, broken.detail, broken.where, case.done)
        except BaseException as error:
            where = "".join(traceback.format_exception(error))[-3000:]
            return case, Failure(f"{self.seed}:{number}", "the fuzzer itself", where, "", case.done)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        return case, None

    def smaller(self, failure: Failure) -> tuple[frozenset[int], Failure]:
        """The same failure with as few steps as can be: those that make no difference are left out."""
        number = int(failure.case.partition(":")[2])
        skip: frozenset[int] = frozenset()
        for step in reversed(range(len(failure.steps))):
            found = self._alone(number, skip | {step})
            if found is not None and found.kind == failure.kind:
                skip, failure = skip | {step}, found
        return skip, failure

    def _alone(self, number: int, skip: frozenset[int]) -> Failure | None:
        return next((found for _, found, _ in _apart(self, [number], skip) if found is not None), None)

    def search(self, count: int, *, first: int = 0, seconds: float = float("inf"), tell: Callable[[Failure], None] | None = None) -> Found:
        """Live ``count`` cases from the first on, or as many as there is time for."""
        begin, cases = time.monotonic(), 0
        failures: list[Failure] = []
        answers: Counter[str] = Counter()
        for number in range(min(_TEMPLATES, count)):
            self.template(first + number)
        numbers = list(range(first, first + count))
        while numbers and time.monotonic() - begin < seconds:
            done = 0
            for _, failure, said in _apart(self, numbers[:_BATCH]):
                done += 1
                cases += 1
                answers.update(said)
                if failure is not None:
                    failures.append(failure)
                    if tell is not None:
                        tell(failure)
            numbers = numbers[done:]
        return Found(cases, failures, answers, time.monotonic() - begin)


@lru_cache(maxsize=64)
def _template(folder: str, seed: str) -> Template:
    return make(Path(folder, "template"), seed)


def _apart(lives: Lives, numbers: list[int], skip: frozenset[int] = frozenset()) -> Iterator[tuple[int, Failure | None, dict[str, int]]]:
    """Live them in a child process, which ends with the first that fails. What it was at when it had to be killed has failed."""
    receiving, sending = os.pipe()
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if child == 0:
        os.close(receiving)
        _live_all(lives, numbers, skip, sending)
    os.close(sending)
    number, text = numbers[0], b""
    try:
        for number in numbers:
            while b"\n" not in text:
                if not select.select([receiving], [], [], _SILENCE_S)[0]:
                    os.kill(child, signal.SIGABRT)  # faulthandler says where it is
                    yield number, Failure(f"{lives.seed}:{number}", "hang", "killed: its watchdog did not get through", "", []), {}
                    return
                piece = os.read(receiving, 65_536)
                if not piece:
                    yield number, Failure(f"{lives.seed}:{number}", "hang", "its process died", "", []), {}
                    return
                text += piece
            line, _, text = text.partition(b"\n")
            told = json.loads(line)
            yield number, None if told["failure"] is None else Failure(*told["failure"]), told["answers"]
            if told["failure"] is not None:
                return
    finally:
        os.close(receiving)
        try:
            os.kill(child, signal.SIGKILL)
        except ProcessLookupError:
            pass
        os.waitpid(child, 0)


def _live_all(lives: Lives, numbers: list[int], skip: frozenset[int], sending: int) -> None:
    faulthandler.enable()
    resource.setrlimit(resource.RLIMIT_AS, (_MOST_MEMORY, _MOST_MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        for number in numbers:
            case, failure = lives.live(number, skip)
            told: dict[str, Any] = {"failure": failure, "answers": case.answers}
            os.write(sending, json.dumps(told).encode() + b"\n")
            if failure is not None:
                break
    finally:
        os._exit(0)  # threads that hang would be waited for


# --- what is said of it ------------------------------------------------------------------------------------------------------------


def report(lives: Lives, found: Found, *, shrink: bool = True) -> Iterator[str]:
    """The figures, then each kind of failure with its smallest case."""
    kinds: dict[tuple[str, str], list[Failure]] = defaultdict(list)
    verdicts: dict[str, int] = defaultdict(int)
    for failure in found.failures:
        kinds[failure.kind].append(failure)
        verdicts[failure.verdict] += 1
    yield f"{found.cases:,} cases of seed {lives.seed} in {found.spent_s:.0f} s: {len(found.failures):,} failed {dict(verdicts)}"
    for (verdict, where), failures in sorted(kinds.items(), key=lambda each: -len(each[1])):
        yield f"\n{len(failures):6,} x {verdict} in {where or '?'}: {', '.join(each.case for each in failures[:_SHOWN])}"
        skip, smallest = lives.smaller(min(failures, key=lambda each: len(each.steps))) if shrink else (frozenset(), failures[0])
        again = f" --skip {','.join(map(str, sorted(skip)))}" if skip else ""
        yield f"       --case {smallest.case}{again}"
        yield f"       steps: {'; '.join(smallest.steps)}"
        yield f"       {smallest.detail}"


@contextmanager
def quietly(folder: Path) -> Iterator[None]:
    """For the commands: the settings of the cases, and nothing of this machine."""
    names = ("segment_size_bytes", "frame_size_bytes", "lock_timeout_s", "compress_after")
    chosen = settings(folder)
    given = {f"EVENTLOG_{name.upper()}": str(getattr(chosen, name)) for name in names if hasattr(chosen, name)}
    before = dict(os.environ)
    for name in [name for name in os.environ if name.startswith("EVENTLOG_")]:
        del os.environ[name]
    os.environ.update(given, HOME=str(folder), XDG_CONFIG_HOME=str(folder), XDG_DATA_HOME=str(folder))
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
