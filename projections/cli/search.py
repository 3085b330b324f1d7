"""``eventlog search``: events by their words, grouped by session, with the command that goes to a hit."""

from __future__ import annotations

from typing import Any

import click
import msgspec

from eventlog.cli.amounts import age, local
from eventlog.cli.columns import cells_of, clipped
from eventlog.cli.context import Context, command
from eventlog.cli.failures import one_line
from eventlog.cli.terminal import Terminal

from ..catalog.search_query import SearchItem, places_of
from ..operations import questions
from .filters import asking, open_catalog, say_next, say_unknown
from .options import options

_BEFORE_A_HIT = 12  # columns of what stands before it, where a snippet must be cut


@command("search")
@click.argument("query", nargs=-1, required=True)
@options(questions.Search, leave_out=["query"])
def search(context: Context, query: tuple[str, ...], given: dict[str, Any]) -> None:
    """Find events by their words, the best hits first.

    Looks into messages, reasoning, tool arguments and outputs, titles. All words must be there; also "a phrase", prefix*, -without,
    this OR that; C++ and C# are words. A query that begins with a dash goes after --."""
    words = " ".join(query)
    with open_catalog(context) as catalog:
        if "session_id" in given:
            given["session_id"] = context.find_session(catalog.log, given["session_id"])
        page = questions.search(asking(context, catalog), msgspec.convert({**given, "query": words}, type=questions.Search))
        if not page.total:
            say_unknown(context, catalog, given)
        groups: dict[str, list[SearchItem]] = {}
        for item in page.items:
            groups.setdefault(item.session_id, []).append(item)
        short = catalog.short_ids(list(groups)) if context.terminal.is_there and not context.json else {id: id for id in groups}
    if context.json:
        context.emit(page)
        return
    for number, (session_id, hits) in enumerate(groups.items()):
        if number:
            click.echo()
        _print(context, words, short[session_id], hits)
    if groups:
        click.echo()
    say_next(context, len(page.items), page.total, page.next, "hits")


def _print(context: Context, query: str, session: str, hits: list[SearchItem]) -> None:
    terminal = context.terminal
    when = max(hit.time for hit in hits)
    said = age(when, context.now()) if terminal.is_there else local(when)
    head = f"{session}  {said}"
    title = one_line(hits[0].title or "")
    room = terminal.width - cells_of(head) - 2
    if terminal.is_there:
        title = clipped(title, room)
    click.echo(f"{terminal.styled(head, 'yellow')}  {terminal.styled(title, 'bold')}".rstrip(), color=terminal.colors)
    numbers = max(len(str(hit.seq)) for hit in hits)
    for hit in hits:
        start = f"  {hit.seq:>{numbers}}  {one_line(hit.role or hit.kind):<9}  "
        click.echo(f"{start}{_marked(terminal, query, hit.snippet, terminal.width - len(start))}", color=terminal.colors)
    if terminal.is_there:
        click.echo(terminal.styled(f"  eventlog show {session} --seq {hits[0].seq}", "dim"), color=terminal.colors)


def _marked(terminal: Terminal, query: str, snippet: str, room: int) -> str:
    """The snippet with its hits in colour; cut where it is too long for the terminal, but not before the first hit."""
    text = one_line(snippet.replace("**", ""))
    places = places_of(query, text)
    if not terminal.is_there:
        return text
    first = places[0][0] if places else 0
    begin = 0
    if places and cells_of(text[: places[0][1]]) > room - 2:
        begin = max(0, first - _BEFORE_A_HIT)
    shown = clipped(("…" if begin else "") + text[begin:], room)
    moved = begin - (1 if begin else 0)
    pieces, position = [], 0
    for start, stop in places:
        start, stop = max(start - moved, 0), min(stop - moved, len(shown))
        if position <= start < stop:
            pieces += [shown[position:start], terminal.styled(shown[start:stop], "bold red")]
            position = stop
    return "".join(pieces) + shown[position:]
