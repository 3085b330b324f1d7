"""A file that tells the user's own programs where a server is, and its token: readable by the user alone, and gone when the server ends."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from eventlog.decoding import decoder


class Running(msgspec.Struct, frozen=True, kw_only=True):
    """``url`` is that of the page, without the token. ``token`` None: none is needed."""

    url: str
    token: str | None
    pid: int
    port: int
    store: str | None

    @property
    def page(self) -> str:
        """The page's address for a browser. The token is in the fragment, which is never sent."""
        return self.url if self.token is None else f"{self.url}#token={self.token}"


def file_of(folder: Path, port: int) -> Path:
    return folder / f"server-{port}.json"


def announce(folder: Path, running: Running) -> Path:
    """Write the file, in one piece. Raises `OSError`."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = file_of(folder, running.port)
    unfinished = path.with_suffix(f".{running.pid}.tmp")
    unfinished.unlink(missing_ok=True)
    with open(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(msgspec.json.encode(running) + b"\n")
    os.replace(unfinished, path)
    return path


def withdraw(path: Path, pid: int) -> None:
    """Remove the file, if it is still that process's."""
    if (found := _read(path)) is not None and found.pid == pid:
        path.unlink(missing_ok=True)


def running_servers(folder: Path) -> list[Running]:
    """Those whose process is there, the latest first. A file that a crash has left is no server."""
    try:
        paths = sorted(folder.glob("server-*.json"), key=lambda path: path.stat().st_mtime_ns, reverse=True)
    except OSError:
        return []
    return [found for path in paths if (found := _read(path)) is not None and _is_there(found.pid)]


def _read(path: Path) -> Running | None:
    try:
        found: Running = decoder(Running).decode(path.read_bytes())
        return found
    except (OSError, msgspec.DecodeError):
        return None


def _is_there(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        pass  # it is there, and somebody else's
    return True
