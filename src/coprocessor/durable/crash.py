"""A planned crash: for tests that end a process at a persist point. Nothing else makes one.

The plan lies in a file that the process takes away before it ends itself, so that each plan strikes once, whichever of
several processes comes to the point first, and the next start goes on.
"""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass
from pathlib import Path

from coprocessor.durable.points import Moment, PersistPoint
from coprocessor.values.errors import MalformedInput

__all__ = ["CrashPlan"]

MAX_PLAN_BYTES = 256


@dataclass(frozen=True, slots=True)
class CrashPlan:
    """A hook of ``Disk`` that kills its own process, once, as the file says: ``POINT MOMENT``, for example
    ``gatekeeper.share middle``. Without the file nothing happens."""

    file: Path

    def __call__(self, point: PersistPoint, moment: Moment) -> None:
        """Ends the process with SIGKILL where this is the planned place."""
        if self._read() != (point, moment):
            return
        try:
            self.file.unlink()
        except FileNotFoundError:
            return  # another process was faster
        os.kill(os.getpid(), signal.SIGKILL)

    def _read(self) -> tuple[PersistPoint, Moment] | None:
        try:
            with self.file.open("rb") as file:
                words = file.read(MAX_PLAN_BYTES).decode("ascii").split()
        except FileNotFoundError:
            return None
        try:
            point, moment = words
            return PersistPoint(point), Moment(moment)
        except ValueError as error:
            raise MalformedInput("crash.plan", f"{self.file} holds no crash plan", str(error)) from error
