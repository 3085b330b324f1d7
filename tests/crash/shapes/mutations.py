"""What happens to the files of a store behind its back: by a backup tool, a sync client, an editor, a person, an attacker.

A mutation takes a `Shape` and says in words what it did, or None where there was nothing to do it to. Names are learnt from the files that
are there, never assumed.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
from collections.abc import Callable
from pathlib import Path
from random import Random

from eventlog.ids import shard

from .store import SESSIONS, Template

_FORM = re.compile(r"([.+]\d+)?\.jsonl(\.zst)?")
_AREAS = ("sessions", "sessions", "sessions", "sessions", "changes", "quarantine", "projections", "")
_SIZES = (1, 511, 4_096, 70_000, 3_000_000)

Mutation = Callable[["Shape"], str | None]
MUTATIONS: dict[str, tuple[Mutation, int]] = {}  # with its weight


class Shape:
    """The store to be changed, and what lies around it. ``outside`` must never be written to by the store's programs."""

    def __init__(self, folder: Path, template: Template) -> None:
        self.folder = folder
        self.store = folder / "store"
        self.outside = folder / "outside"
        self.template = template
        self.random = Random(0)
        self.moves = 0

    def entries(self, area: str) -> tuple[list[Path], list[Path]]:
        """(what is no folder, folders) below a part of the store, or right in it."""
        if not area:
            found = sorted((self.store / name for name in os.listdir(self.store)) if self.store.is_dir() else (), key=_without_chance)
            return [path for path in found if path.is_symlink() or not path.is_dir()], [path for path in found if _is_folder(path)]
        files, folders = [], []
        for root, below, names in os.walk(self.store / area):
            files += [Path(root, name) for name in names] + [Path(root, name) for name in below if os.path.islink(os.path.join(root, name))]
            folders += [Path(root, name) for name in below if not os.path.islink(os.path.join(root, name))]
        return sorted(files, key=_without_chance), sorted(folders, key=_without_chance)

    def a_file(self) -> Path | None:
        for area in (self.random.choice(_AREAS), "sessions", ""):
            files, _ = self.entries(area)
            files = [path for path in files if path.is_file() and not path.is_symlink()]
            if files:
                return self.random.choice(files)
        return None

    def two_files(self) -> tuple[Path, Path] | None:
        files = [path for path in self.entries("sessions")[0] if path.is_file() and not path.is_symlink()]
        if self.random.random() < 0.15:
            files = [path for area in ("changes", "projections", "quarantine", "") for path in self.entries(area)[0] if path.is_file()]
        return tuple(self.random.sample(files, 2)) if len(files) > 1 else None  # type: ignore[return-value]

    def a_folder(self) -> Path | None:
        used = [path for path in self.entries("sessions")[1] if os.listdir(path)]
        tops = self.entries("")[1]
        files = used if used and self.random.random() < 0.6 else tops
        return self.random.choice(files) if files else None

    def another_name(self, path: Path) -> Path:
        """A name that is not there yet: of another session, another first seq, in another shard, or one that means nothing."""
        for _ in range(20):
            found = self._a_name(path)
            if not os.path.lexists(found) and found.parent.is_dir():
                return found
        return path.with_name(path.name + ".x")

    def _a_name(self, path: Path) -> Path:
        random = self.random
        if random.random() < 0.12:
            junk = ("~", ".tmp", ".1.tmp", "\udcff", "\n", ".jsonl", "-" * 200)
            return path.with_name((path.name + random.choice(junk))[:250])
        area = path.relative_to(self.store).parts[0]
        if area != "sessions":
            other = random.choice([each.name for each in self.entries(area)[0]] or [path.name]) if area != path.name else path.name
            return path.with_name(_with_other_digits(random.choice((path.name, other)), random))
        session_id = random.choice((*SESSIONS, "fork", "other"))
        form = _with_other_digits(random.choice(self._forms()), random)
        if random.random() < 0.2:
            form = form.removesuffix(".zst") if form.endswith(".zst") else form + ".zst"
        place = random.random()
        if place < 0.75:
            return self.store / "sessions" / shard(session_id) / f"{session_id}{form}"
        folders = self.entries("sessions")[1]
        return (path.parent if place < 0.9 or not folders else random.choice(folders)) / f"{session_id}{form}"

    def _forms(self) -> list[str]:
        """How the names of segments go on after the session's id."""
        found = {".jsonl"}
        for path in self.entries("sessions")[0]:
            for session_id in sorted((*SESSIONS, "fork"), key=len, reverse=True):
                if path.name.startswith(session_id) and _FORM.fullmatch(path.name[len(session_id) :]):
                    found.add(path.name[len(session_id) :])
                    break
        return sorted(found)

    def a_place_to_move_to(self) -> Path:
        """Out of the store. What was a part of it may still be written to by who has it open."""
        self.moves += 1
        (self.folder / "moved").mkdir(exist_ok=True)
        return self.folder / "moved" / str(self.moves)

    def show(self, path: Path) -> str:
        return ascii(os.path.relpath(path, self.folder))[1:-1]


