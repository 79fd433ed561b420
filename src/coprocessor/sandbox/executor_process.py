"""The executor's process: a thin loop over an inherited socket, ``python -m coprocessor.sandbox.executor_process --fd
N``.

No network, no files: after start the process only reads requests from its one socket and writes replies to it. Each
message is its length in four bytes, big-endian, then its encoding.
"""

from __future__ import annotations

import argparse
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

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
from coprocessor.values.errors import MalformedInput

__all__ = ["Watchdog", "main", "serve"]

_REPEAT_SECONDS: Final = 0.01
"""A program called after the first interruption would not notice it, so the watchdog interrupts again."""


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


def serve(channel: socket.socket) -> None:
    """Answers requests until ``Stop``, the end of the channel, or a failure after which the state may be half-way."""
    engine = Engine()
    executor = Executor(engine, Watchdog(engine))
    while True:
        data = read_frame(channel, MAX_EXECUTOR_MESSAGE)
        if data is None:
            return
        try:
            request = EXECUTOR_REQUESTS.decode(data)
        except MalformedInput as error:
            write_frame(channel, EXECUTOR_REPLIES.encode(ExecutorFailed(error.code, str(error), is_fatal=False)))
            continue
        reply = executor.handle(request)
        write_frame(channel, EXECUTOR_REPLIES.encode(reply))
        if isinstance(request, Stop) or (isinstance(reply, ExecutorFailed) and reply.is_fatal):
            return


def main(arguments: list[str] | None = None) -> int:
    """Entry point of the process."""
    parser = argparse.ArgumentParser(prog="coprocessor.sandbox.executor_process")
    parser.add_argument("--fd", type=int, required=True, help="inherited unix stream socket")
    options = parser.parse_args(arguments)
    with socket.socket(fileno=options.fd) as channel:
        run_on_guest_stack(serve, channel)
    return 0


if __name__ == "__main__":
    sys.exit(main())
