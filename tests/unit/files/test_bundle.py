"""A bundle holds sessions to the byte, and whoever takes it believes nothing."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from eventlog import EventLog, Settings, errors
from eventlog.events import MessageAdded, MessageDelta
from eventlog.importers import ImportReport, import_paths
from eventlog.session import Session

SETTINGS = Settings(segment_size_bytes=1_000, frame_size_bytes=500, compress_after="0", sync="never")


def open_log(folder: Path) -> EventLog:
    return EventLog.open(folder, settings=SETTINGS)


def fill(session: Session, count: int, text: str = "x" * 60) -> None:
    for number in range(count):
        session.append(MessageAdded(role="user", content=f"{number} {text}"))


def raws(log: EventLog, session_id: str) -> list[bytes]:
    return [stored.raw for stored in log.session(session_id).read()]


def take(log: EventLog, path: Path) -> ImportReport:
    return import_paths(log, "bundle", [path])


@pytest.fixture
def log(tmp_path: Path) -> EventLog:
    """Session a in a joined file with a hole, sealed and active segments; session b is small."""
    log = open_log(tmp_path / "store")
    session = log.session("a", create=True)
    fill(session, 11)
    session.append(MessageDelta(message_id="m", content="x"), MessageAdded(role="assistant", content="x", message_id="m"))
    with EventLog.open(tmp_path / "store", settings=SETTINGS.replace(segment_size_bytes=100_000)) as compacting:
        compacting.compact(idle_s=0, drop_deltas=True)
    fill(session, 8)
    fill(log.session("b", create=True), 1)
    return log


@pytest.fixture
def path(log: EventLog, tmp_path: Path) -> Path:
    log.bundle(["a", "b"], tmp_path / "two.bundle")
    return tmp_path / "two.bundle"


def test_sessions_arrive_to_the_byte_under_their_ids(log: EventLog, path: Path, tmp_path: Path) -> None:
    with open_log(tmp_path / "other") as other:
        report = take(other, path)
        assert (report.files, report.sessions, report.events_added, report.records, report.skipped) == (1, 2, 22, 22, [])
        assert raws(other, "a") == raws(log, "a")
        found = other.verify()
        assert found.ok
        assert [rewrite.reason for rewrite in found.rewrites] == ["deltas of complete messages were left out"]
        assert other.session("a").append(MessageAdded(role="user", content="goes on")) == log.session("a").last_seq + 1
        assert other.verify().ok
    assert not list((tmp_path / "other").rglob("*.tmp"))


def test_taking_it_again_adds_nothing(path: Path, tmp_path: Path) -> None:
    with open_log(tmp_path / "other") as other:
        take(other, path)
        again = take(other, path)
        assert (again.events_added, again.records, again.skipped) == (0, 22, [])


def test_a_session_that_is_there_is_extended_where_the_common_part_is_equal(log: EventLog, path: Path, tmp_path: Path) -> None:
    with open_log(tmp_path / "other") as other:
        take(other, path)
        fill(log.session("b"), 3, "new")
        log.bundle(["b"], path)
        assert take(other, path).events_added == 3
        assert [msgspec.json.decode(raw)["data"] for raw in raws(other, "b")] == [
            msgspec.json.decode(raw)["data"] for raw in raws(log, "b")
        ]


def test_a_session_that_is_there_and_differs_is_refused(path: Path, tmp_path: Path) -> None:
    with open_log(tmp_path / "other") as other:
        fill(other.session("b", create=True), 2, "another")
        report = take(other, path)
        assert report.sessions == 2
        assert [skipped.reason.split(";")[0] for skipped in report.skipped] == ["session 'b' is there, with another event 1"]
        assert len(raws(other, "b")) == 2
        assert len(raws(other, "a")) == 21


def test_an_id_that_differs_only_in_case_is_refused(path: Path, tmp_path: Path) -> None:
    with open_log(tmp_path / "other") as other:
        fill(other.session("B", create=True), 1)
        assert "differs from the existing session 'B'" in take(other, path).skipped[0].reason


def test_only_sessions_that_are_there_are_bundled(log: EventLog, tmp_path: Path) -> None:
    with pytest.raises(errors.SessionNotFound):
        log.bundle(["b", "nobody"], tmp_path / "x.bundle")
    assert not list(tmp_path.glob("x.bundle*"))


def test_the_lines_can_be_had_with_tar_and_grep(path: Path) -> None:
    with tarfile.open(path) as archive:
        names = archive.getnames()
        assert names[0] == "manifest.json"
        assert "sessions/b.jsonl" in names
        member = archive.extractfile("sessions/b.jsonl")
        assert member is not None
        assert member.read().startswith(b'{"type":"segment.opened"')


def rewrite(
    path: Path, change: Callable[[str, bytes], tuple[str, bytes] | None], manifest: Callable[[dict], object] = lambda found: None
) -> None:  # type: ignore[type-arg]
    """The bundle with other files in it, and another manifest."""
    with tarfile.open(path) as archive:
        members = [(member.name, archive.extractfile(member).read()) for member in archive]  # type: ignore[union-attr]
    with tarfile.open(path, "w") as archive:
        for name, data in members:
            if name == "manifest.json":
                found = msgspec.json.decode(data)
                manifest(found)
                data = msgspec.json.encode(found)
            changed = change(name, data)
            if changed is not None:
                entry = tarfile.TarInfo(changed[0])
                entry.size = len(changed[1])
                archive.addfile(entry, io.BytesIO(changed[1]))


def flip(name: str, data: bytes) -> tuple[str, bytes]:
    return (name, data[:300] + bytes([data[300] ^ 1]) + data[301:]) if name.endswith("a+000000000001.jsonl.zst") else (name, data)


def set_file(name: str, value: object) -> Callable[[dict], object]:  # type: ignore[type-arg]
    return lambda found: found["sessions"][1]["files"][0].update({name: value})


@pytest.mark.parametrize(
    ("change", "manifest", "says"),
    [
        (flip, lambda found: None, "a+000000000001.jsonl.zst is not what the manifest says"),
        (lambda name, data: None if name.endswith("b.jsonl") else (name, data), lambda found: None, "b.jsonl is not in it"),
        (lambda name, data: (name, data), set_file("name", "../../etc/b.jsonl"), "is no segment of session 'b'"),
        (lambda name, data: (name, data), set_file("name", "a+000000000009.jsonl"), "is no segment of session 'b'"),
        (lambda name, data: (name, data), set_file("size", 1), "is not what the manifest says"),
        (lambda name, data: (name, data), lambda found: found["sessions"][1].update(session_id="../b"), "its manifest cannot be read"),
        (lambda name, data: (name, data), lambda found: found["sessions"].append(found["sessions"][0]), "names something twice"),
        (lambda name, data: (name, data), lambda found: found.pop("sessions"), "its manifest cannot be read"),
        (lambda name, data: None if name == "manifest.json" else (name, data), lambda found: None, "not a bundle"),
    ],
)
def test_a_bundle_that_is_not_whole_is_refused_and_nothing_of_it_taken(
    path: Path,
    tmp_path: Path,
    change: Callable[[str, bytes], tuple[str, bytes] | None],
    manifest: Callable[[dict], object],
    says: str,  # type: ignore[type-arg]
) -> None:
    rewrite(path, change, manifest)
    with open_log(tmp_path / "other") as other:
        report = take(other, path)
        assert [says in skipped.reason for skipped in report.skipped] == [True], report.skipped
        assert list(other.session_ids()) == []
    assert not list((tmp_path / "other" / "sessions").rglob("*.*"))


def test_lines_that_do_not_prove_themselves_are_refused_also_where_the_manifest_agrees(path: Path, tmp_path: Path) -> None:
    from hashlib import sha256

    forged: dict[str, bytes] = {}

    def change(name: str, data: bytes) -> tuple[str, bytes]:
        return name, forged.get(name, data)

    with tarfile.open(path) as archive:
        data = archive.extractfile("sessions/b.jsonl").read()  # type: ignore[union-attr]
    forged["sessions/b.jsonl"] = data.replace(b"xxx", b"yyy")
    digest = sha256(forged["sessions/b.jsonl"]).hexdigest()
    rewrite(path, change, set_file("sha256", digest))
    with open_log(tmp_path / "other") as other:
        assert "b.jsonl is damaged" in take(other, path).skipped[0].reason
        assert list(other.session_ids()) == []


@pytest.mark.parametrize("data", [b"", b"no tar", b"\0" * 10240])
def test_a_file_that_is_no_bundle_is_refused(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "x.bundle").write_bytes(data)
    with open_log(tmp_path / "other") as other:
        assert len(take(other, tmp_path / "x.bundle").skipped) == 1


def test_a_purged_session_arrives_as_it_is(log: EventLog, path: Path, tmp_path: Path) -> None:
    log.purge("a", now=True)
    log.bundle(["a"], path)
    with open_log(tmp_path / "other") as other:
        assert take(other, path).events_added == 1
        assert raws(other, "a") == raws(log, "a")
        assert other.verify().ok
        with pytest.raises(errors.SessionDeleted):
            other.session("a").append(MessageAdded(role="user", content="x"))
