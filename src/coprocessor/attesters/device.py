"""What attesters of real hardware have in common: report data of one length, keys that end with the process, and errors
that name the device."""

from __future__ import annotations

import secrets

from coprocessor.attestation.report_data import REPORT_DATA_LENGTH
from coprocessor.crypto.hkdf import hkdf_derive
from coprocessor.crypto.labels import Label
from coprocessor.values.errors import CallerMisuse, PeerUnreachable

__all__ = ["MAX_DEVICE_ANSWER", "SealRoot", "check_report_data", "device_failed"]

MAX_DEVICE_ANSWER = 256 * 1024
"""Bytes that are read from a device at most."""


class SealRoot:
    """The secret behind ``seal_key``. Prints redacted.

    Args:
        secret: what only this code on this machine gets again; None where the hardware offers no such key: then a
            random one, so that what was sealed ends with the process.
    """

    __slots__ = ("_secret",)

    def __init__(self, secret: bytes | None = None) -> None:
        self._secret = secrets.token_bytes(32) if secret is None else secret

    def derive(self, purpose: bytes) -> bytes:
        """32 bytes for this purpose."""
        return hkdf_derive(self._secret, Label.PLATFORM_SEAL.context(b"", purpose))

    def __repr__(self) -> str:
        return "SealRoot(redacted)"


def check_report_data(report_data: bytes) -> None:
    """Raises CallerMisuse where it has not 64 bytes."""
    if len(report_data) != REPORT_DATA_LENGTH:
        raise CallerMisuse(
            "attestation.report_data", f"report data have {REPORT_DATA_LENGTH} bytes, not {len(report_data)}"
        )


def device_failed(device: str, why: str) -> PeerUnreachable:
    """The error of a device that does not give evidence."""
    return PeerUnreachable(
        "attestation.device",
        f"{device} gives no evidence",
        why,
        "run phat doctor on this machine",
    )
