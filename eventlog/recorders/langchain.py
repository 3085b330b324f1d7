"""LangChain and LangGraph without the wire: a callback handler.

    chain.invoke(..., config={"callbacks": [recorders.langchain.Handler()]})

The session is the ``thread_id`` of the run's metadata (LangGraph's configurable), or ``session_id``; without one the conversation finds
its own. A call is told when it is over, its start from the run that began it.
"""

from __future__ import annotations

import time
from typing import Any, NamedTuple
from uuid import UUID

from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.messages import BaseMessage, convert_to_openai_messages
from langchain_core.outputs import LLMResult

from ..events import ErrorLogged
from ..log import EventLog
from ..shapes import openai_chat
from ..shapes.exchange import Exchange
from ..shapes.fields import mapping, mappings, plain, rest, text
from .answers import redacted
from .context import Context, current, named
from .installing import gate
from .recorder import Recorder, recorder_for
from .redaction import Redact

_SESSIONS = ("thread_id", "session_id", "conversation_id")
_PROVIDERS = {"google_genai": "gcp.gemini", "google_vertexai": "gcp.vertex_ai", "azure": "azure.ai.openai", "mistralai": "mistral_ai"}
_MOST = 10_000  # runs that are not over


class Run(NamedTuple):
    started_at: float
    context: Context
    asked: dict[str, Any]


class Handler(BaseCallbackHandler):
    """For ``config={"callbacks": [...]}``. ``log``: as in `install`; default: the recorder that is installed, else the configured store."""

    raise_error = False
    run_inline = True  # in the caller's thread, whose `recording` it is

    def __init__(self, log: EventLog | Recorder | None = None, **options: Any) -> None:
        self._recorder = recorder_for(log, **options)
        self._runs: dict[UUID, Run] = {}

    def on_chat_model_start(self, serialized: dict[str, Any], messages: list[list[BaseMessage]], *, run_id: UUID, **more: Any) -> None:
        gate.guarded(self._begin, run_id, lambda: convert_to_openai_messages(messages[0] if messages else []), more)

    def on_llm_start(self, serialized: dict[str, Any], prompts: list[str], *, run_id: UUID, **more: Any) -> None:
        gate.guarded(self._begin, run_id, lambda: [{"role": "user", "content": each} for each in prompts], more)

    def _begin(self, run_id: UUID, messages: Any, more: dict[str, Any]) -> None:
        context = current()
        metadata = more.get("metadata") or {}
        name = next((str(metadata[each]) for each in _SESSIONS if metadata.get(each)), None)
        if context.session_id is None and name is not None:
            context = named(name)._replace(is_paused=context.is_paused)
        asked = {
            name: value for name, value in (more.get("invocation_params") or {}).items() if name not in _NOT_SAID and value is not None
        }
        asked |= {"messages": messages(), "model": metadata.get("ls_model_name") or asked.get("model") or asked.get("model_name")}
        if len(self._runs) < _MOST:
            self._runs[run_id] = Run(time.time(), context, {"body": plain(asked), "provider": metadata.get("ls_provider")})

    def on_llm_end(self, response: LLMResult, *, run_id: UUID, **more: Any) -> None:
        gate.guarded(self._end, run_id, response, None)

    def on_llm_error(self, error: BaseException, *, run_id: UUID, **more: Any) -> None:
        gate.guarded(self._end, run_id, more.get("response"), ErrorLogged(message=str(error), kind=type(error).__name__))

    def _end(self, run_id: UUID, response: LLMResult | None, error: ErrorLogged | None) -> None:
        run = self._runs.pop(run_id, None)
        if run is None:
            return
        said = {**run.asked, "answer": _answered(response), "error": None if error is None else error.message}

        def told(redact: Redact | None) -> Exchange | None:
            return _exchange(redacted(said, redact), error)

        self._recorder.told(told, run.context, started_at=run.started_at, ended_at=time.time(), size=len(str(run.asked)))


_NOT_SAID = ("_type", "stream", "stream_options", "model_name", "base_url", "api_key")


def _answered(response: LLMResult | None) -> dict[str, Any]:
    """The response as OpenAI's chat would say it."""
    choices: list[dict[str, Any]] = []
    usage: Any = None
    about: dict[str, Any] = {}
    for generation in response.generations[0] if response is not None and response.generations else []:
        message = getattr(generation, "message", None)
        if message is None:
            choices.append({"message": {"role": "assistant", "content": generation.text}})
            continue
        about = about or mapping(plain(message.response_metadata)) | {"message_id": message.id}
        said = mapping(convert_to_openai_messages(message))
        choices.append({"message": said, "finish_reason": about.get("finish_reason") or about.get("stop_reason")})
        usage = usage or plain(message.usage_metadata)
    model = about.get("model_name") or about.get("model")
    return {"id": _response_id(about), "model": model, "choices": choices, "usage": _usage(mapping(usage))}


def _response_id(about: dict[str, Any]) -> str | None:
    """The provider's, not one that LangChain has made up."""
    message_id = text(about.get("message_id")) or ""
    return text(about.get("id")) or (message_id if message_id and not message_id.startswith(("run-", "lc_", "lc-")) else None)


def _usage(stated: dict[str, Any]) -> dict[str, Any] | None:
    """LangChain's counts, which are like OpenAI's: the input with what the cache gave, the output with reasoning."""
    if not stated:
        return None
    read, written = mapping(stated.get("input_token_details")), mapping(stated.get("output_token_details"))
    return {
        "prompt_tokens": stated.get("input_tokens"),
        "completion_tokens": stated.get("output_tokens"),
        "total_tokens": stated.get("total_tokens"),
        "prompt_tokens_details": {"cached_tokens": read.get("cache_read"), "cache_write_tokens": read.get("cache_creation")},
        "completion_tokens_details": {"reasoning_tokens": written.get("reasoning")},
    }


def _exchange(said: dict[str, Any], error: ErrorLogged | None) -> Exchange:
    from msgspec.structs import replace

    ask = openai_chat.ask(said["body"])
    provider = text(said.get("provider"))
    if provider is not None:
        ask = replace(ask, provider=_PROVIDERS.get(provider, provider))
    answer = openai_chat.answer(rest(said["answer"], ())) if mappings(said["answer"].get("choices")) else None
    if error is not None and isinstance(said.get("error"), str):
        error = replace(error, message=said["error"] or error.kind)
    return Exchange(ask=ask, answer=answer, error=error)
