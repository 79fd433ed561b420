"""Root of the Merkle Patricia trie over a list, keyed by RLP of the index: transactions and receipts of a block.

**Source:** Yellow Paper appendix D.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from coprocessor.codec import rlp
from coprocessor.crypto.hashing import keccak256
from coprocessor.values.identities import Digest

__all__ = ["EMPTY_TRIE_ROOT", "compact_path", "compute_ordered_root", "nibbles_of"]

EMPTY_TRIE_ROOT: Final = keccak256(rlp.encode(b""))

_Entry = tuple[bytes, bytes]  # nibbles of the key, value


def compute_ordered_root(values: Sequence[bytes]) -> Digest:
    """The trie root of ``values``, each already encoded as it enters the trie."""
    entries = [(nibbles_of(rlp.encode(rlp.encode_integer(i))), value) for i, value in enumerate(values)]
    if not entries:
        return EMPTY_TRIE_ROOT
    entries.sort()
    return keccak256(rlp.encode(_node(entries, 0)))


def nibbles_of(key: bytes) -> bytes:
    """The half-bytes of ``key``, one a byte, high half first."""
    return bytes(half for byte in key for half in (byte >> 4, byte & 0x0F))


def compact_path(nibbles: bytes, is_leaf: bool) -> bytes:
    """Hex-prefix encoding of a path."""
    flag = 2 if is_leaf else 0
    padded = bytes((flag + 1,)) + nibbles if len(nibbles) % 2 else bytes((flag, 0)) + nibbles
    return bytes(padded[i] << 4 | padded[i + 1] for i in range(0, len(padded), 2))


def _node(entries: list[_Entry], depth: int) -> list[rlp.Item]:
    """The node over sorted entries that agree in their first ``depth`` nibbles."""
    first, last = entries[0][0], entries[-1][0]
    if len(entries) == 1:
        return [compact_path(first[depth:], True), entries[0][1]]
    shared = depth
    while shared < min(len(first), len(last)) and first[shared] == last[shared]:
        shared += 1
    if shared > depth:
        return [compact_path(first[depth:shared], False), _reference(_node(entries, shared))]
    # RLP of an index is never a prefix of another's, so no branch here holds a value of its own.
    branch: list[rlp.Item] = [b""] * 17
    start = 0
    while start < len(entries):
        nibble = entries[start][0][depth]
        end = start
        while end < len(entries) and entries[end][0][depth] == nibble:
            end += 1
        branch[nibble] = _reference(_node(entries[start:end], depth + 1))
        start = end
    return branch


def _reference(node: list[rlp.Item]) -> rlp.Item:
    encoded = rlp.encode(node)
    return node if len(encoded) < 32 else keccak256(encoded)
