"""Following a chain: new blocks by parent hash, reorganisations, the finalised cursor, and events by adaptive ranges.

Rules:
1. A block counts as following another only by its parent hash; ``removed`` flags of nodes are never relied on.
2. Of blocks that are not final, number, hash and parent are kept; where a new block's parent is not the kept one, the
   follower walks back to the common ancestor and reports what was dropped.
3. Finalised blocks never change; a node that says otherwise is refused with ``chain.finalized_reorg``.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from coprocessor.chain.errors import ResponseMalformed, RpcError
from coprocessor.chain.node import Block, Log, Node
from coprocessor.values.errors import EvidenceRefused

__all__ = ["BlockFollower", "BlockUpdate", "LogReader"]

MAX_WINDOW = 4096
"""Unfinalised blocks that are kept."""

MAX_RANGE = 4096
"""Blocks in one request for logs."""

FIRST_RANGE = 256


@dataclass(frozen=True, slots=True)
class BlockUpdate:
    """What changed since the last look.

    Args:
        dropped: blocks that are no longer on the chain, newest first.
        added: blocks that are, oldest first.
        finalized: the newest finalised block.
    """

    dropped: tuple[Block, ...]
    added: tuple[Block, ...]
    finalized: Block


class BlockFollower:
    """Keeps the unfinalised end of the chain, from the finalised block on."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._window: list[Block] = []
        self._finalized: Block | None = None

    @property
    def finalized(self) -> Block | None:
        """The newest finalised block that was seen."""
        return self._finalized

    async def poll(self) -> BlockUpdate:
        """Looks at the node once.

        Raises:
            EvidenceRefused: finalised blocks changed (rule 3).
            ChainUnreachable, RpcError, ResponseMalformed: as the node does.
        """
        finalized = await self._tagged("finalized")
        latest = await self._tagged("latest")
        self._check_finalized(finalized)
        if not self._window:
            self._window = [finalized]
        branch = await self._branch(latest)
        ancestor = branch[0].parent_hash if branch else latest.hash
        keep = next(at for at, block in enumerate(self._window) if block.hash == ancestor)
        dropped = tuple(reversed(self._window[keep + 1 :]))
        if self._finalized is not None and any(block.number <= self._finalized.number for block in dropped):
            raise _changed(dropped[-1].number)
        self._window[keep + 1 :] = branch
        self._finalized = finalized
        self._window = [block for block in self._window if block.number >= finalized.number] or [finalized]
        return BlockUpdate(dropped, tuple(branch), finalized)

    async def _branch(self, latest: Block) -> list[Block]:
        """The blocks from the child of a kept one up to ``latest``, oldest first."""
        kept = {block.hash for block in self._window}
        branch: list[Block] = []
        block = latest
        while block.hash not in kept:
            branch.append(block)
            if block.number <= self._window[0].number:
                raise _changed(block.number)
            if len(branch) > MAX_WINDOW:
                self._window = [block]  # too far behind to care how the chain got here
                return list(reversed(branch[:-1]))
            parent = await self._node.block(block.number - 1)
            if parent is None or parent.hash != block.parent_hash:
                raise ResponseMalformed("eth_getBlockByNumber", "the chain changed while it was read")
            block = parent
        return list(reversed(branch))

    def _check_finalized(self, finalized: Block) -> None:
        known = self._finalized
        if known is None or finalized.number > known.number:
            return
        if finalized.number == known.number and finalized.hash == known.hash:
            return
        raise _changed(finalized.number)

    async def _tagged(self, tag: str) -> Block:
        block = await self._node.block(tag)
        if block is None:
            raise ResponseMalformed("eth_getBlockByNumber", f"there is no {tag} block")
        return block


class LogReader:
    """Reads events over long stretches in ranges that adapt to what the node bears."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._range = FIRST_RANGE

    async def read(
        self, addresses: Sequence[bytes], topics: Sequence[bytes | Sequence[bytes] | None], first: int, last: int
    ) -> AsyncIterator[tuple[int, list[Log]]]:
        """Yields (last block of the range, its events), range by range from ``first`` to ``last``."""
        start = first
        while start <= last:
            end = min(last, start + self._range - 1)
            try:
                logs = await self._node.logs(addresses, topics, start, end)
            except (RpcError, ResponseMalformed):
                if self._range == 1 or end == start:
                    raise
                self._range = max(1, (end - start + 1) // 2)
                continue
            self._range = min(MAX_RANGE, self._range * 3 // 2 + 1)
            yield end, logs
            start = end + 1


def _changed(number: int) -> EvidenceRefused:
    return EvidenceRefused(
        "chain.finalized_reorg",
        f"the node replaced or took back finalised block {number}",
        "it lies, was reset, or follows another chain now",
        "compare it with other nodes; nothing is done meanwhile",
    )
