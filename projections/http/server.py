"""Runs the application: an address, uvicorn, and an end that does not wait for streams which would never end by themselves."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import os
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from logging.handlers import RotatingFileHandler
from pathlib import Path
from types import FrameType
from typing import Final

import uvicorn
from starlette.types import ASGIApp

from eventlog.errors import InvalidInput

_GRACE_S: Final = 1  # for requests at hand, when the server ends
_MOST_LOG_BYTES: Final = 4 * 1024 * 1024
_LOGGERS: Final = {"eventlog.http": logging.INFO, "uvicorn.error": logging.INFO, "mcp": logging.WARNING}


class Server(uvicorn.Server):
    """Ends on SIGINT and SIGTERM, which is no failure (exit 0): first ``ending`` is called, which ends the streams."""

    def __init__(self, app: ASGIApp, ending: Callable[[], None]) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                loop="asyncio",
                http="h11",
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                timeout_graceful_shutdown=_GRACE_S,
            )
        )
        self._ending = ending
        self._loop: asyncio.AbstractEventLoop | None = None

    async def serve(self, sockets: list[socket.socket] | None = None) -> None:
        self._loop = asyncio.get_running_loop()
        await super().serve(sockets)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self.stop()

    def stop(self) -> None:
        """From any thread, or in a signal handler."""
        self.should_exit = True
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._ending)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Uvicorn would raise the signal again when it is done, and end the process by it."""
        try:
            before = {number: signal.signal(number, self.handle_exit) for number in (signal.SIGINT, signal.SIGTERM)}
        except ValueError:  # not in the main thread, which alone gets signals
            yield
            return
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def address_of(text: str) -> tuple[str, int]:
    """``127.0.0.1:8765``, ``[::1]:8765``, ``:8765`` or a port alone. Raises `InvalidInput`."""
    host, colon, port = text.rpartition(":")
    if not colon:
        host, port = "", text
    if not (port.isascii() and port.isdigit() and int(port) < 65536):
        raise InvalidInput(f"{text[:80]!r} is no address to listen on; give HOST:PORT, such as 127.0.0.1:8765 or [::1]:8765")
    return host.removeprefix("[").removesuffix("]") or "127.0.0.1", int(port)


def is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def listening(host: str, port: int) -> socket.socket:
    """A socket that is bound. Raises `OSError`."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, backlog=128)


def hosts_of(host: str, port: int) -> list[str]:
    """What a client may call this server. Of the address for all interfaces only the names of this machine itself are known."""
    names = ["127.0.0.1", "localhost", "[::1]"]
    if not is_loopback(host):
        wild = host in ("0.0.0.0", "::")
        names.append(socket.gethostname() if wild else f"[{host}]" if ":" in host else host)
    return [f"{name}:{port}" for name in names] + ([*names] if port in (80, 443) else [])


def url_of(host: str, port: int, base_path: str) -> str:
    shown = "127.0.0.1" if host == "0.0.0.0" else "::1" if host == "::" else host
    return f"http://{f'[{shown}]' if ':' in shown else shown}:{port}{base_path.rstrip('/')}/"


@contextmanager
def logging_to(path: Path) -> Iterator[None]:
    """The server's own log, in a file that only its user can read, and nowhere else."""
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600))
    handler = RotatingFileHandler(path, maxBytes=_MOST_LOG_BYTES, backupCount=1, encoding="utf-8", errors="backslashreplace")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    loggers = [logging.getLogger(name) for name in _LOGGERS]
    before = [(logger, logger.propagate, logger.level) for logger in loggers]
    for logger in loggers:
        logger.addHandler(handler)
        logger.propagate = False
        logger.setLevel(_LOGGERS[logger.name])
    try:
        yield
    finally:
        for logger, propagate, level in before:
            logger.removeHandler(handler)
            logger.propagate = propagate
            logger.setLevel(level)
        handler.close()
