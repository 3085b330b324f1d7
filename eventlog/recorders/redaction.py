"""What must not be recorded, taken out of everything a call says before anything is digested or written.

A redactor is a function from a value to a value: texts, lists and mappings of texts. It says the same to the same (conversations are
told by what they say after it). The one that is there by default, `provider_keys`, takes out keys by their known forms; the mark says
which kind it was.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

Redact = Callable[[Any], Any]
_KEYS = re.compile(
    r"(?P<private_key>-----BEGIN [A-Z ]{0,20}PRIVATE KEY-----(?:(?!-----END ).)*(?:-----END [A-Z ]{0,20}PRIVATE KEY-----)?)"
    r"|(?P<api_key>\b(?:sk|pk|rk)-(?:ant-|proj-|or-|live-|test-)?[A-Za-z0-9_\-]{16,})"
    r"|(?P<google_key>\bAIza[A-Za-z0-9_\-]{30,})"
    r"|(?P<aws_key>\b(?:AKIA|ASIA)[A-Z0-9]{16}\b)"
    r"|(?P<github_token>\b(?:gh[pousr]_[A-Za-z0-9]{30,}|github_pat_[A-Za-z0-9_]{30,}))"
    r"|(?P<slack_token>\bxox[abprs]-[A-Za-z0-9\-]{10,})"
    r"|(?P<huggingface_token>\bhf_[A-Za-z0-9]{30,})",
    re.DOTALL,
)
_KEYS_END = re.compile(r"-----END [A-Z ]{0,20}PRIVATE KEY-----")
_SIGNS = ("sk-", "pk-", "rk-", "AIza", "AKIA", "ASIA", "gh", "xox", "hf_", "PRIVATE KEY")


def provider_keys(value: Any) -> Any:
    """The value without keys of model providers, clouds and code hosts, and without private keys.

    >>> provider_keys({"q": "use sk-ant-0123456789abcdef0123"})
    {'q': 'use [api_key removed]'}
    """
    return each_text(value, _without_keys)


def each_text(value: Any, change: Callable[[str], str]) -> Any:
    """The value with every text in it changed, names of fields left as they are. What no text changes in is returned itself."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, dict):
        made = {name: each_text(item, change) for name, item in value.items()}
        return made if any(made[name] is not item for name, item in value.items()) else value
    if isinstance(value, list):
        items = [each_text(item, change) for item in value]
        return items if any(new is not old for new, old in zip(items, value, strict=True)) else value
    return value


def settled(text: str) -> int:
    """How much of a growing text can be shown by `provider_keys`' rules: what comes later changes nothing before this place."""
    word = re.search(r"[A-Za-z0-9_\-]*\Z", text)
    end = word.start() if word is not None else len(text)
    begun = text.rfind("-----BEGIN ", 0, end)
    return begun if begun >= 0 and _KEYS_END.search(text, begun, end) is None else end


def _without_keys(text: str) -> str:
    if not any(sign in text for sign in _SIGNS):
        return text
    return _KEYS.sub(lambda found: f"[{found.lastgroup} removed]", text)
