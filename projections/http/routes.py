"""Which row of the table a request is for. A path is cut at its slashes before it is decoded, so that ``%2f`` stays part of an id."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, Generic, TypeVar
from urllib.parse import unquote

Target = TypeVar("Target")
_METHODS: Final = {"HEAD": "GET"}


class NotFound(Exception):
    """There is nothing at this path."""


class WrongMethod(Exception):
    """There is something, which has only the methods ``allowed``."""

    def __init__(self, allowed: Iterable[str]) -> None:
        self.allowed = sorted(allowed)
        super().__init__(", ".join(self.allowed))


class Routes(Generic[Target]):
    """Paths like ``/sessions/{session_id}/events``, each with what each method means there."""

    def __init__(self) -> None:
        self._places: dict[tuple[str, ...], dict[str, Target]] = {}

    def add(self, method: str, path: str, target: Target) -> None:
        self._places.setdefault(tuple(path.strip("/").split("/")), {})[method] = target

    def find(self, method: str, raw_path: bytes) -> tuple[Target, Mapping[str, str]]:
        """What is asked for, and what stands in place of the names in braces. Raises `NotFound` and `WrongMethod`."""
        given = [unquote(part, errors="replace") for part in raw_path.decode("latin-1").split("/")[1:]]
        for pattern, methods in self._places.items():
            values = _matched(pattern, given)
            if values is None:
                continue
            target = methods.get(_METHODS.get(method, method))
            if target is None:
                raise WrongMethod(methods)
            return target, values
        raise NotFound


def _matched(pattern: tuple[str, ...], given: list[str]) -> dict[str, str] | None:
    if len(pattern) != len(given):
        return None
    values = {}
    for wanted, part in zip(pattern, given, strict=True):
        if wanted.startswith("{"):
            values[wanted[1:-1]] = part
        elif wanted != part:
            return None
    return values
