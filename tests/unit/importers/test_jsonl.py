"""``import jsonl`` gives back what ``export --to jsonl`` wrote, and takes nothing that does not fit."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest

from eventlog import EventLog, Session
from eventlog.events import MessageAdded, UnknownEvent
from eventlog.importers import ImportReport, import_paths, open_importer
from eventlog.session import draft
from projections.exporters import export


def recorded(log: EventLog, id: str = "s", texts: int = 3) -> Session:
    session = log.start(id=id, title="T")
    for number in range(texts):
        session.append(MessageAdded(role="user", content=f"{id} {number}"))
    return session


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Two sessions of four events each, exported."""
    with EventLog.memory() as log:
        recorded(log, "s")
        recorded(log, "t")
        export(log, ["s", "t"], "jsonl", tmp_path / "sessions.jsonl")
    return tmp_path / "sessions.jsonl"


def lines_of(log: EventLog, id: str) -> list[bytes]:
    return [stored.raw[:-18] for stored in log.session(id).read()]


def said(report: ImportReport) -> list[tuple[int | None, str]]:
    return [(skipped.line, skipped.reason) for skipped in report.skipped]


def test_the_file_is_a_header_and_the_lines_as_they_are_stored(tmp_path: Path) -> None:
    with EventLog.memory() as log:
        session = recorded(log)
        export(log, ["s"], "jsonl", tmp_path / "s.jsonl")
        header, *lines = (tmp_path / "s.jsonl").read_bytes().splitlines()
        assert json.loads(header) == {"type": "session.exported", "session_id": "s", "format": 1, "last_seq": 4}
        assert lines == [stored.raw for stored in session.read()]


def test_everything_comes_back_and_nothing_is_added(tmp_path: Path) -> None:
    with EventLog.memory() as log, EventLog.memory() as other:
        session = log.session("s", create=True)
        origin = msgspec.Raw(b'{"format":"f","record":{"x":[1e400]}}')
        events = [UnknownEvent("shop.rated", msgspec.Raw(b'{"stars":1e400}'), 7), MessageAdded(role="user", content="x")]
        session.append_envelopes(
            [draft(events[0], time="2026-01-02T03:04:05Z", origin=origin, more=True), draft(events[1], time="2026-01-02T03:04:06Z")]
        )
        session.append(events[1], id="same key")
        export(log, ["s"], "jsonl", tmp_path / "s.jsonl")
        report = import_paths(other, "jsonl", [tmp_path])
        assert (report.files, report.sessions, report.events_added, report.records, report.skipped) == (1, 1, 3, 3, [])
        assert lines_of(other, "s") == lines_of(log, "s")
        export(other, ["s"], "jsonl", tmp_path / "again.jsonl")
        here, there = (tmp_path / "s.jsonl").read_text(), (tmp_path / "again.jsonl").read_text()
        assert [line.partition(',"crc"')[0] for line in here.splitlines()] == [line.partition(',"crc"')[0] for line in there.splitlines()]


def test_a_session_is_extended_where_the_file_goes_on_from_it(file: Path) -> None:
    with EventLog.memory() as log:
        whole = file.read_text()
        file.write_text("\n".join(whole.splitlines()[:4]))
        report = import_paths(log, "jsonl", [file])
        assert said(report) == [(None, "session 's' has 4 events, the file ends after 3")]
        file.write_text(whole)
        report = import_paths(log, "jsonl", [file])
        assert (report.events_added, report.records, said(report)) == (5, 8, [])
        log.session("s").append(MessageAdded(role="user", content="later"))
        assert (import_paths(log, "jsonl", [file]).events_added, log.session("s").last_seq) == (0, 5)


def test_a_line_that_was_written_otherwise_is_the_same_event(file: Path) -> None:
    with EventLog.memory() as log:
        import_paths(log, "jsonl", [file])
        lines = [json.dumps(json.loads(line), indent=None) for line in file.read_text().splitlines()]
        file.write_text("\r\n".join(lines))
        report = import_paths(log, "jsonl", [file])
        assert (report.events_added, said(report)) == (0, [])


