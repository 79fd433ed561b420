"""Admissions: evidence verified again, under the policy and at the time that were its own (PROTOCOL 1.2, 7.6, 9.2).

Rules:
1. The threshold of the committee then in office signed it, over a block of this chain, and it ends in time.
2. The published evidence holds under the network's policy at a time between the block that it names and the block in
   which it counted; collateral may have been fetched between the two.
3. Platform, measurement, level and simulation are those that the evidence shows; report data are computed again from
   network, operator, keys and blocks. The enclave's first block is looked for among all before it.
4. A platform has one live key; no key comes back or serves two; nobody revoked is admitted (PROTOCOL 7.6).
5. Nothing that the network distrusts is admitted, during a pause nothing but live keys, and while pins hold nothing
   whose collateral is not pinned (PROTOCOL 1.4).
"""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any, Final

from coprocessor.attestation.evidence import SIGNING_KEY, Evidence, compute_collateral_digest, decode_evidence
from coprocessor.attestation.policy import AttestationPolicy, evaluate, verify_pinned
from coprocessor.attestation.report_data import ReportClaims
from coprocessor.attestation.verdict import Verdict
from coprocessor.attestation.verify import verify_evidence
from coprocessor.audit.records import Event, falsehood
from coprocessor.audit.signatures import check_committee, signatures_of
from coprocessor.audit.state import AuditState, Binding, Block, WorkerHistory
from coprocessor.crypto.secp256k1 import address_of
from coprocessor.protocol.statements import ROLE_GATEKEEPER, ROLE_WORKER, Admission
from coprocessor.protocol.system import compute_worker_id
from coprocessor.protocol.terms import compute_least_evaluation, has_ended, is_too_old, is_version_taken
from coprocessor.values.errors import CoprocessorError, EvidenceRefused
from coprocessor.values.identities import Address, Digest, WorkerId

__all__ = [
    "ADMISSION_SECONDS",
    "check_bound",
    "is_bound",
    "judge_evidence",
    "on_admitted",
    "on_configured",
    "on_distrusted",
    "on_revoked",
]

ADMISSION_SECONDS: Final = 7 * 86_400
"""The longest that an admission may last after the block that its evidence names."""

POLICY_WINDOW: Final = 32
"""Blocks by which gatekeepers' proofs of the policy may be older than the block that the evidence names."""

ADMISSIONS, REVOCATIONS, REPORT_DATA = "admissions", "revocations", "report data"
PUBLIC_KEY_LENGTH: Final = 33


def on_configured(state: AuditState, event: Event) -> None:
    """Raises EvidenceRefused ``audit.configuration``."""
    if event["configuration"] != state.configuration_hash:
        raise falsehood(
            "audit.configuration", "Registry holds another configuration than the pinned one", "PROTOCOL 1.2"
        )
    state.configuration = Digest(event["configuration"])
    state.counts["configuration"] += 1


def on_admitted(state: AuditState, event: Event) -> None:
    """One admission. Raises EvidenceRefused ``audit.admission``, ``audit.evidence``, ``audit.report_data`` and as
    ``check_committee``."""
    admission = Admission(*(_typed(name, value) for name, value in zip(_FIELDS, event["admission"], strict=True)))
    worker = compute_worker_id(admission.operator, admission.platform)
    name = f"admission of 0x{admission.signer.hex()} in block {state.now.number}"
    _check_form(state, admission, worker, event, name)
    _check_signatures(state, event, admission, name)
    _check_policy(state, admission, worker, name)
    verdict = _verify(state, admission, event["evidence"], name)
    _bind(state, worker, admission, name, verdict)
    state.counts[ADMISSIONS] += 1
    state.simulated[ADMISSIONS] += admission.simulated


def on_revoked(state: AuditState, event: Event) -> None:
    """A worker ends. Raises EvidenceRefused ``audit.admission``."""
    record = state.workers.get(WorkerId(event["worker"]))
    if record is None or record.revoked is not None or record.live.signer != event["signer"]:
        raise falsehood(
            "audit.admission", f"0x{event['worker'].hex()} was revoked without being admitted", "PROTOCOL 7.6"
        )
    record.revoked = state.now
    state.counts[REVOCATIONS] += 1


