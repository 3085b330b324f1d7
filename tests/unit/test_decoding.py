"""Many threads that begin at once: none may end the process."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

# Types of the shape of ours, prepared by four threads at once, again and again: without the lock this ends with a segmentation fault.
_MANY_DECODE_AT_ONCE = """
import sys, threading
from types import ModuleType
from eventlog.decoding import decoder

sys.setswitchinterval(1e-6)
SOURCE = '''
from __future__ import annotations
import msgspec
class Part(msgspec.Struct):
    number: int = 0
    text: str = ""
    share: float | None = None
    rest: list[int] = []
class Whole(msgspec.Struct):
    parts: list[Part] = []
    first: Part | None = None
    named: dict[str, Part] = {}
'''
for number in range(1000):
    module = ModuleType(f"made_{number}")
    sys.modules[module.__name__] = module
    exec(SOURCE, module.__dict__)
    barrier = threading.Barrier(4)
    found = []
    def decode():
        barrier.wait()
        found.append(decoder(module.Whole).decode(b'{"parts":[{"number":1}],"first":{"number":2}}').first.number)
    threads = [threading.Thread(target=decode) for _ in range(4)]
    for thread in threads: thread.start()
    for thread in threads: thread.join()
    assert found == [2, 2, 2, 2]
print("all came back")
"""

_MANY_READ_AT_ONCE = """
import sys, threading
from eventlog import EventLog
from eventlog.events import MessageAdded, Part

sys.setswitchinterval(1e-6)
log = EventLog.open(sys.argv[1], sync="never")
session = log.start(id="s")
session.append(MessageAdded(role="user", content=[Part(type="text", content="hi")]))
barrier = threading.Barrier(8)
found = []
def read():
    barrier.wait()
    found.append([stored.type for stored in session.read()])
threads = [threading.Thread(target=read) for _ in range(8)]
for thread in threads: thread.start()
for thread in threads: thread.join()
assert found == [["session.started", "message.added"]] * 8
log.close()
print("all came back")
"""


def test_threads_that_decode_a_type_for_the_first_time_at_once_all_come_back() -> None:
    assert _output_of(_MANY_DECODE_AT_ONCE) == "all came back\n"


def test_threads_whose_first_read_is_at_once_all_come_back(tmp_path: Path) -> None:
    for number in range(5):
        assert _output_of(_MANY_READ_AT_ONCE, str(tmp_path / str(number))) == "all came back\n"


def _output_of(program: str, *arguments: str) -> str:
    done = subprocess.run([sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout
