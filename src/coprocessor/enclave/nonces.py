"""Used command nonces: each serves once until its deadline has passed (PROTOCOL 4.2).

Paths are PRF outputs, so the committed trie tells nobody who sent what. Nonces are forgotten when a link's timestamp is
past their deadline; time is the chain's, so replicas agree and the set is bounded.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable

from coprocessor.crypto.hashing import hmac_sha256, sha256
from coprocessor.trie import Trie
from coprocessor.values.identities import Address

__all__ = ["NonceSet"]


class NonceSet:
    """The nonces in use, over the trie that the state root commits to."""

    def __init__(self) -> None:
        self._trie = Trie()
        self._deadlines: list[tuple[int, bytes]] = []

    def root(self) -> bytes:
        """32 bytes, over all nonces in use."""
        return self._trie.root()

    def kept(self) -> list[tuple[int, bytes]]:
        """(deadline, path) of every nonce in use, ascending."""
        return sorted(self._deadlines)

    def restore(self, kept: Iterable[tuple[int, bytes]]) -> None:
        """Takes the nonces of a checkpoint."""
        for deadline, path in kept:
            self._mark(path, deadline)

    def forget_until(self, timestamp: int) -> None:
        """Drops every nonce whose deadline lies before ``timestamp`` (seconds)."""
        while self._deadlines and self._deadlines[0][0] < timestamp:
            self._trie.delete(heapq.heappop(self._deadlines)[1])

    def is_used(self, path_key: bytes, author: Address, nonce: int) -> bool:
        """Whether ``author`` has spent ``nonce`` on the program with this path key (32 bytes)."""
        return self._trie.get(_path(path_key, author, nonce)) is not None

    def spend(self, path_key: bytes, author: Address, nonce: int, deadline: int) -> None:
        """Marks a nonce as used until ``deadline``."""
        self._mark(_path(path_key, author, nonce), deadline)

    def _mark(self, path: bytes, deadline: int) -> None:
        self._trie.put(path, sha256(deadline.to_bytes(8, "big")))
        heapq.heappush(self._deadlines, (deadline, path))


def _path(path_key: bytes, author: Address, nonce: int) -> bytes:
    return hmac_sha256(path_key, author + nonce.to_bytes(8, "big"))