def on_distrusted(state: AuditState, event: Event) -> None:
    """A vendor's root, a measurement or a platform counts for nothing, until a time."""
    state.distrusted[Digest(event["subject"])] = event["until"]
    state.counts[REVOCATIONS] += 1


def check_bound(state: AuditState) -> None:
    """Computes the report data of every enclave again, once all public keys that the record shows are known (rule 3).

    Raises:
        EvidenceRefused: ``audit.report_data``.
    """
    for enclave in state.bindings:
        key = enclave.public_key or state.public_keys.get(enclave.signer, b"")
        if not key:
            state.unread[REPORT_DATA] += 1
        elif not is_bound(state, enclave, key):
            raise falsehood(
                "audit.report_data",
                f"{enclave.name}: its evidence binds another network, operator, key or block",
                "evidence of another enclave was relayed or replayed (PROTOCOL 1.2)",
            )


def is_bound(state: AuditState, enclave: Binding, key: bytes) -> bool:
    """Whether report data bind network, operator, keys, the newest block, and any block before it as the first."""
    if len(key) != PUBLIC_KEY_LENGTH or address_of(key) != enclave.signer:
        return False
    registry, named = state.address("Registry"), enclave.named
    return any(
        ReportClaims(
            state.configuration_hash,
            registry,
            enclave.operator,
            key,
            enclave.sealing_key,
            first.hash,
            named.hash,
            named.number,
        ).compute()
        == enclave.report_data
        for first in reversed(state.blocks[: named.number + 1])
    )


_FIELDS: Final = tuple(field.name for field in fields(Admission))
_ADDRESSES: Final = frozenset({"operator", "signer"})


def _typed(name: str, value: Any) -> Any:
    return Address(value) if name in _ADDRESSES else Digest(value) if isinstance(value, bytes) else value


def _check_form(state: AuditState, admission: Admission, worker: WorkerId, event: Event, name: str) -> None:
    said = (event["worker"], event["operator"], event["signer"])
    if said != (worker, admission.operator, admission.signer) or admission.role not in (ROLE_WORKER, ROLE_GATEKEEPER):
        raise falsehood("audit.admission", f"{name}: the event and what was signed differ", "PROTOCOL 7.6")
    if admission.configuration != state.configuration_hash:
        raise falsehood("audit.admission", f"{name}: it is for another network's configuration", "PROTOCOL 1.2")
    number = admission.block_number
    is_before = number < state.now.number and not is_too_old(number, state.now.number)
    if not is_before or state.blocks[number].hash != admission.block_hash:
        raise falsehood("audit.admission", f"{name}: block {number} is not on this chain, or too old", "PROTOCOL 1.2")
    lasts = admission.expires - state.blocks[number].timestamp
    if has_ended(admission.expires, state.now.timestamp) or lasts > ADMISSION_SECONDS:
        raise falsehood(
            "audit.admission", f"{name}: it lasts {lasts} s", f"admissions end after {ADMISSION_SECONDS} s at most"
        )


def _check_signatures(state: AuditState, event: Event, admission: Admission, name: str) -> None:
    committee = state.committee
    if committee is None:
        raise falsehood("audit.admission", f"{name}: there was no committee", "PROTOCOL 9.2")
    arguments = signatures_of(state, event, "admit", ADMISSIONS)
    if arguments is not None:
        digest = admission.digest(state.network.configuration.chain_id, state.address("Registry"))
        signatures: Any = arguments["signatures"]
        check_committee(state, digest, signatures, state.standing(committee), committee.threshold, name)


def _check_policy(state: AuditState, admission: Admission, worker: WorkerId, name: str) -> None:
    """What the network had said by then (rule 5)."""
    if state.distrusts(admission.root, admission.measurement, admission.platform):
        raise falsehood("audit.distrusted", f"{name}: its vendor, code or machine was distrusted then", "PROTOCOL 1.4")
    listed = frozenset(state.network.configuration.attestation.measurements)
    version = state.policy.version(admission.measurement, listed, state.now.timestamp)
    if not is_version_taken(version, state.policy.minimum_version):
        raise falsehood("audit.version", f"{name}: its measurement has version {version}", "PROTOCOL 1.4")
    record = state.workers.get(worker)
    renews = record is not None and record.live.signer == admission.signer
    if not has_ended(state.paused_until, state.now.timestamp) and not renews:
        raise falsehood("audit.distrusted", f"{name}: admission was paused then", "PROTOCOL 1.4")


