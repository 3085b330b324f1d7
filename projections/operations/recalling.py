"""Recall: of all sessions, the passages that answer a question, within a budget, each cited by session and seq.

Passages are found by the full text: any word of the question counts, rare ones more, those of four letters and more also as the beginning
of a longer one; a word that is in none of the hits is looked for by its own beginning. What is chosen are excerpts of the best hits, then
what the user first wanted in the best sessions, then the messages beside the best hits. `_candidates` is the only place that knows how
passages are found: another way to find them (by vectors) adds its candidates there, and nothing else changes.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from eventlog.errors import SessionNotFound

from ..catalog.search import passages
from ..catalog.search_query import SearchItem
from ..catalog.tool_history import read_some
from .context import Context
from .row import Arguments
from .transcripts import said_in

_CHARACTERS_PER_TOKEN: Final = 4
_MOST_HITS: Final = 40
_MOST_WORDS: Final = 32
_HITS_PER_SESSION: Final = 4
_EXCERPT: Final = 700  # characters of a hit
_BESIDE: Final = 250  # characters of a message beside one
_WITH_NEIGHBOURS: Final = 3  # of the best hits
_WITH_OPENING: Final = 6  # of the best sessions
_FOR_HITS: Final = 0.8  # of the budget
_STEP: Final = 100
_MOST_SEARCHED: Final = 200_000  # characters of a text in which the best part is looked for
_WEIGHTS: Final = {"text": 1.0, "summary": 1.0, "title": 0.8, "purpose": 0.8, "description": 0.8, "reasoning": 0.7}
_OF_ROLES: Final = {"user": 1.2}  # what was wanted, rather than what was done about it
_SHORTEST_BEGINNING: Final = 4  # letters of a word that may go on
_OTHER: Final = 0.5  # arguments and outputs of tools repeat many words
_STOP_WORDS: Final = frozenset(
    re.findall(
        "[a-z]+",
        "a about after again all also am an and another any are as at be because been before being but by can could did do does doing "
        "for from get had has have having he her here him his how i if in into is it its just like make me must my no not now of on one "
        "or our out over rather same say she should so some somebody something than that the their them then there these they thing "
        "things this those to two under up us use used using was we were what when where which while who why will with would you your ",
    )
)


class Recall(Arguments, frozen=True, kw_only=True):
    query: Annotated[str, Meta(description="A question, or words, in the language of what was said.", min_length=1, max_length=1_000)]
    max_tokens: Annotated[int, Meta(ge=200, le=8_000, description="How much to give, in tokens (of about 4 characters).")] = 2_000
    project: Annotated[str | None, Meta(description="Only sessions in this project folder or below it.", extra={"metavar": "DIR"})] = None


class RecalledPassage(msgspec.Struct, frozen=True, kw_only=True):
    """What stands at ``seq`` of the session, or an excerpt of it. ``role`` is null where nobody in particular said it."""

    session_id: str
    seq: int
    role: str | None
    time: datetime
    text: str


class Recalled(msgspec.Struct, frozen=True, kw_only=True):
    """``passages``: those of the session with the best hit first, within a session in their order. ``used_tokens`` is what their texts
    take. ``more``: there were hits for which the budget did not suffice. ``complete`` false: not everything that was recorded can be found
    yet; ask again later."""

    passages: list[RecalledPassage]
    used_tokens: int
    more: bool
    complete: bool


class _Chosen:
    """What has been chosen, within the budget and without repetition."""

    def __init__(self, characters: int) -> None:
        self.left = characters
        self.passages: dict[tuple[str, int], RecalledPassage] = {}
        self._texts: set[str] = set()

    def add(self, passage: RecalledPassage, reserve: int = 0) -> bool:
        """Whether there was room; what is there already takes none."""
        text = " ".join(passage.text.split())
        if (passage.session_id, passage.seq) in self.passages or text in self._texts or not text:
            return True
        if len(passage.text) > self.left - reserve:
            return False
        self.left -= len(passage.text)
        self.passages[passage.session_id, passage.seq] = passage
        self._texts.add(text)
        return True


def recall(context: Context, asked: Recall) -> Recalled:
    budget = asked.max_tokens * _CHARACTERS_PER_TOKEN
    chosen = _Chosen(budget)
    words = words_of(asked.query)
    hits, complete = _candidates(context, words, asked.project)
    reserve = int(budget * (1 - _FOR_HITS))
    used: list[SearchItem] = []
    more = False
    for hit, text in hits:
        passage = RecalledPassage(
            session_id=hit.session_id, seq=hit.seq, role=hit.role, time=hit.time, text=excerpt(text, words, min(_EXCERPT, budget // 2))
        )
        if chosen.add(passage, reserve):
            used.append(hit)
        else:
            more = True
    for session_id in list(dict.fromkeys(hit.session_id for hit in used))[:_WITH_OPENING]:
        for passage in _opening(context, session_id, words):
            chosen.add(passage)
    for hit in used[:_WITH_NEIGHBOURS]:
        for passage in _beside(context, hit, words):
            chosen.add(passage)
    order = {session_id: rank for rank, session_id in reversed(list(enumerate(hit.session_id for hit in used)))}
    found = sorted(chosen.passages.values(), key=lambda passage: (order[passage.session_id], passage.seq))
    return Recalled(passages=found, used_tokens=-(-(budget - chosen.left) // _CHARACTERS_PER_TOKEN), more=more, complete=complete)


def words_of(question: str) -> list[str]:
    """The words to look for, in lower case: without those that are everywhere, unless there are no others."""
    found = list(dict.fromkeys(re.findall(r"[^\W_]+", question.lower())))
    return ([word for word in found if word not in _STOP_WORDS and not (len(word) == 1 and word.isascii() and word.isalpha())] or found)[
        :_MOST_WORDS
    ]


def stem(word: str) -> str:
    """The beginning that other forms of the word share."""
    if len(word) < 5:
        return word
    for ending in ("ations", "ation", "ings", "ing", "ies", "es", "ed", "s", "e"):
        if word.endswith(ending) and len(word) - len(ending) >= 4:
            return word[: -len(ending)]
    return word


def _candidates(context: Context, words: list[str], project: str | None) -> tuple[list[tuple[SearchItem, str]], bool]:
    """Hits with their texts, the best first, and whether the index had everything."""
    found, complete = _scored(context, words, words, project)
    missing = [word for word in words if len(word) > _SHORTEST_BEGINNING and not any(stem(word) in text.lower() for _, _, text in found)]
    if missing:  # what is written nowhere may be part of what is: a gamepad is for games
        shorter = [word[: max(_SHORTEST_BEGINNING, len(word) * 3 // 5)] for word in missing]
        known = {_place(item) for _, item, _ in found}
        found += [each for each in _scored(context, shorter, words, project)[0] if _place(each[1]) not in known]
    found.sort(key=lambda each: (-each[0], each[1].session_id, each[1].seq))
    counts: dict[str, int] = {}
    kept = []
    for _, item, text in found:
        counts[item.session_id] = counts.get(item.session_id, 0) + 1
        if counts[item.session_id] <= _HITS_PER_SESSION:
            kept.append((item, text))
    return kept, complete


def _place(item: SearchItem) -> tuple[str, int, str]:
    return item.session_id, item.seq, item.kind


def _scored(
    context: Context, beginnings: list[str], words: list[str], project: str | None
) -> tuple[list[tuple[float, SearchItem, str]], bool]:
    """What has any of the beginnings, with how well it answers all words."""
    if not beginnings:
        return [], True
    query = " OR ".join(f"{stem(word)}*" if len(word) >= _SHORTEST_BEGINNING else f'"{word}"' for word in beginnings)
    filters: dict[str, Any] = {} if project is None else {"project": project}
    page = context.catalog.search(query, limit=_MOST_HITS, wait=context.waits, **filters)
    by_session: dict[str, list[SearchItem]] = {}
    for item in page.items:
        by_session.setdefault(item.session_id, []).append(item)
    scored: list[tuple[float, SearchItem, str]] = []
    for session_id, items in by_session.items():
        texts = _texts(context, session_id, {item.seq for item in items})
        for item in items:
            text = _best(texts.get((item.seq, item.kind)) or [item.snippet.replace("**", "")], words)
            covered = sum(stem(word) in text.lower() for word in words) / len(words)
            weight = _WEIGHTS.get(item.kind, _OTHER) * _OF_ROLES.get(item.role or "", 1.0)
            scored.append((item.score * weight * (0.5 + covered), item, text))
    return scored, page.complete


def _texts(context: Context, session_id: str, seqs: set[int]) -> dict[tuple[int, str], list[str]]:
    found: dict[tuple[int, str], list[str]] = {}
    for stored in read_some(context.log, session_id, dict.fromkeys(sorted(seqs))):
        for passage in passages(stored.event):
            found.setdefault((stored.seq, passage.kind), []).append(passage.text)
    return found


def _best(texts: list[str], words: list[str]) -> str:
    return max(texts, key=lambda text: sum(stem(word) in text.lower() for word in words))


def excerpt(text: str, words: list[str], most: int) -> str:
    """The part of the text, at most so many characters, in which most of the words stand; what is left out is marked."""
    text = text.strip()
    if len(text) <= most:
        return text
    lower = text.lower()
    stems = [stem(word) for word in words]
    room = most - 2
    starts = range(0, max(1, min(len(lower), 1_000_000) - room + _STEP), _STEP)
    start = (
        max(starts, key=lambda place: (sum(each in lower[place : place + room] for each in stems), -place))
        if len(lower) == len(text)
        else 0
    )
    start = min(start, len(text) - room)
    return ("…" if start else "") + text[start : start + room].strip() + ("…" if start + room < len(text) else "")


def _opening(context: Context, session_id: str, words: list[str]) -> list[RecalledPassage]:
    """What the user first wanted in the session, which its other messages seldom say again."""
    return _excerpts(context, session_id, words, after=0, limit=1, roles=["user"])


def _beside(context: Context, hit: SearchItem, words: list[str]) -> list[RecalledPassage]:
    """The messages before and behind the hit."""
    return [each for each in _excerpts(context, hit.session_id, words, around=hit.seq, limit=3) if each.seq != hit.seq]


def _excerpts(context: Context, session_id: str, words: list[str], **which: Any) -> list[RecalledPassage]:
    try:
        window = context.catalog.messages(session_id, max_chars=10_000, **which)
    except SessionNotFound:  # it was purged meanwhile
        return []
    return [
        RecalledPassage(
            session_id=session_id, seq=each.seq, role=each.role, time=each.time, text=excerpt(said_in(each.parts), words, _BESIDE)
        )
        for each in window.items
        if each.time is not None
    ]
