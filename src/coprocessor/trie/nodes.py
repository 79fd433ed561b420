"""Node hashes of the authenticated map, shared by the trie and by whoever checks a proof.

A leaf binds its whole 32-byte path and a 32-byte value digest; an inner node binds the index of the bit where its
children part (0 is the most significant) and both children. One-byte tags separate the two.
"""

from __future__ import annotations

import hashlib

__all__ = ["EMPTY_ROOT", "PATH_BITS", "bit_of", "hash_inner", "hash_leaf"]

PATH_BITS = 256
EMPTY_ROOT = bytes(32)
"""Root of the map without entries."""


def hash_leaf(path: bytes, value: bytes) -> bytes:
    """SHA-256(0x00 || path || value digest)."""
    return hashlib.sha256(b"\x00" + path + value).digest()


def hash_inner(bit: int, left: bytes, right: bytes) -> bytes:
    """SHA-256(0x01 || bit index in two bytes || left || right)."""
    return hashlib.sha256(b"\x01" + bit.to_bytes(2, "big") + left + right).digest()


def bit_of(path: int, bit: int) -> int:
    """Bit ``bit`` (0 is the most significant) of a 256-bit path."""
    return path >> (PATH_BITS - 1 - bit) & 1
