"""``eventlog watch``: the service. Follows what every known tool writes on this machine, and applies the policies now and then.

Each format that can be followed has a thread with a follower of its own; formats that keep a database are imported anew in every round.
A round also looks for tools that have come since. Quiet: on standard output nothing, on standard error only what went wrong.
"""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import sys
import threading
from pathlib import Path
from typing import Final, NamedTuple

import click

from eventlog import EventLog
from eventlog.cli.context import Context, command
from eventlog.cli.duration import duration
from eventlog.errors import EventLogError
from eventlog.importers import declared
from eventlog.importers.follow import Follower
from eventlog.importers.places import find
from eventlog.importers.takeover import Takeover

from .maintain import apply, told

_SYSTEMD: Final = """\
# ~/.config/systemd/user/eventlog.service; then: systemctl --user enable --now eventlog
[Unit]
Description=Record the sessions of AI tools (eventlog watch)

[Service]
ExecStart={command}
Restart=on-failure
RestartSec=30
Nice=10

[Install]
WantedBy=default.target
"""
_LAUNCHD: Final = """\
<?xml version="1.0" encoding="UTF-8"?>
<!-- ~/Library/LaunchAgents/eventlog.plist; then: launchctl load ~/Library/LaunchAgents/eventlog.plist -->
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0">
<dict>
  <key>Label</key><string>eventlog</string>
  <key>ProgramArguments</key>
  <array>
{arguments}
  </array>
  <key>RunAtLoad</key><true/>
  <key>KeepAlive</key><dict><key>SuccessfulExit</key><false/></dict>
  <key>ProcessType</key><string>Background</string>
</dict>
</plist>
"""


@command("watch")
@click.option("--every", type=duration, default="1h", show_default=True, metavar="AGE", help="How often the policies are applied.")
@click.option("--once", is_flag=True, help="Import and maintain once, then end.")
@click.option("--unit", type=click.Choice(["systemd", "launchd"]), help="Only print the file that makes a service of this.")
def watch(context: Context, every: float, once: bool, unit: str | None) -> None:
    """Import what every known tool writes, as a service would.

    Also applies the policies (`eventlog maintain`) now and then. Ends at Ctrl-C (exit code 130) or SIGTERM (0: a service was stopped),
    after the file at hand. --verbose says what is imported."""
    if unit is not None:
        click.echo(_unit(context, unit), nl=False)
        return
    with context.open_log(write=True, create=True) as log:
        _Watch(context, log, every).run(once=once)


class _Following(NamedTuple):
    follower: Follower
    thread: threading.Thread
    roots: frozenset[Path]

    def end(self) -> None:
        self.follower.stop()
        self.thread.join()


class _Watch:
    def __init__(self, context: Context, log: EventLog, every_s: float) -> None:
        self._context = context
        self._log = log
        self._every_s = max(every_s, 1.0)
        self._stopped = threading.Event()
        self._signal = 0
        self._followers: dict[str, _Following] = {}

    def run(self, *, once: bool) -> None:
        before = {number: signal.signal(number, self._stop) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            while not self._stopped.is_set():
                self._round(follow=not once)
                if once:
                    break
                self._stopped.wait(self._every_s)
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
            for each in self._followers.values():
                each.end()
        if self._signal == signal.SIGINT:
            raise KeyboardInterrupt

    def _stop(self, number: int, frame: object) -> None:
        self._signal = number
        self._stopped.set()
        signal.signal(signal.SIGINT, signal.default_int_handler)  # a second one ends it at once

    def _round(self, *, follow: bool) -> None:
        paths: dict[str, list[Path]] = {}
        for spot in find():
            paths.setdefault(spot.found.format, []).extend(spot.paths)
        for format, roots in paths.items():
            if follow and declared(format).follows:
                self._follow(format, roots)
            else:
                self._import(format, roots)
        if not self._stopped.is_set():
            for line in told(apply(self._context, self._log, dry_run=False)):
                self._context.detail(line)

    def _import(self, format: str, roots: list[Path]) -> None:
        try:
            takeover = Takeover(self._log)
            for root in roots:
                takeover.take(root, format)
            self._log.seal(takeover.grown)
            self._context.detail(f"{format}: {takeover.report.events_added:,} events added")
        except (EventLogError, OSError) as error:
            self._context.warn(f"{format}: {error}")

    def _follow(self, format: str, roots: list[Path]) -> None:
        """Follow these roots; anew where others have come, or where it ended."""
        known = self._followers.get(format)
        if known is not None:
            if known.thread.is_alive() and known.roots >= set(roots):
                return
            known.end()
        follower = Follower(self._log, format, roots)
        thread = threading.Thread(target=self._changes, args=(format, follower), name=f"follow {format}")
        self._followers[format] = _Following(follower, thread, frozenset(roots))
        thread.start()

    def _changes(self, format: str, follower: Follower) -> None:
        try:
            for change in follower.changes():
                self._context.detail(f"{format}: {change}")
        except (EventLogError, OSError) as error:
            self._context.warn(f"{format} is followed again at the next round: {error}")


def _unit(context: Context, kind: str) -> str:
    program = shutil.which("eventlog") or sys.argv[0]
    command = [os.path.abspath(program), "--store", str(context.loaded().settings.store.absolute()), "watch"]
    if kind == "systemd":
        return _SYSTEMD.format(command=" ".join(shlex.quote(each).replace("%", "%%") for each in command))
    from xml.sax.saxutils import escape

    return _LAUNCHD.format(arguments="\n".join(f"    <string>{escape(each)}</string>" for each in command))
