"""Every setting of the log with its unit and bounds, and where its value comes from: the environment over the config file over
the defaults (README, "Settings").

The struct is the table: type, bounds, unit and description of a setting stand at its field, and everything else (what is
refused and in which words, `eventlog config`, the README's table) is read from there.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Final, Literal, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Meta

from .backend import Sync
from .errors import InvalidSetting

PREFIX: Final = "EVENTLOG_"
CONFIG_VARIABLE: Final = "EVENTLOG_CONFIG"
DEFAULT: Final = "default"
PROGRAM: Final = "the program"
_FOLDER: Final = r"|[/~][^\x00]*"
_FOLDER_FORM: Final = "an absolute path (~ is your home), or empty: none"
_UNITS_S: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}


def _user_folder(variable: str, otherwise: str) -> Path:
    """This program's folder where the user's files of a kind belong: the XDG variable's, or the system's own."""
    base = os.environ.get(variable, "").strip()
    if not os.path.isabs(base):
        base = os.path.expanduser("~/Library/Application Support" if sys.platform == "darwin" else otherwise)
    return Path(base, "eventlog")


def state_folder() -> Path:
    """Where what is only remembered of this user's doings belongs: no setting, and nothing of a store."""
    return _user_folder("XDG_STATE_HOME", "~/.local/state")


def _default_store() -> Path:
    return _user_folder("XDG_DATA_HOME", "~/.local/share")


def _default_templates() -> Path:
    return _user_folder("XDG_CONFIG_HOME", "~/.config") / "templates"


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """The settings of one log. A value out of bounds raises `InvalidSetting`, wherever it comes from."""

    store: Annotated[Path, Meta(description="The folder of the store.")] = msgspec.field(default_factory=_default_store)
    recording: Annotated[bool, Meta(description="Whether anything is recorded; off: appends are checked and thrown away.")] = True
    sync: Annotated[
        Sync, Meta(description="When an append is on stable storage: when it returns, within the sync interval, at some time.")
    ] = "always"
    sync_interval_ms: Annotated[
        int, Meta(ge=1, le=60_000, description='The longest that an append stays unsynced at sync = "interval".', extra={"unit": "ms"})
    ] = 100
    segment_size_bytes: Annotated[
        int,
        Meta(ge=256, le=1 << 30, description="A segment is sealed by the append that takes it over this size.", extra={"unit": "bytes"}),
    ] = 8 * 1024 * 1024
    frame_size_bytes: Annotated[
        int,
        Meta(
            ge=256,
            le=16 << 20,
            description="Text per compressed frame: what reading one event of a sealed segment costs.",
            extra={"unit": "bytes"},
        ),
    ] = 256 * 1024
    compress_after: Annotated[
        str,
        Meta(
            pattern=r"never|0|[0-9]{1,9}(\.[0-9]{1,9})?[smhdw]",
            description="Compaction seals and compresses what nothing happened to for so long.",
            extra={"allowed": "a number and s, m, h, d or w (30d), 0 (at once) or never"},
        ),
    ] = "30d"
    compression_level: Annotated[int, Meta(ge=1, le=22, description="The zstd level: higher is smaller and slower.")] = 3
    max_event_bytes: Annotated[
        int, Meta(ge=256, le=1 << 30, description="The largest event that is accepted, as a line.", extra={"unit": "bytes"})
    ] = 64 * 1024 * 1024
    lock_timeout_s: Annotated[
        float, Meta(ge=0, le=3600, description="How long to wait for a session that another writer holds.", extra={"unit": "s"})
    ] = 10.0
    grace_period_s: Annotated[
        float,
        Meta(
            ge=0, le=10 * 366 * 86400, description="How long a deleted session can be restored before purge takes it.", extra={"unit": "s"}
        ),
    ] = 30 * 86400.0
    max_open_files: Annotated[
        int, Meta(ge=2, le=1_000_000, description="The most segment files that one log keeps open.", extra={"unit": "files"})
    ] = 256
    poll_interval_ms: Annotated[
        int, Meta(ge=1, le=60_000, description="How often a tail looks by itself, should a notification be lost.", extra={"unit": "ms"})
    ] = 250
    templates_folder: Annotated[Path, Meta(description="The folder of templates of sessions: NAME.toml or NAME.json.")] = msgspec.field(
        default_factory=_default_templates
    )

    keep_days: Annotated[
        int, Meta(ge=0, le=36_600, description="`maintain` deletes sessions older than this; 0: of no age.", extra={"unit": "days"})
    ] = 0
    keep_sessions: Annotated[
        int, Meta(ge=0, le=1_000_000_000, description="`maintain` deletes the oldest sessions beyond this number; 0: any number stays.")
    ] = 0
    backup_folder: Annotated[str, Meta(pattern=_FOLDER, description="Where `maintain` makes backups.", extra={"allowed": _FOLDER_FORM})] = (
        ""
    )
    backup_every: Annotated[
        str,
        Meta(
            pattern=r"[0-9]{1,9}(\.[0-9]{1,9})?[smhdw]",
            description="How old the newest backup becomes before `maintain` makes the next.",
            extra={"allowed": "a number and s, m, h, d or w (1d)"},
        ),
    ] = "1d"
    backup_generations: Annotated[int, Meta(ge=1, le=1_000, description="How many backups `maintain` keeps.")] = 7
    mirror_folder: Annotated[
        str,
        Meta(pattern=_FOLDER, description="Where `maintain` keeps each session as Markdown.", extra={"allowed": _FOLDER_FORM}),
    ] = ""
    default_model: Annotated[
        str,
        Meta(
            pattern=r"[^\x00-\x1f]{0,256}",
            description="The model of a session that begins without naming one.",
            extra={"allowed": "a model's name, or empty: none"},
        ),
    ] = ""

    def __post_init__(self) -> None:
        for name, default in zip(self.__struct_fields__, self.__struct_defaults__, strict=True):
            value = getattr(self, name)
            if value is default:
                continue  # which need not be looked up: most programs give two
            checked = described(name).check(value, PROGRAM)
            if checked is not value:
                msgspec.structs.force_setattr(self, name, checked)

    @property
    def backup_every_s(self) -> float:
        """`backup_every` in seconds."""
        return float(self.backup_every[:-1]) * _UNITS_S[self.backup_every[-1]]

    @property
    def compress_after_s(self) -> float | None:
        """The age from which compaction compresses, in seconds; None: never."""
        if self.compress_after in ("never", "0"):
            return None if self.compress_after == "never" else 0.0
        return float(self.compress_after[:-1]) * _UNITS_S[self.compress_after[-1]]

    def replace(self, **changes: Any) -> Settings:
        """The same settings but for ``changes``. Raises `InvalidSetting`."""
        return msgspec.structs.replace(self, **changes)


