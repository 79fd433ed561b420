"""Headers with seals, and proofs of contract storage, as plain data for whoever verifies them (PROTOCOL 1.3, 2.1).

Nothing is checked here: an enclave or a client does that, and names the proof that fails.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from coprocessor.chain.node import AccountAnswer, BlockTag, Node
from coprocessor.values.identities import Address

__all__ = ["HeaderSegment", "NamedProof", "fetch_header_segment", "fetch_proofs"]

MAX_SEGMENT = 1024
"""Headers in one segment."""


@dataclass(frozen=True, slots=True)
class HeaderSegment:
    """Consecutive RLP headers, the number of the last, and the seals over it."""

    last_number: int
    headers: tuple[bytes, ...]
    seals: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class NamedProof:
    """Proofs of one of the network's contracts."""

    contract: str
    answer: AccountAnswer


async def fetch_header_segment(node: Node, first: int, last: int, last_hash: bytes) -> HeaderSegment:
    """The headers of blocks ``first`` to ``last`` (at most 1,024; older ones are left out) with the seals of the last.

    Args:
        node: where from; must offer ``coproc_getRawHeaders`` and ``coproc_getSeals``.
        first: number of the first header wanted.
        last: number of a finalised block.
        last_hash: its hash, 32 bytes.
    """
    start = max(first, last - MAX_SEGMENT + 1, 0)
    headers = await node.raw_headers(start, last)
    seals = await node.seals(last_hash)
    return HeaderSegment(last, tuple(headers), tuple(seals))


async def fetch_proofs(
    node: Node, wanted: Mapping[str, tuple[Address, Sequence[bytes]]], tag: BlockTag
) -> tuple[NamedProof, ...]:
    """Account and storage proofs by contract name.

    Args:
        node: where from.
        wanted: contract name -> (address, slots of 32 bytes).
        tag: the block under whose state root they hold.
    """
    answers = await node.proofs([(address, slots) for address, slots in wanted.values()], tag)
    return tuple(NamedProof(name, answer) for name, answer in zip(wanted, answers, strict=True))
