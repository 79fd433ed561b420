"""Hosts in this process, with real enclaves and a real node: what a test needs to look inside.

One event loop in a thread of its own runs the hosts; tests hand it coroutines.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from coprocessor.chain.deployment import ClusterTerms, NetworkContracts, create_cluster, deploy_contracts
from coprocessor.chain.development import development_keys
from coprocessor.chain.node import Node
from coprocessor.chain.rpc import RpcClient
from coprocessor.chain.sender import TransactionSender
from coprocessor.host import provision
from coprocessor.host.gatekeeper import GatekeeperHost
from coprocessor.host.gatekeeper_options import GatekeeperOptions
from coprocessor.host.http import PeerClient
from coprocessor.host.worker import WorkerHost
from coprocessor.host.worker_options import WorkerOptions
from coprocessor.protocol.genesis import network_to_json
from coprocessor.sandbox.runtime import release_runtimes
from coprocessor.values.errors import CoprocessorError
from coprocessor.values.identities import ClusterId, to_hex
from coprocessor.values.network import Custodian, Network

T = TypeVar("T")

SECONDS = 90.0
DEPLOYER, GATEKEEPER, FIRST_WORKER = 9, 8, 7


@dataclass
class RunningHosts:
    """A network whose hosts run in this process."""

    folder: Path
    rpc_url: str
    loop: asyncio.AbstractEventLoop
    node: Node
    sender: TransactionSender
    peers: PeerClient
    tasks: list[asyncio.Task[None]] = field(default_factory=list)
    workers: list[str] = field(default_factory=list)
    gatekeepers: list[str] = field(default_factory=list)
    cluster: ClusterId = field(default_factory=lambda: ClusterId(bytes(32)))
    contracts: NetworkContracts = field(init=False)
    network: Network = field(init=False)

    @property
    def gatekeeper(self) -> str:
        """URL of the first one."""
        return self.gatekeepers[0]

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """The result of a coroutine on the hosts' loop."""
        return asyncio.run_coroutine_threadsafe(asyncio.wait_for(work, SECONDS), self.loop).result()

    @property
    def file(self) -> Path:
        """``network.json``."""
        return self.folder / "network.json"

    async def status(self, url: str) -> dict[str, Any]:
        """A host's status; empty while it does not answer."""
        try:
            found = await self.peers.get_json(f"{url}/v1/status")
        except CoprocessorError:
            return {}
        return dict(found)

    async def until(self, url: str, **wanted: Any) -> dict[str, Any]:
        """The status once it has these values; numbers are least values."""
        while True:
            status = await self.status(url)
            if all(_is_reached(status.get(name), value) for name, value in wanted.items()):
                return status
            for task in self.tasks:
                if task.done() and not task.cancelled():
                    task.result()
            await asyncio.sleep(0.02)

    async def submit(self, payload: bytes) -> int:
        """A link that holds no item, so is void; its index."""
        inbox = self.contracts["Inbox"]
        receipt = await self.sender.send(inbox.address, inbox.encode("submit", self.cluster, 1, 0, payload))
        return int(inbox.events(receipt.logs, "Link")[0]["index"])

    async def start_worker(self, name: str, operator: int, **options: Any) -> tuple[str, asyncio.Task[None]]:
        """A worker of development account ``operator``; its URL and task."""
        settings: dict[str, Any] = {"interpreters": (), "poll_seconds": 0.05, **options}
        host = WorkerHost(
            WorkerOptions(self.file.read_text(), development_keys()[operator], self.folder / name, **settings)
        )
        return await self._start(host)

    async def _start(self, host: WorkerHost | GatekeeperHost) -> tuple[str, asyncio.Task[None]]:
        ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        task = asyncio.create_task(host.run(ready.set_result))
        self.tasks.append(task)
        return await ready, task

    async def begin_gatekeepers(self, members: int = 1, threshold: int = 1) -> None:
        """Contracts, gatekeepers, genesis; their key ceremony is under way."""
        options = await provision.development_options(self.node, self.sender.address, Custodian("file"))
        configuration = await deploy_contracts(self.node, self.sender, 0, options)
        self.contracts = NetworkContracts.of(self.node, configuration)
        text = network_to_json(Network(configuration, ()), {"rpc": self.rpc_url})
        for at in range(members):
            await self.start_gatekeeper(text, f"gatekeeper-{at}" if members > 1 else "gatekeeper")
        for url in self.gatekeepers:
            await self.until(url, step="awaiting genesis")
        self.network = await provision.hold_genesis(
            self.peers, self.gatekeepers, threshold, self.sender, self.node, configuration
        )

    async def start_gatekeeper(self, text: str = "", name: str = "") -> str:
        """One more; for the network that there is by default. Its URL."""
        at = len(self.gatekeepers)
        text = text or network_to_json(self.network, {"rpc": self.rpc_url})
        folder, key = self.folder / (name or f"gatekeeper-{at}"), development_keys()[GATEKEEPER - at]
        url, _ = await self._start(GatekeeperHost(GatekeeperOptions(text, key, folder, poll_seconds=0.05)))
        self.gatekeepers.append(url)
        return url

    async def stop_gatekeeper(self, at: int) -> None:
        """Ends the host of a committee's member, as it ends itself."""
        self.tasks[at].cancel()
        await asyncio.gather(self.tasks[at], return_exceptions=True)

    async def restart_gatekeeper(self, at: int) -> None:
        """The same member's host again, from its folder, elsewhere."""
        text, folder = network_to_json(self.network, {"rpc": self.rpc_url}), self.folder / f"gatekeeper-{at}"
        host = GatekeeperHost(GatekeeperOptions(text, development_keys()[GATEKEEPER - at], folder, poll_seconds=0.05))
        self.gatekeepers[at], self.tasks[at] = await self._start(host)

    async def begin(self, workers: int, quorum: int) -> None:
        """A network with one gatekeeper: cluster, workers."""
        await self.begin_gatekeepers()
        runtime = release_runtimes().first.id
        terms = ClusterTerms(runtime, quorum=quorum, fast_quorum=quorum)
        self.cluster = await create_cluster(self.sender, self.contracts["Clusters"], terms)
        hints = {"rpc": self.rpc_url, "cluster": to_hex(self.cluster)}
        self.file.write_text(network_to_json(self.network, hints))
        for at in range(workers):
            url, _ = await self.start_worker(f"worker-{at}", FIRST_WORKER - at)
            self.workers.append(url)
        for url in self.workers:
            await self.until(url, step="running")

    async def end(self) -> None:
        """Stops all hosts."""
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        await self.peers.close()
        await self.node.rpc.close()


