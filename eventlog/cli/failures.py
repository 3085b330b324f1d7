"""What went wrong, as an exit code and one line that ends with the next step.

0 done. 1 the answer is bad news: damage, no such session, no such store, a folder that is not one, a lock, a conflict, the disk.
2 wrong use: the command line, or input that was refused before anything was written (`InvalidInput`).
"""

from __future__ import annotations

import os
import re
from typing import Final

import click

from ..errors import EventLogError, InvalidInput, SessionNotFound

BAD_NEWS: Final = 1
WRONG_USE: Final = 2

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


class Refused(click.ClickException):
    """An answer that is bad news: exit 1. The message ends with the next step."""

    exit_code = BAD_NEWS


def explain(error: BaseException) -> tuple[int, str]:
    """The exit code and the line for an error."""
    if isinstance(error, InvalidInput):
        return WRONG_USE, one_line(str(error))
    if isinstance(error, SessionNotFound):  # whose own words are for programmers, too
        return BAD_NEWS, one_line(f"no session {error.session_id!r} in this store; `eventlog list` shows what there is")
    if isinstance(error, EventLogError):
        return BAD_NEWS, one_line(str(error))
    if isinstance(error, click.UsageError):
        where = error.ctx.command_path if error.ctx is not None else "eventlog"
        return WRONG_USE, one_line(f"{error.format_message().rstrip('.')}; `{where} --help` shows the usage")
    if isinstance(error, click.ClickException):
        return error.exit_code, one_line(error.format_message())
    if isinstance(error, RecursionError):
        return WRONG_USE, "the JSON is nested too deeply; flatten it, or store it as text"
    if isinstance(error, MemoryError):
        return BAD_NEWS, "out of memory; give the command less at a time"
    if isinstance(error, OSError):
        return BAD_NEWS, one_line(_operating_system(error))
    return BAD_NEWS, one_line(
        f"unexpected {type(error).__name__}: {error}; this is a bug: set EVENTLOG_TRACEBACK=1, run it again and report what it prints"
    )


def _operating_system(error: OSError) -> str:
    reason = error.strerror or str(error) or type(error).__name__
    path = f" {os.fsdecode(error.filename)}" if isinstance(error.filename, (str, bytes)) else ""
    if isinstance(error, PermissionError):
        return f"no permission:{path or ' ' + reason}; change its owner or mode, or name another place"
    if isinstance(error, FileNotFoundError):
        return f"no such file or folder:{path or ' ' + reason}; check the path"
    return f"the operating system refused ({reason}){path and ':' + path}; check the disk and the path, then try again"


def one_line(text: str) -> str:
    """The text on one line, with control characters made visible."""
    return visible(" ".join(text.split()))


def visible(text: str) -> str:
    """The text with control characters (also those that reverse the reading direction) written out: stored text is shown, never obeyed."""
    return _CONTROL.sub(lambda found: f"\\x{ord(found[0]):02x}" if ord(found[0]) < 256 else f"\\u{ord(found[0]):04x}", text)


def escaped(text: str) -> str:
    """`visible`, with escapes that JSON knows."""
    return _CONTROL.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
