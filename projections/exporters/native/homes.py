"""Where the tools that go on with a file keep theirs, what of a session is still there, and how a new file gets there.

Nothing that is there is ever changed: a new file has a name of its own, is only its owner's, and is made below the tool's folder without
following a link on the way.
"""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Iterable
from contextlib import ExitStack, suppress
from pathlib import Path

from eventlog.errors import InvalidInput
from eventlog.importers.looking import recognise
from eventlog.importers.places import find

_SAFE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}")
_FILES = {
    "claude-code": "projects/*/{id}.jsonl",
    "codex": "sessions/*/*/*/rollout-*-{id}.jsonl*",
    "gemini-cli": "tmp/*/chats/session-*-{id8}.json*",
    "pi": "sessions/*/*_{id}.jsonl",
}
_HOMES = {
    "claude-code": ("CLAUDE_CONFIG_DIR", "~/.claude"),
    "codex": ("CODEX_HOME", "~/.codex"),
    "gemini-cli": ("GEMINI_CLI_HOME", "~/.gemini"),
    "pi": ("PI_CODING_AGENT_DIR", "~/.pi/agent"),
    "opencode": ("XDG_DATA_HOME", "~/.local/share/opencode"),
}
_BELOW = {"gemini-cli": ".gemini", "opencode": "opencode"}  # what the variable's folder has the tool's own folder under


def home_of(tool: str) -> Path:
    """The folder of the tool on this machine, which its own variable may name."""
    variable, otherwise = _HOMES[tool]
    named = os.environ.get(variable, "").split(",")[0].strip()
    return Path(named).expanduser() / _BELOW.get(tool, "") if named else Path(otherwise).expanduser()


def is_safe(name: str) -> bool:
    """Whether a recorded id may be an argument of a command, and a part of a file's name."""
    return _SAFE.fullmatch(name) is not None


def file_at(tool: str, id: str) -> Path | None:
    """The tool's own file of a session that it still has."""
    if tool not in _FILES or not is_safe(id):
        return None
    pattern = _FILES[tool].format(id=id, id8=id[:8])
    paths = sorted(Path(each) for each in glob.glob(os.path.join(glob.escape(str(home_of(tool))), pattern)))
    named = (path for path in paths if path.is_file() and recognise(path) == tool)
    return next((path for path in named if tool != "gemini-cli" or id in path.read_text(errors="replace")), None)


def databases_of(tool: str) -> Iterable[Path]:
    """The databases that the tool keeps sessions in."""
    return [path for spot in find([tool]) for path in spot.paths if path.is_file()]


def place(base: Path, folder: Path, name: str, data: bytes) -> Path:
    """Write a new file into a folder that is the base or below it, making folders on the way. Raises `InvalidInput` where a link or
    something else is in the way, or where the name is taken."""
    parts = folder.relative_to(base).parts
    base.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with ExitStack() as opened:
        at = base.parent
        above = os.open(at, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        opened.callback(os.close, above)
        for part in (base.name, *parts):
            at = at / part
            above = _entered(above, part, at)
            opened.callback(os.close, above)
        try:
            file = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=above)
        except OSError as error:
            raise InvalidInput(f"{at / name} cannot be made: {error.strerror}") from None
        with os.fdopen(file, "wb") as written:
            os.fchmod(written.fileno(), 0o600)
            written.write(data)
            written.flush()
            os.fsync(written.fileno())
    return at / name


def _entered(above: int, name: str, path: Path) -> int:
    """The folder of this name in another one, made where it is not there."""
    try:
        with suppress(FileExistsError):
            os.mkdir(name, 0o700, dir_fd=above)
        return os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=above)
    except OSError as error:
        raise InvalidInput(f"{path} is a link or no folder that can be written to, and nothing is put there: {error.strerror}") from None
