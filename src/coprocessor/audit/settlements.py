"""Programs, their input keys, and settled receipts (PROTOCOL 4.4, 7.1, 7.2).

Rules:
1. A receipt goes from the last settled link and root to a replayed head, within one epoch and its runtime, under a
   block of this chain; a quorum of distinct operators signed it.
2. An input key is signed by a quorum of the cluster, for the epoch that was present.
3. A program's id follows from its owner, code, cluster, salt and policy.
"""

from __future__ import annotations

from typing import Any, Final

from coprocessor.audit.clusters import cluster_of
from coprocessor.audit.records import Event, falsehood
from coprocessor.audit.signatures import check_members, signatures_of
from coprocessor.audit.state import AuditState, ClusterHistory, ProgramHistory, SettledRange
from coprocessor.protocol.receipts import Receipt
from coprocessor.protocol.statements import INPUT_KEY, ProgramKey, ProgramKeysRecord, compute_keys_hash
from coprocessor.protocol.system import compute_program_id
from coprocessor.values.identities import (
    Address,
    ClusterId,
    CodeHash,
    Digest,
    NetworkId,
    ProgramId,
    RuntimeId,
    StateRoot,
)

__all__ = [
    "check_signed",
    "on_account_signer",
    "on_contested",
    "on_disputed",
    "on_equivocated",
    "on_input_key",
    "on_instantiated",
    "on_keys_published",
    "on_settled",
]

PROGRAMS: Final = "programs"
INPUT_KEYS: Final = "input keys"
SETTLEMENTS: Final = "settlements"
ACCOUNT_SIGNER: Final = 1
"""Kind of a program's key that is the signer of its account, a number of 160 bits (PROTOCOL 8.7)."""
_TYPES: Final = (
    NetworkId, ClusterId, int, RuntimeId, int, int, Digest, StateRoot, StateRoot, Digest, int, Digest,
)  # fmt: skip


def on_instantiated(state: AuditState, event: Event) -> None:
    """A program comes to be (rule 3). Raises EvidenceRefused ``audit.program``."""
    cluster, program = cluster_of(state, event), ProgramId(event["program"])
    code_hash, policy = CodeHash(event["code_hash"]), event["policy"]
    arguments = signatures_of(state, event, "instantiate", PROGRAMS)
    if arguments is not None:
        salt: Any = arguments["salt"]
        chain_id, programs = state.network.configuration.chain_id, state.address("Programs")
        owner = Address(event["owner"])
        expected = compute_program_id(chain_id, programs, owner, code_hash, cluster.cluster, salt, policy)
        if program != expected:
            raise falsehood(
                "audit.program", f"program 0x{program.hex()} has another id than its origin gives", "rule 3"
            )
    if program in state.programs:
        raise falsehood("audit.program", f"program 0x{program.hex()} was instantiated twice", "PROTOCOL 12")
    state.programs[program] = ProgramHistory(
        program,
        cluster.cluster,
        Address(event["owner"]),
        Digest(code_hash),
        event["handle"],
        Digest(policy),
        state.now,
    )
    state.counts[PROGRAMS] += 1


def on_input_key(state: AuditState, event: Event) -> None:
    """An input key is recorded; who signed it follows (rule 2). Raises EvidenceRefused ``audit.input_key``."""
    program, epoch, key = ProgramId(event["program"]), event["epoch"], event["key"]
    owner = state.programs.get(program)
    cluster = state.clusters.get(ClusterId(program) if owner is None else owner.cluster)
    name = f"the input key of 0x{program.hex()} for epoch {epoch}"
    if cluster is None or epoch != len(cluster.epochs):
        raise falsehood("audit.input_key", f"{name} is of no program, or not of the present epoch", "PROTOCOL 4.4")
    if owner is not None:
        owner.input_keys[epoch] = (key, 0)
    state.unsigned_keys[program, epoch, INPUT_KEY] = key
    state.counts[INPUT_KEYS] += 1


def on_account_signer(state: AuditState, event: Event) -> None:
    """The signer of a program's account is recorded (PROTOCOL 8.7); who signed it follows (rule 2).

    Raises:
        EvidenceRefused: ``audit.input_key``.
    """
    program, epoch = ProgramId(event["program"]), event["epoch"]
    owner = state.programs.get(program)
    if owner is None or epoch != len(state.clusters[owner.cluster].epochs):
        name = f"the account's signer of 0x{program.hex()} for epoch {epoch}"
        raise falsehood("audit.input_key", f"{name} is of no program, or not of the present epoch", "PROTOCOL 8.7")
    owner.account_signers[epoch] = Address(event["signer"])
    state.unsigned_keys[program, epoch, ACCOUNT_SIGNER] = event["signer"].rjust(32, b"\0")
    state.counts[INPUT_KEYS] += 1


