"""What an export writes is whole, its owner's alone, and takes no place but a file's."""

from __future__ import annotations

import os
import stat
import threading
from pathlib import Path

import pytest

from projections.exporters.output import whole_file


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077, 0o777])
def test_files_are_readable_for_their_owner_only(tmp_path: Path, umask: int) -> None:
    (tmp_path / "there").write_bytes(b"as it was")
    (tmp_path / "there").chmod(0o644)
    former = os.umask(umask)
    try:
        for name in ("new", "there"):
            with whole_file(tmp_path / name) as file:
                file.write(b"whole")
    finally:
        os.umask(former)
    for name in ("new", "there"):
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600
        assert (tmp_path / name).read_bytes() == b"whole"


def test_the_target_of_a_link_is_replaced_and_the_link_stays(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "file").write_bytes(b"as it was")
    (tmp_path / "link").symlink_to("elsewhere/file")
    (tmp_path / "dangling").symlink_to("elsewhere/new")
    for name in ("link", "dangling"):
        with whole_file(tmp_path / name) as file:
            file.write(name.encode())
        assert (tmp_path / name).is_symlink()
    assert {path.name: path.read_bytes() for path in (tmp_path / "elsewhere").iterdir()} == {"file": b"link", "new": b"dangling"}


def test_a_fifo_gets_the_bytes_and_stays(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    got: list[bytes] = []
    reader = threading.Thread(target=lambda: got.append(fifo.read_bytes()))
    reader.start()
    with whole_file(fifo) as file:
        file.write(b"x" * 100_000)
    reader.join()
    assert got == [b"x" * 100_000]
    assert stat.S_ISFIFO(fifo.stat().st_mode)
    assert list(tmp_path.iterdir()) == [fifo]


def test_a_device_stays_a_device() -> None:
    ours, theirs = os.openpty()  # a terminal of this test's own: no device of the machine is touched, whatever goes wrong
    try:
        with whole_file(Path(os.ttyname(theirs))) as file:
            file.write(b"x\n")
        assert os.read(ours, 16) == b"x\r\n"
        assert stat.S_ISCHR(os.stat(os.ttyname(theirs)).st_mode)
    finally:
        os.close(ours)
        os.close(theirs)


def test_a_folder_is_not_replaced(tmp_path: Path) -> None:
    with pytest.raises(IsADirectoryError), whole_file(tmp_path):
        pass
