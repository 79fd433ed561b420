"""The state of a cluster: plaintext in memory, a trie over ciphertext that the root commits to (PROTOCOL 5.1, 5.7).

    entry      ciphertext = AES-256-GCM-SIV(pad(key || value)), nonce = PRF(link, position, path)
    program    trie of path = PRF(key) -> SHA-256(epoch, nonce, ciphertext)
    cluster    trie of program id -> SHA-256(record digest, program root), and the trie of used command nonces

The root is a pure function of history. The ordered index for scans lives in the executor.
"""

from __future__ import annotations

from coprocessor.crypto.aead import NONCE_LENGTH, SivKey, pad_to_bucket
from coprocessor.crypto.hashing import hmac_sha256, sha256
from coprocessor.crypto.labels import Label
from coprocessor.keys.derivation import ProgramKeys
from coprocessor.trie import Trie
from coprocessor.values.identities import ZERO_DIGEST, Digest, NetworkId, ProgramId, StateRoot

__all__ = ["GENESIS_ROOT", "ClusterState", "ProgramState"]

GENESIS_ROOT = StateRoot(ZERO_DIGEST)
"""State root before the first link, as ``Settlement`` begins."""


class ProgramState:
    """One program's entries and their trie.

    Args:
        network: 32 bytes.
        keys: the program's keys of the epoch that now writes.
        record: 32 bytes, digest of what the program is (code, owner, policy, callees).
    """

    def __init__(self, network: NetworkId, keys: ProgramKeys, record: Digest) -> None:
        self.record = record
        self.entries: dict[bytes, bytes] = {}
        self._trie = Trie()
        self._cipher = SivKey(keys.state_key)
        self._nonce_key = keys.state_nonce_key
        self._path_key = keys.state_path_key
        self._epoch = keys.identity.epoch.to_bytes(8, "big")
        self._bound = network + keys.identity.cluster + keys.program + self._epoch

    def write(self, key: bytes, value: bytes | None, link: int, position: int) -> None:
        """Sets (or with None deletes) an entry, written by the item at (link, position)."""
        path = hmac_sha256(self._path_key, key)
        if value is None:
            self.entries.pop(key, None)
            self._trie.delete(path)
            return
        self.entries[key] = value
        place = link.to_bytes(8, "big") + position.to_bytes(4, "big") + path
        nonce = hmac_sha256(self._nonce_key, place)[:NONCE_LENGTH]
        plaintext = pad_to_bucket(len(key).to_bytes(2, "big") + key + value)
        ciphertext = self._cipher.seal(nonce, plaintext, self._bound + path)
        self._trie.put(path, sha256(self._epoch + nonce + ciphertext))

    def commitment(self) -> Digest:
        """What the cluster's trie holds for this program."""
        return sha256(self.record + self._trie.root())


class ClusterState:
    """All programs of a cluster, the used nonces, and the root over both."""

    def __init__(self, network: NetworkId) -> None:
        self._network = network
        self._programs: dict[ProgramId, ProgramState] = {}
        self._top = Trie()
        self._dirty: set[ProgramId] = set()
        self.nonces = Trie()

    def add(self, program: ProgramId, state: ProgramState) -> None:
        """A program comes to be."""
        self._programs[program] = state
        self._dirty.add(program)

    def program(self, program: ProgramId) -> ProgramState:
        """The state of a program that was added."""
        return self._programs[program]

    def write(self, program: ProgramId, key: bytes, value: bytes | None, link: int, position: int) -> None:
        """Applies one write of an executed item."""
        self._programs[program].write(key, value, link, position)
        self._dirty.add(program)

    def root(self, epoch: int, links: int) -> StateRoot:
        """The cluster's root after ``links`` links; ``GENESIS_ROOT`` before the first."""
        if links == 0:
            return GENESIS_ROOT
        for program in self._dirty:
            self._top.put(program, self._programs[program].commitment())
        self._dirty.clear()
        parts = (epoch.to_bytes(8, "big"), self._top.root(), self.nonces.root())
        return StateRoot(sha256(Label.CLUSTER_STATE.context(self._network, *parts)))
