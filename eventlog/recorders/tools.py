"""A call's settings as they are recorded: the catalogue of tools in full once in a store, by names and digest from then on.

Programs send the same hundred definitions with every call. Where they stand in full says ``in``: the session whose settings have them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..shapes.fields import mapping, mappings
from . import digests

if TYPE_CHECKING:
    from .restart import Restart
    from .sessions import Recorded

_OF_THE_TRANSPORT = frozenset({"stream_options"})  # how an answer comes, not what it is


def kept(settings: dict[str, Any], session: Recorded, mode: str, restart: Restart) -> dict[str, Any]:
    """The settings, without what only says how the answer comes, and with the catalogue as it is to be recorded."""
    made = {name: value for name, value in settings.items() if name not in _OF_THE_TRANSPORT}
    tools = made.get("tools")
    if mode == "full" or not isinstance(tools, list) or not tools:
        return made
    before = session.settings.get("tools")
    if before == tools:
        return made  # it has them in full
    digest = digests.of_value(tools)
    if isinstance(before, dict) and before.get("digest") == digest:
        return made | {"tools": before}
    elsewhere = restart.catalogue(digest, session.id)
    if elsewhere is None or elsewhere == session.id:
        return made
    return made | {"tools": {"names": names(tools), "digest": digest, "in": elsewhere}}


def names(tools: list[Any]) -> list[str]:
    """The names that a catalogue of any shape defines."""
    found: list[str] = []
    for tool in mappings(tools):
        for each in (tool, mapping(tool.get("function")), *mappings(tool.get("functionDeclarations"))):
            found += [each["name"]] if isinstance(each.get("name"), str) else []
    return found
