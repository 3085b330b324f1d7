"""What the parameters of commands are completed with: sessions by their ids and titles, names that occur, event types, formats.

The read side's part is named as a string in the table of commands. Whatever goes wrong completes nothing and says nothing: a shell that
asks for candidates has nobody to tell.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Final

import click

from .commands import COMPLETE

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

VARIABLE: Final = "_EVENTLOG_COMPLETE"
SHELLS: Final = ("bash", "zsh", "fish")
SESSIONS: Final = ("session", "sessions", "session_id", "into")
NAMES: Final = ("tags", "untags", "model", "user", "user_id", "kind", "name", "project", "namespace", "roles")
OWN: Final = ("types", "format")


class Completed(click.types.StringParamType):
    """A text whose candidates are known by what the parameter is called."""

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        from click.shell_completion import CompletionItem

        what = param.name or ""
        try:
            if what in OWN:
                return [CompletionItem(each) for each in _own(what) if each.startswith(incomplete)]
            module, function = COMPLETE.split(":")
            found: list[tuple[str, str | None]] = getattr(importlib.import_module(module), function)(ctx.obj, what, incomplete)
        except Exception:  # see above
            return []
        return [CompletionItem(value, help=said) for value, said in found]


def _own(what: str) -> list[str]:
    if what == "format":
        from ..importers import FORMATS

        return sorted(FORMATS)
    from .. import events
    from ..events import Event

    kinds = (each for each in vars(events).values() if isinstance(each, type) and issubclass(each, Event))
    return sorted({str(each.type) for each in kinds if isinstance(getattr(each, "type", None), str)})


def attach(made: click.Command) -> None:
    """Have the parameters of a command completed whose names say what they mean."""
    for parameter in made.params:
        if parameter.name in (*SESSIONS, *NAMES, *OWN) and type(parameter.type) is click.types.StringParamType:
            if made.name == "config":
                continue
            parameter.type = Completed()


def answer(program: click.Group, context: Any, instruction: str) -> int:
    """What the script of a shell has asked, by way of `VARIABLE`."""
    from click.shell_completion import shell_complete

    return shell_complete(program, {"obj": context}, "eventlog", VARIABLE, instruction)
