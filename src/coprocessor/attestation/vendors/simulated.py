"""The simulated vendor: a root, certificates, TCB data and revocation lists in Intel's formats. SIMULATED, INSECURE.

Its keys come from a public seed, so that everybody has the same root, and anybody can forge its evidence. It exists so
that one path of code verifies real and simulated evidence; a policy accepts its root only where a network's genesis
says ``allow_simulated``, and every verdict under it says ``simulated``.

Rules:

1. Nothing here reads a clock or draws entropy: the same arguments give the same bytes.
2. Every certificate says SIMULATED INSECURE in its names.
3. The vendor's data are issued a day before ``now``, rounded to the hour, so that a chain's clock may lag.

**Source:** Intel SGX PCK Certificate and CRL Profile; Intel Provisioning Certification Service API version 4 (TCB info
version 3, enclave identity version 2); RFC 5280; RFC 6979 for signatures that repeat.
"""

from __future__ import annotations

import datetime
import json
from dataclasses import dataclass
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from coprocessor.attestation.evidence import EvidenceKind
from coprocessor.attestation.roots import VendorRoot
from coprocessor.attestation.verdict import TcbStatus
from coprocessor.crypto.hashing import sha256
from coprocessor.crypto.hkdf import hkdf_derive
from coprocessor.crypto.labels import Label

__all__ = [
    "QUOTING_ENCLAVE_SIGNER",
    "SEAM_SIGNER",
    "SIMULATED_FMSPC",
    "TcbLevel",
    "VendorOptions",
    "build_collateral",
    "build_root",
    "certify_platform",
    "derive_p256_key",
    "public_bytes",
    "serial_number",
    "sign_p256",
]

SIMULATED_FMSPC: Final = bytes.fromhex("51bad0000000")
"""6 bytes: the simulated platforms' model."""

SEAM_SIGNER: Final = bytes(48)
QUOTING_ENCLAVE_SIGNER: Final = {
    EvidenceKind.SGX: bytes(sha256(b"SIMULATED quoting enclave")),
    EvidenceKind.TDX: bytes(sha256(b"SIMULATED trust domain quoting enclave")),
}

_SEED: Final = b"coprocessor simulated vendor: public and insecure"
_P256_ORDER: Final = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
_UTC: Final = datetime.UTC
_NOT_BEFORE: Final = datetime.datetime(2020, 1, 1, tzinfo=_UTC)
_NOT_AFTER: Final = datetime.datetime(2049, 12, 31, tzinfo=_UTC)
_TCB_DATE: Final = "2020-01-01T00:00:00Z"
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


def build_root(options: VendorOptions = VendorOptions()) -> VendorRoot:
    """The vendor's root certificate; ``roots.SIMULATED_ROOT`` for the default options."""
    return VendorRoot("SIMULATED INSECURE Root CA", _der(_authorities(options)[0].certificate))


def certify_platform(key: ec.EllipticCurvePrivateKey, extension: bytes, oid: str, options: VendorOptions) -> str:
    """The chain of a platform's certificate, PEM: the platform, its authority, the root."""
    root, authority = _authorities(options)[:2]
    value = x509.UnrecognizedExtension(x509.ObjectIdentifier(oid), extension)
    leaf = _certify("Intel SGX PCK Certificate", key, authority, extension=value)
    return "".join(_pem(certificate) for certificate in (leaf, authority.certificate, root.certificate))


def build_collateral(kind: EvidenceKind, now: int, options: VendorOptions = VendorOptions()) -> bytes:
    """TCB info, quoting enclave identity and revocation lists as JSON, in the form that collateral services give.

    Args:
        kind: SGX or TDX.
        now: seconds since 1970.
        options: what differs from the default vendor.
    """
    root, authority, signer = _authorities(options)
    issued = (now - _DAY) // _HOUR * _HOUR
    window = {"issueDate": _iso(issued), "nextUpdate": _iso(issued + options.validity_days * _DAY)}
    tcb_info = _json(_tcb_info(kind, window, options))
    identity = _json(_quoting_enclave_identity(kind, window, options))
    signer_chain = _pem(signer.certificate) + _pem(root.certificate)
    document = {
        "pck_crl_issuer_chain": _pem(authority.certificate) + _pem(root.certificate),
        "root_ca_crl": _revocation_list(root, (), issued, options).hex(),
        "pck_crl": _revocation_list(authority, options.revoked, issued, options).hex(),
        "tcb_info_issuer_chain": signer_chain,
        "tcb_info": tcb_info,
        "tcb_info_signature": sign_p256(signer.key, tcb_info.encode()).hex(),
        "qe_identity_issuer_chain": signer_chain,
        "qe_identity": identity,
        "qe_identity_signature": sign_p256(signer.key, identity.encode()).hex(),
    }
    return _json(document).encode()


def derive_p256_key(seed: bytes, *purpose: bytes) -> ec.EllipticCurvePrivateKey:
    """A P-256 key from a seed; the label ends in ``-insecure``."""
    wide = hkdf_derive(seed, Label.SIMULATED_VENDOR.context(b"", *purpose, insecure=True), 48)
    return ec.derive_private_key(int.from_bytes(wide, "big") % (_P256_ORDER - 1) + 1, ec.SECP256R1())


