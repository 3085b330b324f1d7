"""A file of text (Markdown, say) that its tool appends to or writes anew: taken whole, each block of it a record.

A record is ``{"line":12,"text":"..."}``: the line on which the block begins, counted from the beginning of its session, and the block as it
stands there; together they are the text. Bytes that are no UTF-8 are in ``base64`` beside it.
"""

from __future__ import annotations

import base64
from datetime import datetime
from pathlib import Path

import msgspec

from .declaration import Found, Texts
from .document_file import take_conversations
from .intake import Intake
from .line_file import Refuse

_BOM = b"\xef\xbb\xbf"


class TextFile:
    """A `SourceFile` of text. ``refuse`` is told of a file that is not of the format."""

    def __init__(self, path: Path, texts: Texts, intake: Intake, refuse: Refuse) -> None:
        self.goes_on = True
        self.waits = False
        self._path = path
        self._texts = texts
        self._intake = intake
        self._refuse = refuse

    def take(self, data: bytes, file_time: datetime, *, is_end: bool = False) -> dict[str, int]:
        if not data.strip():
            return {}
        self.goes_on = False
        text = text_in(data)
        if not self._texts.is_text(text):
            self._refuse(self._path)
            return {}
        return take_conversations(self._intake, str(self._path), self._texts.split(self._path, text), file_time)


def text_in(data: bytes) -> str:
    """The text; bytes that are no UTF-8 are lone surrogates."""
    return data.removeprefix(_BOM).decode("utf-8", "surrogateescape")


def block(text: str, line: int, time: datetime | None = None, *, line_in_file: int | None = None) -> Found:
    """A block as a record. ``line``: where it begins in its session."""
    data = text.encode("utf-8", "surrogateescape")
    record: dict[str, int | str] = {"line": line, "text": data.decode(errors="replace")}
    if record["text"] != text:
        record["base64"] = base64.b64encode(data).decode()
    return Found(msgspec.json.encode(record), time, line_in_file or line)
