"""The checksum is the same number whichever library makes it."""

from __future__ import annotations

import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventlog.checksum import crc32

pytest.importorskip("zlib_ng", reason="zlib-ng is not installed; `make newest` has it")


@given(st.binary(max_size=5_000), st.integers(0, 2**32 - 1))
def test_zlib_ng_makes_the_number_that_zlib_makes(data: bytes, running: int) -> None:
    assert crc32 is not zlib.crc32
    assert crc32(data, running) == zlib.crc32(data, running)
    assert crc32(memoryview(data), running) == crc32(bytearray(data), running) == zlib.crc32(data, running)
