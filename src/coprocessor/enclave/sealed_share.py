"""What a gatekeeper keeps on the host's disk, sealed to platform and measurement (PROTOCOL 9.5).

The outer part opens on the platform by itself: the gatekeeper's own keys, and which pad wraps the rest. The inner part
holds everything from which a share follows: the secret of a key ceremony or a handover, the share. It opens only with
the pad too, which others' memories hold in pieces (``keys.pads``); where a development network's custodian is the
file, the pad lies in the outer part. At every moment the newest blob suffices to go on, so a crash never leaves a
committee that lacks a share which the chain names.
"""

from __future__ import annotations

from dataclasses import dataclass

from coprocessor.codec import cbor
from coprocessor.crypto.aead import SivKey
from coprocessor.crypto.bls import SecretScalar
from coprocessor.crypto.hkdf import hkdf_derive
from coprocessor.crypto.labels import Label
from coprocessor.enclave.identity import EnclaveKeys
from coprocessor.keys.pads import Pad, PadRecord, read_record
from coprocessor.keys.shares import CommitteeKeys, KeyShare
from coprocessor.keys.storage import decode_committee, encode_committee
from coprocessor.values.errors import EvidenceRefused, InternalError, MalformedInput
from coprocessor.values.identities import Address, Digest, NetworkId, checked_address, checked_digest
from coprocessor.values.network import MAX_CUSTODIANS

__all__ = [
    "MAX_SEALED_SHARE",
    "CeremonySecret",
    "HandoverSecret",
    "OuterShare",
    "SealedShare",
    "Wrapping",
    "open_inner",
    "open_outer",
    "open_share",
    "seal_share",
]

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
        present: keys of the committee that hands over, without those of revoked members.
        signers, following: signing addresses of the present members and of the next ones, in order; zero in
            ``following`` for a revoked one.
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


@dataclass(frozen=True, slots=True, repr=False)
class Wrapping:
    """The pad of an inner part. Prints redacted.

    Args:
        pad: the pad.
        is_kept: it lies in the outer part: development custody.
        pieces: the offline custodians', 145 bytes each, sealed to their keys.
    """

    pad: Pad
    is_kept: bool
    pieces: tuple[bytes, ...] = ()

    def __repr__(self) -> str:
        return f"Wrapping(pieces={len(self.pieces)}, redacted)"


@dataclass(frozen=True, slots=True, repr=False)
class OuterShare:
    """What a blob gives on its platform alone. Prints redacted.

    Args:
        network: 32 bytes.
        keys: the gatekeeper's own.
        committee: number of the committee that the share belongs to.
        record: of the pad; None where there is no inner part.
        secret: the pad itself, where it lies here.
        pieces: the offline custodians'.
        salt, inner: 32 bytes, and the sealed inner part.
    """

    network: NetworkId
    keys: EnclaveKeys
    committee: int
    record: PadRecord | None
    secret: SecretScalar | None
    pieces: tuple[bytes, ...]
    salt: bytes
    inner: bytes

    def __repr__(self) -> str:
        return f"OuterShare(network=0x{self.network.hex()}, redacted)"


def seal_share(share: SealedShare, seal_key: bytes, salt: bytes, wrapping: Wrapping | None) -> bytes:
    """The blob for the host's disk.

    Args:
        share: what to keep.
        seal_key: 32 bytes that only this measurement on this platform gets.
        salt: 32 fresh random bytes.
        wrapping: the pad; None where there is nothing to wrap, and only then.
    """
    inner, pad = b"", list[object]()
    pieces: tuple[bytes, ...] = ()
    if share.share is not None or share.ceremony is not None or share.handover is not None:
        if wrapping is None:
            raise InternalError("share.bare", "a share without a pad goes to no disk")
        inner = _inner_cipher(seal_key, wrapping.pad.record, wrapping.pad.secret, salt).seal(_NONCE, _inner(share), b"")
        kept = wrapping.pad.secret.to_bytes() if wrapping.is_kept else b""
        pad, pieces = [wrapping.pad.record.to_plain(), kept], wrapping.pieces
    keys = [share.keys.signing.secret, share.keys.sealing.secret]
    outer = cbor.dumps([share.network, *keys, share.committee, pad])
    return cbor.dumps([salt, _cipher(seal_key, salt).seal(_NONCE, outer, b""), inner, list(pieces)])


