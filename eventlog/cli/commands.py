"""The table of commands: where each one lives, as a string, and its line in the help.

This is the one place where the write side names the read side. A module is imported only when its command is run, so that
start-up costs one command and ``--help`` costs none.
"""

from __future__ import annotations

from typing import Final, NamedTuple


class Command(NamedTuple):
    """``target`` is "module:attribute"; ``help`` is the first sentence of the command's own help."""

    target: str
    help: str


SECTIONS: Final[dict[str, dict[str, Command]]] = {
    "Record": {
        "import": Command("eventlog.cli.importing:import_sessions", "Import another tool's sessions, adding only what is new."),
        "append": Command("eventlog.cli.append:append", "Append JSON lines from standard input to a session."),
        "set": Command("eventlog.cli.set:set_details", "Change a session's title, tags, status and other details."),
        "pin": Command("eventlog.cli.set:pin", "Keep a session on top of lists and out of clean-ups."),
        "unpin": Command("eventlog.cli.set:unpin", "Undo pin."),
    },
    "Look": {
        "list": Command("projections.cli.list:list_sessions", "List sessions, those of the latest activity first."),
        "search": Command("projections.cli.search:search", "Find events by their words, the best hits first."),
        "stats": Command("projections.cli.stats:stats", "Show statistics of the store, or of one session."),
        "tools": Command("projections.cli.tools:tools", "List tool calls with their results."),
        "show": Command("projections.cli.show:show", "Show a session: its header, messages, tools and totals."),
        "tail": Command("eventlog.cli.tail:tail", "Show what is there, then what happens, live."),
        "serve": Command("projections.cli.serve:serve", "Serve the HTTP API, the live stream and the page."),
        "open": Command("projections.cli.open:open_page", "Open the page in the browser."),
        "cat": Command("eventlog.cli.cat:cat", "Print a session's stored event lines, as they are."),
        "grep": Command("eventlog.cli.grep:grep", "Print the lines of sessions that a pattern matches."),
        "mcp": Command("projections.cli.mcp:mcp", "Serve the sessions to an agent, by MCP on stdin and stdout."),
    },
    "Replay": {
        "fork": Command("eventlog.cli.fork:fork", "Begin a new session as another one was at some point."),
        "merge": Command("eventlog.cli.merge:merge", "Bring several sessions into one, each event once."),
        "export": Command("projections.cli.export:export_sessions", "Write sessions as documents, data or training samples."),
    },
    "Keep": {
        "maintain": Command("projections.cli.maintain:maintain", "Apply the configured policies once."),
        "watch": Command("projections.cli.watch:watch", "Import what every known tool writes, as a service would."),
        "doctor": Command("projections.cli.doctor:doctor", "Say what is wrong here, and what to do about it."),
        "secrets": Command("eventlog.cli.secrets:secrets", "Find keys and tokens in what was recorded."),
        "rebuild": Command("projections.cli.rebuild:rebuild", "Make the projections anew from the log, or check them."),
        "repair": Command("eventlog.cli.repair:repair", "Make whole what verify finds damaged, or only say so."),
        "verify": Command("eventlog.cli.verify:verify", "Check every byte of the store, or of some sessions."),
        "compact": Command("eventlog.cli.compact:compact", "Make fewer and smaller files with the same events in them."),
        "delete": Command("eventlog.cli.retention:delete", "Hide sessions and refuse to append to them."),
        "restore": Command("eventlog.cli.retention:restore", "Bring deleted sessions back, as they were."),
        "cleanup": Command("eventlog.cli.retention:cleanup", "Delete sessions by age."),
        "purge": Command("eventlog.cli.retention:purge", "Remove everything of deleted sessions but their tombstones."),
        "redact": Command("eventlog.cli.redact:redact", "Take content out of a session for good."),
        "backup": Command("eventlog.cli.backup:backup", "Bring a copy of the store up to date, or make one."),
        "restore-backup": Command("eventlog.cli.backup:restore_backup", "Bring sessions back from a backup."),
        "bundle": Command("eventlog.cli.backup:bundle", "Put sessions into one file, to hand them to somebody."),
    },
    "Set up": {
        "demo": Command("eventlog.cli.demo:demo", "Record a small session, crash it, recover it and replay it."),
        "config": Command("eventlog.cli.config:config", "Show every setting, its value and where that comes from."),
        "completion": Command("eventlog.cli.completion:completion", "Print the script that completes words in a shell."),
        "schema": Command("projections.cli.schema:schema", "Print the JSON Schema of a command's --json."),
    },
}

COMMANDS: Final[dict[str, Command]] = {name: command for section in SECTIONS.values() for name, command in section.items()}

CATCH_UP: Final = "projections.cli.catch_up:catch_up"  # no command: what one that has written much ends with
FIND: Final = "projections.cli.finding:find"  # no command either: what a person may call a session by
COMPLETE: Final = "projections.cli.completing:candidates"  # nor this: what a shell offers
