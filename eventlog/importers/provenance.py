"""What an imported event says about where it came from: its ``origin``. Written here, and read back here.

The first event of a source record carries the record verbatim: ``{"format":"claude-code","record":{...}}``. Text that is not
JSON (or that an event line cannot hold as JSON) is a string; bytes that are not UTF-8 are a string to read and ``bytes``
(base64) to restore. The record's other events carry only ``{"format":"claude-code"}``. So the source records of a
session, in the order in which they came, are the events whose origin has a ``record`` of that format. A redaction that changes
or empties a record leaves the fingerprint of what it was in ``redacted``.
"""

from __future__ import annotations

import base64
from hashlib import blake2b

import msgspec

from eventlog.stored import StoredEvent

_NOTHING = msgspec.Raw()


class _Origin(msgspec.Struct, gc=False):
    format: str = ""
    record: msgspec.Raw = _NOTHING
    bytes: str | None = None
    redacted: str | None = None


_GONE = b'"[redacted]"'
_decode = msgspec.json.Decoder(_Origin).decode
_encode = msgspec.json.Encoder().encode


class Provenance:
    """The origins of one format."""

    def __init__(self, format: str) -> None:
        self._format = format
        name = _encode(format)
        self.rest = msgspec.Raw(b'{"format":' + name + b"}")
        self._head = b'{"format":' + name + b',"record":'

    def of(self, text: bytes, *, is_json: bool) -> msgspec.Raw:
        """The origin of the first event of a record."""
        if is_json:
            return msgspec.Raw(self._head + text + b"}")
        try:
            return msgspec.Raw(self._head + _encode(text.decode()) + b"}")
        except UnicodeDecodeError:
            readable = text.decode(errors="replace")
            return msgspec.Raw(self._head + _encode(readable) + b',"bytes":' + _encode(base64.b64encode(text).decode()) + b"}")

    def record(self, stored: StoredEvent) -> bytes | None:
        """The source record that the event carries, verbatim; None where it carries none of this format (any more)."""
        return self.record_in(stored.origin_raw)

    def record_in(self, raw: msgspec.Raw) -> bytes | None:
        """The source record in an origin; `copies.innermost` finds that of a copied event."""
        origin = self._read(raw)
        if origin is None or bytes(origin.record) in (b"", _GONE):
            return None
        if origin.bytes is not None:
            return base64.b64decode(origin.bytes)
        text = bytes(origin.record)
        return msgspec.json.decode(text, type=str).encode() if text[:1] == b'"' else text

    def identity(self, stored: StoredEvent) -> bytes | None:
        """The fingerprint of the record as it came, also where it has been redacted; None where the event carries none of this format."""
        origin = self._read(stored.origin_raw)
        if origin is not None and origin.redacted is not None:
            try:
                return bytes.fromhex(origin.redacted)
            except ValueError:
                pass  # not written by a redaction
        record = self.record(stored)
        return None if record is None else fingerprint(record)

    def is_ours(self, stored: StoredEvent) -> bool:
        """Whether the event was made by an import of this format."""
        return self._read(stored.origin_raw) is not None

    def _read(self, raw: msgspec.Raw) -> _Origin | None:
        if not bytes(raw):
            return None
        try:
            origin = _decode(raw)
        except msgspec.DecodeError:
            return None  # another program's origin, of another shape
        return origin if origin.format == self._format else None


def fingerprint(text: bytes) -> bytes:
    """The identity of a record's content: 16 bytes of BLAKE2b over its text."""
    return blake2b(text, digest_size=16).digest()
