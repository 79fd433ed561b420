"""A network's public record, fetched from a node that is not believed: headers first, then what is in the blocks.

Every header from the chain's first block to the sealed one is taken, so that none can be left out; their Bloom filters
tell which blocks hold events of the network's contracts, and those blocks' receipts and transactions are taken whole.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from coprocessor.audit.records import Call, Event, Record
from coprocessor.chain.artifacts import load_artifact
from coprocessor.chain.contract import Interface
from coprocessor.chain.node import Log, Node
from coprocessor.client.chain_state import SealedHead
from coprocessor.headers.blocks import (
    BlockRoots,
    Emitted,
    Sent,
    bloom_bits,
    may_emit,
    parse_roots,
    read_receipts,
    read_transactions,
)
from coprocessor.headers.chain import MAX_SEGMENT
from coprocessor.headers.header import Header, parse_header
from coprocessor.values.errors import EvidenceRefused
from coprocessor.values.identities import ZERO_DIGEST
from coprocessor.values.network import NetworkConfiguration

__all__ = ["ChainHeader", "RecordReader", "read_headers"]

BLOCKS_AT_ONCE = 16
"""Blocks whose content is fetched in one batch."""


@dataclass(frozen=True, slots=True)
class ChainHeader:
    """A verified header; ``roots`` where its block may hold events of the network."""

    header: Header
    roots: BlockRoots | None


async def read_headers(
    node: Node, head: SealedHead, configuration: NetworkConfiguration, seen: Callable[[int], None]
) -> list[ChainHeader]:
    """All headers from block 0 to ``head``, which is sealed.

    Args:
        seen: told how many there are so far.

    Raises:
        EvidenceRefused: ``headers.broken_link``: they do not lead from the first block to the sealed one.
    """
    contracts = [bloom_bits(identity.address) for _, identity in configuration.contracts]
    found: list[ChainHeader] = []
    last = head.header.number
    for start in range(0, last + 1, MAX_SEGMENT):
        for raw in await node.raw_headers(start, min(last, start + MAX_SEGMENT - 1)):
            roots = parse_roots(raw)
            found.append(ChainHeader(parse_header(raw), roots if may_emit(roots.bloom, contracts) else None))
        seen(len(found))
    follows = all(
        (new.header.number, new.header.parent_hash) == (old.header.number + 1, old.header.hash)
        for old, new in pairwise(found)
    )
    if not follows or found[0].header.number != 0 or found[-1].header.hash != head.header.hash:
        raise EvidenceRefused(
            "headers.broken_link",
            f"the {len(found)} headers that the node shows do not lead from block 0 to the sealed block {last}",
            "one was forged, dropped or reordered",
            "ask another node",
        )
    return found


class RecordReader:
    """Makes records of blocks.

    Args:
        node: where from.
        configuration: names the contracts.
    """

    def __init__(self, node: Node, configuration: NetworkConfiguration) -> None:
        self._node = node
        self._names: dict[bytes, tuple[str, Interface]] = {
            identity.address: (name, load_artifact(name).interface) for name, identity in configuration.contracts
        }
        self.blocks = 0
        self.events = 0

    async def records(self, headers: list[ChainHeader]) -> AsyncIterator[Record]:
        """A record for each header, in order; ``blocks`` and ``events`` count what was verified.

        Raises:
            EvidenceRefused: ``block.receipts``, ``block.transactions``: the node shows something else than the block
                holds.
            MalformedInput: an event is of no form that this release knows.
        """
        waiting: list[ChainHeader] = []
        for item in headers:
            waiting.append(item)
            if sum(one.roots is not None for one in waiting) == BLOCKS_AT_ONCE or len(waiting) == MAX_SEGMENT:
                async for record in self._read(waiting):
                    yield record
                waiting = []
        async for record in self._read(waiting):
            yield record

    async def _read(self, items: list[ChainHeader]) -> AsyncIterator[Record]:
        wanted = [item for item in items if item.roots is not None]
        numbers = [item.header.number for item in wanted]
        blocks = await self._node.raw_blocks(numbers) if numbers else []
        receipts_of = await self._node.raw_receipts(numbers) if numbers else []
        content = dict(zip(numbers, zip(blocks, receipts_of, strict=True), strict=True))
        for item in items:
            if item.roots is None:
                yield Record(item.header)
                continue
            block, receipts = content[item.header.number]
            emitted = read_receipts(item.roots.receipts, receipts)
            sent = read_transactions(item.roots.transactions, block)
            events = tuple(self._event(item.header, one, sent) for one in emitted if one.address in self._names)
            self.blocks += 1
            self.events += len(events)
            yield Record(item.header, events)

    def _event(self, header: Header, emitted: Emitted, sent: list[Sent]) -> Event:
        name, interface = self._names[emitted.address]
        described = interface.event_of(emitted.topics[0]) if emitted.topics else None
        if described is None:
            return Event(name, f"of topic 0x{b''.join(emitted.topics[:1]).hex()}", {})
        at = (header.number, header.hash, ZERO_DIGEST, 0)
        log = Log(emitted.address, emitted.topics, emitted.data, *at)
        return Event(name, described.name, described.decode(log), self._call(sent[emitted.transaction]))

    def _call(self, sent: Sent) -> Call | None:
        """The call behind an event, where the transaction calls one of the network's contracts."""
        if sent.to not in self._names:
            return None
        name, interface = self._names[sent.to]
        function = interface.function_of(sent.data)
        if function is None:
            return None
        arguments: dict[str, Any] = dict(zip(function.names, function.decode_call(sent.data), strict=True))
        return Call(name, function.name, arguments)
