"""Which files hold a text: every byte of a folder is looked at, compressed ones also after decompressing them."""

from __future__ import annotations

from pathlib import Path

import zstandard


def files_that_hold(folder: Path, text: str) -> list[str]:
    """The files below the folder whose bytes, names or (where they are compressed) contents hold the text."""
    return sorted(
        str(path.relative_to(folder)) for path in folder.rglob("*") if text in path.name or (path.is_file() and _holds(path, text.encode()))
    )


def _holds(path: Path, text: bytes) -> bool:
    data = path.read_bytes()
    if text in data:
        return True
    if not path.name.endswith(".zst"):
        return False
    with path.open("rb") as file, zstandard.ZstdDecompressor().stream_reader(file, read_across_frames=True) as reader:
        return text in reader.read()
