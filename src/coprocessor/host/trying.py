"""Steps that are tried again: what fails is reported in the host's progress, and only the enclave's end stops all."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from coprocessor.host.enclave_process import EnclaveDied
from coprocessor.host.progress import Progress
from coprocessor.values.errors import CoprocessorError, InternalError

__all__ = ["FreshEnclaveNeeded", "Trying", "until_first_ends", "wait_for_event"]

_log = logging.getLogger("coprocessor.host")

LONGEST_PAUSE = 5.0
"""Seconds between attempts of a step that keeps failing."""

_NEEDS_FRESH_ENCLAVE = frozenset({"release.again", "admission.unknown_block", "worker.not_admitted"})


class FreshEnclaveNeeded(Exception):
    """The gatekeepers or the chain will not take this enclave any more, but will take a new one."""


class Trying:
    """Repeats the steps of one host.

    Args:
        progress: where failures are reported.
        poll_seconds: first pause after a failure, and between rounds.
    """

    def __init__(self, progress: Progress, poll_seconds: float) -> None:
        self._progress = progress
        self._poll = poll_seconds

    async def until_done(self, part: str, step: Callable[[], Awaitable[Any]]) -> None:
        """Does a step, again and again until it succeeds.

        Raises:
            EnclaveDied, FreshEnclaveNeeded: nothing more can be done with this enclave.
        """
        pause = self._poll
        while await self.attempt(part, step) is None:
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)

    async def for_ever(
        self, part: str, step: Callable[[], Awaitable[bool]], wake: asyncio.Event | None = None
    ) -> None:
        """Repeats a step: at once while it says that it got somewhere, else after a while or when ``wake`` is set."""
        pause = self._poll
        while True:
            if wake is not None:
                wake.clear()
            outcome = await self.attempt(part, step)
            if outcome is None:
                await asyncio.sleep(pause)
                pause = min(2 * pause, LONGEST_PAUSE)
                continue
            pause = self._poll
            if outcome:
                continue
            if wake is None:
                await asyncio.sleep(self._poll)
            else:
                await wait_for_event(wake, self._poll)

    async def attempt(self, part: str, step: Callable[[], Awaitable[Any]]) -> bool | None:
        """Whether the step got somewhere; None where it failed."""
        try:
            outcome = await step()
        except (EnclaveDied, FreshEnclaveNeeded):
            raise
        except CoprocessorError as error:
            self._progress.wait_for(part, error)
            if error.code in _NEEDS_FRESH_ENCLAVE:
                raise FreshEnclaveNeeded(error.code) from error
            return None
        except Exception as error:  # one failing step never kills the host
            _log.exception("%s failed", part)
            bug = InternalError("host.bug", f"{part} failed: {type(error).__name__}", str(error), "report it")
            self._progress.wait_for(part, bug)
            return None
        self._progress.clear(part)
        return bool(outcome)


async def until_first_ends(*works: Awaitable[None]) -> None:
    """Runs all; when one ends, the others are cancelled and its outcome is the outcome."""
    tasks = [asyncio.ensure_future(work) for work in works]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def wait_for_event(event: asyncio.Event, seconds: float) -> None:
    """Returns once the event is set, or after so many seconds."""
    try:
        await asyncio.wait_for(event.wait(), seconds)
    except TimeoutError:
        return
