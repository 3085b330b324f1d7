"""A compressed segment's bytes: independent frames of whole lines, then a table of them. No I/O (FORMAT.md, "Compressed segments").

A frame is proven in two ways. With the table, by the CRC-32 of its compressed bytes: 6 of 100 flipped bits in a frame change
nothing in its text, so only the compressed bytes can be held against a checksum of their own. Without the table, by zstd's
own checksum of the text; frames are then found one after the other, and after a damaged one by looking for the next.

Frames and table follow each other without a gap, so each byte of the file belongs to one of them. Sizes are compared before
anything of that size is read or decompressed; nothing here raises because of what stands in a file, and memory is bounded by
the largest frame that the caller allows.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator
from struct import Struct
from typing import Annotated, Literal

import msgspec

from .. import line as lines
from ..checksum import crc32
from ..decoding import decoder
from ..errors import EventLogError
from . import segment

ReadAt = Callable[[int, int], bytes]  # (offset, size): the bytes that stand there, fewer at the end of the file

MAX_TABLE_SIZE = 4 * 1024 * 1024  # about 25,000 frames, 6 GB of lines at the default frame size
_LAST_READ = 16 * 1024  # finds the table of a hundred frames with one read

_SKIPPABLE = 0x184D2A5E  # plain zstd tools pass over a frame that begins with this
_HEAD = Struct("<II")  # that number, and the size of what follows
_TRAILER = Struct("<II8s")  # size of the table's JSON, its CRC-32, what tells that it is there
_TRAILER_MAGIC = b"EVLOGTBL"

_FRAME_MAGIC = b"\x28\xb5\x2f\xfd"
_FRAME_HEADER_SIZE = 18  # at most
_CHECKSUM_SIZE = 4
_BLOCK_HEADER_SIZE = 3
_RLE = 1  # the kind of block that is one byte, whatever its size says
_SMALLEST_BLOCK = 512  # on average: zstd splits 128 KiB of text into at most 196 blocks
_BLOCKS_OF_A_SMALL_FRAME = 256
_SMALLEST_WINDOW = 1024
_SEARCH_SIZE = 64 * 1024

_OWN_WITHIN = b'\n{"type":"segment.'  # no line contains a line feed, so this is always the beginning of one
_SEQ = re.compile(rb'\{"seq":([0-9]{1,19}),')  # how an event line begins
_LARGE_FRAME_SIZE = 8 * 1024 * 1024
_LARGE_APPEND_SIZE = 1024 * 1024  # repeats within it (a picture that a record has twice) may lie farther apart than zstd looks by itself
_LARGEST_WINDOW_LOG = 27  # what the plain tools and readers with their defaults accept
_END_OF_LINE = 64  # enough of a line to see whether its batch goes on

_Count = Annotated[int, msgspec.Meta(ge=0)]


class Unproven(EventLogError):
    """The lines do not follow from their checksums. Offsets count in the uncompressed segment."""

    def __init__(self, offset: int, length: int) -> None:
        self.offset = offset
        self.length = length
        super().__init__(
            f"the segment is not proven between its bytes {offset} and {offset + length} and stays as it is; `eventlog verify` says why"
        )


class Frame(msgspec.Struct, frozen=True, omit_defaults=True):
    """One frame. ``first_seq`` to ``last_seq`` are its events, and an empty range (first = last + 1) where it has none; ``running`` is
    the segment's checksum before its first line; ``joined`` says that own lines stand elsewhere than first or last in it."""

    offset: _Count
    size: _Count
    lines_size: _Count
    first_seq: _Count
    last_seq: _Count
    crc: _Count
    running: _Count
    joined: bool = False


