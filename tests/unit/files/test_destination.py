"""What writing to a path means that a person named."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from eventlog.errors import InvalidInput
from eventlog.files.destination import Destination, destination_of


def test_a_regular_file_or_nothing_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x")
    for name in ("file", "new", "no/such/folder/new"):
        assert destination_of(tmp_path / name) == Destination(tmp_path / name, is_replaced=True)
    assert destination_of(str(tmp_path / "new")).path == tmp_path / "new"


def test_links_are_followed_to_what_they_lead_to_also_where_nothing_is(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x")
    (tmp_path / "link").symlink_to("file")
    (tmp_path / "again").symlink_to(tmp_path / "link")
    (tmp_path / "dangling").symlink_to("new")
    assert destination_of(tmp_path / "again") == (tmp_path / "file", True)
    assert destination_of(tmp_path / "dangling") == (tmp_path / "new", True)
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(OSError, match="symbolic links"):
        destination_of(tmp_path / "loop")


def test_what_is_no_regular_file_is_written_to(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "link").symlink_to("fifo")
    with socket.socket(socket.AF_UNIX) as server:
        folder = os.open(tmp_path, os.O_RDONLY)
        server.bind(f"/proc/self/fd/{folder}/socket" if os.path.isdir("/proc/self/fd") else str(tmp_path / "socket"))
        os.close(folder)
    for name in ("fifo", "link", "socket"):
        assert destination_of(tmp_path / name) == (tmp_path / name, False)
    assert destination_of("/dev/null") == (Path("/dev/null"), False)


def test_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(IsADirectoryError):
        destination_of(tmp_path)


def test_a_disk_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    disks = [f"/dev/{name}" for name in os.listdir("/dev") if (os.stat(f"/dev/{name}").st_mode & 0o170000) == 0o060000]
    if not disks:
        pytest.skip("there is no disk in /dev")
    with pytest.raises(InvalidInput, match="is a disk"):
        destination_of(disks[0])


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="there is no /proc")
def test_a_file_that_is_open_already_is_written_to_by_its_number(tmp_path: Path) -> None:
    with open(tmp_path / "file", "wb") as file:
        for name in (f"/proc/self/fd/{file.fileno()}", f"/dev/fd/{file.fileno()}"):
            assert destination_of(name) == (Path(name), False)
