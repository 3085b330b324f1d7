"""Where a setting's value comes from, what it may be, and what is said about one that it may not be."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from eventlog import EventLog, Settings
from eventlog.errors import InvalidSetting
from eventlog.settings import Setting, load, load_with_sources, table


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return tmp_path / "config.toml"


def numbers() -> list[Setting]:
    return [setting for setting in table() if setting.minimum is not None]


def test_the_environment_wins_over_the_config_file_and_that_over_the_defaults(config: Path) -> None:
    config.write_text('sync = "interval"\nsync_interval_ms = 50\n')
    loaded = load_with_sources({"EVENTLOG_CONFIG": str(config), "EVENTLOG_SYNC_INTERVAL_MS": "20"})
    assert (loaded.settings.sync, loaded.settings.sync_interval_ms, loaded.settings.compression_level) == ("interval", 20, 3)
    assert loaded.sources["sync"] == f"the config file {config}"
    assert loaded.sources["sync_interval_ms"] == "the environment variable EVENTLOG_SYNC_INTERVAL_MS"
    assert loaded.sources["compression_level"] == "default"
    assert loaded.config_file == config


def test_without_anything_the_defaults_hold_and_the_store_is_in_the_users_data_folder() -> None:
    settings = load({})
    assert settings == Settings()
    assert settings.store.is_relative_to(Path("~").expanduser())
    assert settings.store.name == "eventlog"
    assert (settings.sync, settings.recording, settings.segment_size_bytes, settings.max_event_bytes) == (
        "always",
        True,
        8_388_608,
        67_108_864,
    )


def test_the_config_file_is_looked_for_in_the_users_config_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "configs"))
    path = load_with_sources({}).config_file
    path.parent.mkdir(parents=True)
    path.write_text("compression_level = 9\n")
    assert (path.name, path.parent.name, load({}).compression_level) == ("config.toml", "eventlog", 9)


def test_load_reads_the_environment_of_the_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVENTLOG_STORE", str(tmp_path))
    assert load().store == tmp_path


def test_a_folder_in_the_config_file_is_relative_to_that_file_and_may_begin_with_the_home_folder(config: Path) -> None:
    config.write_text('store = "sessions"\n')
    assert load({"EVENTLOG_CONFIG": str(config)}).store == config.parent / "sessions"
    config.write_text('store = "~/sessions"\n')
    assert load({"EVENTLOG_CONFIG": str(config)}).store == Path(os.environ["HOME"]) / "sessions"


def test_an_empty_variable_counts_as_not_set() -> None:
    assert load({"EVENTLOG_SYNC": "", "EVENTLOG_STORE": "", "EVENTLOG_CONFIG": ""}) == Settings()


@pytest.mark.parametrize(
    ("text", "value"),
    [("off", False), ("FALSE", False), ("0", False), ("no", False), ("on", True), (" true ", True), ("1", True), ("yes", True)],
)
def test_recording_is_switched_with_the_usual_words(text: str, value: bool) -> None:
    assert load({"EVENTLOG_RECORDING": text}).recording is value


@pytest.mark.parametrize("setting", numbers(), ids=lambda setting: setting.name)
def test_a_number_is_taken_at_its_bounds_and_refused_beyond(setting: Setting) -> None:
    for value in (setting.minimum, setting.maximum):
        assert getattr(Settings(**{setting.name: value}), setting.name) == value
        assert getattr(load({setting.variable: str(value)}), setting.name) == value
    assert setting.minimum is not None
    assert setting.maximum is not None
    for value in (setting.minimum - 1, setting.maximum + 1, True, "7", None, float("nan")):
        with pytest.raises(InvalidSetting) as refused:
            Settings(**{setting.name: value})
        assert (refused.value.name, refused.value.source, refused.value.allowed) == (
            setting.name,
            "the program",
            f"it takes {setting.allowed}",
        )


@pytest.mark.parametrize(
    ("name", "value"), [("sync", "sometimes"), ("sync", []), ("recording", 1), ("store", ""), ("store", 3), ("store", "a\0b")]
)
def test_a_value_of_the_wrong_kind_is_refused_in_a_program(name: str, value: Any) -> None:
    with pytest.raises(InvalidSetting, match=f"setting {name} = .* \\(from the program\\) is not usable: it takes "):
        Settings(**{name: value})


def test_a_wrong_value_names_the_setting_its_source_and_what_is_allowed(config: Path) -> None:
    with pytest.raises(InvalidSetting) as refused:
        load({"EVENTLOG_SYNC_INTERVAL_MS": "soon"})
    assert str(refused.value) == (
        "setting sync_interval_ms = 'soon' (from the environment variable EVENTLOG_SYNC_INTERVAL_MS) is not usable:"
        " it takes a whole number from 1 to 60,000 (ms)"
    )
    config.write_text("recording = 1\n")
    with pytest.raises(InvalidSetting) as refused:
        load({"EVENTLOG_CONFIG": str(config)})
    assert str(refused.value) == f"setting recording = 1 (from the config file {config}) is not usable: it takes true or false"


def test_an_unknown_name_in_the_config_file_is_refused_with_the_nearest_known_one(config: Path) -> None:
    config.write_text("sync_intervall_ms = 5\n")
    with pytest.raises(InvalidSetting, match=r"sync_intervall_ms = 5 .*there is no such setting; did you mean sync_interval_ms\?$"):
        load({"EVENTLOG_CONFIG": str(config)})
    config.write_text("[colours]\nred = 1\n")
    with pytest.raises(InvalidSetting, match=r"colours = .*there is no such setting; there are store, recording, sync, "):
        load({"EVENTLOG_CONFIG": str(config)})


def test_an_unknown_variable_is_ignored_but_not_silently() -> None:
    loaded = load_with_sources({"EVENTLOG_SNYC": "never", "EVENTLOG_Q": "1", "EVENTLOG_sync": "x"})
    assert loaded.settings == Settings()
    assert loaded.unknown_variables == {"EVENTLOG_SNYC": "EVENTLOG_SYNC", "EVENTLOG_Q": None, "EVENTLOG_sync": "EVENTLOG_SYNC"}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"sync = always", "the file is not TOML"),
        (b'sync = "\xff"', "the file is not TOML"),
        (b"a = " + b"[" * 20_000, "the file is not TOML"),
        (None, "there is no such file; make it, or unset the variable"),
    ],
    ids=["no quotes", "not UTF-8", "too deep", "missing"],
)
def test_a_config_file_that_cannot_be_used_is_named(config: Path, content: bytes | None, said: str) -> None:
    if content is not None:
        config.write_bytes(content)
    with pytest.raises(
        InvalidSetting, match=f"(?s)setting config = .*{config.name}.*from the environment variable EVENTLOG_CONFIG.*{said}"
    ):
        load({"EVENTLOG_CONFIG": str(config)})


def test_a_config_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidSetting, match="the file cannot be read"):
        load({"EVENTLOG_CONFIG": str(tmp_path)})


def test_replace_checks_as_well_and_leaves_the_original() -> None:
    settings = Settings(store=Path("a"))
    assert settings.replace(store="b").store == Path("b")
    assert settings.store == Path("a")
    with pytest.raises(InvalidSetting):
        settings.replace(sync="maybe")
    with pytest.raises(AttributeError):
        settings.sync = "never"  # type: ignore[misc]


def test_a_sync_level_given_to_open_is_checked(tmp_path: Path) -> None:
    with pytest.raises(InvalidSetting, match="it takes always, interval or never"):
        EventLog.open(tmp_path / "store", sync="allways")  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []


def test_every_setting_says_what_it_is() -> None:
    for setting in table():
        assert setting.description.endswith(".")
        assert setting.allowed
        assert setting.variable == "EVENTLOG_" + setting.name.upper()
        assert (setting.unit is not None) == setting.name.endswith(("_ms", "_s", "_bytes", "_files", "_days"))
