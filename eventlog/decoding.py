"""Decoders, made by one thread at a time.

msgspec prepares a struct type when it is first decoded, and ends the process with a segmentation fault where two threads prepare the same
one at once (seen with 0.22). A module that decodes into types of its own makes their decoders when it is loaded, which one thread
does. All others come from here. A test looks for types that are prepared elsewhere.
"""

from __future__ import annotations

import threading
from typing import Any

import msgspec

preparing = threading.RLock()  # held by whoever makes decoders of types that other threads may be preparing
_decoders: dict[Any, msgspec.json.Decoder[Any]] = {}


def decoder(type: Any) -> msgspec.json.Decoder[Any]:
    """The decoder of JSON to ``type``, always the same one. From then on `msgspec.convert` to the type is safe, too."""
    found = _decoders.get(type)
    if found is None:
        with preparing:
            found = _decoders[type] = msgspec.json.Decoder(type)
    return found
