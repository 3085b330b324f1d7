from __future__ import annotations

import copy
import pickle
from collections.abc import Iterator

from eventlog import errors
from eventlog.errors import Conflict, EventLogError, EventTooLarge


def _below(kind: type[EventLogError], depth: int = 0) -> Iterator[tuple[int, str]]:
    """The classes of errors.py, each under the one that it is made from, in the order in which they stand there."""
    yield depth, kind.__name__
    for each in kind.__subclasses__():
        if each.__module__ == errors.__name__:
            yield from _below(each, depth + 1)


def test_the_tree_that_is_drawn_is_the_one_that_is_there() -> None:
    drawn = []
    for line in (errors.__doc__ or "").splitlines():
        name = line.lstrip(" │├└─").split(" ")[0]
        if name == "EventLogError" or "─" in line:
            drawn.append((line.index(name) // 4, name))
    assert drawn == list(_below(EventLogError))


def test_an_error_goes_to_another_process_and_comes_back_with_its_data() -> None:
    for error in (Conflict("s", 2, 4), EventTooLarge(10, 5), EventLogError("said")):
        for found in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
            assert (type(found), str(found), vars(found)) == (type(error), str(error), vars(error))
    assert pickle.loads(pickle.dumps(Conflict("s", 2, 4))).actual == 4
