"""The programs of the golden corpus and the calls that each of them gets, read from the programs' own files.

A program opens with a docstring that says what it shows. Lines that start with ``# >`` (``;; >`` in WebAssembly text,
``// >`` in C and AssemblyScript) are its script:

    # > add [2, "x"]                a call with JSON arguments; whether it is a command, a query or ``init`` stands in
                                    the interface
    # > add [2] fuel=100_000        the same with another fuel limit
    # > command run 00ff            raw programs have no interface: the kind is spelt out, arguments are hex
    # > request scaled 00ff         so are those of a request, which come from a smart contract
    # > with bank                   another program, which this one may call; ``$bank`` in arguments is its id
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from coprocessor.crypto.hashing import sha256
from coprocessor.values.identities import ProgramId
from tests.support.assemblyscript import compile_assemblyscript
from tests.support.wasm import compile_c, compile_text

__all__ = ["FOLDER", "FUEL", "Golden", "ScriptedCall", "catalogue"]

FOLDER = Path(__file__).parent / "programs"
FUEL = 2_000_000_000
"""Fuel limit of a call whose line names no other."""

_LINE = re.compile(r"^\s*(?:#|;;|//) > (?P<text>.+)$", re.MULTILINE)
_CALL = re.compile(r"^(?:(?P<kind>init|command|query|request) )?(?P<method>\w+)(?: (?P<arguments>.*?))?$")
_FUEL = re.compile(r" fuel=([\d_]+)$")


@dataclass(frozen=True, slots=True)
class ScriptedCall:
    """One line of a script.

    Attributes:
        text: the line.
        kind: empty where the interface says it.
        arguments: JSON with ``$name`` for programs, or hex.
    """

    text: str
    kind: str
    method: str
    arguments: str
    fuel: int


@dataclass(frozen=True, slots=True)
class Golden:
    """One program of the corpus.

    Attributes:
        name: its file's name, without the suffix.
        language: ``python`` or ``wasm``.
        callees: names of the programs it may call.
    """

    name: str
    path: Path
    language: str
    callees: tuple[str, ...]
    calls: tuple[ScriptedCall, ...]

    @property
    def identity(self) -> ProgramId:
        """The program's id in every run."""
        return ProgramId(sha256(b"golden corpus/" + self.name.encode()))

    def wasm(self) -> bytes:
        """The module of a raw program, compiled where that is needed."""
        if self.path.suffix == ".c":
            return compile_c(self.path)
        if self.path.suffix == ".ts":
            return compile_assemblyscript(self.path)
        return compile_text(self.path.read_text())


@cache
def catalogue() -> dict[str, Golden]:
    """All programs by name, in the order of their names."""
    paths = [path for path in FOLDER.rglob("*") if path.suffix in (".py", ".wat", ".c", ".ts")]
    found = [_read(path) for path in paths]
    return {golden.name: golden for golden in sorted(found, key=lambda golden: golden.name)}


def _read(path: Path) -> Golden:
    calls, callees = [], []
    for line in _LINE.finditer(path.read_text()):
        text = line["text"].strip()
        if text.startswith("with "):
            callees += text.split()[1:]
        else:
            calls.append(_parse_call(text, path))
    language = "python" if path.suffix == ".py" else "wasm"
    return Golden(path.stem, path, language, tuple(callees), tuple(calls))


def _parse_call(text: str, path: Path) -> ScriptedCall:
    limit = _FUEL.search(text)
    found = _CALL.match(text[: limit.start()] if limit else text)
    if found is None:
        raise ValueError(f"{path.name}: no call can be read from {text!r}")
    arguments = found["arguments"] or ""
    if path.suffix == ".py" and arguments and found["kind"] != "request":
        json.loads(arguments)
    fuel = int(limit[1].replace("_", "")) if limit else FUEL
    return ScriptedCall(text, found["kind"] or "", found["method"], arguments, fuel)
