"""The life of a store's files after their events are written: fewer, whole again, without some of their content, gone, copied.

`Upkeep` is the way in, and what `eventlog.backend.Capabilities` a store on disk has. Each job is loaded when it is asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

from ...backend import Bundle, Redaction
from ...errors import SessionDeleted, SessionLocked, SessionNotFound
from ...reports import BackupReport, CompactionReport, Manifest, Progress, PurgeReport, RedactionReport, RepairReport

if TYPE_CHECKING:
    from ..backend import FilesBackend


class Upkeep:
    """Seals, rewrites, erases and copies what is in a store's files. See the methods of `EventLog`."""

    def __init__(self, backend: FilesBackend) -> None:
        self._backend = backend

    def compact(
        self, session_ids: Iterable[str] | None, *, drop_deltas: bool, drop_retracted: bool, idle_s: float | None, dry_run: bool
    ) -> CompactionReport:
        from .compaction import compact

        return compact(self._backend, session_ids, drop_deltas=drop_deltas, drop_retracted=drop_retracted, idle_s=idle_s, dry_run=dry_run)

    def seal(self, session_ids: Iterable[str]) -> None:
        for session_id in session_ids:
            try:
                with self._backend.holding(session_id) as stream:
                    stream.seal()
            except (SessionDeleted, SessionLocked, SessionNotFound):
                pass  # somebody else is at it

    def redact(self, session_id: str, redaction: Redaction, *, reason: str | None, dry_run: bool) -> RedactionReport:
        from .erasing import redact

        return redact(self._backend, session_id, redaction, reason=reason, dry_run=dry_run)

    def repair(self, session_ids: Iterable[str] | None, *, apply: bool, progress: Progress | None) -> RepairReport:
        from .repair import repair

        return repair(self._backend, session_ids, apply=apply, progress=progress)

    def purge(self, session_id: str, *, reason: str | None) -> PurgeReport:
        from .erasing import purge

        return purge(self._backend, session_id, reason=reason)

    def backup(self, folder: Path) -> BackupReport:
        from .backup import backup

        return backup(self._backend, folder)

    def bundle(self, session_ids: Iterable[str], path: Path | Callable[[bytes], object]) -> Manifest:
        from .bundle import write

        return write(self._backend, session_ids, path)

    def open_bundle(self, path: Path) -> AbstractContextManager[Bundle]:
        from .bundle import opened

        return opened(self._backend, path)
