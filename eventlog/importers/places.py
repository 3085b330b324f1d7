"""Where the tools on this machine keep their sessions, and what of it is there. Reads folders, never a session."""

from __future__ import annotations

import glob
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

import msgspec

from . import FORMATS, OWN, declared
from .declaration import Format, Location
from .records import lenient_value
from .sources import files_of


class Found(msgspec.Struct, frozen=True):
    """A place with sessions of a format: ``files`` of them, ``bytes`` together."""

    format: str
    path: str
    files: int
    bytes: int


class Spot(msgspec.Struct, frozen=True):
    """A place that was found, and what of it is to be read."""

    found: Found
    paths: list[Path]


def find(formats: Iterable[str] | None = None) -> list[Spot]:
    """The places that hold files of these formats (default: all), in the order of the formats. What lies there twice is read once."""
    spots = []
    for name in _names(formats):
        format = declared(name)
        seen: set[str] = set()
        for location in format.locations:
            for base in _bases(location):
                paths = [path for path in _paths(base, location) if os.path.realpath(path) not in seen]
                seen.update(map(os.path.realpath, paths))
                sizes = [size for path in paths for size in _sizes(format, path)]
                if sizes:
                    place = (
                        base / location.within.partition("*")[0].rpartition("/")[0] if "*" in location.within else base / location.within
                    )
                    spots.append(Spot(Found(name, str(place), len(sizes), sum(sizes)), paths))
    return spots


def looked_for(formats: Iterable[str] | None = None) -> list[str]:
    """The places as they are for this user, whether there is something or not."""
    places = ((location, base) for name in _names(formats) for location in declared(name).locations for base in _bases(location))
    return list(dict.fromkeys(str(base / location.within) for location, base in places))


def _names(formats: Iterable[str] | None) -> list[str]:
    return [name for name in FORMATS if name not in OWN] if formats is None else list(formats)


def _sizes(format: Format, path: Path) -> Iterator[int]:
    try:
        for file in files_of(path, format.reads, lambda error: None):
            yield os.stat(file).st_size
    except OSError:
        return  # gone meanwhile, or not ours to read


def _paths(base: Path, location: Location) -> list[Path]:
    """What is there; where that is a list of others, what of these is there."""
    matches = _matches(base, location.within)
    if location.lists is None:
        return matches
    found = []
    for path in matches:
        with suppress(OSError):
            found += [Path(each) for each in location.lists(lenient_value(path.read_bytes()))]
    return [path for path in found if path.exists()]


def _matches(base: Path, within: str) -> list[Path]:
    if not within:
        return [base] if base.exists() else []
    return [Path(match) for match in sorted(glob.glob(os.path.join(glob.escape(str(base)), within)))]


def _bases(location: Location) -> list[Path]:
    """The folder, or those that the tool's own variable names instead."""
    named = os.environ.get(location.variable, "").strip() if location.variable else ""
    if named:
        return [Path(each.strip()).expanduser() for each in named.split(",") if each.strip()]
    return [_expanded(location.base)] if location.base else []


def _expanded(base: str) -> Path:
    home = os.path.expanduser("~")
    config = os.path.join(home, "Library", "Application Support") if sys.platform == "darwin" else _folder("XDG_CONFIG_HOME", ".config")
    for name, folder in (("$CONFIG", config), ("$DATA", _folder("XDG_DATA_HOME", ".local/share")), ("~", home)):
        if base == name or base.startswith(name + "/"):
            return Path(folder + base[len(name) :])
    return Path(base)


def _folder(variable: str, otherwise: str) -> str:
    named = os.environ.get(variable, "").strip()
    return named if os.path.isabs(named) else os.path.join(os.path.expanduser("~"), otherwise)
