"""Which slots an enclave must see proven for which step (PROTOCOL 1.3, 3.1, 7.1, 8.2)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from coprocessor.attestation.evidence import Evidence, compute_collateral_digest
from coprocessor.chain.proofs import NamedProof
from coprocessor.host.feed import Wanted
from coprocessor.protocol import layout
from coprocessor.values.identities import ClusterId, ProgramId, WorkerId

__all__ = [
    "beacon",
    "ceremony",
    "committee",
    "handover",
    "members",
    "pinned",
    "policy",
    "progress",
    "proven_links",
    "subjects",
    "worker_standing",
]

_CLUSTER_FIELDS = ("epoch", "first_open", "quorum", "fast_quorum", "runtime")
_MEMBER_FIELDS = ("operator", "signer", "sealing_key", "evidence_digest")
_WORKER_FIELDS = ("operator", "platform", "role", "signer", "sealing_key", "expires", "revoked", "measurement", "root")
_POLICY_NUMBERS = ("paused_until", "minimum_version", "minimum_evaluation", "pinned_until", "refresh", "delay")


def committee(signers: Sequence[bytes]) -> Wanted:
    """The gatekeepers with these signing addresses (20 bytes each), in member order: network, threshold, members' keys,
    who is revoked, hash of the master key."""
    slots = [
        layout.gatekeeping_genesis(),
        layout.gatekeeping_threshold(),
        layout.gatekeeping_member_count(),
        layout.gatekeeping_master_key_hash(),
    ]
    for index in range(len(signers)):
        slots += [layout.gatekeeping_member(index, field) for field in ("operator", "signer", "sealing_key")]
    slots += [layout.gatekeeping_revoked(signer) for signer in signers]
    return {"Gatekeeping": slots, "Registry": [layout.registry_configuration()]}


def ceremony(session: bytes) -> Wanted:
    """A key ceremony: network, session, opening, length of phases, transcript, and whether an outcome is recorded."""
    slots = [
        layout.gatekeeping_genesis(),
        layout.gatekeeping_master_key_hash(),
        layout.gatekeeping_session(),
        layout.gatekeeping_opened(),
        layout.gatekeeping_phase_blocks(),
        layout.gatekeeping_transcript_head(session),
        layout.gatekeeping_transcript_count(session),
        layout.gatekeeping_committee(),
    ]
    return {"Gatekeeping": slots}


def handover(session: bytes, members: Sequence[bytes], following: Sequence[bytes]) -> Wanted:
    """A handover: what a ceremony needs, and both committees in full, by their signing addresses (20 bytes each)."""
    slots = [*ceremony(session)["Gatekeeping"], layout.gatekeeping_threshold(), layout.gatekeeping_member_count()]
    slots += [layout.gatekeeping_share_keys_hash(), layout.gatekeeping_is_handover()]
    slots += [layout.gatekeeping_next(name) for name in ("threshold", "count", "announced")]
    slots += [layout.gatekeeping_revoked(signer) for signer in dict.fromkeys((*members, *following))]
    for index in range(len(members)):
        slots += [layout.gatekeeping_member(index, name) for name in _MEMBER_FIELDS]
    for index in range(len(following)):
        slots += [layout.gatekeeping_next_member(index, name) for name in _MEMBER_FIELDS]
    return {"Gatekeeping": slots}


def beacon(session: bytes, members: int, committees: Iterable[int]) -> Wanted:
    """The beacon: its ceremony, whose keys serve, and the committee that makes one (PROTOCOL 10).

    Args:
        session: 32 bytes, of the ceremony that is under way, or was the last.
        members: of the present committee; 0 where its ceremony is not looked at.
        committees: numbers of those whose keys are looked at.
    """
    names = ("session", "opened", "in_ceremony", "phase_blocks", "committee", "former_committee", "window")
    slots = [layout.beacon_variable(name) for name in names]
    slots += [layout.beacon_transcript_head(session), layout.beacon_transcript_count(session)]
    slots += [layout.beacon_key(number, name) for number in committees for name in ("key_hash", "recorded")]
    if not members:
        return {"Beacon": slots}
    whose = [layout.gatekeeping_genesis(), layout.gatekeeping_committee()]
    whose += [layout.gatekeeping_threshold(), layout.gatekeeping_member_count()]
    whose += [layout.gatekeeping_member(index, "signer") for index in range(members)]
    return {"Beacon": slots, "Gatekeeping": whose}


def members(present: Sequence[bytes], following: Sequence[bytes]) -> Wanted:
    """Who the gatekeepers with these signing addresses are, the announced ones, and who is revoked (PROTOCOL 9.5)."""
    slots = [layout.gatekeeping_member_count(), layout.gatekeeping_next("count")]
    slots += [layout.gatekeeping_member(index, "signer") for index in range(len(present))]
    slots += [layout.gatekeeping_next_member(index, "signer") for index in range(len(following))]
    slots += [layout.gatekeeping_revoked(signer) for signer in {*present, *following}]
    return {"Gatekeeping": slots}


def worker_standing(cluster: ClusterId, worker: WorkerId, signer: bytes) -> Wanted:
    """A worker's record, its key, its membership, and the cluster's terms."""
    return {
        "Registry": [
            layout.registry_worker_of(signer),
            *(layout.registry_worker(worker, field) for field in _WORKER_FIELDS),
        ],
        "Clusters": [
            layout.cluster_member(cluster, worker),
            *(layout.cluster_field(cluster, field) for field in _CLUSTER_FIELDS),
        ],
    }


def subjects(record: Sequence[bytes]) -> tuple[bytes, bytes, bytes]:
    """Vendor root, measurement and platform of a worker's record, as ``Registry.workers`` tells it."""
    fields = layout.STRUCTS["Registry.workers"]
    root, measurement, platform = (record[fields.index(name)] for name in ("root", "measurement", "platform"))
    return root, measurement, platform


