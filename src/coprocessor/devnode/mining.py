"""When blocks are made: at once, at an interval, or on demand."""

from __future__ import annotations

import asyncio
import logging

from coprocessor.devnode.chain import Chain

__all__ = ["Miner"]

_logger = logging.getLogger("coprocessor.devnode")


class Miner:
    """Decides when the chain mines; ``run`` is the interval's task."""

    def __init__(self, chain: Chain, block_time: float | None) -> None:
        self._chain = chain
        self._changed = asyncio.Event()
        self._needs_flush = False
        self._failures = 0
        self.automine = block_time is None
        self.interval = block_time

    def note_submission(self) -> None:
        """A transaction was admitted: ``flush`` MUST run before it is acknowledged."""
        self._needs_flush = True

    @property
    def failures(self) -> int:
        """How often a flush has failed; each time all that was submitted and not durable was forgotten."""
        return self._failures

    def flush(self) -> None:
        """Mine what was submitted (automine) or make it durable in the pool.

        Raises:
            DiskFailed: nothing that waited for this may be acknowledged; it is forgotten, so that the disk's trouble
                keeps nobody from reading.
        """
        if not self._needs_flush:
            return
        try:
            if self.automine:
                self._chain.mine_waiting()
            else:
                self._chain.save()
        except BaseException:
            self._failures += 1
            self._chain.forget_unsaved()
            raise
        finally:
            self._needs_flush = False

    async def flush_together(self) -> None:
        """Flush after letting requests that are already here join the same block. Raises as ``flush``."""
        if self._needs_flush:
            await asyncio.sleep(0)
            self.flush()

    def set_automine(self, enabled: bool) -> None:
        """Mine each submission at once, or only on demand and at the interval."""
        self.automine = enabled
        if enabled and self._chain.has_executable():
            self._chain.mine_waiting()

    def set_interval(self, seconds: float | None) -> None:
        """Mine every so many seconds; None stops that. Ends automine, as other nodes do."""
        self.interval = seconds
        if seconds is not None:
            self.automine = False
        self._changed.set()

    async def run(self) -> None:
        """Mine at the interval until cancelled."""
        while True:
            self._changed.clear()
            try:
                await asyncio.wait_for(self._changed.wait(), self.interval)
            except TimeoutError:
                self._mine_safely()

    def _mine_safely(self) -> None:
        try:
            self._chain.mine()
        except Exception:
            # A failed block is rolled back; the next tick may do better, and requests must still be answered.
            _logger.exception("mining failed")
