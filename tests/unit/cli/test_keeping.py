"""``maintain``, ``watch``, ``doctor``, ``config set``, ``secrets`` and ``redact`` over several sessions."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import tomllib
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from eventlog import EventLog
from eventlog.cli.config_file import changed
from eventlog.events import MessageAdded, SessionStarted
from eventlog.maintenance.policies import generations
from eventlog.settings import Settings
from projections.cli.schema import of

from ...command_line import eventlog

NOW = datetime.now(timezone.utc)
KEY = "AKIA" + "IOSFODNN7EXAMPLE"


@pytest.fixture
def store(tmp_path: Path) -> Path:
    with EventLog.open(tmp_path / "store") as log:
        for days in (1, 40, 500):
            session = log.session(f"old-{days:03}", create=True)
            then = NOW - timedelta(days=days)
            session.append(SessionStarted(title=f"Título: {days}/days?"), MessageAdded(role="user", content="hi"), time=then)
            session.close()
            (segment,) = (tmp_path / "store").glob(f"sessions/*/old-{days:03}.jsonl")
            os.utime(segment, (then.timestamp(), then.timestamp()))  # when it was written counts, too
    return tmp_path / "store"


@pytest.fixture
def configured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The config file of these tests."""
    path = tmp_path / "config.toml"
    path.write_text("")
    monkeypatch.setenv("EVENTLOG_CONFIG", str(path))
    return path


def ids(store: Path) -> list[str]:
    page: Any = eventlog("list", "--store", store, "--json").json
    return sorted(item["session_id"] for item in page["items"])


def maintained(store: Path, *arguments: object) -> Any:
    outcome = eventlog("maintain", *arguments, "--store", store, "--json")
    assert (outcome.code, outcome.err) == (0, "")
    return outcome.json


# --- maintain -----------------------------------------------------------------------------------------------------------------


def test_without_settings_nothing_is_deleted_copied_or_mirrored(store: Path, configured: Path) -> None:
    done = maintained(store)
    assert (done["retention"], done["backup"], done["mirror"]) == (None, None, None)
    assert len(ids(store)) == 3


def test_retention_by_age_and_by_number_deletes_what_the_dry_run_said(store: Path, configured: Path) -> None:
    configured.write_text("keep_days = 365\nkeep_sessions = 1\n")
    dry = maintained(store, "--dry-run")
    assert sorted(each["session_id"] for each in dry["retention"]["sessions"]) == ["old-040", "old-500"]
    assert ids(store) == ["old-001", "old-040", "old-500"]
    done = maintained(store)
    assert sorted(each["session_id"] for each in done["retention"]["sessions"]) == ["old-040", "old-500"]
    assert ids(store) == ["old-001"]
    assert eventlog("restore", "old-500", "--store", store).code == 0  # nothing is gone before the grace period is


def test_what_retention_deleted_is_purged_when_its_time_is_over(store: Path, configured: Path) -> None:
    configured.write_text("keep_days = 365\ngrace_period_s = 0\n")
    assert maintained(store)["retention"]["purged"] == ["old-500"]


def test_backups_are_made_when_due_and_the_oldest_generations_go(store: Path, configured: Path, tmp_path: Path) -> None:
    folder = tmp_path / "backups"
    configured.write_text(f'backup_folder = "{folder}"\nbackup_generations = 2\n')
    assert maintained(store, "--dry-run")["backup"]["made"].startswith(f"{folder}/eventlog-")
    assert not folder.exists()
    first = Path(maintained(store)["backup"]["made"])
    assert eventlog("verify", "--store", first).code == 0
    assert len(ids(first)) == 3
    assert maintained(store)["backup"] == {"newest": str(first), "made": None, "removed": [], "report": None}
    first.rename(folder / "eventlog-20200101-000000")
    (folder / "eventlog-20190101-000000").mkdir()
    (folder / "mine").mkdir()
    done = maintained(store)["backup"]
    assert done["removed"] == [str(folder / "eventlog-20190101-000000")]
    assert len(generations(folder)) == 2
    assert (folder / "mine").exists()