class Setting(msgspec.Struct, frozen=True):
    """One row of the table: what `Settings` says about a field."""

    name: str
    type: Any
    unit: str | None
    minimum: float | None
    maximum: float | None
    choices: tuple[str, ...]
    description: str
    pattern: str | None = None
    form: str = ""  # what the pattern asks for, in words

    @property
    def variable(self) -> str:
        """The environment variable."""
        return PREFIX + self.name.upper()

    @property
    def allowed(self) -> str:
        """What may be given, in words."""
        if self.type is Path:
            return "a folder"
        if self.type is bool:
            return "true or false"
        if self.pattern:
            return self.form
        if self.choices:
            return f"{', '.join(self.choices[:-1])} or {self.choices[-1]}"
        kind = "a whole number" if self.type is int else "a number"
        return f"{kind} from {self.minimum:,} to {self.maximum:,}{f' ({self.unit})' if self.unit else ''}"

    def check(self, value: Any, source: str) -> Any:
        """The value as it is kept, or `InvalidSetting` with the source it came from."""
        if self.type is Path and isinstance(value, (str, os.PathLike)) and os.fspath(value) not in ("", b"") and "\0" not in str(value):
            return value if isinstance(value, Path) else Path(value).expanduser()
        if self.type is bool and isinstance(value, bool):
            return value
        if self.choices and value in self.choices:
            return value
        if self.pattern and isinstance(value, str) and re.fullmatch(self.pattern, value):
            return value
        numbers = (int, float) if self.type is float else (int,)
        is_number = isinstance(value, numbers) and not isinstance(value, bool)
        if is_number and self.minimum is not None and self.maximum is not None and self.minimum <= value <= self.maximum:
            return self.type(value)
        raise InvalidSetting(self.name, value, source, f"it takes {self.allowed}")

    def parse(self, text: str, source: str) -> Any:
        """The value behind the text of an environment variable."""
        text = text.strip()
        value: Any = text
        if self.type is bool:
            value = {"true": True, "on": True, "yes": True, "1": True, "false": False, "off": False, "no": False, "0": False}.get(
                text.lower(), text
            )
        elif self.minimum is not None:
            try:
                value = self.type(text)
            except ValueError:
                pass  # refused below, as the text that it is
        return self.check(value, source)


@cache
def described(name: str) -> Setting:
    """The row of one setting."""
    hint = _hints()[name]
    type, meta = get_args(hint)
    return Setting(
        name=name,
        type=str if get_origin(type) is Literal else type,
        unit=(meta.extra or {}).get("unit"),
        minimum=meta.ge,
        maximum=meta.le,
        choices=get_args(type) if get_origin(type) is Literal else (),
        description=meta.description,
        pattern=meta.pattern,
        form=(meta.extra or {}).get("allowed", ""),
    )


@cache
def _hints() -> Mapping[str, Any]:
    return get_type_hints(Settings, include_extras=True)


def table() -> list[Setting]:
    """All settings, in the order in which they are shown."""
    return [described(name) for name in Settings.__struct_fields__]


