"""Showing a gatekeeper's enclave what the network accepts now, before it judges a newcomer (PROTOCOL 1.4).

The host reads the evidence only to learn which slots the enclave will ask for; it decides nothing.
"""

from __future__ import annotations

from coprocessor.attestation.evidence import decode_evidence
from coprocessor.attestation.verify import verify_evidence
from coprocessor.enclave import messages as m
from coprocessor.host import slots
from coprocessor.host.feed import ChainFeed
from coprocessor.values.errors import EvidenceRefused, MalformedInput

__all__ = ["prove_policy"]


async def prove_policy(feed: ChainFeed, newcomer: m.Admit) -> None:
    """Feeds the newest headers, and proofs of the policy for this newcomer's vendor, measurement and platform.

    Evidence that does not verify gets no proofs: the enclave refuses it before it asks for any, and says why.

    Raises:
        EnclaveRefused: headers or proofs do not hold.
        ChainUnreachable, RpcError, ResponseMalformed: as the node does.
    """
    head = await feed.advance()
    try:
        verdict = verify_evidence(decode_evidence(newcomer.evidence), head.timestamp)
    except (EvidenceRefused, MalformedInput):
        return
    subjects = verdict.root, verdict.measurement_digest, verdict.platform_id
    await feed.prove(slots.policy(subjects, newcomer.signer), head.number)
