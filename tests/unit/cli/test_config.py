"""``eventlog config``: every setting with its value, its source and what may be given."""

from __future__ import annotations

from pathlib import Path

import pytest

from eventlog import Settings

from ...command_line import eventlog


def test_every_setting_is_shown_with_its_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = tmp_path / "config.toml"
    config.write_text('compress_after = "12h"\n')
    monkeypatch.setenv("EVENTLOG_CONFIG", str(config))
    monkeypatch.setenv("EVENTLOG_SYNC", "interval")
    outcome = eventlog("config", "--store", tmp_path / "s")
    assert (outcome.code, outcome.err) == (0, "")
    rows = {line.split()[0]: line.split(maxsplit=2)[1:] for line in outcome.out.splitlines() if line}
    assert set(Settings.__struct_fields__) <= set(rows)
    assert rows["store"] == [str(tmp_path / "s"), rows["store"][1]]
    assert rows["store"][1].startswith("--store")
    assert (rows["compress_after"][0], rows["sync"][0]) == ("12h", "interval")
    assert "the environment variable EVENTLOG_SYNC" in rows["sync"][1]
    assert outcome.out.endswith(f"config file: {config}\n")
    assert list(tmp_path.iterdir()) == [config]


def test_json_has_everything_that_is_known_of_a_setting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVENTLOG_LOCK_TIMEOUT_S", "2.5")
    found = eventlog("config", "--json").json
    assert isinstance(found, dict)
    settings = {setting["name"]: setting for setting in found["settings"]}
    assert list(settings) == list(Settings.__struct_fields__)
    assert settings["lock_timeout_s"] == {
        "name": "lock_timeout_s",
        "value": 2.5,
        "source": "the environment variable EVENTLOG_LOCK_TIMEOUT_S",
        "unit": "s",
        "allowed": "a number from 0 to 3,600 (s)",
        "variable": "EVENTLOG_LOCK_TIMEOUT_S",
        "description": "How long to wait for a session that another writer holds.",
    }
    assert settings["recording"]["value"] is True
    assert Path(found["config_file"]).name == "config.toml"


def test_a_variable_that_is_no_setting_is_pointed_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVENTLOG_SNYC", "never")
    assert eventlog("config").err == "eventlog: EVENTLOG_SNYC is not a setting and is ignored; did you mean EVENTLOG_SYNC?\n"


def test_a_terminal_gets_the_same_table() -> None:
    outcome = eventlog("config", terminal=True)
    assert outcome.code == 0
    assert "segment_size" in outcome.out
