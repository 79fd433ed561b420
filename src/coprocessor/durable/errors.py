"""What a disk does wrong, told apart by what a person can do about it."""

from __future__ import annotations

import errno
import os
import re
import sqlite3
from pathlib import Path

from coprocessor.values.errors import CoprocessorError

__all__ = ["DiskFailed", "damaged", "explain_os_error", "explain_sqlite_error"]

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_REFUSED = frozenset({errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOTDIR})
_SQLITE_REFUSED = frozenset({sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM, sqlite3.SQLITE_CANTOPEN})
_SQLITE_DAMAGED = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
_SQLITE_DISK = frozenset({sqlite3.SQLITE_IOERR, sqlite3.SQLITE_NOLFS})
_OTHER_TABLES = re.compile(r"^no such |has no column|columns but")
"""SQLite's words where tables are not those that were made: our statements are constants."""

_NO_TEXT = "Could not decode to UTF-8"
_PRIMARY = 0xFF
"""Bits of an extended result code that tell its kind."""


class DiskFailed(CoprocessorError):
    """A file could not be written or read as it must be.

    Codes: ``disk.full``, ``disk.refused`` (read-only, or no permission), ``disk.damaged``, ``disk.failed``.
    """

    family = "disk"


def explain_os_error(path: Path, error: OSError) -> DiskFailed:
    """The failure that an operation on ``path`` met."""
    why = error.strerror or str(error)
    if error.errno in _FULL:
        return _full(path, why)
    if error.errno in _REFUSED:
        return _refused(path, why)
    return _failed(path, why)


def explain_sqlite_error(path: Path, error: sqlite3.Error) -> DiskFailed | None:
    """The failure that a statement on the database ``path`` met, or None where the disk is not to blame."""
    number = getattr(error, "sqlite_errorcode", None)
    if number is None:  # not SQLite's word but Python's: a value that says it is text and is none
        return damaged(path, str(error)) if _NO_TEXT in str(error) else None
    kind = number & _PRIMARY
    if kind == sqlite3.SQLITE_FULL:
        return _full(path, str(error))
    if kind in _SQLITE_REFUSED:
        return _refused(path, str(error))
    if kind in _SQLITE_DAMAGED or (kind == sqlite3.SQLITE_ERROR and _OTHER_TABLES.search(str(error))):
        return damaged(path, str(error))
    return _failed(path, str(error)) if kind in _SQLITE_DISK else None


def damaged(path: Path, why: str) -> DiskFailed:
    """What a file holds is not what was written to it."""
    return DiskFailed(
        "disk.damaged",
        f"{path} is damaged",
        why,
        "check the disk, then bring the file back from a copy or start with another folder",
    )


def _full(path: Path, why: str) -> DiskFailed:
    return DiskFailed("disk.full", f"there is no room to write {path}", why, "make room on the disk")


def _refused(path: Path, why: str) -> DiskFailed:
    who = f"user {os.getuid()} must be allowed to write there, or choose another folder"
    return DiskFailed("disk.refused", f"{path} may not be written", why, who)


def _failed(path: Path, why: str) -> DiskFailed:
    return DiskFailed("disk.failed", f"{path} cannot be written or read", why, "check the disk and what mounts it")
