"""The CPython guest as native code among the author's own cache files: compiling it takes seconds, loading it none.

This is the author's machine, where the code only tells a program's interface; an enclave seals and authenticates what
it keeps instead (PROTOCOL 5.8). Here the file counts like a ``.pyc``: only while nobody else can write to it.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from coprocessor.durable.disk import PLAIN_DISK, Disk
from coprocessor.durable.errors import DiskFailed
from coprocessor.durable.points import PersistPoint
from coprocessor.sandbox.engine import CompiledModule, Engine
from coprocessor.sandbox.project import compile_guest
from coprocessor.sandbox.runtime import release_runtimes
from coprocessor.values.errors import CoprocessorError

__all__ = ["cached_guest"]

_OTHERS = 0o077


def cached_guest(disk: Disk = PLAIN_DISK) -> CompiledModule:
    """The compiled guest of this release, from the cache where it is there and private, else compiled and kept."""
    path = _folder() / f"{release_runtimes().first.id.hex()}.native"
    engine = Engine()
    kept = _read(path)
    if kept is not None:
        try:
            return engine.deserialize(kept)
        except CoprocessorError:
            pass  # made for another machine or damaged: compile again
    compiled = compile_guest(engine)
    _write(path, compiled.serialize(), disk)
    return compiled


def _folder() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "coprocessor" / "guests"


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes() if _is_private(path.parent) and _is_private(path) else None
    except OSError:
        return None


def _is_private(path: Path) -> bool:
    status = path.stat(follow_symlinks=False)
    return status.st_uid == os.getuid() and not status.st_mode & _OTHERS


def _write(path: Path, data: bytes, disk: Disk) -> None:
    """Keeps the code; a cache that cannot be written is no failure."""
    with contextlib.suppress(OSError, DiskFailed):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.parent.chmod(0o700)
        disk.replace(PersistPoint.CLIENT_NATIVE_CODE, path, data)