def policy(root: bytes, measurement: bytes, platform: bytes, signer: bytes) -> Wanted:
    """What the network says now of an enclave's vendor, measurement and platform, of admission as a whole, and of a
    signing key."""
    slots: list[bytes] = [layout.registry_distrusted(subject) for subject in (root, measurement, platform)]
    slots += [layout.registry_measurement(measurement, field) for field in ("since", "version")]
    slots += [layout.registry_policy(name) for name in _POLICY_NUMBERS]
    return {"Registry": [*slots, layout.registry_worker_of(signer)]}


def pinned(evidence: Evidence, proofs: Iterable[NamedProof]) -> Wanted:
    """Whether this evidence's collateral is pinned, by proofs of ``policy`` that name the newest refresh."""
    values = {slot.slot: slot.value for proof in proofs for slot in proof.answer.slots}
    digest = compute_collateral_digest(evidence.kind, evidence.collateral)
    return {"Registry": [layout.registry_pin(values.get(layout.registry_policy("refresh"), 0), digest)]}


def progress(cluster: ClusterId, keys: Iterable[tuple[ProgramId, int]]) -> Wanted:
    """How far inbox, settlement and epochs are, and the recorded input keys of (program, epoch)."""
    wanted: dict[str, list[bytes]] = {
        "Inbox": [layout.inbox_head(cluster), layout.inbox_count(cluster)],
        "Settlement": [layout.settled(cluster, field) for field in ("count", "root", "receipts")],
        "Clusters": [layout.cluster_field(cluster, field) for field in ("epoch", "first_open")],
    }
    recorded: list[bytes] = [layout.input_key(program, epoch) for program, epoch in keys]
    if recorded:
        wanted["Programs"] = recorded
    return wanted


def proven_links(cluster: ClusterId, proofs: Iterable[NamedProof]) -> int:
    """The number of links in the cluster's inbox, from proofs of ``progress`` that the enclave has accepted."""
    asked = layout.inbox_count(cluster)
    return next(
        slot.value
        for proof in proofs
        if proof.contract == "Inbox"
        for slot in proof.answer.slots
        if slot.slot == asked
    )
