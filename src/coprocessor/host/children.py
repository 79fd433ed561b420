"""Child processes of the supervisor: started, watched, started again, stopped.

A child gets a session of its own, so that an interrupt at the terminal reaches the supervisor alone and children stop
in order; and the kernel tells it to stop when the supervisor dies, so that a killed supervisor leaves no orphans.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from coprocessor.values.errors import CoprocessorError, PeerUnreachable

__all__ = ["Child"]

STOP_SECONDS = 15.0
"""How long a child may take to stop before it is ended."""

FIRST_PAUSE, LONGEST_PAUSE = 0.5, 30.0
"""Seconds before a child that ended is started again."""

STEADY_SECONDS = 60.0
"""A child that ran so long starts again without a long pause."""

_SHOWN_LOG = 2000
_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


class Child:
    """One process that is kept running.

    Args:
        name: for people and for its log file.
        command: program and arguments.
        log: file that takes its output.
        on_event: told in words when it ends and starts again.
    """

    def __init__(self, name: str, command: Sequence[str], log: Path, on_event: Callable[[str], None]) -> None:
        self.name = name
        self._command = tuple(command)
        self._log = log
        self._on_event = on_event
        self._process: asyncio.subprocess.Process | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._ends = 0

    @property
    def pid(self) -> int | None:
        """Of the operating system, while it runs."""
        return None if self._process is None or self._process.returncode is not None else self._process.pid

    async def start(self) -> None:
        """Starts the process and keeps it running until ``stop``."""
        await self._spawn()
        self._keeper = asyncio.create_task(self._keep())

    async def stop(self) -> None:
        """Asks the process to stop, and ends it where it does not."""
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)
        process = self._process
        if process is None or process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        try:
            await asyncio.wait_for(process.wait(), STOP_SECONDS)
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    @property
    def has_failed(self) -> bool:
        """Whether it ended more than once soon after its start."""
        return self._ends > 1

    def failure(self, error: CoprocessorError) -> PeerUnreachable:
        """Why it does not answer: the end of its log, or else what was found when it was asked."""
        tail = self._log.read_text("utf-8", "replace")[-_SHOWN_LOG:].strip() if self._log.exists() else ""
        return PeerUnreachable(
            "up.child", f"the {self.name} does not start", tail or str(error), f"look into {self._log}"
        )

    async def _spawn(self) -> None:
        self._log.parent.mkdir(parents=True, exist_ok=True)
        with self._log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *self._command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=_stop_with_parent(os.getpid()),
            )

    async def _keep(self) -> None:
        pause = FIRST_PAUSE
        while True:
            assert self._process is not None
            started = asyncio.get_running_loop().time()
            status = await self._process.wait()
            if asyncio.get_running_loop().time() - started > STEADY_SECONDS:
                pause, self._ends = FIRST_PAUSE, 0
            self._ends += 1
            self._on_event(f"the {self.name} ended with status {status}; it starts again in {pause:g} s")
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)
            await self._spawn()


def _stop_with_parent(parent: int) -> Callable[[], None] | None:
    """Runs in the child before it becomes its program: the kernel shall tell it when the supervisor dies."""
    libc = _libc
    if libc is None:
        return None

    def prepare() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:  # it died in between
            os._exit(1)

    return prepare
