"""What every source of evidence offers to the enclave's loop."""

from __future__ import annotations

from typing import Protocol

from coprocessor.attestation.evidence import Evidence

__all__ = ["Attester"]


class Attester(Protocol):
    """A source of evidence over 64 bytes, and of a key that only the same code on the same machine gets again."""

    @property
    def name(self) -> str:
        """What it is, for screens and logs."""
        ...

    @property
    def is_simulated(self) -> bool:
        """Whether its evidence protects nothing."""
        ...

    def quote(self, report_data: bytes, now: int) -> Evidence:
        """Evidence over ``report_data``.

        Args:
            report_data: 64 bytes.
            now: seconds since 1970; hardware ignores it.

        Raises:
            CallerMisuse: not 64 bytes.
            PeerUnreachable: the device does not answer.
        """
        ...

    def seal_key(self, purpose: bytes) -> bytes:
        """32 bytes, bound to platform, measurement and purpose; MUST NOT leave the enclave."""
        ...
