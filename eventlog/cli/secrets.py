"""``eventlog secrets``: keys and tokens that stand in what was recorded, shown masked, and taken out by their fingerprints."""

from __future__ import annotations

import re
from collections.abc import Iterator

import click
import msgspec

from ..log import EventLog
from ..maintenance.secrets import Scanner, Secret
from .columns import Column, for_eyes
from .context import Context, command
from .failures import Refused
from .grep import strings

_PLACES_KEPT = 1_000


class Place(msgspec.Struct, frozen=True):
    session_id: str
    seq: int


class Finding(msgspec.Struct, kw_only=True):
    """A secret: ``fingerprint`` names it without telling it. ``count`` events hold it, the first of which are ``places``."""

    fingerprint: str
    rule: str
    masked: str
    count: int = 0
    places: list[Place] = []
    redacted: bool = False


class Secrets(msgspec.Struct, kw_only=True):
    """``ok``: nothing was found, or all that was found is taken out."""

    ok: bool
    sessions: int
    events: int
    findings: list[Finding]


@command("secrets")
@click.argument("sessions", nargs=-1, metavar="[SESSION]...")
@click.option("--redact", "fingerprints", multiple=True, metavar="FINGERPRINT", help="Take this one out for good, everywhere; or: all.")
@click.option("--guess", is_flag=True, help="Also what only looks like one: after words like password, or random characters.")
@click.option("--reason", help="With --redact: why; it stays in the log.")
def secrets(context: Context, sessions: tuple[str, ...], fingerprints: tuple[str, ...], guess: bool, reason: str | None) -> None:
    """Find keys and tokens in what was recorded.

    By the rules of detect-secrets (the extra "secrets"), over every session that is named, or all, deleted ones too. Shows them masked,
    with a fingerprint by which --redact takes them out of every file of the store. Nothing is sent anywhere. Exit code 1 where something
    is found and left."""
    try:
        scanner = Scanner(guess=guess)
    except ModuleNotFoundError as error:
        raise Refused(f"secrets needs {error.name!r}: install session-eventlog with the extra, pip install '.[secrets]'") from error
    with context.open_log(write=bool(fingerprints)) as log:
        name = context.session_to_change if fingerprints else context.find_session
        chosen = [name(log, session) for session in dict.fromkeys(sessions)] or sorted(log.session_ids())
        known, found, events = _scan(context, log, chosen, scanner)
        if unknown := set(fingerprints) - set(found) - {"all"}:
            raise Refused(f"nothing there has the fingerprint {min(unknown)!r}; `eventlog secrets` shows what there is")
        for fingerprint, finding in found.items():
            if fingerprint in fingerprints or "all" in fingerprints:
                _redact(log, known[fingerprint], finding, reason)
    findings = sorted(found.values(), key=lambda each: (-each.count, each.fingerprint))
    for each in findings:
        del each.places[_PLACES_KEPT:]
    answer = Secrets(ok=all(each.redacted for each in findings), sessions=len(chosen), events=events, findings=findings)
    if not answer.ok:
        context.bad_news()
    if context.json:
        context.emit(answer)
    else:
        _print(context, answer)


def _scan(context: Context, log: EventLog, chosen: list[str], scanner: Scanner) -> tuple[dict[str, Secret], dict[str, Finding], int]:
    known: dict[str, Secret] = {}
    found: dict[str, Finding] = {}
    events = 0
    with context.progress("looking for secrets") as update:
        for number, session_id in enumerate(chosen):
            update(number, len(chosen))
            with log.session(session_id) as session:
                for stored in session.read(on_damage="skip"):
                    events += 1
                    for secret in _of_line(scanner, stored.raw):
                        known[secret.fingerprint] = secret
                        finding = found.setdefault(
                            secret.fingerprint, Finding(fingerprint=secret.fingerprint, rule=secret.rule, masked=secret.masked)
                        )
                        finding.count += 1
                        finding.places.append(Place(session_id, stored.seq))
    return known, found, events


def _of_line(scanner: Scanner, raw: bytes) -> Iterator[Secret]:
    """Each secret of an event once, wherever in its line it stands: what an importer kept verbatim, too."""
    seen = set()
    for text in strings(msgspec.json.decode(raw)):
        for secret in scanner.secrets_in(text):
            if secret.value not in seen:
                seen.add(secret.value)
                yield secret


def _redact(log: EventLog, secret: Secret, finding: Finding, reason: str | None) -> None:
    for session_id in dict.fromkeys(place.session_id for place in finding.places):
        log.redact(session_id, pattern=re.escape(secret.value), reason=reason or f"secret {secret.fingerprint}")
    finding.redacted = True


def _print(context: Context, answer: Secrets) -> None:
    terminal = context.terminal
    columns: list[Column[Finding]] = [
        Column(name="fingerprint", value=lambda each: each.fingerprint, style="yellow"),
        Column(name="rule", value=lambda each: each.rule, fills=True),
        Column(name="secret", value=lambda each: each.masked, style="red", rank=1),
        Column(name="events", value=lambda each: each.count, right=True, rank=2),
        Column(name="first", value=lambda each: f"{each.places[0].session_id} {each.places[0].seq}", rank=3),
        Column(name="done", value=lambda each: "redacted" if each.redacted else "", rank=0),
    ]
    if answer.findings:
        for line in for_eyes(terminal, columns, answer.findings, terminal.width if terminal.is_there else None):
            click.echo(line, color=terminal.colors)
    context.say(f"{len(answer.findings):,} secrets in {answer.sessions:,} sessions, {answer.events:,} events")
    if not answer.ok:
        context.hint("`eventlog secrets --redact FINGERPRINT` takes one out for good, --redact all every one; change the keys, too")
