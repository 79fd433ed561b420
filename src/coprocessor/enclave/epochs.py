"""A cluster's epochs as its enclave sees them: whose keys are held, which of them still open inputs, which are over.

Rules enforced:
1. keys, members and quorum change exactly at the epoch's link; what is sealed to an older epoch opens until its grace
   is over, judged by the link's timestamp, so that replicas agree (PROTOCOL 8.3);
2. receipts cover links of one epoch (PROTOCOL 7.2);
3. the keys of closed epochs are erased (PROTOCOL 8.4), once no link to come can need them: a worker that lags behind
   the closing must not judge otherwise than those that did not.
"""

from __future__ import annotations

from dataclasses import dataclass

from coprocessor.keys.derivation import ClusterKeys
from coprocessor.values.errors import CallerMisuse, EvidenceRefused, InternalError
from coprocessor.values.identities import RuntimeId
from coprocessor.values.network import NetworkConfiguration

__all__ = ["DEVELOPMENT_GRACE_SECONDS", "GRACE_SECONDS", "BegunEpoch", "Epochs", "grace_of"]

GRACE_SECONDS = 600
"""How long after an epoch's first link inputs sealed to the one before are still taken."""

DEVELOPMENT_GRACE_SECONDS = 20
"""The same on networks whose configuration says that they are for development (PROTOCOL 1.4)."""


def grace_of(configuration: NetworkConfiguration) -> int:
    """The grace of a network, seconds."""
    return DEVELOPMENT_GRACE_SECONDS if configuration.development else GRACE_SECONDS


@dataclass(frozen=True, slots=True)
class BegunEpoch:
    """An epoch that has begun: its number, its first link, that link's timestamp in seconds, and its runtime."""

    epoch: int
    link: int
    timestamp: int
    runtime: RuntimeId


class Epochs:
    """The epochs of one cluster.

    Args:
        grace_seconds: ``grace_of`` the network.
    """

    def __init__(self, grace_seconds: int) -> None:
        self._grace = grace_seconds
        self._keys: dict[int, ClusterKeys] = {}
        self._begun: list[BegunEpoch] = []

    @property
    def current(self) -> int:
        """The epoch of the newest executed link; 0 before the first."""
        return self._begun[-1].epoch if self._begun else 0

    @property
    def has_keys(self) -> bool:
        """Keys of any epoch are held."""
        return bool(self._keys)

    @property
    def oldest_held(self) -> int:
        """The oldest epoch whose keys are held; 0 without keys."""
        return min(self._keys, default=0)

    def hold(self, keys: ClusterKeys) -> None:
        """Keeps released keys."""
        self._keys[keys.identity.epoch] = keys

    def keys(self, epoch: int) -> ClusterKeys | None:
        """The keys of an epoch, where they are held."""
        return self._keys.get(epoch)

    def needed(self, epoch: int) -> ClusterKeys:
        """The keys of an epoch that this enclave must hold by now. Raises InternalError where it does not."""
        keys = self._keys.get(epoch)
        if keys is None:
            raise InternalError("epoch.keys", f"the keys of epoch {epoch} are needed and not held")
        return keys

    def begin(self, begun: BegunEpoch) -> None:
        """An epoch's first link is executed. Raises EvidenceRefused where it is not the next one."""
        if self._begun and begun.epoch != self.current + 1:
            raise EvidenceRefused("epoch.order", f"epoch {begun.epoch} cannot follow epoch {self.current}")
        self._begun.append(begun)

    def begun(self) -> tuple[BegunEpoch, ...]:
        """The epochs that have begun, oldest first, as far back as this enclave knows."""
        return tuple(self._begun)

    def acceptable(self, timestamp: int) -> tuple[int, ...]:
        """The epochs whose inputs are taken at a link with this timestamp, newest first (rule 1)."""
        if not self._begun:
            return ()
        older = [
            before.epoch
            for before, after in zip(self._begun, self._begun[1:], strict=False)
            if timestamp <= after.timestamp + self._grace
        ]
        return (self.current, *reversed(older))

    def is_settled(self, timestamp: int) -> bool:
        """No input of an older epoch is taken at or after a link with this timestamp."""
        return len(self.acceptable(timestamp)) <= 1

    def of_range(self, first: int, to: int) -> BegunEpoch:
        """The epoch of the links from ``first`` to before ``to``.

        Raises:
            CallerMisuse: they are of two epochs, or this enclave knows none that early.
        """
        known = [begun for begun in self._begun if begun.link <= first]
        if not known:
            raise CallerMisuse("receipt.no_epoch", f"link {first} is of no epoch that this enclave knows")
        epoch = known[-1]
        following = [begun.link for begun in self._begun if begun.link > epoch.link]
        if following and to > following[0]:
            raise CallerMisuse(
                "receipt.epochs",
                f"links {first} to {to} are of two epochs",
                f"epoch {epoch.epoch + 1} begins with link {following[0]}",
                "ask for a range that ends there",
            )
        return epoch

    def erase(self, first_open: int, timestamp: int) -> bool:
        """Forgets the keys of closed epochs (rule 3); whether there were any.

        Args:
            first_open: the oldest epoch that is not closed.
            timestamp: of the newest executed link, seconds; none to come is older.
        """
        needed = self.acceptable(timestamp)
        closed = [epoch for epoch in self._keys if epoch < min(first_open, self.current) and epoch not in needed]
        for epoch in closed:
            del self._keys[epoch]
        return bool(closed)
