"""Compiled contracts as package data: interface, bytecode and storage layout.

``contracts/build.py`` makes them; a test recompiles and compares, so users need no compiler.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from typing import Any

from coprocessor.chain.contract import Interface
from coprocessor.codec import abi
from coprocessor.values.errors import CallerMisuse, MalformedInput
from coprocessor.values.identities import from_hex

__all__ = ["Artifact", "load_artifact"]


@dataclass(frozen=True, slots=True)
class Artifact:
    """One compiled contract.

    Args:
        name: of the contract.
        interface: its functions, events and constructor.
        bytecode: init code without constructor arguments.
        runtime_template: runtime code without immutables; Vyper appends them, 32 bytes each.
        immutables: their names in order.
        storage_layout: variable name -> first slot.
    """

    name: str
    interface: Interface
    bytecode: bytes
    runtime_template: bytes
    immutables: tuple[str, ...]
    storage_layout: dict[str, int]

    def init_code(self, *arguments: Any) -> bytes:
        """What a creating transaction carries."""
        return self.bytecode + self.interface.encode_constructor(*arguments)

    def runtime_code(self, *arguments: Any) -> bytes:
        """The code that the contract has once it is deployed with these constructor arguments.

        Our constructors do nothing but keep their arguments in immutables of the same names, in capitals.
        """
        constructor = self.interface.constructor
        words = {
            name.upper().rstrip("_"): abi.encode([kind], [value])
            for name, kind, value in zip(constructor.names, constructor.inputs, arguments, strict=True)
        }
        return self.runtime_template + b"".join(words[name] for name in self.immutables)


@lru_cache(maxsize=64)
def load_artifact(name: str) -> Artifact:
    """The compiled contract called ``name``.

    Raises:
        CallerMisuse: there is no such contract in the package.
        MalformedInput: its file is damaged.
    """
    path = resources.files("coprocessor.chain") / "artifacts" / f"{name}.json"
    try:
        document = json.loads(path.read_text("utf-8"))
    except FileNotFoundError as error:
        raise CallerMisuse("artifact.unknown", f"the package has no compiled contract {name!r}") from error
    except ValueError as error:
        raise MalformedInput("artifact.damaged", f"the artefact of {name} is no JSON", str(error)) from error
    try:
        return Artifact(
            document["name"],
            Interface(document["abi"]),
            from_hex(document["bytecode"], name="bytecode"),
            from_hex(document["runtime_template"], name="runtime template"),
            tuple(str(entry["name"]) for entry in document["immutables"]),
            {name: int(entry["slot"]) for name, entry in document["storage_layout"].items()},
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise MalformedInput("artifact.damaged", f"the artefact of {name} lacks a field", str(error)) from error

