"""The adapters beside each SDK's own SQLite: the same calls through the SDK's interface, the same durability (each write is synced), in turn.

What an SDK is not installed for is left out, and said. The extras ``bench`` and those of the SDKs bring all of it."""

from __future__ import annotations

import asyncio
import importlib.util
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any, Final, NamedTuple

from .measure import Area, Contender, Goal, Run

ITEMS: Final = 200  # of a conversation that is read
STEPS: Final = 100  # of a thread, whose list grows by one with each
SESSIONS: Final = 100
_OURS, _THEIRS = "ours", "theirs"
_GOAL: Final = Goal(at_most=1.0)  # ours over theirs


class Operation(NamedTuple):
    """``at_once``: how often it is done in a round. ``before``: what a round needs, untimed."""

    name: str
    at_once: int
    do: Callable[[], object]
    before: Callable[[], object] | None = None


Made = Callable[[Path, bool], tuple[list[Operation], Callable[[], object]]]  # the folder, whether it is ours -> operations, close


def areas(run: Run) -> Iterator[Area]:
    for name, (package, made) in _SDKS.items():
        area = Area(
            name=f"adapters-{name}", title=f"Adapter: {name}, beside its own SQLite", workload="each write is synced", unit="us per call"
        )
        if not all(_is_there(each) for each in package.split()):
            area.left_out[name] = f"{package.replace(' ', ', ')}: not installed"
            yield area
            continue
        folders = {side: run.scratch(f"{name}-{side}") for side in (_OURS, _THEIRS)}
        sides = {side: made(folder, side == _OURS) for side, folder in folders.items()}
        operations = {side: {each.name: each for each in found[0]} for side, found in sides.items()}
        for title in operations[_OURS]:
            contenders = [_contender(side, operations[side][title]) for side in (_OURS, _THEIRS)]
            area.measure(contenders, run.scale(30, 3))
            area.ratio(f"{title}, to theirs", f"{title}: {_OURS}", f"{title}: {_THEIRS}", _GOAL, by="median")
        for _, close in sides.values():
            close()
        size = {side: sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) for side, folder in folders.items()}
        area.value("bytes on disk, to theirs", size[_OURS] / size[_THEIRS], "x")
        yield area


def _contender(side: str, operation: Operation) -> Contender:
    def often() -> None:
        for _ in range(operation.at_once):
            operation.do()

    name, role = f"{operation.name}: {side}", "subject" if side == _OURS else "peer"
    return Contender(name=name, units=operation.at_once, round=often, prepare=operation.before, role=role)  # type: ignore[arg-type]


