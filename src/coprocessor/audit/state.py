"""The network as its events make it: committees, workers, clusters, programs, and what was when."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from coprocessor.audit.policy_history import PolicyHistory
from coprocessor.keys.shares import CommitteeKeys
from coprocessor.keys.transcript import Entry
from coprocessor.protocol.genesis import compute_configuration_hash, compute_network_id
from coprocessor.protocol.statements import NO_SHARE, Admission
from coprocessor.protocol.terms import has_ended
from coprocessor.values.identities import ZERO_DIGEST, Address, ClusterId, Digest, NetworkId, ProgramId, WorkerId
from coprocessor.values.network import Network

__all__ = [
    "AuditState",
    "Beacon",
    "BeaconKey",
    "Binding",
    "Block",
    "ClusterHistory",
    "Committee",
    "EpochHistory",
    "LinkSize",
    "Membership",
    "ProgramHistory",
    "Seat",
    "Session",
    "SettledRange",
    "Version",
    "WorkerHistory",
]

Seat = tuple[Address, Address, bytes, Digest]
"""A gatekeeper: operator, signing address, sealing key, digest of its evidence."""


@dataclass(frozen=True, slots=True)
class Block:
    """Number, hash (32 bytes), seconds since 1970, and randomness (32 bytes) of a block."""

    number: int
    hash: Digest
    timestamp: int
    prevrandao: Digest


@dataclass(frozen=True, slots=True)
class Binding:
    """What an enclave's evidence must bind.

    Args:
        name: of the enclave, for people.
        operator, signer: 20 bytes each.
        sealing_key: 32 bytes.
        named: the block that its evidence names as the newest.
        report_data: 64 bytes, from verified evidence.
        public_key: 33 bytes, as published beside the evidence, or empty.
    """

    name: str
    operator: Address
    signer: Address
    sealing_key: bytes
    named: Block
    report_data: bytes
    public_key: bytes


@dataclass(slots=True)
class Session:
    """A key ceremony: when it was opened, whether the key is handed over in it, after how many blocks a phase ends,
    what was said, and whether it has an outcome."""

    identifier: Digest
    opened: int
    is_handover: bool
    phase_blocks: int
    entries: list[Entry] = field(default_factory=list)
    is_completed: bool = False


@dataclass(frozen=True, slots=True)
class BeaconKey:
    """A committee's beacon key (96 bytes), its members' share keys, t, and the block in which it was recorded."""

    group: bytes
    share_keys: tuple[bytes, ...]
    threshold: int
    recorded: Block


@dataclass(slots=True)
class Beacon:
    """The beacon (PROTOCOL 10).

    Args:
        phase_blocks, window: of the pinned contract, proven.
        keys: by committee.
        values: by height: value, committee, whether it is the fallback.
    """

    phase_blocks: int = 0
    window: int = 1
    session: Digest = ZERO_DIGEST
    sessions: dict[Digest, Session] = field(default_factory=dict)
    keys: dict[int, BeaconKey] = field(default_factory=dict)
    values: dict[int, tuple[Digest, int, bool]] = field(default_factory=dict)


@dataclass(slots=True)
class Committee:
    """Gatekeepers in office. ``keys`` and ``share_keys`` are missing until their ceremony has an outcome.

    Args:
        number: 1 for the first.
        since, until: blocks; ``until`` is None for those of today.
    """

    number: int
    threshold: int
    seats: tuple[Seat, ...]
    since: Block
    keys: CommitteeKeys | None = None
    share_keys: tuple[bytes, ...] = ()
    until: Block | None = None

    @property
    def signers(self) -> dict[Address, int]:
        """Place of each member by its signing key."""
        return {seat[1]: at for at, seat in enumerate(self.seats)}

    @property
    def holders(self) -> frozenset[Address]:
        """Signing keys of the members that were dealt a share."""
        pairs = zip(self.seats, self.share_keys, strict=False)
        return frozenset(seat[1] for seat, key in pairs if key != NO_SHARE)


@dataclass(slots=True)
class WorkerHistory:
    """An operator's platform.

    Args:
        admissions: each with the block in which it counted, oldest first; the last one is live.
        vendor: whose hardware the newest evidence is of; empty where nothing could be said.
        revoked: the block, or None.
    """

    worker: WorkerId
    admissions: list[tuple[Admission, Block]]
    vendor: str = ""
    revoked: Block | None = None

    @property
    def live(self) -> Admission:
        """The admission that counts."""
        return self.admissions[-1][0]


@dataclass(slots=True)
class Membership:
    """A worker in a cluster: the epoch in which it joined, the blocks of both ends; ``left`` None for a member now."""

    worker: WorkerId
    operator: Address
    epoch: int
    joined: Block
    left: Block | None = None


@dataclass(slots=True)
class EpochHistory:
    """An epoch: its first link, its terms, when it began, and when gatekeepers began to refuse its keys."""

    number: int
    start: int
    quorum: int
    fast_quorum: int
    runtime: Digest
    raised: Block
    closed: Block | None = None


@dataclass(frozen=True, slots=True)
class SettledRange:
    """A settled receipt: links ``first`` to ``to``, roots (32 bytes each), when it is final, how many signed."""

    first: int
    to: int
    root: Digest
    outputs_root: Digest
    final_block: int
    signers: int


@dataclass(frozen=True, slots=True)
class LinkSize:
    """What a link weighs: its kind, the time of its block, and (handle, items, sealed bytes) of the programs in it."""

    kind: int
    timestamp: int
    inputs: tuple[tuple[int, int, int], ...]


@dataclass(slots=True)
class ClusterHistory:
    """A cluster from its creation on.

    Args:
        heads: of its inbox, after each link.
        links: of each link, what it weighs.
        next_runtime: announced, and from when on it is taken, seconds since 1970; or None.
        boundary: epoch, links, inbox head, root, checkpoint of the newest closing, or None.
        frozen_from: 0, or 1 + the number of the first frozen receipt.
    """

    cluster: ClusterId
    owner: Address
    quorum: int
    fast_quorum: int
    dispute_window: int
    open: bool
    runtime: Digest
    created: Block
    head: Digest
    heads: list[Digest] = field(default_factory=list)
    links: list[LinkSize] = field(default_factory=list)
    epochs: list[EpochHistory] = field(default_factory=list)
    memberships: list[Membership] = field(default_factory=list)
    receipts: list[SettledRange] = field(default_factory=list)
    first_open: int = 1
    boundary: tuple[int, int, Digest, Digest, Digest] | None = None
    frozen_from: int = 0
    next_runtime: tuple[Digest, int] | None = None

    def member(self, worker: bytes) -> Membership | None:
        """The present membership of a worker, or None."""
        return next((one for one in self.memberships if one.worker == worker and one.left is None), None)

    def epoch_end(self, number: int) -> int:
        """Links before the next epoch begins; all of them for the present one."""
        return self.epochs[number].start if number < len(self.epochs) else len(self.heads)


@dataclass(frozen=True, slots=True)
class Version:
    """A program's code after the first: its hash, the link at which it took effect, and the block of that."""

    code_hash: Digest
    link: int
    block: Block


