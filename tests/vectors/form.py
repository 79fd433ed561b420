"""The form of a vector file, and the judgement of one case.

    {"subject": name, "page": path, "cases": [
        {"name", "rule", "check", "input", "expect"}         computing `check` from `input` gives `expect`
        {"name", "rule", "check", "input", "error"}]}        it must be refused, with this code

Byte strings are 0x-prefixed lower-case hexadecimal; whole numbers are JSON numbers of any size. A file may have a field
"shared" of named long texts; an input "@name" stands for the one of that name.
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
    shared: Mapping[str, bytes] = field(default_factory=dict)

    def document(self) -> dict[str, Json]:
        """What the file holds. Raises AssertionError where a case ends otherwise than it says."""
        head = {"subject": self.name, "page": self.page}
        shared = {"shared": plain(self.shared)} if self.shared else {}
        return {**head, **shared, "cases": [self._settle(case) for case in self.cases]}

    def run(self, check: str, inputs: Mapping[str, Json]) -> dict[str, Json]:
        """``{"expect": result}`` or ``{"error": code}``, through the real code."""
        texts = plain(self.shared)
        whole = {name: texts[text[1:]] if _is_reference(text) else text for name, text in inputs.items()}
        try:
            return {"expect": plain(self.checks[check](whole))}
        except CoprocessorError as error:
            return {"error": error.code}

    def _settle(self, case: Case) -> dict[str, Json]:
        names = {text: f"@{name}" for name, text in plain(self.shared).items()}
        inputs = {
            name: names.get(text, text) if isinstance(text, str) else text for name, text in plain(case.input).items()
        }
        outcome = self.run(case.check, inputs)
        assert outcome.get("error") == case.error, f"{self.name}, {case.name}: {outcome}, not {case.error}"
        return {"name": case.name, "rule": case.rule, "check": case.check, "input": inputs, **outcome}


def _is_reference(value: Json) -> bool:
    return isinstance(value, str) and value.startswith("@")


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
