"""The kernel's configfs-tsm: quotes of TDX guests and reports of SEV-SNP guests.

Rules:

1. Each quote has an entry of its own, under a random name, removed afterwards.
2. Report data go in by one write; the entry's generation must then be exactly one higher, or somebody else wrote too.
3. What devices append is trimmed here, since verifiers take exact quotes alone.
4. Evidence is over the report data that was asked for, and a device that hangs is given up (``device``).

**Source:** Linux, Documentation/ABI/testing/configfs-tsm-report (kernel 6.7 and later).
"""

from __future__ import annotations

import contextlib
import errno
import secrets
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from coprocessor.attestation.evidence import Evidence, EvidenceKind
from coprocessor.attestation.vendors.dcap_quote import trim_quote
from coprocessor.attestation.vendors.snp_collateral import read_certificate_table
from coprocessor.attestation.vendors.snp_report import SigningKey, parse_report
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

__all__ = ["TSM_FOLDER", "TsmAttester"]

TSM_FOLDER: Final = "sys/kernel/config/tsm/report"
"""Below the file system's root."""

_TDX, _SNP = "tdx_guest", "sev_guest"
_BUSY: Final = frozenset({errno.EBUSY, errno.EWOULDBLOCK, errno.EINTR})
_TRIES: Final = 20
_PAUSE: Final = 0.05


class TsmAttester:
    """Evidence through configfs.

    Args:
        folder: ``TSM_FOLDER`` of the machine, or of a fake.
        make_entry: makes the folder; the kernel then puts the attributes into it, and so does a fake.
        pause: seconds before a busy device is asked again.
        seconds: how long a quote may take.
    """

    __slots__ = ("_device", "_folder", "_make_entry", "_pause", "_seal")

    def __init__(
        self,
        folder: Path,
        make_entry: Callable[[Path], None] = Path.mkdir,
        pause: float = _PAUSE,
        seconds: float = ANSWER_SECONDS,
    ) -> None:
        self._folder = folder
        self._device = PatientDevice(self.name, seconds)
        self._make_entry = make_entry
        self._pause = pause
        self._seal = SealRoot()

    @property
    def name(self) -> str:
        """For screens and logs."""
        return "configfs-tsm"

    @property
    def is_simulated(self) -> bool:
        """Never."""
        return False

    def quote(self, report_data: bytes, now: int) -> Evidence:
        """Evidence over 64 bytes; a TDX quote, or an SEV-SNP report with the certificates that the host gives."""
        check_report_data(report_data)
        try:
            return check_answer(self.name, self._device.ask(lambda: self._quote(report_data)), report_data)
        except (OSError, ValueError, MalformedInput) as error:
            raise device_failed(self.name, f"{type(error).__name__}: {error}") from error

    def seal_key(self, purpose: bytes) -> bytes:
        """32 bytes that end with the process: this interface has no sealing key."""
        return self._seal.derive(purpose)

    def _quote(self, report_data: bytes) -> Evidence:
        """Rule 1."""
        entry = self._folder / f"coprocessor-{secrets.token_hex(8)}"
        self._make_entry(entry)
        try:
            return self._ask(entry, report_data)
        finally:
            with contextlib.suppress(OSError):
                entry.rmdir()

    def _ask(self, entry: Path, report_data: bytes) -> Evidence:
        before = self._generation(entry)
        with (entry / "inblob").open("wb", buffering=0) as file:
            write_report_data(file, report_data)
        quote = self._read(entry / "outblob")
        provider = self._read(entry / "provider").decode("ascii").strip()
        table = self._read(entry / "auxblob") if provider == _SNP and (entry / "auxblob").exists() else b""
        if self._generation(entry) != before + 1:
            raise device_failed(self.name, "another process wrote to the same entry")
        if provider == _TDX:
            return Evidence(EvidenceKind.TDX, trim_quote(quote))
        if provider == _SNP:
            return Evidence(EvidenceKind.SNP, quote, _read_collateral(quote, table))
        raise device_failed(self.name, f"its provider {provider[:32]!r} is not supported")

    def _generation(self, entry: Path) -> int:
        return int(self._read(entry / "generation"))

    def _read(self, path: Path) -> bytes:
        """The whole attribute; a busy device is asked again (the kernel answers EBUSY or EWOULDBLOCK)."""
        for _ in range(_TRIES):
            try:
                return read_bounded(path)
            except OSError as error:
                if error.errno not in _BUSY:
                    raise
                time.sleep(self._pause)
        raise device_failed(self.name, f"{path.name} stayed busy")


def _read_collateral(report: bytes, table: bytes) -> bytes:
    if not table.strip(b"\0"):
        return b""
    is_vlek = parse_report(report).signing_key == SigningKey.VLEK
    found = read_certificate_table(table, is_vlek=is_vlek)
    return found.encode() if found else b""
