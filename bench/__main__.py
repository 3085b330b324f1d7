"""``python -m bench``: runs the areas asked for (default: all), prints the report, writes what else was asked for."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from importlib import import_module
from pathlib import Path

import msgspec

from . import compare, report
from .measure import Area, Run, circumstances
from .workload import SEED, shape

AREAS = {
    "append": "append",
    "group-commit": "group_commit",
    "reading": "reading",
    "start-up": "start_up",
    "listing": "listing",
    "under-load": "under_load",
    "windows": "windows",
    "few-events": "few_events",
    "searching": "searching",
    "rebuild": "rebuild",
    "tail-latency": "tail_latency",
    "compaction": "compaction",
    "recovery": "recovery",
    "memory": "memory",
    "growth": "growth",
    "sessions": "sessions",
    "adapters": "adapters",
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measure, compare, report. Exit code 0 whatever the figures are.")
    parser.add_argument("names", metavar="NAME", nargs="*", help=f"what to measure (default: everything): {', '.join(AREAS)}")
    parser.add_argument("--quick", action="store_true", help="smaller and fewer rounds: shows that it runs, the figures are rough")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything that was measured")
    parser.add_argument("--plot", type=Path, metavar="DIR", help="write the plots, as SVG")
    parser.add_argument("--report", type=Path, metavar="FILE", help="print the report of an earlier run's JSON instead of measuring")
    parser.add_argument("--folder", type=Path, metavar="DIR", help="the disk to measure: files are made in a folder in here, and removed")
    parser.add_argument(
        "--compare", type=Path, metavar="BASE", help="say what moved by more than its noise since the run whose JSON this is"
    )
    arguments = parser.parse_args()
    unknown = [name for name in arguments.names if name not in AREAS]
    if unknown:
        parser.error(f"no area {unknown[0]!r}; there are {', '.join(AREAS)}")
    if arguments.report is not None:
        found = msgspec.json.decode(arguments.report.read_bytes(), type=report.Result)
    else:
        found = _measure(arguments.names or list(AREAS), arguments.folder, quick=arguments.quick)
    sys.stdout.write(report.markdown(found))
    if arguments.compare is not None:
        base = msgspec.json.decode(arguments.compare.read_bytes(), type=report.Result)
        sys.stdout.write("\n" + compare.markdown(base, found))
    if arguments.json is not None:
        arguments.json.write_bytes(msgspec.json.format(msgspec.json.encode(found), indent=1) + b"\n")
    if arguments.plot is not None:
        from . import plot

        plot.write_all(found, arguments.plot)
    return 0


def _measure(names: list[str], where: Path | None, *, quick: bool) -> report.Result:
    with tempfile.TemporaryDirectory(prefix="bench-", dir=where) as folder:
        run = Run(folder=Path(folder), quick=quick)
        result = report.Result(circumstances=circumstances(run.folder), seed=SEED, quick=quick, workload=shape(), areas=[])
        for name in names:
            begin = time.monotonic()
            areas: list[Area] = list(import_module(f".{AREAS[name]}", __package__).areas(run))
            result.areas += areas
            sys.stderr.write(f"{name}: {time.monotonic() - begin:.0f} s\n")
        return result


if __name__ == "__main__":
    sys.exit(main())