def _is_there(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False


def _text(number: int) -> str:
    return f"{number}: " + "what is said, in as many words as one says it in. " * 4


# --- OpenAI Agents ---------------------------------------------------------------------------------------------------------------------


def _openai_agents(folder: Path, ours: bool) -> tuple[list[Operation], Callable[[], object]]:
    from agents.memory import SQLiteSession

    from projections.adapters.openai_agents import EventLogSession

    loop = asyncio.new_event_loop()
    done = loop.run_until_complete

    def opened(id: str) -> Any:
        return EventLogSession(id, folder / "store") if ours else SQLiteSession(id, folder / "session.db")

    read, written = opened("read"), opened("written")
    pair = [{"role": "user", "content": _text(1)}, {"role": "assistant", "content": _text(2)}]
    done(read.add_items([{"role": "user", "content": _text(number)} for number in range(ITEMS)]))

    def open_and_read() -> None:
        session = opened("read")
        assert len(done(session.get_items())) == ITEMS
        session.close()

    def close() -> None:
        read.close()
        written.close()
        done(loop.shutdown_default_executor())
        loop.close()

    operations = [
        Operation("add two items", 10, lambda: done(written.add_items(pair))),
        Operation(f"get all {ITEMS} items", 10, lambda: done(read.get_items())),
        Operation("get the last 10 items", 10, lambda: done(read.get_items(10))),
        Operation("pop an item", 10, lambda: done(written.pop_item()), lambda: done(written.add_items(pair * 5))),
        Operation(f"open, get all {ITEMS} items, close", 5, open_and_read),
    ]
    return operations, close


# --- LangGraph -------------------------------------------------------------------------------------------------------------------------


class _Thread:
    """A thread whose list grows by one with each step."""

    def __init__(self, saver: Any, id: str) -> None:
        from langgraph.checkpoint.base import empty_checkpoint

        self._empty = empty_checkpoint
        self._saver = saver
        self._place: Any = {"configurable": {"thread_id": id, "checkpoint_ns": ""}}
        self._messages: list[Any] = []
        self._tasks = count()

    def step(self) -> None:
        self._messages = [*self._messages, {"role": "user", "content": _text(len(self._messages))}]
        checkpoint: Any = self._empty()
        version = f"{len(self._messages):032}.0"
        checkpoint["channel_values"], checkpoint["channel_versions"] = {"messages": self._messages}, {"messages": version}
        self._place = self._saver.put(self._place, checkpoint, {"source": "loop", "step": len(self._messages)}, {"messages": version})

    def write(self) -> None:
        self._saver.put_writes(self._place, [("messages", self._messages[-1:])], f"task-{next(self._tasks)}")


def _langgraph(folder: Path, ours: bool) -> tuple[list[Operation], Callable[[], object]]:
    from langgraph.checkpoint.sqlite import SqliteSaver

    from projections.adapters.langgraph import EventLogSaver

    def opened() -> Any:
        return EventLogSaver.from_path(folder / "store") if ours else SqliteSaver.from_conn_string(str(folder / "checkpoints.db"))

    context = opened()
    saver = context.__enter__()
    thread, read = _Thread(saver, "written"), _Thread(saver, "read")
    for _ in range(STEPS):
        thread.step()
        read.step()
    place: Any = {"configurable": {"thread_id": "read", "checkpoint_ns": ""}}

    def open_and_get() -> None:
        with opened() as other:
            assert len(other.get_tuple(place).checkpoint["channel_values"]["messages"]) == STEPS

    operations = [
        Operation(f"put, with a list of {STEPS} and more", 5, thread.step),
        Operation("put writes", 5, thread.write),
        Operation("get the newest checkpoint", 10, lambda: saver.get_tuple(place)),
        Operation("list 10 checkpoints", 2, lambda: list(saver.list(place, limit=10))),
        Operation("open, get the newest checkpoint, close", 2, open_and_get),
    ]
    return operations, lambda: context.__exit__(None, None, None)


# --- Google ADK ------------------------------------------------------------------------------------------------------------------------


def _google_adk(folder: Path, ours: bool) -> tuple[list[Operation], Callable[[], object]]:
    from google.adk.events import Event
    from google.adk.sessions.base_session_service import GetSessionConfig
    from google.adk.sessions.sqlite_session_service import SqliteSessionService
    from google.genai import types

    from projections.adapters.google_adk import EventLogSessionService

    loop = asyncio.new_event_loop()
    done = loop.run_until_complete
    service: Any = EventLogSessionService(folder / "store") if ours else SqliteSessionService(str(folder / "session.db"))
    who: Any = {"app_name": "app", "user_id": "u"}

    def said(number: int) -> Any:
        return Event(author="user", content=types.Content(role="user", parts=[types.Part(text=_text(number))]))

    sessions = [done(service.create_session(**who, session_id=f"s{number}")) for number in range(SESSIONS)]
    for number in range(ITEMS // 2):
        done(service.append_event(sessions[0], said(number)))
    last = GetSessionConfig(num_recent_events=10)

    def close() -> None:
        done(service.close())
        done(loop.shutdown_default_executor())
        loop.close()

    operations = [
        Operation("append an event", 5, lambda: done(service.append_event(sessions[1], said(0)))),
        Operation(f"get a session of {ITEMS // 2} events", 2, lambda: done(service.get_session(**who, session_id="s0"))),
        Operation("get its last 10 events", 5, lambda: done(service.get_session(**who, session_id="s0", config=last))),
        Operation(f"list {SESSIONS} sessions", 2, lambda: done(service.list_sessions(**who))),
    ]
    return operations, close


_SDKS: Final[dict[str, tuple[str, Made]]] = {
    "OpenAI Agents": ("agents", _openai_agents),
    "LangGraph": ("langgraph.checkpoint.sqlite", _langgraph),
    "Google ADK": ("google.adk.sessions aiosqlite", _google_adk),
}
