"""What is taken of a bundle is what every reader can read."""

from __future__ import annotations

from pathlib import Path
from zlib import crc32

from eventlog import EventLog, line
from eventlog.events import MessageAdded
from eventlog.importers import import_paths

HELLO = MessageAdded(role="user", content="Hello")


def test_a_bundled_session_with_a_line_that_readers_cannot_follow_is_refused_and_the_others_are_taken(tmp_path: Path) -> None:
    with EventLog.open(tmp_path / "from") as log:
        for name in ("deep", "fine"):
            log.start(id=name).append(HELLO)
    (segment,) = (tmp_path / "from").glob("sessions/*/deep.*")
    written = segment.read_bytes()
    payload = b'{"seq":3,"time":"2026-01-02T03:04:05.678901Z","type":"a.b","data":' + b'{"a":' * 255 + b"1" + b"}" * 255
    segment.write_bytes(written + payload + line.tail_of(crc32(payload, crc32(written))))
    with EventLog.open(tmp_path / "from") as log:
        assert log.verify().ok
        log.bundle(["deep", "fine"], tmp_path / "b.bundle")
    with EventLog.open(tmp_path / "to") as log:
        report = import_paths(log, "bundle", [tmp_path / "b.bundle"])
        assert list(log.session_ids()) == ["fine"]
    (skipped,) = report.skipped
    assert "nested too deeply: the limit is 200 levels" in skipped.reason