def _verify(state: AuditState, admission: Admission, data: bytes, name: str) -> Verdict:
    """The verdict on published evidence (rules 2 and 3)."""
    named = state.blocks[admission.block_number]
    try:
        evidence = decode_evidence(data)
        verdict = judge_evidence(state, evidence, named)
        _check_pins(state, evidence, named)
    except CoprocessorError as error:
        raise falsehood(
            "audit.evidence",
            f"{name}: its evidence is refused: {error.code}: {error.what}",
            "t gatekeepers admitted what the network's policy refuses",
        ) from error
    shown = (
        verdict.platform_id,
        verdict.body_digest,
        verdict.measurement_digest,
        verdict.root,
        verdict.level,
        verdict.simulated,
    )
    said = (
        admission.platform,
        admission.evidence_digest,
        admission.measurement,
        admission.root,
        admission.level,
        admission.simulated,
    )
    if shown != said:
        raise falsehood(
            "audit.evidence", f"{name}: the gatekeepers signed something else than its evidence shows", "PROTOCOL 1.2"
        )
    state.bindings.append(
        Binding(
            name,
            admission.operator,
            admission.signer,
            admission.sealing_key,
            named,
            verdict.report_data,
            evidence.extra(SIGNING_KEY),
        )
    )
    return verdict


def _check_pins(state: AuditState, evidence: Evidence, named: Block) -> None:
    """Raises EvidenceRefused ``attestation.collateral_not_pinned`` (rule 5)."""
    if not evidence.collateral:
        return
    digest = compute_collateral_digest(evidence.kind, evidence.collateral)
    if not state.policy.may_take(digest, named.number - POLICY_WINDOW, state.now.timestamp):
        raise EvidenceRefused(
            "attestation.collateral_not_pinned", f"collateral 0x{digest.hex()} was not pinned when it was judged"
        )


def judge_evidence(state: AuditState, evidence: Evidence, named: Block) -> Verdict:
    """The verdict at the admission's own block, or else at the block that the evidence names (rule 2)."""
    floor = AttestationPolicy.of_network(state.network.configuration)
    chain = state.policy.evaluation_at(named.number - POLICY_WINDOW)
    least = compute_least_evaluation(floor.minimum_evaluation, chain)
    known = floor.measurements | set(state.policy.announced)  # whether it counted then, _check_policy asks
    policy = replace(floor, minimum_evaluation=least, measurements=known)
    verify_pinned(evidence, policy)
    refusal: EvidenceRefused | None = None
    for moment in (state.now.timestamp, named.timestamp):
        try:
            verdict = verify_evidence(evidence, moment)
            evaluate(verdict, policy, verdict.report_data, moment)
            return verdict
        except EvidenceRefused as error:
            refusal = refusal or error
    assert refusal is not None
    raise refusal


def _bind(state: AuditState, worker: WorkerId, admission: Admission, name: str, verdict: Verdict) -> None:
    """One live key (rule 4)."""
    record = state.workers.get(worker)
    owner = state.bound.get(admission.signer)
    if record is None:
        record = state.workers[worker] = WorkerHistory(worker, [])
        is_fresh = owner is None
    else:
        renews = owner == worker and record.live.signer == admission.signer
        is_fresh = record.revoked is None and record.live.role == admission.role and (owner is None or renews)
    if not is_fresh:
        raise falsehood(
            "audit.key_twice",
            f"{name}: the key was used before, or its platform was revoked or had another role",
            "one live key per platform, and none comes back (PROTOCOL 7.6)",
        )
    record.admissions.append((admission, state.now))
    record.vendor = verdict.kind.value
    state.bound[admission.signer] = worker
