"""The simulated vendor's keys and certificates. SIMULATED, INSECURE: its keys come from a public seed.

Rules:

1. Nothing here reads a clock or draws entropy: the same arguments give the same bytes.
2. Every certificate says SIMULATED INSECURE in its names.
3. The vendor's data are issued a day before ``now``, rounded to the hour, so that a chain's clock may lag.

**Source:** RFC 5280; RFC 6979 for signatures that repeat.
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from coprocessor.attestation.verdict import TcbStatus
from coprocessor.crypto.hashing import sha256
from coprocessor.crypto.hkdf import hkdf_derive
from coprocessor.crypto.labels import Label

__all__ = [
    "Authority",
    "TcbLevel",
    "VendorOptions",
    "build_authorities",
    "build_revocation_list",
    "certify",
    "compute_issue_time",
    "derive_p256_key",
    "derive_p384_key",
    "encode_der",
    "encode_pem",
    "public_bytes",
    "serial_number",
    "sign_p256",
    "sign_p384",
]

_SEED: Final = b"coprocessor simulated vendor: public and insecure"
_P256_ORDER: Final = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
_P384_ORDER: Final = int(
    "ffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973", 16
)
_UTC: Final = datetime.UTC
_NOT_BEFORE: Final = datetime.datetime(2020, 1, 1, tzinfo=_UTC)
_NOT_AFTER: Final = datetime.datetime(2049, 12, 31, tzinfo=_UTC)
_HOUR: Final = 3600
_DAY: Final = 24 * _HOUR
_ORGANIZATION: Final = "SIMULATED INSECURE"


@dataclass(frozen=True, slots=True)
class TcbLevel:
    """What the vendor says of platforms that have at least these security versions."""

    status: TcbStatus
    svn: int
    advisories: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class VendorOptions:
    """What tests vary; the defaults are the vendor that everybody knows.

    Args:
        seed: of all keys; another seed is another vendor.
        evaluation_number: of TCB info and quoting enclave identity.
        validity_days: how long the data are valid.
        levels: TCB levels, best first.
        revoked: serial numbers of revoked platform certificates.
    """

    seed: bytes = _SEED
    evaluation_number: int = 18
    validity_days: int = 30
    levels: tuple[TcbLevel, ...] = (
        TcbLevel(TcbStatus.UP_TO_DATE, 10),
        TcbLevel(TcbStatus.OUT_OF_DATE, 5, ("SIMULATED-SA-00001",)),
        TcbLevel(TcbStatus.REVOKED, 0),
    )
    revoked: tuple[int, ...] = ()


def compute_issue_time(now: int) -> int:
    """When the vendor's data of ``now`` were issued, seconds since 1970 (rule 3)."""
    return (now - _DAY) // _HOUR * _HOUR


def derive_p256_key(seed: bytes, *purpose: bytes) -> ec.EllipticCurvePrivateKey:
    """A P-256 key from a seed; the label ends in ``-insecure``."""
    wide = hkdf_derive(seed, Label.SIMULATED_VENDOR.context(b"", *purpose, insecure=True), 48)
    return ec.derive_private_key(int.from_bytes(wide, "big") % (_P256_ORDER - 1) + 1, ec.SECP256R1())


def derive_p384_key(seed: bytes, *purpose: bytes) -> ec.EllipticCurvePrivateKey:
    """A P-384 key from a seed; the label ends in ``-insecure``."""
    wide = hkdf_derive(seed, Label.SIMULATED_VENDOR.context(b"", *purpose, insecure=True), 64)
    return ec.derive_private_key(int.from_bytes(wide, "big") % (_P384_ORDER - 1) + 1, ec.SECP384R1())


def sign_p256(key: ec.EllipticCurvePrivateKey, data: bytes) -> bytes:
    """64 bytes ``r || s`` over SHA-256 of ``data``; repeats (RFC 6979)."""
    signature = key.sign(data, ec.ECDSA(hashes.SHA256(), deterministic_signing=True))
    return b"".join(part.to_bytes(32, "big") for part in decode_dss_signature(signature))


def sign_p384(key: ec.EllipticCurvePrivateKey, data: bytes) -> tuple[int, int]:
    """``r`` and ``s`` over SHA-384 of ``data``; repeats (RFC 6979)."""
    return decode_dss_signature(key.sign(data, ec.ECDSA(hashes.SHA384(), deterministic_signing=True)))


