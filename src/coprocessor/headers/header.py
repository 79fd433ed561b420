"""Execution-layer block headers: parsed from RLP, identified by their Keccak-256.

**Source:** Ethereum Yellow Paper 4.3, with EIP-1559, EIP-4399, EIP-4895, EIP-4844, EIP-4788 and EIP-7685 fields.
"""

from __future__ import annotations

from dataclasses import dataclass

from coprocessor.codec import rlp
from coprocessor.crypto.hashing import keccak256
from coprocessor.values.errors import MalformedInput
from coprocessor.values.identities import Digest

__all__ = ["MAX_HEADER_LENGTH", "Header", "parse_header"]

MAX_HEADER_LENGTH = 2048
"""Bytes of one RLP header that are looked at at all."""

_PARENT, _STATE_ROOT, _NUMBER, _TIMESTAMP, _MIX = 0, 3, 8, 11, 13
_FIELDS_MIN, _FIELDS_MAX = 16, 32


@dataclass(frozen=True, slots=True)
class Header:
    """The fields of a header that anything here is decided by.

    Args:
        hash: Keccak-256 of the RLP header, 32 bytes.
        parent_hash: 32 bytes.
        state_root: 32 bytes.
        number: block number.
        timestamp: seconds since 1970.
        prevrandao: 32 bytes (EIP-4399).
    """

    hash: Digest
    parent_hash: Digest
    state_root: Digest
    number: int
    timestamp: int
    prevrandao: Digest


def parse_header(raw: bytes) -> Header:
    """The header that ``raw`` encodes.

    Raises:
        MalformedInput: not an RLP list of a header's fields.
    """
    if len(raw) > MAX_HEADER_LENGTH:
        raise MalformedInput("header.too_long", f"{len(raw)} bytes, the limit is {MAX_HEADER_LENGTH}")
    fields = rlp.decode(raw)
    if not isinstance(fields, list) or not _FIELDS_MIN <= len(fields) <= _FIELDS_MAX:
        raise MalformedInput("header.shape", "a header is a list of 16 to 32 fields")
    digests = [fields[index] for index in (_PARENT, _STATE_ROOT, _MIX)]
    numbers = [fields[index] for index in (_NUMBER, _TIMESTAMP)]
    if not all(isinstance(field, bytes) and len(field) == 32 for field in digests):
        raise MalformedInput("header.shape", "parent hash, state root and mix hash have 32 bytes each")
    if not all(isinstance(field, bytes) and len(field) <= 8 and field[:1] != b"\0" for field in numbers):
        raise MalformedInput("header.shape", "number and timestamp are integers of at most 8 bytes")
    parent, state_root, mix = (Digest(bytes(field)) for field in digests)  # type: ignore[arg-type]
    number, timestamp = (int.from_bytes(bytes(field), "big") for field in numbers)  # type: ignore[arg-type]
    return Header(keccak256(raw), parent, state_root, number, timestamp, mix)
