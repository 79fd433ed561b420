"""What a worker host is told at its start, and what its parts share."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from coprocessor.chain.committee import find_endpoints
from coprocessor.chain.contract import Contract
from coprocessor.chain.deployment import NetworkContracts
from coprocessor.chain.node import Node
from coprocessor.chain.sender import TransactionSender
from coprocessor.crypto.secp256k1 import PrivateKey
from coprocessor.durable.disk import PLAIN_DISK, Disk
from coprocessor.host.gatekeepers import Gatekeepers
from coprocessor.host.http import PeerClient
from coprocessor.host.progress import Progress
from coprocessor.host.store import Store
from coprocessor.protocol.genesis import compute_network_id, network_from_json
from coprocessor.values.errors import CallerMisuse
from coprocessor.values.identities import Address, ClusterId, NetworkId, from_hex
from coprocessor.values.network import Network

__all__ = ["Surroundings", "WorkerOptions", "cluster_id", "find_gatekeepers", "rpc_url", "surroundings_of"]


@dataclass(frozen=True, slots=True)
class WorkerOptions:
    """Settings of one worker host.

    Args:
        network: text of ``network.json``.
        operator: pays for transactions and owns the worker.
        data: folder of cache and simulated platform.
        listen: host and port; port 0 picks a free one.
        endpoint: URL under which others reach this worker; None for the address that it listens on.
        rpc, cluster: None takes what the network file hints at.
        gatekeepers: URLs; None takes what the chain says, and what the network file hints at where it says nothing.
        platform: folder of the simulated platform; None keeps it in ``data``.
        allow_simulated: whether the enclave may run without TEE hardware.
        interpreters: languages whose guests are made ready at the start.
        poll_seconds: between looks at the chain.
        batch_links: links that are settled together at most while more are coming.
        batch_seconds: longest wait for more links before settling.
        hold_settlement_after: on development networks alone: settle no receipt beyond so many links.
        disk: where cache and native code are written.
    """

    network: str
    operator: PrivateKey
    data: Path
    listen: tuple[str, int] = ("127.0.0.1", 0)
    endpoint: str | None = None
    rpc: str | None = None
    cluster: ClusterId | None = None
    gatekeepers: tuple[str, ...] | None = None
    platform: Path | None = None
    allow_simulated: bool = True
    interpreters: tuple[str, ...] = ("python",)
    poll_seconds: float = 0.25
    batch_links: int = 64
    batch_seconds: float = 2.0
    hold_settlement_after: int | None = None
    disk: Disk = PLAIN_DISK

    def parsed(self) -> tuple[Network, dict[str, Any]]:
        """The network and its hints. Raises MalformedInput, or CallerMisuse where the options do not fit it."""
        network, hints = network_from_json(self.network)
        if self.hold_settlement_after is not None and not network.configuration.development:
            raise CallerMisuse("worker.hold", "settlement can be held back on development networks alone")
        return network, hints

    def platform_folder(self) -> Path:
        """Where the simulated platform lies."""
        return self.platform or self.data / "platform"


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the parts of a worker host share."""

    options: WorkerOptions
    network: Network
    network_id: NetworkId
    cluster: ClusterId
    node: Node
    sender: TransactionSender
    contracts: NetworkContracts
    gatekeepers: Gatekeepers
    peers: PeerClient
    store: Store
    progress: Progress

    @property
    def operator(self) -> Address:
        """20 bytes."""
        return self.options.operator.address

    def contract(self, name: str) -> Contract:
        """One of the network's contracts."""
        return self.contracts[name]


def rpc_url(options: WorkerOptions, hints: dict[str, Any]) -> str:
    """The node's URL. Raises CallerMisuse where nobody names one."""
    url = options.rpc or hints.get("rpc")
    if not isinstance(url, str):
        raise CallerMisuse("network.no_rpc", "the network file names no node", next="give the URL of one (--rpc URL)")
    return url


def cluster_id(options: WorkerOptions, hints: dict[str, Any]) -> ClusterId:
    """The cluster to join. Raises CallerMisuse where nobody names one."""
    if options.cluster is not None:
        return options.cluster
    if not isinstance(hints.get("cluster"), str):
        raise CallerMisuse("network.no_cluster", "the network file names no cluster", next="name one (--cluster ID)")
    return ClusterId(from_hex(hints["cluster"], 32, "cluster"))


def find_gatekeepers(
    options: WorkerOptions, hints: dict[str, Any], gatekeeping: Contract
) -> Callable[[], Awaitable[Sequence[str]]]:
    """Tells the URLs of the gatekeepers' hosts now, in member order."""
    urls = hints.get("gatekeepers", [])
    hinted = [url for url in urls if isinstance(url, str)] if isinstance(urls, list) else []

    async def find() -> Sequence[str]:
        return await find_endpoints(gatekeeping, hinted) if options.gatekeepers is None else options.gatekeepers

    return find


def surroundings_of(
    options: WorkerOptions, node: Node, sender: TransactionSender, peers: PeerClient, store: Store, progress: Progress
) -> Surroundings:
    """Puts the parts together."""
    network, hints = options.parsed()
    contracts = NetworkContracts.of(node, network.configuration)
    return Surroundings(
        options=options,
        network=network,
        network_id=compute_network_id(network),
        cluster=cluster_id(options, hints),
        node=node,
        sender=sender,
        contracts=contracts,
        gatekeepers=Gatekeepers(peers, find_gatekeepers(options, hints, contracts["Gatekeeping"])),
        peers=peers,
        store=store,
        progress=progress,
    )
