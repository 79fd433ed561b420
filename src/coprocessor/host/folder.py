"""A host's data folder: owned by one process at a time, with files that are written whole or not at all."""

from __future__ import annotations

import fcntl
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from coprocessor.values.errors import CallerMisuse

__all__ = ["locked_folder", "write_private"]

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


def write_private(path: Path, data: bytes) -> None:
    """Replaces a file's content, mode 0600; after a crash it holds the old or the new content, never a part."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
