"""Members' evidence as ``Gatekeeping`` publishes it: for gatekeepers, who verify a newcomer before they deal to it, and
for auditors, who repeat what gatekeepers verified (PROTOCOL 9.1, 9.4).

Nobody vouches for an event of this kind: whoever reads it MUST verify the evidence and compare the digest of its signed
body with the list's.
"""

from __future__ import annotations

from typing import Any

from coprocessor.attestation.evidence import decode_evidence
from coprocessor.attestation.verify import verify_evidence
from coprocessor.chain.committee import ListedMember
from coprocessor.chain.contract import Contract
from coprocessor.chain.deployment import GatekeeperMember
from coprocessor.chain.follower import LogReader
from coprocessor.chain.node import Block
from coprocessor.enclave import messages as m
from coprocessor.protocol.statements import ROLE_GATEKEEPER
from coprocessor.values.identities import Address, Digest

__all__ = ["admission_request", "encode_publication", "is_published", "listed_member", "read_evidence"]


def encode_publication(gatekeeping: Contract, own: m.Admit) -> bytes:
    """The call that publishes an enclave's evidence with all that it binds."""
    claims = (own.signing_key, own.checkpoint_number, own.checkpoint_hash, own.block_number, own.block_hash)
    return gatekeeping.encode("publish_evidence", own.signer, claims, own.evidence)


def admission_request(
    role: int, booted: m.Booted, operator: bytes, attested: m.Attested, checkpoint: Block
) -> m.Admit:
    """An enclave's own evidence with all that it binds."""
    return m.Admit(
        role=role,
        operator=operator,
        signer=booted.signer,
        signing_key=booted.signing_key,
        sealing_key=booted.sealing_key,
        evidence=attested.evidence,
        checkpoint_hash=attested.checkpoint_hash,
        checkpoint_number=checkpoint.number,
        block_number=attested.block_number,
        block_hash=attested.block_hash,
    )


def listed_member(request: m.Admit, now: int) -> GatekeeperMember:
    """A first member as the chain records it, from evidence at chain time ``now``. Raises EvidenceRefused."""
    verdict = verify_evidence(decode_evidence(request.evidence), now)
    return GatekeeperMember(
        Address(request.operator), Address(request.signer), request.sealing_key, Digest(verdict.body_digest)
    )


async def is_published(gatekeeping: Contract, signer: bytes, evidence: bytes, last: int) -> bool:
    """Whether this very evidence stands in an event up to block ``last``."""
    return any(event["evidence"] == evidence for event in await _events(gatekeeping, signer, last))


async def read_evidence(gatekeeping: Contract, member: ListedMember, last: int) -> tuple[m.Admit, ...]:
    """What was published for a member up to block ``last``, newest first, as the member would ask for admission."""
    events = reversed(await _events(gatekeeping, member.signer, last))
    return tuple(_admission(member, event["claims"], event["evidence"]) for event in events)


def _admission(member: ListedMember, claims: list[Any], evidence: bytes) -> m.Admit:
    signing_key, checkpoint_number, checkpoint_hash, block_number, block_hash = claims
    return m.Admit(
        role=ROLE_GATEKEEPER,
        operator=member.operator,
        signer=member.signer,
        signing_key=signing_key,
        sealing_key=member.sealing_key,
        evidence=evidence,
        checkpoint_hash=checkpoint_hash,
        checkpoint_number=checkpoint_number,
        block_number=block_number,
        block_hash=block_hash,
    )


async def _events(gatekeeping: Contract, signer: bytes, last: int) -> list[dict[str, Any]]:
    topics = [gatekeeping.interface.event("EvidencePublished").topic, bytes(12) + signer]
    found: list[dict[str, Any]] = []
    async for _, logs in LogReader(gatekeeping.node).read([gatekeeping.address], topics, 0, last):
        found += gatekeeping.events(logs, "EvidencePublished")
    return found
