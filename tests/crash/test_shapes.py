"""Whatever happens to a store's files behind its back: no hang, no traceback, no wrong event, no byte outside, nothing that is lost."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from eventlog.events import MessageAdded
from tests.crash.shapes import case as cases
from tests.crash.shapes.case import Case
from tests.crash.shapes.known import Broken, Known
from tests.crash.shapes.mutations import MUTATIONS
from tests.crash.shapes.search import Lives, quietly
from tests.crash.shapes.store import Template, events_in, make, mark

ROOT = Path(__file__).parents[2]


def test_every_command_and_every_public_call_on_stores_that_were_bent_out_of_shape() -> None:
    command = [sys.executable, "-m", "tests.crash.shapes", "--cases", "150", "--seed", "20261130"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=300, check=False)
    assert done.returncode == 0, done.stdout


# --- the fuzzer itself notices --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Template:
    return make(tmp_path_factory.mktemp("made") / "template", "7")


@pytest.fixture
def case(template: Template, memory_folder: Path) -> Iterator[Case]:
    with quietly(memory_folder):
        made = Case(memory_folder / "case", template, "1:1")
        made._lay_out()
        yield made
        made._let_go()


def verdict(case: Case, step: Callable[[Case], None]) -> str:
    with pytest.raises(Broken) as broken:
        case._do("0 a step", step)
    return broken.value.verdict


def test_a_step_that_waits_or_runs_for_ever_is_a_hang(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cases, "LIMIT_S", 0.2)
    os.mkfifo(case.out / "fifo")

    def spin(case: Case) -> None:
        while True:
            pass

    def swallow(case: Case) -> None:
        try:
            spin(case)
        except BaseException:
            pass

    for step in (spin, swallow, lambda case: open(case.out / "fifo").close()):
        assert verdict(case, step) == "hang"
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


def test_an_exception_that_is_not_ours_is_one(case: Case) -> None:
    def fail(case: Case) -> None:
        raise KeyError("x")

    def fail_in_the_system(case: Case) -> None:
        os.stat(case.folder / "nowhere")

    assert verdict(case, fail) == verdict(case, fail_in_the_system) == "not ours"


@pytest.mark.parametrize("name", ["outside/precious.txt", "outside/new", "cwd/-", "new"])
def test_a_byte_outside_the_store_is_noticed(case: Case, name: str) -> None:
    assert verdict(case, lambda case: bool((case.folder / name).write_bytes(b"PRECIOUS\n"))) == "written outside"  # type: ignore[arg-type, return-value]


def test_what_was_acknowledged_and_is_not_there_is_lost(case: Case) -> None:
    case.known.acknowledged("a", 99)
    assert verdict(case, Case._look_at_the_end) == "acknowledged and lost"


def test_what_is_where_it_was_and_is_not_given_out_is_hidden(case: Case) -> None:
    case.known.required.add(("a", 99))
    assert verdict(case, Case._look_at_the_end) == "hidden"


def test_a_position_is_given_once_and_an_event_is_given_where_it_was_acknowledged(template: Template) -> None:
    known = Known(template.files.values())
    (session_id, seq), text = next((place, text) for place, text in known_events(template) if b'"message.added"' in text)
    known.check(session_id, seq, text)
    for wrong in (
        lambda: known.check(session_id, seq, text.replace(b"hello", b"hullo")),
        lambda: known.check("beta" if session_id == "a" else "a", seq, text),
        lambda: known.check_lines(session_id, [(seq, text + b'"}'), (seq, text)]),
        lambda: known.acknowledged(session_id, seq),
    ):
        with pytest.raises(Broken):
            wrong()
    refused = known.attempt("a")
    known.refused(refused)
    with pytest.raises(Broken, match="wrong event"):
        known.check("a", 99, b'{"seq":99,"time":"","type":"message.added","data":{"content":"%s"}' % refused.encode())


def known_events(template: Template) -> list[tuple[tuple[str, int], bytes]]:
    return [found for content in template.files.values() for found in sorted(events_in(content).items())]


def test_a_store_that_nothing_is_done_to_holds_and_a_life_is_the_same_when_it_is_lived_again(memory_folder: Path) -> None:
    with quietly(memory_folder):
        lives = Lives(memory_folder, 3)
        for number in range(3):
            mutations = {step for step, name in enumerate(steps(lives, number)) if name in MUTATIONS}
            case, failure = lives.live(number, frozenset(mutations))
            assert failure is None, failure
            assert [name for name in case.done if name.partition(" ")[2] in MUTATIONS] == []
            assert steps(lives, number) == steps(lives, number)


def steps(lives: Lives, number: int) -> list[str]:
    return [name for name, _ in Case(Path("x"), lives.template(number), f"3:{number}")._plan()]


def test_a_mark_is_in_no_two_events(template: Template) -> None:
    texts = [text for place, text in known_events(template) if place[0] != "fork"]
    for number in range(20):
        assert sum(mark(number).encode() in text for text in set(texts)) <= 1
    assert MessageAdded.type.encode() in b"".join(texts)
