"""The command line: ``eventlog COMMAND``.

How a command is made:

* One module per command (or per pair that belongs together): the write side's here, the read side's in ``projections/cli``.
  It has a row in the table in ``commands.py``, and is imported only when its command is run.
* A command gets a `Context` (``context.py``) first. ``--store`` and ``--json`` are on every command, before or after its name.
* It raises, it never prints an error and never calls ``sys.exit``: `EventLogError` and `OSError` become one line on stderr with the
  next step (``failures.py``). Wrong use is ``click.UsageError`` (exit 2), an answer that is bad news is ``Refused(message)``, or
  ``context.bad_news()`` where the output itself says it (exit 1).
* ``context.json`` decides: ``context.emit(value)`` writes one JSON document; ``context.say``, ``context.table`` and ``context.fields``
  write for a person (rich on a terminal, plain text into a pipe).

A whole command::

    @command("list")
    @click.option("--limit", type=click.IntRange(1, 10_000), default=50, help="At most this many.")
    def list_sessions(context: Context, limit: int) -> None:
        \"\"\"List sessions, newest first.\"\"\"
        with context.open_log() as log:  # read-only: never makes a store; open_log(write=True[, create=True]) for the others
            ids = list(itertools.islice(log.session_ids(), limit))
        if context.json:
            context.emit({"items": ids, "total": len(ids), "next": None})
        else:
            context.table(["session"], [[id] for id in ids])
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code: 0 done, 1 bad news, 2 wrong use, 130 interrupted."""
    given = sys.argv[1:] if arguments is None else arguments
    if given[:1] == ["hook"]:  # a tool waits: answered before anything is loaded
        from ..spool import answer

        code = answer(given[1:])
        if code is not None:
            return code
    from .program import run

    return run(arguments)
