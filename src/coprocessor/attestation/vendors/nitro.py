"""Verification of AWS Nitro evidence: a document that the hypervisor signed for one enclave.

Rules:

1. The document has passed the strict parser; an enclave in debug mode, whose first three measurements are zero, is
   refused before anything else.
2. The bundle's first certificate is a known root itself; the chain ends in the certificate whose key signed.
3. Certificates are judged at the time of the chain. Where its newest final block is older than the document, the
   document's own time counts, at most ``MAX_AHEAD`` ahead: the hypervisor signed it (PROTOCOL 2.3).
4. Report data are ``user_data``, padded with zeros to 64 bytes, if nothing else is bound; otherwise a digest over all
   that is bound, so that no verifier overlooks a part.

**Source:** AWS Nitro Enclaves documentation, "Verifying the root of trust"; RFC 9052, section 4.4;
RFC 9053, section 2.1.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from coprocessor.attestation.evidence import Evidence, EvidenceKind, compute_body_digest
from coprocessor.attestation.report_data import REPORT_DATA_LENGTH
from coprocessor.attestation.roots import VendorRoot, is_genuine
from coprocessor.attestation.vendors.certificates import compute_expiry, load_certificate, verify_chain
from coprocessor.attestation.vendors.nitro_document import NitroDocument, parse_document
from coprocessor.attestation.verdict import (
    NitroMeasurement,
    PlatformFlag,
    TcbStatus,
    Verdict,
    compute_level,
    compute_platform_id,
)
from coprocessor.crypto.hashing import sha512
from coprocessor.crypto.labels import Label
from coprocessor.values.errors import EvidenceRefused, MalformedInput

__all__ = ["MAX_AHEAD", "compute_bound_data", "identify_instance", "verify_nitro"]

MAX_AHEAD: Final = 3600
"""Seconds that a document may be ahead of the chain."""

_MEASURED_PCRS: Final = (0, 1, 2, 8)
"""Image, kernel, application, and who signed the image."""

_ZERO: Final = bytes(48)


def verify_nitro(evidence: Evidence, roots: Sequence[VendorRoot], now: int) -> Verdict:
    """What the evidence proves.

    Args:
        evidence: of kind NITRO; collateral is not needed.
        roots: certificates that may begin its bundle.
        now: chain time, seconds since 1970.

    Raises:
        MalformedInput: not a supported document.
        EvidenceRefused: ``attestation.debug``, ``wrong_root``, ``chain``, ``certificate_expired``,
            ``certificate_early``, ``signature``.
    """
    document = parse_document(evidence.quote)
    measurement = NitroMeasurement(*(document.pcrs.get(number, _ZERO) for number in _MEASURED_PCRS))
    if _ZERO in (measurement.pcr0, measurement.pcr1, measurement.pcr2):
        raise EvidenceRefused(
            "attestation.debug",
            "the enclave runs in debug mode: its measurements are zero",
            "its host can read its console and memory",
            "start the enclave without --debug-mode",
        )
    root = _find_root(document, roots)
    authorities = [load_certificate(der, "authority's certificate") for der in document.bundle]
    chain = (*authorities, load_certificate(document.certificate, "enclave's certificate"))
    issued_at = document.timestamp // 1000
    verify_chain(chain, max(now, issued_at) if issued_at <= now + MAX_AHEAD else now)
    _verify_time(issued_at, now)
    _verify_signature(document, chain[-1].public_key())
    simulated = not is_genuine(root.digest)
    return Verdict(
        kind=EvidenceKind.NITRO,
        measurement=measurement,
        report_data=compute_bound_data(document.user_data, document.nonce, document.public_key),
        status=TcbStatus.UP_TO_DATE,
        advisories=(),
        flags=frozenset({PlatformFlag.MACHINE_UNKNOWN}),
        platform_id=compute_platform_id(b"aws", identify_instance(document), simulated=simulated),
        body_digest=compute_body_digest(EvidenceKind.NITRO, document.payload),
        evaluation_number=0,
        issued_at=issued_at,
        valid_until=compute_expiry(chain),
        level=compute_level(TcbStatus.UP_TO_DATE, ()),
        root=root.digest,
        simulated=simulated,
    )


def identify_instance(document: NitroDocument) -> bytes:
    """What AWS tells machines apart by: the instance, which anybody can start another of."""
    return document.module_id.partition("-enc")[0].encode()


def compute_bound_data(user_data: bytes | None, nonce: bytes | None, public_key: bytes | None) -> bytes:
    """The 64 bytes of report data that stand for what a document binds (rule 4)."""
    if not nonce and not public_key and len(user_data or b"") <= REPORT_DATA_LENGTH:
        return (user_data or b"").ljust(REPORT_DATA_LENGTH, b"\0")
    parts = [b"\0" if part is None else b"\1" + part for part in (user_data, nonce, public_key)]
    return sha512(Label.EVIDENCE.context(b"", b"bound", *parts))


def _find_root(document: NitroDocument, roots: Sequence[VendorRoot]) -> VendorRoot:
    """Rule 2."""
    for root in roots:
        if EvidenceKind.NITRO in root.kinds and root.der == document.bundle[0]:
            return root
    raise EvidenceRefused(
        "attestation.wrong_root",
        "the bundle begins with a certificate that is no known Nitro root",
        "the document was made by somebody else than AWS",
        "attest on hardware of a vendor that this release knows",
    )


def _verify_time(issued_at: int, now: int) -> None:
    if issued_at > now + MAX_AHEAD:
        raise EvidenceRefused(
            "attestation.collateral_early",
            f"the document is of {issued_at}, chain time is {now}",
            f"it may be {MAX_AHEAD} seconds ahead",
            "wait for a newer block and attest again",
        )


def _verify_signature(document: NitroDocument, key: object) -> None:
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP384R1):
        raise MalformedInput(
            "attestation.certificate",
            "the enclave's certificate has no key on P-384",
            next="send the document as the device gave it",
        )
    half = len(document.signature) // 2
    r, s = (int.from_bytes(part, "big") for part in (document.signature[:half], document.signature[half:]))
    try:
        key.verify(encode_dss_signature(r, s), document.signed, ec.ECDSA(hashes.SHA384()))
    except InvalidSignature:
        raise EvidenceRefused(
            "attestation.signature",
            "the document is not signed by its certificate's key",
            "it was altered",
            "send the document as the device gave it",
        ) from None
