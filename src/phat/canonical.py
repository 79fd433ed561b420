"""Canonical JSON: sorted keys, no spaces, UTF-8, no NaN, at most ``MAX_JSON_NESTING`` levels.

**Source:** docs/specification/interface.md, section "Values".
"""

from __future__ import annotations

import json
import re
from typing import NoReturn

from phat.limits import MAX_JSON_NESTING

__all__ = ["Json", "decode", "encode"]

Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not allowed")


_ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":"))
_DECODER = json.JSONDecoder(parse_constant=_refuse_constant)
_STRINGS = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)


def encode(value: Json) -> bytes:
    """Canonical bytes of a value.

    Raises:
        ValueError: for NaN, infinities and lone surrogates.
    """
    return _ENCODER.encode(value).encode()


def decode(data: bytes) -> Json:
    """Parses canonical JSON.

    Raises:
        ValueError: for anything that ``encode`` would have written in another way.
    """
    text = data.decode()
    _check_nesting(text)
    value: Json = _DECODER.decode(text)
    if _ENCODER.encode(value) != text:
        raise ValueError("not canonical: sort the keys, leave out spaces and needless escapes")
    return value


def decode_own(data: bytes) -> Json:
    """Parses what this program itself wrote with ``encode``."""
    value: Json = _DECODER.decode(data.decode())
    return value


def _check_nesting(text: str) -> None:
    if text.count("[") + text.count("{") <= MAX_JSON_NESTING:
        return
    depth = deepest = 0
    for character in _STRINGS.sub("", text):
        if character in "[{":
            depth += 1
            deepest = max(deepest, depth)
        elif character in "]}":
            depth -= 1
    if deepest > MAX_JSON_NESTING:
        raise ValueError(f"nested {deepest} levels deep, at most {MAX_JSON_NESTING} are allowed")
