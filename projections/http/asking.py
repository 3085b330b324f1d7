"""A request as the arguments of a row: from its path, its query, its body and two headers, each checked by the argument struct."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final, Literal, get_type_hints

import msgspec

from eventlog.decoding import decoder
from eventlog.errors import InvalidInput

from ..operations.row import Arguments, Operation

_ETAG = re.compile(r'(?:W/)?"?([0-9]{1,19})(?:-[a-z]+)?"?')
_BODY: Final = ("POST", "PATCH")


class Parameter(msgspec.Struct, frozen=True, kw_only=True):
    """A field of a row's arguments: ``wire`` is its name where it stands. ``many``: it may be given several times in a query."""

    name: str
    wire: str
    place: Literal["path", "query", "header", "body"]
    many: bool = False


def parameters(row: Operation) -> tuple[Parameter, ...]:
    """Where each argument of the row stands in a request."""
    hints = get_type_hints(row.arguments, include_extras=True)
    in_body = row.method in _BODY
    found = []
    for field in msgspec.structs.fields(row.arguments):
        extra = _extra(hints[field.name])
        if f"{{{field.name}}}" in row.path:
            found.append(Parameter(name=field.name, wire=field.name, place="path"))
        elif "header" in extra:
            found.append(Parameter(name=field.name, wire=extra["header"], place="header"))
        elif in_body:
            found.append(Parameter(name=field.name, wire=field.encode_name, place="body"))
        else:
            many = isinstance(field.default_factory, type) and field.default_factory is list
            found.append(Parameter(name=field.name, wire=extra.get("parameter", field.encode_name), place="query", many=many))
    return tuple(found)


def _extra(hint: Any) -> Mapping[str, Any]:
    for each in getattr(hint, "__metadata__", ()):
        if isinstance(each, msgspec.Meta) and each.extra:
            return each.extra
    return {}


class Translation:
    """How requests become arguments of one row. Made before requests come, so that its decoders are."""

    def __init__(self, row: Operation) -> None:
        self.row = row
        self.parameters = parameters(row)
        decoder(row.arguments)
        self._of_query = {each.wire: each for each in self.parameters if each.place == "query"}
        self._of_header = [each for each in self.parameters if each.place == "header"]
        self.takes_body = row.method in _BODY

    def arguments(
        self, path: Mapping[str, str], query: Iterable[tuple[str, str]], headers: Mapping[str, str], body: bytes
    ) -> tuple[Arguments, bool]:
        """The arguments, and whether ``If-Match`` said what is expected. Raises `InvalidInput`."""
        found: dict[str, Any] = {}
        if self.takes_body:
            if any(True for _ in query):
                raise InvalidInput(f"{self.row.method} {self.row.path} takes its arguments in the body, not in the address")
            found = self._of_body(body)
        else:
            found = self._of_the_query(query)
        by_header = self._add_headers(found, headers)
        found.update(path)
        try:
            return msgspec.convert(found, type=self.row.arguments, strict=self.takes_body), by_header
        except (msgspec.ValidationError, ValueError) as error:
            raise InvalidInput(f"{_spoken(str(error))}; {self.row.method} {self.row.path} takes {self._taken()}") from error

    def _of_body(self, body: bytes) -> dict[str, Any]:
        try:
            given = msgspec.json.decode(body) if body else {}
        except (msgspec.DecodeError, UnicodeError) as error:
            raise InvalidInput(f"the body is not JSON ({error}); send one JSON object in UTF-8") from error
        except RecursionError:
            raise InvalidInput("the body is nested too deeply; flatten it, or send it as text") from None
        if not isinstance(given, dict):
            raise InvalidInput("the body is not a JSON object; send one with the names that /openapi.json lists")
        for each in self.parameters:
            if each.place == "path" and each.name in given:
                raise InvalidInput(f"{each.name} stands in the address; leave it out of the body")
        return given

    def _of_the_query(self, query: Iterable[tuple[str, str]]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name, value in query:
            parameter = self._of_query.get(name)
            if parameter is None:
                raise InvalidInput(f"{self.row.method} {self.row.path} has no parameter {name[:80]!r}; it takes {self._taken()}")
            if parameter.many:
                found.setdefault(parameter.name, []).append(value)
            elif parameter.name in found:
                raise InvalidInput(f"{name} is given twice; give it once")
            else:
                found[parameter.name] = value
        return found

    def _add_headers(self, found: dict[str, Any], headers: Mapping[str, str]) -> bool:
        expected = False
        for each in self._of_header:
            value = headers.get(each.wire.lower())
            if value is None:
                continue
            if each.wire == "If-Match":
                match = _ETAG.fullmatch(value.strip())
                if match is None:
                    raise InvalidInput(f'If-Match: {value[:80]!r} is not the seq of an event; send the ETag of the session, such as "12"')
                found[each.name] = int(match[1])
                expected = True
            else:
                found[each.name] = value
        if "if-match" in headers and not expected and self.row.writes:
            raise InvalidInput(f"{self.row.method} {self.row.path} cannot be made to depend on If-Match; leave it out")
        return expected

    def _taken(self) -> str:
        names = [each.wire for each in self.parameters if each.place in ("query", "body")]
        return ", ".join(names) if names else "no arguments"


def _spoken(text: str) -> str:
    """What msgspec says, with the argument's name for its place."""
    what, at, place = text.partition(" - at `$.")
    return f"{place.rstrip('`')}: {what}" if at else what
