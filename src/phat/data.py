"""Data files that a project ships with its program."""

from __future__ import annotations

import sys
from typing import Protocol, runtime_checkable

from phat.errors import Unavailable

__all__ = ["DataSource", "read_data"]


@runtime_checkable
class DataSource(Protocol):
    """An importer that also knows the data files beside the modules that it imports."""

    def read_data(self, path: str) -> bytes:
        """Raises ``FileNotFoundError`` for a path that was not declared."""
        ...


def read_data(path: str) -> bytes:
    """A data file of the project, which ``phat.toml`` declares: ``data = ["weights.bin"]``.

    Read and parse it while the module is loaded, outside any method: the result is then part of the program's
    snapshot, and calls do not pay for it again.

    Raises:
        FileNotFoundError: if it was not declared.
        Unavailable: outside a loaded project.
    """
    for finder in sys.meta_path:
        if isinstance(finder, DataSource):
            return finder.read_data(path)
    raise Unavailable(f"{path!r} can be read only where the project is loaded as a program")
