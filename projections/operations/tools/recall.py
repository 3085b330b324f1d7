"""The tool that answers a question out of all sessions."""

from __future__ import annotations

from typing import Final

import msgspec

from .. import recalling
from ..bounds import DATA, NAME, cut, fitting
from ..context import Context
from ..row import Tool


def _recall(context: Context, asked: recalling.Recall) -> recalling.Recalled:
    def ask(max_tokens: int) -> recalling.Recalled:
        found = recalling.recall(context, msgspec.structs.replace(asked, max_tokens=max_tokens))
        named = [msgspec.structs.replace(passage, role=cut(passage.role, NAME)) for passage in found.passages]
        return msgspec.structs.replace(found, passages=named, more=found.more or max_tokens < asked.max_tokens)

    return fitting(ask, asked.max_tokens)


RECALL: Final = Tool(
    name="recall",
    summary="Find the passages of all recorded sessions that answer a question, each cited by session_id and seq." + DATA,
    ask=_recall,
    arguments=recalling.Recall,
    result=recalling.Recalled,
)
