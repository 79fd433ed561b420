"""The CPython guest as compiled code, kept under ``.cache/wasm`` because compiling it takes ten seconds."""

from __future__ import annotations

import os
from pathlib import Path

from coprocessor.crypto.hashing import sha256
from coprocessor.sandbox.engine import CompiledModule, Engine
from coprocessor.sandbox.python_guest import load_guest_wasm
from coprocessor.sandbox.runtime import release_runtimes
from coprocessor.sandbox.validation import PYTHON_PROFILE
from coprocessor.values.errors import MalformedInput
from tests.support.wasm import ROOT


def compiled_python_guest(engine: Engine) -> CompiledModule:
    """The guest for an engine; compiled where no earlier test has left it."""
    target = _target(engine)
    if target.exists():
        try:
            return engine.deserialize(target.read_bytes())
        except MalformedInput:
            pass  # of another machine or build
    compiled = engine.compile(load_guest_wasm(), PYTHON_PROFILE)
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_suffix(f".{os.getpid()}")
    temporary.write_bytes(compiled.serialize())
    temporary.replace(target)
    return compiled


def _target(engine: Engine) -> Path:
    options = engine.options
    variant = f"{options.optimization}-{options.is_interruptible}-{options.copy_on_write}"
    variant += f"-{options.target}-{options.traps_by_signal}"
    key = sha256(release_runtimes().first.id + variant.encode()).hex()[:32]
    return ROOT / ".cache" / "wasm" / f"cpython-{key}.compiled"