def test_the_mirror_is_markdown_by_day_time_title_and_id(store: Path, configured: Path, tmp_path: Path) -> None:
    folder = tmp_path / "mirror"
    configured.write_text(f'mirror_folder = "{folder}"\n')
    first = maintained(store)["mirror"]
    then = (NOW - timedelta(days=40)).astimezone()
    name = f"{then:%Y/%m/%d/%H%M}-título-40-days-old-040.md"
    assert name in first["written"]
    assert "hi" in (folder / name).read_text()
    assert maintained(store)["mirror"]["unchanged"] == 3
    (folder / "mine.md").write_text("mine")
    assert eventlog("set", "old-040", "--title", "Another", "--store", store).code == 0
    assert eventlog("delete", "old-500", "--store", store).code == 0
    dry = maintained(store, "--dry-run")["mirror"]
    done = maintained(store)["mirror"]
    assert dry == done
    assert done["written"] == [name.replace("título-40-days", "another")]
    assert len(done["removed"]) == 2
    assert len(list(folder.rglob("*.md"))) == 3


def test_a_list_that_somebody_else_wrote_removes_nothing_outside_of_the_mirror(store: Path, configured: Path, tmp_path: Path) -> None:
    folder = tmp_path / "mirror"
    configured.write_text(f'mirror_folder = "{folder}"\n')
    (tmp_path / "precious.md").write_text("mine")
    folder.mkdir()
    (folder / ".eventlog-mirror.json").write_text('{"x": ["stamp", "../precious.md"], "y": 3, "z": ["s", "/etc/passwd"]}')
    assert maintained(store)["mirror"]["removed"] == []
    assert (tmp_path / "precious.md").exists()


def test_a_person_reads_what_was_done_and_quiet_says_nothing(store: Path, configured: Path) -> None:
    configured.write_text("keep_days = 365\n")
    out = eventlog("maintain", "--dry-run", "--store", store).out.splitlines()
    assert out[0] == "retention: 1 sessions would be deleted, 0 would be purged"
    assert "backup: off (backup_folder)" in out
    assert eventlog("maintain", "--quiet", "--store", store) == (0, "", "")


def test_a_session_that_names_no_model_begins_with_the_default_one(tmp_path: Path) -> None:
    with EventLog.open(settings=Settings(store=tmp_path / "s", default_model="gpt-5"), create=True) as log:
        first, second = log.start(), log.start(model="claude")
        assert [next(iter(each.read())).event.model for each in (first, second)] == ["gpt-5", "claude"]


# --- watch --------------------------------------------------------------------------------------------------------------------


def test_watch_once_imports_what_tools_have_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, configured: Path) -> None:
    _session_of_claude_code(tmp_path / "home", monkeypatch)
    outcome = eventlog("watch", "--once", "--verbose", "--store", tmp_path / "store")
    assert (outcome.code, outcome.out) == (0, "")
    assert "claude-code: " in outcome.err
    assert ids(tmp_path / "store") == ["0193ab42-0000-7000-8000-000000000000"]
    assert eventlog("watch", "--once", "--store", tmp_path / "store") == (0, "", "")


def test_watch_follows_until_it_is_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, configured: Path) -> None:
    file = _session_of_claude_code(tmp_path / "home", monkeypatch)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = [sys.executable, "-m", "eventlog", "watch", "--store", str(tmp_path / "store")]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        try:
            _until(lambda: _said(tmp_path / "store") == ["hi"])
            with file.open("a") as opened:
                opened.write(_line("u2", "u1", "again"))
            _until(lambda: _said(tmp_path / "store") == ["hi", "again"])
            process.send_signal(signal.SIGTERM)
            assert process.wait(30) == 0
        finally:
            process.kill()
        assert process.stdout is not None
        assert process.stdout.read() == b""


@pytest.mark.parametrize("kind", ["systemd", "launchd"])
def test_the_unit_file_names_the_program_and_the_store(tmp_path: Path, kind: str) -> None:
    out = eventlog("watch", "--unit", kind, "--store", tmp_path / "a store").out
    assert "watch" in out
    assert f"{tmp_path}/a store" in out
    assert not (tmp_path / "a store").exists()


def _line(uuid: str, parent: str | None, text: str) -> str:
    from msgspec import json

    record = {
        "type": "user",
        "uuid": uuid,
        "parentUuid": parent,
        "sessionId": "0193ab42-0000-7000-8000-000000000000",
        "timestamp": "2026-11-21T08:00:00.000Z",
        "cwd": "/p",
        "version": "2.0.0",
        "message": {"role": "user", "content": text},
    }
    return json.encode(record).decode() + "\n"


