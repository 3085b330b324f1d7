"""The table of commands: where each one lives, as a string, and its line in the help.

This is the one place where the write side names the read side. A module is imported only when its command is run, so that
start-up costs one command and ``--help`` costs none.
"""

from __future__ import annotations

from typing import Final, NamedTuple


class Command(NamedTuple):
    """``target`` is "module:attribute"; ``help`` is the first sentence of the command's own help."""

    target: str
    help: str


SECTIONS: Final[dict[str, dict[str, Command]]] = {
    "Set up": {
        "config": Command("eventlog.cli.config:config", "Show every setting, its value and where that comes from."),
    },
}

COMMANDS: Final[dict[str, Command]] = {name: command for section in SECTIONS.values() for name, command in section.items()}