class Loaded(msgspec.Struct, frozen=True, kw_only=True):
    """Settings, and for each where its value comes from; ``unknown_variables``: names in the environment that look like a setting and
    are none, with the nearest one that is read."""

    settings: Settings
    sources: Mapping[str, str]
    config_file: Path
    unknown_variables: Mapping[str, str | None] = {}

    def with_value(self, name: str, value: Any, source: str) -> Loaded:
        """The same, with one value from elsewhere."""
        settings = self.settings.replace(**{name: described(name).check(value, source)})
        return msgspec.structs.replace(self, settings=settings, sources={**self.sources, name: source})


def load(environment: Mapping[str, str] | None = None) -> Settings:
    """The settings of this machine and user: environment over config file over defaults. Raises `InvalidSetting`."""
    return load_with_sources(environment).settings


def load_with_sources(environment: Mapping[str, str] | None = None) -> Loaded:
    """`load`, and where each value came from. An environment variable that is empty counts as not set."""
    if environment is None:
        environment = os.environ
    config_file, values, sources = _from_config_file(environment)
    unknown: dict[str, str | None] = {}
    for variable, text in environment.items():
        name = variable.removeprefix(PREFIX).lower()
        if not variable.startswith(PREFIX) or not text or variable in _OTHER_VARIABLES:
            continue
        if name not in Settings.__struct_fields__ or variable != described(name).variable:
            unknown[variable] = _nearest_variable(variable)
            continue
        sources[name] = f"the environment variable {variable}"
        values[name] = described(name).parse(text, sources[name])
    everything = {name: sources.get(name, DEFAULT) for name in Settings.__struct_fields__}
    return Loaded(settings=Settings(**values), sources=everything, config_file=config_file, unknown_variables=unknown)


_OTHER_VARIABLES: Final = frozenset((CONFIG_VARIABLE, "EVENTLOG_TRACEBACK", "EVENTLOG_TOKEN"))  # read elsewhere


_TABLES: Final = frozenset(("templates",))  # of the config file: no settings, read when they are asked for


def tables_in_config(name: str, environment: Mapping[str, str] | None = None) -> tuple[Path, Any]:
    """The config file, and what stands in it under the name of a table (None: nothing). Raises `InvalidSetting`."""
    path, is_named = _config_file(os.environ if environment is None else environment)
    return path, dict(_read_toml(path, required=is_named)).get(name)


def config_file(environment: Mapping[str, str] | None = None) -> Path:
    """Where the config file is, or would be."""
    return _config_file(os.environ if environment is None else environment)[0]


def _config_file(environment: Mapping[str, str]) -> tuple[Path, bool]:
    """Where it is or would be, and whether the environment names it."""
    named = environment.get(CONFIG_VARIABLE)
    if named:
        return Path(named).expanduser(), True
    return _user_folder("XDG_CONFIG_HOME", "~/.config") / "config.toml", False


def _from_config_file(environment: Mapping[str, str]) -> tuple[Path, dict[str, Any], dict[str, str]]:
    path, is_named = _config_file(environment)
    values: dict[str, Any] = {}
    sources: dict[str, str] = {}
    for name, value in _read_toml(path, required=is_named):
        if name in _TABLES:
            continue
        source = f"the config file {path}"
        if name not in Settings.__struct_fields__:
            near = _nearest(name)
            advice = f"did you mean {near}?" if near else f"there are {', '.join(Settings.__struct_fields__)}"
            raise InvalidSetting(name, value, source, f"there is no such setting; {advice}")
        setting = described(name)
        values[name] = setting.check(value, source)
        if setting.type is Path:
            values[name] = path.parent / values[name]
        sources[name] = source
    return path, values, sources


def _read_toml(path: Path, *, required: bool) -> Iterator[tuple[str, Any]]:
    source = f"the environment variable {CONFIG_VARIABLE}" if required else DEFAULT
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        if required:
            raise InvalidSetting("config", str(path), source, "there is no such file; make it, or unset the variable") from None
        return
    except OSError as error:
        raise InvalidSetting(
            "config", str(path), source, f"the file cannot be read ({error.strerror}); change its mode or name another"
        ) from error
    import tomllib

    try:
        yield from tomllib.loads(data.decode()).items()
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidSetting("config", str(path), source, f'the file is not TOML ({error}); write lines like sync = "always"') from error


def _nearest(name: str, names: Iterable[str] = Settings.__struct_fields__) -> str | None:
    import difflib

    return next(iter(difflib.get_close_matches(name.lower(), names, 1)), None)


def _nearest_variable(variable: str) -> str | None:
    """By what follows the prefix, which all of them share."""
    near = _nearest(variable.removeprefix(PREFIX), [name.removeprefix(PREFIX).lower() for name in (*_variables(), *_OTHER_VARIABLES)])
    return None if near is None else PREFIX + near.upper()


def _variables() -> list[str]:
    return [PREFIX + name.upper() for name in Settings.__struct_fields__]
