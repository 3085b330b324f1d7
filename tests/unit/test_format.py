"""FORMAT.md is enough: its code, and nothing of this project, decodes what this project writes."""

from __future__ import annotations

import json
import re
import shutil
import struct
import subprocess
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from eventlog import EventLog, Settings
from eventlog.events import MessageAdded, SessionEnded, ToolCalled

FORMAT = (Path(__file__).parents[2] / "FORMAT.md").read_text()


def decoder() -> Callable[[bytes], list[dict[str, Any]]]:
    """The function that stands in FORMAT.md."""
    (code,) = re.findall(r"```python\n(.*?)```", FORMAT, re.DOTALL)
    names: dict[str, Any] = {}
    exec(code, names)
    function: Callable[[bytes], list[dict[str, Any]]] = names["decode"]
    return function


def record(folder: Path, settings: Settings, *, compress: bool = False) -> Path:
    with EventLog.open(folder, settings=settings) as log:
        session = log.start(id="s.1", title="Grüße")
        session.append(
            MessageAdded(role="user", content="one"), ToolCalled(name="bash", arguments={"command": 'echo ,"crc":"deadbeef"}'}), id="k"
        )
        for number in range(40):
            session.append(MessageAdded(role="assistant", content=f"{number} " * 50), sync="never")
        session.append(SessionEnded())
        if compress:
            log.compact(idle_s=0)
    (segment,) = folder.glob("sessions/*/*.jsonl*")
    return segment


def test_the_code_in_the_page_decodes_a_real_segment(tmp_path: Path) -> None:
    segment = record(tmp_path / "store", Settings())
    assert segment.name == "s.1.jsonl"
    opened, *events, sealed = decoder()(segment.read_bytes())
    assert opened["data"] == {"format": 1, "min_reader": 1, "session_id": "s.1", "first_seq": 1}
    assert [event["seq"] for event in events] == list(range(1, 45))
    assert [event.get("more") for event in events[:4]] == [None, True, None, None]
    assert events[2]["id"] == "k"
    assert sealed["data"]["count"] == 44
    assert sealed["data"]["last_seq"] == 44


def test_the_code_in_the_page_notices_every_changed_byte(tmp_path: Path) -> None:
    data = bytearray(record(tmp_path / "store", Settings()).read_bytes())[:2000]
    data = data[: data.rfind(b"\n") + 1]
    decode, whole = decoder(), data.count(b"\n")

    def lines_proven() -> int:
        try:
            return len(decode(bytes(data)))
        except ValueError:
            return 0

    assert lines_proven() == whole
    for offset in range(len(data)):
        data[offset] ^= 1
        assert lines_proven() < whole
        data[offset] ^= 1


def test_the_table_of_a_compressed_segment_is_as_the_page_says(tmp_path: Path) -> None:
    data = record(tmp_path / "store", Settings(frame_size_bytes=1000), compress=True).read_bytes()
    size, crc, magic = struct.unpack("<II8s", data[-16:])
    payload = data[-16 - size : -16]
    assert magic == b"EVLOGTBL"
    assert zlib.crc32(payload) == crc
    assert struct.unpack("<II", data[-24 - size : -16 - size]) == (0x184D2A5E, size + 16)
    table = json.loads(payload)
    assert table["version"] == 1
    assert (table["session_id"], table["first_seq"]) == ("s.1", 1)
    assert table["frames"][0]["running"] == 0
    assert sum(frame["size"] for frame in table["frames"]) == len(data) - size - 24
    for frame in table["frames"]:
        assert zlib.crc32(data[frame["offset"] : frame["offset"] + frame["size"]]) == frame["crc"]


def test_plain_tools_read_a_segment(tmp_path: Path) -> None:
    if shutil.which("jq") is None or shutil.which("zstdcat") is None:
        pytest.skip("jq or zstd is not installed")
    raw = record(tmp_path / "raw", Settings())
    compressed = record(tmp_path / "compressed", Settings(), compress=True)
    found = subprocess.run(["jq", "-c", 'select(.type=="message.added")', str(raw)], capture_output=True, check=True).stdout
    assert found.count(b"\n") == 41
    found = subprocess.run(["zstdcat", str(compressed)], capture_output=True, check=True).stdout
    assert [line["type"] for line in decoder()(found)][-1] == "segment.sealed"
