from __future__ import annotations

import json
from typing import Any

import pytest

from eventlog.shapes.framing import Frames

VALUES: list[dict[str, Any]] = [{"a": "Grüße 世界 \u2028 end"}, {"b": 'a "quoted" } text ]'}, {"c": {"d": [1, {"e": "\\"}]}}]


def _json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode()


FORMS = {
    "events": b"".join(b"event: x\nid: 1\ndata: " + _json(v) + b"\n\n" for v in VALUES) + b"data: [DONE]\n\n",
    "events with CRLF": b"".join(b": keep-alive\r\n\r\ndata:" + _json(v) + b"\r\n\r\n" for v in VALUES),
    "events with CR": b"".join(b"data: " + json.dumps(v, ensure_ascii=False).encode() + b"\r\r" for v in VALUES),
    "lines": b"".join(json.dumps(v, ensure_ascii=False).encode() + b"\n" for v in VALUES),
    "an array": json.dumps(VALUES, ensure_ascii=False, indent=1).encode(),
    "over several lines": b"".join(b"data: {\ndata: " + json.dumps(v, ensure_ascii=False)[1:].encode() + b"\n\n" for v in VALUES),
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
@pytest.mark.parametrize("size", [1, 2, 3, 7, 64, 10_000])
def test_chunks_are_found_however_the_bytes_are_cut(form: bytes, size: int) -> None:
    frames = Frames()
    found = [value for at in range(0, len(form), size) for value in frames.feed(form[at : at + size])]
    assert found + frames.finish() == VALUES
    assert frames.unread == 0


def test_what_is_no_json_is_counted_and_the_rest_is_read() -> None:
    frames = Frames()
    assert frames.feed(b'data: {broken\n\ndata: {"a": 1}\n\n') == [{"a": 1}]
    assert frames.unread == 1


def test_an_event_without_its_end_is_read_at_the_end() -> None:
    frames = Frames()
    assert frames.feed(b'data: {"a": 1}') == []
    assert frames.finish() == [{"a": 1}]
