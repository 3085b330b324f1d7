"""The manual page, made of the commands' own help: ``python -m eventlog.cli.manual > man/eventlog.1``. A test compares."""

from __future__ import annotations

import importlib
from collections.abc import Iterator

import click

from .. import __version__
from .commands import SECTIONS
from .context import shared_options
from .examples import EXAMPLES

_EXIT = (
    ("0", "done, also with skipped input, which is reported"),
    ("1", "the answer is bad news: damage, no such session, something found"),
    ("2", "wrong use"),
    ("130", "interrupted"),
)


def page() -> str:
    """The page as roff."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    yield f'.TH EVENTLOG 1 "" "eventlog {__version__}" "User Commands"'
    yield ".SH NAME"
    yield r"eventlog \- an append-only log of LLM, agent and chat sessions"
    yield ".SH SYNOPSIS"
    yield r".B eventlog"
    yield r"[OPTIONS] COMMAND [ARGUMENTS]"
    yield ".SH OPTIONS"
    yield "Of every command, before or after its name:"
    for option in shared_options():
        yield from _option(option)
    for title, commands in SECTIONS.items():
        yield f'.SH "{title.upper()}"'
        for name in commands:
            yield from _command(name)
    yield '.SH "EXIT STATUS"'
    for code, said in _EXIT:
        yield from (".TP", rf"\fB{code}\fR", _plain(said))


def _command(name: str) -> Iterator[str]:
    module, attribute = next(section[name] for section in SECTIONS.values() if name in section).target.split(":")
    made: click.Command = getattr(importlib.import_module(module), attribute)
    arguments = [_argument(each) for each in made.params if isinstance(each, click.Argument)]
    yield f'.SS "{_plain(" ".join([name, *arguments]))}"'
    for number, paragraph in enumerate((made.help or "").split("\n\n")):
        if number:
            yield ".PP"
        yield _plain(" ".join(paragraph.split()))
    common = {option.name for option in shared_options()}
    for option in made.params:
        if isinstance(option, click.Option) and option.name not in common:
            yield from _option(option)
    yield from (".PP", ".nf")
    yield from (_plain(line) for line in EXAMPLES.get(name, ()))
    yield ".fi"


def _argument(argument: click.Argument) -> str:
    shown = argument.metavar or (argument.name or "").upper()
    return shown if argument.required or shown.startswith("[") else f"[{shown}]"


def _option(option: click.Parameter) -> Iterator[str]:
    assert isinstance(option, click.Option)
    names = ", ".join(rf"\fB{_plain(name)}\fR" for name in (*option.opts, *option.secondary_opts))
    value = ""
    if not option.is_flag:
        value = option.metavar or ("|".join(map(str, option.type.choices)) if isinstance(option.type, click.Choice) else "VALUE")
    yield ".TP"
    yield f"{names} {_plain(value)}".rstrip()
    yield _plain(option.help or "")


def _plain(text: str) -> str:
    """Text that roff takes for nothing else."""
    escaped = text.replace("\\", r"\e").replace("-", r"\-").replace('"', r"\(dq")
    return rf"\&{escaped}" if escaped[:1] in (".", "'") else escaped


if __name__ == "__main__":
    print(page(), end="")
