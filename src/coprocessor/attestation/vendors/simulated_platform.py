"""A simulated machine: makes SGX version 3 and TDX version 4 and 5 quotes in the true binary formats. SIMULATED,
INSECURE.

Whoever knows the platform's secret, and by the vendor's public seed anybody else too, can make quotes over anything.

**Source:** as ``dcap_quote``.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, replace
from typing import Final

from coprocessor.attestation.evidence import Evidence, EvidenceKind
from coprocessor.attestation.vendors.dcap_quote import QE_VENDOR_INTEL
from coprocessor.attestation.vendors.sgx_extension import SGX_EXTENSION_OID, PlatformTcb, encode_sgx_extension
from coprocessor.attestation.vendors.simulated import (
    QUOTING_ENCLAVE_SIGNER,
    SEAM_SIGNER,
    SIMULATED_FMSPC,
    build_collateral,
    certify_platform,
)
from coprocessor.attestation.vendors.simulated_authority import (
    VendorOptions,
    derive_p256_key,
    public_bytes,
    sign_p256,
)
from coprocessor.crypto.hashing import sha256
from coprocessor.crypto.hkdf import hkdf_derive
from coprocessor.crypto.labels import Label
from coprocessor.values.errors import CallerMisuse
from coprocessor.values.identities import checked_digest

__all__ = ["SgxReport", "SimulatedPlatform", "TdReport"]

_CPU_SVN: Final = bytes((10,)) * 16
_TEE_TCB_SVN: Final = bytes((10, 0)) + bytes((10,)) * 14
_SGX_ATTRIBUTES: Final = bytes.fromhex("05000000000000000700000000000000")
_QE_ATTRIBUTES: Final = bytes.fromhex("1100000000000000e700000000000000")
_AUTHENTICATION: Final = bytes(range(32))


@dataclass(frozen=True, slots=True)
class SgxReport:
    """What a simulated SGX enclave reports: MRENCLAVE, MRSIGNER (32 bytes), product, version, attributes (16 bytes),
    data (64)."""

    mrenclave: bytes
    report_data: bytes
    mrsigner: bytes = bytes(32)
    product_id: int = 0
    security_version: int = 0
    attributes: bytes = _SGX_ATTRIBUTES
    cpu_svn: bytes = _CPU_SVN

    def encode(self) -> bytes:
        """384 bytes."""
        identity = self.mrenclave + bytes(32) + self.mrsigner + bytes(96)
        versions = struct.pack("<HH", self.product_id, self.security_version) + bytes(60)
        return _exact(self.cpu_svn + bytes(32) + self.attributes + identity + versions + self.report_data, 384)


@dataclass(frozen=True, slots=True)
class TdReport:
    """What a simulated trust domain reports: MRTD and RTMRs (48 bytes each), data (64), attributes (8)."""

    mrtd: bytes
    report_data: bytes
    rtmr: tuple[bytes, bytes, bytes, bytes] = (bytes(48),) * 4
    attributes: bytes = bytes.fromhex("0000001000000000")
    tee_tcb_svn: bytes = _TEE_TCB_SVN
    service_td: bytes = bytes(48)

    def encode(self, version: int) -> bytes:
        """584 bytes for version 4, 648 for version 5."""
        module = self.tee_tcb_svn + bytes(48) + SEAM_SIGNER + bytes(8)
        domain = self.attributes + bytes.fromhex("e700000000000000") + self.mrtd + bytes(3 * 48)
        body = _exact(module + domain + b"".join(self.rtmr) + self.report_data, 584)
        return body if version == 4 else body + self.tee_tcb_svn + self.service_td


class SimulatedPlatform:
    """One simulated machine. Prints redacted.

    Args:
        secret: 32 bytes, the machine's identity.
        options: the vendor.
        tcb: security versions and properties.
        quoting_version: security version of its quoting enclave.
    """

    __slots__ = ("_attestation_key", "_chain", "_options", "_pck_key", "_quoting_version", "_tcb")

    def __init__(
        self,
        secret: bytes,
        options: VendorOptions = VendorOptions(),  # noqa: B008 - frozen
        tcb: PlatformTcb = PlatformTcb(_CPU_SVN, 10),  # noqa: B008 - frozen
        quoting_version: int = 8,
    ) -> None:
        checked_digest(secret, "platform secret")
        self._options = options
        self._tcb = tcb
        self._quoting_version = quoting_version
        self._pck_key = derive_p256_key(secret, b"platform key")
        self._attestation_key = derive_p256_key(secret, b"attestation key")
        identity = hkdf_derive(secret, Label.SIMULATED_VENDOR.context(b"", b"platform identity", insecure=True), 32)
        extension = encode_sgx_extension(identity[:16], identity[16:], SIMULATED_FMSPC, tcb)
        self._chain = certify_platform(self._pck_key, extension, SGX_EXTENSION_OID, options).encode() + b"\0"

    def sgx_evidence(self, report: SgxReport, now: int) -> Evidence:
        """A version 3 quote with collateral as of ``now``, seconds since 1970."""
        collateral = build_collateral(EvidenceKind.SGX, now, self._options)
        return Evidence(EvidenceKind.SGX, self.sgx_quote(report), collateral)

    def tdx_evidence(self, report: TdReport, now: int, version: int = 4) -> Evidence:
        """A version 4 or 5 quote with collateral as of ``now``, seconds since 1970."""
        collateral = build_collateral(EvidenceKind.TDX, now, self._options)
        return Evidence(EvidenceKind.TDX, self.tdx_quote(report, version), collateral)

    def sgx_quote(self, report: SgxReport) -> bytes:
        """A version 3 quote."""
        header = struct.pack("<HHIHH", 3, 2, 0, 1, 1) + QE_VENDOR_INTEL + bytes(20)
        return self._signed(EvidenceKind.SGX, header + replace(report, cpu_svn=self._tcb.cpu_svn).encode())

    def tdx_quote(self, report: TdReport, version: int = 4) -> bytes:
        """A quote of version 4 (TD report 1.0) or 5 (1.5)."""
        if version not in (4, 5):
            raise CallerMisuse("attestation.version", f"TDX quotes have version 4 or 5, not {version}")
        header = struct.pack("<HHIHH", version, 2, 0x81, 0, 0) + QE_VENDOR_INTEL + bytes(20)
        body = report.encode(version)
        descriptor = struct.pack("<HI", 3, len(body)) if version == 5 else b""
        return self._signed(EvidenceKind.TDX, header + descriptor + body)

    def _signed(self, kind: EvidenceKind, signed: bytes) -> bytes:
        key = public_bytes(self._attestation_key)
        quoting_report = SgxReport(
            mrenclave=bytes(sha256(QUOTING_ENCLAVE_SIGNER[kind])),
            report_data=sha256(key + _AUTHENTICATION) + bytes(32),
            mrsigner=QUOTING_ENCLAVE_SIGNER[kind],
            product_id=1 if kind is EvidenceKind.SGX else 2,
            security_version=self._quoting_version,
            attributes=_QE_ATTRIBUTES,
            cpu_svn=self._tcb.cpu_svn,
        ).encode()
        certification = quoting_report + sign_p256(self._pck_key, quoting_report)
        certification += struct.pack("<H", len(_AUTHENTICATION)) + _AUTHENTICATION
        certification += struct.pack("<HI", 5, len(self._chain)) + self._chain
        if kind is EvidenceKind.TDX:
            certification = struct.pack("<HI", 6, len(certification)) + certification
        data = sign_p256(self._attestation_key, signed) + key + certification
        return signed + struct.pack("<I", len(data)) + data

    def __repr__(self) -> str:
        return "SimulatedPlatform(SIMULATED INSECURE, redacted)"


def _exact(data: bytes, length: int) -> bytes:
    if len(data) != length:
        raise CallerMisuse("attestation.report", f"a field of the report has a wrong length: {len(data)}, not {length}")
    return data
