"""What a redacted line looks like."""

from __future__ import annotations

from hashlib import blake2b
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventlog import errors
from eventlog import line as lines
from eventlog.line import Envelope
from eventlog.maintenance.redaction import Pattern, Seqs

WHEN = "2026-11-21T00:44:01.123456Z"


def line_of(type: str, data: Any, **fields: Any) -> bytes:
    return lines.encode(Envelope(7, WHEN, type, data, **fields), 0)[0]


def by_pattern(pattern: str, line: bytes) -> Any:
    return msgspec.json.decode(Pattern(pattern).apply(line) + b"}")


def by_seq(line: bytes) -> Any:
    return msgspec.json.decode(Seqs([7]).apply(line) + b"}")


def test_a_pattern_replaces_matches_in_strings_and_touches_nothing_else() -> None:
    data = msgspec.Raw(b'{"role":"user", "content":"key sk-1, key sk-22.","n":1.10,"big":12345678901234567890123,"nested":[{"sk-3":"a"}]}')
    line = line_of("message.added", data, id="sk-4")
    assert Pattern(r"sk-\d+").apply(line) == (
        b'{"seq":7,"time":"2026-11-21T00:44:01.123456Z","type":"message.added","data":{"role":"user", "content":"key [redacted], key'
        b' [redacted].","n":1.10,"big":12345678901234567890123,"nested":[{"[redacted]":"a"}]},"id":"[redacted]"'
    )


def test_a_pattern_that_matches_nothing_leaves_every_byte() -> None:
    line = line_of("message.added", msgspec.Raw(b'{ "role" : "user","content":"\\u0041\\/"}'))
    assert Pattern("zzz").apply(line) == line[:-19]


def test_a_pattern_is_searched_behind_the_escapes() -> None:
    line = line_of("x.y", msgspec.Raw(b'{"a":"caf\\u00e9 \\"quoted\\"\\nnext","b":"caf\xc3\xa9"}'))
    assert by_pattern("café", line)["data"] == {"a": '[redacted] "quoted"\nnext', "b": "[redacted]"}
    assert by_pattern('"quoted"\nnext', line)["data"] == {"a": "café [redacted]", "b": "café"}


def test_names_of_fields_time_and_type_are_not_meant_by_a_pattern() -> None:
    line = line_of("message.added", {"role": "user", "content": "content of 2026"}, origin={"record": {"content": "x"}})
    found = by_pattern("content|2026|message|seq|data|origin|record", line)
    assert (found["time"], found["type"], found["data"]["role"]) == (WHEN, "message.added", "user")
    assert found["data"]["content"] == "[redacted] of [redacted]"
    assert found["origin"] == {"record": {"content": "x"}}


def test_a_number_is_replaced_where_all_of_it_matches() -> None:
    line = line_of("x.y", {"card": 4111111111111111, "other": 41111111111111112, "n": 12})
    assert by_pattern("4111111111111111|12", line)["data"] == {"card": 0, "other": 41111111111111112, "n": 12}


def test_a_string_that_would_grow_without_bound_is_replaced_whole() -> None:
    line = line_of("x.y", {"text": "ab" * 5000})
    assert by_pattern("a", line)["data"] == {"text": "[redacted]"}


@pytest.mark.parametrize("pattern", ["", "x*", "(", "a|"])
def test_a_pattern_that_is_none_or_matches_everywhere_is_refused(pattern: str) -> None:
    with pytest.raises(errors.InvalidInput):
        Pattern(pattern)


@pytest.mark.parametrize("text", ["ab MARK cd", '"k":"a\\u004dARK', "MAR"])
def test_bytes_that_are_no_lines_are_searched_as_text_and_as_the_strings_in_them(text: str) -> None:
    assert Pattern("MARK").found_in_bytes(b'\x00\xff {"seq' + text.encode()) == (text != "MAR")


