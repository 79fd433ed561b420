"""Gramine's files under /dev/attestation: SGX quotes, and a sealing key for this code on this processor alone.

**Source:** Gramine documentation, "Attestation and Secret Provisioning", low-level interface; files are local to the
process.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from coprocessor.attestation.evidence import Evidence, EvidenceKind
from coprocessor.attestation.vendors.dcap_quote import trim_quote
from coprocessor.attesters.device import MAX_DEVICE_ANSWER, SealRoot, check_report_data, device_failed
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
    """

    __slots__ = ("_folder", "_seal")

    def __init__(self, folder: Path) -> None:
        self._folder = folder
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
            kind = (self._folder / "attestation_type").read_text("ascii").strip("\0\n ")
            if kind != "dcap":
                raise device_failed(self.name, f"its attestation type is {kind[:32]!r}, not dcap")
            with (self._folder / "user_report_data").open("wb", buffering=0) as file:
                file.write(report_data)
            with (self._folder / "quote").open("rb") as file:
                return Evidence(EvidenceKind.SGX, trim_quote(file.read(MAX_DEVICE_ANSWER)))
        except (OSError, ValueError, MalformedInput) as error:
            raise device_failed(self.name, f"{type(error).__name__}: {error}") from error

    def seal_key(self, purpose: bytes) -> bytes:
        """32 bytes, bound by the processor to MRENCLAVE, and to the purpose.

        Raises:
            PeerUnreachable: ``attestation.device``.
        """
        if self._seal is None:
            try:
                key = (self._folder / _SEALING_KEY).read_bytes()
            except OSError as error:
                raise device_failed(self.name, f"{type(error).__name__}: {error}") from error
            if len(key) != _SEALING_KEY_LENGTH or not any(key):
                raise device_failed(self.name, "its sealing key is not set")
            self._seal = SealRoot(key)
        return self._seal.derive(purpose)
