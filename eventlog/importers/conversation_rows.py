"""Files of conversations that nothing holds together: an array of objects, one object, or one a line. Each is a session and one record,
and its id follows from its content, so that the same one is the same session wherever it is found.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

import msgspec

from eventlog.ids import session_id_for

from .declaration import Conversation, Found
from .intake import Place
from .provenance import fingerprint
from .records import Record, document, read


def _none(head: Any) -> None:
    return None


def split_rows(
    format: str,
    records: list[Record[Any]],
    problem_with: Callable[[Record[Any]], str | None],
    *,
    name_of: Callable[[Any], str | None] = _none,
    time_of: Callable[[Any], datetime | None] = _none,
) -> Iterator[Conversation]:
    """``problem_with``: why a record is no conversation. Of its head: ``name_of``, what the source calls it, and ``time_of``, its time."""
    for record in records:
        problem = problem_with(record)
        if problem is not None:
            yield Conversation(None, [Found(record.text, line=record.line, problem=problem)])
            continue
        session_id = session_id_for(format, fingerprint(record.text).hex())
        time = time_of(record.head) if record.head is not None else None
        name = name_of(record.head) if record.head is not None else None
        yield Conversation(Place(session_id, (name or session_id,)), [Found(record.text, time, line=record.line)])


def rows_of(data: bytes, heads: msgspec.json.Decoder[Any], is_one: Callable[[list[Record[Any]]], bool]) -> list[Record[Any]]:
    """The objects of the file. ``is_one``: whether the elements of an array are one conversation together."""
    objects = document(data, heads, ()) if data.lstrip()[:1] == b"[" else None
    if objects is not None and not is_one(objects):
        return objects
    try:
        whole = msgspec.json.format(data, indent=-1) if b"\n" in data.strip() else data
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        whole = data
    return list(read(whole, heads))