def open_outer(blob: bytes, seal_key: bytes) -> OuterShare:
    """What a blob gives without its pad.

    Raises:
        EvidenceRefused: sealed on another platform or by another measurement, or altered.
        MalformedInput: too long or of another shape.
    """
    if len(blob) > MAX_SEALED_SHARE:
        raise MalformedInput("share.length", f"a sealed share of {len(blob)} bytes")
    match cbor.loads(blob, MAX_SEALED_SHARE):
        case [bytes(salt), bytes(sealed), bytes(inner), [*pieces]] if (
            len(salt) == _SALT and len(pieces) <= MAX_CUSTODIANS and all(isinstance(piece, bytes) for piece in pieces)
        ):
            plain = _open(seal_key, salt, sealed)
        case _:
            raise _malformed()
    match cbor.loads(plain, MAX_SEALED_SHARE):
        case [bytes(network), bytes(signing), bytes(sealing), int(committee), list(pad)] if not isinstance(
            committee, bool
        ):
            keys = EnclaveKeys.restore(signing, sealing)
            network_id = NetworkId(checked_digest(network, "network"))
            record, secret = _pad(pad)
            return OuterShare(network_id, keys, committee, record, secret, tuple(pieces), salt, inner)
    raise _malformed()


def open_inner(outer: OuterShare, secret: SecretScalar | None, seal_key: bytes) -> SealedShare:
    """Everything that a blob holds.

    Args:
        secret: the pad; None where there is no inner part, or where the pad lies in the outer one.

    Raises:
        EvidenceRefused: ``share.wrapped``: it takes a pad, and this is not the one.
        MalformedInput: of another shape.
    """
    if outer.record is None:
        return SealedShare(outer.network, outer.keys, None, None, outer.committee)
    secret = secret or outer.secret
    try:
        if secret is None:
            raise EvidenceRefused("share.wrapped", "no pad")
        plain = _inner_cipher(seal_key, outer.record, secret, outer.salt).open(_NONCE, outer.inner, b"")
    except EvidenceRefused as error:
        raise EvidenceRefused(
            "share.wrapped",
            "the share does not open without its pad",
            "others' memories hold the pad in pieces (PROTOCOL 9.5)",
            "ask the other gatekeepers for their pieces",
        ) from error
    match cbor.loads(plain, MAX_SEALED_SHARE):
        case [list(share), list(ceremony), list(handover)]:
            return SealedShare(
                outer.network, outer.keys, _share(share), _ceremony(ceremony), outer.committee, _handover(handover)
            )
    raise _malformed()


def open_share(blob: bytes, seal_key: bytes, secret: SecretScalar | None = None) -> SealedShare:
    """Inverse of ``seal_share``, with the pad where it does not lie in the blob. Raises as its two parts do."""
    return open_inner(open_outer(blob, seal_key), secret, seal_key)


def _open(seal_key: bytes, salt: bytes, sealed: bytes) -> bytes:
    try:
        return _cipher(seal_key, salt).open(_NONCE, sealed, b"")
    except EvidenceRefused as error:
        raise EvidenceRefused(
            "share.foreign",
            "the sealed share does not open here",
            "it was sealed on another platform, by another release of the enclave, or altered",
            "start the gatekeeper on the machine and release that sealed it",
        ) from error


def _inner(share: SealedShare) -> bytes:
    ceremony, handover = share.ceremony, share.handover
    return cbor.dumps(
        [
            _share_to_plain(share.share),
            [] if ceremony is None else [ceremony.threshold, list(ceremony.signers), ceremony.entropy],
            [] if handover is None else _handover_to_plain(handover),
        ]
    )


def _pad(plain: list[object]) -> tuple[PadRecord | None, SecretScalar | None]:
    match plain:
        case []:
            return None, None
        case [list(record), bytes(secret)]:
            return read_record(record), SecretScalar.from_bytes(secret) if secret else None
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


def _inner_cipher(seal_key: bytes, record: PadRecord, secret: SecretScalar, salt: bytes) -> SivKey:
    context = Label.SEALED_SHARE.context(b"", b"inner", record.digest)
    return SivKey(hkdf_derive(seal_key + secret.to_bytes(), context, 32, salt))


def _cipher(seal_key: bytes, salt: bytes) -> SivKey:
    return SivKey(hkdf_derive(seal_key, Label.SEALED_SHARE.context(b""), 32, salt))
