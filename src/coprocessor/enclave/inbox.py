"""The inbox's replay: links count once they end in a proven head (PROTOCOL 2.2, 3.1).

Links may come from anybody. They are folded into the head one by one and kept unread; when their number reaches the
proven count and the head is the proven one, the segment is proven. If it is another head, the whole unproven segment
is dropped.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from coprocessor.enclave.messages import LinkData
from coprocessor.protocol.links import Link, compute_genesis_head, compute_head
from coprocessor.values.errors import CallerMisuse, EvidenceRefused, MalformedInput
from coprocessor.values.identities import Address, ClusterId, Digest, checked_address, checked_digest

__all__ = ["MAX_BUFFERED_BYTES", "InboxReplay", "ProvenLink", "link_of"]

MAX_BUFFERED_BYTES = 256 * 1024 * 1024
"""Payload bytes that wait unproven or unexecuted."""


@dataclass(frozen=True, slots=True)
class ProvenLink:
    """A link with the inbox head after it: the link's hash, to which outputs are bound."""

    link: Link
    head: Digest


class InboxReplay:
    """Links buffered, proven and taken, of one cluster."""

    def __init__(self, chain_id: int, inbox: Address, cluster: ClusterId) -> None:
        self._genesis = compute_genesis_head(chain_id, inbox, cluster)
        self._unproven: list[ProvenLink] = []
        self._ready: deque[ProvenLink] = deque()
        self._head = self._genesis
        self._proven_head = self._genesis
        self._proven_count = 0
        self._target: tuple[int, Digest] | None = None
        self._bytes = 0

    @property
    def buffered(self) -> int:
        """Number of links known, proven or not."""
        return self._proven_count + len(self._unproven)

    @property
    def proven(self) -> int:
        """Number of links under a proven head."""
        return self._proven_count

    def restore(self, count: int, head: Digest) -> None:
        """Begins after ``count`` links with a proven head. Raises CallerMisuse where links were taken before."""
        if self.buffered:
            raise CallerMisuse("inbox.begun", "links were given before the checkpoint", next="start another process")
        self._head = self._proven_head = head
        self._proven_count = count
        if self._target is not None and self._target[0] < count:  # proven before the checkpoint was
            self._target = None
        self._settle()

    def set_target(self, count: int, head: Digest) -> None:
        """The chain's count and head, read from one proof.

        Raises:
            EvidenceRefused: fewer links than were already proven, or another head for as many.
        """
        expected = self._proven_head if self._proven_count else Digest(bytes(32))
        if count < self._proven_count or (count == self._proven_count and head != expected):
            raise EvidenceRefused(
                "inbox.rewound",
                f"the chain's inbox has {count} links, {self._proven_count} were proven before",
                "finalised history changed",
                "stop: the chain or its sealers broke their word",
            )
        self._target = (count, head)
        self._settle()

    def add(self, links: Sequence[Link]) -> None:
        """Buffers consecutive links.

        Raises:
            MalformedInput: not the next ones, or too much.
            EvidenceRefused: they do not replay to the proven head; every unproven link is dropped.
        """
        for link in links:
            if link.index != self.buffered:
                raise MalformedInput("inbox.order", f"link {link.index} came, link {self.buffered} is next")
            self._bytes += len(link.payload)
            if self._bytes > MAX_BUFFERED_BYTES:
                raise MalformedInput("inbox.buffer", f"more than {MAX_BUFFERED_BYTES} bytes of links would wait")
            self._head = compute_head(self._head, link)
            self._unproven.append(ProvenLink(link, self._head))
            self._settle()

    def peek(self) -> ProvenLink | None:
        """The next proven link, or None."""
        return self._ready[0] if self._ready else None

    def take(self) -> ProvenLink:
        """Removes and returns the next proven link."""
        proven = self._ready.popleft()
        self._bytes -= len(proven.link.payload)
        return proven

    def _settle(self) -> None:
        if self._target is None:
            return
        count, head = self._target
        missing = count - self._proven_count
        if missing == 0 or len(self._unproven) < missing:
            return
        segment = self._unproven[:missing]
        if segment[-1].head != head:
            self._drop()
            raise EvidenceRefused(
                "inbox.replay",
                f"the links up to {count - 1} do not replay to the inbox head that the chain proves",
                "the node forged, dropped or reordered a link",
                "ask another node for the logs",
            )
        self._ready.extend(segment)
        del self._unproven[:missing]
        self._proven_count, self._proven_head = count, head

    def _drop(self) -> None:
        self._bytes -= sum(len(entry.link.payload) for entry in self._unproven)
        self._unproven.clear()
        self._head = self._proven_head


def link_of(data: LinkData) -> Link:
    """The link that a message carries. Raises MalformedInput where a field has another length."""
    return Link(
        data.index,
        data.kind,
        Address(checked_address(data.origin, "origin")),
        Address(checked_address(data.payer, "payer")),
        data.item_count,
        data.fuel_limit,
        data.fee_limit,
        data.block_number,
        data.timestamp,
        Digest(checked_digest(data.prevrandao, "prevrandao")),
        data.payload,
    )
