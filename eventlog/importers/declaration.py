"""What a format says of itself, and nothing that it does: the intake opens, walks, tells records apart, dates and reports.

A format is a module with a `Format` named ``FORMAT``, in this order: where the tool keeps its sessions and what misleads there; structs of
only what is read; what a record means; the declaration. It comes in one shape or several:

- `Lines`: a file of JSON objects, one a line, that grows.
- `Documents`: a file that is written whole. Its records are the messages in it and the rest.
- `Rows`: a SQLite database. Its records are rows.
- `Texts`: a file of text. Its records are the blocks of it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from datetime import datetime
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from .intake import Meaning, Place
from .records import Record, lenient_value, on_one_line

if TYPE_CHECKING:
    import sqlite3

Tables = Mapping[str, Collection[str]]  # the columns of each table
System = Literal["linux", "macos"]


class Location(msgspec.Struct, frozen=True):
    """A folder in which a tool keeps sessions. ``base`` may begin with ``~``, ``$CONFIG`` or ``$DATA`` (the user's folders of the system).

    ``variable``: the environment variable that names another place instead of ``base`` (several, separated by commas); ``within`` is
    looked up below either, a pattern of folders. ``lists``: what is there is a JSON file that lists them; its paths, by its value."""

    base: str
    within: str = ""
    variable: str | None = None
    lists: Callable[[Any], list[str]] | None = None


def _never(value: Any) -> bool:
    return False


class Lines(msgspec.Struct, frozen=True):
    """``head`` decodes the fields that place a record, all of type Any. ``is_record``: whether the record is one of this format at all.

    ``session``: the session that the file is of, by its records so far; None while they do not tell. ``last``: there will be no more.
    ``place``: the session that a record itself names; None: its file's. ``time``: the record's own time. ``document``: the records of a
    file that is one document of such records, where that is seen too; ``is_document``: whether it is, by its JSON value. ``beside``: the
    records of other files that say more of the session (`beside` makes one of a file), which come before the file's own. ``has_times``:
    False where records say nothing of when they were written; then that is when their file was changed."""

    head: msgspec.json.Decoder[Any]
    is_record: Callable[[dict[str, Any]], bool]
    session: Callable[[Path, list[Record[Any]], bool], Place | None]
    time: Callable[[Any], datetime | None]
    place: Callable[[Any], Place | None] | None = None
    document: Callable[[bytes], list[Record[Any]] | None] | None = None
    is_document: Callable[[Any], bool] = _never
    beside: Callable[[Path, Place], Iterable[Found]] | None = None
    has_times: bool = True


class Found(msgspec.Struct, gc=False):
    """A record of a document or a database: its text (JSON on one line), its own time, the line that it stands on (1 where it has none)."""

    text: bytes
    time: datetime | None = None
    line: int = 1
    problem: str | None = None


def beside(path: Path) -> Iterator[Found]:
    """The record of a JSON file that lies beside a session's own and says more of it: its name, its value; none where it is not there."""
    try:
        data = path.read_bytes().strip()
    except OSError:
        return
    if lenient_value(data) is not msgspec.UNSET:
        yield Found(b'{"file":' + msgspec.json.encode(path.name) + b',"value":' + on_one_line(data) + b"}")


def named(record: bytes) -> tuple[str, bytes] | None:
    """The name and the value of a file that lay beside; None for any other record."""
    if not record.startswith(b'{"file":'):
        return None
    try:
        fields = msgspec.json.decode(record, type=dict[str, msgspec.Raw])
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    name = lenient_value(bytes(fields["file"]))
    return (name, bytes(fields["value"])) if set(fields) == {"file", "value"} and isinstance(name, str) else None


class Conversation(msgspec.Struct):
    """A session's records in their order. Without a place they are of none: each is reported with its problem, and not taken."""

    place: Place | None
    records: Iterable[Found]


class Documents(msgspec.Struct, frozen=True):
    """``is_document``: whether this is one of this format's, by the file's JSON value. ``split``: the conversations in it.

    ``unit``: where a conversation is a folder of files, the file that stands for all of it; None: this file is of none.
    ``each_line``: a file may also have one document a line; ``split`` is given such a file with `msgspec.UNSET` as its value. ``join``: the
    document that a conversation's records are of, put together again; None where they are of none."""

    is_document: Callable[[Any], bool]
    split: Callable[[Path, bytes, Any], Iterable[Conversation]]
    unit: Callable[[Path], Path | None] | None = None
    each_line: bool = False
    join: Callable[[list[bytes]], bytes | None] | None = None


class Rows(msgspec.Struct, frozen=True):
    """``is_database``: whether this is one of this format's, by its tables. ``read``: the conversations in it, one after the other."""

    is_database: Callable[[Tables], bool]
    read: Callable[[sqlite3.Connection, Tables], Iterable[Conversation]]


class Texts(msgspec.Struct, frozen=True):
    """``is_text``: whether this is one of this format's, by its beginning. ``split``: the conversations in it, as `text_file.block` s.

    Bytes that are no UTF-8 are lone surrogates in the text."""

    is_text: Callable[[str], bool]
    split: Callable[[Path, str], Iterable[Conversation]]


def _sets_nothing(record: dict[str, Any]) -> Collection[str]:
    return ()


class Format(msgspec.Struct, frozen=True, kw_only=True):
    """``tool``: its name for people. ``names``: patterns of the file names that are read in a folder, ``not_names``: of those that are not.

    ``sets``: names for what a record sets until a later one sets it again, for the formats in which records are inserted. ``side_file``:
    another file that, where it is there, says more about this one and is read with its first records. ``family``: the formats that
    share this one's grammar, this one among them, each with patterns of the paths where its tool keeps its files; what lies in no such
    place is of the first. ``beside``: patterns of the names of files whose records stand with the session's own
    (`beside`). ``files``: the files that a session's records are of, with their names, where there are several kinds of them; its
    own first."""

    name: str
    tool: str
    meaning: Callable[[Place], Meaning]
    names: tuple[str, ...]
    not_names: tuple[str, ...] = ()
    locations: tuple[Location, ...] = ()
    lines: Lines | None = None
    documents: Documents | None = None
    rows: Rows | None = None
    texts: Texts | None = None
    sets: Callable[[dict[str, Any]], Collection[str]] = _sets_nothing
    side_file: Callable[[Path], Path | None] | None = None
    checked_on: str = "real files"
    family: Mapping[str, tuple[str, ...]] = {}
    beside: tuple[str, ...] = ()
    files: Callable[[list[bytes]], list[tuple[str, bytes]]] | None = None

    @property
    def follows(self) -> bool:
        """Whether it can be imported as it is written."""
        return self.rows is None

    def is_beside(self, record: bytes) -> tuple[str, bytes] | None:
        """The name and the value of a file that lay beside the session's own; None for its own records."""
        found = named(record) if self.beside else None
        return found if found is not None and any(fnmatchcase(found[0], each) for each in self.beside) and "/" not in found[0] else None

    def owner(self, path: Path) -> str | None:
        """The format of the family in whose tool's place the file lies; None where it lies in none, and so may be of any."""
        where = path.absolute().as_posix()
        return next((name for name, places in self.family.items() if any(fnmatchcase(where, each) for each in places)), None)

    def reads(self, name: str) -> bool:
        """Whether a file of this name in a folder is one of sessions."""
        return any(fnmatchcase(name, each) for each in self.names) and not any(fnmatchcase(name, each) for each in self.not_names)
