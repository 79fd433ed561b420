"""Where a program's keys come from, and who could ever have had them: network, master key, cluster, epochs, program.

Everything is derived from the replayed record. "Could have had" means that gatekeepers would have given the key to that
enclave at some moment of the epoch's life (PROTOCOL 8.2); whether it asked, nobody but the two knows.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from coprocessor.audit.exposure import could_have_had, weigh_inputs
from coprocessor.audit.names import name_of_root
from coprocessor.audit.state import AuditState, ClusterHistory, Committee, EpochHistory, ProgramHistory, Seat
from coprocessor.protocol.statements import NO_SHARE
from coprocessor.values.errors import CallerMisuse
from coprocessor.values.identities import Address, ClusterId, Digest, NetworkId, ProgramId, WorkerId

__all__ = [
    "CommitteeLineage",
    "EpochLineage",
    "GatekeeperLineage",
    "Holder",
    "KeyLeak",
    "ProgramLineage",
    "VersionLineage",
    "compute_lineage",
]


@dataclass(frozen=True, slots=True)
class GatekeeperLineage:
    """A gatekeeper: operator and signing address, whether it holds a share, its vendor where the chain tells."""

    operator: Address
    signer: Address
    has_share: bool
    vendor: str


@dataclass(frozen=True, slots=True)
class CommitteeLineage:
    """Who held shares of the master key, from when to when (seconds since 1970; ``until`` None: today)."""

    number: int
    threshold: int
    members: tuple[GatekeeperLineage, ...]
    since: int
    until: int | None


@dataclass(frozen=True, slots=True)
class Holder:
    """A worker that had or could have had an epoch's keys.

    Args:
        worker: 32 bytes.
        operator: 20 bytes.
        vendor: of its hardware.
        level: confidence level, 1 (best) to 5.
        simulated: its hardware is simulated.
        joined, left: seconds since 1970; ``left`` None for a member now.
        state: ``member``, ``left``, ``revoked`` or ``distrusted``.
    """

    worker: WorkerId
    operator: Address
    vendor: str
    level: int
    simulated: bool
    joined: int
    left: int | None
    state: str


@dataclass(frozen=True, slots=True)
class EpochLineage:
    """An epoch of the cluster's keys.

    Args:
        epoch: its number.
        began, closed: seconds since 1970; ``closed`` None while its keys are given to members.
        quorum: that settles in it.
        runtime: 32 bytes.
        input_key: 32 bytes, of the program; empty where none was recorded.
        input_key_signers: how many signed it.
        account_signer: 20 bytes, who signs for the program's account in it; None where none was recorded.
        links, items, size: of the program's inputs that its keys may open; sealed bytes.
        holders: all who could have had its keys.
    """

    epoch: int
    began: int
    closed: int | None
    quorum: int
    runtime: Digest
    input_key: bytes
    input_key_signers: int
    account_signer: Address | None
    links: int
    items: int
    size: int
    holders: tuple[Holder, ...]


@dataclass(frozen=True, slots=True)
class VersionLineage:
    """Code that had the program's keys: its hash, the link from which on it ran, and when (seconds since 1970)."""

    code_hash: Digest
    link: int
    since: int


@dataclass(frozen=True, slots=True)
class KeyLeak:
    """What stays exposed if one key leaked: the key, what it opens, and what it does not."""

    key: str
    opens: str
    not_opened: str


@dataclass(frozen=True, slots=True)
class ProgramLineage:
    """The whole lineage of a program's keys. ``versions`` are those after the first; ``waiting`` is an announced
    upgrade (code hash, from when, until when it can take effect), or None."""

    network: NetworkId
    simulated: bool
    master_key: bytes
    committees: tuple[CommitteeLineage, ...]
    cluster: ClusterId
    cluster_owner: Address
    program: ProgramId
    owner: Address
    code_hash: Digest
    policy: Digest
    created: int
    versions: tuple[VersionLineage, ...]
    waiting: tuple[Digest, int, int] | None
    epochs: tuple[EpochLineage, ...]
    leaks: tuple[KeyLeak, ...]


def compute_lineage(state: AuditState, program: ProgramId) -> ProgramLineage:
    """The lineage of a program's keys. Raises CallerMisuse ``program.unknown``."""
    found = state.programs.get(program)
    if found is None:
        raise CallerMisuse(
            "program.unknown",
            f"the network has no program 0x{program.hex()}",
            next="give the id that phat deploy printed",
        )
    cluster = state.clusters[found.cluster]
    committee = state.committee
    keys = None if committee is None else committee.keys
    epochs = tuple(_epoch(state, cluster, found, epoch) for epoch in _epochs_of(cluster, found))
    return ProgramLineage(
        network=state.network_id,
        simulated=state.network.configuration.allow_simulated,
        master_key=b"" if keys is None else keys.group,
        committees=tuple(_committee(state, one) for one in state.committees),
        cluster=cluster.cluster,
        cluster_owner=cluster.owner,
        program=program,
        owner=found.owner,
        code_hash=found.code_hash,
        policy=found.policy,
        created=found.created.timestamp,
        versions=tuple(VersionLineage(one.code_hash, one.link, one.block.timestamp) for one in found.versions),
        waiting=found.waiting,
        epochs=epochs,
        leaks=tuple(_leaks(state, cluster, epochs)),
    )


