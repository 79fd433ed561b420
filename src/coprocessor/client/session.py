"""What every part of the client shares: network, contracts, verified chain, workers, programs, authors."""

from __future__ import annotations

from dataclasses import dataclass

from coprocessor.chain.deployment import NetworkContracts
from coprocessor.chain.node import Node
from coprocessor.chain.rpc import RpcClient
from coprocessor.chain.sender import TransactionSender
from coprocessor.client.chain_state import ChainState
from coprocessor.client.journal import Journal
from coprocessor.client.programs import ProgramRecords
from coprocessor.client.sealing import Sealer
from coprocessor.client.target import Target
from coprocessor.client.workers import Workers, WorkersApi
from coprocessor.crypto.secp256k1 import PrivateKey
from coprocessor.values.errors import EvidenceRefused
from coprocessor.values.identities import Address, ClusterId, Digest, NetworkId, StateRoot

__all__ = ["Session", "SettledReceipt", "open_session"]


@dataclass(frozen=True, slots=True)
class SettledReceipt:
    """A final receipt, proven by storage.

    Args:
        number: in its cluster.
        first: links settled before it.
        to: links settled after it.
        new_root: state root.
        outputs_root: over its outputs.
        block_number: the finalised block under which it was proven.
    """

    number: int
    first: int
    to: int
    new_root: StateRoot
    outputs_root: Digest
    block_number: int


@dataclass(frozen=True, slots=True)
class Session:
    """Connections and caches of one client of one network."""

    target: Target
    node: Node
    contracts: NetworkContracts
    chain: ChainState
    workers: Workers
    programs: ProgramRecords
    sealer: Sealer
    senders: dict[Address, TransactionSender]
    final_receipts: dict[ClusterId, list[SettledReceipt]]

    @property
    def network_id(self) -> NetworkId:
        """The network's genesis digest."""
        return self.sealer.network_id

    def sender(self, key: PrivateKey) -> TransactionSender:
        """The one sender of an account: it hands out the account's nonces."""
        if key.address not in self.senders:
            self.senders[key.address] = TransactionSender(self.node, key)
        return self.senders[key.address]

    def journal(self, author: PrivateKey) -> Journal:
        """The author's journal on this network."""
        return Journal.of(self.target, author.address)

    async def now(self) -> int:
        """Chain time for deadlines: the next block's, by the node's clock; this machine's may be wrong by years."""
        return await self.node.next_timestamp()

    async def close(self) -> None:
        """Closes all connections."""
        await self.workers.api.close()
        await self.node.rpc.close()


async def open_session(target: Target, rpc: str | None = None) -> Session:
    """A session with the node at ``rpc``, or the one that the network's file hints at.

    Raises:
        EvidenceRefused: the node is of another chain (``network.chain``).
        ChainUnreachable: it does not answer.
    """
    node = Node(RpcClient(rpc or target.rpc_url()))
    configuration = target.network.configuration
    try:
        chain_id = await node.chain_id()
        if chain_id != configuration.chain_id:
            raise EvidenceRefused(
                "network.chain",
                f"the node is of chain {chain_id}, the network lives on {configuration.chain_id}",
                next="name a node of that chain (--rpc URL)",
            )
    except BaseException:
        await node.rpc.close()
        raise
    contracts = NetworkContracts.of(node, configuration)
    chain = ChainState(target.network, node)
    return Session(
        target=target,
        node=node,
        contracts=contracts,
        chain=chain,
        workers=Workers(contracts, WorkersApi()),
        programs=ProgramRecords(contracts, chain),
        sealer=Sealer(target.network, target.id),
        senders={},
        final_receipts={},
    )
