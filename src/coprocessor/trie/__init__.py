"""The authenticated map: a path-compressed binary Merkle trie with proofs of presence and absence."""

from __future__ import annotations

from coprocessor.trie.proofs import Proof, verify_proof
from coprocessor.trie.trie import EMPTY_ROOT, Trie

__all__ = ["EMPTY_ROOT", "Proof", "Trie", "verify_proof"]
