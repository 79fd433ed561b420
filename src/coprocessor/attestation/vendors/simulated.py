"""The simulated vendor: a root, certificates, TCB data and revocation lists in Intel's formats. SIMULATED, INSECURE.

Its keys come from a public seed, so that everybody has the same root, and anybody can forge its evidence. It exists so
that one path of code verifies real and simulated evidence; a policy accepts its root only where a network's genesis
says ``allow_simulated``, and every verdict under it says ``simulated``.

Rules:

1. Keys, certificates and times are made by ``simulated_authority``, under its rules.
2. Where a format has fields that say what a machine is, they are those of the true format.

**Source:** Intel SGX PCK Certificate and CRL Profile; Intel Provisioning Certification Service API version 4 (TCB info
version 3, enclave identity version 2); RFC 5280; RFC 6979 for signatures that repeat.
"""

from __future__ import annotations

import datetime
import json
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from coprocessor.attestation.evidence import EvidenceKind
from coprocessor.attestation.roots import VendorRoot
from coprocessor.attestation.vendors.simulated_authority import (
    VendorOptions,
    build_authorities,
    build_revocation_list,
    certify,
    compute_issue_time,
    encode_der,
    encode_pem,
    sign_p256,
)
from coprocessor.attestation.verdict import TcbStatus
from coprocessor.crypto.hashing import sha256

__all__ = [
    "QUOTING_ENCLAVE_SIGNER",
    "SEAM_SIGNER",
    "SIMULATED_FMSPC",
    "build_collateral",
    "build_root",
    "certify_platform",
]

SIMULATED_FMSPC: Final = bytes.fromhex("51bad0000000")
"""6 bytes: the simulated platforms' model."""

SEAM_SIGNER: Final = bytes(48)
QUOTING_ENCLAVE_SIGNER: Final = {
    EvidenceKind.SGX: bytes(sha256(b"SIMULATED quoting enclave")),
    EvidenceKind.TDX: bytes(sha256(b"SIMULATED trust domain quoting enclave")),
}

_TCB_DATE: Final = "2020-01-01T00:00:00Z"
_DAY: Final = 24 * 3600


def build_root(options: VendorOptions = VendorOptions()) -> VendorRoot:  # noqa: B008 - frozen
    """The vendor's root certificate; ``roots.SIMULATED_ROOT`` for the default options."""
    certificate = build_authorities(options)[0].certificate
    return VendorRoot("SIMULATED INSECURE Root CA", encode_der(certificate), frozenset(EvidenceKind), "Simulated")


def certify_platform(key: ec.EllipticCurvePrivateKey, extension: bytes, oid: str, options: VendorOptions) -> str:
    """The chain of a platform's certificate, PEM: the platform, its authority, the root."""
    root, authority = build_authorities(options)[:2]
    value = x509.UnrecognizedExtension(x509.ObjectIdentifier(oid), extension)
    leaf = certify("SIMULATED INSECURE Intel SGX PCK Certificate", key, authority, extensions=(value,))
    return "".join(encode_pem(certificate) for certificate in (leaf, authority.certificate, root.certificate))


def build_collateral(
    kind: EvidenceKind,
    now: int,
    options: VendorOptions = VendorOptions(),  # noqa: B008 - frozen
) -> bytes:
    """TCB info, quoting enclave identity and revocation lists as JSON, in the form that collateral services give.

    Args:
        kind: SGX or TDX.
        now: seconds since 1970.
        options: what differs from the default vendor.
    """
    root, authority, signer = build_authorities(options)
    issued = compute_issue_time(now)
    window = {"issueDate": _iso(issued), "nextUpdate": _iso(issued + options.validity_days * _DAY)}
    tcb_info = _json(_tcb_info(kind, window, options))
    identity = _json(_quoting_enclave_identity(kind, window, options))
    signer_chain = encode_pem(signer.certificate) + encode_pem(root.certificate)
    document = {
        "pck_crl_issuer_chain": encode_pem(authority.certificate) + encode_pem(root.certificate),
        "root_ca_crl": build_revocation_list(root, (), issued, options).hex(),
        "pck_crl": build_revocation_list(authority, options.revoked, issued, options).hex(),
        "tcb_info_issuer_chain": signer_chain,
        "tcb_info": tcb_info,
        "tcb_info_signature": sign_p256(signer.key, tcb_info.encode()).hex(),
        "qe_identity_issuer_chain": signer_chain,
        "qe_identity": identity,
        "qe_identity_signature": sign_p256(signer.key, identity.encode()).hex(),
    }
    return _json(document).encode()


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


def _iso(seconds: int) -> str:
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _json(value: dict[str, Any]) -> str:
    return json.dumps(value, separators=(",", ":"))
