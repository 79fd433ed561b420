"""What every kind of node has while it runs: a folder of its own, and a line that says where it is."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from coprocessor.devnode.errors import StartFailed

__all__ = ["RunningNode", "locked_folder"]

_LOCK_FILE = "lock"


@dataclass(frozen=True, slots=True)
class RunningNode:
    """What a caller needs to know of a node that is serving."""

    url: str
    chain_id: int
    sealer: str
    head: int

    def to_dict(self) -> dict[str, Any]:
        """The line that ``python -m coprocessor.devnode`` prints when it is ready."""
        return {
            "rpc": self.url,
            "chain_id": self.chain_id,
            "sealer": self.sealer,
            "block": self.head,
            "pid": os.getpid(),
        }


@contextmanager
def locked_folder(folder: Path) -> Iterator[None]:
    """Hold the folder against a second process; the kernel lets go when this one dies."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = os.open(folder / _LOCK_FILE, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise StartFailed(
            "devnode.data", f"{folder} cannot be used", error.strerror or str(error), "choose another with --data"
        ) from error
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise StartFailed(
                "devnode.locked",
                f"another node runs on {folder}",
                "one process owns a data folder",
                "stop it, or choose another with --data",
            ) from error
        yield
    finally:
        os.close(lock)
