"""``eventlog open``: the page of a server that is running, in the browser."""

from __future__ import annotations

import webbrowser

import click

from eventlog.cli.context import Context, command
from eventlog.cli.failures import Refused


@command("open")
@click.argument("session", required=False)
@click.option("--print", "only_print", is_flag=True, help="Print the address instead of opening it; it holds the token.")
def open_page(context: Context, session: str | None, only_print: bool) -> None:
    """Open the page in the browser.

    SESSION opens it there: an id, the beginning of one, last, a foreign key, words of the title. Needs `eventlog serve` to be running."""
    from ..http.discovery import running_servers

    store = context.loaded().settings.store.absolute()
    servers = running_servers(context.loaded().config_file.parent)
    found = next((each for each in servers if each.store == str(store)), None)
    if found is None:
        others = f"; of another store there is one at {servers[0].url} (--store {servers[0].store})" if servers else ""
        raise Refused(f"no server of {store} is running{others}; start one with: eventlog serve")
    address = found.page
    if session is not None:
        with context.open_log() as log:
            session_id = context.find_session(log, session)
        address = address.replace(found.url, f"{found.url}s/{session_id}", 1)
    if context.json:
        context.emit({"url": address})
    elif only_print or not webbrowser.open(address):
        context.say(address)
