"""The form of a vector file, and the judgement of one case.

    {"subject": name, "page": path, "cases": [
        {"name", "rule", "check", "input", "expect"}         computing `check` from `input` gives `expect`
        {"name", "rule", "check", "input", "error"}]}        it must be refused, with this code

Byte strings are 0x-prefixed lower-case hexadecimal; whole numbers are JSON numbers of any size.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any

from coprocessor.values.errors import CoprocessorError

Json = Any
Check = Callable[[Mapping[str, Json]], Mapping[str, Json]]


@dataclass(frozen=True)
class Case:
    """One computation; ``error`` is the code with which it must be refused, or None."""

    name: str
    rule: str
    check: str
    input: Mapping[str, Json]
    error: str | None = None


@dataclass(frozen=True)
class Subject:
    """One vector file: its page, its computations through the real code, its cases."""

    name: str
    page: str
    checks: Mapping[str, Check]
    cases: Sequence[Case] = field(default_factory=tuple)

    def document(self) -> dict[str, Json]:
        """What the file holds. Raises AssertionError where a case ends otherwise than it says."""
        return {
            "subject": self.name,
            "page": self.page,
            "cases": [self._settle(case) for case in self.cases],
        }

    def run(self, check: str, inputs: Mapping[str, Json]) -> dict[str, Json]:
        """``{"expect": result}`` or ``{"error": code}``, through the real code."""
        try:
            return {"expect": plain(self.checks[check](inputs))}
        except CoprocessorError as error:
            return {"error": error.code}

    def _settle(self, case: Case) -> dict[str, Json]:
        inputs = plain(case.input)
        outcome = self.run(case.check, inputs)
        assert outcome.get("error") == case.error, f"{self.name}, {case.name}: {outcome}, not {case.error}"
        return {"name": case.name, "rule": case.rule, "check": case.check, "input": inputs, **outcome}


def encode(document: Mapping[str, Json]) -> str:
    """The text of a vector file."""
    return json.dumps(document, indent=1, ensure_ascii=True) + "\n"


def raw(text: str) -> bytes:
    """Bytes of a vector's hexadecimal text."""
    assert text.startswith("0x"), text[:20]
    return bytes.fromhex(text[2:])


def plain(value: Any) -> Json:
    """A value as JSON: bytes in hexadecimal, tuples as arrays, dataclasses as objects."""
    if isinstance(value, bytes):
        return "0x" + value.hex()
    if is_dataclass(value) and not isinstance(value, type):
        return {item.name: plain(getattr(value, item.name)) for item in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return value
    return int(value)


def altered(data: bytes, at: int = -1) -> bytes:
    """``data`` with one bit changed."""
    copy = bytearray(data)
    copy[at] ^= 1
    return bytes(copy)
