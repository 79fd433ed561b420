"""A process's one way to write files that must outlive it.

Rules:
1. A file is replaced or made whole: draft, flush to the disk, rename or link, flush of the folder. After a crash at any
   moment it holds the old or the new content.
2. Two processes that write the same file write one after the other: the draft is locked, and the kernel lets go of it
   when its owner dies. A draft that a crash leaves is written over by the next write.
3. Every write names its persist point. A hook hears of each before, in the middle and after; it exists for tests, which
   crash, fill or slow the disk there.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from coprocessor.durable.errors import explain_os_error
from coprocessor.durable.points import Moment, PersistPoint

__all__ = ["PLAIN_DISK", "Disk", "Hook"]

Hook = Callable[[PersistPoint, Moment], None]

_DRAFT: Final = ".draft"
PRIVATE: Final = 0o600


class Disk:
    """Writes files durably.

    Args:
        hook: hears of each write (rule 3).
    """

    def __init__(self, hook: Hook | None = None) -> None:
        self._hook = hook

    def reach(self, point: PersistPoint, moment: Moment) -> None:
        """Tells the hook where the process is."""
        if self._hook is not None:
            self._hook(point, moment)

    def replace(self, point: PersistPoint, path: Path, data: bytes, mode: int = PRIVATE) -> None:
        """Gives ``path`` the content ``data``, in force when this returns; its folder is made. Raises DiskFailed."""
        with self._writing(point, path), _draft(path, mode) as (draft, handle):
            self._fill(point, handle, data)
            draft.replace(path)
            _sync_folder(path.parent)

    def create(self, point: PersistPoint, path: Path, data: bytes, mode: int = PRIVATE) -> bool:
        """As ``replace``, but a file that is there already stays; whether it was made. Raises DiskFailed."""
        with self._writing(point, path), _draft(path, mode) as (draft, handle):
            if path.exists():
                return False
            self._fill(point, handle, data)
            draft.rename(path)  # never a link: a draft that is the file too would be written over with it
            _sync_folder(path.parent)
            return True

    def remove(self, path: Path) -> None:
        """Takes a file away, if it is there: gone as a whole, so no persist point of its own. Raises DiskFailed."""
        try:
            path.unlink(missing_ok=True)
            if path.parent.exists():
                _sync_folder(path.parent)
        except OSError as error:
            raise explain_os_error(path, error) from error

    def append(self, point: PersistPoint, path: Path, line: str) -> None:
        """Adds a line; one that a crash cut short is left alone on its own line. Raises DiskFailed."""
        with self._writing(point, path):
            path.parent.mkdir(parents=True, exist_ok=True)
            handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, PRIVATE)
            with contextlib.closing(os.fdopen(handle, "rb+", buffering=0)) as file:
                fcntl.flock(handle, fcntl.LOCK_EX)
                end = file.seek(0, os.SEEK_END)
                is_whole = end == 0 or os.pread(handle, 1, end - 1) == b"\n"
                self._fill(point, handle, (b"" if is_whole else b"\n") + line.encode("ascii") + b"\n")

    @contextmanager
    def _writing(self, point: PersistPoint, path: Path) -> Iterator[None]:
        try:
            self.reach(point, Moment.BEFORE)
            yield
            self.reach(point, Moment.AFTER)
        except OSError as error:
            raise explain_os_error(path, error) from error

    def _fill(self, point: PersistPoint, handle: int, data: bytes) -> None:
        half = len(data) // 2
        _write_all(handle, data[:half])
        self.reach(point, Moment.MIDDLE)
        _write_all(handle, data[half:])
        os.fsync(handle)


PLAIN_DISK: Final = Disk()
"""A disk that nobody watches."""


@contextmanager
def _draft(path: Path, mode: int) -> Iterator[tuple[Path, int]]:
    """The empty draft of a file, held alone (rule 2), with its descriptor; gone afterwards."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(path.name + _DRAFT)
    handle = _lock_draft(draft, mode)
    try:
        os.fchmod(handle, mode)
        os.ftruncate(handle, 0)
        yield draft, handle
    finally:
        if _is_still(draft, handle):
            draft.unlink()
        os.close(handle)


def _lock_draft(draft: Path, mode: int) -> int:
    while True:
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, mode)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            if _is_still(draft, handle):
                return handle
        except BaseException:
            os.close(handle)
            raise
        os.close(handle)  # whoever held it before has renamed it


def _is_still(draft: Path, handle: int) -> bool:
    """Whether the name still means the file that was opened."""
    try:
        return os.path.samestat(os.stat(draft, follow_symlinks=False), os.fstat(handle))
    except FileNotFoundError:
        return False


def _write_all(handle: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(handle, view) :]


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
