"""A client that speaks ASGI to an application in this process: every byte of the path, the headers and the body is the test's own."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import jsonschema
import msgspec
from starlette.types import ASGIApp

HOST = "127.0.0.1:8765"
TOKEN = "a-token-of-the-tests"


class Answer(msgspec.Struct):
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return msgspec.json.decode(self.body)

    @property
    def is_problem(self) -> bool:
        return self.headers.get("content-type") == "application/problem+json" and self.json["status"] == self.status


class Client:
    """``headers`` go with every request; None takes one away. Every answer in JSON is proven against ``document``, the API's own."""

    def __init__(self, app: ASGIApp, **headers: str) -> None:
        self.app = app
        self.document: dict[str, Any] | None = None
        self.headers: dict[str, str | None] = {"host": HOST, "authorization": f"Bearer {TOKEN}", **headers}

    def get(self, target: str, **headers: str | None) -> Answer:
        return self.ask("GET", target, None, **headers)

    def post(self, target: str, body: Any = None, **headers: str | None) -> Answer:
        return self.ask("POST", target, {} if body is None else body, **headers)

    def ask(self, method: str, target: str, body: Any = None, **headers: str | None) -> Answer:
        given = {"content-type": "application/json"} if body is not None else {}
        sent = {**self.headers, **given, **{name.replace("_", "-"): value for name, value in headers.items()}}
        data = b"" if body is None else body if isinstance(body, bytes) else msgspec.json.encode(body)
        if body is not None:
            sent.setdefault("content-length", str(len(data)))
        answer = asyncio.run(self._ask(method, target, data, {name: value for name, value in sent.items() if value is not None}))
        if self.document is not None:
            prove(self.document, method, target.partition("?")[0], answer)
        return answer

    async def _ask(self, method: str, target: str, body: bytes, headers: dict[str, str]) -> Answer:
        path, _, query = target.partition("?")
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
            "client": ("127.0.0.1", 50000),
            "server": ("127.0.0.1", 8765),
        }
        pieces = [
            {"type": "http.request", "body": body[at : at + 65536], "more_body": at + 65536 < len(body)}
            for at in range(0, len(body) or 1, 65536)
        ]
        answer = Answer(0, {}, b"")

        async def receive() -> Any:
            if pieces:
                return pieces.pop(0)
            await asyncio.sleep(3600)
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            if message["type"] == "http.response.start":
                answer.status = message["status"]
                answer.headers = {name.decode(): value.decode() for name, value in message["headers"]}
            else:
                answer.body += message.get("body", b"")

        await self.app(scope, receive, send)
        return answer


def prove(document: dict[str, Any], method: str, path: str, answer: Answer) -> None:
    """That the answer is one that the document names, if it knows the path."""
    for template, methods in document["paths"].items():
        if re.fullmatch(re.sub(r"{\w+}", "[^/]+", template), path) and method.lower() in methods:
            break
    else:
        return
    responses = methods[method.lower()]["responses"]
    said = responses.get(str(answer.status)) or responses["default"]
    if not answer.body or answer.status == 304:
        return
    media_type = answer.headers["content-type"].partition(";")[0]
    content = said["content"].get(media_type) or said["content"]["*/*"]
    if "json" in media_type and "schema" in content:
        schema = {**content["schema"], "components": document["components"]}
        jsonschema.validate(answer.json, schema, cls=jsonschema.Draft202012Validator)
