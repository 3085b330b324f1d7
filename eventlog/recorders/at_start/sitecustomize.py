"""What `eventlog run` puts on the program's path: Python imports a module of this name by itself before the program begins.

Nothing happens until one of the HTTP libraries is imported, so that a program that calls no model does not pay for it, and neither do the
programs that it starts. Another ``sitecustomize``, which this one hides, is run in its turn. Whatever fails here is a line on stderr and
never the program's error.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import importlib.util
import os
import sys
from collections.abc import Sequence
from types import ModuleType

SEEN = frozenset({"httpx", "httpx2", "aiohttp"})


class FirstUse(importlib.abc.MetaPathFinder):
    """Installs the recorder when the first HTTP library is about to be imported, and is gone then."""

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> importlib.machinery.ModuleSpec | None:
        if name not in SEEN or self not in sys.meta_path:
            return None
        sys.meta_path.remove(self)
        if not installed():
            return None
        return importlib.util.find_spec(name)  # anew: the recorder waits for it now


def installed() -> bool:
    """Whether the recorder is in place; where it is not, that is said."""
    try:
        from eventlog import recorders

        recorders.install()
    except Exception as error:
        sys.stderr.write(f"eventlog run: no model call is recorded ({type(error).__name__}: {error}){_advice(error)}\n")
        return False
    return True


def _advice(error: Exception) -> str:
    if isinstance(error, ImportError):
        return f"; install session-eventlog for {sys.executable}"
    return "; `eventlog config` shows the settings"


def run_hidden() -> None:
    """Run the module of this name that would have been imported without us."""
    here = os.path.dirname(os.path.abspath(__file__))
    others = [folder for folder in sys.path if os.path.abspath(folder) != here]
    spec = importlib.machinery.PathFinder.find_spec("sitecustomize", others)
    if spec is not None and spec.loader is not None:
        hidden = importlib.util.module_from_spec(spec)
        sys.modules["sitecustomize"] = hidden
        spec.loader.exec_module(hidden)


sys.meta_path.insert(0, FirstUse())
run_hidden()  # what it raises, Python itself reports, as it does without us