@dataclass(slots=True)
class ProgramHistory:
    """A program: identity, when it came to be, its recorded input keys by epoch with how many signed, its later code,
    how many upgrades were announced, and the one that waits (code hash, from when, until when), or None."""

    program: ProgramId
    cluster: ClusterId
    owner: Address
    code_hash: Digest
    handle: int
    policy: Digest
    created: Block
    input_keys: dict[int, tuple[bytes, int]] = field(default_factory=dict)
    account_signers: dict[int, Address] = field(default_factory=dict)
    versions: list[Version] = field(default_factory=list)
    announcements: int = 0
    waiting: tuple[Digest, int, int] | None = None


@dataclass(slots=True)
class AuditState:
    """Everything so far.

    Args:
        network: the pinned one.
        distrusted: until when (seconds since 1970), by vendor root, measurement or platform.
        paused_until: until when live keys alone are admitted.
        policy: what else was said of it since the genesis.
        phase_blocks: of the pinned ``Gatekeeping``, proven.
        revoked_gatekeepers: by signing key, the block in which the guardian ended them.
        gatekeeper_roots, gatekeeper_platforms: by signing key, of gatekeepers whose evidence the chain holds.
        unsigned_keys: by (program, epoch, kind), keys of which it was not seen yet who signed them.
        public_keys: 33 bytes by address, recovered from signatures.
        counts, simulated: by subject.
        unread: by subject, how many were made by another contract, whose call data do not show the signatures.
    """

    network: Network
    phase_blocks: int
    blocks: list[Block] = field(default_factory=list)
    committees: list[Committee] = field(default_factory=list)
    proposed: tuple[int, tuple[Seat, ...], int] | None = None
    sessions: dict[Digest, Session] = field(default_factory=dict)
    session: Digest = ZERO_DIGEST
    is_handover: bool = False
    configuration: Digest | None = None
    names: dict[bytes, Address] = field(default_factory=dict)
    is_sealed: bool = False
    workers: dict[WorkerId, WorkerHistory] = field(default_factory=dict)
    bound: dict[Address, WorkerId] = field(default_factory=dict)
    beacon: Beacon = field(default_factory=Beacon)
    distrusted: dict[Digest, int] = field(default_factory=dict)
    paused_until: int = 0
    policy: PolicyHistory = field(default_factory=PolicyHistory)
    clusters: dict[ClusterId, ClusterHistory] = field(default_factory=dict)
    programs: dict[ProgramId, ProgramHistory] = field(default_factory=dict)
    revoked_gatekeepers: dict[Address, Block] = field(default_factory=dict)
    gatekeeper_roots: dict[Address, Digest] = field(default_factory=dict)
    gatekeeper_platforms: dict[Address, Digest] = field(default_factory=dict)
    unsigned_keys: dict[tuple[ProgramId, int, int], bytes] = field(default_factory=dict)
    bindings: list[Binding] = field(default_factory=list)
    public_keys: dict[Address, bytes] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
    simulated: Counter[str] = field(default_factory=Counter)
    unread: Counter[str] = field(default_factory=Counter)
    warnings: list[str] = field(default_factory=list)
    network_id: NetworkId = field(init=False)
    configuration_hash: Digest = field(init=False)

    def __post_init__(self) -> None:
        self.network_id = compute_network_id(self.network)
        self.configuration_hash = compute_configuration_hash(self.network.configuration)

    @property
    def now(self) -> Block:
        """The block that is being read."""
        return self.blocks[-1]

    @property
    def committee(self) -> Committee | None:
        """The gatekeepers in office."""
        return self.committees[-1] if self.committees else None

    def standing(self, committee: Committee) -> dict[Address, int]:
        """Places of the members that are not revoked, by signing key."""
        return {signer: at for signer, at in committee.signers.items() if signer not in self.revoked_gatekeepers}

    def distrusts(self, *subjects: Digest) -> bool:
        """Whether one of vendor root, measurement and platform is distrusted now."""
        return any(not has_ended(self.distrusted.get(subject, 0), self.now.timestamp) for subject in subjects)

    def is_revoked(self, record: WorkerHistory) -> bool:
        """Whether an enclave counts for nothing now: itself, or by what the network distrusts."""
        live = record.live
        return record.revoked is not None or self.distrusts(live.root, live.measurement, live.platform)

    def address(self, contract: str) -> Address:
        """Of a pinned contract."""
        return self.network.configuration.contract(contract).address
