"""`eventlog run` with real SDKs: a program that knows nothing of us, recorded."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from eventlog import EventLog
from projections import SessionView, replay

from .provider import Provider
from .recorded import said

ASK = """
import os, sys, openai
client = openai.OpenAI(base_url=os.environ["PROVIDER"] + "/v1", api_key="k", max_retries=0)
stream = client.chat.completions.create(model="gpt-5", messages=[{"role": "user", "content": sys.argv[1]}], stream=True)
print("".join(chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices))
"""
OTHERS = {
    "genai": """
import asyncio, os
from google import genai
async def main():
    client = genai.Client(api_key="k", http_options={"base_url": os.environ["PROVIDER"]})
    print((await client.aio.models.generate_content(model="gemini-x", contents="echo: hello")).text)
    await client.aio.aclose()
asyncio.run(main())
""",
    "a spawned process": """
import multiprocessing, os, openai
def ask():
    client = openai.OpenAI(base_url=os.environ["PROVIDER"] + "/v1", api_key="k", max_retries=0)
    client.chat.completions.create(model="gpt-5", messages=[{"role": "user", "content": "echo: hello"}])
if __name__ == "__main__":
    child = multiprocessing.get_context("spawn").Process(target=ask)
    child.start()
    child.join()
    print("hello")
""",
    "exits in a thread": """
import os, openai, sys, threading
def ask():
    client = openai.OpenAI(base_url=os.environ["PROVIDER"] + "/v1", api_key="k", max_retries=0)
    print(client.chat.completions.create(model="gpt-5", messages=[{"role": "user", "content": "echo: hello"}]).choices[0].message.content)
    sys.exit(1)
threading.Thread(target=ask).start()
""",
}


def run(provider: Provider, store: Path, code: str, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    script = store.parent / "app.py"
    script.write_text(code)
    command = [sys.executable, "-m", "eventlog", "run", "--store", str(store), "--", sys.executable, str(script), *arguments]
    environment = {**os.environ, "PROVIDER": provider.address, **more}
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=120, check=False)


def views(store: Path) -> list[SessionView]:
    with EventLog.open(store, create=False) as log:
        return [replay(log.session(session_id).read(), SessionView) for session_id in log.session_ids()]


def test_a_program_is_recorded_without_a_change_and_goes_on_in_its_session_when_it_is_run_again(provider: Provider, tmp_path: Path) -> None:
    done = run(provider, tmp_path / "store", ASK, "echo: hello")
    assert (done.stdout, done.stderr, done.returncode) == ("hello\n", "", 0)
    again = ASK.replace(
        '[{"role": "user", "content": sys.argv[1]}]',
        '[{"role": "user", "content": "echo: hello"}, {"role": "assistant", "content": "hello"}, {"role": "user", "content": sys.argv[1]}]',
    )
    assert run(provider, tmp_path / "store", again, "echo: more").stdout == "more\n"
    (view,) = views(tmp_path / "store")
    assert said(view) == [("user", "echo: hello"), ("assistant", "hello"), ("user", "echo: more"), ("assistant", "more")]


@pytest.mark.parametrize("program", OTHERS.values(), ids=OTHERS)
def test_whatever_way_the_program_asks(program: str, provider: Provider, tmp_path: Path) -> None:
    done = run(provider, tmp_path / "store", program, PYTHONWARNINGS="ignore")
    assert (done.stdout, done.stderr, done.returncode) == ("hello\n", "", 0)
    assert [said(view) for view in views(tmp_path / "store")] == [[("user", "echo: hello"), ("assistant", "hello")]]


def test_with_recording_off_nothing_is_made(provider: Provider, tmp_path: Path) -> None:
    assert run(provider, tmp_path / "store", ASK, "echo: hello", EVENTLOG_RECORDING="false").stdout == "hello\n"
    assert not (tmp_path / "store").exists()
