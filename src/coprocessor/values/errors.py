"""The one root of all errors, and its families by who is at fault.

An error says what happened, why, and what to do next. Its ``code`` is stable: it crosses the wire, stands in
``--json`` output and is listed in the documentation.
"""

from __future__ import annotations

__all__ = [
    "CallerMisuse",
    "CoprocessorError",
    "EvidenceRefused",
    "GuestFailed",
    "InternalError",
    "MalformedInput",
    "PeerUnreachable",
]


class CoprocessorError(Exception):
    """Root of every error that a public function of this package raises.

    Args:
        code: stable identifier, lower-case words joined by dots, for example ``receipt.foreign_network``.
        what: what happened, with exact values.
        why: the cause, as far as it is known.
        next: what the reader can do about it.
    """

    family = "error"

    def __init__(self, code: str, what: str, why: str = "", next: str = "") -> None:
        super().__init__(what)
        self.code = code
        self.what = what
        self.why = why
        self.next = next

    def __str__(self) -> str:
        parts = [f"{self.code}: {self.what}"]
        if self.why:
            parts.append(f"why: {self.why}")
        if self.next:
            parts.append(f"next: {self.next}")
        return "; ".join(parts)

    def to_dict(self) -> dict[str, str]:
        """The fields that cross the wire."""
        return {"code": self.code, "what": self.what, "why": self.why, "next": self.next}


class MalformedInput(CoprocessorError):
    """Bytes or values from outside that do not have the form they must have."""

    family = "malformed"


class EvidenceRefused(CoprocessorError):
    """A proof, signature, quote or header that does not show what it must show."""

    family = "evidence"


class GuestFailed(CoprocessorError):
    """A program failed by its own doing: an error it raised or a limit it met."""

    family = "guest"


class PeerUnreachable(CoprocessorError):
    """A node, worker or gatekeeper did not answer, or not in time."""

    family = "peer"


class CallerMisuse(CoprocessorError):
    """The person or program that called asked for something that cannot be done as asked."""

    family = "misuse"


class InternalError(CoprocessorError):
    """A broken promise of our own code: always a bug."""

    family = "internal"
