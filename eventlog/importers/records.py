"""The bytes of a JSONL or JSON file -> its records, each with the line that it begins on. No I/O, and no input raises.

Every byte that is not white space ends up in exactly one record: a JSON object; or something else, with the problem that
it is. Files of real tools hold two objects glued on one line, lines cut by a crash, NULs from a power loss, a byte order
mark, CRLF, escaped lone surrogates and a last line that is still being written.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Generic, TypeVar

import msgspec

from eventlog.limits import MAX_DEPTH, clean, is_deeper

H = TypeVar("H")

_BLANK = b" \t\r"
_BOM = b"\xef\xbb\xbf"
_LINES_LOOKED_AT = 200
_decode = msgspec.json.Decoder(Any).decode


def _integer(digits: str) -> int | None:
    return int(digits) if len(digits) < 4000 else None  # Python refuses longer ones


_lenient = json.JSONDecoder(parse_int=_integer)
_raw_decode = _lenient.raw_decode


class Record(msgspec.Struct, Generic[H], frozen=True, gc=False):
    """``text`` is the record verbatim. Either ``head`` (what the caller's decoder made of it) or ``problem`` is set.

    ``unfinished``: the file ends within this record, so that a later state of the file may hold it whole."""

    line: int
    text: bytes
    head: H | None = None
    problem: str | None = None
    unfinished: bool = False


def read(data: bytes, decoder: msgspec.json.Decoder[H], lines_before: int = 0) -> Iterator[Record[H]]:
    """The records of a JSONL file. ``decoder`` makes a struct whose fields are all of type Any (so that only JSON itself can fail).

    ``lines_before``: how many lines of the file stand before ``data``."""
    position = len(_BOM) if data.startswith(_BOM) and not lines_before else 0
    number = lines_before
    size = len(data)
    decode = decoder.decode
    while position < size:
        number += 1
        end = data.find(b"\n", position)
        terminated = end >= 0
        line = data[position : end if terminated else size].strip(_BLANK)
        position = end + 1 if terminated else size
        if not line:
            continue
        if (line.isascii() or is_utf8(line)) and not nested_too_deeply(line):
            try:
                yield Record(number, line, decode(line))
                continue
            except (msgspec.DecodeError, RecursionError):
                pass
        yield from _inspect(number, line, decoder, terminated)


def _inspect(number: int, line: bytes, decoder: msgspec.json.Decoder[H], terminated: bool) -> Iterator[Record[H]]:
    """The records of a line that is not simply one object."""
    if line[:1] == b"\0":
        rest = line.lstrip(b"\0" + _BLANK)
        yield Record(number, line[: len(line) - len(rest)], problem="NUL bytes, as a power loss leaves them")
        if rest:
            yield from _inspect(number, rest, decoder, terminated)
        return
    try:
        text = line.decode()
    except UnicodeDecodeError as error:
        torn = not terminated and error.end == len(line) and could_go_on(line[: error.start])
        yield Record(number, line, problem=_UNFINISHED if torn else f"not UTF-8: {error.reason} at byte {error.start}", unfinished=torn)
        return
    position = 0
    while position < len(text):
        try:
            value, end = _raw_decode(text, position)
        except (ValueError, RecursionError) as error:
            rest = text[position:].encode()
            torn = not terminated and could_go_on(rest)
            problem = "nested too deeply" if isinstance(error, RecursionError) else f"not JSON: {error}"
            yield Record(number, rest, problem=_UNFINISHED if torn else problem, unfinished=torn)
            return
        if not isinstance(value, dict) and position == 0:
            # only objects are glued together in practice; anything else is one problem, however it goes on
            torn = not terminated and could_go_on(line)
            whole = end == len(text)
            problem = f"JSON, but not an object: {type(value).__name__}" if whole else "not JSON"
            yield Record(number, line, problem=_UNFINISHED if torn else problem, unfinished=torn)
            return
        piece = text[position:end].encode()
        if not isinstance(value, dict):
            yield Record(number, piece, problem=f"JSON, but not an object: {type(value).__name__}")
        elif nested_too_deeply(piece):
            yield Record(number, piece, problem=f"nested more than {MAX_DEPTH} levels deep")
        else:
            yield Record(number, piece, msgspec.convert(clean(value), decoder.type))
        position = end
        while text[position : position + 1] in _SPACES:
            position += 1


_SPACES = frozenset((" ", "\t", "\r"))
_UNFINISHED = "the file ends within this line; it is taken once it is complete"


def document(data: bytes, decoder: msgspec.json.Decoder[H], list_names: tuple[str, ...]) -> list[Record[H]] | None:
    """The records of a file that is one JSON document: an array, or an object with an array under one of ``list_names``.

    None where it is not that. A record that spans lines is put on one, the only way in which its text is changed."""
    try:
        elements = _elements(data, list_names)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    if elements is None:
        return None
    found: list[Record[H]] = []
    position, line = 0, 1
    for raw in elements:
        start = data.find(raw, position)
        line += data.count(b"\n", position, start)
        position = start
        text = msgspec.json.format(raw, indent=-1) if b"\n" in raw else raw
        found += (msgspec.structs.replace(record, line=line) for record in read(text + b"\n", decoder))
    return found


def _elements(data: bytes, list_names: tuple[str, ...]) -> list[bytes] | None:
    value = _decode(data)
    whole: bytes | msgspec.Raw = data
    if isinstance(value, dict):
        name = next((name for name in list_names if isinstance(value.get(name), list)), None)
        if name is None:
            return None
        whole = msgspec.json.decode(data, type=dict[str, msgspec.Raw])[name]
    elif not isinstance(value, list):
        return None
    return [bytes(raw) for raw in msgspec.json.decode(whole, type=list[msgspec.Raw])]


def load(text: bytes) -> tuple[Any, bool]:
    """A record's value, and whether its text is JSON that may stand inside an event line as it is.

    Python's own reader takes what msgspec refuses (lone surrogates, NaN); they come back as U+FFFD and None."""
    try:
        return _decode(text), True
    except msgspec.DecodeError:
        return clean(_lenient.decode(text.decode())), False


def lenient_value(data: bytes) -> Any:
    """What the JSON text says; `msgspec.UNSET` where it is none. Takes a byte order mark, lone surrogates and NaN."""
    data = data.removeprefix(_BOM)
    try:
        return _decode(data)
    except RecursionError:
        return msgspec.UNSET
    except (msgspec.DecodeError, UnicodeDecodeError):
        pass
    try:
        return clean(_lenient.decode(data.decode()))
    except (ValueError, RecursionError):
        return msgspec.UNSET


def line_values(data: bytes) -> Iterator[Any]:
    """What each line says that is JSON, until 200 of them have been looked at."""
    for line in data.removeprefix(_BOM).split(b"\n", _LINES_LOOKED_AT)[:_LINES_LOOKED_AT]:
        value = lenient_value(line)
        if value is not msgspec.UNSET:
            yield value


def element_texts(data: bytes, *path: str) -> list[bytes]:
    """The elements of the array that is found by these names in the JSON text, each as it stands there, on one line. Also in text that only
    `lenient_value` takes."""
    try:
        whole: bytes | msgspec.Raw = data.removeprefix(_BOM)
        for name in path:
            whole = msgspec.json.decode(whole, type=dict[str, msgspec.Raw])[name]
        return [on_one_line(bytes(raw)) for raw in msgspec.json.decode(whole, type=list[msgspec.Raw])]
    except (msgspec.DecodeError, UnicodeDecodeError):
        text = data.removeprefix(_BOM).decode()
        for wanted in path:
            text = next(value for name, value in _values(text) if name == wanted)
        return [on_one_line(value.encode()) for _, value in _values(text)]


def member_texts(data: bytes, name: str) -> list[tuple[str, bytes]]:
    """The values of the object under this name, each as it stands in the JSON text, on one line, with its own name."""
    data = data.removeprefix(_BOM)
    try:
        members = msgspec.json.decode(msgspec.json.decode(data, type=dict[str, msgspec.Raw])[name], type=dict[str, msgspec.Raw])
        return [(key, on_one_line(bytes(value))) for key, value in members.items()]
    except (msgspec.DecodeError, UnicodeDecodeError):
        text = next(value for key, value in _values(data.decode()) if key == name)
        return [(key, on_one_line(value.encode())) for key, value in _values(text)]


def without(data: bytes, name: str, instead: bytes) -> bytes:
    """The object that the JSON text is, on one line, with ``instead`` as its value under this name, in its place."""
    data = data.removeprefix(_BOM)
    try:
        fields = msgspec.json.decode(data, type=dict[str, msgspec.Raw])
    except (msgspec.DecodeError, UnicodeDecodeError):
        fields = {key: msgspec.Raw(value) for key, value in _values(data.decode())}
    if name in fields:
        fields[name] = msgspec.Raw(instead)
    return on_one_line(b"{" + b",".join(msgspec.json.encode(key) + b":" + bytes(value) for key, value in fields.items()) + b"}")


def on_one_line(text: bytes) -> bytes:
    """JSON without the line breaks between its values; in its strings there are none."""
    if b"\n" not in text and b"\r" not in text:
        return text
    try:
        return msgspec.json.format(text, indent=-1)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return text.replace(b"\n", b" ").replace(b"\r", b" ")


def _values(text: str) -> Iterator[tuple[str, str]]:
    """The values in the array or the object that the JSON text is, as they stand there, with their names (in an array: none)."""
    position = _past_space(text, 0)
    is_object = text[position] == "{"
    position = _past_space(text, position + 1)
    while text[position] not in "]}":
        name = ""
        if is_object:
            found, position = _raw_decode(text, position)
            name = clean(found)
            position = _past_space(text, _past_space(text, position) + 1)
        _, end = _raw_decode(text, position)
        yield name, text[position:end]
        position = _past_space(text, end)
        if text[position] == ",":
            position = _past_space(text, position + 1)


def _past_space(text: str, position: int) -> int:
    while text[position] in " \t\r\n":
        position += 1
    return position


def could_go_on(text: bytes) -> bool:
    """Whether more bytes could make this JSON: it is cut, or a number at the end of the file."""
    try:
        return isinstance(_decode(text), (int, float))
    except msgspec.DecodeError as error:
        return "truncated" in str(error)
    except (RecursionError, UnicodeDecodeError):
        return False


def nested_too_deeply(text: bytes) -> bool:
    """Whether the JSON is nested deeper than an event may be."""
    return is_deeper(text, MAX_DEPTH)


def is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True
