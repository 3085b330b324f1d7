"""``eventlog config``: every setting, its value, where that comes from, and what may be given."""

from __future__ import annotations

import difflib

import click

from ..settings import Settings, config_file, described, table
from .context import Context, command


@command("config")
@click.argument("action", type=click.Choice(["get", "set", "unset"]), required=False, metavar="[get|set|unset]")
@click.argument("name", required=False, metavar="[NAME]")
@click.argument("value", required=False, metavar="[VALUE]")
def config(context: Context, action: str | None, name: str | None, value: str | None) -> None:
    """Show every setting, its value and where that comes from.

    Or set one. The environment wins over the config file, the config file over the defaults. The config file is TOML with lines like
    sync = "always"; EVENTLOG_CONFIG names another one. set and unset change one line of it and keep all others."""
    if action is not None:
        _one(context, action, name, value)
        return
    loaded = context.loaded()
    if context.json:
        context.emit(
            {
                "config_file": str(loaded.config_file),
                "settings": [
                    {
                        "name": setting.name,
                        "value": shown(getattr(loaded.settings, setting.name)),
                        "source": loaded.sources[setting.name],
                        "unit": setting.unit,
                        "allowed": setting.allowed,
                        "variable": setting.variable,
                        "description": setting.description,
                    }
                    for setting in table()
                ],
            }
        )
        return
    context.table(
        ["setting", "value", "unit", "source", "allowed"],
        [
            (setting.name, as_text(getattr(loaded.settings, setting.name)), setting.unit, loaded.sources[setting.name], setting.allowed)
            for setting in table()
        ],
        right=["value"],
    )
    context.say(f"\nconfig file: {loaded.config_file}{'' if loaded.config_file.exists() else ' (not there)'}")


def _one(context: Context, action: str, name: str | None, value: str | None) -> None:
    from .config_file import with_value

    if name is None or (value is None) == (action == "set"):
        raise click.UsageError("config get NAME, config set NAME VALUE or config unset NAME")
    if name not in Settings.__struct_fields__:
        near = difflib.get_close_matches(name.lower(), Settings.__struct_fields__, 1)
        hint = f"did you mean {near[0]!r}?" if near else "`eventlog config` shows what there is"
        raise click.UsageError(f"there is no setting {name!r}; {hint}")
    if action != "get":
        checked = None if value is None else described(name).parse(value, "the command line")
        with_value(config_file(), name, checked)  # which need not be there, nor be right yet
        context.reload()
    loaded = context.loaded()
    current, source = getattr(loaded.settings, name), loaded.sources[name]
    if context.json:
        context.emit({"name": name, "value": shown(current), "source": source})
    elif action == "get":
        context.say(as_text(current))
    else:
        context.say(f"{name} is {as_text(current) or 'empty'} ({source})")


def shown(value: object) -> object:
    """The value as JSON has it."""
    return value if isinstance(value, (bool, int, float)) else str(value)


def as_text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
