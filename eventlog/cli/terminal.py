"""What is known of where the output goes: a terminal or not, its width, colours, links, a pager.

Only this module asks. Colour follows ``--color``, then NO_COLOR, then whether it is a terminal that has any. Text is made visible
(`failures.visible`) before it is styled, so that the escape codes that get out are ours.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterable
from typing import Final, Literal

import click

Color = Literal["auto", "always", "never"]
_KNOWN_LINKS: Final = ("VTE_VERSION", "KITTY_WINDOW_ID", "WT_SESSION", "KONSOLE_VERSION", "WEZTERM_PANE", "GHOSTTY_RESOURCES_DIR")
_LINKING_PROGRAMS: Final = ("iTerm.app", "vscode", "WezTerm", "Hyper", "ghostty")
_SMALLEST, _LARGEST = 40, 200


class Terminal:
    """Standard output, as a person sees it."""

    def __init__(self) -> None:
        self.wish: Color = "auto"

    @property
    def is_there(self) -> bool:
        """Whether somebody looks at standard output."""
        return sys.stdout.isatty()

    @property
    def can_ask(self) -> bool:
        """Whether there is somebody who can be asked."""
        return sys.stdin.isatty() and sys.stderr.isatty()

    @property
    def width(self) -> int:
        """In columns, from 40 to 200 (COLUMNS says another one than the terminal does)."""
        return max(_SMALLEST, min(_LARGEST, shutil.get_terminal_size((80, 24)).columns))

    @property
    def colors(self) -> bool:
        if self.wish != "auto":
            return self.wish == "always"
        return self.is_there and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"

    @property
    def links(self) -> bool:
        """Whether it is known to make links of OSC 8."""
        known = any(map(os.environ.get, _KNOWN_LINKS)) or os.environ.get("TERM_PROGRAM") in _LINKING_PROGRAMS
        return self.colors and self.is_there and known

    def styled(self, text: str, style: str = "") -> str:
        """The text in a style: words of bold, dim, italic, reverse, underline and a colour (red, ...): the
        sixteen of the terminal's own palette, but for those that are its background in some."""
        if not style or not text or not self.colors:
            return text
        words = style.split()
        attributes = {word: True for word in words if word in ("bold", "dim", "italic", "underline", "reverse")}
        color = next((word for word in words if word not in attributes), None)
        return click.style(text, fg=color, **attributes)

    def linked(self, text: str, address: str) -> str:
        """The text as a link, where the terminal has them."""
        return f"\x1b]8;;{address}\x1b\\{text}\x1b]8;;\x1b\\" if self.links and address else text

    def page(self, lines: Iterable[str], *, paged: bool) -> None:
        """Write lines that are ready; through the pager (PAGER, else less) where a person looks at a real terminal and wants it."""
        if paged and _is_real(sys.stdout) and _is_real(sys.stdin):
            os.environ.setdefault("LESS", "FRX")  # what fits on the screen is not paged, colours stay
            os.environ.setdefault("LESSCHARSET", "utf-8")
            click.echo_via_pager((f"{line}\n" for line in lines), color=self.colors)
            return
        for line in lines:
            print(line)


def _is_real(stream: object) -> bool:
    try:
        return os.isatty(stream.fileno())  # type: ignore[attr-defined]
    except (AttributeError, OSError, ValueError):
        return False
