"""The simulated platform as a source of evidence. SIMULATED, INSECURE: its secret is a file that anybody may copy.

The machine's identity is a file of 32 bytes in the platform's folder, so that restarts keep platform and seal key, and
two folders are two machines.
"""

from __future__ import annotations

import contextlib
import os
import secrets
from pathlib import Path
from typing import Final

from coprocessor.attestation.evidence import Evidence, EvidenceKind
from coprocessor.attestation.report_data import REPORT_DATA_LENGTH
from coprocessor.attestation.vendors.simulated_authority import VendorOptions
from coprocessor.attestation.vendors.simulated_platform import SgxReport, SimulatedPlatform
from coprocessor.attestation.verdict import SgxMeasurement, compute_measurement_digest
from coprocessor.attesters.measure import measure_package
from coprocessor.crypto.hkdf import hkdf_derive
from coprocessor.crypto.labels import Label
from coprocessor.values.errors import CallerMisuse, MalformedInput
from coprocessor.values.identities import Digest

__all__ = ["SECRET_FILE", "SimulatedAttester", "simulated_measurement"]

SECRET_FILE: Final = "SIMULATED-INSECURE-platform-secret"
"""Name of the file in the platform's folder."""

_SECRET_LENGTH: Final = 32


class SimulatedAttester:
    """Quotes in SGX format from a simulated machine. Prints redacted.

    Args:
        secret: 32 bytes, the machine.
        mrenclave: 32 bytes, the code; ``measure_package()`` outside tests.
        options: the vendor; the default one is known to everybody.
    """

    __slots__ = ("_mrenclave", "_platform", "_secret")

    def __init__(self, secret: bytes, mrenclave: bytes, options: VendorOptions | None = None) -> None:
        self._platform = SimulatedPlatform(secret, options or VendorOptions())
        self._secret = secret
        self._mrenclave = mrenclave

    @classmethod
    def open(cls, folder: Path, mrenclave: bytes | None = None) -> SimulatedAttester:
        """The machine whose secret lies in ``folder``; made on first use, readable by its owner alone.

        Raises:
            MalformedInput: the file is there but does not hold 32 bytes.
        """
        folder.mkdir(parents=True, exist_ok=True)
        return cls(_load_secret(folder / SECRET_FILE), mrenclave or measure_package())

    @property
    def name(self) -> str:
        """For screens and logs."""
        return "SIMULATED TEE"

    @property
    def is_simulated(self) -> bool:
        """Always."""
        return True

    def quote(self, report_data: bytes, now: int) -> Evidence:
        """Evidence over 64 bytes with the vendor's data as of ``now``, seconds since 1970."""
        if len(report_data) != REPORT_DATA_LENGTH:
            raise CallerMisuse(
                "attestation.report_data", f"report data have {REPORT_DATA_LENGTH} bytes, not {len(report_data)}"
            )
        return self._platform.sgx_evidence(SgxReport(self._mrenclave, report_data), now)

    def seal_key(self, purpose: bytes) -> bytes:
        """32 bytes, bound to the machine's secret, the measurement and the purpose."""
        info = Label.PLATFORM_SEAL.context(b"", self._mrenclave, purpose, insecure=True)
        return hkdf_derive(self._secret, info)

    def __repr__(self) -> str:
        return f"SimulatedAttester(mrenclave=0x{self._mrenclave.hex()}, redacted)"


def simulated_measurement(mrenclave: bytes | None = None) -> Digest:
    """What a policy must list to accept simulated enclaves of this very source, 32 bytes."""
    report = SgxReport(mrenclave or measure_package(), bytes(REPORT_DATA_LENGTH))
    measurement = SgxMeasurement(report.mrenclave, report.mrsigner, report.product_id, report.security_version)
    return compute_measurement_digest(EvidenceKind.SGX, measurement)


def _load_secret(path: Path) -> bytes:
    """Made whole or not at all: two processes that start together end with the same secret."""
    if not path.exists():
        draft = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(secrets.token_bytes(_SECRET_LENGTH))
                file.flush()
                os.fsync(file.fileno())
            with contextlib.suppress(FileExistsError):
                os.link(draft, path)
        finally:
            draft.unlink()
    secret = path.read_bytes()
    if len(secret) != _SECRET_LENGTH:
        raise MalformedInput(
            "attestation.platform_secret",
            f"{path.name} holds {len(secret)} bytes instead of {_SECRET_LENGTH}",
            "it was cut or edited",
            "delete it: the machine becomes a new one and must be admitted again",
        )
    return secret