class Table(msgspec.Struct, frozen=True, omit_defaults=True):
    """What stands where in a compressed segment; ``lines_size`` is the size of the segment uncompressed. ``session_id`` and ``first_seq``
    are those of its first header, so that whose file it is can be told without a frame; ``ids`` is what its footers say of the keys in it,
    absent where one of them does not."""

    version: Literal[1]
    lines_size: _Count
    frames: list[Frame]
    session_id: str = ""
    first_seq: _Count = 0
    ids: str | None = None

    def index_for(self, seq: int) -> int:
        """The index of the frame with the first event at or after ``seq``; the number of frames where there is none."""
        return bisect_left(self.frames, seq, key=lambda frame: frame.last_seq)

    def holds_together(self, size: int, max_frame_bytes: int) -> bool:
        """Whether the frames fill ``size`` bytes without a gap, in order, none larger than it can be."""
        offset = last_seq = lines_size = 0
        for frame in self.frames:
            if frame.offset != offset or frame.lines_size > max_frame_bytes or frame.size > _most_compressed(frame.lines_size):
                return False
            if frame.first_seq <= last_seq or frame.last_seq < frame.first_seq - 1:
                return False
            offset += frame.size
            lines_size += frame.lines_size
            last_seq = frame.last_seq
        return offset == size and lines_size == self.lines_size


def prove(text: bytes, running: int) -> int | None:
    """Check whole lines, among which segments may begin and end, against the running checksum before them: the one after them, or None."""
    return _prove(text, running, _own_lines(text))


def _prove(text: bytes, running: int, own: list[int]) -> int | None:
    afresh = [start for start in own if segment.starts_afresh(text[start : start + len(segment.OPENED)])]
    start = 0
    for end in [*afresh, len(text)]:
        if start < end:
            after = lines.prove(text[start:end], running)
            if after is None:
                return None
            running = after
        if end < len(text):
            start, running = end, 0
    return running


def _own_lines(text: bytes) -> list[int]:
    """Where the segment's own lines begin."""
    found = [0] if segment.is_own(text) else []
    position = text.find(_OWN_WITHIN)
    while position >= 0:
        found.append(position + 1)
        position = text.find(_OWN_WITHIN, position + 1)
    return found


# --- writing -------------------------------------------------------------------------------------------------------------------


def compress(chunks: Iterable[bytes], *, level: int, frame_size_bytes: int) -> Iterator[bytes]:
    """The compressed form of one finished segment or of several joined, piece by piece: its frames, then their table.

    ``chunks`` are its bytes from the first to the last, cut anywhere. A frame holds whole appends, at most ``frame_size_bytes`` of lines
    or one append that is larger; memory is a few times that. Raises `Unproven` where the lines are not proven, do not end with a whole
    append or go back to seqs of a frame before, and `ValueError` where so many frames come about that their table would not be read."""
    import zstandard  # here, since a program that only appends need not load it

    def compressor_of(size: int) -> zstandard.ZstdCompressor:
        far = {"enable_ldm": True, "window_log": min(_LARGEST_WINDOW_LOG, size.bit_length())} if size > _LARGE_APPEND_SIZE else {}
        said = {"write_checksum": True, "write_content_size": True, "write_dict_id": False}
        return zstandard.ZstdCompressor(compression_params=zstandard.ZstdCompressionParameters.from_level(level, **said, **far))

    compressor = compressor_of(0)
    frames: list[Frame] = []
    opened: segment.Opened | None = None
    ids: set[int] | None = set()
    offset = lines_size = running = last_seq = 0
    for text in _whole_appends(chunks, frame_size_bytes):
        own = _own_lines(text)
        for start in own:
            record = segment.decode_own(text[start : text.find(b"\n", start) + 1])
            if isinstance(record, segment.Opened):
                opened = opened or record
            elif isinstance(record, segment.Sealed) and ids is not None:
                ids.update(segment.id_hashes(record.ids))
            else:
                ids = None
        if segment.starts_afresh(text):
            running = 0
        after = _prove(text, running, own)
        if after is None or lines.ends_within_batch(text) or (events := _seqs(text, own, last_seq)) is None:
            raise Unproven(lines_size, len(text))
        last_line = text.rfind(b"\n", 0, -1) + 1
        joined = any(start not in (0, last_line) for start in own)
        data = (compressor if len(text) <= max(frame_size_bytes, _LARGE_APPEND_SIZE) else compressor_of(len(text))).compress(text)
        frames.append(Frame(offset, len(data), len(text), *events, crc32(data), running, joined))
        yield data
        offset += len(data)
        lines_size += len(text)
        running, last_seq = after, events[1]
    table = Table(1, lines_size, frames, ids=None if ids is None else segment.pack_ids(ids))
    yield _encode_table(
        table if opened is None else msgspec.structs.replace(table, session_id=opened.session_id, first_seq=opened.first_seq)
    )


