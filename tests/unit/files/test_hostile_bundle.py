"""A bundle may be anything that somebody has made: it is taken whole, or refused in one line, and nothing is left of it."""

from __future__ import annotations

import hashlib
import io
import os
import resource
import tarfile
from collections.abc import Callable
from pathlib import Path
from random import Random

import msgspec
import pytest

from eventlog import EventLog
from eventlog.errors import InvalidBundle
from eventlog.events import MessageAdded

from ...command_line import eventlog

BLOCK = 512


@pytest.fixture
def good(tmp_path: Path) -> bytes:
    """A bundle of two sessions."""
    with EventLog.open(tmp_path / "from") as log:
        for session_id in ("a", "b"):
            log.session(session_id, create=True).append(MessageAdded(role="user", content=f"of {session_id} {'x' * 200}"))
        log.bundle(["a", "b"], tmp_path / "good")
    return (tmp_path / "good").read_bytes()


def members(data: bytes) -> list[tuple[tarfile.TarInfo, bytes]]:
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        return [(member, archive.extractfile(member).read()) for member in archive]  # type: ignore[union-attr]


def tar(entries: list[tuple[tarfile.TarInfo, bytes]], format: int = tarfile.PAX_FORMAT) -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w", format=format) as archive:
        for member, content in entries:
            archive.addfile(member, io.BytesIO(content))
    return made.getvalue()


def refusal(folder: Path, data: bytes) -> str:
    """What is said of a bundle that is refused; whatever it was, nothing of it is there."""
    path = folder / "x.bundle"
    path.write_bytes(data)
    with EventLog.open(folder / "to") as log:
        with pytest.raises(InvalidBundle) as refused, log.open_bundle(path):
            pass
        assert list(log.session_ids()) == []
    assert [file for file in (folder / "to").rglob("*") if file.is_file() and file.name != "store.json"] == []
    outcome = eventlog("--store", folder / "to", "import", "bundle", path)
    assert outcome.err.count("\n") == 1
    assert "this is a bug" not in outcome.err
    return refused.value.why


Change = Callable[[tarfile.TarInfo], None]


def set_fields(**fields: object) -> Change:
    def change(member: tarfile.TarInfo) -> None:
        for name, value in fields.items():
            setattr(member, name, value)

    return change


@pytest.mark.parametrize("which", [0, 1])
@pytest.mark.parametrize(
    "change",
    [
        set_fields(type=tarfile.SYMTYPE, linkname="/etc/passwd", size=0),
        set_fields(type=tarfile.SYMTYPE, linkname="manifest.json", size=0),
        set_fields(type=tarfile.LNKTYPE, linkname="manifest.json", size=0),
        set_fields(type=tarfile.CHRTYPE, devmajor=1, devminor=5, size=0),
        set_fields(type=tarfile.BLKTYPE, devmajor=8, devminor=0, size=0),
        set_fields(type=tarfile.FIFOTYPE, size=0),
        set_fields(type=tarfile.DIRTYPE, size=0),
        set_fields(type=tarfile.CONTTYPE),
        set_fields(pax_headers={"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.realsize": "9"}),
        set_fields(pax_headers={"GNU.sparse.map": "0,1", "GNU.sparse.size": "4"}),
        set_fields(pax_headers={"size": "9" * 5000}),
        set_fields(pax_headers={"size": "-1"}),
        set_fields(pax_headers={"size": "99999999999999999999"}),
    ],
)
def test_what_is_no_plain_file_in_it_is_refused(tmp_path: Path, good: bytes, change: Change, which: int) -> None:
    entries = members(good)
    member, content = entries[which]
    change(member)
    entries[which] = member, content if member.size else b""
    assert refusal(tmp_path, tar(entries)).count("\n") == 0


@pytest.mark.parametrize("name", ["../a.jsonl", "/etc/x", "sessions/../../x", "sessions/a/../a.jsonl", "sessions/\udcff", "x" * 5000])
def test_names_that_lead_elsewhere_are_never_used(tmp_path: Path, good: bytes, name: str) -> None:
    entries = members(good)
    entries[1][0].name = name
    assert "is not in it" in refusal(tmp_path, tar(entries))
    found = msgspec.json.decode(entries[0][1])
    found["sessions"][0]["files"][0]["name"] = name.encode(errors="replace").decode()
    manifest = msgspec.json.encode(found)
    entries[0][0].size = len(manifest)
    assert "is no segment of session" in refusal(tmp_path, tar([(entries[0][0], manifest), *entries[1:]]))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["from", "good", "to", "x.bundle"]


def test_a_name_that_is_in_it_twice_is_refused(tmp_path: Path, good: bytes) -> None:
    first, second, third = members(good)
    assert "is in it twice" in refusal(tmp_path, tar([first, second, second, third]))


@pytest.mark.parametrize("size", [0, 1, 511, 512, 513, 1_000, 1_600, 2_048])
def test_one_that_is_cut_is_refused(tmp_path: Path, good: bytes, size: int) -> None:
    refusal(tmp_path, good[:size])


