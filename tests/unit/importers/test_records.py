"""The bytes of a source file -> records: nothing is lost, nothing raises."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventlog.importers.records import Record, clean, document, load, nested_too_deeply, read


class Head(msgspec.Struct):
    n: Any = None


_decoder = msgspec.json.Decoder(Head)


def _read(data: bytes) -> list[Record[Head]]:
    return list(read(data, _decoder))


def _numbers(data: bytes) -> list[Any]:
    return [record.head.n if record.head is not None else record.problem for record in _read(data)]


def test_each_line_is_a_record_with_its_number() -> None:
    assert [(r.line, r.text) for r in _read(b'{"n":1}\n\n{"n":2}\n')] == [(1, b'{"n":1}'), (3, b'{"n":2}')]


def test_a_missing_final_newline_a_byte_order_mark_and_crlf_change_nothing() -> None:
    assert [(r.line, r.text) for r in _read(b'\xef\xbb\xbf{"n":1}\r\n \t{"n":2}')] == [(1, b'{"n":1}'), (2, b'{"n":2}')]


def test_objects_glued_on_one_line_are_records_of_that_line() -> None:
    assert [(r.line, r.text) for r in _read(b'{"n":1}{"n":2} {"n":3}\n')] == [(1, b'{"n":1}'), (1, b'{"n":2}'), (1, b'{"n":3}')]


def test_what_follows_a_record_on_its_line_is_a_problem_of_its_own() -> None:
    first, rest = _read(b'{"n":1}{"n":\n')
    assert first.text == b'{"n":1}'
    assert first.problem is None
    assert rest.text == b'{"n":'
    assert (rest.problem or "").startswith("not JSON: ")
    assert not rest.unfinished


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (b"not json", "not JSON: ..."),
        (b"42", "JSON, but not an object: int"),
        (b'"massive error"', "JSON, but not an object: str"),
        (b"[1]", "JSON, but not an object: list"),
        (b"null", "JSON, but not an object: NoneType"),
        (b"2026-11-21 a log line", "not JSON"),
        (b'{"n":"\xff"}', "not UTF-8: ... at byte 6"),
        (b"[" * 5000, "nested too deeply"),
        (b'{"n":' * 300 + b"1" + b"}" * 300, "nested more than 200 levels deep"),
    ],
)
def test_a_line_that_is_no_object_is_one_problem_and_keeps_its_text(line: bytes, problem: str) -> None:
    before, bad, after = _read(b'{"n":1}\n' + line + b'\n{"n":2}\n')
    assert (before.head, after.head) == (Head(1), Head(2))
    assert (bad.line, bad.text, bad.unfinished) == (2, line, False)
    begin, cut, end = problem.partition("...")  # where the words of Python's own readers stand
    assert bad.problem is not None
    assert (bad.problem.startswith(begin) and bad.problem.endswith(end)) if cut else bad.problem == problem


def test_nul_bytes_are_a_problem_of_their_own_and_the_record_behind_them_is_read() -> None:
    assert _numbers(b'\0\0\0{"n":1}\n\0\0\n') == ["NUL bytes, as a power loss leaves them", 1, "NUL bytes, as a power loss leaves them"]


@pytest.mark.parametrize("end", [b'{"n":', b'{"n":"\xc3', b"tru", b"4", b"[1", b'"mass', b'{"n":1}{"n'])
def test_a_last_line_that_more_bytes_could_complete_is_unfinished(end: bytes) -> None:
    assert [record.unfinished for record in _read(b'{"n":1}\n' + end)][-1] is True
    assert not any(record.unfinished for record in _read(b'{"n":1}\n' + end + b"\n"))


def test_a_last_line_that_can_never_be_json_is_not_waited_for() -> None:
    assert [record.unfinished for record in _read(b'{"n":1}\nnot json')] == [False, False]


def test_lone_surrogates_nan_and_huge_numbers_are_read_but_are_not_for_an_event_line() -> None:
    assert load(b'{"n":"a\\ud800b"}') == ({"n": "a\ufffdb"}, False)
    assert load(b'{"n":NaN}') == ({"n": None}, False)
    assert load(b'{"n":1e400}') == ({"n": None}, False)
    assert load(b'{"n":' + b"9" * 5000 + b"}")[1] is False
    assert load(b'{"n":"\\ud83d\\ude00"}') == ({"n": "\U0001f600"}, True)
    assert _numbers(b'{"n":"\\ud800"}\n{"n":NaN}\n') == ["\ufffd", None]


def test_clean_reaches_keys_and_lists() -> None:
    assert clean({"\ud800": ["é\udc00", float("inf"), 1.5]}) == {"\ufffd": ["é\ufffd", None, 1.5]}


def test_depth_counts_brackets_outside_of_strings_only() -> None:
    assert not nested_too_deeply(json.dumps({"n": "[{" * 1000, "m": '"\\' * 9}).encode())
    assert nested_too_deeply(b"[" * 201 + b"]" * 201)
    assert not nested_too_deeply(b"[" * 200 + b"]" * 200)
    assert not nested_too_deeply(b'{"n":[' + b",".join([b"{}"] * 500) + b"]}")


@pytest.mark.parametrize(
    "text", ['[{"n": 1},\n {"n":\n 2}, 3]', '{"id": "x", "loglines": [{"n": 1},\n {"n":\n 2}, 3]}', '\n[\n{"n": 1},\n {"n":\n 2}, 3]']
)
def test_a_json_document_is_its_elements_each_on_one_line(text: str) -> None:
    records = document(text.encode(), _decoder, ("loglines",))
    assert records is not None
    assert [record.text for record in records] == [b'{"n": 1}', b'{"n":2}', b"3"]
    first = text.count("\n", 0, text.index('{"n": 1'))
    assert [record.line - first for record in records] == [1, 2, 3]
    assert records[2].problem == "JSON, but not an object: int"


@pytest.mark.parametrize("data", [b'{"n":1}', b'{"loglines":1}', b"1", b"[1", b'["\xff"]', b"[" * 100000, b'{"n":1}\n{"n":2}'])
def test_anything_else_is_not_a_document(data: bytes) -> None:
    assert document(data, _decoder, ("loglines",)) is None


_pieces = st.sampled_from(
    [b'{"n":1}', b'{"n":"\\ud800"}', b'{"a":[{}]}', b"\n", b"\r\n", b" ", b"\0", b"\xef\xbb\xbf", b"\xff", b"{", b'"', b"42", b"[1]", b"x"]
)


@given(st.lists(_pieces | st.binary(max_size=8), max_size=24).map(b"".join))
def test_any_bytes_are_accounted_for(data: bytes) -> None:
    records = _read(data)
    kept = b"".join(record.text for record in records)
    without_mark = data.removeprefix(b"\xef\xbb\xbf")
    assert _squeezed(kept) == _squeezed(without_mark)
    for record in records:
        assert (record.head is None) == (record.problem is not None)
        assert not record.unfinished or record is records[-1]
        if record.head is not None:
            assert isinstance(load(record.text)[0], dict)


def _squeezed(data: bytes) -> bytes:
    return data.translate(None, b" \t\r\n")


@given(st.binary(max_size=64) | st.lists(_pieces, max_size=8).map(b"".join))
def test_no_bytes_make_reading_a_document_raise(data: bytes) -> None:
    document(data, _decoder, ("loglines",))
