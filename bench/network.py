"""A network that runs, with a token on it: what the benchmarks of the whole path are measured on."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import signal
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from bench.processes import PHAT, descendants, running, wait_until
from coprocessor.attesters.detect import open_attester
from coprocessor.client.guest_cache import cached_guest
from coprocessor.client.network import AsyncNetwork, AsyncProgram, aconnect
from coprocessor.crypto.hashing import keccak256
from coprocessor.crypto.secp256k1 import PrivateKey
from coprocessor.sandbox.native_stack import run_on_guest_stack
from coprocessor.sandbox.python_guest import guest_digest
from coprocessor.sandbox.runtime import release_runtimes
from coprocessor.sandbox.sealed_cache import CacheKind, SealedCache, cache_name

__all__ = ["ROOT", "TOKENS", "BenchNetwork", "Token", "authors", "prepare_machine", "running_network"]

T = TypeVar("T")

ROOT = Path(__file__).resolve().parents[1]
START_SECONDS = 180.0
SUPPLY = 10**15


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


def prepare_machine(data: Path) -> None:
    """Makes of ``data`` the folder of a worker that ran before: a simulated machine of its own, and the interpreter's
    native code as that machine's enclave seals it. It spares a worker the seconds of compiling, which ``cold_start``
    measures."""
    attester = open_attester(data / "platform", simulated=True)
    runtime = release_runtimes().first.id
    cache = SealedCache(attester.seal_key(b"code-cache"), runtime)
    compiled = run_on_guest_stack(lambda: cached_guest().serialize())
    sealed = cache.seal(CacheKind.COMPILED, guest_digest(), compiled, secrets.token_bytes(32))
    (data / "cache").mkdir(parents=True)
    (data / "cache" / cache_name("python", runtime)).write_bytes(sealed)


@contextmanager
def running_network(folder: Path, language: str) -> Iterator[BenchNetwork]:
    """A network with one worker and the token of a language, in a new folder."""
    prepare_machine(folder / "worker-0")
    log = folder.with_name(folder.name + ".log")
    with running((*PHAT, "up", "--data", str(folder)), log) as process:
        wait_until(lambda: process.poll() is not None or b"ready:" in log.read_bytes(), START_SECONDS, "the network")
        if process.poll() is not None:
            raise RuntimeError(f"phat up ended: {log.read_text('utf-8', 'replace')[-2000:]}")
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
