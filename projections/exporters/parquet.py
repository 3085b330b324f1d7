"""Parquet: one row per sample, ``messages`` as a list of structs, provenance and numbers in plain columns. Needs the extra ``parquet``.

Arguments of tools differ from row to row, so that no one struct fits them: ``tool_calls`` and ``tools`` are JSON text, in OpenAI's shape.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import msgspec

from eventlog.errors import InvalidInput

from ..view.to_messages import openai_messages
from ..view.training import Sample
from . import Write
from .samples import provenance

if TYPE_CHECKING:
    from types import ModuleType

_ROWS_PER_GROUP = 256
_BYTES_PER_GROUP = 8 << 20


@contextmanager
def table(write: Write, left_out: Counter[str]) -> Iterator[Callable[[Sample], None]]:
    """A file that takes samples; it is complete when the context ends. Rows are written in groups of bounded size."""
    pyarrow, parquet = _libraries()
    schema = _schema(pyarrow)
    rows: list[dict[str, Any]] = []
    size = 0
    with parquet.ParquetWriter(_Sink(write), schema, compression="zstd") as writer:

        def flush() -> None:
            writer.write_table(pyarrow.Table.from_pylist(rows, schema=schema))
            rows.clear()

        def take(sample: Sample) -> None:
            nonlocal size
            rows.append(row_of(sample, left_out))
            size += sum(len(message["content"] or "") + len(message["tool_calls"] or "") for message in rows[-1]["messages"])
            if len(rows) >= _ROWS_PER_GROUP or size >= _BYTES_PER_GROUP:
                flush()
                size = 0

        yield take
        if rows:
            flush()


def row_of(sample: Sample, left_out: Counter[str]) -> dict[str, Any]:
    """A sample as the row of the table."""
    messages = []
    for turn, known in zip(sample.turns, sample.known, strict=True):
        left_out["reasoning parts"] += sum(part["type"] == "reasoning" for part in turn.parts)
        for message in openai_messages(turn):
            content, calls = message["content"], message.get("tool_calls")
            messages.append(
                {
                    "role": message["role"],
                    "content": content if content is None or isinstance(content, str) else _text(content),
                    "tool_calls": None if calls is None else _json(calls),
                    "tool_call_id": message.get("tool_call_id"),
                    "weight": None if message["role"] != "assistant" else 0 if known else 1,
                }
            )
    return {
        "messages": messages,
        "tools": _json(sample.tools) if sample.tools else None,
        **provenance(sample),
        "project": sample.project,
        "model": sample.model,
        "started_at": sample.started_at,
        "n_turns": len(sample.turns),
        "tokens_in": sample.tokens_in,
        "tokens_out": sample.tokens_out,
        "cost": sample.cost,
        "label": sample.label,
        "split": sample.split,
    }


def _text(content: list[dict[str, Any]]) -> str:
    return "\n\n".join(part["text"] if part["type"] == "text" else f"[{part['type']}]" for part in content)


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def _libraries() -> tuple[ModuleType, ModuleType]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ModuleNotFoundError as error:
        raise InvalidInput("parquet needs pyarrow, which is not installed; install session-eventlog[parquet]") from error
    return pyarrow, pyarrow.parquet


def _schema(pyarrow: Any) -> Any:
    text, number = pyarrow.string(), pyarrow.int64()
    message = [("role", text), ("content", text), ("tool_calls", text), ("tool_call_id", text), ("weight", pyarrow.int8())]
    columns = [
        ("messages", pyarrow.list_(pyarrow.struct(message))),
        ("tools", text),
        ("session_id", text),
        ("window", number),
        ("first_seq", number),
        ("last_seq", number),
        ("n_context", number),
        ("exporter", text),
        ("project", text),
        ("model", text),
        ("started_at", text),
        ("n_turns", number),
        ("tokens_in", number),
        ("tokens_out", number),
        ("cost", pyarrow.float64()),
        ("label", text),
        ("split", text),
    ]
    return pyarrow.schema(columns)


class _Sink:
    """The little of a file that a Parquet writer needs, over a function that takes bytes."""

    closed = False

    def __init__(self, write: Write) -> None:
        self._write = write
        self._size = 0

    def write(self, data: Any) -> int:
        block = bytes(data)
        self._write(block)
        self._size += len(block)
        return len(block)

    def tell(self) -> int:
        return self._size

    def flush(self) -> None:
        """What takes the bytes decides when they are through."""

    def close(self) -> None:
        self.closed = True

    def readable(self) -> bool:
        return False

    def writable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return False