def on_keys_published(state: AuditState, event: Event) -> None:
    """Who signed the keys before it (rule 2). Raises EvidenceRefused ``audit.input_key`` and as ``check_members``."""
    cluster, epoch = cluster_of(state, event), event["epoch"]
    name = f"the input keys of epoch {epoch}"
    if epoch != len(cluster.epochs):
        raise falsehood("audit.input_key", f"{name} are not of the present epoch", "PROTOCOL 4.4")
    arguments = signatures_of(state, event, "publish_keys", INPUT_KEYS)
    if arguments is None:
        state.unsigned_keys.clear()
        return
    given: Any = arguments["keys"]
    keys = [ProgramKey(ProgramId(program), kind, key) for program, kind, key in given]
    record = ProgramKeysRecord(state.network_id, cluster.cluster, epoch, compute_keys_hash(keys))
    digest = record.digest(state.network.configuration.chain_id, state.address("Programs"))
    signatures: Any = arguments["signatures"]
    if list(event["signers"]) != check_members(
        state, cluster, digest, signatures, cluster.epochs[epoch - 1].quorum, name
    ):
        raise falsehood("audit.input_key", f"{name} name other signers than those who signed", "PROTOCOL 4.4")
    for one in keys:
        recorded = state.unsigned_keys.pop((one.program, epoch, one.kind), None)
        if recorded is not None and recorded != one.key:
            raise falsehood("audit.input_key", f"{name}: another key was recorded than signed", "PROTOCOL 4.4")
        if recorded is not None and one.kind == INPUT_KEY and one.program in state.programs:
            state.programs[one.program].input_keys[epoch] = (one.key, len(event["signers"]))


def check_signed(state: AuditState) -> None:
    """No input key was recorded without signatures. Raises EvidenceRefused ``audit.input_key``."""
    for program, epoch, _ in state.unsigned_keys:
        raise falsehood(
            "audit.input_key", f"nobody signed a key of 0x{program.hex()} for epoch {epoch}", "PROTOCOL 4.4"
        )


def on_disputed(state: AuditState, event: Event) -> None:
    """A member derives another key: true, and a warning."""
    program, epoch, worker = event["program"].hex(), event["epoch"], event["worker"].hex()
    what = f"the input key of 0x{program} for epoch {epoch}"
    state.warnings.append(f"worker 0x{worker} disputes {what}: do not seal to it")


def on_settled(state: AuditState, event: Event) -> None:
    """A settled receipt (rule 1). Raises EvidenceRefused ``audit.receipt`` and as ``check_members``."""
    cluster, number = cluster_of(state, event), event["receipt_number"]
    name = f"receipt {number} of cluster 0x{cluster.cluster.hex()[:16]}…"
    first, to = event["first"], event["to"]
    last = cluster.receipts[-1].to if cluster.receipts else 0
    if number != len(cluster.receipts) or first != last or not first < to <= len(cluster.heads):
        raise falsehood("audit.receipt", f"{name} does not follow the one before it", "PROTOCOL 7.1")
    arguments = signatures_of(state, event, "settle", SETTLEMENTS)
    if arguments is not None:
        _check_receipt(state, cluster, event, arguments, name)
    cluster.receipts.append(
        SettledRange(
            first,
            to,
            Digest(event["new_root"]),
            Digest(event["outputs_root"]),
            event["final_block"],
            len(event["signers"]),
        )
    )
    state.counts[SETTLEMENTS] += 1


def _check_receipt(state: AuditState, cluster: ClusterHistory, event: Event, arguments: Any, name: str) -> None:
    receipt = Receipt(*(kind(value) for kind, value in zip(_TYPES, arguments["receipt"], strict=True)))
    said = (event["cluster"], event["first"], event["to"], event["new_root"], event["outputs_root"])
    if said != (receipt.cluster, receipt.first, receipt.to, receipt.new_root, receipt.outputs_root):
        raise falsehood("audit.receipt", f"{name}: the event and what was signed differ", "PROTOCOL 7.1")
    previous = cluster.receipts[-1].root if cluster.receipts else bytes(32)
    if receipt.network != state.network_id or receipt.previous_root != previous:
        raise falsehood("audit.receipt", f"{name} is of another network, or builds on another root", "PROTOCOL 7.1")
    if receipt.inbox_head != cluster.heads[receipt.to - 1]:
        raise falsehood("audit.receipt", f"{name} is of another inbox than the replayed one", "PROTOCOL 3.1, 7.1")
    if not 1 <= receipt.epoch <= len(cluster.epochs):
        raise falsehood("audit.receipt", f"{name} names epoch {receipt.epoch}, which is none", "PROTOCOL 7.2")
    epoch = cluster.epochs[receipt.epoch - 1]
    if not epoch.start <= receipt.first or receipt.to > cluster.epoch_end(epoch.number):
        raise falsehood("audit.receipt", f"{name} straddles the epoch that it names", "PROTOCOL 7.2")
    if Digest(receipt.runtime) != epoch.runtime:
        raise falsehood("audit.receipt", f"{name} names another runtime than its epoch has", "PROTOCOL 7.2")
    block = receipt.block_number
    if block >= state.now.number or state.blocks[block].hash != receipt.block_hash:
        raise falsehood("audit.receipt", f"{name} names block {block}, which is not on this chain", "PROTOCOL 7.1")
    digest = receipt.digest(state.network.configuration.chain_id, state.address("Settlement"))
    if list(event["signers"]) != check_members(state, cluster, digest, arguments["signatures"], epoch.quorum, name):
        raise falsehood("audit.receipt", f"{name} names other signers than those who signed", "PROTOCOL 7.1")


def on_contested(state: AuditState, event: Event) -> None:
    """Two quorums signed different outcomes: true, and a warning."""
    cluster, number = cluster_of(state, event), event["receipt_number"]
    cluster.frozen_from = number + 1
    state.warnings.append(
        f"cluster 0x{cluster.cluster.hex()} is frozen from receipt {number} on: two quorums signed different outcomes"
    )


def on_equivocated(state: AuditState, event: Event) -> None:
    """A worker signed two contrary receipts: true, and a warning."""
    state.warnings.append(f"worker 0x{event['worker'].hex()} signed two contrary receipts and was revoked")
