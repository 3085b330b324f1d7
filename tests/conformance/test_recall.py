"""Recall on real sessions: questions whose places were written down before its ranking was. Half share at most two words with their place.

Of the 20 that its ranking was tuned on it finds 17, of the 20 that were kept out 15. Full text ends where no word of the question stands in
the place, nor a longer form of one (a spreadsheet that is called Excel, a colour that is a color, an answer in another language): those
questions are the ones that vectors would be for."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from eventlog import EventLog
from eventlog.importers import import_paths
from projections import Catalog
from projections.catalog.cost import NO_PRICES
from projections.operations import Context, operation
from projections.operations.recalling import Recall

DATA = Path(__file__).resolve().parents[2].parent / "shared" / "data"
QUESTIONS: list[dict[str, Any]] = json.loads(Path(__file__).with_name("recall_questions.json").read_text())

pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason="the real session files are not here (../shared/data)")


@pytest.fixture(scope="module")
def context(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Context]:
    with EventLog.open(tmp_path_factory.mktemp("recall"), sync="never") as log, Catalog.open(log, prices=NO_PRICES) as catalog:
        for format, folder in {"claude-code": "claude-code", "codex": "codex", "pi": "pi", "chatgpt": "chatgpt-export"}.items():
            import_paths(log, format, [DATA / folder])
        yield Context(log=log, catalog=catalog, may_write=False)


def count_found(context: Context, tuning: bool, words: str) -> int:
    """Of ten questions with so many words in common, how many places are among the passages within 2,000 tokens."""
    asked = [each for each in QUESTIONS if each["tuning"] is tuning and each["words"] == words]
    count = 0
    for each in asked:
        answer = operation("recall")(context, Recall(query=each["question"]))
        assert answer.used_tokens <= 2_000
        places = {(passage.session_id, passage.seq) for passage in answer.passages}
        assert len(places) == len(answer.passages)
        hit = bool(places & {(each["session"], seq) for seq in each["seqs"]})
        count += hit
        print("found " if hit else "missed", each["question"])
    return count


@pytest.mark.parametrize(("tuning", "words", "least"), [(True, "many", 10), (False, "many", 10), (True, "few", 7), (False, "few", 5)])
def test_the_place_is_among_the_passages(context: Context, tuning: bool, words: str, least: int) -> None:
    assert count_found(context, tuning, words) >= least
