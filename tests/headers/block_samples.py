"""A block of four transactions and their receipts in pyrlp's encoding; its Bloom filter by the Yellow Paper."""

from __future__ import annotations

import rlp

from coprocessor.crypto.hashing import keccak256
from coprocessor.values.identities import Digest

ADDRESS = keccak256(b"a contract")[:20]
TOPIC = keccak256(b"a topic")


def bloom_of(*values: bytes) -> bytes:
    """M3:2048 of the Yellow Paper, 4.3.1."""
    number = 0
    for value in values:
        digest = keccak256(value)
        for at in (0, 2, 4):
            number |= 1 << (int.from_bytes(digest[at : at + 2], "big") % 2048)
    return number.to_bytes(256, "big")


BLOOM = bloom_of(ADDRESS, TOPIC, bytes(20))

_FIRST = [b"\x01", b"\x52\x08", bloom_of(ADDRESS, TOPIC), [[ADDRESS, [TOPIC], b"first"]]]
_THIRD = [b"\x01", b"\x70\x00", BLOOM, [[ADDRESS, [], b"second"], [bytes(20), [TOPIC, TOPIC], b""]]]
RECEIPTS = [
    rlp.encode(_FIRST),
    b"\x02" + rlp.encode([b"", b"\x60\x00", bytes(256), []]),
    b"\x02" + rlp.encode(_THIRD),
    b"\x7f" + rlp.encode([b"\x01", b"\x71\x00", bytes(256), []]),
]

_LEGACY = [b"", b"\x01", b"\x52\x08", ADDRESS, b"", b"legacy", b"\x1b", b"\x01", b"\x01"]
_TYPED = [b"\x01", b"", b"\x01", b"\x01", b"\x52\x08", ADDRESS, b"", b"typed", [], b"", b"\x01", b"\x01"]
_CREATES = [b"\x01", b"", b"\x01", b"\x01", b"\x52\x08", b"", b"", b"init", [], b"", b"\x01", b"\x01"]
TRANSACTIONS = [
    rlp.encode(_LEGACY),
    b"\x02" + rlp.encode(_TYPED),
    b"\x02" + rlp.encode(_CREATES),
    b"\x7f" + rlp.encode([b"of a later fork"]),
]
BLOCK = rlp.encode([[b"header"], [_LEGACY, *TRANSACTIONS[1:]], [], []])


def make_header_of(transactions: Digest, receipts: Digest) -> bytes:
    """An RLP header with these roots."""
    head = [bytes(32), bytes(32), bytes(20), bytes(32), transactions, receipts, BLOOM, b"", b"\x01"]
    return bytes(rlp.encode([*head, b"\x01", b"", b"\x01", b"", bytes(32), bytes(8), b"\x01"]))