def _without_chance(path: Path) -> tuple[str, int]:
    """An order in which ids that are made anew each time do not matter."""
    return re.sub(r"[0-9a-f]{8,}", "", str(path)), os.lstat(path).st_size


def _is_folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()


def _with_other_digits(text: str, random: Random) -> str:
    def other(found: re.Match[str]) -> str:
        number = random.choice((int(found[0]), int(found[0]) + 1, max(1, int(found[0]) - 1), random.randrange(1, 40), 1, 999))
        return str(number).zfill(len(found[0])) if found[0].startswith("0") else str(number)

    return re.sub(r"(?<=[.+])\d+", other, text)


def mutation(weight: int) -> Callable[[Mutation], Mutation]:
    def register(function: Mutation) -> Mutation:
        MUTATIONS[function.__name__.replace("_", " ")] = function, weight
        return function

    return register


def _put(path: Path, content: bytes, *, in_place: bool) -> None:
    """Write a file over another one, or beside it and then in its place, as sed -i, rsync and a restore do. Never over the file that SQLite
    keeps mapped into memory: the operating system ends a process whose mapped file becomes shorter, whatever it is written in."""
    if in_place and not path.name.endswith("-shm"):
        path.write_bytes(content)
        return
    beside = path.with_name(".beside")
    beside.write_bytes(content)
    os.replace(beside, path)


def _clear(path: Path) -> None:
    if _is_folder(path):
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


# --- files --------------------------------------------------------------------------------------------------------------------


@mutation(6)
def copied(shape: Shape) -> str | None:
    path = shape.a_file()
    if path is None:
        return None
    target = shape.another_name(path)
    shutil.copyfile(path, target)
    return f"{shape.show(path)} copied to {shape.show(target)}"


@mutation(5)
def renamed(shape: Shape) -> str | None:
    path = shape.a_file()
    if path is None:
        return None
    target = shape.another_name(path)
    os.rename(path, target)
    return f"{shape.show(path)} renamed to {shape.show(target)}"


@mutation(3)
def names_exchanged(shape: Shape) -> str | None:
    pair = shape.two_files()
    if pair is None:
        return None
    beside = pair[0].with_name(".beside")
    os.rename(pair[0], beside)
    os.rename(pair[1], pair[0])
    os.rename(beside, pair[1])
    return f"{shape.show(pair[0])} and {shape.show(pair[1])} exchanged (renamed)"


@mutation(3)
def contents_exchanged(shape: Shape) -> str | None:
    pair = shape.two_files()
    if pair is None:
        return None
    first, second = pair[0].read_bytes(), pair[1].read_bytes()
    _put(pair[0], second, in_place=True)
    _put(pair[1], first, in_place=True)
    return f"{shape.show(pair[0])} and {shape.show(pair[1])} exchanged (written over)"


@mutation(4)
def put_over_another(shape: Shape) -> str | None:
    pair = shape.two_files()
    if pair is None:
        return None
    in_place = shape.random.random() < 0.5
    _put(pair[1], pair[0].read_bytes(), in_place=in_place)
    return f"{shape.show(pair[0])} copied over {shape.show(pair[1])}{' in place' if in_place else ''}"


@mutation(3)
def hard_linked(shape: Shape) -> str | None:
    path = shape.a_file()
    if path is None:
        return None
    target = shape.another_name(path)
    os.link(path, target)
    return f"{shape.show(path)} hard-linked as {shape.show(target)}"


