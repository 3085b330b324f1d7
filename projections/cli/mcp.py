"""``eventlog mcp``: the sessions as tools and resources, for agents that speak the Model Context Protocol."""

from __future__ import annotations

import click

from eventlog.cli.context import Context, command
from eventlog.cli.failures import Refused

from .. import Catalog


@command("mcp")
@click.option("--write", is_flag=True, help="Let agents write, too: record, change, merge, delete.")
@click.option("--their-names", is_flag=True, help="Offer the tools under the names of other session managers, too.")
def mcp(context: Context, write: bool, their_names: bool) -> None:
    """Serve the sessions to an agent, by MCP on stdin and stdout.

    It only reads unless --write is given. It ends when its input does."""
    try:
        from ..mcp import server, stdio
    except ModuleNotFoundError as error:
        raise Refused(f"the command 'mcp' needs {error.name!r}; install it with: pip install 'session-eventlog[mcp]'") from error
    from ..operations import Context as Asking

    with context.open_log(write=write, create=write) as log, Catalog.open(log, notice=context.warn) as catalog:
        catalog.catch_up(wait=False)
        asking = Asking(log=log, catalog=catalog, may_write=write, waits=False)
        stdio.serve(server.server_for(asking, their_names=their_names))
