"""The catalog over real Claude Code files: its totals are those of a script that reads only their JSON, and its search finds every word."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator

import pytest

from eventlog import EventLog
from eventlog.events import MessageAdded
from eventlog.importers import import_paths
from projections import Catalog
from projections.catalog.cost import NO_PRICES

from .test_real_claude_code import DATA, _by_session, _counts

pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason="the real session files are not here (../shared/data/claude-code)")


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Catalog]:
    with EventLog.open(tmp_path_factory.mktemp("real"), sync="never") as log, Catalog.open(log, prices=NO_PRICES) as catalog:
        import_paths(log, "claude-code", [DATA])
        yield catalog


def test_totals_are_those_of_the_source(catalog: Catalog) -> None:
    counted = [_counts(records) for records in _by_session().values()]
    page = catalog.list(limit=1000)
    names = ("messages", "user_messages", "assistant_messages", "tool_calls", "input_tokens", "output_tokens")
    for name in names:
        assert sum(getattr(item, name) for item in page.items) == sum(each[name] for each in counted), name
    found = catalog.statistics()
    for name in ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens"):
        assert getattr(found.usage, name) == sum(each[name] for each in counted), name
    assert found.tool_calls == catalog.tools().total == sum(each["tool_calls"] for each in counted)
    assert found.messages["user"] == sum(each["user_messages"] for each in counted)
    assert found.sessions.total == page.total == len(counted)


def test_a_word_of_any_message_finds_that_message(catalog: Catalog) -> None:
    chosen = random.Random(4)
    said = [
        (session_id, stored.seq, text)
        for session_id in catalog.log.session_ids()
        for stored in catalog.log.session(session_id).read(types=[MessageAdded.type])
        for text in _texts(stored.event)
    ]
    tried = 0
    for number, (session_id, seq, text) in enumerate(chosen.sample(said, 120)):
        words = re.findall(r"\w{3,}", text[:100_000])
        if words:
            tried += 1
            word = chosen.choice(words) if number % 4 == 0 else max(words, key=len)  # long words are rare, and quick to look for
            assert (session_id, seq) in _hits(catalog, f'"{word}"'), f"{word!r} does not find {session_id} {seq}"
    assert tried > 80


def _hits(catalog: Catalog, query: str) -> set[tuple[str, int]]:
    found: set[tuple[str, int]] = set()
    cursor = None
    while True:
        page = catalog.search(query, limit=1_000, after=cursor)
        found |= {(hit.session_id, hit.seq) for hit in page.items}
        if page.next is None:
            return found
        cursor = page.next


def _texts(event: MessageAdded) -> list[str]:
    if isinstance(event.content, str):
        return [event.content]
    return [part.content for part in event.content if part.type in ("text", "reasoning") and isinstance(part.content, str)]


def test_a_check_finds_nothing(catalog: Catalog) -> None:
    catalog.list()
    catalog.search("x")
    assert list(catalog.check(jobs=1)) == []
