"""The demonstration's network: a supervisor without workers, and workers that can be killed and replaced."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from coprocessor.chain.keyfile import write_key_file
from coprocessor.client.workers import WorkersApi
from coprocessor.host.children import Child
from coprocessor.host.supervisor import Summary, Supervisor, UpOptions
from coprocessor.host.up_state import UpState
from coprocessor.values.errors import CallerMisuse, PeerUnreachable
from coprocessor.values.identities import Address

__all__ = ["DemoWorker", "fresh_folder", "running_network", "start_worker"]

_MARKER = "demo"
_PHAT = (sys.executable, "-m", "coprocessor.cli.main")
_START_SECONDS = 180.0


@dataclass
class DemoWorker:
    """A worker in a process of its own, started by the public command.

    Args:
        name: for people.
        folder: everything that it holds.
        url: where it answers.
        child: its process.
    """

    name: str
    folder: Path
    url: str
    child: Child
    api: WorkersApi = field(default_factory=WorkersApi)

    async def status(self) -> dict[str, Any]:
        """What it says of itself. Raises PeerUnreachable."""
        return await self.api.status(self.url)

    async def until(self, holds: Callable[[dict[str, Any]], bool], what: str) -> dict[str, Any]:
        """Its first status that ``holds``. Raises PeerUnreachable where none does in time."""
        deadline = time.monotonic() + _START_SECONDS
        while time.monotonic() < deadline:
            try:
                status = await self.status()
                if holds(status):
                    return status
            except PeerUnreachable as error:
                if self.child.has_failed:
                    raise self.child.failure(error) from error
            await asyncio.sleep(0.1)
        waited = f"waited {_START_SECONDS:.0f} s"
        raise PeerUnreachable("demo.worker", f"the {self.name} did not come to {what}", waited)

    async def kill(self) -> None:
        """SIGKILL, and everything that it held is deleted."""
        pid = self.child.pid
        if pid is not None:
            os.kill(pid, signal.SIGKILL)
        await self.stop()
        await asyncio.to_thread(shutil.rmtree, self.folder)

    async def stop(self) -> None:
        """Stops the process for good."""
        await self.child.stop()
        await self.api.close()


def fresh_folder(folder: Path) -> Path:
    """An empty folder; one that an earlier demonstration left is emptied.

    Raises:
        CallerMisuse: there is something else in it (``demo.folder``).
    """
    if folder.exists() and any(folder.iterdir()):
        if not (folder / _MARKER).exists():
            raise CallerMisuse("demo.folder", f"{folder} holds something else", next="name another folder with --data")
        shutil.rmtree(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / _MARKER).touch()
    return folder


@asynccontextmanager
async def running_network(folder: Path) -> AsyncIterator[Summary]:
    """A development network without workers while the block runs."""
    ready: asyncio.Future[Summary] = asyncio.get_running_loop().create_future()
    supervisor = Supervisor(UpOptions(data=folder, workers=0))
    running = asyncio.create_task(supervisor.run(ready.set_result))
    try:
        both: list[asyncio.Future[Any]] = [running, ready]
        await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        if not ready.done():
            await running
            raise CallerMisuse("demo.network", "the network ended before it began")
        yield ready.result()
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def start_worker(
    summary: Summary, name: str, fund: Callable[[Address], Awaitable[None]], *arguments: str
) -> DemoWorker:
    """Starts ``phat worker`` with the network's description and a new operator's key, and nothing else."""
    data = summary.file.parent
    key_file = data / "keys" / f"{name}.key"
    await fund(write_key_file(key_file).address)
    port, folder = UpState(data / f"{name}.json").port(name), data / name
    command = [*_PHAT, "worker", "--network", str(summary.file), "--operator", str(key_file)]
    command += ["--data", str(folder), "--listen", f"127.0.0.1:{port}", *arguments]
    child = Child(name, command, data / "logs" / f"{name}.log", lambda text: None)
    await child.start()
    return DemoWorker(name, folder, f"http://127.0.0.1:{port}", child)

