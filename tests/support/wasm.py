"""Compiles guests for tests: C by ziglang, text by the engine itself. Results are cached under ``.cache/wasm``."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import wasmtime

from coprocessor.crypto.hashing import sha256

ROOT = Path(__file__).parents[2]
HEADERS = ROOT / "guests" / "c"
_CACHE = ROOT / ".cache" / "wasm"
_FLAGS = (
    "-target",
    "wasm32-freestanding",
    "-O2",
    "-std=c11",
    "-Wall",
    "-Werror",
    "-nostdlib",
    "-mno-multivalue",
    "-Wl,--no-entry",
    "-Wl,--strip-all",
    "-Wl,-z,stack-size=65536",
    f"-I{HEADERS}",
)


def compile_text(text: str) -> bytes:
    """A module from the WebAssembly text format."""
    return bytes(wasmtime.wat2wasm(text))


def compile_c(path: Path) -> bytes:
    """A guest module from one C file, which may include ``phat.h``."""
    key = sha256(
        b"\0".join(
            (
                path.read_bytes(),
                (HEADERS / "phat.h").read_bytes(),
                " ".join(_FLAGS[:-1]).encode(),
                version("ziglang").encode(),
            )
        )
    ).hex()[:32]
    target = _CACHE / f"{path.stem}-{key}.wasm"
    if not target.exists():
        _CACHE.mkdir(parents=True, exist_ok=True)
        temporary = target.with_suffix(".new")
        command = [sys.executable, "-m", "ziglang", "cc", *_FLAGS, "-o", str(temporary), str(path)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
        if done.returncode:
            raise RuntimeError(f"{path.name} does not compile:\n{done.stderr}")
        temporary.replace(target)
    return target.read_bytes()