def test_a_source_record_that_changes_leaves_its_fingerprint() -> None:
    record = b'{"uuid":"u","text":"a SECRET"}'
    origin = msgspec.Raw(b'{"format":"claude-code","record":' + record + b"}")
    found = by_pattern("SECRET", line_of("message.added", {"role": "user", "content": "SECRET"}, origin=origin))
    assert found["data"]["content"] == "[redacted]"
    assert found["origin"] == {
        "format": "claude-code",
        "record": {"uuid": "u", "text": "a [redacted]"},
        "redacted": blake2b(record, digest_size=16).hexdigest(),
    }


def test_a_source_record_that_was_no_text_loses_its_bytes() -> None:
    origin = {"format": "f", "record": "SECRET \ufffd", "bytes": "U0VDUkVUIP8="}
    found = by_pattern("SECRET", line_of("source.record", {}, origin=origin))
    assert found["origin"] == {
        "format": "f",
        "record": "[redacted] \ufffd",
        "redacted": blake2b(b"SECRET \xff", digest_size=16).hexdigest(),
    }


def test_a_whole_event_keeps_what_tells_how_it_belongs_to_others() -> None:
    content = [
        {"type": "text", "content": "SECRET"},
        {"type": "tool_call", "id": "c1", "name": "SECRET", "arguments": {"SECRET": 1}},
        {"type": "blob", "mime_type": "SECRET", "content": "U0VDUkVU"},
    ]
    data = {"role": "user", "content": content, "message_id": "m1", "model": "SECRET", "metadata": {"SECRET": "x"}}
    found = by_seq(line_of("message.added", data, id="k", origin={"session_id": "s", "seq": 3, "record": {"a": "SECRET"}, "x": "SECRET"}))
    assert (found["seq"], found["time"], found["type"], found["id"]) == (7, WHEN, "message.added", "k")
    assert found["data"] == {
        "role": "user",
        "content": [
            {"type": "text", "content": "[redacted]"},
            {"type": "tool_call", "id": "c1", "name": "[redacted]", "arguments": {}},
            {"type": "blob", "mime_type": "[redacted]", "content": ""},
        ],
        "message_id": "m1",
        "model": "[redacted]",
    }
    fingerprint = blake2b(b'{"a":"SECRET"}', digest_size=16).hexdigest()
    assert found["origin"] == {"session_id": "s", "seq": 3, "record": "[redacted]", "x": "[redacted]", "redacted": fingerprint}


def test_nothing_of_an_event_of_another_program_stays() -> None:
    data = {"name": "SECRET", "role": "SECRET", "n": 4111, "on": True, "none": None, "list": ["SECRET"], "map": {"SECRET": "SECRET"}}
    expected = {"name": "[redacted]", "role": "[redacted]", "n": 0, "on": True, "none": None, "list": [], "map": {}}
    assert by_seq(line_of("shop.rated", data, v=3))["data"] == expected


def test_only_the_events_that_were_named_are_emptied_and_again_makes_no_difference() -> None:
    line = line_of("message.added", {"role": "user", "content": "SECRET"}, origin={"record": "SECRET"}, more=True)
    assert Seqs([6, 8]).apply(line) == line[:-19]
    once = Seqs([7]).apply(line)
    assert once.endswith(b',"more":true')
    assert Seqs([7]).apply(once + b',"crc":"00000000"}\n') == once


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**9), 10**9) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(max_size=4), json_values, max_size=4), st.text('ab\\"\n\u00e9\U0001f642', min_size=1, max_size=2))
def test_after_a_pattern_no_string_of_the_line_holds_it(data: dict[str, Any], secret: str) -> None:
    import re

    line = line_of("x.y", data, origin={"record": data})
    found = msgspec.json.decode(Pattern(re.escape(secret)).apply(line) + b"}")
    assert secret not in "\0".join(text for text in strings_in([found["data"], found["origin"]]) if text != "[redacted]").replace(
        "[redacted]", "\0"
    )


def strings_in(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        return [text for name, inner in value.items() for text in ([name] if len(name) > 4 or name not in KEPT else []) + strings_in(inner)]
    return [text for inner in value for text in strings_in(inner)] if isinstance(value, list) else []


KEPT = {"id", "v", "data", "name", "type", "kind", "role"}
