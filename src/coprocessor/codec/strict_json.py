"""JSON from strangers: bounded in length and depth, without doubled fields or numbers that are none.

Python's parser recurses on the native stack up to the interpreter's recursion limit, which libraries raise (py_ecc,
which eth_account imports, sets 100,000): nested text then ends the process instead of raising. So depth is counted
first.

**Source:** RFC 8259.
"""

from __future__ import annotations

import json
import re
from typing import Any, NoReturn

from coprocessor.values.errors import MalformedInput

__all__ = ["MAX_NESTING", "loads"]

MAX_NESTING = 64
"""Levels of arrays and objects that a document may nest."""

# A string, or what begins like one and never ends; without backtracking, so that hostile text costs linear time.
_STRING = re.compile(r'"(?:[^"\\]|\\.)*+(?:"|\\?\Z)', re.DOTALL)
_BRACKET = re.compile(r"[\[\]{}]")


def loads(text: str | bytes, maximum: int | None = None) -> Any:
    """The value that ``text`` (bytes: UTF-8) stands for.

    Args:
        text: the whole document.
        maximum: greatest accepted length in characters, or None.

    Raises:
        MalformedInput: not JSON, too long, nested too deeply, or a field stands twice in one object.
    """
    if maximum is not None and len(text) > maximum:
        raise MalformedInput("json.too_long", f"{len(text)} characters, the limit is {maximum}")
    try:
        words = text.decode("utf-8") if isinstance(text, bytes) else text
        _check_nesting(words)
        return json.loads(words, object_pairs_hook=_without_doubles, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise _malformed(str(error)) from error


def _check_nesting(text: str) -> None:
    if text.count("[") + text.count("{") <= MAX_NESTING:
        return
    depth = 0
    for bracket in _BRACKET.findall(_STRING.sub("", text)):
        depth += 1 if bracket in "[{" else -1
        if depth > MAX_NESTING:
            raise _malformed(f"nested deeper than {MAX_NESTING}")


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise _malformed("a field stands twice")
    return fields


def _refuse_constant(name: str) -> NoReturn:
    raise _malformed(f"{name} is no number of JSON")


def _malformed(why: str) -> MalformedInput:
    return MalformedInput("json.malformed", "the text is not the JSON that is accepted here", why)
