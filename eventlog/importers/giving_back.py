"""The records of a session -> the files that they were taken from, value for value: what an importer took apart is put together again.

- Lines come back as lines, in the order in which they were taken; a document as its parts put into the rest (`Documents.join`); a text as
  its blocks; the rows of a database as lines, ``{"table":...,"row":{...}}``, each row as it was last.
- Files that lay beside the session's own come back under their names.
- Of a source that grew, its last state comes back, as far as it says which parts it still has.

Memory: a session's records, but for lines.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from pathlib import PurePosixPath

from .declaration import Format
from .records import lenient_value
from .states import last_rows
from .values import mapping_of

Records = Callable[[], Iterator[bytes]]


def main(format: Format, records: Records) -> Iterator[bytes]:
    """The session's own file, piece by piece."""
    if format.files is None and format.documents is None and format.rows is None and format.texts is None:
        for record in records():
            if format.is_beside(record) is None:
                yield record + b"\n"
        return
    yield from _files(format, list(records()))[0][1]


def names(format: Format, records: Records) -> list[str]:
    """The names of the session's files, its own first; that one is empty where its tool names it after the session."""
    if format.files is None and not format.beside:
        return [""]
    return [name for name, _ in _files(format, list(records()))]


def beside(format: Format, records: Records) -> Iterator[tuple[str, bytes]]:
    """The other files of the session, each with its name, which is one below the folder of its own."""
    if format.files is None and not format.beside:
        return
    for name, pieces in _files(format, list(records()))[1:]:
        path = PurePosixPath(name)
        if not path.is_absolute() and ".." not in path.parts and "\0" not in name:
            yield name, b"".join(pieces)


def _files(format: Format, records: list[bytes]) -> list[tuple[str, list[bytes]]]:
    """Every file with its pieces, the session's own first."""
    found = [] if format.files is None else format.files(records)
    if found:
        return [(name, [data]) for name, data in found]
    own = [record for record in records if format.is_beside(record) is None]
    others = dict(each for record in records if (each := format.is_beside(record)) is not None)
    return [("", _own(format, own)), *((name, [data, b"\n"]) for name, data in others.items())]


def _own(format: Format, records: list[bytes]) -> list[bytes]:
    if format.documents is not None and format.documents.join is not None:
        document = format.documents.join(records)
        if document is not None:
            return [document, b"\n"]
    if format.texts is not None:
        return _text(records)
    return list(last_rows(records)) if format.rows is not None else [record + b"\n" for record in records]


def _text(records: list[bytes]) -> list[bytes]:
    """The blocks in the order of their lines, each as it was last."""
    blocks: dict[int, bytes] = {}
    for record in records:
        fields = mapping_of(lenient_value(record))
        line, text, encoded = fields.get("line"), fields.get("text"), fields.get("base64")
        if isinstance(line, int) and isinstance(text, str):
            blocks[line] = base64.b64decode(encoded) if isinstance(encoded, str) else text.encode("utf-8", "surrogateescape")
    return [blocks[line] for line in sorted(blocks)]
