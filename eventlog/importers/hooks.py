"""What Claude Code's hooks have handed over (`spool`) -> the log: a prompt at once, the transcript when a turn or the session ends.

The transcript is the record; it is written behind the tool's back and may be late. So a prompt becomes a message of its own, which is
retracted when the transcript has brought the same one. Where the tool died before it was written, it is all there is of it.

One process works at a time, and one waits to be the next; whoever comes then may go: what it has handed over will be found.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from .. import spool
from ..errors import EventLogError, SessionDeleted, SessionNotFound
from ..events import MessageAdded, MessageRetracted, Part
from ..log import EventLog
from . import import_paths
from .claude_code.places import main_session
from .values import mapping_of, text_of

TOOL = "claude-code"
_OF_A_HOOK = "hook"  # metadata.from of a prompt
_LATE = timedelta(seconds=10)  # how long after a prompt the transcript's record of it may be dated, where its text is another


class Spooled(NamedTuple):
    """``store``: None for the configured one. ``time``: when it was handed over."""

    path: str
    time: datetime
    store: str | None
    said: bytes


def waiting(tool: str) -> Iterator[Spooled]:
    """What was handed over and not done yet, the oldest first."""
    folder = spool.folder()
    try:
        names = sorted(name for name in os.listdir(folder) if name.endswith("." + tool))
    except FileNotFoundError:
        return
    for name in names:
        path = os.path.join(folder, name)
        try:
            time = datetime.fromtimestamp(int(name.partition("-")[0]) / 1e9, timezone.utc)
            first_line, _, said = Path(path).read_bytes().partition(b"\n")
            yield Spooled(path, time, first_line.decode("unicode_escape") or None, said)
        except (FileNotFoundError, ValueError, OverflowError):
            continue  # somebody else was faster, or it is none of ours


def take(open_log: Callable[[str | None], EventLog | None]) -> int:
    """Import what waits; returns how many hand-overs are done. ``open_log``: the log of a store; None where nothing is to be recorded.

    What the store refuses (a lock, a full disk) stays for whoever comes next; what cannot be understood is kept aside. Never raises for
    either: both are said in the spool's ``errors.log``."""
    with _alone() as is_mine:
        count = 0
        while is_mine and (found := _take_each(open_log)):
            count += found  # and once more: somebody may have come meanwhile
        return count


def _take_each(open_log: Callable[[str | None], EventLog | None]) -> int:
    logs: dict[str | None, EventLog | None] = {}
    count = 0
    try:
        for each in waiting(TOOL):
            try:
                if each.store not in logs:
                    logs[each.store] = open_log(each.store)
                log = logs[each.store]
                if log is not None:
                    _take(log, each)
            except (EventLogError, OSError) as error:
                spool.note(f"{os.path.basename(each.path)} waits: {type(error).__name__}: {error}")
                continue
            except (ValueError, TypeError) as error:
                _give_up(each.path, f"{type(error).__name__}: {error}")
                continue
            os.unlink(each.path)
            count += 1
    finally:
        for opened in logs.values():
            if opened is not None:
                opened.close()
    return count


def _take(log: EventLog, each: Spooled) -> None:
    said = mapping_of(msgspec.json.decode(each.said))
    session_name = text_of(said.get("session_id"))
    transcript = text_of(said.get("transcript_path"))
    if session_name is None:
        raise ValueError("it names no session")
    session_id = main_session(session_name).session_id
    prompt = text_of(said.get("prompt"))
    if said.get("hook_event_name") == "UserPromptSubmit":
        if prompt:
            _say(log, session_id, prompt, each)
        return
    if transcript is not None:
        import_paths(log, TOOL, _files(Path(transcript).expanduser(), text_of(said.get("agent_transcript_path"))))
        _settle(log, session_id)


def _say(log: EventLog, session_id: str, prompt: str, each: Spooled) -> None:
    id = f"hook-{os.path.basename(each.path)}"
    message = MessageAdded(role="user", content=prompt, message_id=id, metadata={"from": _OF_A_HOOK})
    try:
        with log.session(session_id, create=True) as session:
            session.append(message, id=id, time=each.time)
    except SessionDeleted:
        return  # whoever deleted it does not want more of it


def _files(transcript: Path, of_agent: str | None) -> list[Path]:
    """The transcript, and those of its subagents: in the folder of the same name, and where the hook says so."""
    beside = transcript.with_suffix("")
    found = [transcript, beside, *([Path(of_agent).expanduser()] if of_agent else [])]
    return [path for path in found if path.exists()]


def _settle(log: EventLog, session_id: str) -> None:
    """Retract the prompts that the transcript has brought."""
    early: dict[str, tuple[datetime, str]] = {}
    brought: list[tuple[datetime, str]] = []
    try:
        with log.session(session_id) as session:
            for stored in session.read(types=(MessageAdded.type, MessageRetracted.type), on_damage="skip"):
                event: Any = stored.event
                if isinstance(event, MessageRetracted):
                    early.pop(event.message_id, None)
                elif event.role == "user" and event.metadata.get("from") == _OF_A_HOOK and event.message_id:
                    early[event.message_id] = stored.time, _text(event.content)
                elif event.role == "user":
                    brought.append((stored.time, _text(event.content)))
            late = [id for id, (time, text) in early.items() if any(_is_it(time, text, *each) for each in brought)]
            for id in late:
                session.append(MessageRetracted(message_id=id, reason="the transcript has it"), id=f"{id}.retracted")
    except (SessionNotFound, SessionDeleted):
        return


def _is_it(time: datetime, text: str, brought_at: datetime, brought: str) -> bool:
    return brought_at > time - _LATE and (brought == text or brought_at < time + _LATE)


def _text(content: str | list[Part]) -> str:
    if isinstance(content, str):
        return content.strip()
    return "".join(part.content for part in content if part.type == "text" and isinstance(part.content, str)).strip()


def _give_up(path: str, why: str) -> None:
    aside = os.path.join(spool.folder(), "failed")
    os.makedirs(aside, mode=0o700, exist_ok=True)
    os.rename(path, os.path.join(aside, os.path.basename(path)))
    spool.note(f"{os.path.basename(path)} is kept in failed/: {why}")


@contextmanager
def _alone() -> Iterator[bool]:
    """False where somebody waits already."""
    folder = spool.folder()
    if not os.path.isdir(folder):
        yield False
        return
    with open(os.path.join(folder, "next.lock"), "w") as turn, open(os.path.join(folder, "now.lock"), "w") as work:
        try:
            fcntl.flock(turn, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        fcntl.flock(work, fcntl.LOCK_EX)
        fcntl.flock(turn, fcntl.LOCK_UN)
        yield True
