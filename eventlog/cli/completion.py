"""``eventlog completion SHELL``: click's own script, which asks this program for candidates (`completing`)."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from .completing import SHELLS, VARIABLE
from .context import Context, command


@command("completion")
@click.argument("shell", type=click.Choice(SHELLS))
def completion(context: Context, shell: str) -> None:
    """Print the script that completes words in a shell.

    Sessions are completed by their ids, with their titles beside where the shell shows such (zsh, fish); also tags, models, users, tools,
    formats and event types."""
    kind = get_completion_class(shell)
    assert kind is not None
    made = kind(click.Command("eventlog"), {}, "eventlog", VARIABLE)
    script = made.source_template % made.source_vars()
    if context.json:
        context.emit({"shell": shell, "script": script})
    else:
        click.echo(script)