def _session_of_claude_code(home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.delenv("CLAUDE_CONFIG_DIR", raising=False)
    file = home / ".claude" / "projects" / "-p" / "0193ab42-0000-7000-8000-000000000000.jsonl"
    file.parent.mkdir(parents=True)
    file.write_text(_line("u1", None, "hi"))
    return file


def _said(store: Path) -> list[Any]:
    if not (store / "store.json").exists():
        return []
    with EventLog.open(store, create=False) as log:
        return [
            stored.event.content
            for session_id in log.session_ids()
            for stored in log.session(session_id, create=True).read(types=["message.added"])
        ]


def _until(holds: Any) -> None:
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)


# --- doctor -------------------------------------------------------------------------------------------------------------------


def test_the_doctor_finds_a_good_store_well_and_changes_nothing_of_it(store: Path, configured: Path) -> None:
    before = {path: path.read_bytes() for path in store.glob("sessions/*/*")}
    outcome = eventlog("doctor", "--deep", "--store", store, "--json")
    found: Any = outcome.json
    assert (outcome.code, found["ok"]) == (0, True)
    assert {each["check"] for each in found["checks"]} == {
        "versions",
        "settings",
        "store",
        "disk",
        "locks",
        "index",
        "clock",
        "backup",
        "verify",
        "other tools",
    }
    assert {path: path.read_bytes() for path in store.glob("sessions/*/*")} == before


def test_the_doctor_says_what_is_wrong_and_what_to_do(store: Path, configured: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    segment = next(store.glob("sessions/*/old-040.jsonl"))
    segment.write_bytes(segment.read_bytes().replace(b'"hi"', b'"ho"'))
    store.chmod(0o755)
    monkeypatch.setenv("EVENTLOG_SYNK", "never")
    outcome = eventlog("doctor", "--deep", "--store", store, "--json")
    assert outcome.code == 1
    found: Any = outcome.json
    problems = {each["check"]: each for each in found["checks"] if each["state"] == "problem"}
    assert set(problems) >= {"settings", "store", "verify"}
    assert problems["store"]["advice"] == f"chmod 700 {store}"
    assert "EVENTLOG_SYNC" in problems["settings"]["advice"]
    assert "problem  verify" in eventlog("doctor", "--deep", "--quiet", "--store", store).out


def test_without_a_store_the_doctor_still_says_the_rest(tmp_path: Path, configured: Path) -> None:
    outcome = eventlog("doctor", "--store", tmp_path / "none")
    assert outcome.code == 1
    assert "there is no store at" in outcome.out
    assert "versions" in outcome.out
    assert not (tmp_path / "none").exists()


# --- config set ---------------------------------------------------------------------------------------------------------------


def test_config_set_changes_one_line_and_keeps_what_a_person_wrote(configured: Path) -> None:
    configured.write_text('# mine\nsync = "never" # fast\n\n[templates.bug]\ntitle = "Bug"\n')
    assert eventlog("config", "set", "keep_days", "365", "--json").json == {
        "name": "keep_days",
        "value": 365,
        "source": f"the config file {configured}",
    }
    assert eventlog("config", "set", "sync", "always").out == f"sync is always (the config file {configured})\n"
    assert configured.read_text() == '# mine\nsync = "always"\n\nkeep_days = 365\n[templates.bug]\ntitle = "Bug"\n'
    assert eventlog("config", "get", "keep_days").out == "365\n"
    assert eventlog("config", "unset", "keep_days").code == 0
    assert tomllib.loads(configured.read_text()) == {"sync": "always", "templates": {"bug": {"title": "Bug"}}}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["set", "keep_dais", "1"], "did you mean 'keep_days'?"),
        (["set", "keep_days", "many"], "a whole number from 0"),
        (["set", "keep_days"], "config set NAME VALUE"),
        (["unset"], "config set NAME VALUE"),
        (["set", "backup_folder", "relative"], "an absolute path"),
    ],
)
def test_what_cannot_be_set_changes_nothing(configured: Path, arguments: list[str], said: str) -> None:
    configured.write_text("# mine\n")
    outcome = eventlog("config", *arguments)
    assert outcome.code == 2
    assert said in outcome.one_line_error()
    assert configured.read_text() == "# mine\n"


def test_config_set_makes_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    assert eventlog("config", "set", "mirror_folder", '/a "b"\\c').code == 0
    assert tomllib.loads((tmp_path / "config" / "eventlog" / "config.toml").read_text()) == {"mirror_folder": '/a "b"\\c'}


