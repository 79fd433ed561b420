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

__all__ = ["keep_machines", "lend_machines"]

_KEPT: Final = Path(__file__).parents[2] / ".cache" / "machines"
_PARTS: Final = ("platform", "cache")
_CODE: Final = Path("cache", "guest-python")


def lend_machines(folder: Path, workers: int) -> None:
    """Gives workers that ``phat up --data folder`` will start for the first time a machine each, where one is kept."""
    if folder.exists():
        return
    with _alone():
        for kept in (_KEPT / f"worker-{at}" for at in range(workers)):
            if kept.exists():
                _copy(kept, folder / kept.name)


def keep_machines(folder: Path) -> None:
    """Keeps the machines of a network that has ended for the next one, where their native code is new."""
    for machine in sorted(folder.glob("worker-*")):
        code, known = machine / _CODE, _KEPT / machine.name / _CODE
        if not code.exists() or (known.exists() and known.stat().st_mtime_ns >= code.stat().st_mtime_ns):
            continue
        with _alone():
            draft = Path(tempfile.mkdtemp(dir=_KEPT))
            _copy(machine, draft)
            shutil.rmtree(_KEPT / machine.name, ignore_errors=True)
            draft.rename(_KEPT / machine.name)


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
