"""One door for all evidence: dispatches to the vendor's verifier."""

from __future__ import annotations

from collections.abc import Sequence

from coprocessor.attestation.evidence import Evidence, EvidenceKind
from coprocessor.attestation.roots import KNOWN_ROOTS, VendorRoot, is_genuine
from coprocessor.attestation.vendors.dcap import quote_of, verify_dcap
from coprocessor.attestation.vendors.dcap_platform import read_platform
from coprocessor.attestation.vendors.dcap_quote import parse_quote
from coprocessor.attestation.vendors.nitro import compute_bound_data, identify_instance, verify_nitro
from coprocessor.attestation.vendors.nitro_document import parse_document
from coprocessor.attestation.vendors.snp import identify_chip, verify_snp
from coprocessor.attestation.vendors.snp_report import parse_report
from coprocessor.attestation.verdict import Verdict, compute_platform_id
from coprocessor.values.identities import Digest

__all__ = ["read_platform_id", "read_report_data", "verify_evidence"]


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


def read_platform_id(evidence: Evidence, *, simulated: bool) -> Digest:
    """The machine that the evidence names, 32 bytes, **unverified**: what an enclave tells its host of itself before
    anybody has fetched collateral. Whoever admits takes ``Verdict.platform_id``, which is the same for true evidence.

    Args:
        evidence: with or without collateral.
        simulated: whether the attester says that it is; DCAP evidence says it itself.

    Raises:
        MalformedInput: not evidence of its kind.
        EvidenceRefused: ``attestation.wrong_root``.
    """
    if evidence.kind is EvidenceKind.SNP:
        return compute_platform_id(b"amd", identify_chip(evidence), simulated=simulated)
    if evidence.kind is EvidenceKind.NITRO:
        instance = identify_instance(parse_document(evidence.quote))
        return compute_platform_id(b"aws", instance, simulated=simulated)
    platform = read_platform(parse_quote(evidence.quote), KNOWN_ROOTS)
    return compute_platform_id(b"intel", platform.ppid, simulated=not is_genuine(platform.root.digest))


def read_report_data(evidence: Evidence) -> bytes:
    """The 64 bytes that the evidence is over, **unverified**: by which an attester sees that its device answered the
    question that it was asked.

    Raises:
        MalformedInput: not evidence of its kind.
    """
    if evidence.kind is EvidenceKind.SNP:
        return parse_report(evidence.quote).report_data
    if evidence.kind is EvidenceKind.NITRO:
        document = parse_document(evidence.quote)
        return compute_bound_data(document.user_data, document.nonce, document.public_key)
    return quote_of(evidence).report_data
