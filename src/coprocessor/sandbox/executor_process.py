"""The executor's process: a thin loop over an inherited socket, ``python -m coprocessor.sandbox.executor_process --fd
N``. It executes under one runtime of its release.

No network, no files: after start the process only reads requests from its one socket and writes replies to it. Each
message is its length in four bytes, big-endian, then its encoding.
"""

from __future__ import annotations

import argparse
import os
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, Final

from coprocessor.sandbox.engine import Engine
from coprocessor.sandbox.executor import Executor
from coprocessor.sandbox.executor_messages import (
    EXECUTOR_REPLIES,
    EXECUTOR_REQUESTS,
    MAX_EXECUTOR_MESSAGE,
    ExecutorFailed,
    Stop,
)
from coprocessor.sandbox.framing import read_frame, write_frame
from coprocessor.sandbox.native_stack import run_on_guest_stack
from coprocessor.sandbox.reticence import keep_silent
from coprocessor.sandbox.runtime import Runtime, release_runtimes
from coprocessor.values.errors import MalformedInput
from coprocessor.values.identities import RuntimeId

__all__ = ["Watchdog", "exit_on_lost_errors", "exit_with_parent", "main", "serve"]

_REPEAT_SECONDS: Final = 0.01
"""A program called after the first interruption would not notice it, so the watchdog interrupts again."""


_PARENT_SECONDS: Final = 0.5
"""How often an executor looks whether its parent still lives."""


class Watchdog:
    """Interrupts the engine once a query's time is over."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @contextmanager
    def within(self, milliseconds: int) -> Iterator[None]:
        """While inside, interrupts the engine from ``milliseconds`` on; afterwards never again."""
        is_over = threading.Event()

        def watch() -> None:
            if is_over.wait(milliseconds / 1000):
                return
            self._engine.interrupt()
            while not is_over.wait(_REPEAT_SECONDS):
                self._engine.interrupt()

        thread = threading.Thread(target=watch, name="watchdog", daemon=True)
        thread.start()
        try:
            yield
        finally:
            is_over.set()
            thread.join()


def exit_with_parent(parent: int) -> None:
    """Ends this process at once when its parent is gone, even while a guest runs.

    Args:
        parent: process id of the parent at the start.
    """

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(_PARENT_SECONDS)
        os._exit(1)

    threading.Thread(target=watch, name="parent", daemon=True).start()


def exit_on_lost_errors() -> None:
    """Ends this process at once where Python would only print an error and go on.

    A function of the host that could not even be called, for want of memory, would otherwise look to the guest as if
    it had answered: this machine's memory would decide an outcome (PROTOCOL 5.3).
    """
    shown = (sys.excepthook, sys.unraisablehook)

    def stop(show: Any, *lost: Any) -> None:
        try:
            show(*lost)
        finally:
            os._exit(1)

    sys.excepthook, sys.unraisablehook = (partial(stop, show) for show in shown)


def serve(channel: socket.socket, runtime: Runtime) -> None:
    """Answers requests until ``Stop``, the end of the channel (be it inside a request), a request that claims to be too
    long, or a failure after which the state may be half-way."""
    engine = Engine()
    if engine.fallback_reason:
        sys.stderr.write(f"the executor drives its engine by the slow path: {engine.fallback_reason}\n")
    executor = Executor(engine, Watchdog(engine), runtime.rules)
    while True:
        try:
            data = read_frame(channel, MAX_EXECUTOR_MESSAGE)
        except MalformedInput as error:  # where the next request would begin, nobody knows
            write_frame(channel, EXECUTOR_REPLIES.encode(ExecutorFailed(error.code, str(error), is_fatal=True)))
            return
        except (EOFError, ConnectionError):
            return
        if data is None:
            return
        try:
            request = EXECUTOR_REQUESTS.decode(data)
        except MalformedInput as error:
            write_frame(channel, EXECUTOR_REPLIES.encode(ExecutorFailed(error.code, str(error), is_fatal=False)))
            continue
        reply = executor.handle(request)
        try:
            write_frame(channel, EXECUTOR_REPLIES.encode(reply))
        except BrokenPipeError:  # the core is gone, and with it everybody who could read the reply
            return
        if isinstance(request, Stop) or (isinstance(reply, ExecutorFailed) and reply.is_fatal):
            return


def main(arguments: list[str] | None = None) -> int:
    """Entry point of the process."""
    parser = argparse.ArgumentParser(prog="coprocessor.sandbox.executor_process")
    parser.add_argument("--fd", type=int, required=True, help="inherited unix stream socket")
    parser.add_argument("--runtime", default="", help="id of a runtime of this release, in hex; default: the first")
    options = parser.parse_args(arguments)
    runtimes = release_runtimes()
    runtime = runtimes.find(RuntimeId(bytes.fromhex(options.runtime))) if options.runtime else runtimes.first
    if runtime is None:
        parser.error(f"this release carries no runtime {options.runtime}")
    keep_silent()
    exit_with_parent(os.getppid())
    exit_on_lost_errors()
    with socket.socket(fileno=options.fd) as channel:
        run_on_guest_stack(serve, channel, runtime)
    return 0


if __name__ == "__main__":
    sys.exit(main())
