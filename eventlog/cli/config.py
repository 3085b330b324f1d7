"""``eventlog config``: every setting, its value, where that comes from, and what may be given."""

from __future__ import annotations

from ..settings import table
from .context import Context, command


@command("config")
def config(context: Context) -> None:
    """Show every setting, its value and where that comes from.

    The environment wins over the config file, the config file over the defaults. The config file is TOML with lines like
    sync = "always"; EVENTLOG_CONFIG names another one."""
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


def shown(value: object) -> object:
    """The value as JSON has it."""
    return value if isinstance(value, (bool, int, float)) else str(value)


def as_text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
