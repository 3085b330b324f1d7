"""How a value shows itself in a notebook: rows of plain values, as a table of HTML in which what was recorded is escaped text."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from html import escape
from typing import Any, Final

import msgspec

_MOST_ROWS: Final = 50
_MOST_CHARACTERS: Final = 200


def flat(item: msgspec.Struct) -> dict[str, Any]:
    """A struct as one row: the fields of a struct within it become columns of their own (``parent_relation``), but for an amount of
    money, which is a number beside its ``..._currency``. Times stay `datetime`, lists stay lists."""
    row: dict[str, Any] = {}
    for name in item.__struct_fields__:
        value = getattr(item, name)
        if not isinstance(value, msgspec.Struct):
            row[name] = value
            continue
        for inner, part in flat(value).items():
            row[name if inner == "amount" else f"{name}_{inner}"] = part
    return row


def html(rows: Iterable[Mapping[str, Any]], caption: str, columns: Sequence[str] | None = None) -> str:
    """A table; columns in which nothing stands are left out, and rows beyond 50 are only counted."""
    shown = list(rows)
    names = [name for name in columns or dict.fromkeys(name for row in shown for name in row) if any(_has(row.get(name)) for row in shown)]
    head = "".join(f"<th>{escape(name)}</th>" for name in names)
    body = "".join(f"<tr>{''.join(f'<td>{_cell(row.get(name))}</td>' for name in names)}</tr>" for row in shown[:_MOST_ROWS])
    more = f" ({_MOST_ROWS} of {len(shown):,} are shown)" if len(shown) > _MOST_ROWS else ""
    return f"<table><caption>{escape(caption)}{more}</caption><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _has(value: Any) -> bool:
    return value is not None and value != "" and value != [] and value != {}


def _cell(value: Any) -> str:
    if not _has(value):
        return ""
    if isinstance(value, datetime):
        text = value.strftime("%Y-%m-%d %H:%M:%SZ")
    elif isinstance(value, str):
        text = value
    elif isinstance(value, list) and all(isinstance(each, str) for each in value):
        text = ", ".join(value)
    else:
        text = msgspec.json.encode(value).decode()
    return escape(text if len(text) <= _MOST_CHARACTERS else text[: _MOST_CHARACTERS - 1] + "…")
