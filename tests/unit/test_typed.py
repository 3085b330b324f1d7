"""The program that the type checkers read runs, and they are given the README as it stands. See tests/typed."""

from __future__ import annotations

from pathlib import Path

from ..typed import as_a_user, readme


def test_a_user_s_program_does_what_its_types_say(tmp_path: Path) -> None:
    types, found, seq = as_a_user.main(tmp_path)
    assert types[:2] == ["message.added", "shop.rated"]
    assert types[2:] == ["session.started", "message.added", "tool.called", "tool.returned", "shop.rated"]
    assert (found, seq) == (3, 2)


def test_a_block_stands_on_the_lines_that_it_has_in_the_readme(tmp_path: Path) -> None:
    readme.write(tmp_path)
    page = (readme.ROOT / "README.md").read_text().splitlines()
    files = list(tmp_path.glob("readme_*.py"))
    assert len(files) == page.count("```python") > 3
    for file in files:
        for number, line in enumerate(file.read_text().splitlines()):
            assert line in ("", page[number])


def test_a_block_that_is_gone_leaves_no_file(tmp_path: Path) -> None:
    (tmp_path / "readme_7.py").write_text("no longer there")
    readme.write(tmp_path)
    assert not (tmp_path / "readme_7.py").exists()
