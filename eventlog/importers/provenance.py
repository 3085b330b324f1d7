"""What an imported event says about where it came from: its ``origin``. Written here, and read back here.

The first event of a source record carries the record verbatim: ``{"format":"claude-code","record":{...}}``. Text that is not
JSON (or that an event line cannot hold as JSON) is a string; bytes that are not UTF-8 are a string to read and ``bytes``
(base64) to restore. The record's other events carry only ``{"format":"claude-code"}``. So the source records of a
session, in the order in which they came, are the events whose origin has a ``record`` of that format. A redaction that changes
or empties a record leaves the fingerprint of what it was in ``redacted``.

A record with long strings that the session holds names them (`repeated`): its origin says so with ``"same":true``, and has the ``sha256``
of the whole record and its fingerprint as ``content``. `Records` gives the whole record back.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from hashlib import blake2b, sha256
from itertools import chain
from typing import TYPE_CHECKING

import msgspec

from eventlog.backend import OnDamage
from eventlog.meaning.copies import Identity, identity, innermost
from eventlog.stored import StoredEvent

from .repeated import restore

if TYPE_CHECKING:
    from eventlog.session import Session

_NOTHING = msgspec.Raw()


class _Origin(msgspec.Struct, gc=False):
    format: str = ""
    record: msgspec.Raw = _NOTHING
    bytes: str | None = None
    redacted: str | None = None
    same: bool = False
    sha256: str | None = None
    content: str | None = None


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

    def of(self, text: bytes, *, is_json: bool, shortened: bytes | None = None) -> msgspec.Raw:
        """The origin of the first event of a record. ``shortened``: the record with what the session holds named."""
        if shortened is not None:
            proof = (
                b',"same":true,"sha256":"' + sha256(text).hexdigest().encode() + b'","content":"' + fingerprint(text).hex().encode() + b'"'
            )
            return msgspec.Raw(self._head + shortened + proof + b"}")
        if is_json:
            return msgspec.Raw(self._head + text + b"}")
        try:
            return msgspec.Raw(self._head + _encode(text.decode()) + b"}")
        except UnicodeDecodeError:
            readable = text.decode(errors="replace")
            return msgspec.Raw(self._head + _encode(readable) + b',"bytes":' + _encode(base64.b64encode(text).decode()) + b"}")

    def record(self, stored: StoredEvent) -> bytes | None:
        """The source record that the event carries, as it is stored; None where it carries none of this format (any more)."""
        return self.record_in(stored.origin_raw)

    def names_others(self, raw: msgspec.Raw) -> bool:
        """Whether the record in the origin names strings that other events hold."""
        origin = self._read(raw)
        return origin is not None and origin.same

    def proves(self, raw: msgspec.Raw, record: bytes) -> bool:
        """Whether this is the whole record of an origin that names strings."""
        origin = self._read(raw)
        return origin is not None and origin.sha256 == sha256(record).hexdigest()

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
        known = None if origin is None else origin.redacted or origin.content
        if known is not None:
            try:
                return bytes.fromhex(known)
            except ValueError:
                pass  # not written by us
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


class Records:
    """The source records of one session, each whole, also in forks and merges (where a record's events are copies).

    Memory: the records that others name, while `all` runs over them; `of` reads the one event that is named."""

    def __init__(self, session: Session, format: str) -> None:
        self._session = session
        self._provenance = Provenance(format)
        self._holders: dict[Identity, bytes] = {}

    def of(self, stored: StoredEvent) -> bytes | None:
        """The record that the event carries, to the byte as its tool wrote it; None where it carries none of this format, or where what
        it names is not there (any more)."""
        origin = innermost(stored.origin_raw)
        record = self._provenance.record_in(origin)
        if record is None or not self._provenance.names_others(origin):
            return record
        whole = restore(record, self._finder(stored))
        return whole if whole is not None and self._provenance.proves(origin, whole) else None

    def all(self, on_damage: OnDamage = "skip") -> Iterator[tuple[StoredEvent, bytes | None]]:
        """Every event that carries a record of the format, with it (None: it cannot be given back whole), in order."""
        for stored in self._session.read(on_damage=on_damage):
            if self._provenance.record_in(innermost(stored.origin_raw)) is not None:
                yield stored, self.of(stored)

    def _finder(self, stored: StoredEvent) -> Callable[[int], bytes | None]:
        """What finds the event that a seq in this event's record names: where this one is a copy, the copy of that one."""
        source = identity(stored).session_id

        def find(seq: int) -> bytes | None:
            meant = Identity(source, seq)
            if meant not in self._holders:
                record = self._record_of(meant)
                if record is None:
                    return None
                self._holders[meant] = record
            return self._holders[meant]

        return find

    def _record_of(self, meant: Identity) -> bytes | None:
        for each in chain(self._session.read(after=meant.seq - 1, before=meant.seq + 1, on_damage="skip"), self._copies()):
            if identity(each) == meant:
                return self._provenance.record_in(innermost(each.origin_raw))
        return None

    def _copies(self) -> Iterator[StoredEvent]:
        return (each for each in self._session.read(on_damage="skip") if identity(each).session_id != self._session.id)


def fingerprint(text: bytes) -> bytes:
    """The identity of a record's content: 16 bytes of BLAKE2b over its text."""
    return blake2b(text, digest_size=16).digest()
