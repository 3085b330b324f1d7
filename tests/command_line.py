"""Runs a command of the command line in this process, with streams of its own."""

from __future__ import annotations

import io
import sys
from typing import NamedTuple

import msgspec

from eventlog.cli import main


class Outcome(NamedTuple):
    code: int
    out: str
    err: str

    @property
    def json(self) -> object:
        return msgspec.json.decode(self.out)

    def one_line_error(self) -> str:
        """The error, which is one line that begins with the program's name, with nothing on standard output."""
        assert self.out == ""
        assert self.err.startswith("eventlog: ")
        assert self.err.endswith("\n")
        assert self.err.count("\n") == 1
        assert "Traceback" not in self.err
        return self.err[len("eventlog: ") : -1]


class _Terminal(io.TextIOWrapper):
    def isatty(self) -> bool:
        return True


def eventlog(*arguments: object, stdin: str | bytes = b"", terminal: bool = False) -> Outcome:
    """``eventlog ARGUMENTS``. ``terminal``: the three streams say that they are one."""
    kind = _Terminal if terminal else io.TextIOWrapper
    given = stdin.encode() if isinstance(stdin, str) else stdin
    streams = [kind(io.BytesIO(given), "utf-8"), kind(io.BytesIO(), "utf-8"), kind(io.BytesIO(), "utf-8")]
    before = sys.stdin, sys.stdout, sys.stderr
    sys.stdin, sys.stdout, sys.stderr = streams
    try:
        code = main([str(argument) for argument in arguments])
        for stream in streams[1:]:
            stream.flush()
    finally:
        sys.stdin, sys.stdout, sys.stderr = before
    out, err = (stream.buffer.getvalue().decode() for stream in streams[1:])  # type: ignore[attr-defined]
    return Outcome(code, out, err)