@mutation(4)
def replaced_by_its_copy(shape: Shape) -> str | None:
    path = shape.a_file()
    if path is None:
        return None
    linked = shape.random.random() < 0.5  # so that nobody can tell by the number of its links
    if linked:
        os.link(path, shape.folder / "out" / f"second-link-{shape.random.randrange(10**9)}")
    _put(path, path.read_bytes(), in_place=False)
    return f"{shape.show(path)}{', which has a second link,' if linked else ''} replaced by its copy"


@mutation(5)
def removed(shape: Shape) -> str | None:
    path = shape.a_file()
    if path is None:
        return None
    path.unlink()
    return f"{shape.show(path)} removed"


@mutation(5)
def older_copy(shape: Shape) -> str | None:
    names = [name for name in shape.template.older if (shape.store / name).parent.is_dir()]
    there = [name for name in names if (shape.store / name).is_file()]
    names = there if there and shape.random.random() < 0.7 else names
    if not names:
        return None
    name = shape.random.choice(sorted(names))
    path = shape.store / name
    in_place = shape.random.random() < 0.4 and path.is_file()
    if not in_place and os.path.lexists(path):
        _clear(path)
    _put(path, shape.template.older[name], in_place=in_place)
    return f"{shape.show(path)} is an older copy{', written over it' if in_place else ''}"


@mutation(3)
def grown(shape: Shape) -> str | None:
    path = shape.a_file()
    if path is None:
        return None
    size = shape.random.choice(_SIZES)
    os.truncate(path, path.stat().st_size + size)
    return f"{shape.show(path)} has {size:,} more bytes, sparse"


@mutation(3)
def emptied(shape: Shape) -> str | None:
    path = shape.a_file()
    if path is None:
        return None
    _put(path, b"", in_place=shape.random.random() < 0.5)
    return f"{shape.show(path)} is empty"


# --- what is no file ----------------------------------------------------------------------------------------------------------


def _make_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        folder = os.open(path.parent, os.O_PATH)  # the name of a socket may not be long
        try:
            made.bind(f"/proc/self/fd/{folder}/s" if os.path.isdir("/proc/self/fd") else str(path))
        finally:
            os.close(folder)
    if not os.path.lexists(path):
        os.rename(path.with_name("s"), path)


def _make_folder(path: Path) -> None:
    path.mkdir()


def _make_full_folder(path: Path) -> None:
    path.mkdir()
    (path / path.name[:100]).write_bytes(b"x\n")


_MAKERS: dict[str, Callable[[Path], None]] = {
    "a FIFO": lambda path: os.mkfifo(path),
    "a folder": _make_folder,
    "a folder with a file": _make_full_folder,
    "a socket": _make_socket,
}


@mutation(7)
def no_file_in_its_place(shape: Shape) -> str | None:
    path = shape.a_file()
    if path is None:
        return None
    kind = shape.random.choice(sorted(_MAKERS))
    path.unlink()
    _MAKERS[kind](path)
    return f"{shape.show(path)} is {kind}"


@mutation(7)
def no_file_of_a_new_name(shape: Shape) -> str | None:
    path = shape.a_file()
    if path is None:
        return None
    kind = shape.random.choice(sorted(_MAKERS))
    target = shape.another_name(path)
    _MAKERS[kind](target)
    return f"there is {kind}, {shape.show(target)}"


def _link_target(shape: Shape, path: Path) -> tuple[str, str]:
    """Where a link at ``path`` is to lead."""
    outside = shape.outside
    other = shape.a_file() or path
    choices = {
        "nowhere": str(outside / "nowhere"),
        "nowhere in its folder": "nowhere",
        "a file outside": str(outside / "precious.txt"),
        "a segment outside": str(outside / shape.random.choice(sorted(name for name in os.listdir(outside) if name.startswith("copy-")))),
        "a folder outside": str(outside / "folder"),
        "itself": path.name,
        "another file of the store": str(other),
        "/dev/null/x": "/dev/null/x",
    }
    kind = shape.random.choice(sorted(choices))
    return choices[kind], kind


@mutation(7)
def symlink_in_its_place(shape: Shape) -> str | None:
    path = shape.a_file()
    if path is None:
        return None
    target, kind = _link_target(shape, path)
    if shape.random.random() < 0.25:
        moved = path.with_name(path.name + ".moved") if shape.random.random() < 0.5 else shape.a_place_to_move_to()
        os.rename(path, moved)
        target, kind = str(moved), f"itself, moved to {shape.show(moved)}"
    else:
        path.unlink()
    os.symlink(target, path)
    return f"{shape.show(path)} is a symlink to {kind}"


