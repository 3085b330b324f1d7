"""Where the hooks are: put once into the HTTP libraries' classes, taken out when no recorder needs them. Afterwards the attribute is the
original.

Libraries that are not imported yet get theirs when they are. What cannot be seen is said, once.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import importlib.util
import logging
import sys
import threading
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any

from . import aiohttp_request, httpx_send
from .gate import Gate

_log = logging.getLogger("eventlog.recorders")
gate = Gate()
_HOOKS: dict[str, Callable[[ModuleType, Gate], list[tuple[type, str, Callable[..., Any]]]]] = {
    "httpx": httpx_send.hooks,
    "httpx2": httpx_send.hooks,
    "aiohttp": aiohttp_request.hooks,
}
_UNSEEN = {
    "botocore": "calls through boto3 (Bedrock)",
    "websockets": "calls over web sockets (realtime)",
    "google.auth.transport.requests": "calls through google.auth's requests session (Vertex without httpx)",
}
_lock = threading.Lock()
_put: list[tuple[type, str, Callable[..., Any], Callable[..., Any]]] = []  # class, attribute, ours, the original
_done: set[str] = set()
_said: set[str] = set()


def put() -> None:
    """The hooks are in place when it returns. Doing it again changes nothing."""
    with _lock:
        for name in _HOOKS:
            if name in sys.modules:
                _put_into(name, sys.modules[name])
        if _waiting not in sys.meta_path:
            sys.meta_path.insert(0, _waiting)


def take_out() -> None:
    """The classes are as they were. Where somebody has put another hook over ours, that one stays, and ours passes everything on."""
    with _lock:
        for cls, attribute, ours, original in _put:
            if vars(cls).get(attribute) is ours:
                setattr(cls, attribute, original)
        _put.clear()
        _done.clear()
        if _waiting in sys.meta_path:
            sys.meta_path.remove(_waiting)


def say_what_is_not_seen() -> None:
    unseen = [text for name, text in _UNSEEN.items() if name in sys.modules and name not in _said]
    _said.update(name for name in _UNSEEN if name in sys.modules)
    if unseen:
        _log.warning("not recorded: %s", "; ".join(unseen))


def _put_into(name: str, module: ModuleType) -> None:
    if name in _done:
        return
    try:
        found = _HOOKS[name](module, gate)
    except Exception:
        _log.warning("%s has not the form that is known; its calls are not recorded", name, exc_info=True)
        return
    _done.add(name)
    for cls, attribute, ours in found:
        _put.append((cls, attribute, ours, vars(cls)[attribute]))
        setattr(cls, attribute, ours)


class _Waiting(importlib.abc.MetaPathFinder):
    """Finds nothing itself: it waits for the libraries to be imported."""

    def __init__(self) -> None:
        self._looking = threading.local()

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> importlib.machinery.ModuleSpec | None:
        if name not in _HOOKS or getattr(self._looking, "inside", False):
            return None
        self._looking.inside = True
        try:
            spec = importlib.util.find_spec(name)
        except (ImportError, ValueError):
            return None
        finally:
            self._looking.inside = False
        loader: Any = spec.loader if spec is not None else None
        if loader is None or not hasattr(loader, "__dict__"):
            return spec
        original = loader.exec_module

        def exec_module(module: ModuleType) -> None:
            del loader.exec_module
            original(module)
            with _lock:
                if self in sys.meta_path:
                    _put_into(name, module)

        loader.exec_module = exec_module
        return spec


_waiting = _Waiting()
