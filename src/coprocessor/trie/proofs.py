"""Proofs of presence and absence, and their check.

A proof lists, from the root down, the bit where each inner node parts and the digest of the child not taken, and ends
in the leaf that was reached. Absence is shown by a leaf whose path agrees with the asked one on every parting bit but
is another.
"""

from __future__ import annotations

from dataclasses import dataclass

from coprocessor.trie.nodes import EMPTY_ROOT, PATH_BITS, bit_of, hash_inner, hash_leaf
from coprocessor.values.errors import EvidenceRefused
from coprocessor.values.identities import checked_digest

__all__ = ["Proof", "Sibling", "verify_proof"]


@dataclass(frozen=True, slots=True)
class Sibling:
    """An inner node on the way: its parting bit, and the child that the path does not take (32 bytes)."""

    bit: int
    digest: bytes


@dataclass(frozen=True, slots=True)
class Proof:
    """Siblings from the root down, then the leaf reached; both leaf fields are None for the empty map."""

    siblings: tuple[Sibling, ...]
    leaf_path: bytes | None
    leaf_value: bytes | None


def verify_proof(root: bytes, path: bytes, proof: Proof) -> bytes | None:
    """The value digest at ``path`` under ``root``, or None where the proof shows that there is none.

    Raises:
        EvidenceRefused: the proof does not belong to this root and path.
        MalformedInput: ``path`` is not 32 bytes.
    """
    checked_digest(path, "path")
    if proof.leaf_path is None or proof.leaf_value is None:
        if proof.siblings or root != EMPTY_ROOT:
            raise _refused("an empty proof for a map that is not empty")
        return None
    # A hash over joined fields binds their lengths only where each is checked: a byte moved from value to path would
    # show an entry as absent.
    if any(len(part) != 32 for part in (proof.leaf_path, proof.leaf_value, *(node.digest for node in proof.siblings))):
        raise _refused("paths, values and digests have 32 bytes each")
    asked = int.from_bytes(path, "big")
    reached = int.from_bytes(proof.leaf_path, "big")
    previous = -1
    for sibling in proof.siblings:
        if not previous < sibling.bit < PATH_BITS:
            raise _refused("parting bits do not ascend")
        if bit_of(asked, sibling.bit) != bit_of(reached, sibling.bit):
            raise _refused("the leaf lies on another branch")
        previous = sibling.bit
    digest = hash_leaf(proof.leaf_path, proof.leaf_value)
    for sibling in reversed(proof.siblings):
        pair = (sibling.digest, digest) if bit_of(asked, sibling.bit) else (digest, sibling.digest)
        digest = hash_inner(sibling.bit, *pair)
    if digest != root:
        raise _refused("the proof leads to another root")
    return proof.leaf_value if proof.leaf_path == path else None


def _refused(why: str) -> EvidenceRefused:
    return EvidenceRefused("trie.proof", "the proof does not show what stands in the map", why)
