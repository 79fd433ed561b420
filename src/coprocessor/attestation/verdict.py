"""What verification found in evidence. Whether that is good enough, ``policy`` says."""

from __future__ import annotations

from dataclasses import dataclass, fields
from enum import Enum
from typing import Final

from coprocessor.attestation.evidence import EvidenceKind
from coprocessor.codec import cbor
from coprocessor.crypto.hashing import sha256
from coprocessor.crypto.labels import Label
from coprocessor.values.errors import InternalError
from coprocessor.values.identities import Digest

__all__ = [
    "LEVELS",
    "DstackMeasurement",
    "Measurement",
    "NitroMeasurement",
    "PlatformFlag",
    "SgxMeasurement",
    "SnpMeasurement",
    "TcbStatus",
    "TdxMeasurement",
    "Verdict",
    "compute_level",
    "compute_measurement_digest",
    "compute_platform_id",
]


class TcbStatus(Enum):
    """How the vendor judges the platform's firmware, microcode and configuration."""

    UP_TO_DATE = "UpToDate"
    HARDENING_NEEDED = "SWHardeningNeeded"
    CONFIGURATION_NEEDED = "ConfigurationNeeded"
    CONFIGURATION_AND_HARDENING_NEEDED = "ConfigurationAndSWHardeningNeeded"
    OUT_OF_DATE = "OutOfDate"
    OUT_OF_DATE_CONFIGURATION_NEEDED = "OutOfDateConfigurationNeeded"
    REVOKED = "Revoked"
    UNJUDGED = "Unjudged"


class PlatformFlag(Enum):
    """Properties of a machine, or of its evidence, that a policy may refuse."""

    DYNAMIC = "dynamic_platform"
    CACHED_KEYS = "cached_keys"
    SIMULTANEOUS_MULTITHREADING = "smt"
    PROVISIONAL_FIRMWARE = "provisional_firmware"
    MEMORY_ALIASES_UNCHECKED = "memory_aliases_unchecked"
    REVOCATION_UNKNOWN = "revocation_unknown"
    MACHINE_UNKNOWN = "machine_unknown"


LEVELS: Final = (1, 2, 3, 4, 5)
"""Confidence in a platform, 1 the best."""


@dataclass(frozen=True, slots=True)
class SgxMeasurement:
    """Code in an SGX enclave: MRENCLAVE and MRSIGNER (32 bytes each), product id and security version (16 bits
    each)."""

    mrenclave: bytes
    mrsigner: bytes
    product_id: int
    security_version: int


@dataclass(frozen=True, slots=True)
class TdxMeasurement:
    """Code in a trust domain: MRTD, RTMR 0 to 3, MRCONFIGID, MROWNER and MROWNERCONFIG (48 bytes each), attributes and
    XFAM (8 bytes each)."""

    mrtd: bytes
    rtmr0: bytes
    rtmr1: bytes
    rtmr2: bytes
    rtmr3: bytes
    config_id: bytes
    owner: bytes
    owner_config: bytes
    attributes: bytes
    xfam: bytes


@dataclass(frozen=True, slots=True)
class DstackMeasurement:
    """Code in a trust domain that dstack started: as ``TdxMeasurement``, but instead of RTMR 3, which also holds the
    instance's name, what its event log shows: compose hash and digest of the key provider, 32 bytes each."""

    mrtd: bytes
    rtmr0: bytes
    rtmr1: bytes
    rtmr2: bytes
    compose_hash: bytes
    key_provider: bytes
    config_id: bytes
    owner: bytes
    owner_config: bytes
    attributes: bytes
    xfam: bytes


@dataclass(frozen=True, slots=True)
class SnpMeasurement:
    """Code in an SEV-SNP guest: launch measurement (48 bytes), HOST_DATA (32), VMPL, guest policy (64 bits)."""

    measurement: bytes
    host_data: bytes
    vmpl: int
    policy: int


@dataclass(frozen=True, slots=True)
class NitroMeasurement:
    """Code in a Nitro enclave: PCR 0 to 2 and the signer's PCR 8 (48 bytes each)."""

    pcr0: bytes
    pcr1: bytes
    pcr2: bytes
    pcr8: bytes


Measurement = SgxMeasurement | TdxMeasurement | DstackMeasurement | SnpMeasurement | NitroMeasurement


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is proven about an enclave, once its evidence has been verified.

    Args:
        kind: format of the evidence.
        measurement: the code.
        report_data: 64 bytes that the enclave chose.
        status: the vendor's judgement.
        advisories: security advisories that apply, ascending.
        flags: properties of the platform that a policy may refuse.
        platform_id: 32 bytes, the same for all enclaves of one machine, as far as the vendor tells machines apart.
        body_digest: 32 bytes, the name of the evidence.
        evaluation_number: of the vendor's TCB data; 0 where the vendor has none.
        issued_at: seconds since 1970 when the oldest part of the vendor's data was issued.
        valid_until: seconds since 1970 when the first part of the evidence expires.
        level: confidence 1 (best) to 5.
        root: 32 bytes, SHA-256 of the vendor's root certificate.
        simulated: the root is not a hardware vendor's: nothing is protected.
    """

    kind: EvidenceKind
    measurement: Measurement
    report_data: bytes
    status: TcbStatus
    advisories: tuple[str, ...]
    flags: frozenset[PlatformFlag]
    platform_id: Digest
    body_digest: Digest
    evaluation_number: int
    issued_at: int
    valid_until: int
    level: int
    root: Digest
    simulated: bool

    def __post_init__(self) -> None:
        if len(self.report_data) != 64 or self.level not in LEVELS:
            raise InternalError("attestation.verdict", "a verdict has 64 bytes of report data and a level of 1 to 5")

    @property
    def measurement_digest(self) -> Digest:
        """32 bytes: what policies and the chain list."""
        return compute_measurement_digest(self.kind, self.measurement)


def compute_measurement_digest(kind: EvidenceKind, measurement: Measurement) -> Digest:
    """SHA-256 over kind and all fields of a measurement, 32 bytes."""
    values = {field.name: getattr(measurement, field.name) for field in fields(measurement)}
    body = cbor.dumps([kind.value, values])
    return sha256(Label.EVIDENCE.context(b"", b"measurement", body))


def compute_platform_id(vendor: bytes, identity: bytes, *, simulated: bool) -> Digest:
    """The name of a machine, 32 bytes.

    Args:
        vendor: whose machine it is, for example ``b"intel"``: SGX and TDX of one machine share a name.
        identity: what the vendor tells machines apart by.
        simulated: simulated machines never share a name with real ones.
    """
    return sha256(Label.EVIDENCE.context(b"", b"platform", vendor, identity, insecure=simulated))


def compute_level(status: TcbStatus, advisories: tuple[str, ...]) -> int:
    """1 up to date; 2 with advisories; 3 needs hardening in software; 4 needs configuration, or not judged; 5 worse."""
    if status is TcbStatus.UP_TO_DATE:
        return 2 if advisories else 1
    if status is TcbStatus.HARDENING_NEEDED:
        return 3
    if status in _LEVEL_4:
        return 4
    return 5


_LEVEL_4: Final = frozenset(
    {TcbStatus.CONFIGURATION_NEEDED, TcbStatus.CONFIGURATION_AND_HARDENING_NEEDED, TcbStatus.UNJUDGED}
)
