"""What a hook of another tool hands over: its input is on stable storage before it is answered, and imported by whoever comes next.

The tool waits for its hook, and an exit code can stop its user: so `answer` loads nothing but `os`, writes one file, starts the importer
(`eventlog hook TOOL --import`) as a process of its own and returns 0, whatever happens. `importers/hooks.py` reads the files.

A file of the spool is ``<nanoseconds>-<pid>.<tool>``: its first line is the store that the hook was given (empty: the configured one), the
rest is what the tool said, as it came. One that is not finished has another name. ``errors.log`` says what went wrong.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False  # not typing's, which takes longer to load than all of this
if TYPE_CHECKING:
    from collections.abc import Sequence


TOOLS = {"claude-code": (b'"UserPromptSubmit"', b'"Stop"', b'"SubagentStop"', b'"PreCompact"', b'"SessionEnd"')}  # what is of use of each
MOST_BYTES = 64 << 20
_MOST_LOG_BYTES = 1 << 20
_OFF = ("false", "off", "no", "0")


def folder() -> str:
    """Where the files wait: ``$XDG_STATE_HOME/eventlog/hooks``."""
    base = os.environ.get("XDG_STATE_HOME", "").strip()
    return os.path.join(base if os.path.isabs(base) else os.path.expanduser("~/.local/state"), "eventlog", "hooks")


def answer(arguments: Sequence[str]) -> int | None:
    """What ``eventlog hook ARGUMENTS`` does where a tool calls it; returns the exit code, 0. None: it is no tool that calls."""
    tool, store = arguments[0] if arguments else "", None
    rest = list(arguments[1:])
    if rest[:1] == ["--store"] and len(rest) == 2:
        store = rest[1]
    elif len(rest) == 1 and rest[0].startswith("--store="):
        store = rest[0].partition("=")[2]
    elif rest:
        return None
    if tool not in TOOLS or os.isatty(0):
        return None
    if os.environ.get("EVENTLOG_RECORDING", "").strip().lower() in _OFF:
        return 0
    try:
        said = _standard_input()
        if any(name in said for name in TOOLS[tool]):
            hand_over(tool, store or os.environ.get("EVENTLOG_STORE"), said)
            _start_importer(tool)
    except Exception as error:
        note(f"a hook of {tool} was not taken: {type(error).__name__}: {error}")
    return 0


def hand_over(tool: str, store: str | None, said: bytes) -> str:
    """Put it into the spool; it is on stable storage when this returns. Returns the file's path. Raises `OSError`."""
    import time

    there = folder()
    os.makedirs(there, mode=0o700, exist_ok=True)
    path = os.path.join(there, f"{time.time_ns():020d}-{os.getpid()}.{tool}")
    first_line = os.path.abspath(store).encode("unicode_escape") if store else b""
    descriptor = os.open(path + ".part", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        data = memoryview(first_line + b"\n" + said)
        while data:
            data = data[os.write(descriptor, data) :]
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    os.rename(path + ".part", path)
    _sync_folder(there)
    return path


def note(line: str) -> None:
    """A line in ``errors.log``. Never raises."""
    import time

    try:
        there = folder()
        os.makedirs(there, mode=0o700, exist_ok=True)
        path = os.path.join(there, "errors.log")
        is_long = os.path.exists(path) and os.path.getsize(path) > _MOST_LOG_BYTES
        with open(path, "w" if is_long else "a", encoding="utf-8", errors="backslashreplace") as log:
            log.write(f"{time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())} {' '.join(line.split())}\n")
    except Exception:
        return  # there is nobody left to tell


def _standard_input() -> bytes:
    pieces: list[bytes] = []
    size = 0
    while size <= MOST_BYTES:
        piece = os.read(0, 1 << 20)
        if not piece:
            return b"".join(pieces)
        pieces.append(piece)
        size += len(piece)
    raise ValueError(f"its input is larger than {MOST_BYTES} bytes")


def _start_importer(tool: str) -> None:
    """As a process that outlives this one and holds none of its pipes, for whose end the tool may wait."""
    command = [sys.executable, "-P", "-m", "eventlog", "hook", tool, "--import"]  # -P: a project may have a folder of our name
    streams = [(os.POSIX_SPAWN_OPEN, number, os.devnull, os.O_RDWR, 0) for number in range(3)]
    try:
        os.posix_spawn(sys.executable, command, os.environ, file_actions=streams, setsid=True)
    except NotImplementedError:
        os.posix_spawn(sys.executable, command, os.environ, file_actions=streams)


def _sync_folder(path: str) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