def public_bytes(key: ec.EllipticCurvePrivateKey) -> bytes:
    """``x || y`` of the public key, 32 bytes each on P-256, 48 on P-384."""
    numbers, size = key.public_key().public_numbers(), key.key_size // 8
    return numbers.x.to_bytes(size, "big") + numbers.y.to_bytes(size, "big")


@dataclass(frozen=True, slots=True)
class Authority:
    """A key and the certificate that lets it issue others."""

    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate


def build_authorities(options: VendorOptions) -> tuple[Authority, Authority, Authority]:
    """Root, platform authority and signer of TCB data. Verifiers read the kind of platform from the second's name."""
    root_key = derive_p256_key(options.seed, b"root")
    name = _name("SIMULATED INSECURE Root CA")
    certificate = _builder(name, name, root_key, root_key, path_length=1)
    root = Authority(root_key, certificate.sign(root_key, hashes.SHA256(), ecdsa_deterministic=True))
    platform_key = derive_p256_key(options.seed, b"platform authority")
    platform = Authority(
        platform_key, certify("SIMULATED INSECURE Intel SGX PCK Platform CA", platform_key, root, path_length=0)
    )
    signer_key = derive_p256_key(options.seed, b"tcb signer")
    return root, platform, Authority(signer_key, certify("SIMULATED INSECURE TCB Signing", signer_key, root))


def certify(
    common_name: str,
    key: ec.EllipticCurvePrivateKey,
    issuer: Authority,
    path_length: int | None = None,
    extensions: Sequence[x509.UnrecognizedExtension] = (),
    validity: tuple[int, int] | None = None,
) -> x509.Certificate:
    """A certificate for ``key``.

    Args:
        common_name: the organization in its name says SIMULATED INSECURE in any case.
        key: the subject's.
        issuer: who signs.
        path_length: of an authority; None for others.
        extensions: the vendor's own, none critical.
        validity: from when to when, seconds since 1970; the vendor's whole life by default.
    """
    subject = _name(common_name)
    builder = _builder(subject, issuer.certificate.subject, key, issuer.key, path_length, validity)
    for extension in extensions:
        builder = builder.add_extension(extension, critical=False)
    return builder.sign(issuer.key, hashes.SHA256(), ecdsa_deterministic=True)


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    issuer_key: ec.EllipticCurvePrivateKey,
    path_length: int | None,
    validity: tuple[int, int] | None = None,
) -> x509.CertificateBuilder:
    begin, end = (_NOT_BEFORE, _NOT_AFTER) if validity is None else map(_date, validity)
    is_authority = path_length is not None
    usage = x509.KeyUsage(
        digital_signature=not is_authority,
        content_commitment=not is_authority,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=is_authority,
        crl_sign=is_authority,
        encipher_only=False,
        decipher_only=False,
    )
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(serial_number(key))
        .not_valid_before(begin)
        .not_valid_after(end)
        .add_extension(x509.BasicConstraints(is_authority, path_length), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False)
        .add_extension(usage, critical=True)
    )


def serial_number(key: ec.EllipticCurvePrivateKey) -> int:
    """The serial number of the certificate that this vendor gives to a key."""
    return int.from_bytes(sha256(public_bytes(key))[:16], "big") | 1


def build_revocation_list(issuer: Authority, serials: tuple[int, ...], issued: int, options: VendorOptions) -> bytes:
    """DER of the issuer's revocation list of ``issued``, seconds since 1970."""
    at = _date(issued)
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(issuer.certificate.subject)
        .last_update(at)
        .next_update(at + datetime.timedelta(days=options.validity_days))
        .add_extension(x509.CRLNumber(issued), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.key.public_key()), critical=False)
    )
    for serial in serials:
        revoked = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(at).build()
        builder = builder.add_revoked_certificate(revoked)
    return builder.sign(issuer.key, hashes.SHA256(), ecdsa_deterministic=True).public_bytes(Encoding.DER)


def _name(common_name: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.COMMON_NAME, common_name),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, _ORGANIZATION),
        ]
    )


def _date(seconds: int) -> datetime.datetime:
    return datetime.datetime.fromtimestamp(seconds, _UTC)


def encode_der(certificate: x509.Certificate) -> bytes:
    """DER of a certificate."""
    return certificate.public_bytes(Encoding.DER)


def encode_pem(certificate: x509.Certificate) -> str:
    """PEM of a certificate."""
    return certificate.public_bytes(Encoding.PEM).decode()
