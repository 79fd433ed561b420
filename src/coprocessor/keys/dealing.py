"""One dealer's part in a ceremony: what it commits to, reveals, and how anyone judges it.

A receiver's share is encrypted in the dealing itself, so that a wrong share can be proven to everybody: the pad comes
from a Diffie-Hellman point of the receiver's ceremony key, and a complaint shows that point with a proof that it is the
right one.

Rules (PROTOCOL 9.3):

1. A dealing carries exactly t commitments.
2. It carries a proof of possession of the constant term, so no dealer can cancel another's.
3. Its commitments and its ephemeral point are fixed by a digest before anybody reveals: no dealer can choose its own
   after seeing others', nor take over another's ephemeral point to learn a share from a complaint.
4. In a handover each dealer's constant term is the share that it held.
5. Every hash takes the session, the dealer and the receiver.

**Source:** Gennaro, Jarecki, Krawczyk, Rabin, "Secure distributed key generation for discrete-log based cryptosystems"
(2007), section 3; Chaum, Pedersen, "Wallet databases with observers" (1992) for the proof in a complaint.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from coprocessor.crypto.bls import (
    ORDER,
    SCALAR_LENGTH,
    BlsPublicKey,
    BlsSignature,
    G1Element,
    Purpose,
    SecretScalar,
    check_g1,
    check_public_key,
    combine_g1,
    g1_generator,
    verify_signature,
)
from coprocessor.crypto.hashing import sha256, sha512
from coprocessor.crypto.hkdf import hkdf_derive
from coprocessor.crypto.labels import Label
from coprocessor.keys.shares import MAX_MEMBERS, Polynomial, check_index, check_threshold, evaluate_commitment
from coprocessor.values.errors import CoprocessorError, EvidenceRefused, MalformedInput
from coprocessor.values.identities import Digest, NetworkId, checked_digest

__all__ = [
    "Complaint",
    "Dealing",
    "DkgSession",
    "EncryptedShare",
    "commitment_digest",
    "deal",
    "is_complaint_upheld",
    "make_complaint",
    "open_share",
    "verify_dealing",
]

_SHARE_LENGTH: Final = SCALAR_LENGTH


@dataclass(frozen=True, slots=True)
class DkgSession:
    """What all members of a ceremony agree on beforehand.

    Args:
        network: 32 bytes; empty for the ceremony that precedes the genesis digest.
        identifier: 32 bytes, unique to the ceremony; at genesis the genesis digest (PROTOCOL 9.1).
        threshold: t of the new key.
        receivers: indices of those who will hold shares, ascending.
        dealers: indices of those who deal, ascending; in a fresh ceremony the receivers.
        constants: None for a fresh key. For a handover (resharing or refresh), each dealer's old share key, in the
            order of ``dealers``: the key stays the same.
        old_threshold: in a handover, dealers needed to carry the old key over.
        insecure: simulated hardware.

    Raises:
        MalformedInput: indices out of order, threshold out of range, or constants that do not match.
    """

    network: NetworkId | bytes
    identifier: Digest
    threshold: int
    receivers: tuple[int, ...]
    dealers: tuple[int, ...]
    constants: tuple[BlsPublicKey, ...] | None = None
    old_threshold: int = 0
    insecure: bool = False

    def __post_init__(self) -> None:
        checked_digest(self.identifier, "session identifier")
        check_threshold(self.threshold, len(self.receivers))
        for members in (self.receivers, self.dealers):
            if list(members) != sorted(set(members)) or not 1 <= len(members) <= MAX_MEMBERS:
                raise MalformedInput("dkg.members", "members are out of order, double, or too many", repr(members))
            for index in members:
                check_index(index)
        if self.constants is None:
            if self.dealers != self.receivers or self.old_threshold:
                raise MalformedInput("dkg.members", "in a fresh ceremony everybody deals and receives")
        elif len(self.constants) != len(self.dealers) or not 1 <= self.old_threshold <= len(self.dealers):
            raise MalformedInput("dkg.constants", "a handover names each dealer's share key and the old threshold")

    @property
    def needed_dealers(self) -> int:
        """Qualified dealers without whom the ceremony fails: t, or the old t in a handover."""
        return self.threshold if self.constants is None else self.old_threshold

    def constant_of(self, dealer: int) -> BlsPublicKey | None:
        """The constant term that a dealer must use, or None where it is free."""
        return None if self.constants is None else self.constants[self.dealers.index(dealer)]

    def context(self, label: Label, *parts: bytes) -> bytes:
        """``label`` bound to this session and to ``parts``."""
        members = bytes(self.dealers) + b"|" + bytes(self.receivers)
        head = (self.identifier, bytes((self.threshold, self.old_threshold)), members)
        return label.context(self.network, *head, *parts, insecure=self.insecure)


@dataclass(frozen=True, slots=True)
class EncryptedShare:
    """A receiver's index and its share under a one-time pad, 32 bytes."""

    receiver: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Dealing:
    """What a dealer reveals.

    Args:
        dealer: its index.
        commitment: t points, the polynomial's commitment.
        possession: signature of the constant term over session, dealer and commitment.
        ephemeral: the dealer's Diffie-Hellman point.
        shares: one for each receiver that announced itself, ascending.
    """

    dealer: int
    commitment: tuple[BlsPublicKey, ...]
    possession: BlsSignature
    ephemeral: G1Element
    shares: tuple[EncryptedShare, ...]