def test_config_set_mends_a_file_that_is_wrong_and_makes_one_that_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "named.toml"
    monkeypatch.setenv("EVENTLOG_CONFIG", str(file))
    assert eventlog("config", "set", "keep_days", "3").code == 0
    file.write_text("keep_days = -1\n")
    assert eventlog("config").code == 2
    assert eventlog("config", "set", "keep_days", "4").code == 0
    assert file.read_text() == "keep_days = 4\n"


def test_a_setting_over_several_lines_is_left_to_a_person(configured: Path) -> None:
    configured.write_text('mirror_folder = """\n/a"""\n')
    outcome = eventlog("config", "set", "mirror_folder", "/b")
    assert outcome.code == 2
    assert configured.read_text() == 'mirror_folder = """\n/a"""\n'
    assert changed("", "sync", "never") == 'sync = "never"\n'


# --- secrets and redact -------------------------------------------------------------------------------------------------------


def test_redact_takes_the_same_words_out_of_all_sessions(store: Path) -> None:
    with EventLog.open(store) as log:
        log.session("old-001").append(MessageAdded(role="user", content="hunter2"))
        log.fork("old-001", id="fork")
    dry: Any = eventlog("redact", "--all", "--pattern", "hunter2", "--dry-run", "--store", store, "--json").json
    assert [(each["session_id"], each["seqs"]) for each in dry["sessions"]] == [("fork", [3]), ("old-001", [3])]
    outcome = eventlog("redact", "fork", "old-001", "old-040", "--pattern", "hunter2", "--store", store)
    assert outcome.out == "fork: 1 events are redacted: 3\nold-001: 1 events are redacted: 3\n"
    assert eventlog("grep", "hunter2", "--store", store).code == 1
    one: Any = eventlog("redact", "fork", "--pattern", "hunter2", "--store", store, "--json").json
    assert one["session_id"] == "fork"
    for wrong in (["--pattern", "x"], ["fork", "--all", "--pattern", "x"], ["fork", "old-001", "--seq", "1"]):
        assert eventlog("redact", *wrong, "--store", store).code == 2


def test_secrets_are_found_shown_masked_and_taken_out_by_fingerprint(store: Path) -> None:
    pytest.importorskip("detect_secrets", reason="the rules come with the extra secrets; `make secrets` has it")
    token = "ghp_" + "a1B2c3D4e5" * 3 + "a1B2c3"
    private = "-----BEGIN RSA PRIVATE KEY-----\nMIIEpAIBAAKCAQEA\n-----END RSA PRIVATE KEY-----"
    with EventLog.open(store) as log:
        log.session("old-001").append(MessageAdded(role="user", content=f"export AWS_ACCESS_KEY_ID={KEY}\n{private}"))
        log.session("old-040").append(MessageAdded(role="user", content=f"{KEY} and {token}"))
        log.delete("old-040")
    outcome = eventlog("secrets", "--store", store, "--json")
    assert outcome.code == 1
    found: Any = outcome.json
    jsonschema.validate(found, of("secrets"))
    by_rule = {each["rule"]: each for each in found["findings"]}
    assert set(by_rule) == {"AWS Access Key", "GitHub Token", "Private Key"}
    assert by_rule["AWS Access Key"]["places"] == [{"session_id": "old-001", "seq": 3}, {"session_id": "old-040", "seq": 3}]
    shown = eventlog("secrets", "--store", store)
    for secret in (KEY, token, "MIIEpAIBAAKCAQEA"):
        assert secret not in outcome.out + shown.out + shown.err
    fingerprint = by_rule["AWS Access Key"]["fingerprint"]
    assert eventlog("secrets", "--redact", fingerprint, "old-001", "--store", store).code == 1  # the others are left
    assert KEY not in eventlog("cat", "old-001", "--store", store).out
    assert eventlog("secrets", "--redact", "all", "--store", store).code in (0, 1)
    assert not [path for path in store.rglob("*") if path.is_file() and (b"MIIEpAIBAAKCAQEA" in path.read_bytes())]
    assert eventlog("secrets", "--redact", "0000", "--store", store).code == 1


def test_without_the_extra_secrets_says_what_to_install(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "detect_secrets", None)
    monkeypatch.setitem(sys.modules, "detect_secrets.core.plugins.util", None)
    outcome = eventlog("secrets", "--store", store)
    assert outcome.code == 1
    assert "extra" in outcome.one_line_error()
