"""Pads that shares at rest are wrapped under: made by their owner, split among others' memories (PROTOCOL 9.5).

Rules:

1. A pad is a random scalar, split by polynomials with t coefficients among the other members, and with c among offline
   custodians; fewer pieces than that tell nothing.
2. A piece is signed by its giver together with pad and place, so that a wrong one names whoever hands it back.
3. A piece travels sealed by HPKE to a key that its receiver holds in memory alone and makes anew for each period: who
   records all messages and later opens all disks opens no piece.
4. A receiver MUST keep pieces in memory alone, and give one back only to the giver's own enclave while its own
   finalised chain names that a member.

**Source:** Shamir, "How to share a secret" (1979); RFC 9180 for HPKE.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from coprocessor.codec import cbor
from coprocessor.crypto.bls import ORDER, SCALAR_LENGTH, SecretScalar
from coprocessor.crypto.hashing import keccak256
from coprocessor.crypto.hkdf import hkdf_derive
from coprocessor.crypto.hpke import OVERHEAD, SealingKey, seal
from coprocessor.crypto.labels import Label
from coprocessor.crypto.secp256k1 import SIGNATURE_LENGTH, PrivateKey, recover_address
from coprocessor.keys.shares import MAX_MEMBERS, Polynomial, check_index, lagrange_weights
from coprocessor.values.errors import CallerMisuse, CoprocessorError, EvidenceRefused, MalformedInput
from coprocessor.values.identities import Address, Digest, NetworkId, checked_address, checked_digest

__all__ = [
    "MAX_PAD_MESSAGE",
    "PIECE_LENGTH",
    "Offer",
    "Pad",
    "PadRecord",
    "Receipt",
    "Return",
    "combine_pieces",
    "confirm_pad",
    "decode_offer",
    "decode_receipt",
    "decode_return",
    "encode_offer",
    "encode_receipt",
    "encode_return",
    "is_confirmed",
    "make_offer",
    "make_pad",
    "make_receipt",
    "make_return",
    "open_custodian_piece",
    "open_custodian_return",
    "open_offer",
    "open_return",
    "pass_custodian_piece",
    "read_record",
    "seal_custodian_piece",
    "verify_piece",
    "verify_receipt",
]

PIECE_LENGTH: Final = SCALAR_LENGTH + SIGNATURE_LENGTH
"""Bytes of a piece with its giver's signature."""

MAX_PAD_MESSAGE: Final = 4 * 1024
"""Bytes of an encoded offer, receipt or return."""

_NUMBER_LIMIT: Final = 1 << 62
_SEALED: Final = PIECE_LENGTH + OVERHEAD


@dataclass(frozen=True, slots=True)
class PadRecord:
    """What may be known of a pad.

    Args:
        network: 32 bytes.
        giver: signing address of the member whose share it wraps.
        number: of this pad among its giver's; a later one has a greater number.
        period: number of the committee in whose time it was made.
        threshold: t, pieces that bring it back; 0 where no peer holds any.
        holders: signing addresses of those who hold pieces; the first has index 1.
        check: 32 bytes that the right pad alone gives.
        insecure: the network allows simulated hardware.
    """

    network: NetworkId
    giver: Address
    number: int
    period: int
    threshold: int
    holders: tuple[Address, ...]
    check: Digest
    insecure: bool

    def __post_init__(self) -> None:
        checked_digest(self.network, "network")
        checked_digest(self.check, "check")
        for address in (self.giver, *self.holders):
            checked_address(address, "member")
        sound = 1 <= self.threshold <= len(self.holders) <= MAX_MEMBERS if self.holders else self.threshold == 0
        if not sound or len(set(self.holders)) != len(self.holders) or self.giver in self.holders:
            raise MalformedInput("pad.terms", f"{self.threshold} of {len(self.holders)} holders do not suit a pad")
        if not (0 <= self.number < _NUMBER_LIMIT and 0 <= self.period < _NUMBER_LIMIT):
            raise MalformedInput("pad.terms", "the number or the period of a pad is out of range")

    @property
    def digest(self) -> Digest:
        """32 bytes: the pad's name."""
        numbers = (self.number.to_bytes(8, "big"), self.period.to_bytes(8, "big"), bytes((self.threshold,)))
        parts = (self.giver, *numbers, b"".join(self.holders), self.check)
        return keccak256(Label.PAD.context(self.network, *parts, insecure=self.insecure))

    def index_of(self, holder: Address) -> int:
        """A holder's index, from 1. Raises EvidenceRefused for others."""
        if holder not in self.holders:
            raise EvidenceRefused("pad.stranger", f"0x{holder.hex()} holds no piece of this pad")
        return self.holders.index(holder) + 1

    def to_plain(self) -> list[object]:
        """For CBOR."""
        head: list[object] = [self.network, self.giver, self.number, self.period, self.threshold]
        return [*head, list(self.holders), self.check, self.insecure]


