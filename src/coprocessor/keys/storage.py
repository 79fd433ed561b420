"""A committee's public keys as bytes, and a gatekeeper's share as a sealed blob.

Rules:

1. Encodings are deterministic CBOR; a decoded committee has passed every check of ``CommitteeKeys``.
2. A share rests on a disk only inside AES-256-GCM-SIV under a key that the host lacks; network, member and group key
   stand in the associated data, so a blob opens at its own place alone.

**Source:** RFC 8452 for the cipher.
"""

from __future__ import annotations

from typing import Final

from coprocessor.codec import cbor
from coprocessor.crypto.aead import NONCE_LENGTH, SivKey
from coprocessor.crypto.bls import G2_LENGTH, BlsPublicKey, SecretScalar
from coprocessor.crypto.hkdf import hkdf_derive
from coprocessor.crypto.labels import Label
from coprocessor.keys.shares import MAX_MEMBERS, CommitteeKeys, KeyShare
from coprocessor.values.errors import MalformedInput
from coprocessor.values.identities import NetworkId

__all__ = ["MAX_COMMITTEE_LENGTH", "decode_committee", "encode_committee", "open_key_share", "seal_key_share"]

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


def seal_key_share(share: KeyShare, network: NetworkId, seal_key: bytes, *, insecure: bool) -> bytes:
    """A blob that only ``open_key_share`` with the same key and place opens.

    Args:
        share: the gatekeeper's share.
        network: 32 bytes.
        seal_key: 32 bytes, from the attester; bound to the measurement.
        insecure: simulated hardware.
    """
    cipher, context = _cipher(seal_key, share.index, share.committee, network, insecure)
    return cipher.seal(bytes(NONCE_LENGTH), share.secret.to_bytes(), context)


def open_key_share(
    sealed: bytes, index: int, committee: CommitteeKeys, network: NetworkId, seal_key: bytes, *, insecure: bool
) -> KeyShare:
    """The share inside a blob. Raises EvidenceRefused where key, member, committee or network differ."""
    cipher, context = _cipher(seal_key, index, committee, network, insecure)
    return KeyShare(index, SecretScalar.from_bytes(cipher.open(bytes(NONCE_LENGTH), sealed, context)), committee)


def _cipher(
    seal_key: bytes, index: int, committee: CommitteeKeys, network: NetworkId, insecure: bool
) -> tuple[SivKey, bytes]:
    # Each member of each committee has its own key and seals one message under it, so the nonce may be constant.
    context = Label.SEALED_SHARE.context(
        network, index.to_bytes(4, "big"), encode_committee(committee), insecure=insecure
    )
    return SivKey(hkdf_derive(seal_key, context)), context


def _share(entry: object) -> tuple[int, BlsPublicKey]:
    match entry:
        case [int(index), bytes(key)]:
            return index, BlsPublicKey(key)
    raise _malformed()


def _malformed() -> MalformedInput:
    return MalformedInput("keys.malformed", "the bytes are not a committee's keys")
