"""Options of the command line, made of the argument structs of `projections.operations`: the words of help stand there, once."""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import wraps
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import click
import msgspec
from msgspec import Meta

from ..operations.row import Arguments


def options(arguments: type[Arguments], *, leave_out: Collection[str] = ()) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Add an option for each field but those that are left out. The command gets them as one mapping, ``given``: what was given, by the
    names of the fields."""
    hints = get_type_hints(arguments, include_extras=True)
    fields = [field for field in msgspec.structs.fields(arguments) if field.name not in leave_out]

    def add(function: Callable[..., None]) -> Callable[..., None]:
        @wraps(function)
        def run(*positional: Any, **named: Any) -> None:
            found = {field.name: named.pop(field.name) for field in fields}
            given = {name: value for name, value in found.items() if value is not None and value != () and value is not False}
            function(
                *positional, given={name: list(value) if isinstance(value, tuple) else value for name, value in given.items()}, **named
            )

        made: Callable[..., None] = run
        for field in reversed(fields):
            made = _option(field, hints[field.name])(made)
        return made

    return add


def _option(field: msgspec.structs.FieldInfo, hint: Any) -> Callable[[Callable[..., None]], Callable[..., None]]:
    said = _said(hint)
    extra = said.extra or {}
    flag = extra.get("option", "--" + field.name.replace("_", "-"))
    kind, bounds = _kind(hint)
    how: dict[str, Any] = {"help": said.description, "metavar": extra.get("metavar")}
    if kind is bool:
        how["is_flag"] = True
        how["default"] = None
        del how["metavar"]
    elif get_origin(kind) is list:
        how["multiple"] = True
    elif get_origin(kind) is Literal:
        how["type"] = click.Choice(get_args(kind))
    elif kind is int:
        how["type"] = click.IntRange(bounds.get("ge"), bounds.get("le"))
    if field.default is not msgspec.NODEFAULT and field.default not in (None, False) and not how.get("multiple"):
        how |= {"default": field.default, "show_default": True}
    return click.option(flag, field.name, **how)


def _said(hint: Any) -> Meta:
    """The outermost description."""
    return next(each for each in reversed(get_args(hint)) if isinstance(each, Meta) and each.description)


def _kind(hint: Any) -> tuple[Any, dict[str, Any]]:
    """The type without what annotates it and without None, and the bounds of a number."""
    bounds: dict[str, Any] = {}
    while True:
        if hasattr(hint, "__metadata__"):
            for each in hint.__metadata__:
                bounds |= {name: getattr(each, name) for name in ("ge", "le") if getattr(each, name, None) is not None}
            hint = hint.__origin__
        elif get_origin(hint) in (Union, UnionType):
            (hint,) = (each for each in get_args(hint) if each is not type(None))
        else:
            return hint, bounds