@dataclass(frozen=True, slots=True, repr=False)
class Pad:
    """A pad with the polynomial that splits it among the holders. Prints redacted."""

    record: PadRecord
    secret: SecretScalar
    polynomial: Polynomial | None

    def piece(self, index: int, signing: PrivateKey) -> bytes:
        """The signed piece of a holder: value (32), signature (65) (rule 2)."""
        if self.polynomial is None:
            raise CallerMisuse("pad.whole", "a pad that came back whole has no pieces to give")
        return _signed(self.record, b"peer", index, self.polynomial.evaluate(index), signing)

    def __repr__(self) -> str:
        return f"Pad(number={self.record.number}, redacted)"


def make_pad(
    network: NetworkId,
    giver: Address,
    number: int,
    period: int,
    threshold: int,
    holders: tuple[Address, ...],
    seed: bytes,
    *,
    insecure: bool,
) -> Pad:
    """A fresh pad.

    Args:
        seed: 32 secret random bytes, used for nothing else.
    """
    coefficients = [SecretScalar.derive(seed, b"pad" + bytes((power,))) for power in range(max(1, threshold))]
    check = _check(network, coefficients[0])
    record = PadRecord(network, giver, number, period, threshold, holders, check, insecure)
    return Pad(record, coefficients[0], Polynomial(coefficients) if holders else None)


def combine_pieces(record: PadRecord, pieces: Mapping[int, SecretScalar], threshold: int) -> SecretScalar:
    """The pad, from pieces by index.

    Raises:
        EvidenceRefused: ``custody.too_few``, or pieces that make another pad.
    """
    if len(pieces) < threshold or not threshold:
        raise EvidenceRefused(
            "custody.too_few",
            f"{len(pieces)} pieces of the pad came back, {threshold} are needed",
            "a share at rest opens only with the memories of enough others (PROTOCOL 9.5)",
            "wait until more of the other gatekeepers answer",
        )
    chosen = sorted(pieces)[:threshold]
    weights = zip(lagrange_weights(chosen), chosen, strict=True)
    value = sum(weight * pieces[index].value for weight, index in weights) % ORDER
    if value == 0 or _check(record.network, SecretScalar(value)) != record.check:
        raise EvidenceRefused("pad.wrong", "the pieces make another pad")
    return SecretScalar(value)


def verify_piece(record: PadRecord, kind: bytes, index: int, piece: bytes) -> SecretScalar:
    """The value of a piece that the pad's giver made for this place (rule 2). Raises EvidenceRefused otherwise.

    Args:
        kind: ``peer`` or ``custodian``.
    """
    value, signature = piece[:SCALAR_LENGTH], piece[SCALAR_LENGTH:]
    try:
        if recover_address(_piece_digest(record, kind, index, value), signature) == record.giver:
            return SecretScalar.from_bytes(value)
    except CoprocessorError:
        pass
    raise EvidenceRefused("pad.wrong_piece", f"piece {index} is not what the pad's giver made")


