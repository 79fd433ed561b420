"""One door for all evidence: dispatches to the vendor's verifier."""

from __future__ import annotations

from collections.abc import Sequence

from coprocessor.attestation.evidence import Evidence, EvidenceKind
from coprocessor.attestation.roots import KNOWN_ROOTS, VendorRoot
from coprocessor.attestation.vendors.dcap import verify_dcap
from coprocessor.attestation.vendors.nitro import verify_nitro
from coprocessor.attestation.vendors.snp import verify_snp
from coprocessor.attestation.verdict import Verdict

__all__ = ["verify_evidence"]


def verify_evidence(evidence: Evidence, now: int, roots: Sequence[VendorRoot] = KNOWN_ROOTS) -> Verdict:
    """What the evidence proves. It MUST be judged by a policy before anything is built on it.

    Args:
        evidence: of any kind.
        now: chain time, seconds since 1970.
        roots: certificates that may end its chains. The default includes the simulated vendor's, so that a policy can
            say that evidence is simulated instead of merely invalid.

    Raises:
        MalformedInput: not evidence of its kind.
        EvidenceRefused: it proves nothing; the code says why.
    """
    if evidence.kind is EvidenceKind.SNP:
        return verify_snp(evidence, roots, now)
    if evidence.kind is EvidenceKind.NITRO:
        return verify_nitro(evidence, roots, now)
    return verify_dcap(evidence, roots, now)