@mutation(7)
def symlink_of_a_new_name(shape: Shape) -> str | None:
    path = shape.a_file()
    if path is None:
        return None
    link = shape.another_name(path)
    target, kind = _link_target(shape, link)
    os.symlink(target, link)
    return f"{shape.show(link)} is a new symlink to {kind}"


@mutation(1)
def a_loop_of_symlinks(shape: Shape) -> str | None:
    path = shape.a_file()
    if path is None:
        return None
    first, second = shape.another_name(path), path.with_name(path.name + ".loop")
    os.symlink(second, first)
    os.symlink(first, second)
    return f"{shape.show(first)} and {shape.show(second)} lead to each other"


# --- folders ------------------------------------------------------------------------------------------------------------------


@mutation(3)
def folder_removed(shape: Shape) -> str | None:
    path = shape.a_folder()
    if path is None:
        return None
    shutil.rmtree(path)
    return f"{shape.show(path)} removed"


@mutation(2)
def folder_renamed(shape: Shape) -> str | None:
    path = shape.a_folder()
    if path is None:
        return None
    others = [each for each in (*shape.entries("sessions")[1], *shape.entries("")[1]) if each != path and not each.is_relative_to(path)]
    others = [each for each in others if not path.is_relative_to(each)]
    if others and shape.random.random() < 0.6:
        other = shape.random.choice(others)
        beside = path.with_name("beside")
        os.rename(path, beside)
        os.rename(other, path)
        os.rename(beside, other)
        return f"{shape.show(path)} and {shape.show(other)} exchanged"
    os.rename(path, path.with_name(path.name + ".old"))
    return f"{shape.show(path)} renamed to .old"


@mutation(3)
def no_folder_in_its_place(shape: Shape) -> str | None:
    path = shape.a_folder()
    if path is None:
        return None
    shutil.rmtree(path)
    kind = shape.random.choice(("a FIFO", "a file", "an empty folder", "a socket", "a symlink to nowhere", "a symlink to itself"))
    match kind:
        case "a file":
            path.write_bytes(b"x\n")
        case "an empty folder":
            path.mkdir()
        case "a symlink to nowhere":
            os.symlink(shape.outside / "nowhere", path)
        case "a symlink to itself":
            os.symlink(path.name, path)
        case _:
            _MAKERS[kind](path)
    return f"{shape.show(path)} is {kind}"


@mutation(2)
def folder_moved_and_linked(shape: Shape) -> str | None:
    """As somebody does who has a bigger disk: the store goes on where the link leads, which then is a part of it."""
    path = shape.a_folder()
    if path is None:
        return None
    moved = shape.a_place_to_move_to()
    os.rename(path, moved)
    os.symlink(moved, path)
    return f"{shape.show(path)} is a symlink to where it was moved"


# --- the store ----------------------------------------------------------------------------------------------------------------


@mutation(4)
def store_moved_aside_and_restored(shape: Shape) -> str | None:
    aside = _aside(shape)
    if aside is None:
        return None
    shutil.copytree(aside, shape.store, symlinks=True, ignore=_what_cannot_be_copied)
    return "the store is a copy of itself, the original moved aside"


@mutation(2)
def store_is_older(shape: Shape) -> str | None:
    aside = _aside(shape)
    if aside is None:
        return None
    shape.template._replace(files=shape.template.older).put_down(shape.store)
    return "the store is an older copy of itself, the original moved aside"


@mutation(1)
def store_moved_and_linked(shape: Shape) -> str | None:
    aside = _aside(shape)
    if aside is None:
        return None
    os.symlink(aside, shape.store)
    return "the store is a symlink to where it was moved"


@mutation(1)
def store_removed(shape: Shape) -> str | None:
    if not _is_folder(shape.store):
        return None
    shutil.rmtree(shape.store)
    return "the store removed"


def _aside(shape: Shape) -> Path | None:
    if not _is_folder(shape.store):
        return None
    aside = shape.a_place_to_move_to()
    os.rename(shape.store, aside)
    return aside


def _what_cannot_be_copied(folder: str, names: list[str]) -> list[str]:
    paths = [(name, os.path.join(folder, name)) for name in names]
    return [name for name, path in paths if not (os.path.islink(path) or os.path.isfile(path) or os.path.isdir(path))]