# ---- from the giver to a holder


@dataclass(frozen=True, slots=True)
class Offer:
    """A piece on its way to a holder.

    Args:
        record: of the pad.
        base: 32 bytes, the pad that wraps what lies on the giver's disk now; zero where none does.
        index: the holder's.
        sealed: 145 bytes, the signed piece for the holder's memory key.
        signature: 65 bytes by the giver.
    """

    record: PadRecord
    base: Digest
    index: int
    sealed: bytes
    signature: bytes


def make_offer(pad: Pad, base: Digest, holder: Address, memory_key: bytes, signing: PrivateKey) -> Offer:
    """The piece of one holder, sealed to its memory key (rule 3)."""
    record, index = pad.record, pad.record.index_of(holder)
    sealed = seal(pad.piece(index, signing), memory_key, _info(record, b"offer", index, memory_key))
    return Offer(record, base, index, sealed, signing.sign(_offer_digest(record, base, index, sealed)))


def open_offer(offer: Offer, holder: Address, memory: SealingKey) -> bytes:
    """The signed piece, checked. Raises EvidenceRefused where it is not the giver's, or not for this holder."""
    record = offer.record
    if record.index_of(holder) != offer.index:
        raise EvidenceRefused("pad.stranger", f"piece {offer.index} is for another holder")
    digest = _offer_digest(record, offer.base, offer.index, offer.sealed)
    if recover_address(digest, offer.signature) != record.giver:
        raise EvidenceRefused("pad.not_the_giver", "the piece is not signed by the pad's giver")
    piece = memory.open(offer.sealed, _info(record, b"offer", offer.index, memory.public_key))
    verify_piece(record, b"peer", offer.index, piece)
    return piece


@dataclass(frozen=True, slots=True)
class Receipt:
    """A holder's word that it keeps a piece: the pad's digest, its index, its memory key, its signature."""

    pad: Digest
    index: int
    memory_key: bytes
    signature: bytes


def make_receipt(record: PadRecord, index: int, memory_key: bytes, signing: PrivateKey) -> Receipt:
    """The holder's receipt."""
    return Receipt(record.digest, index, memory_key, signing.sign(_receipt_digest(record, index, memory_key)))


def verify_receipt(record: PadRecord, receipt: Receipt) -> None:
    """Raises EvidenceRefused unless the holder with this index signed for this pad."""
    check_index(receipt.index)
    digest = _receipt_digest(record, receipt.index, receipt.memory_key)
    signer = recover_address(digest, receipt.signature)
    if receipt.pad != record.digest or record.holders[receipt.index - 1 : receipt.index] != (signer,):
        raise EvidenceRefused("pad.receipt", f"that is no receipt of holder {receipt.index} for this pad")


def confirm_pad(record: PadRecord, signing: PrivateKey) -> bytes:
    """The giver's word that its disk needs no earlier pad: pad digest (32), signature (65)."""
    return record.digest + signing.sign(_confirmation_digest(record))


def is_confirmed(record: PadRecord, confirmation: bytes) -> bool:
    """Whether the giver said so of this pad. Raises MalformedInput for what is no confirmation."""
    if len(confirmation) != 32 + SIGNATURE_LENGTH:
        raise MalformedInput("pad.malformed", "the bytes are no confirmation of a pad")
    digest, signature = confirmation[:32], confirmation[32:]
    return digest == record.digest and recover_address(_confirmation_digest(record), signature) == record.giver


# ---- from a holder back to the giver


@dataclass(frozen=True, slots=True)
class Return:
    """A piece on its way back.

    Args:
        pad: 32 bytes.
        index: the holder's.
        newest: greatest number of a pad of this giver that the holder has seen.
        sealed: 145 bytes, the signed piece for the giver's memory key.
        signature: 65 bytes by the holder.
    """

    pad: Digest
    index: int
    newest: int
    sealed: bytes
    signature: bytes


