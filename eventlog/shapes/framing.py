"""The bytes of a streamed response -> its chunks, decoded: server-sent events, JSON lines, and one JSON array that comes piece by piece.

Which of them it is, the bytes say themselves, since servers state wrong content types. Pieces may end anywhere, inside a character too.
Lines end with ``\\n``, ``\\r\\n`` or ``\\r`` and with nothing else: U+2028 is text. What is no JSON says nothing, but is told
(`Frames.unread`).
"""

from __future__ import annotations

from typing import Any

import msgspec

_LIMIT = 64 << 20  # bytes that may wait for their end
_SPACE = b" \t\r\n"


class Frames:
    """Takes a response's bytes in pieces of any size; gives its chunks. ``unread``: how many pieces were no JSON."""

    def __init__(self) -> None:
        self.unread = 0
        self._waiting = bytearray()
        self._data: list[bytes] = []  # of the event that is not over yet
        self._form: str | None = None
        self._looked = 0  # how far what waits was looked at for the end of a value
        self._depth = 0
        self._in_string = False
        self._escaped = False

    def feed(self, piece: bytes) -> list[Any]:
        """The chunks that this piece completes."""
        self._waiting += piece
        if self._form is None and not self._tell():
            return []
        if len(self._waiting) > _LIMIT:
            self.unread += 1
            self._waiting.clear()
        return self._values() if self._form == "array" else self._lines(at_end=False)

    def finish(self) -> list[Any]:
        """The chunk that the end of the bytes completes, if one was still waiting."""
        found = self._values() if self._form == "array" else self._lines(at_end=True)
        if self._form != "array":
            found += self._dispatched()
        return found

    def _tell(self) -> bool:
        begin = bytes(self._waiting[:64]).lstrip(_SPACE + b"\xef\xbb\xbf")
        if not begin:
            return False
        self._form = "array" if begin[:1] == b"[" else "lines"
        if self._form == "array":
            del self._waiting[: self._waiting.index(b"[") + 1]
        return True

    # --- lines: of JSON, or of server-sent events ------------------------------------------------------------------------------

    def _lines(self, *, at_end: bool) -> list[Any]:
        waiting = self._waiting
        end = len(waiting) if at_end else max(waiting.rfind(b"\n"), waiting.rfind(b"\r", 0, -1)) + 1  # a \r that is last may go on with \n
        if not end:
            return []
        whole = bytes(waiting[:end])
        del waiting[:end]
        found: list[Any] = []
        for line in whole.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")[: None if at_end else -1]:
            found += self._line(line)
        return found

    def _line(self, line: bytes) -> list[Any]:
        line = line.removeprefix(b"\xef\xbb\xbf")
        if not line:
            return self._dispatched()
        if line.lstrip()[:1] == b"{":
            return self._decoded(line)
        field, _, value = line.partition(b":")
        if field == b"data":
            self._data.append(value.removeprefix(b" "))
        return []  # a comment, an id, the name of an event (which its data says, too)

    def _dispatched(self) -> list[Any]:
        data, self._data = b"\n".join(self._data), []
        return self._decoded(data) if data.strip() else []

    def _decoded(self, data: bytes) -> list[Any]:
        if data.strip() == b"[DONE]":
            return []
        try:
            return [msgspec.json.decode(data)]
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
            # Two events without the empty line between them are read by some clients: each line by itself.
            lines = data.split(b"\n")
            if len(lines) > 1:
                return [each for line in lines if line.strip() for each in self._decoded(line)]
            self.unread += 1
            return []

    # --- one array whose items come one after the other ------------------------------------------------------------------------

    def _values(self) -> list[Any]:
        found: list[Any] = []
        waiting, at = self._waiting, self._looked
        begin = 0
        while at < len(waiting):
            byte = waiting[at]
            if self._in_string:
                if self._escaped:
                    self._escaped = False
                elif byte == 0x5C:
                    self._escaped = True
                elif byte == 0x22:
                    self._in_string = False
            elif byte == 0x22:
                self._in_string = True
            elif byte in b"{[":
                if self._depth == 0:
                    begin = at
                self._depth += 1
            elif byte in b"}]":
                self._depth -= 1
                if self._depth == 0:
                    found += self._decoded(bytes(waiting[begin : at + 1]))
                    begin = at + 1
            at += 1
        if begin:
            del waiting[:begin]
            at -= begin
        self._looked = at
        return found
