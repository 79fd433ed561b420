"""Merkle Patricia proofs: an account under a state root, a slot under a storage root.

**Source:** Ethereum Yellow Paper, appendix D; EIP-1186 for the form in which nodes hand them out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from coprocessor.codec import rlp
from coprocessor.crypto.hashing import keccak256
from coprocessor.values.errors import EvidenceRefused, MalformedInput
from coprocessor.values.identities import Digest

__all__ = [
    "EMPTY_CODE_HASH",
    "MAX_NODE_LENGTH",
    "MAX_PROOF_NODES",
    "Account",
    "verify_account",
    "verify_slot",
    "verify_value",
]

MAX_PROOF_NODES = 64
"""Nodes of one proof: a path has 64 nibbles."""

MAX_NODE_LENGTH = 1024
"""Bytes of one node: a branch of 16 hashes takes 532."""

_EMPTY_TRIE = keccak256(b"\x80")
EMPTY_CODE_HASH = keccak256(b"")


@dataclass(frozen=True, slots=True)
class Account:
    """What the state trie says of an address: nonce, balance (wei), storage root and code hash (32 bytes each)."""

    nonce: int
    balance: int
    storage_root: Digest
    code_hash: Digest


def verify_account(state_root: bytes, address: bytes, proof: Sequence[bytes]) -> Account:
    """The account at ``address`` (20 bytes) under ``state_root``.

    Raises:
        EvidenceRefused: the proof leads elsewhere or shows that there is no such account.
        MalformedInput: a node is not what a node can be.
    """
    value = verify_value(state_root, keccak256(address), proof)
    if value is None:
        raise EvidenceRefused("proof.no_account", f"the chain has no account 0x{address.hex()}")
    fields = rlp.decode(value)
    if not isinstance(fields, list) or len(fields) != 4 or not all(isinstance(field, bytes) for field in fields):
        raise MalformedInput("proof.account", "an account is a list of four byte strings")
    nonce, balance, storage_root, code_hash = (bytes(field) for field in fields)  # type: ignore[arg-type]
    if len(storage_root) != 32 or len(code_hash) != 32:
        raise MalformedInput("proof.account", "storage root and code hash have 32 bytes each")
    return Account(
        int.from_bytes(nonce, "big"), int.from_bytes(balance, "big"), Digest(storage_root), Digest(code_hash)
    )


def verify_slot(storage_root: bytes, slot: bytes, proof: Sequence[bytes]) -> int:
    """The 256-bit value of ``slot`` (32 bytes) under ``storage_root``; 0 where the proof shows absence.

    Raises:
        EvidenceRefused: the proof leads elsewhere.
        MalformedInput: a node is not what a node can be.
    """
    value = verify_value(storage_root, keccak256(slot), proof)
    if value is None:
        return 0
    raw = rlp.decode(value)
    # An empty string is zero: Ethereum deletes such slots, but anvil keeps them in its tries.
    if not isinstance(raw, bytes) or len(raw) > 32 or raw[:1] == b"\0":
        raise MalformedInput("proof.slot", "a slot holds an integer of at most 32 bytes without leading zeros")
    return int.from_bytes(raw, "big")


def verify_value(root: bytes, key: bytes, proof: Sequence[bytes]) -> bytes | None:
    """The value at ``key`` (as the trie has it, already hashed) under ``root``; None where the proof shows absence.

    Raises:
        EvidenceRefused: the proof leads elsewhere.
        MalformedInput: a node is not what a node can be.
    """
    if len(proof) > MAX_PROOF_NODES or any(len(node) > MAX_NODE_LENGTH for node in proof):
        raise MalformedInput("proof.size", f"a proof has at most {MAX_PROOF_NODES} nodes of {MAX_NODE_LENGTH} bytes")
    if root == _EMPTY_TRIE:
        if any(node != b"\x80" for node in proof):
            raise _refused("nodes under an empty trie")
        return None
    nibbles = [digit for byte in key for digit in (byte >> 4, byte & 15)]
    nodes = iter(proof)
    reference: rlp.Item = root
    depth = 0
    while True:
        node = _resolve(reference, nodes)
        step = _step(node, nibbles, depth)
        if step.end:
            if next(nodes, None) is not None:
                raise _refused("nodes after the end of the path")
            return step.value
        reference, depth = step.child, step.depth


@dataclass(frozen=True, slots=True)
class _Step:
    """Where one node leads: to an end with or without a value, or to a child at a greater depth."""

    end: bool
    value: bytes | None = None
    child: rlp.Item = b""
    depth: int = 0


def _resolve(reference: rlp.Item, nodes: object) -> list[rlp.Item]:
    if isinstance(reference, list):
        return reference
    raw = next(nodes, None)  # type: ignore[call-overload]
    if raw is None:
        raise _refused("the proof ends before the path does")
    if keccak256(raw) != reference:
        raise _refused("a node's hash is not the one its parent names")
    node = rlp.decode(raw)
    if not isinstance(node, list):
        raise MalformedInput("proof.node", "a trie node is a list")
    return node


def _step(node: list[rlp.Item], nibbles: list[int], depth: int) -> _Step:
    if len(node) == 17:
        if depth == len(nibbles):
            return _end(node[16])
        child = node[nibbles[depth]]
        return _Step(True) if child == b"" else _Step(False, None, _checked(child), depth + 1)
    if len(node) != 2 or not isinstance(node[0], bytes) or not node[0]:
        raise MalformedInput("proof.node", "a trie node has 17 items, or 2 with a path first")
    flag, path = node[0][0] >> 4, _path_nibbles(node[0])
    matches = nibbles[depth : depth + len(path)] == path
    if flag in (2, 3):
        return _end(node[1]) if matches and depth + len(path) == len(nibbles) else _Step(True)
    if not path:
        raise MalformedInput("proof.node", "an extension has no path")
    return _Step(False, None, _checked(node[1]), depth + len(path)) if matches else _Step(True)


def _end(value: rlp.Item) -> _Step:
    if not isinstance(value, bytes):
        raise MalformedInput("proof.node", "a value is a byte string")
    return _Step(True, value or None)


def _checked(child: rlp.Item) -> rlp.Item:
    if isinstance(child, bytes) and len(child) != 32:
        raise MalformedInput("proof.node", "a reference is a hash or an embedded node")
    return child


def _path_nibbles(prefixed: bytes) -> list[int]:
    flag = prefixed[0] >> 4
    if flag > 3 or (flag in (0, 2) and prefixed[0] & 15):
        raise MalformedInput("proof.node", "a path's prefix is not canonical")
    digits = [digit for byte in prefixed for digit in (byte >> 4, byte & 15)]
    return digits[1:] if flag & 1 else digits[2:]


def _refused(why: str) -> EvidenceRefused:
    return EvidenceRefused(
        "proof.refused",
        "the Merkle proof does not hold",
        why,
        "the node lies or answers for another block; ask another",
    )
