"""X.509 chains as hardware vendors use them: one path from a leaf to a root that was given, judged at a given time.

Rules:

1. Each certificate is signed by the next, names it as issuer, and is valid at the time of the chain; no clock is read.
2. Every issuer is a certificate authority that may sign certificates, and its path length is kept.
3. The trust anchor is a certificate that the caller gave; a root that comes with the evidence proves nothing.
4. A revocation list counts only if its issuer signed it, it is whole (no critical extension, no delta) and has not
   ended.

**Source:** RFC 5280, sections 5 and 6.1.
"""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Callable, Sequence
from typing import Final, cast

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPublicKeyTypes

from coprocessor.attestation.evidence import EvidenceKind
from coprocessor.attestation.roots import VendorRoot
from coprocessor.values.errors import EvidenceRefused, MalformedInput

__all__ = [
    "MAX_CHAIN",
    "choose_root",
    "compute_expiry",
    "load_certificate",
    "load_pem_chain",
    "load_revocation_list",
    "verify_chain",
    "verify_not_revoked",
    "verify_time",
]

MAX_CHAIN: Final = 8
"""Certificates below the root; vendors use two to four."""

_WHAT_FAILS: Final = (
    ValueError,
    TypeError,
    UnsupportedAlgorithm,
    x509.DuplicateExtension,
    x509.InvalidVersion,
    x509.UnsupportedGeneralNameType,
)


def load_certificate(der: bytes, what: str) -> x509.Certificate:
    """The certificate that ``der`` encodes, and nothing after it.

    Raises:
        MalformedInput: ``attestation.certificate``.
    """
    return _load(lambda: [x509.load_der_x509_certificate(der)], what)[0]


def load_pem_chain(pem: bytes) -> list[x509.Certificate]:
    """The certificates in ``pem``, as they stand there; at least one.

    Raises:
        MalformedInput: ``attestation.certificate``.
    """
    return _load(lambda: x509.load_pem_x509_certificates(pem), "chain")


def _load(load: Callable[[], list[x509.Certificate]], what: str) -> list[x509.Certificate]:
    try:
        with warnings.catch_warnings():
            # It warns of names and serial numbers that vendors (AMD: serial number 0) and forgers give.
            warnings.simplefilter("ignore")
            certificates = load()
            for one in certificates:  # the library reads each part when it is asked for, and only then complains
                _ = one.subject, one.issuer, one.extensions, one.serial_number, one.public_key()
                _ = one.not_valid_before_utc, one.not_valid_after_utc, one.signature_hash_algorithm
        return certificates
    except _WHAT_FAILS as error:
        raise MalformedInput(
            "attestation.certificate",
            f"the {what} is no readable certificate",
            str(error),
            "fetch the certificates anew, or send those that the device gave",
        ) from error


def choose_root(
    certificate: x509.Certificate, roots: Sequence[VendorRoot], kind: EvidenceKind
) -> tuple[VendorRoot, x509.Certificate]:
    """The root that issued ``certificate``, among those that may vouch for this kind of evidence (rule 3).

    Raises:
        EvidenceRefused: ``attestation.wrong_root``.
    """
    for root in roots:
        if kind in root.kinds:
            anchor = load_certificate(root.der, "root")
            if _is_issued(certificate, anchor):
                return root, anchor
    raise EvidenceRefused(
        "attestation.wrong_root",
        f"no known {kind.value} root issued {certificate.issuer.rfc4514_string()!r}",
        "the evidence was made by somebody else than a hardware vendor, or by a vendor's old or new root",
        "attest on hardware of a vendor that this release knows",
    )


def verify_chain(chain: Sequence[x509.Certificate], now: int) -> None:
    """Rules 1 and 2 for a chain from the root down to the leaf.

    Args:
        chain: the trust anchor first.
        now: chain time, seconds since 1970.

    Raises:
        MalformedInput: ``attestation.certificate``, too many certificates.
        EvidenceRefused: ``attestation.chain``, ``attestation.certificate_expired``, ``attestation.certificate_early``.
    """
    if not 2 <= len(chain) <= MAX_CHAIN + 1:
        raise MalformedInput(
            "attestation.certificate",
            f"a chain of {len(chain)} certificates is not supported",
            next="send the chain as the device gave it",
        )
    for certificate in chain:
        verify_time(certificate, now)
    for at, (issuer, subject) in enumerate(itertools.pairwise(chain)):
        authorities_below = len(chain) - at - 2
        if not _may_issue(issuer, authorities_below) or not _is_issued(subject, issuer):
            raise EvidenceRefused(
                "attestation.chain",
                f"{subject.subject.rfc4514_string()!r} was not issued by {issuer.subject.rfc4514_string()!r}",
                "a certificate is altered, forged, or belongs to another machine",
                "send the machine's own certificates, unaltered",
            )


