"""``eventlog serve``: the sessions over HTTP: the API, the live stream, the page, and the Model Context Protocol at ``/mcp``."""

from __future__ import annotations

import os
import secrets
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from eventlog.cli.context import Context, command
from eventlog.cli.failures import Refused

if TYPE_CHECKING:
    from ..http.guards.tokens import Caller

DEFAULT_ADDRESS: Final = "127.0.0.1:8765"
_SHORTEST_TOKEN: Final = 16
_HERE: Final = "here"  # of the spans: no address of their own


@command("serve")
@click.option(
    "--listen", default=DEFAULT_ADDRESS, metavar="ADDRESS", show_default=True, help="Where to listen: HOST:PORT; port 0 is a free one."
)
@click.option("--read-only", is_flag=True, help="Refuse everything that writes to the log.")
@click.option("--no-token", is_flag=True, help="Let everybody on this machine ask; only with a loopback address.")
@click.option(
    "--tokens", type=click.Path(path_type=Path), metavar="FILE", help="Tokens of people, a line each: `name token`, or `name token read`."
)
@click.option("--allow-host", multiple=True, metavar="HOST", help="Answer to this name, too, as behind a reverse proxy. May be repeated.")
@click.option(
    "--allow-origin", multiple=True, metavar="ORIGIN", help="Let pages of this origin ask (https://app.example). May be repeated."
)
@click.option("--mcp-write", is_flag=True, help="Let agents that ask at /mcp write, too (with a token that may).")
@click.option(
    "--otlp",
    is_flag=False,
    flag_value=_HERE,
    metavar="[ADDRESS]",
    help="Take OpenTelemetry spans at /v1/traces, here or at an address of their own (127.0.0.1:4318), with the same token.",
)
@click.option("--base-path", default="", metavar="PATH", help="Be below this path (/sessions), as behind a reverse proxy.")
def serve(context: Context, listen: str, base_path: str, otlp: str | None, **given: Any) -> None:
    """Serve the HTTP API, the live stream, the page and MCP.

    Prints the page's address with its token. EVENTLOG_TOKEN sets a token that survives restarts. Ctrl-C ends it."""
    try:
        from ..http import app, discovery, server, spans
        from ..mcp.http import Endpoint
    except ModuleNotFoundError as error:
        raise Refused(f"serving needs the package {error.name!r}; install it with: pip install 'session-eventlog[web]'") from None
    if otlp is not None and given["read_only"]:
        raise click.UsageError("--otlp appends what it is sent, and --read-only refuses that; leave one of them out")
    addresses = [server.address_of(address) for address in (listen, otlp) if address not in (None, _HERE)]
    for host, _ in addresses:
        if given["no_token"] and not server.is_loopback(host):
            raise click.UsageError(
                f"--no-token goes only with an address of this machine alone, and {host!r} is reached by others; leave it out"
            )
    base_path = _checked_base_path(base_path)
    own = None if given["no_token"] else _own_token()
    tokens = _tokens(given["tokens"], own)
    with context.open_log(write=not given["read_only"], create=not given["read_only"]) as log, ExitStack() as stack:
        listening = [stack.enter_context(server.listening(host, port)) for host, port in addresses]
        addresses = [(host, each.getsockname()[1]) for (host, _), each in zip(addresses, listening, strict=True)]
        host, port = addresses[0]
        access = app.Access(
            hosts=[name for address in addresses for name in server.hosts_of(*address)],
            any_port=given["allow_host"],
            origins=given["allow_origin"],
            tokens=tokens,
            read_only=given["read_only"],
            base_path=base_path,
        )
        mounts: dict[str, app.Mount] = {"/mcp": Endpoint(may_write=given["mcp_write"], most_bytes=access.most_bytes)}
        if otlp is not None:
            mounts[spans.PATH] = spans.Spans(log, access.most_bytes)
        where = None if otlp is None else server.url_of(*addresses[-1], base_path)
        folder = context.loaded().config_file.parent
        store = None if log.path is None else os.path.abspath(log.path)
        running = discovery.Running(url=server.url_of(host, port, base_path), token=own, pid=os.getpid(), port=port, store=store)
        path = discovery.announce(folder, running)
        try:
            with server.logging_to(folder / f"server-{port}.log"):
                app.serve(
                    log,
                    access,
                    listening,
                    lambda: _say(context, running, where),
                    mounts,
                )
        finally:
            discovery.withdraw(path, running.pid)


def _say(context: Context, running: Any, otlp: str | None) -> None:
    if context.json:
        said = {"url": running.url, "token": running.token, "pid": running.pid}
        context.emit(said if otlp is None else said | {"otlp": otlp})
    else:
        context.say(f"Serving {running.store} at {running.page}")
        if otlp is not None:
            context.say(f"Spans: OTEL_EXPORTER_OTLP_ENDPOINT={otlp}")
        context.say("Ctrl-C ends it.", "dim")
        sys.stdout.flush()


def _own_token() -> str:
    """That of the environment, else a new one."""
    given = os.environ.get("EVENTLOG_TOKEN", "")
    return _checked(given, "EVENTLOG_TOKEN") if given else secrets.token_urlsafe(32)


def _checked(token: str, where: str) -> str:
    if len(token) < _SHORTEST_TOKEN or not token.isascii() or not token.isprintable() or " " in token:
        raise click.UsageError(f"the token of {where} must be {_SHORTEST_TOKEN} or more ASCII characters without spaces; make a longer one")
    return token


def _tokens(path: Path | None, own: str | None) -> Mapping[str, Caller] | None:
    """All that are known with whose they are. None: nobody needs one."""
    from ..http.guards.tokens import Caller

    if own is None:
        if path is not None:
            raise click.UsageError("--tokens and --no-token contradict each other; give one of them")
        return None
    found = {own: Caller()}
    if path is None:
        return found
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeError) as error:
        raise click.UsageError(f"the file of tokens cannot be read: {error}") from None
    for number, line in enumerate(lines, 1):
        fields = line.split()
        if not fields or fields[0].startswith("#"):
            continue
        where = f"line {number} of {path}"
        if len(fields) not in (2, 3) or fields[2:] not in ([], ["read"]):
            raise click.UsageError(f"{where} is not `name token` or `name token read`; mend it")
        token = _checked(fields[1], where)
        if token in found:
            raise click.UsageError(f"{where} has a token that somebody else has already; give each their own")
        found[token] = Caller(name=fields[0], may_write=len(fields) == 2)
    return found


def _checked_base_path(path: str) -> str:
    path = path.rstrip("/")
    if path and (
        not path.startswith("/")
        or not all(part.isascii() and part.replace("-", "").replace("_", "").isalnum() for part in path[1:].split("/"))
    ):
        raise click.UsageError(f"--base-path {path!r} is not usable; give a path of letters, digits, - and _, such as /sessions")
    return path
