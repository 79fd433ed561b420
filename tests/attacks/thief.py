"""An attacker who has the memory of broken enclaves, and every ciphertext that was ever on the chain or on a disk.

Each byte string of 16, 32 or 48 bytes in the memory is taken for whatever secret could have that length, for every
cluster and every epoch: an X25519 secret, a key of AES-GCM-SIV or AES-GCM, a cluster's secret, the group's secret, its
signature, a reply secret. What opens is searched again: inputs hold reply secrets, sealed parts of a key add up to it.
"""

from __future__ import annotations

import logging
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations

from coprocessor.crypto.bls import ORDER, G1Element, Purpose, SecretScalar, combine_g1
from coprocessor.crypto.hkdf import hkdf_extract
from coprocessor.crypto.hpke import SealingKey
from coprocessor.crypto.labels import Label
from coprocessor.keys.derivation import ClusterKeys
from coprocessor.keys.identity import ClusterIdentity
from coprocessor.keys.shares import lagrange_weights
from coprocessor.values.identities import ClusterId
from tests.attacks.busy_cluster import BusyCluster
from tests.attacks.sealed import Lock, Sealed, derive_lock
from tests.enclave.stage import Stage

__all__ = ["Thief", "thief_of"]

_LOG = logging.getLogger(__name__)

_LENGTHS = (16, 32, 48)
_NEST = 128
"""Bytes of an opened plaintext in which every window is a word again."""


class Thief:
    """One attacker.

    Args:
        objects: all ciphertexts.
        epochs: every epoch of every cluster, with the cluster's code key of it: public. By that key a secret is known
            for the epoch's before all that is below it is derived.
        group: 96 bytes, the gatekeepers' public key.
        threshold: t.
    """

    def __init__(
        self, objects: Sequence[Sealed], epochs: Mapping[ClusterIdentity, bytes], group: bytes, threshold: int
    ) -> None:
        self.objects, self.group, self.threshold = objects, group, threshold
        self.code_keys = epochs
        self.opened: dict[Sealed, bytes] = {}
        self.tries = 0
        self.words: set[bytes] = set()
        self._waiting: list[bytes] = []
        self._recipients: dict[bytes, list[Sealed]] = defaultdict(list)
        self._locks: dict[tuple[ClusterId, int, str, Lock], list[Sealed]] = defaultdict(list)
        self._parts: dict[tuple[ClusterId, int], dict[int, G1Element]] = defaultdict(dict)
        for one in objects:
            if one.recipient:
                self._recipients[one.recipient].append(one)
            self._locks[one.cluster, one.epoch, one.kind, one.lock].append(one)

    def search(self, memory: Iterable[bytes]) -> Counter[tuple[ClusterId, str]]:
        """Tries everything; how many objects of each cluster and kind are open."""
        for value in memory:
            self._add(value)
        while self._waiting:
            self._try(self._waiting.pop())
        return Counter((one.cluster, one.kind) for one in self.opened)

    def count(self, cluster: ClusterId, *kinds: str) -> int:
        """Open objects of a cluster, of some kinds or of all."""
        return sum(one.cluster == cluster and (not kinds or one.kind in kinds) for one in self.opened)

    def total(self, cluster: ClusterId, kind: str) -> int:
        """All objects of a cluster and kind."""
        return sum((one.cluster, one.kind) == (cluster, kind) for one in self.objects)

    def tell(self, *clusters: BusyCluster) -> None:
        """The counts, for whoever looks: ``pytest --log-cli-level=INFO tests/attacks``."""
        _LOG.info("%s words, %s tries", len(self.words), self.tries)
        for cluster in clusters:
            counts = [
                f"{kind} {self.count(cluster.id, kind)} of {self.total(cluster.id, kind)}"
                for kind in sorted({one.kind for one in self.objects})
            ]
            _LOG.info("cluster %s: %s", cluster.name.decode(), ", ".join(counts))

    def epochs(self, cluster: ClusterId, kind: str) -> set[int]:
        """Epochs of which objects of a kind are open."""
        return {one.epoch for one in self.opened if (one.cluster, one.kind) == (cluster, kind)}

    def _add(self, word: bytes) -> None:
        if len(word) in _LENGTHS and word not in self.words:
            self.words.add(word)
            self._waiting.append(word)

    def _take(self, one: Sealed, plaintext: bytes | None) -> None:
        self.tries += 1
        if plaintext is None or one in self.opened:
            return
        self.opened[one] = plaintext
        head = plaintext[:_NEST]
        for length in _LENGTHS:
            for at in range(len(head) - length + 1):
                self._add(head[at : at + length])
        if one.kind == "partial":
            self._combine(one, plaintext)

    def _try(self, word: bytes) -> None:
        if len(word) == 48:
            for identity in self.code_keys:
                self._try_secret(hkdf_extract(identity.context(Label.CLUSTER_SECRET), word), identity)
            return
        for one in self.objects:
            if one.kind in ("output", "reply") and one not in self.opened:
                self._take(one, one.open(word))
        if len(word) != 32:
            return
        self._try_sealing_key(word)
        for same in self._locks.values():
            if not same[0].recipient and same[0].kind not in ("output", "reply"):
                self._try_key(word, same)
        for identity in self.code_keys:
            self._try_secret(word, identity)
        self._try_share(word)

    def _try_sealing_key(self, word: bytes) -> None:
        for one in self._recipients.get(SealingKey(word).public_key, ()):
            self._take(one, one.open(word))

    def _try_key(self, key: bytes, same: Sequence[Sealed]) -> None:
        """One key against objects that have one and the same: where it does not open the first, it opens none; those
        without a lock have keys of their own."""
        for one in same:
            found = one.open(key)
            self._take(one, found)
            if found is None and one.lock:
                return

    def _try_secret(self, secret: bytes, identity: ClusterIdentity) -> None:
        """A secret as that of a cluster's epoch: every key below it."""
        keys = ClusterKeys(secret, identity)
        if keys.private_code_key.public_key != self.code_keys[identity]:
            return
        for (cluster, epoch, _, lock), same in self._locks.items():
            if (cluster, epoch) == (identity.cluster, identity.epoch) and lock:
                key = derive_lock(lock, keys)
                if not same[0].recipient or SealingKey(key).public_key == same[0].recipient:
                    self._try_key(key, same)

    def _try_share(self, word: bytes) -> None:
        """A number as the group's secret, which signs every identity."""
        number = int.from_bytes(word, "big")
        if 0 < number < ORDER:
            scalar = SecretScalar(number)
            if scalar.public_key() == self.group:
                for identity in self.code_keys:
                    self._add(scalar.sign(identity.message(), Purpose.CLUSTER_IDENTITY))

    def _combine(self, one: Sealed, part: bytes) -> None:
        """Parts of a cluster's key, t of which are the key."""
        parts = self._parts[one.cluster, one.epoch]
        parts[one.part] = G1Element(part)
        for chosen in combinations(sorted(parts), self.threshold):
            self._add(combine_g1([parts[index] for index in chosen], lagrange_weights(chosen)))


def thief_of(stage: Stage, *clusters: BusyCluster) -> Thief:
    """An attacker with all public data of a network's clusters."""
    epochs = {
        cluster.identity(epoch): cluster.key_of(cluster.id, epoch)
        for cluster in clusters
        for epoch in range(1, cluster.epoch + 1)
    }
    objects = [one for cluster in clusters for one in cluster.objects]
    return Thief(objects, epochs, stage.committee.master_key, stage.committee.threshold)