def _encode_table(table: Table) -> bytes:
    payload = msgspec.json.encode(table)
    size = len(payload) + _TRAILER.size
    if _HEAD.size + size > MAX_TABLE_SIZE:
        raise ValueError(f"{len(table.frames):,} frames are too many for one file; raise frame_size_bytes")
    return _HEAD.pack(_SKIPPABLE, size) + payload + _TRAILER.pack(len(payload), crc32(payload), _TRAILER_MAGIC)


def _whole_appends(chunks: Iterable[bytes], size: int) -> Iterator[bytes]:
    """The same bytes, cut where an append ends: as many as fit into ``size``, or one. The rest comes last, as it is."""
    held = bytearray()
    searched = 0  # no append ends before it
    for chunk in chunks:
        held += chunk
        while len(held) > size:
            end = searched or _last_append_end(held, size)
            if searched or not end:
                end = _first_append_end(held, searched)
            if not end:
                searched = len(held)
                break
            yield bytes(held[:end])
            del held[:end]
            searched = 0
    if held:
        yield bytes(held)


def _last_append_end(held: bytearray, limit: int) -> int:
    end = held.rfind(b"\n", 0, limit) + 1
    while end and _is_within_batch(held, end):
        end = held.rfind(b"\n", 0, end - 1) + 1
    return end


def _first_append_end(held: bytearray, start: int) -> int:
    end = held.find(b"\n", start) + 1
    while end and _is_within_batch(held, end):
        end = held.find(b"\n", end) + 1
    return end


def _is_within_batch(held: bytearray, end: int) -> bool:
    return lines.ends_within_batch(bytes(held[max(0, end - _END_OF_LINE) : end]))


def _seqs(text: bytes, own: list[int], before: int) -> tuple[int, int] | None:
    """First and last seq of proven lines; an empty range after ``before`` where there are no events, None where they do not rise."""
    first, end = 0, len(text)
    for start in own:
        if start != first:
            break
        first = text.find(b"\n", start) + 1
    if first == end:
        return before + 1, before
    for start in reversed(own):
        if text.find(b"\n", start) + 1 != end:
            break
        end = start
    last = text.rfind(b"\n", 0, end - 1) + 1
    found = _SEQ.match(text, first), _SEQ.match(text, last)
    if found[0] is None or found[1] is None:
        return None
    first_seq, last_seq = int(found[0][1]), int(found[1][1])
    return (first_seq, last_seq) if before < first_seq <= last_seq else None


# --- reading with the table ----------------------------------------------------------------------------------------------------


def read_table(read_at: ReadAt, file_size: int, max_frame_bytes: int) -> Table | None:
    """The table, in one read or two; None where it is missing, damaged, of a version that is not known, or does not fit the file.

    ``max_frame_bytes`` is the most that a frame may hold: the larger of the frame size and the largest append."""
    tail = _last(read_at, file_size, min(file_size, _LAST_READ))
    if len(tail) < _HEAD.size + _TRAILER.size:
        return None
    payload_size, crc, magic = _TRAILER.unpack(tail[-_TRAILER.size :])
    size = _HEAD.size + payload_size + _TRAILER.size
    if magic != _TRAILER_MAGIC or size > min(file_size, MAX_TABLE_SIZE):
        return None
    tail = tail[-size:] if size <= len(tail) else _last(read_at, file_size, size)
    payload = tail[_HEAD.size : -_TRAILER.size]
    if tail[: _HEAD.size] != _HEAD.pack(_SKIPPABLE, size - _HEAD.size) or crc32(payload) != crc:
        return None
    try:
        table = decoder(Table).decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return table if table.holds_together(file_size - size, max_frame_bytes) else None