@dataclass(frozen=True, slots=True)
class Complaint:
    """A receiver's proof that a dealer's share for it is wrong.

    Args:
        accuser, dealer: indices.
        point: the Diffie-Hellman point of the accuser's ceremony key and the dealer's ephemeral point.
        challenge, response: proof that ``point`` is that point; 32 bytes each, numbers below the order.
    """

    accuser: int
    dealer: int
    point: G1Element
    challenge: bytes
    response: bytes


def deal(
    session: DkgSession,
    dealer: int,
    polynomial: Polynomial,
    ephemeral: SecretScalar,
    receiver_keys: Mapping[int, G1Element],
) -> Dealing:
    """The dealing of ``polynomial`` among receivers.

    Args:
        ephemeral: a secret used for this dealing alone.
        receiver_keys: ceremony key of each receiver; who announced none gets no share.
    """
    commitment = polynomial.commitment()
    possession = polynomial.constant.sign(_possession_message(session, dealer, commitment), Purpose.POSSESSION)
    shares = []
    for receiver in session.receivers:
        if receiver in receiver_keys:
            point = ephemeral.multiply_g1(receiver_keys[receiver])
            pad = _pad(session, dealer, receiver, point)
            shares.append(EncryptedShare(receiver, _xor(polynomial.evaluate(receiver).to_bytes(), pad)))
    return Dealing(dealer, commitment, possession, ephemeral.g1_element(), tuple(shares))


def commitment_digest(session: DkgSession, dealing: Dealing) -> Digest:
    """What the dealer publishes before anybody reveals: fixes all but the encrypted shares (rule 3)."""
    points = b"".join(dealing.commitment)
    parts = (_number(dealing.dealer), points, dealing.possession, dealing.ephemeral)
    return sha256(session.context(Label.DKG_SESSION, b"commit", *parts))


def verify_dealing(session: DkgSession, dealing: Dealing, receivers: frozenset[int]) -> None:
    """The checks that anyone can make (rules 1, 2, 4); ``receivers`` are those who announced a key.

    Raises:
        EvidenceRefused, MalformedInput: the dealing disqualifies its dealer.
    """
    if dealing.dealer not in session.dealers:
        raise MalformedInput("dkg.members", f"member {dealing.dealer} does not deal in this session")
    if len(dealing.commitment) != session.threshold:  # rule 1
        raise MalformedInput(
            "dkg.degree", f"{len(dealing.commitment)} commitments, the threshold is {session.threshold}"
        )
    for point in dealing.commitment:
        check_public_key(point)
    check_g1(dealing.ephemeral)
    required = session.constant_of(dealing.dealer)
    if required is not None and dealing.commitment[0] != required:  # rule 4
        raise EvidenceRefused("dkg.constant", f"dealer {dealing.dealer} hands over something else than its share")
    if [share.receiver for share in dealing.shares] != sorted(receivers):
        raise MalformedInput("dkg.shares", f"dealer {dealing.dealer} does not deal to exactly the receivers")
    if any(len(share.data) != _SHARE_LENGTH for share in dealing.shares):
        raise MalformedInput("dkg.shares", f"an encrypted share of dealer {dealing.dealer} is not 32 bytes long")
    message = _possession_message(session, dealing.dealer, dealing.commitment)  # rule 2
    verify_signature(dealing.commitment[0], message, Purpose.POSSESSION, dealing.possession)


