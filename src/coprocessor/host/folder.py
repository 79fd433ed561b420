"""A host's data folder: owned by one process at a time."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from coprocessor.values.errors import CallerMisuse

__all__ = ["locked_folder"]

_LOCK = "lock"


@contextmanager
def locked_folder(folder: Path) -> Iterator[None]:
    """Holds the folder against a second process; the kernel lets go when this one dies.

    Raises:
        CallerMisuse: ``host.folder`` (cannot be used), ``host.locked`` (another process holds it).
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        why = error.strerror or str(error)
        raise CallerMisuse("host.folder", f"{folder} cannot be used", why, "choose another with --data") from error
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise CallerMisuse(
                "host.locked",
                f"another process runs on {folder}",
                "one process owns a data folder",
                "stop it, or choose another with --data",
            ) from error
        yield
    finally:
        os.close(lock)

