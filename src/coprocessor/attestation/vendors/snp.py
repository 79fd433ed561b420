"""Verification of AMD SEV-SNP evidence: a report, signed by the chip's key (VCEK) or by a cloud's (VLEK), whose
certificate ends in AMD's root for that processor.

Rules:

1. The report has passed the strict parser; guests whose host may debug them are refused before anything else.
2. Chain, revocation list and validity are judged at the time ``now`` of the chain; no clock is read (PROTOCOL 2.3).
3. The certificate names the security versions of the report, and its chip where it is a VCEK: a key of older firmware,
   which may be known, signs nothing that claims newer firmware.
4. The platform is judged by the lowest of reported, committed and launch versions: what ran when the guest was launched
   counts, and so does what the host can go back to.
5. Without a revocation list the verdict says so, and policies refuse it unless they are told otherwise.

**Source:** AMD publications 56860 (report), 57230 (certificates and their extensions).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.x509.oid import NameOID

from coprocessor.attestation.evidence import Evidence, EvidenceKind, compute_body_digest
from coprocessor.attestation.roots import VendorRoot, is_genuine
from coprocessor.attestation.vendors.certificates import (
    choose_root,
    compute_expiry,
    load_certificate,
    load_revocation_list,
    verify_chain,
    verify_not_revoked,
)
from coprocessor.attestation.vendors.snp_baseline import judge_tcb
from coprocessor.attestation.vendors.snp_collateral import SnpCollateral
from coprocessor.attestation.vendors.snp_report import SigningKey, SnpReport, SnpTcb, parse_report
from coprocessor.attestation.verdict import (
    PlatformFlag,
    SnpMeasurement,
    Verdict,
    compute_level,
    compute_platform_id,
)
from coprocessor.values.errors import EvidenceRefused

__all__ = ["AMD_OID", "LEAF_NAME", "identify_chip", "verify_snp"]

AMD_OID: Final = "1.3.6.1.4.1.3704.1"
"""The branch of AMD's certificate extensions."""

LEAF_NAME: Final = {SigningKey.VCEK: "SEV-VCEK", SigningKey.VLEK: "SEV-VLEK"}
"""Common names of the certificates whose keys sign reports."""

_VERSIONS: Final = (("1", 0), ("2", 1), ("3", 6), ("8", 7))
_TURIN_VERSIONS: Final = (("9", 0), ("1", 1), ("2", 2), ("3", 3), ("8", 7))
"""Extension of each security version, and its place in the 8 bytes of a report."""

_CLOUD: Final = ".5"
_CHIP: Final = ".4"


def verify_snp(evidence: Evidence, roots: Sequence[VendorRoot], now: int) -> Verdict:
    """What the evidence proves.

    Args:
        evidence: of kind SNP, with ``SnpCollateral``.
        roots: certificates that may end its chain.
        now: chain time, seconds since 1970.

    Raises:
        MalformedInput: not a supported report or not collateral.
        EvidenceRefused: ``attestation.debug``, ``wrong_root``, ``chain``, ``certificate_expired``,
            ``certificate_early``, ``revoked``, ``collateral_stale``, ``collateral_early``, ``wrong_platform``,
            ``signature``.
    """
    report = parse_report(evidence.quote)
    if report.is_debug:
        raise EvidenceRefused(
            "attestation.debug",
            "the guest's policy allows debugging",
            "its host can read its memory",
            "launch the guest without the debug bit in its policy",
        )
    collateral = SnpCollateral.decode(evidence.collateral)
    leaf = load_certificate(collateral.leaf, "chip's certificate")
    authority = load_certificate(collateral.authority, "authority's certificate")
    root, anchor = choose_root(authority, roots, EvidenceKind.SNP)
    verify_chain((anchor, authority, leaf), now)
    flags, window = set[PlatformFlag](), (int(leaf.not_valid_before_utc.timestamp()), compute_expiry((anchor,)))
    if collateral.revocations:
        revocations = load_revocation_list(collateral.revocations)
        window = verify_not_revoked(revocations, anchor, (authority.serial_number,), now)
    else:
        flags.add(PlatformFlag.REVOCATION_UNKNOWN)
    _verify_platform(report, leaf, root)
    _verify_signature(report, leaf)
    is_turin = root.product == "Turin"
    versions = [SnpTcb.decode(data, is_turin=is_turin) for data in (report.reported, report.committed, report.launch)]
    lowest = versions[0].least(versions[1]).least(versions[2])
    status, advisories = judge_tcb(root.product, report.processor, lowest)
    simulated = not is_genuine(root.digest)
    identity = _identify(report, leaf)
    return Verdict(
        kind=EvidenceKind.SNP,
        measurement=SnpMeasurement(report.measurement, report.host_data, report.vmpl, report.policy),
        report_data=report.report_data,
        status=status,
        advisories=advisories,
        flags=frozenset(flags | _read_flags(report)),
        platform_id=compute_platform_id(b"amd", identity, simulated=simulated),
        body_digest=compute_body_digest(EvidenceKind.SNP, report.signed),
        evaluation_number=0,
        issued_at=window[0],
        valid_until=min(window[1], compute_expiry((anchor, authority, leaf))),
        level=compute_level(status, advisories),
        root=root.digest,
        simulated=simulated,
    )


