from __future__ import annotations

import json
from pathlib import Path

from eventlog import EventLog, Settings
from eventlog.events import MessageAdded
from tests.command_line import eventlog as run


def damaged(path: Path) -> Path:
    with EventLog.open(path, settings=Settings(compress_after="0")) as log, log.session("s", create=True) as session:
        for number in range(9):
            session.append(MessageAdded(role="user", content=f"event {number}"))
    (file,) = path.glob("sessions/*/s.jsonl")
    data = bytearray(file.read_bytes())
    data[data.index(b"event 4")] ^= 1
    file.write_bytes(data)
    return file


def test_repair_says_what_it_would_do_and_then_does_it(tmp_path: Path) -> None:
    file = damaged(tmp_path / "store")
    before = file.read_bytes()
    planned = run("repair", "--store", str(tmp_path / "store"))
    assert planned.code == 1
    assert "--apply does it" in planned.out
    assert file.read_bytes() == before
    done = run("repair", "--apply", "--store", str(tmp_path / "store"))
    assert done.code == 0
    assert "not in s.jsonl.zst any more: events 5 (it was damaged; repaired)" in done.out
    assert "verify is clean" in done.out
    assert run("verify", "--store", str(tmp_path / "store")).code == 0
    assert run("repair", "--store", str(tmp_path / "store")).out == "nothing to repair\n"


def test_repair_answers_programs(tmp_path: Path) -> None:
    damaged(tmp_path / "store")
    found = json.loads(run("repair", "--json", "--store", str(tmp_path / "store")).out)
    assert (found["applied"], found["verify"], [action["action"] for action in found["actions"]]) == (False, None, ["write_again"])
    found = json.loads(run("repair", "--apply", "--json", "--store", str(tmp_path / "store")).out)
    assert found["applied"] is True
    assert found["verify"]["ok"] is True
    assert found["verify"]["rewrites"][0]["left_out"] == [[5, 5]]


def test_a_digest_that_was_kept_elsewhere_finds_what_the_chain_cannot(tmp_path: Path) -> None:
    store = str(tmp_path / "store")
    with EventLog.open(store) as log, log.session("s", create=True) as session:
        session.append(MessageAdded(role="user", content="x"), time="2026-01-01T00:00:00Z")
    digest = run("verify", "--digest", "--store", store).out.strip()
    assert len(digest) == 64
    assert run("verify", "--expect", digest, "--store", store).code == 0
    (file,) = Path(store).glob("sessions/*/s.jsonl")
    file.unlink()
    with EventLog.open(store) as log, log.session("s", create=True) as session:
        session.append(MessageAdded(role="user", content="y"), time="2026-01-01T00:00:00Z")
    assert run("verify", "--store", store).code == 0
    told = run("verify", "--expect", digest, "--store", store)
    assert told.code == 1
    assert f"not {digest}: events were added, changed or removed" in told.out
    assert json.loads(run("verify", "--json", "--expect", digest, "--store", store).out)["ok"] is False
