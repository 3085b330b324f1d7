"""The change token: another one after every append, by whomever, and the same while nothing is written."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from eventlog import EventLog
from eventlog.events import MessageAdded, SessionStarted
from projections import Catalog
from projections.catalog.cost import NO_PRICES

WRITER = """
import sys
from eventlog import EventLog
from eventlog.events import MessageAdded
with EventLog.open(sys.argv[1]) as log:
    session = log.session("s")
    for line in sys.stdin:
        print(session.append(MessageAdded(role="user", content="x")), flush=True)
"""


def test_each_append_of_another_process_that_keeps_its_handle_open_makes_another_one(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with EventLog.open(tmp_path) as log, Catalog.open(log, prices=NO_PRICES) as catalog:
        log.session("s", create=True).append(SessionStarted())
        tokens, cursors = [catalog.token], []
        with subprocess.Popen(
            [sys.executable, "-c", WRITER, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        ) as writer:
            assert writer.stdin is not None
            assert writer.stdout is not None
            for turn in range(3):
                writer.stdin.write("append\n")
                writer.stdin.flush()
                assert writer.stdout.readline() == f"{turn + 2}\n"
                tokens.append(catalog.token)
                assert catalog.token == tokens[-1]
                assert catalog.list().items[0].events == turn + 2
                assert catalog.token == tokens[-1]
                cursors.append(log.changed_since(None).cursor)
            writer.stdin.close()
        assert len(set(tokens)) == 4
        assert len(set(cursors)) == 1  # which is why a cursor of the changes is no such token
        assert catalog.token == tokens[-1]  # the writer's end has changed nothing


def test_the_same_state_has_the_same_token_in_every_catalog_until_it_is_rebuilt(tmp_path: Path) -> None:
    with EventLog.open(tmp_path) as log:
        log.session("s", create=True).append(SessionStarted())
        with Catalog.open(log, prices=NO_PRICES) as one, Catalog.open(log, prices=NO_PRICES) as other:
            before = one.token
            assert other.token == before
            one.look_at_everything()
            assert one.token == before  # looked at, and nothing was folded
            one.rebuild("catalog", jobs=1)
            assert one.token != before
            assert other.token == one.token


def test_in_memory_there_is_one_too() -> None:
    with EventLog.memory() as log, Catalog.open(log, prices=NO_PRICES) as catalog:
        empty = catalog.token
        log.session("s", create=True).append(SessionStarted())
        begun = catalog.token
        log.session("s").append(MessageAdded(role="user", content="x"))
        assert len({empty, begun, catalog.token}) == 3
        assert catalog.token == catalog.token
