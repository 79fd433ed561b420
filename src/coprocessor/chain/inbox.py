"""Links of a cluster's inbox as the chain tells them: in order, without gaps, with their blocks' time and randomness.

What comes out is the node's word. An enclave believes it once it replays to a proven head (PROTOCOL 2.2, 3.1).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any

from coprocessor.chain.contract import Contract
from coprocessor.chain.errors import ResponseMalformed
from coprocessor.chain.follower import LogReader
from coprocessor.chain.node import Block, Log, Node
from coprocessor.protocol.links import MAX_LINK_PAYLOAD, Link
from coprocessor.values.identities import Address, ClusterId, to_hex

__all__ = ["InboxFollower"]


class InboxFollower:
    """Reads finalised links from where it stands; each link comes once and in order.

    Args:
        node: where from.
        inbox: the network's Inbox.
        cluster: 32 bytes.
        next_index: first link that is wanted.
        first_block: block from which to look; at most the one of that link.
    """

    def __init__(
        self, node: Node, inbox: Contract, cluster: ClusterId, next_index: int = 0, first_block: int = 0
    ) -> None:
        self._node = node
        self._inbox = inbox
        self._cluster = cluster
        self._event = inbox.interface.event("Link")
        self._reader = LogReader(node)
        self.next_index = next_index
        self.next_block = first_block

    async def links(self, last_block: int) -> AsyncIterator[list[Link]]:
        """Yields the links up to and including ``last_block``, which must be final, range by range.

        Raises:
            ResponseMalformed: a link is missing, doubled or out of order: the node leaves something out.
            ChainUnreachable, RpcError: as the node does.
        """
        topics = [self._event.topic, self._cluster]
        async for end, logs in self._reader.read([self._inbox.address], topics, self.next_block, last_block):
            links = await self._to_links(logs)
            if links:
                self.next_index = links[-1].index + 1
            self.next_block = end + 1
            if links:
                yield links

    async def _to_links(self, logs: Sequence[Log]) -> list[Link]:
        decoded = [(log, self._event.decode(log)) for log in logs]
        wanted = [(log, fields) for log, fields in decoded if fields["index"] >= self.next_index]
        for offset, (_, fields) in enumerate(wanted):
            if fields["index"] != self.next_index + offset:
                raise ResponseMalformed(
                    "eth_getLogs",
                    f"cluster {to_hex(self._cluster)}: link {fields['index']} where {self.next_index + offset} is due",
                )
        blocks = await self._blocks(sorted({log.block_number for log, _ in wanted}))
        return [_to_link(log, fields, blocks[log.block_number]) for log, fields in wanted]

    async def _blocks(self, numbers: list[int]) -> dict[int, Block]:
        found = await self._node.blocks(numbers)
        blocks = {}
        for number, block in zip(numbers, found, strict=True):
            if block is None or block.number != number:
                raise ResponseMalformed("eth_getBlockByNumber", f"there is no block {number}")
            blocks[number] = block
        return blocks


def _to_link(log: Log, fields: dict[str, Any], block: Block) -> Link:
    if log.block_hash != block.hash:
        raise ResponseMalformed("eth_getLogs", f"link {fields['index']} is not in block {block.number}")
    if len(fields["payload"]) > MAX_LINK_PAYLOAD:
        raise ResponseMalformed("eth_getLogs", f"link {fields['index']} has {len(fields['payload'])} bytes of payload")
    return Link(
        index=fields["index"],
        kind=fields["kind"],
        origin=Address(fields["origin"]),
        payer=Address(fields["payer"]),
        item_count=fields["item_count"],
        fuel_limit=fields["fuel_limit"],
        fee_limit=fields["fee_limit"],
        block_number=block.number,
        timestamp=block.timestamp,
        prevrandao=block.prevrandao,
        payload=fields["payload"],
    )
