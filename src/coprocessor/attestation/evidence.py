"""Evidence: a quote with what is needed to judge it, and its one encoding.

Rules:

1. Evidence is named by the digest of its **signed body**, which ``Verdict.body_digest`` holds; never by a digest of the
   whole, since unsigned bytes of a quote can be changed by anybody (DESIGN 5).
2. A quote carries no padding: whoever reads one from a device trims it (``vendors.dcap_quote.trim_quote``).
3. The encoding is deterministic CBOR and refuses unknown fields.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum
from typing import Final

from coprocessor.codec import cbor
from coprocessor.crypto.hashing import sha256
from coprocessor.crypto.labels import Label
from coprocessor.values.errors import MalformedInput
from coprocessor.values.identities import Digest

__all__ = [
    "MAX_COLLATERAL_LENGTH",
    "MAX_EVIDENCE_LENGTH",
    "MAX_EXTRAS",
    "MAX_EXTRAS_LENGTH",
    "MAX_QUOTE_LENGTH",
    "SIGNING_KEY",
    "Evidence",
    "EvidenceKind",
    "compute_body_digest",
    "compute_collateral_digest",
    "decode_evidence",
    "encode_evidence",
]

MAX_QUOTE_LENGTH: Final = 16 * 1024
"""Bytes of a quote; real ones have 1 to 6 KiB."""

MAX_COLLATERAL_LENGTH: Final = 64 * 1024
"""Bytes of collateral; real ones have up to 19 KiB."""

MAX_EXTRAS: Final = 8
MAX_EXTRAS_LENGTH: Final = 128 * 1024
"""Bytes of all extras together, for example an event log."""

MAX_EVIDENCE_LENGTH: Final = MAX_QUOTE_LENGTH + MAX_COLLATERAL_LENGTH + MAX_EXTRAS_LENGTH + 1024


SIGNING_KEY: Final = "signing_key"
"""Name of the extra that holds the enclave's public key (33 bytes), which report data bind: whoever reads published
evidence can compute them again. Like all extras it proves nothing by itself."""


class EvidenceKind(Enum):
    """The format of a quote."""

    SGX = "sgx"
    TDX = "tdx"
    SNP = "snp"
    NITRO = "nitro"


@dataclass(frozen=True, slots=True)
class Evidence:
    """A quote and what belongs to it.

    Args:
        kind: the format.
        quote: what the hardware signed, at most ``MAX_QUOTE_LENGTH`` bytes.
        collateral: certificates, revocation lists and TCB levels of the vendor, in the format of ``kind``.
        extras: further (name, bytes), ascending by name, such as an event log.

    Raises:
        MalformedInput: too long, or names out of order.
    """

    kind: EvidenceKind
    quote: bytes
    collateral: bytes = b""
    extras: tuple[tuple[str, bytes], ...] = ()

    def __post_init__(self) -> None:
        names = [name for name, _ in self.extras]
        length = sum(len(name) + len(data) for name, data in self.extras)
        for what, size, limit in (
            ("quote", len(self.quote), MAX_QUOTE_LENGTH),
            ("collateral", len(self.collateral), MAX_COLLATERAL_LENGTH),
            ("extras", length, MAX_EXTRAS_LENGTH),
            ("number of extras", len(names), MAX_EXTRAS),
        ):
            if size > limit:
                raise MalformedInput(
                    "attestation.too_long",
                    f"{what}: {size}, the limit is {limit}",
                    next="send what the device gave for one enclave, and nothing else",
                )
        if names != sorted(set(names)):
            raise MalformedInput(
                "attestation.malformed", "extras are out of order or double", next="encode the evidence anew"
            )

    def with_extra(self, name: str, data: bytes) -> Evidence:
        """The same with one more extra, or another value for it."""
        return replace(self, extras=tuple(sorted({**dict(self.extras), name: data}.items())))

    def extra(self, name: str) -> bytes:
        """The extra called ``name``, or nothing."""
        return dict(self.extras).get(name, b"")


def encode_evidence(evidence: Evidence) -> bytes:
    """Deterministic CBOR; at most ``MAX_EVIDENCE_LENGTH`` bytes."""
    return cbor.dumps([evidence.kind.value, evidence.quote, evidence.collateral, dict(evidence.extras)])


def decode_evidence(data: bytes) -> Evidence:
    """Inverse of ``encode_evidence``. Raises MalformedInput."""
    match cbor.loads(data, MAX_EVIDENCE_LENGTH):
        case [str(kind), bytes(quote), bytes(collateral), dict(extras)] if _are_extras(extras):
            if kind not in {known.value for known in EvidenceKind}:
                raise MalformedInput(
                    "attestation.kind",
                    f"evidence of kind {kind[:16]!r} is not known",
                    next="attest on hardware of a vendor that this release knows",
                )
            return Evidence(EvidenceKind(kind), quote, collateral, tuple(sorted(extras.items())))
    raise MalformedInput(
        "attestation.malformed", "the bytes are not evidence", next="encode the evidence anew; it was cut or altered"
    )


def compute_body_digest(kind: EvidenceKind, body: bytes) -> Digest:
    """The name of evidence with this signed body, 32 bytes (rule 1)."""
    return sha256(Label.EVIDENCE.context(b"", b"body", kind.value.encode(), body))


def compute_collateral_digest(kind: EvidenceKind, collateral: bytes) -> Digest:
    """The name of collateral, 32 bytes: how policies pin it."""
    return sha256(Label.EVIDENCE.context(b"", b"collateral", kind.value.encode(), collateral))


def _are_extras(extras: dict[object, object]) -> bool:
    return all(isinstance(name, str) and isinstance(value, bytes) for name, value in extras.items())
