"""Simulated machines that outlive a test's network, so that each compiles the Python guest once and not in each test.

A worker keeps native code sealed to its machine and measurement (PROTOCOL 5.8). Networks of tests begin on machines
that have it already; where the enclave's code has changed since, the enclave refuses what is kept and compiles again.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

__all__ = ["keep_machine", "lend_machine"]

_KEPT: Final = Path(__file__).parents[2] / ".cache" / "machines"
_PARTS: Final = ("platform", "cache")
_CODE: Final = "cache/guest-*"


def lend_machine(folder: Path, name: str) -> None:
    """Gives a worker whose folder is still to be made the machine that is kept under a name, where there is one."""
    if folder.exists():
        return
    with _alone():
        if (_KEPT / name).exists():
            _copy(_KEPT / name, folder)


def keep_machine(folder: Path, name: str) -> None:
    """Keeps the machine of a worker that has ended for the next one, where its native code is new."""
    if _made(folder) <= _made(_KEPT / name):
        return
    with _alone():
        draft = Path(tempfile.mkdtemp(dir=_KEPT))
        _copy(folder, draft)
        shutil.rmtree(_KEPT / name, ignore_errors=True)
        draft.rename(_KEPT / name)


def _made(machine: Path) -> int:
    """When its native code was made, in nanoseconds; 0 where there is none."""
    return max((path.stat().st_mtime_ns for path in machine.glob(_CODE)), default=0)


def _copy(machine: Path, to: Path) -> None:
    for part in _PARTS:
        shutil.copytree(machine / part, to / part, copy_function=_link)


def _link(source: str, to: str) -> None:
    """The same file under another name: hosts replace files whole. A copy where the disks differ."""
    try:
        os.link(source, to)
    except OSError:
        shutil.copy2(source, to)


@contextmanager
def _alone() -> Iterator[None]:
    """One process of the tests at a time."""
    _KEPT.mkdir(parents=True, exist_ok=True)
    with (_KEPT / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
