"""The worker's enclave process: the core, and the executor processes that it alone feeds."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from coprocessor.enclave.executor_port import ExecutorDied
from coprocessor.enclave.loop import serve
from coprocessor.enclave.messages import WORKER_REPLIES, WORKER_REQUESTS, simulated
from coprocessor.enclave.process import read_start
from coprocessor.enclave.surroundings import WorkerSurroundings
from coprocessor.enclave.worker import WorkerCore
from coprocessor.sandbox import supervisor
from coprocessor.sandbox.python_guest import guest_digest, load_guest_wasm
from coprocessor.sandbox.runtime import Runtime, release_runtimes
from coprocessor.values.errors import InternalError

__all__ = ["ProcessPort", "main"]


class ProcessPort:
    """An executor in a child process that is replaced when it dies; it begins with ``runtime``."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._handle: supervisor.ExecutorHandle | None = None

    def send(self, request: Any) -> None:
        """Starts a request. Raises ExecutorDied."""
        if self._handle is None:
            self._handle = supervisor.ExecutorHandle(self._runtime.id)
        with _told_as_the_core_knows_it():
            self._handle.send(request)

    def receive(self) -> Any:
        """The reply. Raises ExecutorDied."""
        if self._handle is None:
            raise InternalError("executor.order", "a reply was waited for before anything was sent")
        with _told_as_the_core_knows_it():
            return self._handle.receive()

    def restart(self, runtime: Runtime) -> None:
        """A new, empty executor of this runtime."""
        if self._handle is not None:
            self._handle.kill()
        self._handle = supervisor.ExecutorHandle(runtime.id)

    def close(self) -> None:
        """Ends the executor."""
        if self._handle is not None:
            self._handle.close()


@contextmanager
def _told_as_the_core_knows_it() -> Iterator[None]:
    try:
        yield
    except supervisor.ExecutorDied as error:
        raise ExecutorDied(error.code, error.what, error.why, error.next) from error


def main() -> None:
    """Serves one host over the inherited socket until it stops."""
    start = read_start("enclave of a worker")
    runtimes = release_runtimes()
    port = ProcessPort(runtimes.first)
    surroundings = WorkerSurroundings(
        entropy=os.urandom,
        executor=port,
        guest_wasm=_guest_wasm,
        runtimes=runtimes,
        seal_key=start.attester.seal_key(b"code-cache"),
        platform=start.platform,
        simulated=start.attester.is_simulated,
    )
    tables = (WORKER_REQUESTS, WORKER_REPLIES)
    if start.attester.is_simulated:
        tables = (simulated(WORKER_REQUESTS), simulated(WORKER_REPLIES))
    try:
        serve(start.channel, WorkerCore(surroundings), start.attester, *tables)
    finally:
        port.close()


def _guest_wasm(digest: bytes) -> bytes:
    if digest != guest_digest():
        raise InternalError("guest.package", f"the release carries no interpreter 0x{digest.hex()}")
    return load_guest_wasm()


if __name__ == "__main__":
    main()
