"""Columns as data: the same for a table that fits the terminal, for ``--fields`` and for csv, tsv, json and jsonl.

A table on a terminal has one line for each row, whatever the width: columns that are empty are left out, then those that matter least,
until the one that takes the rest (``fills``) has enough. In a pipe nothing is cut and nothing is left out.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Generic, Literal, TypeVar

import click
import msgspec

from .failures import visible
from .terminal import Terminal

Row = TypeVar("Row")
Format = Literal["table", "csv", "tsv", "json", "jsonl"]
FORMATS: Final = ("table", "csv", "tsv", "json", "jsonl")
_GAP: Final = "  "
_SHARE_OF_FILLER: Final = 0.35
_LEAST_OF_FILLER: Final = 16


@dataclass(frozen=True, kw_only=True)
class Column(Generic[Row]):
    """``value``: as data; ``shown``: for a person, default the value. ``rank``: the higher, the sooner it is left out where the
    terminal is narrow. ``most``: it is cut there beyond so many columns."""

    name: str
    value: Callable[[Row], Any]
    shown: Callable[[Row], str] | None = None
    right: bool = False
    style: str | Callable[[Row], str] = ""
    rank: int = 0
    most: int = 40
    fills: bool = False
    link: Callable[[Row], str] | None = None

    def text(self, row: Row) -> str:
        found = self.value(row) if self.shown is None else self.shown(row)
        return " ".join(visible(as_text(found)).split())


def as_text(value: Any) -> str:
    """The value in one cell of a table or a csv file."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    plain = msgspec.to_builtins(value)
    return plain if isinstance(plain, str) else msgspec.json.encode(plain).decode()


def for_eyes(terminal: Terminal, columns: Sequence[Column[Row]], rows: Sequence[Row], width: int | None) -> Iterable[str]:
    """The lines of a table, headings first. ``width`` None: as wide as it comes."""
    texts = {column.name: [column.text(row) for row in rows] for column in columns}
    kept = [column for column in columns if width is None or any(texts[column.name])]
    sizes = {column.name: _size(column, texts[column.name], width) for column in kept}
    if width is not None:
        kept = _fitting(kept, sizes, width)
    yield terminal.styled(_joined((column, _placed(column.name, sizes[column.name], column.right)) for column in kept).rstrip(), "dim")
    for number, row in enumerate(rows):
        cells = []
        for column in kept:
            cell = clipped(texts[column.name][number], sizes[column.name]) if width is not None else texts[column.name][number]
            padding = " " * (sizes[column.name] - cells_of(cell))
            style = column.style if isinstance(column.style, str) else column.style(row)
            shown = terminal.styled(cell, style)
            if column.link is not None:
                shown = terminal.linked(shown, column.link(row))
            cells.append((column, padding + shown if column.right else shown + padding))
        yield _joined(cells).rstrip()


def _joined(cells: Iterable[tuple[Column[Row], str]]) -> str:
    return _GAP.join(text for _, text in cells)


def _placed(text: str, size: int, right: bool) -> str:
    padding = " " * (size - cells_of(text))
    return padding + text if right else text + padding


def _size(column: Column[Row], texts: Sequence[str], width: int | None) -> int:
    size = max(map(cells_of, (column.name, *texts)))
    return size if width is None or column.fills else min(size, max(column.most, cells_of(column.name)))


def _fitting(columns: Sequence[Column[Row]], sizes: dict[str, int], width: int) -> list[Column[Row]]:
    """The columns that fit, those of the lowest ranks; what fills gets what is left."""
    filler = next((column for column in columns if column.fills), None)
    least = 0 if filler is None else min(sizes[filler.name], max(_LEAST_OF_FILLER, int(width * _SHARE_OF_FILLER)))
    chosen: list[Column[Row]] = [] if filler is None else [filler]
    taken = least
    for column in sorted((each for each in columns if not each.fills), key=lambda each: each.rank):
        more = sizes[column.name] + (len(_GAP) if chosen else 0)
        if taken + more > width:
            break
        chosen.append(column)
        taken += more
    if filler is not None:
        sizes[filler.name] = min(sizes[filler.name], least + width - taken)
    return [column for column in columns if column in chosen]


def cells_of(text: str) -> int:
    """How many columns of the terminal the text takes."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)


def clipped(text: str, size: int) -> str:
    """The text in so many columns, with a mark where it is cut."""
    if cells_of(text) <= size:
        return text
    if text.isascii():
        return text[: size - 1] + "…"
    taken = 0
    for place, character in enumerate(text):
        taken += cells_of(character)
        if taken > size - 1:
            return text[:place] + "…"
    return text


def for_programs(columns: Sequence[Column[Row]], rows: Iterable[Row], format: Format) -> Iterable[str]:
    """The lines of csv, tsv or jsonl."""
    if format == "jsonl":
        for row in rows:
            yield msgspec.json.encode({column.name: column.value(row) for column in columns}).decode()
        return
    yield _separated([column.name for column in columns], format)
    for row in rows:
        yield _separated([as_text(column.value(row)) for column in columns], format)


def _separated(cells: Sequence[str], format: Format) -> str:
    if format == "tsv":  # a tab or a line break in a cell becomes a space: cut and awk know no quotes
        return "\t".join(" ".join(cell.split()) if not cell.isprintable() else cell for cell in cells)
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="").writerow(cells)
    return buffer.getvalue()


def chosen(columns: Sequence[Column[Row]], names: str) -> list[Column[Row]]:
    """The columns of ``--fields A,B``, in that order."""
    known = {column.name: column for column in columns}
    found = []
    for name in filter(None, map(str.strip, names.split(","))):
        if name not in known:
            raise click.UsageError(f"no field {name!r}; there are {', '.join(known)}")
        found.append(known[name])
    if not found:
        raise click.UsageError(f"--fields takes names with commas between; there are {', '.join(known)}")
    return found
