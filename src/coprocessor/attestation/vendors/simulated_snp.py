"""A simulated SEV-SNP machine: makes reports in the true binary format, under the simulated vendor's root. SIMULATED,
INSECURE.

The chip's key depends on its security versions, as the true one does.

**Source:** as ``snp_report`` and ``snp``.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from coprocessor.attestation.evidence import Evidence, EvidenceKind
from coprocessor.attestation.vendors.simulated_authority import (
    Authority,
    VendorOptions,
    build_authorities,
    build_revocation_list,
    certify,
    compute_issue_time,
    derive_p256_key,
    derive_p384_key,
    encode_der,
    sign_p384,
)
from coprocessor.attestation.vendors.snp import AMD_OID, LEAF_NAME
from coprocessor.attestation.vendors.snp_collateral import SnpCollateral
from coprocessor.attestation.vendors.snp_report import SIGNED_LENGTH, SNP_REPORT_LENGTH, SigningKey, SnpTcb
from coprocessor.crypto.hkdf import hkdf_derive
from coprocessor.crypto.labels import Label
from coprocessor.values.errors import CallerMisuse
from coprocessor.values.identities import checked_digest

__all__ = ["SimulatedSnpPlatform", "SnpGuest"]

_SCALAR: Final = 72
_TCB: Final = SnpTcb(0, 4, 0, 20, 100)


@dataclass(frozen=True, slots=True)
class SnpGuest:
    """What a simulated guest reports: measurement (48 bytes), data (64), HOST_DATA (32), policy, VMPL, and the report's
    form.

    Args:
        version: of the report, 2 to 5.
        tcb: reported security versions; the others' are the same unless given.
        hides_chip: the host hides the chip's id.
        is_vlek: a cloud's key signs instead of the chip's.
        platform: properties of the machine, 64 bits.
        processor: family, model and stepping, from version 3 on.
    """

    measurement: bytes
    report_data: bytes
    host_data: bytes = bytes(32)
    policy: int = 0x30000
    vmpl: int = 0
    version: int = 5
    tcb: SnpTcb = _TCB
    committed: SnpTcb | None = None
    launch: SnpTcb | None = None
    hides_chip: bool = False
    is_vlek: bool = False
    platform: int = 0x24
    processor: tuple[int, int, int] = (0x19, 0x01, 1)


class SimulatedSnpPlatform:
    """One simulated machine. Prints redacted.

    Args:
        secret: 32 bytes, the machine's identity.
        options: the vendor; ``revoked`` are serial numbers on the root's list.
    """

    __slots__ = ("_authority", "_chip", "_options", "_root", "_secret")

    def __init__(self, secret: bytes, options: VendorOptions = VendorOptions()) -> None:  # noqa: B008 - frozen
        checked_digest(secret, "platform secret")
        self._secret = secret
        self._options = options
        self._root = build_authorities(options)[0]
        key = derive_p256_key(options.seed, b"snp authority")
        self._authority = Authority(key, certify("SEV-Simulated", key, self._root, path_length=0))
        self._chip = hkdf_derive(secret, Label.SIMULATED_VENDOR.context(b"", b"chip", insecure=True), 64)

    @property
    def authority(self) -> x509.Certificate:
        """The certificate between chip and root."""
        return self._authority.certificate

    def evidence(self, guest: SnpGuest, now: int) -> Evidence:
        """A report with certificates, and the root's revocation list as of ``now``, seconds since 1970."""
        issued = compute_issue_time(now)
        revocations = build_revocation_list(self._root, self._options.revoked, issued, self._options)
        leaf = encode_der(self.certify_chip(guest))
        collateral = SnpCollateral(leaf, encode_der(self.authority), revocations)
        return Evidence(EvidenceKind.SNP, self.report(guest), collateral.encode())

    def certify_chip(self, guest: SnpGuest) -> x509.Certificate:
        """The certificate of the key that signs this guest's reports."""
        tcb = guest.tcb
        values = {".3.1": tcb.bootloader, ".3.2": tcb.tee, ".3.3": tcb.snp, ".3.8": tcb.microcode}
        extensions = [_extension(suffix, _integer(value)) for suffix, value in values.items()]
        extensions.append(_extension(".5", b"\x16\tSIMULATED") if guest.is_vlek else _extension(".4", self._chip))
        name = LEAF_NAME[SigningKey.VLEK if guest.is_vlek else SigningKey.VCEK]
        return certify(name, self._key(guest), self._authority, extensions=extensions)

    def report(self, guest: SnpGuest) -> bytes:
        """A signed report."""
        if not 2 <= guest.version <= 5:
            raise CallerMisuse("attestation.version", f"SEV-SNP reports have version 2 to 5, not {guest.version}")
        lengths = (len(guest.measurement), len(guest.report_data), len(guest.host_data))
        if lengths != (48, 64, 32):
            raise CallerMisuse("attestation.report", f"fields of the report have wrong lengths: {lengths}")
        body = bytearray(SIGNED_LENGTH)
        key_flags = (SigningKey.VLEK if guest.is_vlek else SigningKey.VCEK) << 2 | guest.hides_chip << 1
        committed = _encode_tcb(guest.committed or guest.tcb)
        struct.pack_into("<IIQ", body, 0, guest.version, 0, guest.policy)
        struct.pack_into("<II8sQI", body, 0x30, guest.vmpl, 1, committed, guest.platform, key_flags)
        body[0x50:0x90] = guest.report_data
        body[0x90:0xC0] = guest.measurement
        body[0xC0:0xE0] = guest.host_data
        body[0x180:0x188] = _encode_tcb(guest.tcb)
        if guest.version >= 3:
            body[0x188:0x18B] = bytes(guest.processor)
        if not guest.hides_chip:
            body[0x1A0:0x1E0] = self._chip
        body[0x1E0:0x1E8] = committed
        body[0x1F0:0x1F8] = _encode_tcb(guest.launch or guest.tcb)
        r, s = sign_p384(self._key(guest), bytes(body))
        signature = r.to_bytes(_SCALAR, "little") + s.to_bytes(_SCALAR, "little")
        return (bytes(body) + signature).ljust(SNP_REPORT_LENGTH, b"\0")

    def _key(self, guest: SnpGuest) -> ec.EllipticCurvePrivateKey:
        return derive_p384_key(self._secret, b"vlek" if guest.is_vlek else b"vcek", _encode_tcb(guest.tcb))

    def __repr__(self) -> str:
        return "SimulatedSnpPlatform(SIMULATED INSECURE, redacted)"


def _encode_tcb(tcb: SnpTcb) -> bytes:
    return bytes((tcb.bootloader, tcb.tee, 0, 0, 0, 0, tcb.snp, tcb.microcode))


def _integer(value: int) -> bytes:
    body = value.to_bytes(value.bit_length() // 8 + 1, "big")
    return bytes((2, len(body))) + body


def _extension(suffix: str, value: bytes) -> x509.UnrecognizedExtension:
    return x509.UnrecognizedExtension(x509.ObjectIdentifier(AMD_OID + suffix), value)
