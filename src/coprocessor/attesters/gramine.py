"""Gramine's files under /dev/attestation: SGX quotes, and a sealing key for this code on this processor alone.

**Source:** Gramine documentation, "Attestation and Secret Provisioning", low-level interface; files are local to the
process.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from coprocessor.attestation.evidence import Evidence, EvidenceKind
from coprocessor.attestation.vendors.dcap_quote import trim_quote
from coprocessor.attesters.device import (
    ANSWER_SECONDS,
    PatientDevice,
    SealRoot,
    check_answer,
    check_report_data,
    device_failed,
    read_bounded,
    write_report_data,
)
from coprocessor.values.errors import MalformedInput

__all__ = ["GRAMINE_FOLDER", "GramineAttester"]

GRAMINE_FOLDER: Final = "dev/attestation"
"""Below the file system's root."""

_SEALING_KEY: Final = "keys/_sgx_mrenclave"
_SEALING_KEY_LENGTH: Final = 16


class GramineAttester:
    """Evidence through Gramine's files.

    Args:
        folder: ``GRAMINE_FOLDER`` of the machine, or of a fake.
        seconds: how long a quote may take.
    """

    __slots__ = ("_device", "_folder", "_seal")

    def __init__(self, folder: Path, seconds: float = ANSWER_SECONDS) -> None:
        self._folder = folder
        self._device = PatientDevice(self.name, seconds)
        self._seal: SealRoot | None = None

    @property
    def name(self) -> str:
        """For screens and logs."""
        return "Gramine SGX"

    @property
    def is_simulated(self) -> bool:
        """Never."""
        return False

    def quote(self, report_data: bytes, now: int) -> Evidence:
        """Evidence over 64 bytes: an SGX quote of version 3."""
        check_report_data(report_data)
        try:
            evidence = self._device.ask(lambda: self._ask(report_data))
            return check_answer(self.name, evidence, report_data)
        except (OSError, ValueError, MalformedInput) as error:
            raise device_failed(self.name, f"{type(error).__name__}: {error}") from error

    def seal_key(self, purpose: bytes) -> bytes:
        """32 bytes, bound by the processor to MRENCLAVE, and to the purpose.

        Raises:
            PeerUnreachable: ``attestation.device``.
        """
        if self._seal is None:
            try:
                key = self._device.ask(lambda: read_bounded(self._folder / _SEALING_KEY))
            except (OSError, ValueError) as error:
                raise device_failed(self.name, f"{type(error).__name__}: {error}") from error
            if len(key) != _SEALING_KEY_LENGTH or not any(key):
                raise device_failed(self.name, "its sealing key is not set")
            self._seal = SealRoot(key)
        return self._seal.derive(purpose)

    def _ask(self, report_data: bytes) -> Evidence:
        kind = read_bounded(self._folder / "attestation_type").decode("ascii").strip("\0\n ")
        if kind != "dcap":
            raise device_failed(self.name, f"its attestation type is {kind[:32]!r}, not dcap")
        with (self._folder / "user_report_data").open("wb", buffering=0) as file:
            write_report_data(file, report_data)
        return Evidence(EvidenceKind.SGX, trim_quote(read_bounded(self._folder / "quote")))
