"""`python -m tests.crash.shapes --cases N --seed S [--report FILE]`, or `--case S:N [--skip 1,2]` for one, told step by step."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path

from .search import Lives, quietly, report


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
    with tempfile.TemporaryDirectory(dir=memory) as folder, quietly(Path(folder)):
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


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
