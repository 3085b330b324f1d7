"""`eventlog serve` and `eventlog open`: what is refused, printed and left behind."""

from __future__ import annotations

import signal
import stat
from pathlib import Path

import pytest

from eventlog import EventLog

from ...command_line import eventlog
from ..http.serving import served


@pytest.mark.parametrize("address", ["0.0.0.0:0", "[::]:0", "192.0.2.1:8765"])
def test_without_a_token_nobody_else_is_let_in(tmp_path: Path, address: str) -> None:
    done = eventlog("serve", "--store", tmp_path / "s", "--listen", address, "--no-token")
    assert (done.code, "--no-token" in done.one_line_error()) == (2, True)


@pytest.mark.parametrize(
    "options",
    [["--listen", "x"], ["--listen", "127.0.0.1:99999"], ["--base-path", "../x"], ["--tokens", "/nowhere"]],
)
def test_what_cannot_be_meant_is_wrong_use(tmp_path: Path, options: list[str]) -> None:
    assert eventlog("serve", "--store", tmp_path / "s", *options).code == 2
    assert not (tmp_path / "s").exists()


@pytest.mark.parametrize(
    "line", ["ann", "ann short", "ann a-token-of-some-length write", "ann a-token-of-some-length\nbob a-token-of-some-length"]
)
def test_a_line_of_the_tokens_that_is_none_is_named(tmp_path: Path, line: str) -> None:
    (tmp_path / "tokens").write_text(f"# people\n{line}\n")
    done = eventlog("serve", "--store", tmp_path / "s", "--tokens", tmp_path / "tokens")
    assert (done.code, "line " in done.one_line_error()) == (2, True)


def test_a_token_of_the_environment_that_is_short_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVENTLOG_TOKEN", "secret")
    assert "EVENTLOG_TOKEN" in eventlog("serve", "--store", tmp_path / "s").one_line_error()


def test_a_server_is_found_by_the_users_own_programs_and_by_nobody_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store, config = tmp_path / "store", tmp_path / "config"
    monkeypatch.setenv("XDG_CONFIG_HOME", str(config))
    with EventLog.open(store) as log:
        log.start(id="s1", title="Debug")
    assert "eventlog serve" in eventlog("open", "--store", store, "--print").one_line_error()
    with served(store, config) as server:
        (file,) = (config / "eventlog").glob("server-*.json")
        logged = file.with_suffix(".log")
        assert [stat.S_IMODE(path.stat().st_mode) for path in (file, logged)] == [0o600, 0o600]
        assert eventlog("open", "--store", store, "--print").out == f"{server.url}#token={server.token}\n"
        assert eventlog("open", "s1", "--store", store, "--print").out == f"{server.url}s/s1#token={server.token}\n"
        assert server.ask("GET", "/api/v1/search?q=secretword")[0] == 200
        assert server.ask("GET", "/api/v1/sessions", Authorization="Bearer wrongwrongwrong")[0] == 401
        said = Path(f"/proc/{server.process.pid}/cmdline").read_bytes()
        assert server.stop() == (0, b"")
    text = logged.read_text()
    assert "GET /api/v1/search 200" in text
    for secret in (server.token, "secretword", "wrongwrongwrong"):
        assert secret not in text
        assert secret.encode() not in said
    assert not file.exists()


def test_an_interrupt_ends_it_well(tmp_path: Path) -> None:
    with served(tmp_path / "store", tmp_path / "config") as server:
        server.process.send_signal(signal.SIGINT)
        assert (server.process.wait(timeout=60), server.process.stderr.read()) == (0, b"")  # type: ignore[union-attr]
