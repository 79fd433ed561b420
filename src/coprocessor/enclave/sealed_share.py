"""What a gatekeeper keeps on the host's disk: sealed to platform and measurement (PROTOCOL 9.5, development custody).

From its genesis signature on, a gatekeeper keeps its own keys and the secret from which all its part in the key
ceremony follows; then the share too; once the chain has recorded the outcome, keys and share alone. At every moment the
newest blob suffices to go on, so a crash never leaves a committee that lacks a share which the chain names.
"""

from __future__ import annotations

from dataclasses import dataclass

from coprocessor.codec import cbor
from coprocessor.crypto.aead import SivKey
from coprocessor.crypto.bls import SecretScalar
from coprocessor.crypto.hkdf import hkdf_derive
from coprocessor.crypto.labels import Label
from coprocessor.enclave.identity import EnclaveKeys
from coprocessor.keys.shares import CommitteeKeys, KeyShare
from coprocessor.keys.storage import decode_committee, encode_committee
from coprocessor.values.errors import EvidenceRefused, MalformedInput
from coprocessor.values.identities import Address, Digest, NetworkId, checked_address, checked_digest

__all__ = ["MAX_SEALED_SHARE", "CeremonySecret", "HandoverSecret", "SealedShare", "open_share", "seal_share"]

MAX_SEALED_SHARE = 32 * 1024
_SALT = 32
_NONCE = bytes(12)


@dataclass(frozen=True, slots=True, repr=False)
class CeremonySecret:
    """A member's place in a key ceremony whose outcome is not on the chain yet. Prints redacted.

    Args:
        threshold: t of the new key.
        signers: signing addresses of all members, in order.
        entropy: 32 secret bytes, from which all that the member says in any attempt follows.
    """

    threshold: int
    signers: tuple[Address, ...]
    entropy: bytes

    def __repr__(self) -> str:
        return f"CeremonySecret(members={len(self.signers)}, threshold={self.threshold}, redacted)"


@dataclass(frozen=True, slots=True, repr=False)
class HandoverSecret:
    """An enclave's place in a handover that has not ended. Prints redacted.

    Args:
        session: 32 bytes.
        entropy: 32 secret bytes, from which all that it says in this session follows.
        share: of the next committee, once there is an outcome.
        present: keys of the committee that hands over.
        signers, following: signing addresses of the present members and of the next ones, in order.
        threshold: of the next committee.
    """

    session: Digest
    entropy: bytes
    share: KeyShare | None
    present: CommitteeKeys
    signers: tuple[Address, ...]
    following: tuple[Address, ...]
    threshold: int

    def __repr__(self) -> str:
        return f"HandoverSecret(session=0x{self.session.hex()}, redacted)"


@dataclass(frozen=True, slots=True, repr=False)
class SealedShare:
    """What a gatekeeper needs to go on after a restart: its keys, its share and the number of the committee that it
    belongs to, and the secrets of ceremonies under way. Prints redacted."""

    network: NetworkId
    keys: EnclaveKeys
    share: KeyShare | None
    ceremony: CeremonySecret | None
    committee: int = 0
    handover: HandoverSecret | None = None

    def __repr__(self) -> str:
        return f"SealedShare(network=0x{self.network.hex()}, redacted)"


def seal_share(share: SealedShare, seal_key: bytes, salt: bytes) -> bytes:
    """The blob for the host's disk.

    Args:
        share: what to keep.
        seal_key: 32 bytes that only this measurement on this platform gets.
        salt: 32 fresh random bytes.
    """
    own, ceremony, handover = share.share, share.ceremony, share.handover
    plain = cbor.dumps(
        [
            share.network,
            share.keys.signing.secret,
            share.keys.sealing.secret,
            _share_to_plain(own),
            [] if ceremony is None else [ceremony.threshold, list(ceremony.signers), ceremony.entropy],
            share.committee,
            [] if handover is None else _handover_to_plain(handover),
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
            list(share),
            list(ceremony),
            int(committee),
            list(handover),
        ] if not isinstance(committee, bool):
            keys = EnclaveKeys.restore(signing, sealing)
            network_id = NetworkId(checked_digest(network, "network"))
            return SealedShare(network_id, keys, _share(share), _ceremony(ceremony), committee, _handover(handover))
    raise _malformed()


def _share_to_plain(share: KeyShare | None) -> list[object]:
    return [] if share is None else [share.index, share.secret.to_bytes(), encode_committee(share.committee)]


def _share(plain: list[object]) -> KeyShare | None:
    match plain:
        case []:
            return None
        case [int(index), bytes(secret), bytes(committee)] if not isinstance(index, bool):
            return KeyShare(index, SecretScalar.from_bytes(secret), decode_committee(committee))
    raise _malformed()


def _ceremony(plain: list[object]) -> CeremonySecret | None:
    match plain:
        case []:
            return None
        case [int(threshold), [*signers], bytes(entropy)] if not isinstance(threshold, bool):
            addresses = tuple(_address(signer) for signer in signers)
            return CeremonySecret(threshold, addresses, checked_digest(entropy, "entropy"))
    raise _malformed()


def _handover(plain: list[object]) -> HandoverSecret | None:
    match plain:
        case []:
            return None
        case [
            bytes(session),
            bytes(entropy),
            list(share),
            bytes(present),
            [*signers],
            [*following],
            int(threshold),
        ] if not isinstance(threshold, bool):
            return HandoverSecret(
                Digest(checked_digest(session, "session")),
                checked_digest(entropy, "entropy"),
                _share(share),
                decode_committee(present),
                tuple(_address(signer) for signer in signers),
                tuple(_address(signer) for signer in following),
                threshold,
            )
    raise _malformed()


def _handover_to_plain(handover: HandoverSecret) -> list[object]:
    share, present = _share_to_plain(handover.share), encode_committee(handover.present)
    people = [list(handover.signers), list(handover.following)]
    return [handover.session, handover.entropy, share, present, *people, handover.threshold]


def _address(plain: object) -> Address:
    if not isinstance(plain, bytes):
        raise _malformed()
    return Address(checked_address(plain, "signer"))


def _malformed() -> MalformedInput:
    return MalformedInput("share.malformed", "the sealed share has another shape")


def _cipher(seal_key: bytes, salt: bytes) -> SivKey:
    return SivKey(hkdf_derive(seal_key, Label.SEALED_SHARE.context(b""), 32, salt))
