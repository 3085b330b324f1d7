"""Whatever a Claude Code file holds: an import takes all of it, takes it once, and takes a growing file as it takes the whole."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from eventlog import EventLog
from eventlog.importers import ImportReport, import_paths
from eventlog.importers.follow import Follower

_odd = st.sampled_from(
    [None, True, 0, -1, 1.5, 2**70, "", "x", "u1", "m1", "\ud800", "2026-01-15T10:00:00Z", [], {}, ["u1", 7], {"a": [1]}]
)
_block = st.fixed_dictionaries(
    {"type": st.sampled_from(["text", "thinking", "tool_use", "tool_result", "image", "other", 3])},
    optional=dict.fromkeys(("text", "thinking", "id", "name", "input", "tool_use_id", "content", "is_error", "source", "signature"), _odd),
)
_message = st.fixed_dictionaries(
    {"content": st.lists(_block | _odd, max_size=3) | _odd},
    optional={
        "id": st.sampled_from(["m1", "m2"]) | _odd,
        "role": _odd,
        "model": st.sampled_from(["one", "<synthetic>"]) | _odd,
        "usage": st.dictionaries(st.sampled_from(["input_tokens", "output_tokens", "output_tokens_details"]), _odd) | _odd,
    },
)
_types = ["user", "assistant", "assistant", "system", "summary", "custom-title", "ai-title", "mode", "tag", "pr-link", "progress", "new", 3]
_record = st.fixed_dictionaries(
    {"type": st.sampled_from(_types), "message": _message | _odd},
    optional={
        "uuid": st.sampled_from(["u1", "u2", "u3"]) | _odd,
        "parentUuid": st.sampled_from(["u1", "u2"]) | _odd,
        "sessionId": st.sampled_from(["s", "s", "t", "../x"]) | _odd,
        "agentId": st.just("a") | _odd,
        "timestamp": st.sampled_from(["2026-01-15T10:00:00Z", "2026-01-15T09:00:00Z"]) | _odd,
        "subtype": st.sampled_from(["compact_boundary", "api_error", "api_refusal"]) | _odd,
        **dict.fromkeys(("isSidechain", "isMeta", "isCompactSummary", "isApiErrorMessage", "supersedesUuids", "cwd", "data", "tag"), _odd),
        **dict.fromkeys(("retractedMessageUuids", "permissionMode", "toolUseResult", "summary", "leafUuid", "error"), _odd),
        **dict.fromkeys(("customTitle", "aiTitle", "prUrl"), _odd),
    },
)
_lines = st.lists(_record.map(json.dumps) | st.sampled_from(["not json", "[1]", "\0", '{"a":', "{}{}"]), min_size=1, max_size=8)


def _import(log: EventLog, lines: list[str]) -> ImportReport:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "file.jsonl")
        file.write_text("".join(line + "\n" for line in lines))
        return import_paths(log, "claude-code", [file])


def _kept(log: EventLog) -> list[Any]:
    """What every session holds of the source, in its order."""
    return [
        (session_id, stored.seq, json.dumps(stored.origin["record"]))
        for session_id in sorted(log.session_ids())
        for stored in log.session(session_id).read()
        if stored.origin is not None and "record" in stored.origin
    ]


@settings(max_examples=150, deadline=None)
@given(_lines)
def test_everything_is_taken_once(lines: list[str]) -> None:
    log = EventLog.memory()
    report = _import(log, lines)
    if report.refused:
        assert (report.records, len(report.skipped), list(log.session_ids())) == (1, 1, [])
        return
    glued = lines.count("{}{}")
    assert report.records == len(lines) + glued
    unplaced = sum("names no session" in skipped.reason for skipped in report.skipped)
    if list(log.session_ids()):
        assert len(_kept(log)) == report.records
    else:
        assert unplaced == sum(not line.startswith(("not", "[", "\0", '{"a":')) for line in lines) + glued
    again = _import(log, lines)
    assert (again.events_added, again.records, again.skipped and len(again.skipped)) == (
        0,
        report.records,
        report.skipped and len(report.skipped),
    )


@settings(max_examples=100, deadline=None)
@given(_lines, st.data())
def test_a_growing_file_gives_the_events_of_the_whole(lines: list[str], data: st.DataObject) -> None:
    # the first record names the session and a time: before a file says these, other rules hold
    lines = [
        *data.draw(st.lists(st.sampled_from(["not json", "[1]"]), max_size=2)),
        '{"type":"user","sessionId":"s","uuid":"u0","timestamp":"2026-01-15T10:00:00Z","message":{"content":"Hi"}}',
        *lines,
    ]
    growing, whole = EventLog.memory(), EventLog.memory()
    _import(whole, lines)
    for size in sorted(data.draw(st.sets(st.integers(1, len(lines))))):
        _import(growing, lines[:size])
    _import(growing, lines)
    for session_id in whole.session_ids():
        if session_id == "s":
            assert [s.raw for s in growing.session("s").read()] == [s.raw for s in whole.session("s").read()]
    assert _kept_records(growing) == _kept_records(whole)


@settings(max_examples=150, deadline=None)
@given(_lines, st.data())
def test_a_file_that_is_followed_while_it_is_written_gives_the_events_of_the_whole(lines: list[str], data: st.DataObject) -> None:
    text = "\n".join(lines) + data.draw(st.sampled_from(["", "\n"]))
    cuts = data.draw(st.sets(st.integers(0, len(text)), max_size=20))
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, data.draw(st.sampled_from(["file.jsonl", "3f1c0e52-0000-4000-8000-000000000001.jsonl", "file.json"])))
        written, whole = EventLog.memory(), EventLog.memory()
        follower = Follower(written, "claude-code", [folder], now=lambda: 0.0)
        for size in sorted(cuts | {len(text)}):
            file.write_text(text[:size])
            os.utime(file, (size, size))
            list(follower.look())
        list(follower.finish())
        report = import_paths(whole, "claude-code", [folder])
    assert _stored(written) == _stored(whole)
    found = follower.report
    found.skipped.sort(key=lambda skipped: (skipped.line or 0, skipped.reason))
    report.skipped.sort(key=lambda skipped: (skipped.line or 0, skipped.reason))
    assert found == report


def _stored(log: EventLog) -> dict[str, list[bytes]]:
    return {session_id: [stored.raw for stored in log.session(session_id).read()] for session_id in log.session_ids()}


def _kept_records(log: EventLog) -> list[Any]:
    return sorted((session_id, record) for session_id, _, record in _kept(log))
