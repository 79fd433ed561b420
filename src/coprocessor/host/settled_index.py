"""What the chain has settled, kept in the store: receipts with the signatures under which they were accepted."""

from __future__ import annotations

from typing import Any

from coprocessor.chain.follower import LogReader
from coprocessor.chain.node import Log
from coprocessor.host.store import SettledReceipt
from coprocessor.host.worker_options import Surroundings
from coprocessor.protocol.receipts import Receipt
from coprocessor.values.errors import MalformedInput
from coprocessor.values.identities import ClusterId, Digest, NetworkId, RuntimeId, StateRoot

__all__ = ["SettledIndex", "receipt_from_abi", "receipt_to_abi"]


class SettledIndex:
    """Follows ``Settlement.Settled`` of one cluster on the finalised chain."""

    def __init__(self, around: Surroundings) -> None:
        self._around = around
        self._settlement = around.contract("Settlement")
        self._event = self._settlement.interface.event("Settled")
        self._reader = LogReader(around.node)
        self._next_block = 0
        self.links = 0
        """Links settled, as far as this index has read."""
        self.receipts = 0
        """Receipts settled, as far as this index has read."""

    async def update(self, last_block: int) -> None:
        """Reads on up to a finalised block. Raises as the node does."""
        topics = [self._event.topic, self._around.cluster]
        async for end, logs in self._reader.read([self._settlement.address], topics, self._next_block, last_block):
            for log in logs:
                settled = await self._to_settled(log)
                self._around.store.add_receipt(settled)
                self.links, self.receipts = settled.to, settled.number + 1
            self._next_block = end + 1

    async def _to_settled(self, log: Log) -> SettledReceipt:
        fields = self._event.decode(log)
        receipt, signatures = await self._signed(log)
        return SettledReceipt(
            number=fields["receipt_number"],
            first=fields["first"],
            to=fields["to"],
            block=log.block_number,
            final_block=fields["final_block"],
            receipt=receipt,
            signatures=signatures,
        )

    async def _signed(self, log: Log) -> tuple[Receipt | None, tuple[bytes, ...]]:
        """Receipt and signatures from the call data; nothing where another contract called ``settle``."""
        data = await self._around.node.transaction_input(log.transaction_hash)
        try:
            plain, signatures = self._settlement.interface.function("settle").decode_call(data or b"")
        except MalformedInput:
            return None, ()
        return receipt_from_abi(plain), tuple(signatures)


def receipt_to_abi(receipt: Receipt) -> tuple[Any, ...]:
    """The receipt as ``Settlement.settle`` takes it."""
    return tuple(getattr(receipt, name) for name in Receipt.__slots__)


def receipt_from_abi(plain: tuple[Any, ...]) -> Receipt:
    """Inverse of ``receipt_to_abi``."""
    network, cluster, epoch, runtime, first, to, head, previous, new, outputs, number, block_hash = plain
    return Receipt(
        NetworkId(network),
        ClusterId(cluster),
        epoch,
        RuntimeId(runtime),
        first,
        to,
        Digest(head),
        StateRoot(previous),
        StateRoot(new),
        Digest(outputs),
        number,
        Digest(block_hash),
    )