def _is_reached(value: Any, wanted: Any) -> bool:
    if isinstance(wanted, int) and not isinstance(wanted, bool):
        return isinstance(value, int) and value >= wanted
    return bool(value == wanted)


@contextmanager
def running_hosts(folder: Path, rpc_url: str, workers: int = 1, quorum: int = 1) -> Iterator[RunningHosts]:
    """A network on the node at ``rpc_url`` until the block ends."""
    with _running(folder, rpc_url) as hosts:
        hosts.run(hosts.begin(workers, quorum))
        yield hosts


@contextmanager
def running_committee(folder: Path, rpc_url: str, members: int, threshold: int) -> Iterator[RunningHosts]:
    """Gatekeepers alone, in their key ceremony."""
    with _running(folder, rpc_url) as hosts:
        hosts.run(hosts.begin_gatekeepers(members, threshold))
        yield hosts


@contextmanager
def _running(folder: Path, rpc_url: str) -> Iterator[RunningHosts]:
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    folder.mkdir(parents=True, exist_ok=True)
    node = Node(RpcClient(rpc_url))
    sender = TransactionSender(node, development_keys()[DEPLOYER])
    hosts = RunningHosts(folder, rpc_url, loop, node, sender, PeerClient())
    try:
        yield hosts
    finally:
        hosts.run(hosts.end())
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