def open_share(session: DkgSession, dealing: Dealing, receiver: int, ceremony_key: SecretScalar) -> SecretScalar | None:
    """The receiver's share, or None where the dealer gave a wrong one and a complaint is due.

    Raises:
        EvidenceRefused: ``dkg.not_a_receiver``: the receiver's announcement was not among those dealt to.
    """
    return _decrypt(session, dealing, receiver, ceremony_key.multiply_g1(dealing.ephemeral))


def make_complaint(session: DkgSession, dealing: Dealing, receiver: int, ceremony_key: SecretScalar) -> Complaint:
    """A complaint that ``is_complaint_upheld`` accepts if the share is wrong indeed.

    It opens this one dealing's share to everybody, which is worthless by then.
    """
    point = ceremony_key.multiply_g1(dealing.ephemeral)
    context = session.context(Label.DKG_COMPLAINT, _number(dealing.dealer), _number(receiver))
    nonce = SecretScalar.derive(ceremony_key.to_bytes(), context + b"nonce" + dealing.ephemeral)
    challenge = _challenge(
        context,
        (ceremony_key.g1_element(), dealing.ephemeral, point),
        (nonce.g1_element(), nonce.multiply_g1(dealing.ephemeral)),
    )
    response = (nonce.value + challenge * ceremony_key.value) % ORDER
    return Complaint(receiver, dealing.dealer, point, _scalar_bytes(challenge), _scalar_bytes(response))


def is_complaint_upheld(session: DkgSession, dealing: Dealing, receiver_key: G1Element, complaint: Complaint) -> bool:
    """True where the dealer cheated, False where the accuser's complaint is false or its proof is wrong."""
    challenge, response = (int.from_bytes(part, "big") for part in (complaint.challenge, complaint.response))
    if len(complaint.challenge) != SCALAR_LENGTH or len(complaint.response) != SCALAR_LENGTH:
        return False
    if challenge >= ORDER or response >= ORDER:
        return False
    if complaint.dealer != dealing.dealer or complaint.accuser not in session.receivers:
        return False
    try:
        own = combine_g1([g1_generator(), receiver_key], [response, ORDER - challenge])
        shared = combine_g1([dealing.ephemeral, complaint.point], [response, ORDER - challenge])
    except CoprocessorError:
        return False
    context = session.context(Label.DKG_COMPLAINT, _number(dealing.dealer), _number(complaint.accuser))
    points = (receiver_key, dealing.ephemeral, complaint.point)
    if challenge != _challenge(context, points, (own, shared)):
        return False
    return _decrypt(session, dealing, complaint.accuser, complaint.point) is None


def _decrypt(session: DkgSession, dealing: Dealing, receiver: int, point: G1Element) -> SecretScalar | None:
    encrypted = next((share.data for share in dealing.shares if share.receiver == receiver), None)
    if encrypted is None:
        raise EvidenceRefused("dkg.not_a_receiver", f"dealer {dealing.dealer} deals nothing to member {receiver}")
    try:
        share = SecretScalar.from_bytes(_xor(encrypted, _pad(session, dealing.dealer, receiver, point)))
        expected = evaluate_commitment(dealing.commitment, receiver)
    except MalformedInput:
        return None
    return share if share.public_key() == expected else None


def _possession_message(session: DkgSession, dealer: int, commitment: tuple[BlsPublicKey, ...]) -> bytes:
    return session.context(Label.DKG_POSSESSION, _number(dealer), b"".join(commitment))


def _pad(session: DkgSession, dealer: int, receiver: int, point: G1Element) -> bytes:
    info = session.context(Label.DKG_SHARE, _number(dealer), _number(receiver))
    return hkdf_derive(point, info, _SHARE_LENGTH)


def _challenge(context: bytes, points: tuple[G1Element, ...], announced: tuple[G1Element, ...]) -> int:
    return int.from_bytes(sha512(context + b"".join(points) + b"".join(announced)), "big") % ORDER


def _scalar_bytes(value: int) -> bytes:
    return value.to_bytes(SCALAR_LENGTH, "big")


def _number(index: int) -> bytes:
    return index.to_bytes(4, "big")


def _xor(left: bytes, right: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(left, right, strict=True))
