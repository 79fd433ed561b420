"""What is exposed when enclaves break: a pure function of a network's history (PROTOCOL 8.2 to 8.4, 9).

Rules:
1. A broken worker gives what gatekeepers released to it: its cluster's keys of every epoch that was not closed while it
   was a member. Epochs that are open lie in its memory now; a closed one counts as *earlier*: exposed only if the
   enclave was broken before the closing, since it erases those keys then.
2. Fewer than t broken shares of one committee give nothing, and a member that was dealt none has none. Shares of two
   committees do not add up. t of the present one give every key of every cluster, closed epochs included, because the
   master key stays; t of a former one give as much *earlier*: if they were broken while they held those shares.
3. A quorum of broken members of distinct operators on distinct platforms can settle what never happened.
4. What an epoch's keys open: the sealed inputs of its links and of the grace after it, the state and outputs written
   meanwhile, and what that epoch's input and account keys protect.

Exposure is monotone: whoever breaks more sees at least as much.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from coprocessor.audit.state import AuditState, ClusterHistory, Committee, EpochHistory, Membership
from coprocessor.protocol.statements import ROLE_WORKER
from coprocessor.values.identities import Address, ClusterId, Digest, WorkerId

__all__ = [
    "DEVELOPMENT_GRACE_SECONDS",
    "GRACE_SECONDS",
    "Broken",
    "CommitteeExposure",
    "EpochExposure",
    "Exposure",
    "compute_exposure",
    "could_have_had",
    "grace_of",
    "weigh_inputs",
]

GRACE_SECONDS: Final = 600
DEVELOPMENT_GRACE_SECONDS: Final = 20
"""For how long after an epoch's end inputs sealed to it are taken, by the links' timestamps."""


@dataclass(frozen=True, slots=True)
class Broken:
    """What an attacker has: enclaves of workers (32-byte ids) and of gatekeepers (20-byte signing addresses)."""

    workers: frozenset[WorkerId] = frozenset()
    gatekeepers: frozenset[Address] = frozenset()

    def __or__(self, other: Broken) -> Broken:
        return Broken(self.workers | other.workers, self.gatekeepers | other.gatekeepers)


@dataclass(frozen=True, slots=True)
class EpochExposure:
    """An epoch whose keys the attacker has.

    Args:
        cluster: 32 bytes.
        epoch: its number.
        since: seconds since 1970 from which on the first of the broken enclaves could have had the keys.
        by: the broken workers that could have had them; empty where they follow from the master key.
        is_open: the keys are still given to members.
    """

    cluster: ClusterId
    epoch: int
    since: int
    by: tuple[WorkerId, ...]
    is_open: bool


@dataclass(frozen=True, slots=True)
class CommitteeExposure:
    """Shares of one committee in broken memories: its number, whether it is in office, how many of how many, and t."""

    number: int
    is_present: bool
    broken: int
    shares: int
    threshold: int

    @property
    def missing(self) -> int:
        """How many more until the master key is exposed."""
        return max(0, self.threshold - self.broken)


@dataclass(frozen=True, slots=True)
class Exposure:
    """What is exposed.

    Args:
        now: epochs whose keys lie in broken memories now, or follow from the master key.
        earlier: closed epochs that are exposed only if the break is older than their closing.
        committees: those that a broken gatekeeper sits or sat in.
        quorums: clusters in which the broken can settle what never happened.
    """

    now: tuple[EpochExposure, ...] = ()
    earlier: tuple[EpochExposure, ...] = ()
    committees: tuple[CommitteeExposure, ...] = ()
    quorums: tuple[ClusterId, ...] = ()
    master: bool = field(default=False)
    master_earlier: bool = field(default=False)

    @property
    def is_nothing(self) -> bool:
        """No secret of anybody and no settlement is at the attacker's will, now or earlier."""
        return not (self.now or self.earlier or self.quorums or self.master or self.master_earlier)


