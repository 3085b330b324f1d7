"""The table of formats in the README is what the declarations say."""

from __future__ import annotations

from pathlib import Path

from eventlog.importers import FORMATS, OWN, declared
from eventlog.importers.declaration import Format

README = Path(__file__).parents[3] / "README.md"
HEAD = "| format | of | place | reads | follows | writes back | resumes |"


def row(name: str) -> str:
    format = declared(name)
    places = [_place(location.base, location.within, location.variable) for location in format.locations]
    cells = [
        f"`{name}`",
        format.tool,
        ", ".join(places),
        _reads(format),
        _yes(format.follows),
        _yes(format.writes_back),
        _yes(format.resumes),
    ]
    return "| " + " | ".join(cells).replace(" |  |", " | |") + " |"


def _place(base: str, within: str, variable: str | None) -> str:
    path = "/".join(part for part in (base, within) if part)
    return f"`{path}`" + (f" (`{variable}`)" if variable else "") if path else f"`{variable}`"


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