def sign_p256(key: ec.EllipticCurvePrivateKey, data: bytes) -> bytes:
    """64 bytes ``r || s`` over SHA-256 of ``data``; repeats (RFC 6979)."""
    signature = key.sign(data, ec.ECDSA(hashes.SHA256(), deterministic_signing=True))
    return b"".join(part.to_bytes(32, "big") for part in decode_dss_signature(signature))


def public_bytes(key: ec.EllipticCurvePrivateKey) -> bytes:
    """64 bytes ``x || y`` of the public key."""
    numbers = key.public_key().public_numbers()
    return numbers.x.to_bytes(32, "big") + numbers.y.to_bytes(32, "big")


@dataclass(frozen=True, slots=True)
class _Authority:
    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate


def _authorities(options: VendorOptions) -> tuple[_Authority, _Authority, _Authority]:
    """Root, platform authority and signer of TCB data. Verifiers read the kind of platform from the second's name."""
    root_key = derive_p256_key(options.seed, b"root")
    name = _name("SIMULATED INSECURE Root CA")
    certificate = _builder(name, name, root_key, root_key, path_length=1)
    root = _Authority(root_key, certificate.sign(root_key, hashes.SHA256(), ecdsa_deterministic=True))
    platform_key = derive_p256_key(options.seed, b"platform authority")
    platform = _Authority(platform_key, _certify("Intel SGX PCK Platform CA", platform_key, root, path_length=0))
    signer_key = derive_p256_key(options.seed, b"tcb signer")
    return root, platform, _Authority(signer_key, _certify("TCB Signing", signer_key, root))


def _certify(
    title: str,
    key: ec.EllipticCurvePrivateKey,
    issuer: _Authority,
    path_length: int | None = None,
    extension: x509.UnrecognizedExtension | None = None,
) -> x509.Certificate:
    subject = _name(f"SIMULATED INSECURE {title}")
    builder = _builder(subject, issuer.certificate.subject, key, issuer.key, path_length)
    if extension is not None:
        builder = builder.add_extension(extension, critical=False)
    return builder.sign(issuer.key, hashes.SHA256(), ecdsa_deterministic=True)


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    issuer_key: ec.EllipticCurvePrivateKey,
    path_length: int | None,
) -> x509.CertificateBuilder:
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
        .not_valid_before(_NOT_BEFORE)
        .not_valid_after(_NOT_AFTER)
        .add_extension(x509.BasicConstraints(is_authority, path_length), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False)
        .add_extension(usage, critical=True)
    )


def serial_number(key: ec.EllipticCurvePrivateKey) -> int:
    """The serial number of the certificate that this vendor gives to a key."""
    return int.from_bytes(sha256(public_bytes(key))[:16], "big") | 1


def _revocation_list(issuer: _Authority, serials: tuple[int, ...], issued: int, options: VendorOptions) -> bytes:
    at = datetime.datetime.fromtimestamp(issued, _UTC)
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


def _tcb_info(kind: EvidenceKind, window: dict[str, str], options: VendorOptions) -> dict[str, Any]:
    levels = []
    for level in options.levels:
        tcb: dict[str, Any] = {"sgxtcbcomponents": [{"svn": level.svn}] * 16, "pcesvn": level.svn}
        if kind is EvidenceKind.TDX:
            # Component 1 is the version of the TDX module, which this vendor does not identify.
            tcb["tdxtcbcomponents"] = [{"svn": 0 if index == 1 else level.svn} for index in range(16)]
        entry: dict[str, Any] = {"tcb": tcb, "tcbDate": _TCB_DATE, "tcbStatus": level.status.value}
        if level.advisories:
            entry["advisoryIDs"] = list(level.advisories)
        levels.append(entry)
    info: dict[str, Any] = {"id": kind.name, "version": 3, **window, "fmspc": SIMULATED_FMSPC.hex(), "pceId": "0000"}
    info |= {"tcbType": 0, "tcbEvaluationDataNumber": options.evaluation_number}
    if kind is EvidenceKind.TDX:
        info["tdxModule"] = {"mrsigner": SEAM_SIGNER.hex(), "attributes": "00" * 8, "attributesMask": "ff" * 8}
    return info | {"tcbLevels": levels}


def _quoting_enclave_identity(kind: EvidenceKind, window: dict[str, str], options: VendorOptions) -> dict[str, Any]:
    is_sgx = kind is EvidenceKind.SGX
    return {
        "id": "QE" if is_sgx else "TD_QE",
        "version": 2,
        **window,
        "tcbEvaluationDataNumber": options.evaluation_number,
        "miscselect": "00000000",
        "miscselectMask": "ffffffff",
        "attributes": "11" + "00" * 15,
        "attributesMask": "fb" + "ff" * 7 + "00" * 8,
        "mrsigner": QUOTING_ENCLAVE_SIGNER[kind].hex(),
        "isvprodid": 1 if is_sgx else 2,
        "tcbLevels": [{"tcb": {"isvsvn": 4}, "tcbDate": _TCB_DATE, "tcbStatus": TcbStatus.UP_TO_DATE.value}],
    }


def _name(common_name: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.COMMON_NAME, common_name),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, _ORGANIZATION),
        ]
    )


def _iso(seconds: int) -> str:
    return datetime.datetime.fromtimestamp(seconds, _UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _json(value: dict[str, Any]) -> str:
    return json.dumps(value, separators=(",", ":"))


def _der(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.DER)


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(Encoding.PEM).decode()
