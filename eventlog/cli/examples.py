"""Examples of every command, as its help ends with them. A test takes each apart."""

from __future__ import annotations

from typing import Final

EXAMPLES: Final[dict[str, tuple[str, ...]]] = {
    "import": (
        "eventlog import",
        "eventlog import --all --dry-run",
        "eventlog import claude-code",
        "eventlog import codex ~/.codex/sessions --follow",
    ),
    "append": (
        'echo \'{"type":"message.added","data":{"role":"user","content":"hi"}}\' | eventlog append my-chat --create',
        "eventlog append my-chat < lines.jsonl",
    ),
    "set": (
        "eventlog set 0193ab42 --title 'Debug login' --tag bug",
        "eventlog set 0193ab42 --meta ticket=123 --status completed",
    ),
    "pin": ("eventlog pin 0193ab42",),
    "unpin": ("eventlog unpin 0193ab42",),
    "list": (
        "eventlog list",
        "eventlog list --since yesterday --project .",
        "eventlog list --tag bug --sort cost --limit 10",
        "eventlog list --format csv --fields session_id,title,cost",
    ),
    "search": (
        "eventlog search login cookie",
        'eventlog search \'"connection refused"\' --since "2 weeks"',
        "eventlog search deploy --session last --role user",
        "eventlog search -- -draft report",
    ),
    "stats": (
        "eventlog stats",
        "eventlog stats last",
        "eventlog stats --since 2026-02 --until 2026-02 --by model",
        "eventlog stats --since 1y --plot year.svg",
    ),
    "tools": (
        "eventlog tools last",
        "eventlog tools --name Bash --failed --limit 20",
    ),
    "show": (
        "eventlog show last",
        "eventlog show @3 --last 4 --no-tools",
        "eventlog show 0193ab --seq 120 -C 3",
        'eventlog show "debug login" --grep cookie -C 1',
    ),
    "tail": (
        "eventlog tail --after end",
        "eventlog tail last",
        "eventlog tail --json --type message.added | jq -r .data.content",
    ),
    "resume": (
        "eventlog resume last",
        "eventlog resume 0193ab42 --with codex",
    ),
    "run": (
        "eventlog run -- python app.py",
        "eventlog run -- pytest tests",
    ),
    "hook": ("eventlog hook claude-code --import",),
    "serve": (
        "eventlog serve",
        "eventlog serve --listen 127.0.0.1:9000 --read-only",
        "eventlog serve --otlp 127.0.0.1:4318",
    ),
    "open": (
        "eventlog open",
        "eventlog open last",
    ),
    "cat": (
        "eventlog cat last | jq -r 'select(.type==\"message.added\") | .data.content'",
        "eventlog cat --all --type usage.recorded --json | jq -c '[.session_id, .data.output_tokens]'",
    ),
    "grep": (
        "eventlog grep 'Traceback .most recent'",
        "eventlog grep -il cookie",
        "eventlog grep -F 'a[0]' last --type tool.returned",
    ),
    "mcp": (
        "eventlog mcp",
        "claude mcp add eventlog -- eventlog mcp",
    ),
    "fork": (
        "eventlog fork last --at 120",
        "eventlog fork 0193ab42 --turn 3",
    ),
    "merge": (
        "eventlog merge 0193ab42 0193ab43",
        "eventlog merge 0193ab43 --into 0193ab42",
    ),
    "export": (
        "eventlog export last --to markdown",
        "eventlog export --all --to html -o pages/",
        "eventlog export --tag good --to openai --split 90/10 -o train.jsonl",
    ),
    "maintain": (
        "eventlog maintain --dry-run",
        "eventlog maintain --quiet --log-file ~/eventlog.log",
    ),
    "watch": (
        "eventlog watch",
        "eventlog watch --once --verbose",
        "eventlog watch --unit systemd > ~/.config/systemd/user/eventlog.service",
    ),
    "doctor": (
        "eventlog doctor",
        "eventlog doctor --deep --json",
    ),
    "secrets": (
        "eventlog secrets",
        "eventlog secrets last --json",
        "eventlog secrets --redact b1dba8e85ee052b5 --reason 'key of the shop'",
        "eventlog secrets --redact all",
    ),
    "rebuild": (
        "eventlog rebuild",
        "eventlog rebuild --check",
    ),
    "repair": (
        "eventlog repair",
        "eventlog repair --apply",
    ),
    "verify": (
        "eventlog verify",
        "eventlog verify last --json",
    ),
    "compact": (
        "eventlog compact --dry-run",
        "eventlog compact --idle '2 weeks'",
    ),
    "delete": ("eventlog delete 0193ab42 --reason 'a test'",),
    "restore": ("eventlog restore 0193ab42",),
    "cleanup": ("eventlog cleanup --older-than 1y --keep 1000 --dry-run",),
    "purge": (
        "eventlog purge --dry-run",
        "eventlog purge 0193ab42 --now",
    ),
    "redact": (
        "eventlog redact 0193ab42 --seq 12 --reason 'a name'",
        "eventlog redact --all --pattern hunter2 --dry-run",
    ),
    "backup": ("eventlog backup /mnt/disk/eventlog",),
    "restore-backup": ("eventlog restore-backup /mnt/disk/eventlog",),
    "bundle": ("eventlog bundle last @2 -o sessions.tar",),
    "demo": ("eventlog demo",),
    "config": (
        "eventlog config",
        "eventlog config set keep_days 365",
        "eventlog config set backup_folder ~/backups/eventlog",
        "eventlog config unset keep_days",
    ),
    "completion": (
        "eventlog completion bash > ~/.local/share/bash-completion/completions/eventlog",
        "eventlog completion zsh > ~/.zfunc/_eventlog",
        "eventlog completion fish > ~/.config/fish/completions/eventlog.fish",
    ),
    "schema": (
        "eventlog schema list",
        "eventlog schema events > events.schema.json",
    ),
}
