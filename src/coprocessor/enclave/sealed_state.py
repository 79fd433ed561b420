"""The state of a cluster: plaintext in memory, a trie over ciphertext that the root commits to (PROTOCOL 5.1, 5.7).

    entry      ciphertext = AES-256-GCM-SIV(pad(key || value)), nonce = PRF(link, position, path)
    program    trie of path = PRF(key) -> SHA-256(epoch, nonce, ciphertext)
    cluster    trie of program id -> SHA-256(record digest, program root), and the trie of used command nonces

The root is a pure function of history. The ordered index for scans lives in the executor.

When an epoch begins, new keys write; what stands under older ones is sealed again a part with each link, in trie order,
so that it ends at the same link everywhere (PROTOCOL 8.3).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from coprocessor.crypto.aead import NONCE_LENGTH, SivKey, pad_to_bucket
from coprocessor.crypto.hashing import hmac_sha256, sha256
from coprocessor.crypto.labels import Label
from coprocessor.enclave.nonces import NonceSet
from coprocessor.keys.derivation import ClusterKeys, ProgramKeys
from coprocessor.trie import Trie
from coprocessor.values.identities import ZERO_DIGEST, Digest, NetworkId, ProgramId, StateRoot

__all__ = ["GENESIS_ROOT", "ROTATION_POSITION", "ClusterState", "Place", "ProgramState"]

GENESIS_ROOT = StateRoot(ZERO_DIGEST)
"""State root before the first link, as ``Settlement`` begins."""

ROTATION_POSITION = (1 << 32) - 1
"""Stands for an item's position where a link has re-encrypted an entry; items have positions below 1,024."""


@dataclass(frozen=True, slots=True)
class Place:
    """Under which epoch's keys, at which link and position, an entry was sealed last; its path in the trie."""

    epoch: int
    link: int
    position: int
    path: bytes


class _Writer:
    """Seals entries under one epoch's keys of a program."""

    def __init__(self, network: NetworkId, keys: ProgramKeys) -> None:
        self.epoch = keys.identity.epoch
        self._cipher = SivKey(keys.state_key)
        self._nonce_key = keys.state_nonce_key
        self._path_key = keys.state_path_key
        self._prefix = self.epoch.to_bytes(8, "big")
        self._bound = network + keys.identity.cluster + keys.program + self._prefix

    def path(self, key: bytes) -> bytes:
        return hmac_sha256(self._path_key, key)

    def leaf(self, key: bytes, value: bytes, link: int, position: int, path: bytes) -> Digest:
        place = link.to_bytes(8, "big") + position.to_bytes(4, "big") + path
        nonce = hmac_sha256(self._nonce_key, place)[:NONCE_LENGTH]
        plaintext = pad_to_bucket(len(key).to_bytes(2, "big") + key + value)
        ciphertext = self._cipher.seal(nonce, plaintext, self._bound + path)
        return sha256(self._prefix + nonce + ciphertext)


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
        self._network = network
        self._writer = _Writer(network, keys)
        self._trie = Trie()
        self._places: dict[bytes, Place] = {}
        self._older: deque[tuple[bytes, bytes]] = deque()

    @property
    def older(self) -> int:
        """How many entries may be left under the keys of older epochs."""
        return len(self._older)

    def write(self, key: bytes, value: bytes | None, link: int, position: int) -> None:
        """Sets (or with None deletes) an entry, written by the item at (link, position)."""
        before = self._places.pop(key, None)
        path = self._writer.path(key)
        if before is not None and (value is None or before.path != path):
            self._trie.delete(before.path)
        if value is None:
            self.entries.pop(key, None)
            return
        self.entries[key] = value
        self._places[key] = Place(self._writer.epoch, link, position, path)
        self._trie.put(path, self._writer.leaf(key, value, link, position, path))

    def rekey(self, keys: ProgramKeys) -> None:
        """From now on another epoch's keys write; all there is waits for ``rotate`` (PROTOCOL 8.3)."""
        self._writer = _Writer(self._network, keys)
        self._older = deque(sorted((place.path, key) for key, place in self._places.items()))

    def rotate(self, limit: int, link: int) -> int:
        """Seals up to ``limit`` older entries again, in trie order; how many it were."""
        done = 0
        while self._older and done < limit:
            path, key = self._older.popleft()
            place = self._places.get(key)
            if place is not None and place.path == path and place.epoch != self._writer.epoch:
                self.write(key, self.entries[key], link, ROTATION_POSITION)
                done += 1
        return done

    def restore(self, entries: Iterable[tuple[bytes, bytes, int, int]]) -> None:
        """Takes entries of a checkpoint: (key, value, link, position); they come to stand as they stood."""
        for key, value, link, position in entries:
            self.write(key, value, link, position)

    def kept(self) -> Iterator[tuple[bytes, bytes, Place]]:
        """Key, value and place of every entry, ascending by key."""
        for key in sorted(self.entries):
            yield key, self.entries[key], self._places[key]

    def commitment(self) -> Digest:
        """What the cluster's trie holds for this program."""
        return sha256(self.record + self._trie.root())


class ClusterState:
    """All programs of a cluster, the used nonces, and the root over both."""

    def __init__(self, network: NetworkId) -> None:
        self.network = network
        self._programs: dict[ProgramId, ProgramState] = {}
        self._top = Trie()
        self._dirty: set[ProgramId] = set()
        self.nonces = NonceSet()

    def add(self, program: ProgramId, state: ProgramState) -> None:
        """A program comes to be."""
        self._programs[program] = state
        self._dirty.add(program)

    def rekey(self, keys: ClusterKeys) -> None:
        """A new epoch's keys write from now on."""
        for program, state in self._programs.items():
            state.rekey(keys.program(program))

    def rotate(self, limit: int, link: int) -> bool:
        """Seals up to ``limit`` older entries again, programs in the order of their handles; whether none is left."""
        for program, state in self._programs.items():
            if not state.older:
                continue
            if limit <= 0:
                return False
            limit -= state.rotate(limit, link)
            self._dirty.add(program)
            if state.older:
                return False
        return True

    @property
    def older(self) -> int:
        """How many entries may be left under the keys of older epochs."""
        return sum(state.older for state in self._programs.values())

    def programs(self) -> Iterator[tuple[ProgramId, ProgramState]]:
        """All programs in the order of their handles."""
        return iter(self._programs.items())

    def program(self, program: ProgramId) -> ProgramState:
        """The state of a program that was added."""
        return self._programs[program]

    def set_record(self, program: ProgramId, record: Digest) -> None:
        """What a program is has changed: its code, or whether it is alive."""
        self._programs[program].record = record
        self._dirty.add(program)

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
        return StateRoot(sha256(Label.CLUSTER_STATE.context(self.network, *parts)))
