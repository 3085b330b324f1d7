from __future__ import annotations

import copy
import pickle
from collections.abc import Iterator

import msgspec
import pytest

from eventlog import errors
from eventlog.errors import Conflict, Damaged, EventLogError, EventTooLarge, NotStored, OutcomeUnknown, Unsupported, WriterPoisoned
from eventlog.reports import Problem

GAP = Damaged("s", "", 0, 0, "missing", "events 21 to 21 are not there", after=20)


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
    for error in (Conflict("s", 2, 4), EventTooLarge(10, 5), EventLogError("said"), Unsupported("a", "b", "c"), GAP):
        for found in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
            assert (type(found), str(found), vars(found)) == (type(error), str(error), vars(error))
    assert pickle.loads(pickle.dumps(Conflict("s", 2, 4))).actual == 4


def test_a_place_is_named_by_what_there_is_to_name_it_with() -> None:
    in_a_file = Damaged("s", "s.1.jsonl", 120, 7, "damaged", "the checksum does not fit")
    assert str(in_a_file).startswith("s.1.jsonl at byte 120 (7 bytes) is damaged: the checksum does not fit; `eventlog verify s` lists")
    assert str(GAP).startswith("session 's' after event 20 is missing: events 21 to 21 are not there; `eventlog verify s` lists")
    assert (GAP.segment, GAP.offset, GAP.length, GAP.after) == ("", 0, 0, 20)
    assert Problem(session_id="s", kind="missing", detail="x", after=20).place == "session 's' after event 20"
    assert (
        Problem(session_id="s", segment="s.1.jsonl", offset=1, length=2, kind="damaged", detail="x").place
        == "s.1.jsonl at byte 1 (2 bytes)"
    )
    assert Problem(session_id="s", kind="damaged", detail="x").place == "session 's'"
    assert Problem(session_id="", kind="missing", detail="x").place == "the store"
    shape = ["session_id", "segment", "offset", "length", "kind", "detail"]
    assert list(msgspec.to_builtins(Problem(session_id="s", kind="damaged", detail="x"))) == shape
    assert list(msgspec.to_builtins(Problem(session_id="s", kind="damaged", detail="x", after=0))) == [*shape, "after"]


@pytest.mark.parametrize(
    ("cause", "reason"),
    [
        (OSError(28, "No space left on device"), "No space left on device"),
        (ConnectionError("cut"), "cut"),
        (TimeoutError(), "TimeoutError"),
    ],
)
def test_a_failed_append_gives_the_reason_of_whatever_the_events_are_kept_in(cause: Exception, reason: str) -> None:
    not_stored = NotStored("s", cause, "reach the server")
    assert str(not_stored) == f"the append to 's' failed and nothing of it is in the log ({reason}); reach the server, then append again"
    assert NotStored("s", cause).remedy == "free space or mend the disk"
    unknown = OutcomeUnknown("s", cause)
    assert f"({reason}); open the session again and retry with the same id=" in str(unknown)
    assert WriterPoisoned("s", unknown).cause is unknown.cause is not_stored.cause is cause
