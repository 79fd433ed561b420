"""The transcript of a key ceremony as the chain orders it, and the phases that it goes through.

Rules (PROTOCOL 9.3):

1. Messages count in the order in which ``Gatekeeping`` folded them into the session's hash chain; whoever replays them
   to the proven head and count has the same transcript as everybody else.
2. A message counts only with the signature of the speaker's attested key: a host cannot put its own keys in the place
   of its enclave's, it can only keep its enclave silent.
3. A phase ends with the message by which the last of those who are expected has spoken, or after so many blocks,
   whichever comes first; what comes later or too early does not count, so the silent are left out and not waited for.
4. A member speaks only as the receiver and dealer that it is.

**Source:** PROTOCOL 9.3.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final

from coprocessor.codec import abi
from coprocessor.crypto.hashing import keccak256
from coprocessor.crypto.labels import Label
from coprocessor.crypto.secp256k1 import SIGNATURE_LENGTH, PrivateKey, recover_address
from coprocessor.keys.dealing import Complaint, Dealing, DkgSession
from coprocessor.keys.dkg import Announcement
from coprocessor.keys.messages import MAX_DKG_MESSAGE, Complaints, DkgMessage, decode_dkg_message, encode_dkg_message
from coprocessor.values.errors import CoprocessorError
from coprocessor.values.identities import Address, Digest

__all__ = [
    "CLOSING",
    "MAX_SIGNED_MESSAGE",
    "Entry",
    "Phase",
    "Speaker",
    "Transcript",
    "compute_transcript_head",
    "read_transcript",
    "sign_message",
]

MAX_SIGNED_MESSAGE: Final = SIGNATURE_LENGTH + MAX_DKG_MESSAGE
"""Bytes of a signed message; longer ones do not count."""


class Phase(IntEnum):
    """Where a ceremony stands; messages of a phase carry its number as their kind."""

    ANNOUNCE = 1
    REVEAL = 2
    COMPLAIN = 3
    OUTCOME = 4

CLOSING: Final = 5
"""Kind of the message by which a present member agrees that the next committee has proven itself."""


@dataclass(frozen=True, slots=True)
class Speaker:
    """Who may speak: attested signing address (20 bytes), its indices as receiver and dealer, 0 where it is none."""

    signer: Address
    receiver: int
    dealer: int


@dataclass(frozen=True, slots=True)
class Entry:
    """One message as the chain holds it.

    Args:
        member: number of the speaker, from 0.
        kind: what it says it is.
        block_number: of its block.
        data: signature (65 bytes) and encoded message.
    """

    member: int
    kind: int
    block_number: int
    data: bytes


@dataclass(slots=True)
class Transcript:
    """What counts of a ceremony's messages up to a block.

    Args:
        phase: that the ceremony is in.
        since: block in which that phase began.
        spoken: (member, kind) of every message, whether it counts or not: nobody says a kind twice.
    """

    phase: Phase
    since: int
    announcements: list[Announcement] = field(default_factory=list)
    dealings: list[Dealing] = field(default_factory=list)
    complaints: list[Complaint] = field(default_factory=list)
    spoken: set[tuple[int, int]] = field(default_factory=set)
    counted: set[tuple[int, int]] = field(default_factory=set)
    """(member, kind) of the messages that count."""


def compute_transcript_head(session: Digest, entries: Iterable[Entry]) -> Digest:
    """``Gatekeeping.transcript_heads`` after these messages; 32 zero bytes where there are none."""
    head = Digest(bytes(32))
    for entry in entries:
        words = (session, head, entry.member, entry.kind, entry.block_number, keccak256(entry.data))
        head = keccak256(abi.encode(["bytes32", "bytes32", "uint256", "uint8", "uint256", "bytes32"], words))
    return head


def sign_message(session: DkgSession, member: int, message: DkgMessage, key: PrivateKey) -> bytes:
    """A message as it goes onto the chain: signature, then encoding (rule 2)."""
    body = encode_dkg_message(message)
    return key.sign(_digest(session, member, body)) + body


def read_transcript(
    session: DkgSession,
    speakers: Sequence[Speaker],
    entries: Iterable[Entry],
    *,
    opened: int,
    phase_blocks: int,
    now: int,
) -> Transcript:
    """What counts of the messages up to block ``now``, and the phase that the ceremony is then in.

    Args:
        session: whose ceremony.
        speakers: by member number.
        entries: all messages up to ``now``, proven (rule 1).
        opened: block in which the ceremony began.
        phase_blocks: after which a phase ends.
        now: a finalised block.
    """
    read = Transcript(Phase.ANNOUNCE, opened)
    for entry in entries:
        _pass_deadlines(read, entry.block_number, phase_blocks)
        read.spoken.add((entry.member, entry.kind))
        if entry.kind == read.phase and _take(read, session, speakers, entry):
            read.counted.add((entry.member, entry.kind))
            if _expected(read, speakers) <= {member for member, kind in read.counted if kind == read.phase}:
                read.phase, read.since = Phase(read.phase + 1), entry.block_number
    _pass_deadlines(read, now, phase_blocks)
    return read


def _pass_deadlines(read: Transcript, block: int, phase_blocks: int) -> None:
    while read.phase < Phase.OUTCOME and block > read.since + phase_blocks:  # rule 3
        read.phase, read.since = Phase(read.phase + 1), read.since + phase_blocks


def _expected(read: Transcript, speakers: Sequence[Speaker]) -> set[int]:
    """The members on whose messages the present phase waits."""
    everybody = set(range(len(speakers)))
    announced = {member for member, kind in read.counted if kind == Phase.ANNOUNCE}
    match read.phase:
        case Phase.ANNOUNCE:
            return {member for member, speaker in enumerate(speakers) if speaker.receiver or speaker.dealer}
        case Phase.REVEAL:
            return {member for member in announced if speakers[member].dealer}
        case Phase.COMPLAIN:
            return {member for member in announced if speakers[member].receiver}
        case _:
            return everybody | {-1}  # the outcome is recorded elsewhere; this phase has no next


def _take(read: Transcript, session: DkgSession, speakers: Sequence[Speaker], entry: Entry) -> bool:
    """Adds a message that is the speaker's own and of this phase; False where it is not (rules 2 and 4)."""
    if not 0 <= entry.member < len(speakers) or not SIGNATURE_LENGTH < len(entry.data) <= MAX_SIGNED_MESSAGE:
        return False
    speaker, signature, body = speakers[entry.member], entry.data[:SIGNATURE_LENGTH], entry.data[SIGNATURE_LENGTH:]
    try:
        if recover_address(_digest(session, entry.member, body), signature) != speaker.signer:
            return False
        message = decode_dkg_message(body)
    except CoprocessorError:
        return False
    match read.phase, message:
        case Phase.ANNOUNCE, Announcement() if (message.receiver, message.dealer) == (speaker.receiver, speaker.dealer):
            read.announcements.append(message)
        case Phase.REVEAL, Dealing() if speaker.dealer and message.dealer == speaker.dealer:
            read.dealings.append(message)
        case Phase.COMPLAIN, Complaints() if all(one.accuser == speaker.receiver for one in message.complaints):
            read.complaints += message.complaints
        case _:
            return False
    return True


def _digest(session: DkgSession, member: int, body: bytes) -> Digest:
    return keccak256(session.context(Label.DKG_MESSAGE, member.to_bytes(4, "big"), body))
