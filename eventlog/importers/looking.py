"""Which format a file is of, told from what is in it. Nothing is imported, and no input raises."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import msgspec

from . import FORMATS, OWN, declared
from .archives import is_archive, members
from .databases import is_database, opened, tables_of
from .declaration import Format, Tables
from .inspect_logs import SAMPLE
from .records import lenient_value, line_values, load, read
from .text_file import text_in

_HEAD_BYTES = 1 << 20
_RECORDS = 200
_ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"


class _Any(msgspec.Struct, gc=False):
    """A record of which nothing is read but that it is an object."""


_objects = msgspec.json.Decoder(_Any)


class Look:
    """A file, read as far as a question asks. Memory: the file, where it is one JSON document; else its first MiB."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @cached_property
    def head(self) -> bytes:
        try:
            with open(self.path, "rb") as file:
                head = file.read(_HEAD_BYTES)
        except OSError:
            return b""
        return _first_of(self.path) if head.startswith(_ZSTD_MAGIC) else head

    @cached_property
    def text(self) -> str:
        """The beginning as text."""
        return text_in(self.head)

    @cached_property
    def tables(self) -> Tables | None:
        """The tables of a database."""
        if not is_database(self.head):
            return None
        try:
            with opened(self.path) as connection:
                return tables_of(connection)
        except sqlite3.Error:
            return None

    @cached_property
    def document(self) -> Any:
        """The file's JSON value, or that of the conversations in an archive; `msgspec.UNSET` where it has none."""
        if is_archive(self.head):
            return self._in_archive()
        if self.head[:64].lstrip(b"\xef\xbb\xbf \t\r\n")[:1] not in (b"{", b"[") or not self._may_be_one_value():
            return msgspec.UNSET
        try:
            return lenient_value(self.path.read_bytes())
        except OSError:
            return msgspec.UNSET

    def _in_archive(self) -> Any:
        try:
            return next((lenient_value(data) for _, data in members(self.path, _may_be_conversations)), msgspec.UNSET)
        except (OSError, ValueError):
            return msgspec.UNSET

    @cached_property
    def records(self) -> list[dict[str, Any]]:
        """The first objects of a file of lines."""
        if b"\0" in self.head[:4096] and is_database(self.head):
            return []
        found: list[dict[str, Any]] = []
        for record in read(self.head, _objects):
            if record.head is not None:
                found.append(load(record.text)[0])
                if len(found) == _RECORDS:
                    break
        return found

    def _may_be_one_value(self) -> bool:
        """Whether it is worth reading all of it: a file whose first line is an object, with others after it, is one of lines."""
        line, newline, rest = self.head.partition(b"\n")
        return not (newline and rest.strip() and line.strip()[:1] == b"{" and lenient_value(line) is not msgspec.UNSET)


def recognise(path: Path) -> str | None:
    """The format that the file is of; None where it is of none that is known."""
    look = Look(path)
    return next((name for name in FORMATS if is_of(name, look)), None)


def is_of(format: str, look: Look) -> bool:
    """Whether the file is of this format."""
    if format in OWN:
        return _OWN[format](look)
    owner = declared(format).owner(look.path) or next(iter(declared(format).family), format)
    return owner == format and any(_is_declared(declared(format), look))


def _is_declared(format: Format, look: Look) -> Iterator[bool]:
    if format.rows is not None and look.tables is not None:
        yield format.rows.is_database(look.tables)
    if look.tables is not None:
        return
    if format.texts is not None and b"\0" not in look.head[:4096]:
        yield format.texts.is_text(look.text)
    if format.documents is not None and look.document is not msgspec.UNSET:
        yield format.documents.is_document(look.document)
    if format.documents is not None and format.documents.each_line:
        yield any(map(format.documents.is_document, line_values(look.head)))
    if format.lines is not None:
        if format.lines.document is not None and look.document is not msgspec.UNSET:
            yield format.lines.is_document(look.document)
        yield any(map(format.lines.is_record, look.records))


def is_one_value(path: Path, data: bytes) -> bool:
    """Whether a file is one JSON document, over several lines or in a ``.json`` file; else it is one of lines."""
    line, _, rest = data.partition(b"\n")
    if line.strip()[:1] == b"{" and lenient_value(line) is not msgspec.UNSET:
        return path.suffix == ".json" and not rest.strip()
    return path.suffix == ".json" or (line.strip()[:1] in (b"{", b"[") and lenient_value(data) is not msgspec.UNSET)


def _may_be_conversations(name: str) -> bool:
    return (name.startswith("conversations") and name.endswith(".json")) or SAMPLE.search(name) is not None


def _first_of(path: Path) -> bytes:
    """The beginning of what a zstd file holds."""
    import zstandard

    try:
        with open(path, "rb") as file, zstandard.ZstdDecompressor(max_window_size=1 << 27).stream_reader(file) as stream:
            return bytes(stream.read(_HEAD_BYTES))
    except (OSError, zstandard.ZstdError):
        return b""


def _is_exported(look: Look) -> bool:
    return any(record.get("type") == "session.exported" for record in look.records[:1])


def _is_bundle(look: Look) -> bool:
    return look.head.startswith(b"manifest.json\0") and look.head[257:262] == b"ustar"


_OWN: dict[str, Callable[[Look], bool]] = {"jsonl": _is_exported, "bundle": _is_bundle}
