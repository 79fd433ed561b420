"""Tickets: t gatekeepers vouch for a finalised block to whoever brought the nonce.

Rules:

1. A ticket binds network, nonce, block number and block hash; each gatekeeper signs with its attested signing key
   (PROTOCOL 2.4).
2. Only distinct members of the committee count, at least t of them; the check says who signed and who is missing.
3. One ticket serves once: whoever consumes one MUST remember ``Ticket.digest`` until the block is too old to be
   accepted.

**Source:** PROTOCOL 2.4.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from coprocessor.codec import cbor
from coprocessor.crypto.hashing import keccak256
from coprocessor.crypto.labels import Label
from coprocessor.crypto.secp256k1 import SIGNATURE_LENGTH, PrivateKey, recover_address
from coprocessor.keys.shares import MAX_MEMBERS
from coprocessor.values.errors import CoprocessorError, EvidenceRefused, MalformedInput
from coprocessor.values.identities import Address, Digest, NetworkId, checked_digest

__all__ = [
    "MAX_TICKET_LENGTH",
    "SignedTicket",
    "Ticket",
    "TicketCheck",
    "TicketRefused",
    "decode_signed_ticket",
    "encode_signed_ticket",
    "sign_ticket",
    "verify_ticket",
]

MAX_TICKET_LENGTH: Final = 256 + MAX_MEMBERS * (SIGNATURE_LENGTH + 3)
"""Bytes of an encoded ticket with its signatures."""

_MAX_BLOCK: Final = 2**64 - 1


@dataclass(frozen=True, slots=True)
class Ticket:
    """What gatekeepers vouch for.

    Args:
        network: 32 bytes, the genesis digest.
        nonce: 32 bytes, chosen by whoever asks, fresh each time.
        block_number: of a finalised block.
        block_hash: 32 bytes.
        insecure: the network allows simulated hardware.
    """

    network: NetworkId
    nonce: Digest
    block_number: int
    block_hash: Digest
    insecure: bool

    def __post_init__(self) -> None:
        checked_digest(self.network, "network")
        checked_digest(self.nonce, "nonce")
        checked_digest(self.block_hash, "block hash")
        if isinstance(self.block_number, bool) or not isinstance(self.block_number, int):
            raise MalformedInput("ticket.block", "a block number is an integer")
        if not 0 <= self.block_number <= _MAX_BLOCK:
            raise MalformedInput("ticket.block", f"a block number lies in 0 to {_MAX_BLOCK}")

    @property
    def digest(self) -> Digest:
        """32 bytes: what is signed, and the ticket's name (rule 1)."""
        number = self.block_number.to_bytes(8, "big")
        return keccak256(
            Label.TICKET.context(self.network, self.nonce, number, self.block_hash, insecure=self.insecure)
        )


@dataclass(frozen=True, slots=True)
class SignedTicket:
    """A ticket and the signatures (65 bytes each) that were gathered for it, at most ``MAX_MEMBERS``."""

    ticket: Ticket
    signatures: tuple[bytes, ...]

    def __post_init__(self) -> None:
        if len(self.signatures) > MAX_MEMBERS:
            raise MalformedInput("ticket.signatures", f"more than {MAX_MEMBERS} signatures")
        if any(len(signature) != SIGNATURE_LENGTH for signature in self.signatures):
            raise MalformedInput("ticket.signatures", f"a signature does not have {SIGNATURE_LENGTH} bytes")


@dataclass(frozen=True, slots=True)
class TicketCheck:
    """Who signed and who is missing, in the committee's order, and how many signatures were of no use."""

    signed: tuple[Address, ...]
    missing: tuple[Address, ...]
    useless: int


class TicketRefused(EvidenceRefused):
    """Fewer than t gatekeepers signed.

    Attributes:
        check: who signed and who is missing.
        threshold: how many are needed.
    """

    def __init__(self, check: TicketCheck, threshold: int) -> None:
        super().__init__(
            "ticket.threshold",
            f"{len(check.signed)} gatekeepers signed the ticket, {threshold} are needed",
            f"missing: {', '.join('0x' + member.hex() for member in check.missing)}",
            "ask the missing gatekeepers for a ticket with the same nonce and block",
        )
        self.check = check
        self.threshold = threshold


def sign_ticket(ticket: Ticket, key: PrivateKey) -> bytes:
    """A gatekeeper's signature (65 bytes). It MUST have verified the block as finalised on its own chain."""
    return key.sign(ticket.digest)


def verify_ticket(signed: SignedTicket, gatekeepers: Iterable[Address], threshold: int) -> TicketCheck:
    """Who signed, and who is missing.

    Args:
        signed: the ticket.
        gatekeepers: signing addresses of the committee, as the chain states them.
        threshold: t, at least 1.

    Raises:
        TicketRefused: fewer than t distinct gatekeepers signed.
        MalformedInput: the threshold is not between 1 and the number of gatekeepers.
    """
    members = tuple(dict.fromkeys(gatekeepers))
    if not 1 <= threshold <= len(members):
        raise MalformedInput("ticket.committee", f"a threshold of {threshold} among {len(members)} gatekeepers")
    signers = set()
    useless = 0
    for signature in signed.signatures:
        try:
            signer = recover_address(signed.ticket.digest, signature)
        except CoprocessorError:
            useless += 1
            continue
        if signer in members and signer not in signers:  # rule 2
            signers.add(signer)
        else:
            useless += 1
    present = tuple(member for member in members if member in signers)
    check = TicketCheck(present, tuple(member for member in members if member not in signers), useless)
    if len(present) < threshold:
        raise TicketRefused(check, threshold)
    return check


def encode_signed_ticket(signed: SignedTicket) -> bytes:
    """Deterministic CBOR; at most ``MAX_TICKET_LENGTH`` bytes."""
    ticket = signed.ticket
    fields = [ticket.network, ticket.nonce, ticket.block_number, ticket.block_hash, ticket.insecure]
    return cbor.dumps([*fields, list(signed.signatures)])


def decode_signed_ticket(data: bytes) -> SignedTicket:
    """Inverse of ``encode_signed_ticket``. Raises MalformedInput."""
    match cbor.loads(data, MAX_TICKET_LENGTH):
        case [
            bytes(network),
            bytes(nonce),
            int(number),
            bytes(block_hash),
            bool(insecure),
            [*signatures],
        ] if all(isinstance(signature, bytes) for signature in signatures):
            ticket = Ticket(NetworkId(network), Digest(nonce), number, Digest(block_hash), insecure)
            return SignedTicket(ticket, tuple(signatures))
    raise MalformedInput("ticket.malformed", "the bytes are not a ticket")