def make_return(record: PadRecord, index: int, piece: bytes, newest: int, memory_key: bytes, key: PrivateKey) -> Return:
    """A holder's answer, to be opened with that memory key alone."""
    sealed = seal(piece, memory_key, _info(record, b"return", index, memory_key))
    return Return(record.digest, index, newest, sealed, key.sign(_return_digest(record, index, newest, sealed)))


def open_return(record: PadRecord, answer: Return, memory: SealingKey) -> SecretScalar:
    """The piece that a holder gives back.

    Raises:
        EvidenceRefused: of another pad (``pad.foreign``), not from that holder (``pad.not_the_holder``), for another
            process of this enclave (``hpke.open``), or not what the giver made (``pad.wrong_piece``).
    """
    check_index(answer.index)
    if answer.pad != record.digest:
        raise EvidenceRefused("pad.foreign", "a piece of another pad came back")
    signer = recover_address(_return_digest(record, answer.index, answer.newest, answer.sealed), answer.signature)
    if record.holders[answer.index - 1 : answer.index] != (signer,):
        raise EvidenceRefused("pad.not_the_holder", f"piece {answer.index} does not come from its holder")
    piece = memory.open(answer.sealed, _info(record, b"return", answer.index, memory.public_key))
    return verify_piece(record, b"peer", answer.index, piece)


# ---- custodians


def seal_custodian_piece(
    pad: Pad, index: int, polynomial: Polynomial, custodian_key: bytes, signing: PrivateKey
) -> bytes:
    """The piece of one custodian: 145 bytes that lie beside the wrapped share.

    Args:
        polynomial: of c coefficients; its constant is the pad.
    """
    piece = _signed(pad.record, b"custodian", index, polynomial.evaluate(index), signing)
    return seal(piece, custodian_key, _info(pad.record, b"custodian", index, custodian_key))


def open_custodian_piece(record: PadRecord, index: int, sealed: bytes, custodian: SealingKey) -> bytes:
    """The signed piece, with a custodian's offline key. Raises EvidenceRefused."""
    piece = custodian.open(sealed, _info(record, b"custodian", index, custodian.public_key))
    verify_piece(record, b"custodian", index, piece)
    return piece


def pass_custodian_piece(record: PadRecord, index: int, piece: bytes, memory_key: bytes) -> bytes:
    """The piece for the restarted enclave alone: 145 bytes."""
    return seal(piece, memory_key, _info(record, b"custodian-return", index, memory_key))


def open_custodian_return(record: PadRecord, index: int, sealed: bytes, memory: SealingKey) -> SecretScalar:
    """The value of a custodian's piece, inside the restarted enclave. Raises EvidenceRefused."""
    check_index(index)
    piece = memory.open(sealed, _info(record, b"custodian-return", index, memory.public_key))
    return verify_piece(record, b"custodian", index, piece)


# ---- bytes


def encode_offer(offer: Offer) -> bytes:
    """Deterministic CBOR; at most ``MAX_PAD_MESSAGE`` bytes."""
    return cbor.dumps([offer.record.to_plain(), offer.base, offer.index, offer.sealed, offer.signature])


def decode_offer(data: bytes) -> Offer:
    """Inverse of ``encode_offer``. Raises MalformedInput."""
    match cbor.loads(data, MAX_PAD_MESSAGE):
        case [list(record), bytes(base), int(index), bytes(sealed), bytes(signature)] if _fits(index, sealed):
            return Offer(read_record(record), Digest(checked_digest(base, "base")), index, sealed, signature)
    raise _malformed("offer")


def encode_receipt(receipt: Receipt) -> bytes:
    """Deterministic CBOR."""
    return cbor.dumps([receipt.pad, receipt.index, receipt.memory_key, receipt.signature])


