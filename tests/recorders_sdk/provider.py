"""A provider that is not one: five wire shapes on loopback, answers by script, and a log of every byte that it was sent.

A program says what it wants in the last user text: ``echo: x`` says x, other words misbehave. Everything that it got is in ``requests``;
``aborted`` counts the streams whose readers went away.
"""

from __future__ import annotations

import gzip
import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple


class Got(NamedTuple):
    path: str
    headers: dict[str, str]
    body: bytes


class Provider(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.requests: list[Got] = []
        self.aborted = 0
        self.flaky: dict[str, int] = {}
        self.count = 0
        self.lock = threading.Lock()
        self.gate = threading.Event()  # what stalls goes on when it is set
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def stop(self) -> None:
        self.gate.set()
        self.shutdown()
        self.server_close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A reader that goes away is no error here."""


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for each in value:
            yield from _texts(each)
    elif isinstance(value, dict):
        for name in ("content", "parts", "text", "prompt", "input"):
            if name in value:
                yield from _texts(value[name])


def wanted(body: dict[str, Any]) -> str:
    """The last thing that was said."""
    said: Any = body.get("messages") or body.get("contents") or body.get("input") or body.get("prompt") or ""
    last = said[-1] if isinstance(said, list) else said
    return ([*_texts(last)] or [""])[-1]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Provider

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing on stderr."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        with self.server.lock:
            self.server.requests.append(Got(self.path, {name.lower(): value for name, value in self.headers.items()}, body))
            self.server.count += 1
        path = self.path.partition("?")[0]
        try:
            asked = json.loads(body)
        except ValueError:
            asked = {}
        if path.startswith("/channels/"):
            return self._json(200, {"id": "1", "content": asked.get("content")})
        ask = wanted(asked)
        if self._misbehaves(ask, path):
            return None
        shape = _shape(path)
        streamed = asked.get("stream", shape == "ollama") if shape != "gemini" else ":stream" in path
        answer = _answers(ask, asked, f"{self.server.count:04d}")
        if not streamed:
            return self._json(200, WHOLE[shape](answer), ask)
        return self._stream(ask, STREAMED[shape](answer), shape)

    def _misbehaves(self, ask: str, path: str) -> bool:
        if ask.startswith("status "):
            code = int(ask.split()[1])
            self._json(code, {"error": {"message": f"refused with {code}", "type": "refused", "code": None}}, retry=True)
        elif ask.startswith("flaky"):
            with self.server.lock:
                left = self.server.flaky.setdefault(ask, 2)
                self.server.flaky[ask] = left - 1
            if left <= 0:
                return False
            self._json(503, {"error": {"message": "try again", "type": "overloaded"}}, retry=True)
        elif ask == "html":
            self._raw(b"<html>hello</html>", "text/html")
        elif ask == "cut json":
            self._raw(b'{"id": "x", "choi', "application/json")
        elif ask == "nothing":
            self._raw(b"", "application/json")
        else:
            return False
        return True

    def _json(self, code: int, value: Any, ask: str = "", *, retry: bool = False) -> None:
        self._raw(json.dumps(value).encode(), "application/json", code, gzipped="gzip" in ask, retry=retry)

    def _raw(self, body: bytes, kind: str, code: int = 200, *, gzipped: bool = False, retry: bool = False) -> None:
        if gzipped:
            body = gzip.compress(body)
        self.send_response(code)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        self.send_header("x-request-id", f"req-{self.server.count}")
        if gzipped:
            self.send_header("content-encoding", "gzip")
        if retry:
            self.send_header("retry-after-ms", "1")
        self.end_headers()
        self.wfile.write(body)

    def _stream(self, ask: str, pieces: list[bytes], shape: str) -> None:
        whole = b"".join(pieces)
        if "crlf" in ask:
            pieces = [piece.replace(b"\n", b"\r\n") for piece in pieces]
        if "comments" in ask and shape != "ollama":
            pieces = [each for piece in pieces for each in (b": keep-alive\n\n", piece)]
        if "bytewise" in ask:
            pieces = [whole[at : at + 1] for at in range(len(whole))]
        if "gzip" in ask:
            pieces = [gzip.compress(b"".join(pieces))]
        self.send_response(200)
        self.send_header("content-type", "application/x-ndjson" if shape == "ollama" else "text/event-stream")
        self.send_header("transfer-encoding", "chunked")
        if "gzip" in ask:
            self.send_header("content-encoding", "gzip")
        self.end_headers()
        try:
            for number, piece in enumerate(pieces):
                if number == 4 and "cut" in ask:
                    self.close_connection = True
                    self.connection.close()
                    return
                if number == 4 and "stall" in ask:
                    self.server.gate.wait(30)
                if number == 4 and "midway" in ask:
                    piece = b'data: {"type":"error","error":{"message":"broke midway","type":"server_error"}}\n\n'
                self.wfile.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
                self.wfile.flush()
                if "slow" in ask:
                    time.sleep(0.01)
            self.wfile.write(b"0\r\n\r\n")
        except OSError:
            with self.server.lock:
                self.server.aborted += 1


def _shape(path: str) -> str:
    for ending, shape in (("/chat/completions", "chat"), ("/responses", "responses"), ("/messages", "anthropic"), ("/api/chat", "ollama")):
        if path.endswith(ending):
            return shape
    return "gemini"


class Answer(NamedTuple):
    id: str
    texts: list[str]
    calls: list[dict[str, Any]]
    reasoning: str
    choices: int
    usage: bool
    model: str


def _answers(ask: str, asked: dict[str, Any], number: str) -> Answer:
    text = ask.partition("echo: ")[2] or "Grüße, 世界!\u2028 The answer."
    texts = [text[at : at + 3] for at in range(0, len(text), 3)]
    count = 2 if "tools" in ask else 0
    calls = [{"id": f"call_{number}_{n}", "name": "weather", "arguments": {"city": f"city {n}"}} for n in range(count)]
    usage = asked.get("stream") is not True or bool(mapping(asked.get("stream_options")).get("include_usage"))
    choices = asked.get("n") or 1
    return Answer(number, [] if calls else texts, calls, "Hm, so." if "think" in ask else "", choices, usage, asked.get("model", "fake-1"))


def mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


_CHAT_USAGE = {"prompt_tokens": 20, "completion_tokens": 5, "total_tokens": 25, "prompt_tokens_details": {"cached_tokens": 8}}


def _chat(answer: Answer) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": "".join(answer.texts) or None}
    if answer.calls:
        message["tool_calls"] = [
            {"id": call["id"], "type": "function", "function": {"name": call["name"], "arguments": json.dumps(call["arguments"])}}
            for call in answer.calls
        ]
    reason = "tool_calls" if answer.calls else "stop"
    choices = [{"index": n, "message": message, "finish_reason": reason, "logprobs": None} for n in range(answer.choices)]
    return {"id": f"chatcmpl-{answer.id}", "object": "chat.completion", "created": 1, "model": answer.model, "choices": choices} | {
        "usage": _CHAT_USAGE,
        "a_field_of_tomorrow": {"x": 1},
    }


def _sse(*values: Any, name: bool = False) -> list[bytes]:
    return [(f"event: {value['type']}\n" if name else "").encode() + b"data: " + json.dumps(value).encode() + b"\n\n" for value in values]


def _chat_stream(answer: Answer) -> list[bytes]:
    def chunk(delta: dict[str, Any], reason: str | None = None) -> dict[str, Any]:
        about = {"id": f"chatcmpl-{answer.id}", "object": "chat.completion.chunk", "created": 1, "model": answer.model, "usage": None}
        return about | {"choices": [{"index": 0, "delta": delta, "finish_reason": reason}]}

    chunks = [chunk({"role": "assistant", "content": ""}), *(chunk({"content": text}) for text in answer.texts)]
    for n, call in enumerate(answer.calls):
        function = {"name": call["name"], "arguments": ""}
        chunks.append(chunk({"tool_calls": [{"index": n, "id": call["id"], "type": "function", "function": function}]}))
    texts = [json.dumps(call["arguments"]) for call in answer.calls]
    for at in range(0, max(map(len, texts), default=0), 4):
        for n, text in enumerate(texts):
            chunks.append(chunk({"tool_calls": [{"index": n, "function": {"arguments": text[at : at + 4]}}]}))
    chunks.append(chunk({}, "tool_calls" if answer.calls else "stop"))
    if answer.usage:
        chunks.append({**chunk({}), "choices": [], "usage": _CHAT_USAGE})
    return [*_sse(*chunks), b"data: [DONE]\n\n"]


def _output(answer: Answer) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = []
    if answer.reasoning:
        items.append({"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": answer.reasoning}]})
    items += [
        {"type": "function_call", "id": f"fc_{n}", "call_id": call["id"], "name": call["name"], "arguments": json.dumps(call["arguments"])}
        for n, call in enumerate(answer.calls)
    ]
    if answer.texts:
        content = [{"type": "output_text", "text": "".join(answer.texts), "annotations": []}]
        items.append({"type": "message", "id": f"msg_{answer.id}", "role": "assistant", "status": "completed", "content": content})
    return items


def _responses(answer: Answer) -> dict[str, Any]:
    usage = {"input_tokens": 20, "output_tokens": 5, "total_tokens": 25, "input_tokens_details": {"cached_tokens": 8}}
    usage["output_tokens_details"] = {"reasoning_tokens": 0}
    made = {"id": f"resp_{answer.id}", "object": "response", "created_at": 1, "status": "completed", "model": answer.model, "error": None}
    return made | {"output": _output(answer), "usage": usage, "parallel_tool_calls": True, "tool_choice": "auto", "tools": []}


def _responses_stream(answer: Answer) -> list[bytes]:
    whole = _responses(answer)
    begun = whole | {"status": "in_progress", "output": [], "usage": None}
    events: list[dict[str, Any]] = [{"type": "response.created", "response": begun}]
    for index, item in enumerate(whole["output"]):
        empty = item | ({"content": []} if item["type"] == "message" else {})
        events.append({"type": "response.output_item.added", "output_index": index, "item": empty})
        if item["type"] == "message":
            place = {"item_id": item["id"], "output_index": index, "content_index": 0}
            part = {"type": "output_text", "text": "", "annotations": []}
            events.append({"type": "response.content_part.added", **place, "part": part})
            events += [{"type": "response.output_text.delta", **place, "delta": text, "logprobs": []} for text in answer.texts]
            events.append({"type": "response.content_part.done", **place, "part": item["content"][0]})
        events.append({"type": "response.output_item.done", "output_index": index, "item": item})
    events.append({"type": "response.completed", "response": whole})
    return _sse(*({**event, "sequence_number": n} for n, event in enumerate(events)), name=True)


_CLAUDE_USAGE = {"input_tokens": 12, "cache_read_input_tokens": 8, "cache_creation_input_tokens": 0, "output_tokens": 5}


def _blocks(answer: Answer) -> list[dict[str, Any]]:
    blocks: list[dict[str, Any]] = []
    if answer.reasoning:
        blocks.append({"type": "thinking", "thinking": answer.reasoning, "signature": "c2ln"})
    if answer.texts:
        blocks.append({"type": "text", "text": "".join(answer.texts)})
    return blocks + [{"type": "tool_use", "id": call["id"], "name": call["name"], "input": call["arguments"]} for call in answer.calls]


def _anthropic(answer: Answer) -> dict[str, Any]:
    made = {"id": f"msg_{answer.id}", "type": "message", "role": "assistant", "model": answer.model, "content": _blocks(answer)}
    return made | {"stop_reason": "tool_use" if answer.calls else "end_turn", "stop_sequence": None, "usage": _CLAUDE_USAGE}


def _anthropic_stream(answer: Answer) -> list[bytes]:
    whole = _anthropic(answer)
    start = whole | {"content": [], "stop_reason": None, "usage": _CLAUDE_USAGE | {"output_tokens": 1}}
    events: list[dict[str, Any]] = [{"type": "message_start", "message": start}, {"type": "ping"}]
    for index, block in enumerate(whole["content"]):
        kind = block["type"]
        empty: dict[str, Any] = {
            "text": {"type": "text", "text": ""},
            "thinking": {"type": "thinking", "thinking": "", "signature": ""},
        }.get(kind, block | {"input": {}})
        events.append({"type": "content_block_start", "index": index, "content_block": empty})
        deltas: list[dict[str, Any]] = []
        if kind == "text":
            deltas = [{"type": "text_delta", "text": text} for text in answer.texts]
        elif kind == "thinking":
            deltas = [{"type": "thinking_delta", "thinking": block["thinking"]}, {"type": "signature_delta", "signature": "c2ln"}]
        else:
            text = json.dumps(block["input"])
            deltas = [{"type": "input_json_delta", "partial_json": text[at : at + 5]} for at in range(0, len(text), 5)]
        events += [{"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas]
        events.append({"type": "content_block_stop", "index": index})
    ending = {"stop_reason": whole["stop_reason"], "stop_sequence": None}
    events.append({"type": "message_delta", "delta": ending, "usage": {"output_tokens": 5}})
    events.append({"type": "message_stop"})
    return _sse(*events, name=True)


def _candidate(answer: Answer, texts: list[str], last: bool) -> dict[str, Any]:
    parts: list[dict[str, Any]] = [{"text": text} for text in texts]
    if last:
        parts += [{"functionCall": {"name": call["name"], "args": call["arguments"]}} for call in answer.calls]
    candidate: dict[str, Any] = {"content": {"role": "model", "parts": parts}, "index": 0} | ({"finishReason": "STOP"} if last else {})
    usage = {"promptTokenCount": 20, "candidatesTokenCount": 5, "totalTokenCount": 25, "cachedContentTokenCount": 8}
    return {"candidates": [candidate], "usageMetadata": usage, "modelVersion": "gemini-x", "responseId": f"gem-{answer.id}"}


def _gemini_stream(answer: Answer) -> list[bytes]:
    return _sse(*(_candidate(answer, [text], False) for text in answer.texts), _candidate(answer, [], True))


def _ollama(answer: Answer, texts: list[str] | None = None, done: bool = True) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": "".join(answer.texts if texts is None else texts)}
    if answer.calls and done:
        message["tool_calls"] = [{"function": {"name": call["name"], "arguments": call["arguments"]}} for call in answer.calls]
    made: dict[str, Any] = {"model": answer.model, "created_at": "2026-01-01T00:00:00Z", "message": message, "done": done}
    return made | ({"done_reason": "stop", "prompt_eval_count": 20, "eval_count": 5} if done else {})


def _ollama_stream(answer: Answer) -> list[bytes]:
    lines = [*(_ollama(answer, [text], False) for text in answer.texts), _ollama(answer, [])]
    return [json.dumps(line).encode() + b"\n" for line in lines]


WHOLE = {"chat": _chat, "responses": _responses, "anthropic": _anthropic, "ollama": _ollama}
WHOLE["gemini"] = lambda answer: _candidate(answer, answer.texts, True)
STREAMED = {"chat": _chat_stream, "responses": _responses_stream, "anthropic": _anthropic_stream}
STREAMED |= {"gemini": _gemini_stream, "ollama": _ollama_stream}
