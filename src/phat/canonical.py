"""Canonical JSON: sorted keys, no spaces, UTF-8, no NaN, at most ``MAX_JSON_NESTING`` levels.

**Source:** docs/specification/interface.md, section "Values".
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from json import encoder
from typing import NoReturn

from phat.limits import MAX_JSON_NESTING

__all__ = ["Json", "decode", "encode"]

Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not allowed")


def _refuse_value(value: object) -> NoReturn:
    raise TypeError(f"{type(value).__name__} has no JSON form")


# The encoder and scanner behind json.dumps and json.loads, made once: making them costs more than a small value.
# Arguments: no cycle detection, fallback, strings without \\u escapes, no indent, separators, sort keys, keys must be
# text, no NaN.
_WRITE: Callable[[Json, int], Iterable[str]] = encoder.c_make_encoder(  # type: ignore[attr-defined]
    None, _refuse_value, encoder.encode_basestring, None, ":", ",", True, False, False
)
_SCAN: Callable[[str, int], tuple[Json, int]] = json.JSONDecoder(parse_constant=_refuse_constant).scan_once  # type: ignore[attr-defined]
_STRINGS = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)


def encode(value: Json) -> bytes:
    """Canonical bytes of a value.

    Raises:
        ValueError: for NaN, infinities and lone surrogates.
    """
    return "".join(_WRITE(value, 0)).encode()


def decode(data: bytes) -> Json:
    """Parses canonical JSON.

    Raises:
        ValueError: for anything that ``encode`` would have written in another way.
    """
    text = data.decode()
    _check_nesting(text)
    value = _scan(text)
    if "".join(_WRITE(value, 0)) != text:
        raise ValueError("not canonical: sort the keys, leave out spaces and needless escapes")
    return value


def decode_own(data: bytes) -> Json:
    """Parses what this program itself wrote with ``encode``."""
    return _scan(data.decode())


def _scan(text: str) -> Json:
    try:
        value, end = _SCAN(text, 0)
    except StopIteration:
        raise ValueError("not JSON") from None
    if end != len(text):
        raise ValueError(f"not one JSON value: something follows after character {end}")
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