def decode_receipt(data: bytes) -> Receipt:
    """Inverse of ``encode_receipt``. Raises MalformedInput."""
    match cbor.loads(data, MAX_PAD_MESSAGE):
        case [bytes(pad), int(index), bytes(key), bytes(signature)] if _fits(index):
            return Receipt(Digest(checked_digest(pad, "pad")), index, checked_digest(key, "memory key"), signature)
    raise _malformed("receipt")


def encode_return(answer: Return) -> bytes:
    """Deterministic CBOR."""
    return cbor.dumps([answer.pad, answer.index, answer.newest, answer.sealed, answer.signature])


def decode_return(data: bytes) -> Return:
    """Inverse of ``encode_return``. Raises MalformedInput."""
    match cbor.loads(data, MAX_PAD_MESSAGE):
        case [bytes(pad), int(index), int(newest), bytes(sealed), bytes(signature)] if (
            _fits(index, sealed) and 0 <= newest < _NUMBER_LIMIT
        ):
            return Return(Digest(checked_digest(pad, "pad")), index, newest, sealed, signature)
    raise _malformed("piece")


def read_record(plain: object) -> PadRecord:
    """Inverse of ``PadRecord.to_plain``. Raises MalformedInput."""
    match plain:
        case [
            bytes(network),
            bytes(giver),
            int(number),
            int(period),
            int(threshold),
            [*holders],
            bytes(check),
            bool(insecure),
        ] if not any(isinstance(value, bool) for value in (number, period, threshold)):
            addresses = tuple(Address(holder) for holder in holders if isinstance(holder, bytes))
            if not len(addresses) == len(holders) <= MAX_MEMBERS:
                raise _malformed("pad")
            ids = NetworkId(network), Address(giver)
            return PadRecord(*ids, number, period, threshold, addresses, Digest(check), insecure)
    raise _malformed("pad")


def _fits(index: int, sealed: bytes = bytes(_SEALED)) -> bool:
    return not isinstance(index, bool) and 1 <= index <= MAX_MEMBERS and len(sealed) == _SEALED


def _malformed(what: str) -> MalformedInput:
    return MalformedInput("pad.malformed", f"the bytes are no {what} of a pad")


def _check(network: NetworkId, secret: SecretScalar) -> Digest:
    return Digest(hkdf_derive(secret.to_bytes(), Label.PAD_CHECK.context(network)))


def _context(record: PadRecord, what: bytes, *parts: bytes) -> bytes:
    return Label.PAD_PIECE.context(record.network, what, record.digest, *parts, insecure=record.insecure)


def _info(record: PadRecord, way: bytes, index: int, key: bytes) -> bytes:
    return Label.SEALED_PIECE.context(
        record.network, way, record.digest, bytes((index,)), key, insecure=record.insecure
    )


def _piece_digest(record: PadRecord, kind: bytes, index: int, value: bytes) -> Digest:
    return keccak256(_context(record, b"piece", kind, bytes((index,)), value))


def _signed(record: PadRecord, kind: bytes, index: int, value: SecretScalar, signing: PrivateKey) -> bytes:
    data = value.to_bytes()
    return data + signing.sign(_piece_digest(record, kind, index, data))


def _offer_digest(record: PadRecord, base: Digest, index: int, sealed: bytes) -> Digest:
    return keccak256(_context(record, b"offer", base, bytes((index,)), sealed))


def _receipt_digest(record: PadRecord, index: int, memory_key: bytes) -> Digest:
    return keccak256(_context(record, b"kept", bytes((index,)), memory_key))


def _confirmation_digest(record: PadRecord) -> Digest:
    return keccak256(_context(record, b"confirmed"))


def _return_digest(record: PadRecord, index: int, newest: int, sealed: bytes) -> Digest:
    return keccak256(_context(record, b"return", bytes((index,)), newest.to_bytes(8, "big"), sealed))