def identify_chip(evidence: Evidence) -> bytes:
    """What unverified evidence says of its machine; the certificate is asked only where the host hides the chip.

    Raises:
        MalformedInput: not a report, or a hidden chip without collateral.
    """
    report = parse_report(evidence.quote)
    if any(report.chip_id):
        return report.chip_id
    collateral = SnpCollateral.decode(evidence.collateral)
    return _identify(report, load_certificate(collateral.leaf, "chip's certificate"))


def _verify_platform(report: SnpReport, leaf: x509.Certificate, root: VendorRoot) -> None:
    """Rule 3."""
    is_turin = root.product == "Turin"
    if report.processor is not None and report.is_turin != is_turin:
        raise _wrong_platform(f"the report's processor {report.processor} is none of {root.product}")
    names = leaf.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    expected = LEAF_NAME[report.signing_key]
    if [name.value for name in names] != [expected]:
        raise _wrong_platform(f"the report says that {expected} signed it")
    tcb = report.reported
    for suffix, at in _TURIN_VERSIONS if is_turin else _VERSIONS:
        if _read_integer(leaf, f".3.{suffix}") != tcb[at]:
            raise _wrong_platform(f"the certificate's security version {suffix} is not the report's {tcb[at]}")
    chip = _extension(leaf, _CHIP)
    if report.signing_key == SigningKey.VCEK:
        if not chip:
            raise _wrong_platform("the certificate names no chip")
        if any(report.chip_id) and report.chip_id != chip.ljust(64, b"\0"):
            raise _wrong_platform("the certificate is another chip's")


def _verify_signature(report: SnpReport, leaf: x509.Certificate) -> None:
    key = leaf.public_key()
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP384R1):
        raise _wrong_platform("the certificate's key is not on P-384")
    try:
        key.verify(encode_dss_signature(*report.signature), report.signed, ec.ECDSA(hashes.SHA384()))
    except InvalidSignature:
        raise EvidenceRefused(
            "attestation.signature",
            "the report is not signed by the certificate's key",
            "report or signature are altered, or the certificate is another machine's",
            "send report and certificates of one machine, unaltered",
        ) from None


def _read_flags(report: SnpReport) -> set[PlatformFlag]:
    found = {
        PlatformFlag.SIMULTANEOUS_MULTITHREADING: report.has_multithreading,
        PlatformFlag.PROVISIONAL_FIRMWARE: report.committed != report.current,
        PlatformFlag.MEMORY_ALIASES_UNCHECKED: not report.has_checked_aliases,
        PlatformFlag.MACHINE_UNKNOWN: report.signing_key == SigningKey.VLEK and not any(report.chip_id),
    }
    return {flag for flag, is_set in found.items() if is_set}


def _identify(report: SnpReport, leaf: x509.Certificate) -> bytes:
    """What AMD tells machines apart by: the chip; a cloud that hides its chips counts as one machine."""
    if any(report.chip_id):
        return report.chip_id
    if report.signing_key == SigningKey.VCEK:
        return _extension(leaf, _CHIP).ljust(64, b"\0")
    return b"cloud:" + _extension(leaf, _CLOUD)


def _extension(certificate: x509.Certificate, suffix: str) -> bytes:
    for extension in certificate.extensions:
        if extension.oid.dotted_string == AMD_OID + suffix and isinstance(extension.value, x509.UnrecognizedExtension):
            return extension.value.value
    return b""


def _read_integer(certificate: x509.Certificate, suffix: str) -> int | None:
    """The DER integer of 8 bits in an extension; None where it is absent or something else."""
    value = _extension(certificate, suffix)
    if len(value) not in (3, 4) or value[0] != 2 or value[1] != len(value) - 2:
        return None
    number = int.from_bytes(value[2:], "big")
    return number if number <= 0xFF else None


def _wrong_platform(why: str) -> EvidenceRefused:
    return EvidenceRefused(
        "attestation.wrong_platform",
        "report and certificate belong to different platforms or firmware",
        why,
        "fetch the certificate of this chip at its reported versions, and attest again",
    )
