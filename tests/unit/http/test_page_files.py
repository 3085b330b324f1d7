"""The page's files as they are: what may not stand in them, and what they repeat of the table."""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path

from projections.exporters import FORMATS, OFFERED
from projections.http.files import FOLDER


def test_the_page_makes_no_markup_out_of_text() -> None:
    """And asks for nothing from elsewhere: no address of another server stands in it."""
    own = [path for path in FOLDER.rglob("*") if path.suffix in (".js", ".html", ".css") and "vendor" not in path.parts]
    assert len(own) > 20
    for path in own:
        text = path.read_text()
        for word in (
            "innerHTML",
            "outerHTML",
            "insertAdjacentHTML",
            "document.write",
            "eval(",
            "new Function",
            "DOMParser",
            "createContextualFragment",
            "srcdoc",
            "http://",
            "https://",
        ):
            assert word not in text, (path.name, word)
    vendored = (FOLDER / "vendor" / "marked.js").read_text()
    for word in ("innerHTML", "eval(", "new Function", "fetch(", "XMLHttpRequest"):
        assert word not in vendored


def test_what_is_vendored_is_named_with_its_version_licence_and_digest() -> None:
    folder: Path = FOLDER / "vendor"
    said = (folder / "README.txt").read_text()
    for path in folder.glob("*.js"):
        assert path.name in said
        assert sha256(path.read_bytes()).hexdigest() in said
        assert path.with_name(f"{path.stem}-LICENSE.txt").exists()


def page_formats() -> list[tuple[str, str]]:
    text = (FOLDER / "formats.js").read_text()
    found = json.loads(text[text.index("= [") + 2 : text.rindex(";")].replace("],\n]", "]]"))
    return [(name, suffix) for name, suffix in found]


def test_what_the_page_can_export_is_what_there_is() -> None:
    assert dict(page_formats()) == {name: FORMATS[name].suffix for name in OFFERED}
