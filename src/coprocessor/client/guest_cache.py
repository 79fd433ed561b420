"""The CPython guest as native code in the user's own cache folder, so that only a first deployment compiles it.

The folder is ``$XDG_CACHE_HOME/coprocessor`` (``~/.cache/coprocessor``) and must belong to the user alone: native
code is run as it is, and whoever can write there could as well change the user's programs. An enclave never uses it
(PROTOCOL 5.8).
"""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path

from coprocessor.sandbox.engine import CompiledModule, Engine
from coprocessor.sandbox.project import compile_guest
from coprocessor.sandbox.python_guest import guest_digest
from coprocessor.sandbox.runtime import compute_runtime_id, engine_version
from coprocessor.values.errors import MalformedInput

__all__ = ["load_cached_guest"]


def load_cached_guest() -> CompiledModule:
    """The guest for this machine; compiled, which takes seconds, where the cache does not hold it."""
    engine = Engine()
    folder = _own_folder()
    if folder is None:
        return compile_guest(engine)
    file = folder / f"cpython-{compute_runtime_id(engine_version(), (guest_digest(),)).hex()[:32]}.native"
    if file.exists() and _is_own(file):
        try:
            return engine.deserialize(file.read_bytes())
        except MalformedInput:
            pass  # made by another build of the engine or for another processor
    compiled = compile_guest(engine)
    _keep(file, compiled.serialize())
    return compiled


def _own_folder() -> Path | None:
    """The cache folder, or None where there is none that belongs to the user alone."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    folder = Path(base) / "coprocessor"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return folder if _is_own(folder) else None
    except OSError:
        return None


def _is_own(path: Path) -> bool:
    facts = path.stat()
    return facts.st_uid == os.getuid() and not facts.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


def _keep(file: Path, content: bytes) -> None:
    """Whole or not at all; a full disk only costs the next deployment its time."""
    try:
        with tempfile.NamedTemporaryFile(dir=file.parent, delete=False) as draft:
            draft.write(content)
        Path(draft.name).replace(file)
        for old in file.parent.glob("cpython-*.native"):
            if old != file:
                old.unlink(missing_ok=True)
    except OSError:
        return
