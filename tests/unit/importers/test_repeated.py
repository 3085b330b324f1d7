"""Long strings that a session holds already are named in a record, and every record comes back to the byte."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eventlog import EventLog
from eventlog.importers import import_paths
from eventlog.importers.provenance import Records
from eventlog.importers.repeated import SHORTEST, LongStrings, long_strings, restore

from .samples import at

IMAGE = "data:image/png;base64," + "iVBORw0KGgo/" * 4000
OTHER = "x" * (SHORTEST + 5)


def record(number: int, *images: str, **more: Any) -> dict[str, Any]:
    content = [{"type": "input_text", "text": f"Picture {number}"}, *({"type": "input_image", "image_url": image} for image in images)]
    return {"timestamp": at(number), "type": "response_item", "payload": {"type": "message", "role": "user", "content": content, **more}}


def meta(id: str = "s") -> dict[str, Any]:
    return {"timestamp": at(0), "type": "session_meta", "payload": {"id": id, "timestamp": at(0), "cwd": "/"}}


def write(path: Path, *records: dict[str, Any]) -> list[bytes]:
    # not as Python writes JSON, so that a record that was decoded and encoded again would be another text
    lines = [json.dumps(each, separators=(", ", " : ")).replace("/", "\\/").encode() for each in records]
    path.write_bytes(b"".join(line + b"\n" for line in lines))
    return lines


def held(log: EventLog, session_id: str = "s") -> list[bytes | None]:
    return [record for _, record in Records(log.session(session_id), "codex").all()]


def test_a_string_that_the_session_holds_is_named_by_its_event_and_place(tmp_path: Path) -> None:
    lines = write(tmp_path / "a.jsonl", meta(), record(1, IMAGE), record(2, OTHER, IMAGE), record(3, IMAGE, OTHER))
    with EventLog.memory() as log:
        import_paths(log, "codex", [tmp_path])
        first, second, third = [stored for stored in log.session("s").read() if b"Picture" in bytes(stored.origin_raw)]
        assert second.origin is not None
        assert third.origin is not None
        assert second.origin["record"]["payload"]["content"][2]["image_url"] == {"$same": [first.seq, "/payload/content/1/image_url"]}
        assert third.origin["record"]["payload"]["content"][2]["image_url"] == {"$same": [second.seq, "/payload/content/1/image_url"]}
        assert (second.origin["same"], len(second.origin["sha256"])) == (True, 64)
        assert first.origin is not None
        assert "same" not in first.origin
        assert held(log) == lines


def test_a_shorter_string_and_one_twice_in_its_own_record_stay(tmp_path: Path) -> None:
    short = "y" * (SHORTEST - 3)  # with its quotes one byte too short
    lines = write(tmp_path / "a.jsonl", meta(), record(1, IMAGE, IMAGE, short), record(2, short))
    with EventLog.memory() as log:
        import_paths(log, "codex", [tmp_path])
        assert all(b'"$same"' not in stored.raw for stored in log.session("s").read())
        assert held(log) == lines


def test_a_record_that_has_the_name_itself_is_left_as_it_is(tmp_path: Path) -> None:
    odd = record(2, IMAGE)
    odd["payload"]["content"].append({"$same": [1, "/x"]})
    lines = write(tmp_path / "a.jsonl", meta(), record(1, IMAGE), odd, record(3, IMAGE))
    with EventLog.memory() as log:
        import_paths(log, "codex", [tmp_path])
        assert held(log) == lines


def test_a_session_that_goes_on_later_still_knows_its_strings_and_repeats_none(tmp_path: Path) -> None:
    with EventLog.memory() as growing, EventLog.memory() as whole:
        states = [meta(), record(1, IMAGE), record(2, IMAGE), record(3, IMAGE)]
        for count in range(1, 5):
            lines = write(tmp_path / "a.jsonl", *states[:count])
            import_paths(growing, "codex", [tmp_path])
        assert import_paths(growing, "codex", [tmp_path]).events_added == 0
        import_paths(whole, "codex", [tmp_path])
        assert [s.raw for s in growing.session("s").read()] == [s.raw for s in whole.session("s").read()]
        assert held(growing) == lines


def test_forks_and_merges_give_their_records_back(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    lines = write(tmp_path / "a" / "a.jsonl", meta("a"), record(1, IMAGE), record(2, IMAGE))
    others = write(tmp_path / "b" / "b.jsonl", meta("b"), record(3, OTHER), record(4, OTHER))
    with EventLog.memory() as log:
        import_paths(log, "codex", [tmp_path])
        fork = log.fork("a")
        assert held(log, fork.id) == lines
        merged = log.merge(["b", "a"])
        assert sorted(each or b"" for each in held(log, merged.id)) == sorted(lines + others)


def test_what_names_a_redacted_string_cannot_be_given_back_and_is_not_imported_again(tmp_path: Path) -> None:
    lines = write(tmp_path / "a.jsonl", meta(), record(1, IMAGE), record(2, IMAGE))
    with EventLog.open(tmp_path / "store") as log:
        import_paths(log, "codex", [tmp_path / "a.jsonl"])
        holder = next(stored.seq for stored in log.session("s").read() if b"Picture 1" in bytes(stored.origin_raw))
        log.redact("s", seqs=[holder])
        assert held(log) == [lines[0], None]
        assert import_paths(log, "codex", [tmp_path / "a.jsonl"]).events_added == 0
        log.redact("s", pattern="Picture")
        assert import_paths(log, "codex", [tmp_path / "a.jsonl"]).events_added == 0


_strings = st.sampled_from([IMAGE, OTHER, "short", 'quo"te\\', "ü" * SHORTEST])
_values = st.recursive(
    _strings | st.integers() | st.none(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "b/c", "d~e", ""]), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=60, deadline=None)
@given(st.lists(_values, min_size=1, max_size=4), st.booleans())
def test_any_records_come_back_to_the_byte(values: list[Any], ascii: bool) -> None:
    strings = LongStrings()
    stored: dict[int, bytes] = {}
    for seq, value in enumerate(values, 1):
        text = json.dumps(value, ensure_ascii=ascii).encode()
        short = strings.shorten(text)
        assert len(short) <= len(text)
        assert restore(short, stored.get) == text
        strings.learn(short, seq)
        stored[seq] = short


def test_the_number_of_strings_that_are_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("eventlog.importers.repeated._REMEMBERED", 3)
    strings = LongStrings()
    texts = [json.dumps(str(number) * SHORTEST).encode() for number in range(5)]
    for seq, text in enumerate(texts, 1):
        strings.learn(text, seq)
    assert [strings.shorten(text) is text for text in texts] == [True, True, False, False, False]


def test_a_name_that_stands_twice_in_its_object_loses_nothing() -> None:
    text = b'{"a":"' + IMAGE.encode() + b'","a":"' + OTHER.encode() + b'"}'
    strings = LongStrings()
    strings.learn(text, 1)
    assert restore(strings.shorten(text), {1: text}.get) == text
    assert [pointer for _, _, pointer in long_strings(text)] == ["/a"]
