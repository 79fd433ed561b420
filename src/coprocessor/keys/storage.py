"""A committee's public keys as bytes: deterministic CBOR; decoding makes all checks of ``CommitteeKeys``."""

from __future__ import annotations

from typing import Final

from coprocessor.codec import cbor
from coprocessor.crypto.bls import G2_LENGTH, BlsPublicKey
from coprocessor.keys.shares import MAX_MEMBERS, CommitteeKeys
from coprocessor.values.errors import MalformedInput

__all__ = ["MAX_COMMITTEE_LENGTH", "decode_committee", "encode_committee"]

MAX_COMMITTEE_LENGTH: Final = 128 + MAX_MEMBERS * (G2_LENGTH + 6)
"""Bytes of an encoded committee."""


def encode_committee(committee: CommitteeKeys) -> bytes:
    """Deterministic CBOR; at most ``MAX_COMMITTEE_LENGTH`` bytes."""
    return cbor.dumps([committee.threshold, committee.group, [[index, key] for index, key in committee.shares]])


def decode_committee(data: bytes) -> CommitteeKeys:
    """Inverse of ``encode_committee``. Raises MalformedInput or EvidenceRefused."""
    match cbor.loads(data, MAX_COMMITTEE_LENGTH):
        case [int(threshold), bytes(group), [*shares]] if not isinstance(threshold, bool):
            return CommitteeKeys(threshold, BlsPublicKey(group), tuple(_share(entry) for entry in shares))
    raise _malformed()


def _share(entry: object) -> tuple[int, BlsPublicKey]:
    match entry:
        case [int(index), bytes(key)]:
            return index, BlsPublicKey(key)
    raise _malformed()


def _malformed() -> MalformedInput:
    return MalformedInput("keys.malformed", "the bytes are not a committee's keys")
