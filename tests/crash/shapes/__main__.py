"""`python -m tests.crash.shapes --cases N --seed S [--report FILE]`, or `--case S:N [--skip 1,2]` for one, told step by step."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from .search import Failure, Found, Lives

_SHOWN = 3  # cases of each kind


def report(lives: Lives, found: Found, *, shrink: bool = True) -> Iterable[str]:
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


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.crash.shapes", description=__doc__)
    parser.add_argument("--cases", type=int, default=1_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=float("inf"))
    parser.add_argument("--report", type=Path)
    parser.add_argument("--answers", action="store_true", help="also say how uses were answered")
    parser.add_argument("--case", metavar="SEED:NUMBER")
    parser.add_argument("--skip", default="", metavar="STEP,STEP")
    options = parser.parse_args(arguments)
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    for name in [name for name in os.environ if name.startswith("EVENTLOG_")]:
        del os.environ[name]
    with tempfile.TemporaryDirectory(dir=memory) as folder:
        os.environ.update(quiet_settings(Path(folder)))
        if options.case:
            seed, _, number = options.case.partition(":")
            skip = frozenset(int(each) for each in options.skip.split(",") if each)
            _, failure = Lives(Path(folder), int(seed)).live(int(number), skip, print)
            print(f"\n{failure.verdict}: {failure.detail} [{failure.where}]" if failure else "\nheld")
            return failure is not None
        lives = Lives(Path(folder), options.seed)
        found = lives.search(options.cases, first=options.first, seconds=options.seconds)
        for text in report(lives, found):
            print(text, flush=True)
            if options.report:
                with options.report.open("a") as file:
                    file.write(text + "\n")
        if options.answers:
            for name, count in sorted(found.answers.items(), key=lambda each: each[0]):
                print(f"{count:8,} {name}")
    return bool(found.failures)


def quiet_settings(folder: Path) -> dict[str, str]:
    """For the commands: the settings of the cases, and nothing of this machine."""
    from .store import settings

    names = ("segment_size_bytes", "frame_size_bytes", "lock_timeout_s", "compress_after")
    chosen = settings(folder)
    given = {f"EVENTLOG_{name.upper()}": str(getattr(chosen, name)) for name in names if hasattr(chosen, name)}
    return {**given, "HOME": str(folder), "XDG_CONFIG_HOME": str(folder), "XDG_DATA_HOME": str(folder)}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
