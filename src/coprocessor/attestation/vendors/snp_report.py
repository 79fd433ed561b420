"""Layout of AMD SEV-SNP attestation reports, versions 2 to 5: 1,184 bytes, of which the chip signs the first 672.

Every byte has its place: what follows the signature must be zero, so that one report has one form.

**Source:** AMD publication 56860 (SEV Secure Nested Paging Firmware ABI Specification), revision 1.58, section 7.3,
tables for ATTESTATION_REPORT, TCB_VERSION, GUEST_POLICY, PLATFORM_INFO and the ECDSA P-384 signature.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

from coprocessor.values.errors import MalformedInput

__all__ = [
    "SIGNED_LENGTH",
    "SNP_REPORT_LENGTH",
    "SigningKey",
    "SnpReport",
    "SnpTcb",
    "parse_report",
]

SNP_REPORT_LENGTH: Final = 1184
"""Bytes of a report."""

SIGNED_LENGTH: Final = 0x2A0
"""Bytes at its front that are signed."""

_SCALAR: Final = 72
_ECDSA_P384_SHA384: Final = 1
_VERSIONS: Final = range(2, 6)
_DEBUG: Final = 1 << 19
_SMT: Final = 1 << 0
_ALIASES_CHECKED: Final = 1 << 5
_TURIN_FAMILY: Final = 0x1A


class SigningKey:
    """Which key signed a report: the chip's own (VCEK), or one that AMD gave to a cloud (VLEK)."""

    VCEK: Final = 0
    VLEK: Final = 1


@dataclass(frozen=True, slots=True)
class SnpTcb:
    """Security versions of a platform's firmware, 8 bits each; ``fmc`` is 0 before Turin."""

    fmc: int
    bootloader: int
    tee: int
    snp: int
    microcode: int

    @classmethod
    def decode(cls, data: bytes, *, is_turin: bool) -> SnpTcb:
        """From the 8 bytes of a TCB_VERSION; Turin orders them in another way. Raises MalformedInput."""
        if len(data) != 8:
            raise _malformed(f"security versions have 8 bytes, not {len(data)}")
        if is_turin:
            return cls(data[0], data[1], data[2], data[3], data[7])
        return cls(0, data[0], data[1], data[6], data[7])

    def is_at_least(self, floor: SnpTcb) -> bool:
        """Whether no part is below ``floor``."""
        return all(mine >= least for mine, least in zip(self._parts(), floor._parts(), strict=True))

    def least(self, other: SnpTcb) -> SnpTcb:
        """The lower version of each part."""
        return SnpTcb(*map(min, self._parts(), other._parts()))

    def _parts(self) -> tuple[int, int, int, int, int]:
        return self.fmc, self.bootloader, self.tee, self.snp, self.microcode


@dataclass(frozen=True, slots=True)
class SnpReport:
    """What a report says.

    Args:
        version: 2 to 5.
        signed: the 672 signed bytes.
        signature: ``r`` and ``s``.
        signing_key: ``SigningKey.VCEK`` or ``SigningKey.VLEK``.
        policy: 64 bits, what the guest's owner allowed.
        vmpl: privilege level of the asker, 0 (most) to 3.
        report_data: 64 bytes.
        measurement: 48 bytes, of the launched guest.
        host_data: 32 bytes, set by the host at launch.
        current, reported, committed, launch: 8 bytes each, security versions (``SnpTcb.decode``).
        platform: 64 bits, properties of the machine.
        processor: family, model and stepping; None in version 2.
        chip_id: 64 bytes; zeros where the host hides it.
    """

    version: int
    signed: bytes
    signature: tuple[int, int]
    signing_key: int
    policy: int
    vmpl: int
    report_data: bytes
    measurement: bytes
    host_data: bytes
    current: bytes
    reported: bytes
    committed: bytes
    launch: bytes
    platform: int
    processor: tuple[int, int, int] | None
    chip_id: bytes

    @property
    def is_debug(self) -> bool:
        """Whether the host may read the guest's memory."""
        return bool(self.policy & _DEBUG)

    @property
    def has_multithreading(self) -> bool:
        """Whether two threads share a core."""
        return bool(self.platform & _SMT)

    @property
    def has_checked_aliases(self) -> bool:
        """Whether firmware has made sure that no two addresses name one memory cell (BadRAM)."""
        return bool(self.platform & _ALIASES_CHECKED)

    @property
    def is_turin(self) -> bool:
        """Whether the processor is of the family that Turin begins; False where the report does not say."""
        return self.processor is not None and self.processor[0] >= _TURIN_FAMILY


def parse_report(data: bytes) -> SnpReport:
    """The report that ``data`` is; its signature is not checked.

    Raises:
        MalformedInput: ``attestation.trailing_bytes`` or ``attestation.malformed``.
    """
    if len(data) > SNP_REPORT_LENGTH:
        raise _trailing(f"{len(data) - SNP_REPORT_LENGTH} bytes follow the report")
    if len(data) < SNP_REPORT_LENGTH:
        raise _malformed(f"a report has {SNP_REPORT_LENGTH} bytes, not {len(data)}")
    version, _, policy = struct.unpack_from("<IIQ", data, 0)
    vmpl, algorithm = struct.unpack_from("<II", data, 0x30)
    platform, key_flags = struct.unpack_from("<QI", data, 0x40)
    signing_key = key_flags >> 2 & 0b111
    if version not in _VERSIONS:
        raise _malformed(f"version {version} is not supported")
    if algorithm != _ECDSA_P384_SHA384 or signing_key not in (SigningKey.VCEK, SigningKey.VLEK):
        raise _malformed(f"signature algorithm {algorithm} with key {signing_key} is not supported")
    if vmpl > 3:
        raise _malformed(f"there is no privilege level {vmpl}")
    if any(data[SIGNED_LENGTH + 2 * _SCALAR :]):
        raise _trailing("bytes after the signature are not zero")
    r, s = (int.from_bytes(data[at : at + _SCALAR], "little") for at in (SIGNED_LENGTH, SIGNED_LENGTH + _SCALAR))
    return SnpReport(
        version=version,
        signed=data[:SIGNED_LENGTH],
        signature=(r, s),
        signing_key=signing_key,
        policy=policy,
        vmpl=vmpl,
        report_data=data[0x50:0x90],
        measurement=data[0x90:0xC0],
        host_data=data[0xC0:0xE0],
        current=data[0x38:0x40],
        reported=data[0x180:0x188],
        committed=data[0x1E0:0x1E8],
        launch=data[0x1F0:0x1F8],
        platform=platform,
        processor=(data[0x188], data[0x189], data[0x18A]) if version >= 3 else None,
        chip_id=data[0x1A0:0x1E0],
    )


def _trailing(what: str) -> MalformedInput:
    return MalformedInput(
        "attestation.trailing_bytes",
        what,
        "they are not signed, so one report would have many forms",
        "trim the padding that some devices add",
    )


def _malformed(why: str) -> MalformedInput:
    return MalformedInput(
        "attestation.malformed",
        "the bytes are not a supported SEV-SNP report",
        why,
        "send a report of version 2 to 5 as the device gave it",
    )
