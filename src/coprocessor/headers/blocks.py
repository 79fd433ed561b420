"""What a block holds beside its state: transactions and events, verified whole against the roots in its header.

A node can leave an event out of a list, or invent one; it cannot do so with all receipts of a block, whose trie's root
stands in the header. A header's Bloom filter tells which blocks need not be looked at: it never misses an event.

**Source:** Ethereum Yellow Paper 4.3 and appendix D; EIP-2718 for typed transactions and receipts, EIP-2930, EIP-1559,
EIP-4844, EIP-7702 for where a transaction's fields stand.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from coprocessor.codec import rlp
from coprocessor.codec.ordered_trie import compute_ordered_root
from coprocessor.crypto.hashing import keccak256
from coprocessor.values.errors import EvidenceRefused, MalformedInput
from coprocessor.values.identities import Address, Digest

__all__ = [
    "MAX_BLOCK_LENGTH",
    "BlockRoots",
    "Emitted",
    "Sent",
    "bloom_bits",
    "may_emit",
    "parse_roots",
    "read_receipts",
    "read_transactions",
]

MAX_BLOCK_LENGTH: Final = 32 * 1024 * 1024
"""Bytes of one encoded block, and of all its receipts, that are looked at at all."""

_TRANSACTIONS, _RECEIPTS, _BLOOM = 4, 5, 6
_BLOOM_LENGTH = 256
_TO_AND_DATA: Final = {0: (3, 5), 1: (4, 6), 2: (5, 7), 3: (5, 7), 4: (5, 7)}
"""By type of transaction: places of the recipient and of the call data."""


@dataclass(frozen=True, slots=True)
class BlockRoots:
    """Roots of the tries of transactions and of receipts (32 bytes each), and the Bloom filter (256 bytes)."""

    transactions: Digest
    receipts: Digest
    bloom: bytes


@dataclass(frozen=True, slots=True)
class Emitted:
    """One event: contract (20 bytes), topics (32 bytes each), data, and the place of its transaction in the block."""

    address: Address
    topics: tuple[bytes, ...]
    data: bytes
    transaction: int


@dataclass(frozen=True, slots=True)
class Sent:
    """One transaction: whom it calls (20 bytes; empty where it creates a contract) and with what data."""

    to: bytes
    data: bytes


def parse_roots(raw: bytes) -> BlockRoots:
    """The roots in a header that was verified before. Raises MalformedInput."""
    fields = rlp.decode(raw)
    if not isinstance(fields, list) or len(fields) <= _BLOOM:
        raise _malformed("a header is a list of at least 16 fields")
    transactions, receipts, bloom = (_string(fields[at]) for at in (_TRANSACTIONS, _RECEIPTS, _BLOOM))
    if len(transactions) != 32 or len(receipts) != 32 or len(bloom) != _BLOOM_LENGTH:
        raise _malformed("roots have 32 bytes, a Bloom filter 256")
    return BlockRoots(Digest(transactions), Digest(receipts), bloom)


def bloom_bits(address: bytes) -> tuple[tuple[int, int], ...]:
    """(byte, mask) of the three bits that events of a contract (20 bytes) set in a Bloom filter."""
    digest = keccak256(address)
    numbers = (int.from_bytes(digest[at : at + 2], "big") & 2047 for at in (0, 2, 4))
    return tuple((_BLOOM_LENGTH - 1 - number // 8, 1 << number % 8) for number in numbers)


def may_emit(bloom: bytes, contracts: Sequence[tuple[tuple[int, int], ...]]) -> bool:
    """Whether a block may hold events of one of the contracts, whose ``bloom_bits`` are given."""
    return any(all(bloom[place] & mask for place, mask in bits) for bits in contracts)


def read_receipts(root: Digest, receipts: Sequence[bytes]) -> list[Emitted]:
    """All events of a block in order.

    Args:
        root: 32 bytes, of the receipts' trie.
        receipts: every receipt of the block, encoded as it enters the trie.

    Raises:
        EvidenceRefused: ``block.receipts``: these are not the block's receipts.
        MalformedInput: they are, but no receipts.
    """
    _check(root, receipts, "block.receipts", "receipts")
    found: list[Emitted] = []
    for place, raw in enumerate(receipts):
        body = rlp.decode(raw[1:] if raw[:1] < b"\x80" else raw)
        if not isinstance(body, list) or len(body) != 4 or not isinstance(body[3], list):
            raise _malformed("a receipt is a list of four fields, the last one the list of events")
        found += [_read_log(log, place) for log in body[3]]
    return found


def read_transactions(root: Digest, block: bytes) -> list[Sent]:
    """All transactions of a block in order.

    Args:
        root: 32 bytes, of the transactions' trie.
        block: the whole block in RLP, whose first two fields are header and transactions.

    Raises:
        EvidenceRefused: ``block.transactions``: these are not the block's transactions.
        MalformedInput: not a block.
    """
    fields = rlp.decode(block)
    if not isinstance(fields, list) or len(fields) < 2 or not isinstance(fields[1], list):
        raise _malformed("a block is a list whose second field is the list of its transactions")
    raws = [item if isinstance(item, bytes) else rlp.encode(item) for item in fields[1]]
    _check(root, raws, "block.transactions", "transactions")
    return [_read_transaction(raw) for raw in raws]


def _check(root: Digest, items: Sequence[bytes], code: str, what: str) -> None:
    if any(not item for item in items) or sum(map(len, items)) > MAX_BLOCK_LENGTH:
        raise _malformed(f"{what} of a block have 1 byte each at least and {MAX_BLOCK_LENGTH} together at most")
    if compute_ordered_root(items) != root:
        raise EvidenceRefused(
            code,
            f"the {what} that the node shows are not those of the block",
            "their trie has another root than the header: one was forged, dropped or reordered",
            "ask another node",
        )


def _read_log(log: rlp.Item, place: int) -> Emitted:
    if not isinstance(log, list) or len(log) != 3 or not isinstance(log[1], list):
        raise _malformed("an event is a list of address, topics and data")
    address, topics = _string(log[0]), tuple(_string(topic) for topic in log[1])
    if len(address) != 20 or len(topics) > 4 or any(len(topic) != 32 for topic in topics):
        raise _malformed("an event has an address of 20 bytes and at most four topics of 32")
    return Emitted(Address(address), topics, _string(log[2]), place)


def _read_transaction(raw: bytes) -> Sent:
    kind = raw[0] if raw[0] < 0x80 else 0
    if kind not in _TO_AND_DATA:
        return Sent(b"", b"")  # of a type that calls none of our contracts
    fields = rlp.decode(raw[1:] if kind else raw)
    to, data = _TO_AND_DATA[kind]
    if not isinstance(fields, list) or len(fields) <= data:
        raise _malformed("a transaction has too few fields")
    return Sent(_string(fields[to]), _string(fields[data]))


def _string(item: rlp.Item) -> bytes:
    if not isinstance(item, bytes):
        raise _malformed("a field is a list where bytes are due")
    return item


def _malformed(why: str) -> MalformedInput:
    return MalformedInput("block.malformed", "the bytes are no part of a block", why)
