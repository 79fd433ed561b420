"""What the group key signs: the canonical identity of a cluster's epoch, and nothing else (PROTOCOL 8.1)."""

from __future__ import annotations

from dataclasses import dataclass

from coprocessor.crypto.labels import Label
from coprocessor.values.errors import MalformedInput
from coprocessor.values.identities import ClusterId, NetworkId, checked_digest

__all__ = ["MAX_EPOCH", "ClusterIdentity", "check_epoch"]

MAX_EPOCH = 2**64 - 1


@dataclass(frozen=True, slots=True)
class ClusterIdentity:
    """One epoch of one cluster of one network.

    Args:
        network: 32 bytes, the genesis digest.
        cluster: 32 bytes.
        epoch: 0 to 2**64 - 1.
        insecure: the network allows simulated hardware; such a key never equals a real network's.

    Raises:
        MalformedInput: a length or range differs.
    """

    network: NetworkId
    cluster: ClusterId
    epoch: int
    insecure: bool

    def __post_init__(self) -> None:
        checked_digest(self.network, "network")
        checked_digest(self.cluster, "cluster")
        check_epoch(self.epoch)

    def message(self) -> bytes:
        """The bytes that are hashed to the curve: label, network, cluster, epoch, each with its length."""
        return self.context(Label.CLUSTER_IDENTITY)

    def context(self, label: Label, *parts: bytes) -> bytes:
        """``label`` bound to this identity and to ``parts``."""
        return label.context(self.network, self.cluster, self.epoch.to_bytes(8, "big"), *parts, insecure=self.insecure)


def check_epoch(epoch: int) -> int:
    """Returns ``epoch`` if it fits into 64 bits. Raises MalformedInput otherwise."""
    if isinstance(epoch, bool) or not isinstance(epoch, int) or not 0 <= epoch <= MAX_EPOCH:
        raise MalformedInput("keys.epoch", f"an epoch is a number from 0 to {MAX_EPOCH}, not {epoch!r}")
    return epoch
