"""What the contracts' storage must hold, if the record is true: slot by slot, to be proven under the newest header.

Of a cluster's receipts the newest are compared, since they stand on those before them; their events are proven anyway.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from coprocessor.audit.beacons import beacon_slots
from coprocessor.audit.policy_history import PolicyHistory
from coprocessor.audit.records import falsehood
from coprocessor.audit.state import AuditState, ClusterHistory, Committee, ProgramHistory, WorkerHistory
from coprocessor.crypto.hashing import keccak256
from coprocessor.keys.transcript import compute_transcript_head
from coprocessor.protocol import layout

__all__ = ["Expected", "check_storage", "compute_expected"]

NEWEST_RECEIPTS: Final = 16

Expected = dict[tuple[str, bytes], tuple[int, str]]
"""By contract and slot: the value, and what it is for people."""

_ENDED: Final = ("epoch", "count", "inbox_head", "root", "checkpoint")
_Row = tuple[str, bytes, int | bytes, str]


def compute_expected(state: AuditState) -> Expected:
    """Every slot that the record says something about."""
    rows = [*_gatekeeping(state), *beacon_slots(state), *_registry(state)]
    for cluster in state.clusters.values():
        rows += _cluster(cluster)
    for program in state.programs.values():
        rows += _program(program)
    return {
        (contract, slot): (value if isinstance(value, int) else int.from_bytes(value, "big"), what)
        for contract, slot, value, what in rows
    }


def check_storage(expected: Expected, proven: Mapping[tuple[str, bytes], int]) -> None:
    """Raises EvidenceRefused ``audit.storage`` at the first slot that holds something else."""
    for key, (value, what) in expected.items():
        if proven.get(key) != value:
            raise falsehood(
                "audit.storage",
                f"{key[0]} holds {hex(proven.get(key, 0))[:20]} as {what}, the record adds up to {hex(value)[:20]}",
                "the record is not that of this state, or the contract did what its code cannot do",
                "report this to the authors of this software",
            )


def _gatekeeping(state: AuditState) -> Iterator[_Row]:
    name, committee = "Gatekeeping", state.committee
    if committee is None:
        return
    yield name, layout.gatekeeping_genesis(), state.network_id, "the genesis"
    yield name, layout.gatekeeping_session(), state.session, "the session"
    yield name, layout.gatekeeping_is_handover(), int(state.is_handover), "whether the key is handed over"
    yield name, layout.gatekeeping_phase_blocks(), state.phase_blocks, "the blocks of a phase"
    yield from _committee(committee)
    for signer in {seat[1] for known in state.committees for seat in known.seats}:
        revoked = state.revoked_gatekeepers.get(signer)
        number = 0 if revoked is None else revoked.number
        yield name, layout.gatekeeping_revoked(signer), number, "when a gatekeeper was revoked"
    for session in state.sessions.values():
        head = compute_transcript_head(session.identifier, session.entries)
        yield name, layout.gatekeeping_transcript_head(session.identifier), head, "the head of a transcript"
        count = layout.gatekeeping_transcript_count(session.identifier)
        yield name, count, len(session.entries), "the length of a transcript"


def _committee(committee: Committee) -> Iterator[_Row]:
    name = "Gatekeeping"
    yield name, layout.gatekeeping_threshold(), committee.threshold, "the threshold"
    yield name, layout.gatekeeping_member_count(), len(committee.seats), "the number of gatekeepers"
    for at, seat in enumerate(committee.seats):
        for field, value in zip(("operator", "signer", "sealing_key", "evidence_digest"), seat, strict=True):
            yield name, layout.gatekeeping_member(at, field), value, f"the {field} of gatekeeper {at}"
    if committee.keys is not None:
        yield name, layout.gatekeeping_committee(), committee.number, "the number of the committee"
        yield name, layout.gatekeeping_master_key_hash(), keccak256(committee.keys.group), "the master key"
        yield name, layout.gatekeeping_share_keys_hash(), keccak256(b"".join(committee.share_keys)), "the share keys"


def _registry(state: AuditState) -> Iterator[_Row]:
    if state.configuration is not None:
        yield "Registry", layout.registry_configuration(), state.configuration, "the configuration"
    for subject, until in state.distrusted.items():
        yield "Registry", layout.registry_distrusted(subject), until, "until when a subject is distrusted"
    yield "Registry", layout.registry_has_distrusted(), int(bool(state.distrusted)), "whether anything was distrusted"
    yield "Registry", layout.registry_policy("paused_until"), state.paused_until, "until when admission is paused"
    yield from _policy(state.policy)
    for record in state.workers.values():
        yield from _worker(record)
    for signer, worker in state.bound.items():
        live = state.workers[worker].live.signer == signer
        yield "Registry", layout.registry_bound_worker(signer), worker, "the worker of a key"
        yield "Registry", layout.registry_worker_of(signer), worker if live else 0, "the worker of a live key"


def _policy(policy: PolicyHistory) -> Iterator[_Row]:
    for measurement, (version, since, _) in policy.announced.items():
        yield "Registry", layout.registry_measurement(measurement, "version"), version, "the version of a measurement"
        yield "Registry", layout.registry_measurement(measurement, "since"), since, "when a measurement was announced"
    numbers = {
        "minimum_version": policy.minimum_version,
        "minimum_evaluation": max((number for _, number in policy.evaluations), default=0),
        "pinned_until": policy.refreshes[-1].until if policy.refreshes else 0,
        "refresh": len(policy.refreshes),
    }
    for name, value in numbers.items():
        yield "Registry", layout.registry_policy(name), value, f"{name} of the policy"
    for number, refresh in enumerate(policy.refreshes, start=1):
        for digest in sorted(refresh.pins):
            yield "Registry", layout.registry_pin(number, digest), 1, "a pin"


def _worker(record: WorkerHistory) -> Iterator[_Row]:
    live, block = record.admissions[-1]
    fields: dict[str, int | bytes] = {
        "operator": live.operator,
        "platform": live.platform,
        "role": live.role,
        "signer": live.signer,
        "sealing_key": live.sealing_key,
        "evidence_digest": live.evidence_digest,
        "measurement": live.measurement,
        "root": live.root,
        "level": live.level,
        "simulated": int(live.simulated),
        "admitted_block": block.number,
        "expires": live.expires,
        "revoked": int(record.revoked is not None),
    }
    for field, value in fields.items():
        yield "Registry", layout.registry_worker(record.worker, field), value, f"the {field} of a worker"


def _cluster(cluster: ClusterHistory) -> Iterator[_Row]:
    present = sum(one.left is None for one in cluster.memberships)
    fields: dict[str, int | bytes] = {
        "owner": cluster.owner,
        "epoch": len(cluster.epochs),
        "quorum": cluster.quorum,
        "fast_quorum": cluster.fast_quorum,
        "dispute_window": cluster.dispute_window,
        "open": int(cluster.open),
        "runtime": cluster.runtime,
        "member_count": present,
        "first_open": cluster.first_open,
    }
    for field, value in fields.items():
        yield "Clusters", layout.cluster_field(cluster.cluster, field), value, f"the {field} of a cluster"
    for worker in {one.worker for one in cluster.memberships}:
        member = cluster.member(worker)
        slot = layout.cluster_member(cluster.cluster, worker)
        yield "Clusters", slot, 0 if member is None else member.epoch, "a membership"
    for epoch in cluster.epochs:
        slot = layout.cluster_epoch(cluster.cluster, epoch.number, "start")
        yield "Clusters", slot, epoch.start, "the first link of an epoch"
        slot = layout.cluster_epoch(cluster.cluster, epoch.number, "raised")
        yield "Clusters", slot, epoch.raised.timestamp, "the beginning of an epoch"
        slot = layout.cluster_epoch(cluster.cluster, epoch.number, "runtime")
        yield "Clusters", slot, epoch.runtime, "the runtime of an epoch"
    waiting: dict[str, int | bytes] = dict(zip(("runtime", "ready"), cluster.next_runtime or (0, 0), strict=True))
    for field, value in waiting.items():
        yield "Clusters", layout.cluster_next_runtime(cluster.cluster, field), value, "an announced runtime"
    if cluster.boundary is not None:
        ended: dict[str, int | bytes] = dict(zip(_ENDED, cluster.boundary, strict=True))
        for field, value in ended.items():
            yield "Clusters", layout.cluster_boundary(cluster.cluster, field), value, f"the boundary's {field}"
    yield "Inbox", layout.inbox_head(cluster.cluster), cluster.head, "the head of an inbox"
    yield "Inbox", layout.inbox_count(cluster.cluster), len(cluster.heads), "the number of links"
    yield from _settled(cluster)


def _settled(cluster: ClusterHistory) -> Iterator[_Row]:
    name, receipts = "Settlement", cluster.receipts
    if receipts:
        yield name, layout.settled(cluster.cluster, "count"), receipts[-1].to, "the number of settled links"
        yield name, layout.settled(cluster.cluster, "root"), receipts[-1].root, "the settled root"
    yield name, layout.settled(cluster.cluster, "receipts"), len(receipts), "the number of receipts"
    yield name, layout.settlement_frozen_from(cluster.cluster), cluster.frozen_from, "the first frozen receipt"
    for number in range(max(0, len(receipts) - NEWEST_RECEIPTS), len(receipts)):
        fields: dict[str, int | bytes] = {
            "to": receipts[number].to,
            "root": receipts[number].root,
            "outputs_root": receipts[number].outputs_root,
            "final_block": receipts[number].final_block,
        }
        for field, value in fields.items():
            yield name, layout.receipt_field(cluster.cluster, number, field), value, f"the {field} of a receipt"


def _program(program: ProgramHistory) -> Iterator[_Row]:
    fields: dict[str, int | bytes] = {
        "owner": program.owner,
        "cluster": program.cluster,
        "code_hash": program.code_hash,
        "handle": program.handle,
        "policy": program.policy,
    }
    for field, value in fields.items():
        yield "Programs", layout.program_field(program.program, field), value, f"the {field} of a program"
    count = layout.program_upgrade_count(program.program)
    yield "Programs", count, len(program.versions), "the number of upgrades"
    for number, version in enumerate(program.versions, start=1):
        slot = layout.program_upgrade(program.program, number, "code_hash")
        yield "Programs", slot, version.code_hash, "the code of an upgrade"
        yield (
            "Programs",
            layout.program_upgrade(program.program, number, "link"),
            version.link,
            "the link of an upgrade",
        )
    for epoch, (key, _) in program.input_keys.items():
        yield "Programs", layout.input_key(program.program, epoch), key, "an input key"
