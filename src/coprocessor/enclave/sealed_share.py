"""A gatekeeper's share on the host's disk: sealed to platform and measurement (PROTOCOL 9.5, development custody)."""

from __future__ import annotations

from dataclasses import dataclass

from coprocessor.codec import cbor
from coprocessor.crypto.aead import SivKey
from coprocessor.crypto.bls import BlsPublicKey, SecretScalar, check_public_key
from coprocessor.crypto.hkdf import hkdf_derive
from coprocessor.crypto.labels import Label
from coprocessor.enclave.identity import EnclaveKeys
from coprocessor.keys.shares import CommitteeKeys, KeyShare
from coprocessor.values.errors import EvidenceRefused, MalformedInput
from coprocessor.values.identities import NetworkId, checked_digest

__all__ = ["MAX_SEALED_SHARE", "SealedShare", "open_share", "seal_share"]

MAX_SEALED_SHARE = 16 * 1024
_SALT = 32
_NONCE = bytes(12)


@dataclass(frozen=True, slots=True, repr=False)
class SealedShare:
    """What a gatekeeper needs to go on after a restart. Prints redacted."""

    network: NetworkId
    keys: EnclaveKeys
    share: KeyShare

    def __repr__(self) -> str:
        return f"SealedShare(network=0x{self.network.hex()}, redacted)"


def seal_share(share: SealedShare, seal_key: bytes, salt: bytes) -> bytes:
    """The blob for the host's disk.

    Args:
        share: what to keep.
        seal_key: 32 bytes that only this measurement on this platform gets.
        salt: 32 fresh random bytes.
    """
    committee = share.share.committee
    plain = cbor.dumps(
        [
            share.network,
            share.keys.signing.secret,
            share.keys.sealing.secret,
            share.share.index,
            share.share.secret.to_bytes(),
            committee.threshold,
            committee.group,
            [[index, key] for index, key in committee.shares],
        ]
    )
    return salt + _cipher(seal_key, salt).seal(_NONCE, plain, b"")


def open_share(blob: bytes, seal_key: bytes) -> SealedShare:
    """Inverse of ``seal_share``.

    Raises:
        EvidenceRefused: sealed on another platform or by another measurement, or altered.
        MalformedInput: too long or of another shape.
    """
    if not _SALT < len(blob) <= MAX_SEALED_SHARE:
        raise MalformedInput("share.length", f"a sealed share of {len(blob)} bytes")
    try:
        plain = _cipher(seal_key, blob[:_SALT]).open(_NONCE, blob[_SALT:], b"")
    except EvidenceRefused as error:
        raise EvidenceRefused(
            "share.foreign",
            "the sealed share does not open here",
            "it was sealed on another platform, by another release of the enclave, or altered",
            "start the gatekeeper on the machine and release that sealed it",
        ) from error
    match cbor.loads(plain, MAX_SEALED_SHARE):
        case [
            bytes(network),
            bytes(signing),
            bytes(sealing),
            int(index),
            bytes(secret),
            int(threshold),
            bytes(group),
            list(keys),
        ] if not isinstance(index, bool) and not isinstance(threshold, bool):
            shares = tuple(_member(entry) for entry in keys)
            committee = CommitteeKeys(threshold, check_public_key(group), shares)
            restored = EnclaveKeys.restore(signing, sealing)
            own = KeyShare(index, SecretScalar.from_bytes(secret), committee)
            return SealedShare(NetworkId(checked_digest(network, "network")), restored, own)
    raise _malformed()


def _member(entry: object) -> tuple[int, BlsPublicKey]:
    match entry:
        case [int(member), bytes(key)] if not isinstance(member, bool):
            return member, check_public_key(key)
    raise _malformed()


def _malformed() -> MalformedInput:
    return MalformedInput("share.malformed", "the sealed share has another shape")


def _cipher(seal_key: bytes, salt: bytes) -> SivKey:
    return SivKey(hkdf_derive(seal_key, Label.SEALED_SHARE.context(b""), 32, salt))
