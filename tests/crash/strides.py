"""Tries every bit of a segment on every core: in strides, so that also a part of them is spread over the segment."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path

from tests.crash.damage import Original

Flips = Callable[[Original, int, int], Iterator[int]]  # tries every n-th bit from a first one on

_PARTS = 1024


def every_bit(flips: Flips, original: Original, folder: Path) -> Iterator[int]:
    """How many bits each stride has tried. Raises what the first of them that fails raises."""
    pool = ProcessPoolExecutor(mp_context=get_context("spawn"))
    try:
        yield from pool.map(partial(_stride, flips, original, folder), [part * 773 % _PARTS for part in range(_PARTS)])
    finally:
        pool.shutdown(cancel_futures=True)


def _stride(flips: Flips, original: Original, folder: Path, first: int) -> int:
    mine = folder / f"stride-{first}"
    shutil.copytree(original.folder, mine)
    copy = original._replace(folder=mine, path=mine / original.path.relative_to(original.folder))
    tried = sum(1 for _ in flips(copy, _PARTS, first))
    shutil.rmtree(mine)
    return tried
