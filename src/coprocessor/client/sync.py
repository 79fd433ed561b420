"""The SDK for code that does not use asyncio: the same objects, each call waiting for its answer.

One thread with an event loop per connection does the work; it ends with ``close`` or with the program.
"""

from __future__ import annotations

import asyncio
import atexit
import threading
from collections.abc import Coroutine
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

from coprocessor.client.calls import RESULT_SECONDS, CallOutcome
from coprocessor.client.deployment import DeployOptions
from coprocessor.client.network import AsyncBatch, AsyncHandle, AsyncNetwork, AsyncProgram, aconnect
from coprocessor.client.queries import QueryResult
from coprocessor.client.sealing import CallOptions, SealedItem
from coprocessor.client.upgrades import UPGRADE_FUEL
from coprocessor.client.versions import Lineage
from coprocessor.crypto.secp256k1 import PrivateKey

__all__ = ["Batch", "Handle", "NetworkClient", "Program", "connect"]

T = TypeVar("T")


class _Loop:
    """An event loop in a thread of its own."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="coprocessor-client", daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """The result of ``work``; an interrupt of the caller cancels it."""
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def stop(self) -> None:
        """Ends the thread; nothing can run afterwards."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()


def connect(
    target: str | Path,
    *,
    key: PrivateKey | str | Path | None = None,
    rpc: str | None = None,
    pinned: str | None = None,
) -> NetworkClient:
    """Connects to a network; arguments and errors as for ``aconnect``.

        net = connect(".phat")
        ballot = net.deploy("ballot.py")
        ballot.call("vote", "yes").result()
        ballot.query("tally")
    """
    loop = _Loop()
    try:
        return NetworkClient(loop, loop.run(aconnect(target, key=key, rpc=rpc, pinned=pinned)))
    except BaseException:
        loop.stop()
        raise


class NetworkClient:
    """A network. Use as ``with connect(...) as net``, or ``close`` it. See ``AsyncNetwork``."""

    def __init__(self, loop: _Loop, network: AsyncNetwork) -> None:
        self._loop = loop
        self._is_open = True
        self.asynchronous = network
        atexit.register(self.close)  # scripts that end without closing end quietly

    def __enter__(self) -> NetworkClient:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closes all connections; once is enough."""
        if not self._is_open:
            return
        self._is_open = False
        atexit.unregister(self.close)
        self._loop.run(self.asynchronous.close())
        self._loop.stop()

    @property
    def id(self) -> str:
        """The network's id, 0x-prefixed."""
        return self.asynchronous.id

    @property
    def simulated(self) -> bool:
        """The network accepts simulated hardware: nothing on it is secret."""
        return self.asynchronous.simulated

    def deploy(
        self, path: str | Path, *, private: bool = False, options: DeployOptions | None = None, **init: Any
    ) -> Program:
        """See ``AsyncNetwork.deploy``."""
        work = self.asynchronous.deploy(path, private=private, options=options, **init)
        return Program(self._loop, self._loop.run(work))

    def program(self, program: str | bytes) -> Program:
        """See ``AsyncNetwork.program``."""
        return Program(self._loop, self._loop.run(self.asynchronous.program(program)))

    def batch(self, relayer: PrivateKey | None = None) -> Batch:
        """See ``AsyncNetwork.batch``."""
        return Batch(self._loop, self.asynchronous.batch(relayer))

    def receipt(self, program: Program, link: int, position: int = 0) -> str:
        """See ``AsyncNetwork.receipt``."""
        return self._loop.run(self.asynchronous.receipt(program.asynchronous, link, position))


class Program:
    """A deployed program. See ``AsyncProgram``."""

    def __init__(self, loop: _Loop, program: AsyncProgram) -> None:
        self._loop = loop
        self.asynchronous = program

    @property
    def id(self) -> str:
        """0x-prefixed, 32 bytes."""
        return self.asynchronous.id

    def lineage(self) -> Lineage:
        """See ``AsyncProgram.lineage``."""
        return self._loop.run(self.asynchronous.lineage())

    def announce(
        self, path: str | Path, *, private: bool = False, fuel: int = UPGRADE_FUEL, author: PrivateKey | None = None
    ) -> int:
        """See ``AsyncProgram.announce``."""
        return self._loop.run(self.asynchronous.announce(path, private=private, fuel=fuel, author=author))

    def withdraw(self, *, author: PrivateKey | None = None) -> None:
        """See ``AsyncProgram.withdraw``."""
        self._loop.run(self.asynchronous.withdraw(author=author))

    def execute(self, *, author: PrivateKey | None = None, timeout: float = RESULT_SECONDS) -> int:
        """See ``AsyncProgram.execute``."""
        return self._loop.run(self.asynchronous.execute(author=author, timeout=timeout))

    def call(
        self,
        method: str,
        /,
        *arguments: Any,
        author: PrivateKey | None = None,
        options: CallOptions | None = None,
        **named: Any,
    ) -> Handle:
        """See ``AsyncProgram.call``."""
        work = self.asynchronous.call(method, *arguments, author=author, options=options, **named)
        return Handle(self._loop, self._loop.run(work))

    def query(self, method: str, /, *arguments: Any, caller: PrivateKey | None = None, **named: Any) -> Any:
        """See ``AsyncProgram.query``."""
        return self._loop.run(self.asynchronous.query(method, *arguments, caller=caller, **named))

    def ask(self, method: str, /, *arguments: Any, caller: PrivateKey | None = None, **named: Any) -> QueryResult:
        """See ``AsyncProgram.ask``."""
        return self._loop.run(self.asynchronous.ask(method, *arguments, caller=caller, **named))


class Handle:
    """A command on its way. See ``AsyncHandle``."""

    def __init__(self, loop: _Loop, handle: AsyncHandle) -> None:
        self._loop = loop
        self.asynchronous = handle

    @property
    def index(self) -> str:
        """``LINK.POSITION`` in the cluster's inbox."""
        return self.asynchronous.index

    def result(self, timeout: float = RESULT_SECONDS) -> Any:
        """See ``AsyncHandle.result``."""
        return self._loop.run(self.asynchronous.result(timeout))

    def outcome(self, timeout: float = RESULT_SECONDS) -> CallOutcome:
        """See ``AsyncHandle.outcome``."""
        return self._loop.run(self.asynchronous.outcome(timeout))

    def receipt(self, timeout: float = RESULT_SECONDS, opened: bool = True) -> str:
        """See ``AsyncHandle.receipt``."""
        return self._loop.run(self.asynchronous.receipt(timeout, opened))


class Batch:
    """Commands of any authors that one relayer brings together. See ``AsyncBatch``."""

    def __init__(self, loop: _Loop, batch: AsyncBatch) -> None:
        self._loop = loop
        self.asynchronous = batch

    def __len__(self) -> int:
        return len(self.asynchronous)

    def add(
        self,
        program: Program,
        method: str,
        /,
        *arguments: Any,
        author: PrivateKey | None = None,
        options: CallOptions | None = None,
        **named: Any,
    ) -> None:
        """See ``AsyncBatch.add``."""
        work = self.asynchronous.add(
            program.asynchronous, method, *arguments, author=author, options=options, **named
        )
        self._loop.run(work)

    def add_sealed(self, item: SealedItem) -> None:
        """See ``AsyncBatch.add_sealed``."""
        self.asynchronous.add_sealed(item)

    def submit(self) -> list[Handle]:
        """See ``AsyncBatch.submit``."""
        return [Handle(self._loop, handle) for handle in self._loop.run(self.asynchronous.submit())]
