"""Members of the committees: the evidence that they publish, and whom the guardian has revoked (PROTOCOL 1.4, 9.1).

Rules:
1. A member's evidence is the one whose signed body has the digest that stands in the committee's list. Operators may
   publish any bytes, so what does not match, or claims what its report data do not bind, proves nothing and accuses
   nobody.
2. Matching evidence of code or of a vendor that the network's policy does not accept is a falsehood of those who signed
   the list. It is judged at the block that it names, or in which it was published, whichever it fits.
3. A revoked member signs, deals and receives no more.
"""

from __future__ import annotations

from typing import Any, Final

from coprocessor.attestation.evidence import decode_evidence
from coprocessor.attestation.verify import verify_evidence
from coprocessor.audit.admissions import is_bound, judge_evidence
from coprocessor.audit.records import Event, falsehood
from coprocessor.audit.state import AuditState, Binding, Seat
from coprocessor.values.errors import CoprocessorError
from coprocessor.values.identities import Address

__all__ = ["count_unproven", "on_evidence", "on_revoked"]

GATEKEEPERS: Final = "gatekeepers"
_DAMNING: Final = frozenset(
    {
        "attestation.measurement_unknown",
        "attestation.root_unknown",
        "attestation.simulated_refused",
    }
)
"""Refusals that no other collateral would have spared it."""


def on_evidence(state: AuditState, event: Event) -> None:
    """Published evidence (rules 1 and 2). Raises EvidenceRefused ``audit.evidence``."""
    signer = Address(event["signer"])
    seat = _seat(state, signer)
    if seat is None or signer in state.gatekeeper_roots:
        return
    name = f"the evidence of gatekeeper 0x{signer.hex()}"
    key, _, _, number, block_hash = _claims(event)
    if not 0 <= number < state.now.number or state.blocks[number].hash != block_hash:
        state.warnings.append(f"{name} was published with a block that is not on this chain: it proves nothing")
        return
    named = state.blocks[number]
    try:
        verdict = judge_evidence(state, decode_evidence(event["evidence"]), named)
    except CoprocessorError as error:
        if error.code in _DAMNING and _is_of(event["evidence"], seat, named.timestamp):
            raise falsehood(
                "audit.evidence",
                f"{name} is refused: {error.code}: {error.what}",
                "those who signed the committee's list took what the network's policy refuses",
            ) from error
        state.warnings.append(f"{name} was published in a form that does not hold: {error.code}")
        return
    if verdict.body_digest != seat[3]:
        state.warnings.append(f"{name} was published with another digest than the committee's list has")
        return
    binding = Binding(name, seat[0], signer, seat[2], named, verdict.report_data, key)
    if not is_bound(state, binding, key):
        state.warnings.append(f"{name} was published with claims that it does not bind: it proves nothing")
        return
    state.gatekeeper_roots[signer] = verdict.root
    state.gatekeeper_platforms[signer] = verdict.platform_id
    state.counts[GATEKEEPERS] += 1
    state.simulated[GATEKEEPERS] += verdict.simulated


def on_revoked(state: AuditState, event: Event) -> None:
    """The guardian ends a member (rule 3). Raises EvidenceRefused ``audit.revocation``."""
    committee, signer = state.committee, Address(event["signer"])
    if committee is None or committee.number != event["committee"] or committee.signers.get(signer) != event["member"]:
        raise falsehood("audit.revocation", f"0x{signer.hex()} was revoked without being a member", "PROTOCOL 1.4")
    if signer in state.revoked_gatekeepers:
        raise falsehood("audit.revocation", f"gatekeeper 0x{signer.hex()} was revoked twice", "PROTOCOL 1.4")
    state.revoked_gatekeepers[signer] = state.now
    state.is_handover = False
    if state.proposed is not None and signer in {seat[1] for seat in state.proposed[1]}:
        state.proposed = None
    state.counts["revocations"] += 1


def count_unproven(state: AuditState) -> int:
    """How many members of all committees have no evidence on the chain that holds."""
    signers = {seat[1] for committee in state.committees for seat in committee.seats}
    return len(signers - set(state.gatekeeper_roots))


def _seat(state: AuditState, signer: Address) -> Seat | None:
    """The member with this key: announced, or of any committee."""
    lists = [committee.seats for committee in state.committees]
    lists += [state.proposed[1]] if state.proposed is not None else []
    return next((seat for seats in reversed(lists) for seat in seats if seat[1] == signer), None)


def _claims(event: Event) -> tuple[bytes, int, bytes, int, bytes]:
    claims: Any = event["claims"]
    key, first, first_hash, number, block_hash = claims
    return key, first, first_hash, number, block_hash


def _is_of(data: bytes, seat: Seat, moment: int) -> bool:
    """Whether evidence that the policy refuses is the listed member's."""
    from_chain = decode_evidence(data)
    try:
        return verify_evidence(from_chain, moment).body_digest == seat[3]
    except CoprocessorError:
        return False
