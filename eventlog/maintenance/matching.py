"""What a pattern does, in a process of its own, which the operating system ends when a pattern takes too long.

Python's regular expressions try every way to match, and for patterns like ``(a+)+$`` there are more ways than anybody can wait for.
Nothing inside a process can interrupt such a match from any thread; outside of it, a limit on its processor time does. So `Limited` asks
``python -m eventlog.maintenance.matching``, chunk by chunk, what `Pattern` would do with it.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, BinaryIO, Final

import msgspec

from ..backend import Backend, rewriting
from ..errors import EventLogError, PatternTooSlow
from ..line import TAIL_SIZE, seq_of
from ..reports import RedactionReport
from .redaction import REASON, Pattern, Seqs

if TYPE_CHECKING:
    from ..log import EventLog

LIMIT_S: Final = 10.0  # of processor time, for each chunk: a sixteenth of a MiB and more of lines, or one larger line
_MORE_TIME: Final = 10
_SIZE: Final = 8  # the bytes before every request and answer that say how long it is


def redact(
    log: EventLog,
    backend: Backend,
    session_id: str,
    seqs: Collection[int] | None,
    pattern: str | re.Pattern[str] | None,
    reason: str | None,
    *,
    dry_run: bool,
) -> RedactionReport:
    """See `EventLog.redact`."""
    if (seqs is None) == (pattern is None):
        raise ValueError("redact takes seqs or a pattern")
    rewriter = rewriting(backend, "redact")
    log.session(session_id).close()
    if pattern is None:
        return rewriter.redact(session_id, Seqs(seqs or ()), reason=reason, dry_run=dry_run)
    with limited(pattern) as redaction:
        return rewriter.redact(session_id, redaction, reason=reason, dry_run=dry_run)


@contextmanager
def limited(pattern: str | re.Pattern[str], limit_s: float = LIMIT_S) -> Iterator[Pattern | Limited]:
    """The pattern, with a limit on the time that each chunk takes. In a program that is no Python which could be started again, without.

    Raises `InvalidInput` for a pattern that is none; what is asked of it then raises `PatternTooSlow`."""
    here = Pattern(pattern)
    if not sys.executable:
        yield here
        return
    command = [sys.executable, "-P", "-m", __name__]
    same_modules = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=same_modules, start_new_session=True
    ) as process:
        try:
            yield Limited(here, process, limit_s)
        finally:
            process.kill()
            try:
                assert process.stdin is not None
                process.stdin.close()
            except BrokenPipeError:
                pass  # a question that it did not take any more


class Limited:
    """`Pattern`, asked from afar: a change of lines (see `rewriting`). What a chunk becomes is worked out once, by `touches`."""

    what = Pattern.what
    reason = REASON

    def __init__(self, here: Pattern, process: subprocess.Popen[bytes], limit_s: float) -> None:
        self._text = here.pattern.pattern
        self._limit_s = limit_s
        self._process = process
        self._changed: dict[int, bytes] = {}
        self._ask("begin", [self._text, here.pattern.flags, sorted(here.names), limit_s])

    def observe(self, chunk: bytes) -> None:
        self._ask("observe", chunk)

    def found_across(self) -> list[int]:
        return list(self._ask("found_across", None))

    def without(self, found: Collection[int]) -> list[int]:
        return []

    def found_in(self, text: str) -> bool:
        return bool(self._ask("found_in", text))

    def found_in_bytes(self, data: bytes) -> bool:
        return bool(self._ask("found_in_bytes", data))

    def touches(self, chunk: bytes) -> bool:
        self._changed = dict(self._ask("changed", chunk))
        return bool(self._changed)

    def matches(self, line: bytes) -> bool:
        """Whether the line, which is of the last chunk, is changed."""
        return seq_of(line) in self._changed

    def apply(self, line: bytes) -> bytes:
        return self._changed.get(seq_of(line), line[:-TAIL_SIZE])

    def _ask(self, what: str, of: Any) -> Any:
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        try:
            _send(stdin, [what, of])
            answer = _receive(stdout)
        except BrokenPipeError:
            answer = None
        if answer is None:
            if self._process.wait() == -signal.SIGPROF:
                raise PatternTooSlow(self._text, self._limit_s)
            raise EventLogError(f"the process that looks for the pattern ended with {self._process.returncode}; try again")
        return answer[0]


def _send(file: Any, document: Any) -> None:
    data = msgspec.msgpack.encode(document)
    file.write(len(data).to_bytes(_SIZE, "big") + data)
    file.flush()


def _receive(file: Any) -> Any:
    """The next document, None at the end."""
    size = file.read(_SIZE)
    data = file.read(int.from_bytes(size, "big")) if len(size) == _SIZE else b""
    return msgspec.msgpack.decode(data) if data else None


# --- the other process ---------------------------------------------------------------------------------------------------------


def serve(requests: BinaryIO, answers: BinaryIO) -> None:
    """Answer until there are no more requests. One that takes longer than the limit ends the process, as an unhandled SIGPROF does.

    Lines that were got through once have more time when they come again, to be changed: what was begun is finished."""
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGPROF])
    _, (text, flags, names, limit_s) = _receive(requests)
    pattern = Pattern(re.compile(text, flags), frozenset(names))
    _send(answers, [None])
    reached = 0
    while (request := _receive(requests)) is not None:
        what, of = request
        comes_again = what == "changed" and seq_of(of) <= reached
        signal.setitimer(signal.ITIMER_PROF, limit_s * (_MORE_TIME if comes_again else 1))
        answer: Any = None
        match what:
            case "observe":
                pattern.observe(of)
            case "found_across":
                answer = pattern.found_across()
            case "found_in":
                answer = pattern.found_in(of)
            case "found_in_bytes":
                answer = pattern.found_in_bytes(of)
            case "changed":
                answer = _changed(pattern, of)
                reached = max(reached, seq_of(of, of.rfind(b"\n", 0, -1) + 1))
        signal.setitimer(signal.ITIMER_PROF, 0)
        _send(answers, [answer])


def _changed(pattern: Pattern, chunk: bytes) -> list[tuple[int, bytes]]:
    """The lines of a chunk that are not what they were: seq, and what `Pattern.apply` makes of them."""
    lines = [line + b"\n" for line in chunk.split(b"\n")[:-1]]
    applied = ((line, pattern.apply(line)) for line in lines)
    return [(seq_of(line), changed) for line, changed in applied if changed != line[:-TAIL_SIZE]]


if __name__ == "__main__":
    serve(sys.stdin.buffer, sys.stdout.buffer)