def _last(read_at: ReadAt, file_size: int, size: int) -> bytes:
    """The last bytes of the file; nothing where it has become shorter."""
    data = read_at(file_size - size, size)
    return data if len(data) == size else b""


def decompress(data: bytes, frame: Frame) -> bytes | None:
    """The lines of a frame of a table that was read, None where the bytes are not those that were written. Needs ``frame.lines_size``
    bytes of memory; the lines were proven when the table was made, and `prove` proves them again from ``frame.running``."""
    if crc32(data) != frame.crc or _stated_size(data) != frame.lines_size:
        return None
    if frame.lines_size > _LARGE_FRAME_SIZE and not _begins_as_lines(data):
        return None
    text = _text(data)
    return text if text is not None and _has_the_lines_of(frame, text) else None


def _begins_as_lines(data: bytes) -> bool:
    """Whether a frame holds what a line begins with, before all of it takes its place in memory: a few bytes can stand for a gigabyte."""
    import zstandard

    try:
        beginning = zstandard.ZstdDecompressor().stream_reader(data).read(_END_OF_LINE)
    except zstandard.ZstdError:
        return False
    return segment.is_own(beginning) or _SEQ.match(beginning) is not None


def _has_the_lines_of(frame: Frame, text: bytes) -> bool:
    """Whether the text begins and ends as the table says: checksums that are right prove what somebody wrote, not that it is a segment."""
    if not text.endswith(b"\n"):
        return False
    last = text[text.rfind(b"\n", 0, -1) + 1 :]
    first_seq, last_seq = _SEQ.match(text), _SEQ.match(last)
    return (int(first_seq[1]) == frame.first_seq if first_seq else segment.is_own(text)) and (
        int(last_seq[1]) == frame.last_seq if last_seq else segment.is_own(last)
    )


def _stated_size(data: bytes) -> int | None:
    """What a frame's header says that it holds; None where it is no header, or one that this format does not write."""
    import zstandard

    try:
        found = zstandard.get_frame_parameters(data)
    except zstandard.ZstdError:
        return None
    if not found.has_checksum or found.window_size > max(found.content_size, _SMALLEST_WINDOW):
        return None
    return found.content_size


def _text(data: bytes) -> bytes | None:
    """A whole frame's text if its own checksum holds. Takes as much memory as its header says: look at that first."""
    import zstandard

    try:
        return zstandard.ZstdDecompressor().decompress(data)
    except zstandard.ZstdError:
        return None


def _most_compressed(lines_size: int) -> int:
    """No frame with so much text is larger (zstd's own bound, and room for the frame's header and checksum)."""
    return lines_size + (lines_size >> 8) + 128


# --- reading without the table -------------------------------------------------------------------------------------------------


class Piece(msgspec.Struct, frozen=True):
    """A part of the file: a frame with its ``text``, or the table (of size 0 at the end where there is none; whether it holds is
    for `read_table` to say), or damage."""

    offset: int
    size: int
    text: bytes | None = None
    is_table: bool = False

    @property
    def is_damaged(self) -> bool:
        return self.text is None and not self.is_table


def walk_frames(read_at: ReadAt, file_size: int, max_frame_bytes: int) -> Iterator[Piece]:
    """The pieces of a compressed segment in order, without a gap, found without its table. Damage reaches to the next frame whose own
    checksum holds, or to the table. A frame of more than ``max_frame_bytes`` counts as damage. Memory: one frame."""
    end = _table_offset(read_at, file_size)
    offset, damage, has_table = 0, -1, False
    while offset < end:
        piece = _piece_at(read_at, offset, end, max_frame_bytes)
        if piece is None or (damage >= 0 and piece.is_table and piece.offset + piece.size != file_size):
            damage = offset if damage < 0 else damage
            offset = _next_magic(read_at, offset + 1, end)
            continue
        if damage >= 0:
            yield Piece(damage, offset - damage)
            damage = -1
        yield piece
        offset += piece.size
        has_table = piece.is_table
    if damage >= 0:
        yield Piece(damage, end - damage)
    if end < file_size or not has_table:
        yield Piece(end, file_size - end, is_table=True)


def _table_offset(read_at: ReadAt, file_size: int) -> int:
    """Where the table begins if its trailer says so and its head agrees, if only in part; else the end of the file."""
    if file_size < _HEAD.size + _TRAILER.size:
        return file_size
    tail = _last(read_at, file_size, _TRAILER.size)
    if not tail.endswith(_TRAILER_MAGIC):
        return file_size
    size = _TRAILER.unpack(tail)[0] + _TRAILER.size
    offset = file_size - _HEAD.size - size
    if offset < 0 or len(head := read_at(offset, _HEAD.size)) < _HEAD.size:
        return file_size
    magic, stated = _HEAD.unpack(head)
    return int(offset) if magic == _SKIPPABLE or stated == size else file_size


def _piece_at(read_at: ReadAt, offset: int, end: int, max_frame_bytes: int) -> Piece | None:
    head = read_at(offset, min(_FRAME_HEADER_SIZE, end - offset))
    if len(head) >= _HEAD.size and _HEAD.unpack_from(head)[0] == _SKIPPABLE:
        return Piece(offset, min(_HEAD.size + _HEAD.unpack_from(head)[1], end - offset), is_table=True)
    if not head.startswith(_FRAME_MAGIC):
        return None
    lines_size = _stated_size(head)
    if lines_size is None or lines_size > max_frame_bytes:
        return None
    size = _frame_size(read_at, offset, end, lines_size)
    text = None if size is None else _text(read_at(offset, size))
    return None if size is None or text is None else Piece(offset, size, text)


def _frame_size(read_at: ReadAt, offset: int, end: int, lines_size: int) -> int | None:
    """The size of the frame at ``offset``, from one block's header to the next; None where it has no end that fits its text.

    Nothing but these headers is read for it, so that garbage that looks like a frame costs little. Whether a block is one, zstd says."""
    import zstandard

    position = offset + zstandard.frame_header_size(read_at(offset, min(_FRAME_HEADER_SIZE, end - offset)))
    end = min(end, offset + _most_compressed(lines_size)) - _CHECKSUM_SIZE
    for _ in range(_BLOCKS_OF_A_SMALL_FRAME + lines_size // _SMALLEST_BLOCK):
        header = int.from_bytes(read_at(position, _BLOCK_HEADER_SIZE), "little")
        last, kind, size = header & 1, header >> 1 & 3, header >> 3
        position += _BLOCK_HEADER_SIZE + (1 if kind == _RLE else size)
        if position > end:
            return None
        if last:
            return position + _CHECKSUM_SIZE - offset
    return None


def _next_magic(read_at: ReadAt, start: int, end: int) -> int:
    """Where a frame or the table may begin next, else the end."""
    skippable = _SKIPPABLE.to_bytes(4, "little")
    while start < end:
        data = read_at(start, min(_SEARCH_SIZE, end - start))
        found = [position for magic in (_FRAME_MAGIC, skippable) if (position := data.find(magic)) >= 0]
        if found:
            return start + min(found)
        if len(data) < _SEARCH_SIZE:
            break
        start += len(data) - len(_FRAME_MAGIC) + 1
    return end
