"""Starts executor processes and talks to them; the only place of this package, beside the process itself, with an edge.

A mistake that makes the engine abort kills an executor, never the enclave core. The handle reports the death; its owner
starts another executor and feeds it programs and state again.
"""

from __future__ import annotations

import socket
import subprocess
import sys
from types import TracebackType
from typing import Any, Final

from coprocessor.sandbox.executor_messages import (
    EXECUTOR_REPLIES,
    EXECUTOR_REQUESTS,
    MAX_EXECUTOR_MESSAGE,
    ExecutorFailed,
    Stop,
)
from coprocessor.sandbox.framing import read_frame, write_frame
from coprocessor.values.errors import CoprocessorError, InternalError
from coprocessor.values.identities import RuntimeId

__all__ = ["ExecutorDied", "ExecutorHandle"]

_STOP_SECONDS: Final = 10
_MODULE: Final = "coprocessor.sandbox.executor_process"


class ExecutorDied(InternalError):
    """The executor's process ended. Nothing of an unanswered request was decided: start another and feed it again."""


class ExecutorHandle:
    """One executor process.

    Use as a context manager, or call ``close``. ``ask`` is not thread-safe: one request at a time.

    Args:
        runtime: of this release, under which it executes; the first by default.
    """

    def __init__(self, runtime: RuntimeId | None = None) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        chosen = () if runtime is None else ("--runtime", runtime.hex())
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", _MODULE, "--fd", str(theirs.fileno()), *chosen],
                pass_fds=(theirs.fileno(),),
                stdin=subprocess.DEVNULL,
            )
        self._channel = ours

    @property
    def process_id(self) -> int:
        """Of the operating system."""
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        """The process has not ended."""
        return self._process.poll() is None

    def ask(self, request: Any) -> Any:
        """Sends one request and waits for its reply. Raises as ``receive``."""
        self.send(request)
        return self.receive()

    def send(self, request: Any) -> None:
        """Starts one request; ``receive`` MUST follow before the next. Raises ExecutorDied."""
        data = EXECUTOR_REQUESTS.encode(request)
        try:
            write_frame(self._channel, data)
        except OSError as error:
            raise self._died(str(error)) from error

    def receive(self) -> Any:
        """Waits for the reply to the request that was sent.

        Raises:
            ExecutorDied: the process ended before it answered, or says that it must be replaced.
        """
        try:
            answer = read_frame(self._channel, MAX_EXECUTOR_MESSAGE)
        except (OSError, EOFError, CoprocessorError) as error:
            raise self._died(str(error)) from error
        if answer is None:
            raise self._died("it closed its channel")
        reply = EXECUTOR_REPLIES.decode(answer)
        if isinstance(reply, ExecutorFailed) and reply.is_fatal:
            raise self._died(reply.message)
        return reply

    def close(self) -> None:
        """Asks the process to stop, and ends it where it does not."""
        if self.is_alive:
            try:
                write_frame(self._channel, EXECUTOR_REQUESTS.encode(Stop()))
            except OSError:
                self._process.kill()
        self._channel.close()
        try:
            self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def kill(self) -> None:
        """Ends the process at once."""
        self._process.kill()
        self._process.wait()
        self._channel.close()

    def __enter__(self) -> ExecutorHandle:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _died(self, why: str) -> ExecutorDied:
        self._process.kill()
        code = self._process.wait()
        return ExecutorDied(
            "executor.died", f"the executor process ended with code {code}", why, "start another and feed it again"
        )
