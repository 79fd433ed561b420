"""JSON from strangers: bounded in length and depth, without doubled fields or numbers that are none.

Python's parser recurses on the native stack up to the interpreter's recursion limit, which libraries raise (py_ecc,
which eth_account imports, sets 100,000): nested text then ends the process instead of raising. So depth is counted
first.

**Source:** RFC 8259.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable
from typing import Any, NoReturn

from coprocessor.values.errors import MalformedInput

__all__ = ["MAX_NESTING", "check_nesting", "loads"]

MAX_NESTING = 64
"""Levels of arrays and objects that a document may nest."""

# A string, or what begins like one and never ends; without backtracking, so that hostile text costs linear time.
_STRING = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)', re.DOTALL)
_STRING_BYTES = re.compile(_STRING.pattern.encode("ascii"), re.DOTALL)
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]|[\ud800-\udfff]")
_BRACKET = re.compile(r"[\[\]{}]")
_BRACKET_BYTES = re.compile(rb"[\[\]{}]")


def loads(text: str | bytes, maximum: int | None = None) -> Any:
    """The value that ``text`` (bytes: UTF-8) stands for.

    Args:
        text: the whole document.
        maximum: greatest accepted length in characters, or None.

    Raises:
        MalformedInput: not JSON, too long, nested too deeply, a field stands twice in one object, a number is beyond
            all floats, or a text holds half a surrogate pair.
    """
    if maximum is not None and len(text) > maximum:
        raise MalformedInput("json.too_long", f"{len(text)} characters, the limit is {maximum}")
    try:
        words = text.decode("utf-8") if isinstance(text, bytes) else text
        check_nesting(words)
        value = json.loads(
            words, object_pairs_hook=_without_doubles, parse_constant=_refuse_constant, parse_float=_finite
        )
        if _SURROGATE.search(words):  # a pair stands for one sign; half a pair for none, and no UTF-8 can hold it
            json.dumps(value, ensure_ascii=False).encode("utf-8")
        return value
    except (ValueError, RecursionError) as error:
        raise _malformed(str(error)) from error


def check_nesting(text: str | bytes) -> None:
    """For JSON that another parser reads: raises MalformedInput where it nests deeper than ``MAX_NESTING``.

    Every parser recurses; only the interpreter's limit, which any library may have raised, keeps it from the end of the
    native stack.
    """
    if isinstance(text, bytes):
        if text.count(b"[") + text.count(b"{") > MAX_NESTING:
            _check_brackets(bracket.decode("ascii") for bracket in _BRACKET_BYTES.findall(_STRING_BYTES.sub(b"", text)))
    elif text.count("[") + text.count("{") > MAX_NESTING:
        _check_brackets(_BRACKET.findall(_STRING.sub("", text)))


def _check_brackets(brackets: Iterable[str]) -> None:
    depth = 0
    for bracket in brackets:
        depth += 1 if bracket in "[{" else -1
        if depth > MAX_NESTING:
            raise _malformed(f"nested deeper than {MAX_NESTING}")


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise _malformed("a field stands twice")
    return fields


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise _malformed(f"{text[:40]} is too large for a number")
    return number


def _refuse_constant(name: str) -> NoReturn:
    raise _malformed(f"{name} is no number of JSON")


def _malformed(why: str) -> MalformedInput:
    return MalformedInput("json.malformed", "the text is not the JSON that is accepted here", why)
