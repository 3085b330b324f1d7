"""Branches of a conversation: each is a fork of the one that it begins in, a session of the log of its own.

The names, arguments and answers are those of the SDK's `AdvancedSQLiteSession`. Which branches there are stands in the main session
(``metadata.branches``); which one is current is the object's own.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any

from eventlog import draft
from eventlog.errors import SessionExists
from eventlog.events import SessionUpdated
from eventlog.keyed import generation_id, keyed_id, last_generation
from eventlog.line import Envelope

from ..records import item_of
from ..sessions import Key, Sessions, in_thread, to_its_end
from .items import FORMAT, History, HistoryFold, Item

MAIN = "main"
_FOLD = HistoryFold()
_CALLS = ("function_call", "custom_tool_call", "mcp_call", "shell_call", "apply_patch_call", "local_shell_call")


class Branches:
    session_id: str
    _sessions: Sessions
    _branch: str

    def _key(self, branch: str) -> Key:
        raise NotImplementedError

    def _ask(self, question: Callable[[History], Any], default: Any, branch_id: str | None = None) -> Any:
        raise NotImplementedError

    async def create_branch_from_turn(self, turn_number: int, branch_name: str | None = None) -> str:
        """Begin a branch with what was said before the user's n-th message, and go over to it; returns its name.

        Raises `ValueError`: no such turn, an empty name, or one that was used before."""
        if branch_name is not None and not branch_name.strip():
            raise ValueError("Branch name cannot be empty")
        return await to_its_end(lambda: self._create(turn_number, branch_name))

    async def create_branch_from_content(self, search_term: str, branch_name: str | None = None) -> str:
        """`create_branch_from_turn` at the first of the user's messages that has these words."""
        found = await self.find_turns_by_content(search_term)
        if not found:
            raise ValueError(f"No user turns found containing '{search_term}'")
        return await self.create_branch_from_turn(found[0]["turn"], branch_name)

    async def switch_to_branch(self, branch_id: str) -> None:
        """Go on in another branch ("main" is the first). Raises `ValueError` where there is none of that name."""
        await in_thread(lambda: self._check_branch(branch_id))
        self._branch = branch_id

    async def delete_branch(self, branch_id: str, force: bool = False) -> None:
        """Delete a branch; its name stays used. Raises `ValueError` for "main", for one that is not there, and without ``force`` for the
        current one."""
        if not branch_id or not branch_id.strip():
            raise ValueError("Branch ID cannot be empty")
        if branch_id == MAIN:
            raise ValueError("Cannot delete the 'main' branch")
        if branch_id == self._branch and not force:
            raise ValueError(f"Cannot delete current branch '{branch_id}'. Use force=True or switch branches first")

        def delete() -> None:
            self._check_branch(branch_id)
            if branch_id == self._branch:
                self._branch = MAIN
            self._sessions.delete(self._key(branch_id), "delete_branch")
            self._note(branch_id, {"deleted": True})

        await to_its_end(delete)

    async def list_branches(self) -> list[dict[str, Any]]:
        """Of each branch, in the order of their beginning: branch_id, message_count, user_turns, is_current, created_at."""
        return await in_thread(self._list)

    async def get_conversation_turns(self, branch_id: str | None = None) -> list[dict[str, Any]]:
        """What the user said: turn (from 1), content (the beginning of it), full_content, timestamp, can_branch."""
        return await in_thread(lambda: self._turns(branch_id))

    async def find_turns_by_content(self, search_term: str, branch_id: str | None = None) -> list[dict[str, Any]]:
        """Those of `get_conversation_turns` that have these words, in any case. (`Catalog.search` finds in all sessions.)"""
        wanted = search_term.casefold()
        return [turn for turn in await self.get_conversation_turns(branch_id) if wanted in _text(turn["full_content"]).casefold()]

    async def get_tool_usage(self, branch_id: str | None = None) -> list[tuple[str, int, int]]:
        """Of each tool and turn: its name, how often it was called, the turn's number."""

        def question(state: History) -> list[tuple[str, int, int]]:
            counts: dict[tuple[int, str], int] = {}
            turn = 0
            for item in state.items:
                turn += item.is_user
                value = item_of(item.record)
                if isinstance(value, dict) and value.get("type") in _CALLS:
                    name = turn, str(value.get("name") or value["type"])
                    counts[name] = counts.get(name, 0) + 1
            return [(name, count, turn) for (turn, name), count in sorted(counts.items())]

        found: list[tuple[str, int, int]] = await in_thread(lambda: self._ask(question, [], branch_id))
        return found

    # --- what is behind it --------------------------------------------------------------------------------------------------------

    def _registered(self) -> dict[str, dict[str, Any]]:
        found: dict[str, dict[str, Any]] = self._ask(lambda state: dict(state.branches), {}, MAIN)
        return found

    def _check_branch(self, branch_id: str) -> None:
        if branch_id != MAIN and self._registered().get(branch_id, {"deleted": True}).get("deleted"):
            raise ValueError(f"Branch '{branch_id}' does not exist")

    def _create(self, turn_number: int, name: str | None) -> str:
        source = self._key(self._branch)
        turns: list[Item] = self._ask(lambda state: state.turns, [])
        if not 1 <= turn_number <= len(turns):
            raise ValueError(f"Turn {turn_number} does not contain a user message in branch '{self._branch}'")
        used = self._registered()
        if name is None:
            stem = f"branch_from_turn_{turn_number}"
            name = next(each for each in (f"{stem}_{n}" if n else stem for n in range(len(used) + 1)) if each not in used)
        elif name == MAIN or name in used:
            raise ValueError(f"Branch '{name}' already exists or was used before")
        key = self._key(name)
        first = keyed_id(*key)
        generation = last_generation(self._sessions.log, first)
        if generation == 0 or self._sessions.id_of(key) is None:
            generation += 1
        source_id = self._sessions.id_of(source)
        if source_id is None:
            raise ValueError(f"Branch '{self._branch}' was deleted meanwhile")
        try:
            with self._sessions.log.fork(source_id, turns[turn_number - 1].first - 1, id=generation_id(first, generation)) as forked:
                about = {"namespace": FORMAT, "key": list(key[1:]), "generation": generation}
                forked.append(SessionUpdated(metadata={"key": about, "branch": name, "branches": None}))
        except SessionExists:
            raise ValueError(f"Branch '{name}' already exists or was used before") from None
        self._note(name, {"from": self._branch, "from_turn": turn_number, "created_at": datetime.now(timezone.utc).isoformat()})
        self._branch = name
        return name

    def _note(self, name: str, about: dict[str, Any]) -> None:
        def decide(state: History) -> list[Envelope]:
            return [draft(SessionUpdated(metadata={"branches": {name: state.branches.get(name, {}) | about}}))]

        self._sessions.append(_FOLD, self._key(MAIN), decide)

    def _delete_branches(self) -> None:
        for name, about in self._registered().items():
            if not about.get("deleted"):
                self._sessions.delete(self._key(name), "clear_session")

    def _list(self) -> list[dict[str, Any]]:
        names = [MAIN, *(name for name, about in self._registered().items() if not about.get("deleted"))]
        created = {name: about.get("created_at") for name, about in self._registered().items()}
        found = []
        for name in names:
            counts = self._ask(lambda state: (len(state.items), len(state.turns), min(state.times.values(), default=None)), None, name)
            if counts is not None:
                count, turns, first = counts
                made = {"branch_id": name, "message_count": count, "user_turns": turns, "is_current": name == self._branch}
                found.append(made | {"created_at": created.get(name, first)})
        return found

    def _turns(self, branch_id: str | None) -> list[dict[str, Any]]:
        found: list[tuple[Item, str]] = self._ask(lambda state: [(item, state.times[item.first]) for item in state.turns], [], branch_id)
        turns = []
        for number, (item, when) in enumerate(found, start=1):
            content = item_of(item.record).get("content", "")
            whole = _text(content)
            shown = whole[:100] + "..." if len(whole) > 100 else whole
            turns.append({"turn": number, "content": shown, "full_content": content, "timestamp": when, "can_branch": True})
        return turns


def _text(content: Any) -> str:
    if isinstance(content, str):
        return content
    return " ".join(str(part.get("text", "")) for part in content if isinstance(part, dict)) if isinstance(content, list) else ""
