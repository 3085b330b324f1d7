"""`Catalog`: the sessions of a log as a list, in numbers, by their tools, by their words. It catches up with the log by itself."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime, timezone, tzinfo
from types import TracebackType
from typing import Any, Unpack

import msgspec

from eventlog import EventLog
from eventlog.errors import InvalidInput, SessionNotFound
from eventlog.files.disk import Disk
from eventlog.ids import check_session_id

from ..index.catch_up import Progress
from ..index.dump import Difference
from ..index.folder import Folder
from ..index.serving import Serving
from ..projection import Projection, check_name, decoder_of
from ..view.outline import FLAGS, OutlineProjection
from . import finding, listing, search_query, statistics, tool_history, windows
from .cost import Prices, installed_prices
from .finding import AmbiguousSession
from .listing import Filter, Filters, SessionItem, Sort
from .names import What, nearest
from .page import Page
from .search import Search
from .search_query import SearchItem, SearchPage, Within
from .statistics import Scope, Statistics
from .tally import Tally
from .tool_history import ToolFilter, ToolItem
from .windows import Outline, Window
from .zones import zone_of

__all__ = [
    "AmbiguousSession",
    "Catalog",
    "Outline",
    "Page",
    "SearchItem",
    "SearchPage",
    "SessionItem",
    "Statistics",
    "ToolItem",
    "Window",
]


class Catalog:
    """A view of all sessions, kept in ``<store>/projections/`` and always caught up when it answers.

    Made by `open`. Safe to use from several threads and processes. Its files can be deleted at any time; where the store cannot be
    written, everything is in memory."""

    def __init__(self, serving: Serving) -> None:
        self._serving = serving
        self._totals = listing.Totals()

    @classmethod
    def open(
        cls,
        log: EventLog,
        *,
        projections: Iterable[Projection[Any]] = (),
        prices: Prices | None = None,
        notice: Callable[[str], None] | None = None,
        progress: Progress | None = None,
        disk: Disk | None = None,
    ) -> Catalog:
        """A catalog of this log; costs nothing until it is asked.

        ``projections`` are the program's own: they are stored, caught up and rebuilt like the others, see `states`; one whose fold raises
        ends what asked for it in `ProjectionFailed`. ``prices`` is the
        price list (default: ``genai-prices``, where it is installed). ``notice`` is told what went wrong with the stored
        projections, in one line (default: standard error); ``progress`` is called while much is being folded."""
        own: dict[str, Projection[Any]] = {
            "catalog": Tally(installed_prices() if prices is None else prices),
            "search": Search(),
            "outline": OutlineProjection(),
        }
        for projection in projections:
            if check_name(projection) in own:
                raise ValueError(f"the projection name {projection.name!r} is taken; give yours another one")
            decoder_of(projection)
            own[projection.name] = projection
        path = log.path
        folder = None if path is None else Folder(os.path.join(path, "projections"), disk or Disk())
        serving = Serving(log, folder, own, notice or _to_stderr)
        serving.progress = progress
        return cls(serving)

    @property
    def log(self) -> EventLog:
        return self._serving.log

    def list(
        self,
        *,
        sort: Sort = "updated",
        limit: int = 50,
        after: str | None = None,
        **filters: Unpack[Filters],
    ) -> Page[SessionItem]:
        """One page of sessions, the largest first in the order of ``sort``, which is by default the latest activity.

        Filters: user_id, status, tags (all of them), model, kind, project (a folder), title (words), since, until (of the last event),
        deleted (show those too), parent (a session's id), metadata (names and their JSON values), namespace (of the foreign key); see
        `Filter`. ``limit`` is 1 to 10,000; ``after`` is `next` of the page before.
        Raises `InvalidInput`, `InvalidCursor`."""
        filter = Filter(**filters)
        return self._serving.ask(
            ("catalog",), lambda connection: listing.list_sessions(connection, self._totals, filter, sort, limit, after)
        )

    def search(
        self,
        query: str,
        *,
        session_id: str | None = None,
        roles: Sequence[str] = (),
        limit: int = 20,
        after: str | None = None,
        wait: bool = True,
        **filters: Unpack[Filters],
    ) -> SearchPage:
        """One page of events that match, the best first: ``words``, ``"a phrase"``, ``prefix*``, ``-without``, ``this OR that``.

        ``session_id``: within this session, deleted or not; ``roles``: in messages of these. The filters are those of `list`.
        ``wait``: for the whole index; without, the answer is made from what is indexed (within about 0.2 s) while a thread goes on with
        the rest, and says so: `SearchPage`. Raises `InvalidQuery` (an `InvalidInput`) where there is no word to look for, and
        `SessionNotFound`."""
        filter = Filter(**filters)
        if session_id is not None:
            filter = msgspec.structs.replace(filter, deleted=True)
        within = Within(session_id, _texts("roles", roles))

        def ask(connection: Any, complete: bool | None) -> SearchPage:
            if session_id is not None:
                _check_known(connection, session_id)
            return search_query.find(connection, self._serving.log, query, filter, within, limit, after, complete)

        if wait:
            return self._serving.ask(("catalog", "search"), lambda connection: ask(connection, True))
        return self._serving.ask_soon(("catalog",), "search", ask)

    def find(self, given: str, rows: Sequence[str] | None = None) -> SessionItem:
        """The session that a person means, by the first of these that fits any: its id, ``last`` (the latest activity that is no
        subagent's), ``@3`` (the third of ``rows``, the ids of a list that was shown; by default of the list as it is now), the
        beginning of its id (a parent wins over its subagents), its foreign key (``key`` or ``namespace/key``: the last generation),
        words of its title.

        Raises `SessionNotFound`, and `AmbiguousSession`, which has the ``candidates``."""
        return self._serving.ask(("catalog",), lambda connection: finding.find(connection, given, rows))

    def starting(self, beginning: str, limit: int = 100) -> Sequence[SessionItem]:
        """The sessions that are not deleted whose ids begin so, the latest first, subagents last."""
        return self._serving.ask(("catalog",), lambda connection: finding.starting(connection, beginning, limit))

    def short_ids(self, ids: Sequence[str], least: int = 8) -> dict[str, str]:
        """For each of these ids its shortest beginning (of at least so many characters) by which `find` finds it now."""
        return self._serving.ask(("catalog",), lambda connection: finding.shortest(connection, ids, least))

    def nearest(self, what: What, given: str) -> Sequence[str] | None:
        """Names of this kind (model, user, tool, tag, kind, project, namespace, role) that occur and are like the given one, at most
        three; None where it occurs."""
        return self._serving.ask(("catalog",), lambda connection: nearest(connection, what, given))

    @property
    def token(self) -> str:
        """Another text whenever `list`, `statistics`, `tools` or `find` may answer otherwise, the same while nothing is written: the
        identity of the index and a counter that every catch-up raises which folded something. Read after catching up, so it tells of what
        any process has appended. Ask for it before the answer that it is to stand for. (Of `search`: of answers that are complete.)"""
        return self._serving.ask(("catalog",), listing.token_of)

    def catch_up(self, *names: str, wait: bool = True) -> None:
        """Bring projections (default: all) up to the log; without ``wait`` threads do it, and this returns at once."""
        self._serving.catch_up([projection.name for projection in self._chosen(names)], wait=wait)

    def statistics(
        self,
        *,
        session_id: str | None = None,
        user: str | None = None,
        project: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        zone: tzinfo | str | None = None,
        now: datetime | None = None,
    ) -> Statistics:
        """The numbers of the store, in which copied events count once, or everything in one session.

        ``user`` and ``project`` (a folder, with those below it): only of such sessions. ``since`` and ``until``: only what happened
        then, to the quarter of an hour. Of all sessions the sums are kept, of a part of them they are made when asked. Days, hours and
        weeks are those of ``zone`` (a name, or None: the machine's), which the answer names. Raises `SessionNotFound`, `InvalidInput`."""
        moment = datetime.now(timezone.utc) if now is None else now
        where = zone_of(zone)
        scope = Scope(session_id=session_id, user=user, project=project, since=since, until=until)

        def compute(connection: Any) -> Statistics:
            if session_id is not None:
                _check_known(connection, session_id)
            return statistics.compute(connection, scope, where, moment)

        return self._serving.ask(("catalog",), compute)

    def tools(
        self,
        *,
        session_id: str | None = None,
        call_id: str | None = None,
        name: str | None = None,
        open: bool | None = None,
        failed: bool | None = None,
        limit: int = 1_000,
        after: str | None = None,
    ) -> Page[ToolItem]:
        """One page of tool calls with arguments and results: of one session in its order, else of all, the latest first.

        ``call_id``: only calls with this id, whose sessions the items name. ``open``: only calls without a result (False: only with one);
        ``failed`` likewise. Raises `SessionNotFound`."""
        filter = ToolFilter(session_id=session_id, call_id=call_id, name=name, open=open, failed=failed)

        def ask(connection: Any) -> Page[ToolItem]:
            if session_id is not None:
                _check_known(connection, session_id)
            return tool_history.list_tool_calls(connection, self._serving.log, filter, limit, after)

        return self._serving.ask(("catalog",), ask)

    def messages(
        self,
        session_id: str,
        *,
        after: int | None = None,
        before: int | None = None,
        around: int | None = None,
        limit: int = 100,
        roles: Sequence[str] | None = None,
        max_chars: int | None = None,
        retracted: bool = False,
    ) -> Window:
        """A window of the session's messages, with what lies between them; the session is not folded for it.

        ``after``: the first ``limit`` messages with a larger seq (default: of all); ``before``: the last ones with a smaller one;
        ``around``: the message of the smallest seq that is not below it in the middle. ``limit`` is 1 to 10,000. ``roles``: only messages
        of these. ``max_chars`` cuts each text, and what is cut says so. ``retracted``: also messages that were taken back.
        Raises `SessionNotFound`, `InvalidInput`."""

        def ask(connection: Any) -> Window:
            _check_known(connection, session_id)
            return windows.find(connection, self._serving.log, session_id, after, before, around, limit, roles, max_chars, retracted)

        return self._serving.ask_about(check_session_id(session_id), ("catalog",), "outline", ask)

    def outline(self, session_id: str) -> Outline:
        """What there is in the session, a few bytes for each message, error and compaction. Raises `SessionNotFound`."""

        def ask(connection: Any) -> Outline:
            _check_known(connection, session_id)
            return windows.outline(connection, session_id, FLAGS)

        return self._serving.ask_about(check_session_id(session_id), ("catalog",), "outline", ask)

    def rebuild(self, *names: str, jobs: int | None = None, progress: Progress | None = None) -> tuple[str, ...]:
        """Make projections (default: all) anew from the log, beside what is there, then put them in its place; returns their names.

        ``jobs`` is the number of processes (default: one per processor). A kill leaves what was there. Raises `RebuildFailed`."""
        chosen = self._chosen(names)
        self._serving.rebuild(chosen, jobs or os.cpu_count() or 1, progress)
        return tuple(projection.name for projection in chosen)

    def check(self, *names: str, jobs: int | None = None, progress: Progress | None = None) -> Iterator[Difference]:
        """Rebuild projections (default: all) aside and give the rows in which what is stored differs: none, or there is a bug or
        a disk that lies."""
        for projection in self._chosen(names):
            yield from self._serving.check(projection, jobs or os.cpu_count() or 1, progress)

    def look_at_everything(self) -> None:
        """Have the next catch-up of every projection look at all sessions, whatever the log says has changed."""
        self._serving.distrust()

    def _chosen(self, names: Sequence[str]) -> Sequence[Projection[Any]]:
        projections = self._serving.projections
        for name in names:
            if name not in projections:
                raise InvalidInput(f"no projection {name!r}; there are {', '.join(projections)}")
        return [projections[name] for name in names or projections]

    def states(self, name: str) -> Iterator[tuple[str, Any]]:
        """Each session's id and state under a projection of the program's own, by id."""
        projection = self._serving.projections[name]
        decoder = decoder_of(projection)
        position = ""
        while True:
            rows = self._serving.ask((name,), _States(name, position))
            yield from ((session_id, decoder.decode(state)) for session_id, state in rows)
            if not rows:
                return
            position = rows[-1][0]

    def state(self, name: str, session_id: str) -> Any:
        """One session's state under a projection of the program's own. Raises `SessionNotFound`."""
        projection = self._serving.projections[name]

        def ask(connection: Any) -> Any:
            return connection.execute(f"SELECT state FROM {name}.checkpoint WHERE session_id = ?", (session_id,)).fetchone()

        row = self._serving.ask((name,), ask)
        if row is None:
            raise SessionNotFound(session_id)
        return decoder_of(projection).decode(row[0])

    def close(self) -> None:
        """Let go of the files. Closing twice is fine; the log stays open."""
        self._serving.close()

    def __enter__(self) -> Catalog:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


class _States:
    """Some rows of states after a position: a page at a time, so that no lock is held between them."""

    def __init__(self, name: str, position: str) -> None:
        self.statement = f"SELECT session_id, state FROM {name}.checkpoint WHERE session_id > ? ORDER BY session_id LIMIT 1000"
        self.position = position

    def __call__(self, connection: Any) -> list[tuple[str, bytes]]:
        found: list[tuple[str, bytes]] = connection.execute(self.statement, (self.position,)).fetchall()
        return found


def _texts(name: str, texts: Sequence[str]) -> Sequence[str]:
    if isinstance(texts, str):
        raise TypeError(f"{name} is a list of texts, not one text")
    return tuple(texts)


def _check_known(connection: Any, session_id: str) -> None:
    if connection.execute("SELECT 1 FROM catalog.checkpoint WHERE session_id = ?", (session_id,)).fetchone() is None:
        raise SessionNotFound(session_id)


def _to_stderr(message: str) -> None:
    sys.stderr.write(f"eventlog: {message}\n")