def _epochs_of(cluster: ClusterHistory, program: ProgramHistory) -> Iterator[EpochHistory]:
    """The epochs from the one in which the program came to be."""
    for epoch in cluster.epochs:
        ends = cluster.epochs[epoch.number].raised.number if epoch.number < len(cluster.epochs) else None
        if ends is None or ends >= program.created.number:
            yield epoch


def _committee(state: AuditState, committee: Committee) -> CommitteeLineage:
    members = tuple(_gatekeeper(state, committee, at, seat) for at, seat in enumerate(committee.seats))
    until = None if committee.until is None else committee.until.timestamp
    return CommitteeLineage(committee.number, committee.threshold, members, committee.since.timestamp, until)


def _gatekeeper(state: AuditState, committee: Committee, at: int, seat: Seat) -> GatekeeperLineage:
    root = state.gatekeeper_roots.get(seat[1])
    has_share = at < len(committee.share_keys) and committee.share_keys[at] != NO_SHARE
    return GatekeeperLineage(seat[0], seat[1], has_share, "" if root is None else name_of_root(root))


def _epoch(state: AuditState, cluster: ClusterHistory, program: ProgramHistory, epoch: EpochHistory) -> EpochLineage:
    key, signers = program.input_keys.get(epoch.number, (b"", 0))
    return EpochLineage(
        epoch.number,
        epoch.raised.timestamp,
        None if epoch.closed is None else epoch.closed.timestamp,
        epoch.quorum,
        epoch.runtime,
        key,
        signers,
        program.account_signers.get(epoch.number),
        *weigh_inputs(state, cluster, [epoch.number], program.handle),
        holders=tuple(_holders(state, cluster, epoch)),
    )


def _holders(state: AuditState, cluster: ClusterHistory, epoch: EpochHistory) -> Iterator[Holder]:
    for membership in could_have_had(state, cluster, epoch):
        record = state.workers[membership.worker]
        live, left = record.live, membership.left
        standing = "member" if left is None else "left"
        if record.revoked is not None:
            standing = "revoked"
        elif state.is_revoked(record):
            standing = "distrusted"
        yield Holder(
            membership.worker,
            membership.operator,
            name_of_root(live.root),
            live.level,
            live.simulated,
            membership.joined.timestamp,
            None if left is None else left.timestamp,
            standing,
        )


def _leaks(state: AuditState, cluster: ClusterHistory, epochs: tuple[EpochLineage, ...]) -> Iterator[KeyLeak]:
    committee = state.committee
    if committee is not None:
        threshold = committee.threshold
        yield KeyLeak(
            f"one share of committee {committee.number}",
            "nothing" if threshold > 1 else "the master key",
            f"shares of the same committee that are missing for the master key: {threshold - 1}; others do not count",
        )
        yield KeyLeak(
            f"{threshold} shares of one committee, or the master key",
            "every cluster's keys, of open and of closed epochs, for ever",
            "nothing: only a new network would have another master key",
        )
    others = len(state.clusters) - 1
    for epoch in epochs:
        until = "its keys are still given to members" if epoch.closed is None else "nobody is given them any more"
        yield KeyLeak(
            f"the cluster's key of epoch {epoch.epoch}",
            f"this program's inputs ({epoch.items} in the cluster's links, {epoch.size} sealed bytes), its state and "
            f"outputs written in that epoch, and those of "
            f"{_neighbours(state, cluster)} further programs of the cluster; {until}",
            f"other epochs; other clusters, of which there are {others}",
        )
    yield KeyLeak(
        "the program's input key of one epoch",
        "the inputs of this program that were sealed to it",
        "state and outputs, other programs, other epochs",
    )
    yield KeyLeak(
        "the program's account signer of one epoch, or a key that it derives for itself in one (derive_key)",
        "calls of its account until the next epoch begins; whatever the program protects by such a key",
        "other epochs: these keys change with each; there are no raw keys that stay (PROTOCOL 8.7)",
    )


def _neighbours(state: AuditState, cluster: ClusterHistory) -> int:
    return sum(program.cluster == cluster.cluster for program in state.programs.values()) - 1
