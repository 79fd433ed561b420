"""Showing a gatekeeper's enclave what the network accepts now, before it judges a newcomer (PROTOCOL 1.4).

The host reads the evidence only to learn which slots the enclave will ask for; it decides nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable

from coprocessor.attestation.evidence import decode_evidence
from coprocessor.attestation.verify import verify_evidence
from coprocessor.enclave import messages as m
from coprocessor.host import slots
from coprocessor.host.feed import ChainFeed
from coprocessor.values.errors import CoprocessorError, EvidenceRefused, MalformedInput
from coprocessor.values.identities import to_hex

__all__ = ["prove_policy", "read_subjects"]

_log = logging.getLogger("coprocessor.host")


async def read_subjects(attest: Callable[[], Awaitable[m.Admit]], now: int) -> dict[str, str]:
    """Vendor root, measurement and platform that a process' own evidence shows, as its status tells them; empty where
    it does not verify at ``now`` (seconds since 1970)."""
    try:
        verdict = verify_evidence(decode_evidence((await attest()).evidence), now)
    except CoprocessorError as error:
        _log.warning("gatekeeper: its own evidence does not verify: %s", error)
        return {}
    named = {"root": verdict.root, "measurement": verdict.measurement_digest, "platform": verdict.platform_id}
    return {what: to_hex(digest) for what, digest in named.items()}


async def prove_policy(feed: ChainFeed, newcomer: m.Admit) -> None:
    """Feeds the newest headers, and proofs of the policy for this newcomer's vendor, measurement and platform.

    Evidence that does not verify gets no proofs: the enclave refuses it before it asks for any, and says why.

    Raises:
        EnclaveRefused: headers or proofs do not hold.
        ChainUnreachable, RpcError, ResponseMalformed: as the node does.
    """
    head = await feed.advance()
    try:
        evidence = decode_evidence(newcomer.evidence)
        verdict = verify_evidence(evidence, head.timestamp)
    except (EvidenceRefused, MalformedInput):
        return
    subjects = verdict.root, verdict.measurement_digest, verdict.platform_id
    proofs = await feed.prove(slots.policy(*subjects, newcomer.signer), head.number)
    if evidence.collateral:
        await feed.prove(slots.pinned(evidence, proofs), head.number)
