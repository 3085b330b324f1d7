"""RFC 7386: what a JSON merge patch makes of a value."""

from __future__ import annotations

from typing import Any


def merge_patch(target: Any, patch: Any) -> Any:
    """The target after the patch: None removes a name, a mapping is merged, anything else replaces. Neither argument is changed.

    Works at any depth that can be decoded: it does not recurse.

    >>> merge_patch({"a": 1, "b": {"c": 2, "d": 3}}, {"a": None, "b": {"c": 4}})
    {'b': {'c': 4, 'd': 3}}
    """
    if not isinstance(patch, dict):
        return patch
    merged = dict(target) if isinstance(target, dict) else {}
    waiting = [(merged, patch)]
    while waiting:
        into, changes = waiting.pop()
        for name, change in changes.items():
            if change is None:
                into.pop(name, None)
            elif isinstance(change, dict):
                held = into.get(name)
                into[name] = inner = dict(held) if isinstance(held, dict) else {}
                waiting.append((inner, change))
            else:
                into[name] = change
    return merged