def test_a_chain_of_headers_without_an_end_is_refused(tmp_path: Path) -> None:
    header = tarfile.TarInfo("././@LongLink")
    header.type, header.size = tarfile.GNUTYPE_LONGNAME, 1
    refusal(tmp_path, (header.tobuf(tarfile.GNU_FORMAT) + b"x".ljust(BLOCK, b"\0")) * 5_000)


@pytest.mark.parametrize(
    "kind", [tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK, tarfile.SOLARIS_XHDTYPE]
)
def test_a_header_is_not_read_whole_because_it_says_so(tmp_path: Path, kind: bytes) -> None:
    """A header of 6 GiB, of which nothing is on the disk."""
    header = tarfile.TarInfo("x")
    header.type, header.size = kind, 6 << 30
    path = tmp_path / "x.bundle"
    path.write_bytes(header.tobuf(tarfile.GNU_FORMAT))
    os.truncate(path, 7 << 30)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with EventLog.open(tmp_path / "to") as log, pytest.raises(InvalidBundle, match="one of its headers is larger"), log.open_bundle(path):
        pass
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000  # kB


def test_a_header_that_leads_back_to_itself_is_refused(tmp_path: Path, good: bytes) -> None:
    first, *rest = members(good)
    data = bytearray(tar([first, (tarfile.TarInfo("x"), b""), *rest]))
    start = data.index(b"x\0\0\0\0\0\0\0")
    data[start + 124 : start + 136] = b"\xff" * 10 + (-BLOCK & 0xFFFF).to_bytes(2, "big")
    _mend_checksum(data, start)
    assert "the header of 'x' leads back" in refusal(tmp_path, bytes(data))


def test_many_entries_that_nobody_asked_for_are_passed_over(tmp_path: Path, good: bytes) -> None:
    first, *rest = members(good)
    others = [(tarfile.TarInfo(f"x{number}"), b"") for number in range(3_000)]
    path = tmp_path / "x.bundle"
    path.write_bytes(tar([first, *others, *reversed(rest)]))
    with EventLog.open(tmp_path / "to") as log, log.open_bundle(path) as found:
        assert [found.install(session_id) for session_id in found.session_ids] == [True, True]
        assert len(list(log.session("a").read())) == 1


def test_what_is_no_regular_file_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "folder").mkdir()
    with EventLog.open(tmp_path / "to") as log:
        for name in ("fifo", "folder"):
            with pytest.raises((InvalidBundle, IsADirectoryError)), log.open_bundle(tmp_path / name):
                pass


def test_an_error_of_whoever_uses_it_is_not_the_bundles(tmp_path: Path, good: bytes) -> None:
    (tmp_path / "x.bundle").write_bytes(good)
    with EventLog.open(tmp_path / "to") as log, pytest.raises(ValueError, match="mine"), log.open_bundle(tmp_path / "x.bundle"):
        raise ValueError("mine")


def test_whatever_is_changed_in_it_is_refused_or_changes_nothing(tmp_path: Path, good: bytes) -> None:
    """Bytes, blocks and numbers at random, half of the time with a header whose checksum is right again."""
    path = tmp_path / "x.bundle"
    random = Random(1)
    outcomes = {"taken": 0, "refused": 0}
    before = {line: [event.raw for event in EventLog.open(tmp_path / "from").session(line).read()] for line in ("a", "b")}
    with EventLog.open(tmp_path / "to") as log:
        for number in range(1_500):
            data = bytearray(good)
            for _ in range(random.choice((1, 1, 2, 8))):
                place = random.randrange(len(data))
                if random.random() < 0.3:
                    place = place // BLOCK * BLOCK + random.choice((0, 100, 124, 125, 135, 148, 156, 257, 345, 386, 482, 483))
                size = random.choice((1, 1, 12, BLOCK))
                others = (bytes(size), b"\xff" * size, b"7" * size, random.randbytes(size), b"\x80" + b"\xff" * 11, b"")
                data[place : place + size] = random.choice(others)
                if random.random() < 0.5:
                    _mend_checksum(data, place // BLOCK * BLOCK)
            path.write_bytes(data)
            try:
                with log.open_bundle(path) as found:
                    for session_id in found.session_ids:
                        lines = [line for chunk in found.read(session_id) for line in chunk.data.split(b"\n")[:-1]]
                        assert lines == before[session_id]
                outcomes["taken"] += 1
            except InvalidBundle:
                outcomes["refused"] += 1
            except BaseException as error:
                error.add_note(f"change {number}")
                raise
    assert min(outcomes.values()) > 50, outcomes
    assert [file for file in (tmp_path / "to" / "sessions").rglob("*") if file.is_file()] == []
    print(outcomes, hashlib.sha256(good).hexdigest()[:8])


def _mend_checksum(data: bytearray, start: int) -> None:
    header = bytes(data[start : start + BLOCK])
    if len(header) == BLOCK:
        data[start + 148 : start + 156] = b"%06o\0 " % sum(header[:148] + b" " * 8 + header[156:])
