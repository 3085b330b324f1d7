"""Writes the training formats: the samples of many sessions in one file, or in one file for each part of a split.

Where the format has no place for where a sample came from, that stands line by line in a file beside it (``.provenance.jsonl``).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from importlib import import_module
from pathlib import Path
from typing import Any

import msgspec

from eventlog import EventLog, __version__
from eventlog.backend import OnDamage
from eventlog.errors import InvalidInput
from eventlog.files.destination import destination_of

from ..view.training import Sample, Sampler, Split
from . import FORMATS, ExportReport, Write
from .output import whole_file

TakeSample = Callable[[Sample], None]


def export_samples(
    log: EventLog, session_ids: Iterable[str], format: str, to: Path | Write, split: Split | None, on_damage: OnDamage
) -> ExportReport:
    """See `projections.exporters.export`."""
    if split is not None and not isinstance(to, Path):
        raise InvalidInput("a split is written to one file per part; name a file or a folder with -o")
    report = ExportReport(format=format, samples=0)
    sampler = Sampler(split)
    with ExitStack() as stack:
        sinks = {part: _sink(stack, format, to, part, sampler.left_out, report) for part in (split.parts if split is not None else (None,))}
        for session_id in session_ids:
            with log.session(session_id) as session:
                for sample in sampler.samples(session, on_damage):
                    if sinks[sample.split](sample):
                        report.samples = (report.samples or 0) + 1
                        if sample.split is not None:
                            report.split[sample.split] = report.split.get(sample.split, 0) + 1
            report.sessions += 1
    report.left_out = {reason: count for reason, count in sorted(sampler.left_out.items()) if count}
    return report


def _sink(
    stack: ExitStack, format: str, to: Path | Write, part: str | None, left_out: Counter[str], report: ExportReport
) -> Callable[[Sample], bool]:
    """What takes the samples of a part; False for one that the format cannot hold."""
    module: Any = import_module(FORMATS[format].module)
    path = _path(to, format, part) if isinstance(to, Path) else None
    file: Write
    if path is not None:
        file = stack.enter_context(whole_file(path)).write
        report.written.append(str(path))
    else:
        assert not isinstance(to, Path)
        file = to
    if hasattr(module, "table"):
        take: TakeSample = stack.enter_context(module.table(file, left_out))
        return lambda sample: _taken(take, sample)
    note = None
    if module.NEEDS_PROVENANCE and path is not None and destination_of(path).is_replaced:
        beside = path.with_name(f"{path.stem}.provenance.jsonl")
        note = stack.enter_context(whole_file(beside)).write
        report.written.append(str(beside))

    def line(sample: Sample) -> bool:
        row = module.row(sample, left_out)
        if row is None:
            return False
        file(msgspec.json.encode(row if module.NEEDS_PROVENANCE else {**row, **provenance(sample)}) + b"\n")
        if note is not None:
            note(msgspec.json.encode(provenance(sample)) + b"\n")
        return True

    return line


def _taken(take: TakeSample, sample: Sample) -> bool:
    take(sample)
    return True


def provenance(sample: Sample) -> dict[str, Any]:
    """Where a sample came from, and what made it."""
    return {
        "session_id": sample.session_id,
        "window": sample.window,
        "first_seq": sample.first_seq,
        "last_seq": sample.last_seq,
        "n_context": sample.n_context,
        "exporter": f"session-eventlog {__version__}",
    }


def _path(to: Path, format: str, part: str | None) -> Path:
    """The file for a part: in a folder under the part's name, else beside the name that was given."""
    suffix = FORMATS[format].suffix
    if to.is_dir():
        return to / f"{part or format}{suffix}"
    return to if part is None else to.with_name(f"{to.stem}.{part}{to.suffix or suffix}")
