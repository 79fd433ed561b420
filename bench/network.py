"""A network that runs, with a token on it: what the benchmarks of the whole path are measured on."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from bench.processes import PHAT, descendants, running, wait_until
from coprocessor.client.network import AsyncNetwork, AsyncProgram, aconnect
from coprocessor.crypto.hashing import keccak256
from coprocessor.crypto.secp256k1 import PrivateKey

__all__ = ["ROOT", "TOKENS", "BenchNetwork", "Token", "authors", "running_network"]

T = TypeVar("T")

ROOT = Path(__file__).resolve().parents[1]
START_SECONDS = 180.0
SUPPLY = 10**15
_KEPT = ("platform", "cache")
"""Of a worker's folder: the simulated machine, and native code that its enclave sealed. A copy spares the ten seconds
in which the first start compiles the interpreter; ``cold_start`` measures them."""


@dataclass(frozen=True, slots=True)
class Token:
    """The same token in a language: its program, and the arguments of its constructor."""

    language: str
    path: Path
    init: dict[str, Any]


TOKENS = {
    "python": Token(
        "python", ROOT / "examples" / "token" / "confidential_token.py", {"name": "Benchmark", "supply": SUPPLY}
    ),
    "raw": Token("raw", ROOT / "bench" / "programs" / "c_token.wasm", {"supply": SUPPLY}),
}
"""``raw`` is ``guests/c/token.c``, compiled."""


@dataclass(slots=True)
class BenchNetwork:
    """A network in processes of its own, a client connected to it, and a token.

    Args:
        folder: of ``phat up``.
        pid: of ``phat up``.
        runner: of the client's event loop.
        net: connected as the token's owner.
        token: deployed.
        submitted: commands that its inbox has taken for the token so far.
    """

    folder: Path
    pid: int
    runner: asyncio.Runner
    net: AsyncNetwork
    token: AsyncProgram
    submitted: int = 0

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """The result of work with the client; one at a time."""
        return self.runner.run(work)

    @property
    def file(self) -> Path:
        """``network.json``."""
        return self.folder / "network.json"

    @property
    def hints(self) -> dict[str, Any]:
        """RPC URL, cluster, gatekeepers."""
        return dict(json.loads(self.file.read_text("utf-8"))["hints"])

    def freeze(self) -> None:
        """Stops all its processes where they are, so that they take nothing from what is measured meanwhile."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Lets them go on."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        for pid in (self.pid, *descendants(self.pid)):
            with suppress(ProcessLookupError):
                os.kill(pid, number)


def authors(count: int) -> list[PrivateKey]:
    """Keys of people who hold tokens; the same in each run."""
    return [PrivateKey(keccak256(b"benchmark author %d" % at)) for at in range(count)]


@contextmanager
def running_network(folder: Path, language: str, kept: Path) -> Iterator[BenchNetwork]:
    """A network with one worker and the token of a language.

    Args:
        folder: new.
        language: of ``TOKENS``.
        kept: folder in which a worker's sealed code is kept from one network to the next.
    """
    folder.mkdir(parents=True)
    worker = folder / "worker-0"
    for name in _KEPT:
        if (kept / name).exists():
            shutil.copytree(kept / name, worker / name)
    log = folder.with_name(folder.name + ".log")
    with running((*PHAT, "up", "--data", str(folder)), log) as process:
        wait_until(lambda: process.poll() is not None or b"ready:" in log.read_bytes(), START_SECONDS, "the network")
        if process.poll() is not None:
            raise RuntimeError(f"phat up ended: {log.read_text('utf-8', 'replace')[-2000:]}")
        _keep(worker, kept)
        with asyncio.Runner() as runner:
            net = runner.run(aconnect(folder))
            try:
                token = TOKENS[language]
                program = runner.run(net.deploy(token.path, **token.init))
                network = BenchNetwork(folder, process.pid, runner, net, program)
                try:
                    yield network
                finally:
                    network.thaw()
            finally:
                runner.run(net.close())


def _keep(worker: Path, kept: Path) -> None:
    for name in _KEPT:
        if (worker / name).exists():
            shutil.copytree(worker / name, kept / name, dirs_exist_ok=True)
