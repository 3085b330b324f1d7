"""What it takes to test a program, or a backend, against a disk that does its worst.

`CrashingDisk` stands in for `eventlog.files.disk.Disk`: it fails any call, kills the process at any call, and shows what a power loss may
leave. `CountingDisk` counts the calls. `BackendConformance` is what every backend owes; subclass it and run it with pytest.

    disk = CrashingDisk(root)
    log = EventLog(FilesBackend.open(settings, disk=disk), settings)
    disk.fail(at=12, errno=errno.ENOSPC)
    ...
    disk.lose_power(another_folder, seed=1, share=0.5)
"""

from __future__ import annotations

from .conformance import BackendConformance
from .counting import CountingDisk
from .crashing import CrashingDisk, Operation
from .faults import Crash
from .medium import Medium

__all__ = ["BackendConformance", "CountingDisk", "Crash", "CrashingDisk", "Medium", "Operation"]