def test_an_id_in_use_is_refused_and_the_other_sessions_are_taken(file: Path) -> None:
    with EventLog.memory() as log:
        recorded(log, "s", texts=1)
        before = lines_of(log, "s")
        report = import_paths(log, "jsonl", [file])
        reason = "session 's' is there, with another event 1; import into another store, or merge the two"
        assert said(report) == [(2, reason)]
        assert lines_of(log, "s") == before
        assert log.session("t").last_seq == 4


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        ("garbage", "not a stored event (...); the rest of the session is left out"),
        ('{"seq":3}', "not a stored event (...); the rest of the session is left out"),
        (
            '{"seq":1,"time":"2026-01-02T03:04:05Z","type":"a","data":{}}',
            "event 1 comes after event 2; the rest of the session is left out",
        ),
        (
            '{"seq":3,"time":"2026-01-02T03:04:05","type":"a","data":{}}',
            "not a stored event (the time '2026-01-02T03:04:05' has no time zone; give UTC, for example 2026-11-21T00:44:01Z);"
            " the rest of the session is left out",
        ),
        (
            '{"seq":3,"time":"2026-01-02T03:04:05Z","type":"a","data":[]}',
            "not a stored event (not an object: b'[]'); the rest of the session is left out",
        ),
        (
            '{"seq":3,"time":"2026-01-02T03:04:05Z","type":"segment.x","data":{}}',
            "not a stored event (invalid event type 'segment.x': types that begin with 'segment.' belong to the format);"
            " the rest of the session is left out",
        ),
        (
            '{"seq":9000000,"time":"2026-01-02T03:04:05Z","type":"a","data":{}}',
            "events 3 to 8999999 are not in the file; the rest of the session is left out",
        ),
    ],
)
def test_a_line_that_is_no_event_ends_its_session_and_no_other(bad: str, reason: str, file: Path) -> None:
    lines = file.read_text().splitlines()
    lines[3] = bad
    file.write_text("\n".join(lines) + "\n")
    with EventLog.memory() as log:
        report = import_paths(log, "jsonl", [file])
        [(line, given)] = said(report)
        begin, _, end = reason.partition("...")  # where the words of msgspec stand
        assert (line, given.startswith(begin), given.endswith(end)) == (4, True, True), given
        assert (log.session("s").last_seq, log.session("t").last_seq) == (2, 4)
        assert (report.events_added, report.records) == (6, 7)


def test_half_an_append_is_left_out(tmp_path: Path) -> None:
    with EventLog.memory() as log, EventLog.memory() as other:
        session = log.start(id="s")
        session.append(*[MessageAdded(role="user", content=text) for text in "abc"])
        export(log, ["s"], "jsonl", tmp_path / "s.jsonl")
        lines = (tmp_path / "s.jsonl").read_bytes().splitlines(keepends=True)
        (tmp_path / "s.jsonl").write_bytes(b"".join(lines[:-1]))
        report = import_paths(other, "jsonl", [tmp_path / "s.jsonl"])
        assert said(report) == [(3, "the file ends within the append that begins with event 2; it is left out")]
        assert (other.session("s").last_seq, report.records) == (1, 2)


def test_seqs_that_are_not_in_the_file_stay_taken(file: Path) -> None:
    lines = file.read_text().splitlines()
    del lines[2]
    file.write_text("\n".join(lines[:4]))
    with EventLog.memory() as log:
        report = import_paths(log, "jsonl", [file])
        assert (report.events_added, said(report)) == (3, [])
        assert [(stored.seq, stored.type) for stored in log.session("s").read()] == [
            (1, "session.started"),
            (2, "session.compacted"),
            (3, "message.added"),
            (4, "message.added"),
        ]
        assert (import_paths(log, "jsonl", [file]).events_added, log.session("s").last_seq) == (0, 4)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            '{"type":"user","name":{}}\n',
            [
                (
                    None,
                    "not a jsonl file: its first line is no header of an exported session; `eventlog export --to jsonl` writes such files",
                )
            ],
        ),
        ("\n\n", []),
        (
            '{"type":"session.exported","session_id":"s","format":9,"last_seq":4}\n{"seq":1}\n',
            [(None, "session 's' is in format 9, this version reads up to 1; upgrade")],
        ),
        (
            '{"type":"session.exported","session_id":"../s","format":1,"last_seq":4}\n',
            [(1, "invalid session id '../s': a session id matches [A-Za-z0-9][A-Za-z0-9._-]{0,127}")],
        ),
    ],
)
def test_a_file_of_another_kind_makes_no_session(text: str, problem: list[tuple[int | None, str]], tmp_path: Path) -> None:
    (tmp_path / "x.jsonl").write_text(text)
    with EventLog.memory() as log:
        assert said(import_paths(log, "jsonl", [tmp_path])) == problem
        assert list(log.session_ids()) == []


def test_a_followed_file_is_taken_when_nothing_more_is_expected(file: Path) -> None:
    from eventlog.importers.follow import Follower

    with EventLog.memory() as log:
        follower = Follower(log, "jsonl", [file.parent])
        assert list(follower.look()) == []
        assert list(log.session_ids()) == []
        assert [getattr(change, "events", None) for change in follower.finish()] == [4, 4]
        assert open_importer(log, "jsonl").description_of(file) is None


def test_a_line_longer_than_an_event_may_be_is_refused(tmp_path: Path, file: Path) -> None:
    from eventlog import Settings

    lines = file.read_text().splitlines()
    lines[2] = lines[2].replace("s 0", "x" * 5_000)
    file.write_text("\n".join(lines[:5]) + "\n")
    with EventLog.memory(Settings(max_event_bytes=2_000)) as log:
        [(line, reason)] = said(import_paths(log, "jsonl", [file]))
        assert line == 3
        assert "the rest of the session is left out" in reason
        assert log.session("s").last_seq == 1
