"""What a backend owes beyond reading and writing, as tests: it does what was asked, or says that it cannot (`Unsupported`)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

from ..errors import Unsupported
from ..events import MessageAdded, SessionDeleted
from ..log import EventLog
from ..session import Session
from ..settings import Settings

T = TypeVar("T")

_SECRET = "swordfish"


def note(text: str) -> MessageAdded:
    return MessageAdded(role="user", content=text)


def _done_or_said(log: EventLog, operation: str, ask: Callable[[], T]) -> T | None:
    """What the operation gave; None where the backend cannot, and has said so, having done nothing."""
    before = [stored.raw for session_id in sorted(log.session_ids()) for stored in log.session(session_id).read()]
    try:
        return ask()
    except Unsupported as error:
        refused = error
    assert refused.operation == operation, refused
    assert str(refused).startswith(f"{operation} needs a log that can {refused.ability}, and this one ({refused.place}) cannot; use "), (
        refused
    )
    assert before == [stored.raw for session_id in sorted(log.session_ids()) for stored in log.session(session_id).read()]
    return None


class CapabilityConformance:
    def open(self, settings: Settings) -> EventLog:
        """See `BackendConformance.open`."""
        raise NotImplementedError

    def _filled(self, log: EventLog) -> Session:
        session = log.start(id="s", title="T")
        for number in range(50):
            session.append(note(f"{number} {_SECRET if number == 7 else ''}"))
        return session

    def test_compaction_changes_nothing_that_is_read_or_is_refused(self) -> None:
        with self.open(Settings()) as log:
            session = self._filled(log)
            before = list(session.read())
            report = _done_or_said(log, "compact", lambda: log.compact(idle_s=0))
            assert report is None or report.sessions == 1
            assert list(session.read()) == before
            assert session.append(note("more")) == 52

    def test_a_redaction_takes_out_what_is_meant_or_is_refused(self) -> None:
        with self.open(Settings()) as log:
            session = self._filled(log)
            report = _done_or_said(log, "redact", lambda: log.redact("s", pattern=_SECRET, reason="by mistake"))
            text = b"".join(stored.raw for stored in session.read())
            assert (_SECRET.encode() in text) == (report is None)
            if report is not None:
                assert report.seqs == [9]
                assert session.last_seq == report.announced_seq == 52

    def test_a_purge_leaves_the_tombstone_or_is_refused(self) -> None:
        with self.open(Settings()) as log:
            session = self._filled(log)
            if _done_or_said(log, "purge", lambda: log.purge("s", now=True)) is not None:
                assert [type(stored.event) for stored in log.session("s").read()] == [SessionDeleted]
            assert list(log.session_ids()) == ["s"]
            session.close()

    def test_a_repair_of_what_is_whole_finds_nothing_to_do_or_is_refused(self) -> None:
        with self.open(Settings()) as log:
            self._filled(log)
            report = _done_or_said(log, "repair", log.repair)
            assert report is None or (report.actions == [] and not report.applied)

    def test_a_copy_holds_the_same_or_is_refused(self) -> None:
        with TemporaryDirectory() as folder, self.open(Settings()) as log:
            session = self._filled(log)
            copied = _done_or_said(log, "backup", lambda: log.backup(Path(folder) / "backup"))
            assert copied is None or (copied.sessions, copied.problems) == (1, [])
            path = Path(folder) / "s.bundle"
            manifest = _done_or_said(log, "bundle", lambda: log.bundle(["s"], path))
            assert (manifest is None) != path.exists()
            assert manifest is None or [each.session_id for each in manifest.sessions] == ["s"]
            if _done_or_said(log, "open_bundle", lambda: log.open_bundle(path)) is not None:
                with log.open_bundle(path) as bundle:
                    assert bundle.session_ids == ["s"]
                    assert not bundle.install("s")
                    lines = b"".join(chunk.data for chunk in bundle.read("s"))
                assert lines == b"".join(stored.raw + b"\n" for stored in session.read())

    def test_a_session_takes_room_and_a_deleted_one_too(self) -> None:
        with self.open(Settings()) as log:
            session = self._filled(log)
            log.delete("s")
            (deleted,) = log.deleted()
            assert deleted.size_bytes >= sum(len(stored.raw) for stored in session.read()) // 2
            assert log.cleanup(0).sessions == []

    def test_sessions_are_told_in_the_order_of_their_ids_with_stamps_that_change(self) -> None:
        with self.open(Settings()) as log:
            ids = sorted([f"s{number}" for number in range(40)] + ["A", "a.b", "a_b", "Z", "0"])
            for session_id in reversed(ids):
                log.start(id=session_id)
            log.delete("s7")
            stamps = dict(log.sessions())
            assert list(stamps) == ids
            assert [session_id for session_id, _ in log.sessions(after="s20")] == [session_id for session_id in ids if session_id > "s20"]
            assert list(log.sessions(after="zzz")) == []
            log.session("s3").append(note("1"))
            assert {session_id for session_id, stamp in log.sessions() if stamps[session_id] != stamp} == {"s3"}
