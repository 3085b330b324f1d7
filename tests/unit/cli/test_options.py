"""Options that are made of argument structs: each field has one, with the words that stand at the field."""

from __future__ import annotations

import click
import msgspec
import pytest

from projections.cli.export import export_sessions
from projections.cli.list import list_sessions
from projections.cli.search import search
from projections.cli.stats import stats
from projections.cli.tools import tools
from projections.operations import Arguments, questions
from projections.operations.filters import Filters

from ...command_line import eventlog

COMMANDS = [
    (list_sessions, questions.List, set()),
    (search, questions.Search, {"query"}),
    (tools, questions.ToolCalls, {"session_id"}),
    (stats, questions.Stats, {"session_id"}),
    (export_sessions, Filters, set()),
]


@pytest.mark.parametrize(("command", "arguments", "positional"), COMMANDS, ids=lambda each: getattr(each, "name", ""))
def test_each_field_has_an_option_with_its_words_and_its_bounds(
    command: click.Command, arguments: type[Arguments], positional: set[str]
) -> None:
    options = {parameter.name: parameter for parameter in command.params if isinstance(parameter, click.Option)}
    schema = msgspec.json.schema_components((arguments,))[1][arguments.__name__]["properties"]
    for name in set(arguments.__struct_fields__) - positional:
        assert options[name].help == schema[name]["description"]
        if isinstance(options[name].type, click.IntRange):
            assert (options[name].type.min, options[name].type.max) == (schema[name]["minimum"], schema[name]["maximum"])
            assert options[name].default == schema[name]["default"]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (["list", "--limit", "0"], "--limit"),
        (["list", "--limit", "many"], "--limit"),
        (["list", "--status", "gone"], "--status"),
        (["list", "--sort", "name"], "--sort"),
        (["list", "--since", "soonish"], "'soonish' is not a time"),
        (["list", "--meta", "a"], "KEY=VALUE"),
        (["list", "--zone", "Nowhere"], "no time zone"),
        (["search", "x", "--until", "2026-13-01"], "is not a time"),
        (["stats", "--since", "x"], "is not a time"),
        (["tools", "--limit", "10001"], "--limit"),
    ],
)
def test_what_cannot_be_meant_is_wrong_use(tmp_path: object, line: list[str], said: str) -> None:
    store = f"{tmp_path}/store"
    eventlog("append", "s", "--create", "--store", store, stdin="")
    outcome = eventlog(*line, "--store", store)
    assert (outcome.code, outcome.out) == (2, "")
    assert said in outcome.err
