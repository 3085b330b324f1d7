"""Keys and tokens in what was recorded: found by the rules of detect-secrets (the extra ``secrets``), told by fingerprints.

A rule set of our own would be out of date next month. Only rules that know a shape are used (a provider's key, a private key, a token):
those that guess by entropy or by a name like "password" find thousands of harmless strings in a transcript, and are asked for by
``guess``. Nothing is sent anywhere: the library's own verification, which asks the providers, is never called.

A fingerprint is a hash of the secret: it can be written down and passed around, and the secret cannot be told from it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from hashlib import blake2b
from typing import Any, Final

import msgspec

_GUESSING: Final = ("Base64HighEntropyString", "HexHighEntropyString", "KeywordDetector", "IPPublicDetector")
_SHORTEST: Final = 8
_LONGEST_LINE: Final = 100_000  # of a longer one this much at once: rules are not linear
_PRIVATE_KEY: Final = re.compile(r"-----BEGIN ([A-Z0-9 ]*PRIVATE KEY[A-Z ]*)-----.*?(?:-----END \1-----|\Z)", re.DOTALL)


class Secret(msgspec.Struct, frozen=True, kw_only=True):
    """``value`` is the secret itself: for whoever takes it out, never to be printed."""

    rule: str
    value: str

    @property
    def fingerprint(self) -> str:
        return blake2b(self.value.encode(errors="surrogatepass"), digest_size=8).hexdigest()

    @property
    def masked(self) -> str:
        """Its first characters, as far as they tell whose it is."""
        shown = "" if "\n" in self.value else self.value[: min(4, len(self.value) // 4)]
        return f"{shown}{'*' * 8} ({len(self.value):,} characters)"


class Scanner:
    """The rules, ready. Raises `ModuleNotFoundError` where the extra is not installed."""

    def __init__(self, *, guess: bool = False) -> None:
        from detect_secrets.core.plugins.util import get_mapping_from_secret_type_to_class

        classes: Iterable[Any] = get_mapping_from_secret_type_to_class().values()
        self._rules: list[Any] = [rule() for rule in classes if guess or rule.__name__ not in _GUESSING]

    def secrets_in(self, text: str) -> Iterator[Secret]:
        """Each secret in a text, once."""
        if len(text) < _SHORTEST:
            return
        found: dict[str, Secret] = {}
        for match in _PRIVATE_KEY.finditer(text) if "PRIVATE KEY" in text else ():
            found[match[0]] = Secret(rule="Private Key", value=match[0])
        for line in _pieces(text):
            for rule in self._rules:
                for value in _values(rule, line):
                    if not any(value in other for other in found):
                        found[value] = Secret(rule=rule.secret_type, value=value)
        yield from found.values()


def _values(rule: Any, line: str) -> Iterator[str]:
    """What the rule finds. Of some it is only the beginning (``ghp``) that they name as the secret: then all that matched is."""
    for each in rule.analyze_line(filename="", line=line, line_number=0):
        value = each.secret_value or ""
        if len(value) >= _SHORTEST:
            yield value
        else:
            yield from (match[0] for pattern in getattr(rule, "denylist", ()) for match in pattern.finditer(line) if value in match[0])


def _pieces(text: str) -> Iterable[str]:
    for line in text.splitlines():
        if len(line) >= _SHORTEST:
            for start in range(0, len(line), _LONGEST_LINE):
                yield line[start : start + _LONGEST_LINE]
