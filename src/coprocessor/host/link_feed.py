"""Links from the chain to the enclave, in order, and what the host itself learns from them.

Where the enclave refuses a segment, or a read fails half-way, the next attempt starts at the first link that the
enclave does not hold. The host notes members and the boundaries that receipts must not straddle (PROTOCOL 7.2).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from coprocessor.chain.inbox import InboxFollower
from coprocessor.enclave import messages as m
from coprocessor.host.enclave_process import EnclaveProcess
from coprocessor.host.worker_options import Surroundings
from coprocessor.protocol.links import Link, LinkKind
from coprocessor.protocol.system import decode_epoch, decode_member
from coprocessor.values.errors import EvidenceRefused
from coprocessor.values.identities import WorkerId

__all__ = ["LinkFeed"]

MAX_PART_BYTES = 4 * 1024 * 1024
"""Payload bytes in one ``Links`` message."""

MAX_PART_LINKS = 512

_KEPT_PLACES = 4096


class LinkFeed:
    """Feeds one enclave with the links of its cluster."""

    def __init__(self, around: Surroundings, enclave: EnclaveProcess) -> None:
        self._around = around
        self._enclave = enclave
        self._follower = self._start_at(0, 0)
        self._places: list[tuple[int, int]] = [(0, 0)]
        self._must_rewind = False
        self._behind = 0
        self.members: set[WorkerId] = set()
        """Workers that joined and did not leave, by the links read so far."""
        self.boundaries: list[int] = []
        """Indices of epoch and runtime links, ascending."""
        self.epoch = 0
        """Of the newest epoch link that was read."""

    @property
    def count(self) -> int:
        """Links read from the chain."""
        return self._follower.next_index

    def begin_at(self, count: int) -> None:
        """The enclave began after ``count`` links; they are still read, for what the host learns from them."""
        self._behind = count

    async def feed(self, last_block: int, expected: int) -> None:
        """Passes on the links up to and including a finalised block.

        Args:
            last_block: the block.
            expected: number of links that the chain proves to exist at it.

        Raises:
            EvidenceRefused: the node kept links back (``inbox.withheld``).
            EnclaveRefused: they do not replay to the proven head, or the enclave's buffer is full.
            ResponseMalformed, ChainUnreachable, RpcError: as the node does.
        """
        if self._must_rewind:
            await self._rewind()
        self._must_rewind = True
        async for links in self._follower.links(last_block):
            for part in _parts([link for link in links if link.index >= self._behind]):
                await self._enclave.request(m.Links(tuple(_to_data(link) for link in part)), m.LinksAccepted)
            self._note(links)
            self._places = [*self._places, (self._follower.next_index, self._follower.next_block)][-_KEPT_PLACES:]
        if self.count < expected:
            raise EvidenceRefused(
                "inbox.withheld",
                f"the node gave {self.count} links, the chain proves {expected} at block {last_block}",
                "it dropped logs, or does not have them yet",
                "ask another node if this lasts",
            )
        self._must_rewind = False

    async def _rewind(self) -> None:
        """Starts again at the first link that the enclave lacks."""
        buffered = (await self._enclave.request(m.GetStatus(), m.Status)).buffered
        block = max((block for index, block in self._places if index <= buffered), default=0)
        self._follower = self._start_at(buffered, block)

    def _start_at(self, index: int, block: int) -> InboxFollower:
        around = self._around
        return InboxFollower(around.node, around.contract("Inbox"), around.cluster, index, block)

    def _note(self, links: Sequence[Link]) -> None:
        for link in links:
            if link.kind in (LinkKind.EPOCH, LinkKind.RUNTIME):
                if link.index not in self.boundaries:
                    self.boundaries.append(link.index)
                if link.kind == LinkKind.EPOCH:
                    self.epoch = max(self.epoch, decode_epoch(link.payload).epoch)
            elif link.kind == LinkKind.MEMBER:
                change = decode_member(link.payload)
                (self.members.add if change.joined else self.members.discard)(change.worker)


def _parts(links: Sequence[Link]) -> Iterator[list[Link]]:
    """The links in messages of bounded size."""
    part: list[Link] = []
    size = 0
    for link in links:
        if part and (size + len(link.payload) > MAX_PART_BYTES or len(part) == MAX_PART_LINKS):
            yield part
            part, size = [], 0
        part.append(link)
        size += len(link.payload)
    if part:
        yield part


def _to_data(link: Link) -> m.LinkData:
    return m.LinkData(
        index=link.index,
        kind=link.kind,
        origin=link.origin,
        payer=link.payer,
        item_count=link.item_count,
        fuel_limit=link.fuel_limit,
        fee_limit=link.fee_limit,
        block_number=link.block_number,
        timestamp=link.timestamp,
        prevrandao=link.prevrandao,
        payload=link.payload,
    )