def compute_expiry(chain: Sequence[x509.Certificate]) -> int:
    """Seconds since 1970 when the first certificate ends."""
    return min(int(certificate.not_valid_after_utc.timestamp()) for certificate in chain)


def load_revocation_list(der: bytes) -> x509.CertificateRevocationList:
    """The revocation list that ``der`` encodes.

    Raises:
        MalformedInput: ``attestation.revocation_list``: unreadable, partial, or without an end.
    """
    try:
        found = x509.load_der_x509_crl(der)
        _ = found.issuer, found.last_update_utc, found.signature_hash_algorithm, len(found)
        if found.next_update_utc is None:
            raise ValueError("it does not say when the next is due")
        if any(extension.critical for extension in found.extensions):
            raise ValueError("it is partial, or has critical extensions")
        return found
    except _WHAT_FAILS as error:
        raise MalformedInput(
            "attestation.revocation_list", "the revocation list is not readable", str(error), "fetch it anew"
        ) from error


def verify_not_revoked(
    revocations: x509.CertificateRevocationList, issuer: x509.Certificate, serials: Sequence[int], now: int
) -> tuple[int, int]:
    """From when to when the list counts, seconds since 1970, if it names none of ``serials`` (rule 4).

    Raises:
        EvidenceRefused: ``attestation.revoked``, ``attestation.collateral_stale``, ``attestation.collateral_early``,
            ``attestation.chain``: the list is not the issuer's.
    """
    key = cast(CertificateIssuerPublicKeyTypes, issuer.public_key())
    try:
        is_signed = revocations.issuer == issuer.subject and revocations.is_signature_valid(key)
    except (*_WHAT_FAILS, InvalidSignature):
        is_signed = False
    if not is_signed:
        raise EvidenceRefused(
            "attestation.chain",
            f"the revocation list was not signed by {issuer.subject.rfc4514_string()!r}",
            "it is altered or another vendor's",
            "fetch it anew",
        )
    due = revocations.next_update_utc
    window = int(revocations.last_update_utc.timestamp()), int(due.timestamp()) if due else 0
    if now > window[1]:
        raise EvidenceRefused(
            "attestation.collateral_stale",
            f"the revocation list ended at {window[1]}, chain time is {now}",
            "revocations since then would be missed",
            "fetch fresh collateral and attest again",
        )
    if now < window[0]:
        raise EvidenceRefused(
            "attestation.collateral_early",
            f"the revocation list begins at {window[0]}, chain time is {now}",
            "the chain's clock is behind",
            "wait for a newer block and attest again",
        )
    for serial in serials:
        if revocations.get_revoked_certificate_by_serial_number(serial) is not None:
            raise EvidenceRefused(
                "attestation.revoked",
                f"the vendor revoked the certificate with serial number 0x{serial:x}",
                "its key was lost or its hardware is broken",
                "use another machine",
            )
    return window


def verify_time(certificate: x509.Certificate, now: int) -> None:
    """Whether a certificate is valid at ``now``, the last second that it names included.

    Raises:
        EvidenceRefused: ``attestation.certificate_expired``, ``attestation.certificate_early``.
    """
    begin = int(certificate.not_valid_before_utc.timestamp())
    end = int(certificate.not_valid_after_utc.timestamp())
    name = certificate.subject.rfc4514_string()
    if now > end:
        raise EvidenceRefused(
            "attestation.certificate_expired",
            f"the certificate of {name!r} ended at {end}, chain time is {now}",
            "the evidence is old",
            "attest again",
        )
    if now < begin:
        raise EvidenceRefused(
            "attestation.certificate_early",
            f"the certificate of {name!r} begins at {begin}, chain time is {now}",
            "the chain's clock is behind",
            "wait for a newer block and attest again",
        )


def _may_issue(issuer: x509.Certificate, authorities_below: int) -> bool:
    try:
        constraints = issuer.extensions.get_extension_for_class(x509.BasicConstraints).value
        usage = issuer.extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound:
        return False
    is_short_enough = constraints.path_length is None or constraints.path_length >= authorities_below
    return constraints.ca and usage.key_cert_sign and is_short_enough


def _is_issued(subject: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        subject.verify_directly_issued_by(issuer)
    except (*_WHAT_FAILS, InvalidSignature):
        return False
    return True
