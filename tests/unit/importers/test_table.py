"""The table of formats in the README is what the declarations say."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from eventlog.importers import FORMATS, OWN, declared
from eventlog.importers.declaration import Format
from projections.exporters import FORMATS as EXPORTED
from projections.exporters import MADE

README = Path(__file__).parents[3] / "README.md"
_EDITOR = re.compile(r"\$CONFIG/([^/]+)/User/(.*)")
HEAD = "| format | of | place | reads | follows | writes back | resumes |"


def row(name: str) -> str:
    format = declared(name)
    cells = [
        f"`{name}`",
        format.tool,
        ", ".join(dict.fromkeys(_places(format))),
        _reads(format),
        _yes(format.follows),
        "as samples" if EXPORTED[name].trains else _yes(name in EXPORTED),
        _yes(name in MADE),
    ]
    return "| " + " | ".join(cells).replace(" |  |", " | |") + " |"


def _places(format: Format) -> Iterator[str]:
    """Each place; what lies in the folders of several editors stands there once."""
    editors: dict[str, int] = {}
    for location in format.locations:
        path = "/".join(part for part in (location.base or f"${location.variable}", location.within) if part)
        found = _EDITOR.match(path)
        if found is not None:
            editors[found[2]] = editors.get(found[2], 0) + 1
    for location in format.locations:
        path = "/".join(part for part in (location.base or f"${location.variable}", location.within) if part)
        found = _EDITOR.match(path)
        if found is not None and editors[found[2]] > 1:
            yield f"`$CONFIG/EDITOR/User/{found[2]}`"
        else:
            yield f"`{path}`" + (f" (`{location.variable}`)" if location.variable and location.base else "")


def _reads(format: Format) -> str:
    shapes = {"lines": format.lines, "documents": format.documents, "SQLite": format.rows, "text": format.texts}
    real = "" if format.checked_on == "real files" else f" (by {format.checked_on})"
    return ", ".join(name for name, shape in shapes.items() if shape is not None) + real


def _yes(holds: bool) -> str:
    return "yes" if holds else "no"


def test_the_table_in_the_readme_is_current() -> None:
    expected = [HEAD, "|---|---|---|---|---|---|---|", *(row(name) for name in FORMATS if name not in OWN)]
    lines = README.read_text().splitlines()
    found = lines[lines.index(HEAD) :][: len(expected)] if HEAD in lines else []
    assert found == expected, "put this into README.md:\n" + "\n".join(expected)
