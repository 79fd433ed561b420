"""Collateral of SEV-SNP evidence: the chip's certificate, its authority's, and AMD's revocation list.

Rules:

1. The encoding is deterministic CBOR: ``[leaf, authority, revocation list]``, DER each; the list is empty where there
   is none, and then the verdict says ``revocation_unknown``.
2. Guests get certificates from their host in a table of GUIDs; ``read_certificate_table`` takes from it what is needed.
   Hosts write GUIDs in the order of their text; some write the first three groups in little-endian order.

**Source:** AMD publication 57230 (VCEK Certificate and KDS Interface Specification), AMD publication 56421 (GHCB
Standardization), section 4.1.8.1 for the table.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

from coprocessor.attestation.evidence import MAX_COLLATERAL_LENGTH
from coprocessor.codec import cbor
from coprocessor.values.errors import MalformedInput

__all__ = ["SnpCollateral", "read_certificate_table"]

_ENTRY = struct.Struct("<16sII")
_MAX_ENTRIES: Final = 16
_VCEK: Final = bytes.fromhex("63da758de6644564adc5f4b93be8accd")
_VLEK: Final = bytes.fromhex("a8074bc2a25a483eaae639c045a0b8a1")
_AUTHORITY: Final = bytes.fromhex("4ab7b379bbac4fe4a02f05aef327c782")
_REVOCATIONS: Final = bytes.fromhex("92f81bc358114d3d97ffd19f88dc67ea")


@dataclass(frozen=True, slots=True)
class SnpCollateral:
    """DER of the certificate whose key signs reports, of the authority that issued it, and of the root's revocation
    list (empty: none)."""

    leaf: bytes
    authority: bytes
    revocations: bytes = b""

    def encode(self) -> bytes:
        """Deterministic CBOR (rule 1)."""
        return cbor.dumps([self.leaf, self.authority, self.revocations])

    @classmethod
    def decode(cls, data: bytes) -> SnpCollateral:
        """Inverse of ``encode``. Raises MalformedInput."""
        match cbor.loads(data, MAX_COLLATERAL_LENGTH):
            case [bytes(leaf), bytes(authority), bytes(revocations)]:
                return cls(leaf, authority, revocations)
        raise MalformedInput(
            "attestation.collateral",
            "the collateral is not readable",
            "it is not a list of three certificates",
            "fetch the collateral anew",
        )


def read_certificate_table(table: bytes, *, is_vlek: bool) -> SnpCollateral | None:
    """What a host's certificate table (``auxblob``) gives; None where a certificate is missing.

    Raises:
        MalformedInput: ``attestation.certificate_table``: it points outside itself or does not end.
    """
    found: dict[bytes, bytes] = {}
    for at in range(0, _MAX_ENTRIES * _ENTRY.size, _ENTRY.size):
        if at + _ENTRY.size > len(table):
            raise _malformed("it does not end")
        guid, offset, length = _ENTRY.unpack_from(table, at)
        if guid == bytes(16):
            break
        if guid in found or offset + length > len(table):
            raise _malformed("an entry stands twice or points outside")
        found[guid] = table[offset : offset + length]
    else:
        raise _malformed(f"it has more than {_MAX_ENTRIES} entries")
    names = (_VLEK if is_vlek else _VCEK, _AUTHORITY, _REVOCATIONS)
    leaf, authority, revocations = (found.get(name) or found.get(_swap(name)) or b"" for name in names)
    return SnpCollateral(leaf, authority, revocations) if leaf and authority else None


def _swap(guid: bytes) -> bytes:
    return guid[3::-1] + guid[5:3:-1] + guid[7:5:-1] + guid[8:]


def _malformed(why: str) -> MalformedInput:
    return MalformedInput(
        "attestation.certificate_table",
        "the host's certificate table is not readable",
        why,
        "have the host hand over its certificates anew, or none: then AMD's service is asked",
    )