def compute_exposure(state: AuditState, broken: Broken) -> Exposure:
    """What these broken enclaves expose, as the history stands."""
    committees = tuple(_committees(state.committees, broken))
    master = any(one.is_present and not one.missing for one in committees)
    master_earlier = master or any(not one.missing for one in committees)
    now: list[EpochExposure] = []
    earlier: list[EpochExposure] = []
    for cluster in state.clusters.values():
        for epoch in cluster.epochs:
            exposed = _epoch(state, cluster, epoch, broken)
            if master:
                now.append(
                    exposed or EpochExposure(cluster.cluster, epoch.number, epoch.raised.timestamp, (), _open(epoch))
                )
            elif exposed is not None:
                (now if exposed.is_open else earlier).append(exposed)
    quorums = tuple(
        cluster.cluster
        for cluster in state.clusters.values()
        if cluster.epochs and _voices(state, cluster, broken) >= cluster.epochs[-1].quorum
    )
    return Exposure(tuple(now), tuple(earlier), committees, quorums, master, master_earlier)


def could_have_had(state: AuditState, cluster: ClusterHistory, epoch: EpochHistory) -> Iterator[Membership]:
    """Members that gatekeepers would have given an epoch's keys to: present at some block of its life (rule 1)."""
    for membership in cluster.memberships:
        left = membership.left
        revoked = state.workers[membership.worker].revoked
        if revoked is not None and (left is None or revoked.number < left.number):
            left = revoked
        stayed = left is None or left.number > epoch.raised.number
        came = epoch.closed is None or membership.joined.number < epoch.closed.number
        if stayed and came:
            yield membership


def grace_of(state: AuditState) -> int:
    """Seconds for which inputs sealed to the epoch before are taken."""
    return DEVELOPMENT_GRACE_SECONDS if state.network.configuration.development else GRACE_SECONDS


def weigh_inputs(
    state: AuditState, cluster: ClusterHistory, epochs: Iterable[int], handle: int | None = None
) -> tuple[int, int, int]:
    """(links, items, sealed bytes) that keys of some epochs may open, each link once (rule 4).

    Args:
        epochs: their numbers.
        handle: of one program, or None for all.
    """
    places: set[int] = set()
    for number in epochs:
        end = cluster.epoch_end(number)
        places |= set(range(cluster.epochs[number - 1].start, end))
        until = cluster.epochs[number].raised.timestamp + grace_of(state) if number < len(cluster.epochs) else 0
        while end < len(cluster.links) and cluster.links[end].timestamp <= until:
            places.add(end)
            end += 1
    links = items = size = 0
    for place in places:
        weights = [one for one in cluster.links[place].inputs if handle in (None, one[0])]
        links += bool(weights)
        items += sum(one[1] for one in weights)
        size += sum(one[2] for one in weights)
    return links, items, size


def _open(epoch: EpochHistory) -> bool:
    return epoch.closed is None


def _epoch(state: AuditState, cluster: ClusterHistory, epoch: EpochHistory, broken: Broken) -> EpochExposure | None:
    holders = [one for one in could_have_had(state, cluster, epoch) if one.worker in broken.workers]
    if not holders:
        return None
    since = min(max(one.joined.timestamp, epoch.raised.timestamp) for one in holders)
    workers = tuple(dict.fromkeys(one.worker for one in holders))
    return EpochExposure(cluster.cluster, epoch.number, since, workers, _open(epoch))


def _committees(committees: Iterable[Committee], broken: Broken) -> Iterator[CommitteeExposure]:
    for committee in committees:
        if committee.keys is None or not broken.gatekeepers & set(committee.signers):
            continue
        count, shares = len(committee.holders & broken.gatekeepers), len(committee.holders)
        yield CommitteeExposure(committee.number, committee.until is None, count, shares, committee.threshold)


def _voices(state: AuditState, cluster: ClusterHistory, broken: Broken) -> int:
    """How many distinct operators, on distinct platforms, the broken members could sign as (rule 3)."""
    pairs: set[tuple[Address, Digest]] = set()
    for membership in cluster.memberships:
        record = state.workers[membership.worker]
        is_live = membership.left is None and not state.is_revoked(record) and record.live.role == ROLE_WORKER
        if is_live and membership.worker in broken.workers:
            pairs.add((record.live.operator, record.live.platform))
    return min(len({operator for operator, _ in pairs}), len({platform for _, platform in pairs}))
