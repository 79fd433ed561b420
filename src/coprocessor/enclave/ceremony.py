"""A gatekeeper's part in the key ceremony over the chain (PROTOCOL 9.1, 9.3).

Rules enforced:
1. the ceremony is the one whose session, opening block and transcript head the chain proves, all under one block, and
   its session follows from the genesis digest (PROTOCOL 9.1);
2. the messages replay to the proven head and count; then all members judge on the same transcript (PROTOCOL 9.3);
3. the member says again after a restart what it said before, since all of it follows from one sealed secret;
4. the outcome counts once the chain has recorded it: what this enclave computed, or nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from coprocessor.crypto.hashing import keccak256
from coprocessor.enclave.chain_view import ChainView
from coprocessor.enclave.identity import EnclaveKeys
from coprocessor.enclave.sealed_share import CeremonySecret
from coprocessor.keys.dealing import DkgSession
from coprocessor.keys.dkg import DkgMember
from coprocessor.keys.messages import Complaints, DkgMessage
from coprocessor.keys.shares import CommitteeKeys, KeyShare
from coprocessor.keys.transcript import (
    Entry,
    Phase,
    Speaker,
    Transcript,
    compute_transcript_head,
    read_transcript,
    sign_message,
)
from coprocessor.protocol import layout
from coprocessor.protocol.statements import NO_SHARE, MasterKeyRecord
from coprocessor.values.errors import CoprocessorError, EvidenceRefused
from coprocessor.values.identities import Address, Digest, NetworkId

__all__ = [
    "MAX_ATTEMPTS",
    "CeremonyView",
    "KeyCeremony",
    "check_replay",
    "checked_members",
    "outcome_record",
    "proven_transcript",
    "share_keys_of",
]

MAX_ATTEMPTS: Final = 64
"""Ceremonies that may follow one another under one genesis digest."""


@dataclass(frozen=True, slots=True)
class CeremonyView:
    """How the ceremony stands for this member at a block.

    Args:
        session: of the attempt that is under way.
        phase: that it is in.
        message: what the member has to say now, signed; empty where it has said it or has nothing to say.
        share: the member's share, once everything is said; None before, or where it gets none.
        committee: the new keys, once everything is said.
        failure: why this attempt has no outcome.
    """

    session: Digest
    phase: Phase
    message: bytes = b""
    share: KeyShare | None = None
    committee: CommitteeKeys | None = None
    failure: str = ""


class KeyCeremony:
    """One member of the first committee, from its genesis signature to the recorded outcome.

    Args:
        network: 32 bytes, the genesis digest.
        insecure: the network allows simulated hardware.
        keys: the enclave's own; its signing key is one of the members'.
        secret: its place and its entropy.
    """

    def __init__(self, network: NetworkId, insecure: bool, keys: EnclaveKeys, secret: CeremonySecret) -> None:
        self._network = network
        self._insecure = insecure
        self._keys = keys
        self.secret = secret
        self._index = secret.signers.index(keys.signing.address)
        self._member: DkgMember | None = None

    def look(self, view: ChainView, entries: tuple[Entry, ...]) -> CeremonyView:
        """How the ceremony stands, and what this member has to say now.

        Args:
            view: with proofs of the slots of ``ceremony_slots``, all under one block.
            entries: every message up to that block.

        Raises:
            EvidenceRefused: not this network's ceremony, proofs of different blocks, or messages that do not replay.
        """
        self._check_session(view, Digest(view.digest("Gatekeeping", layout.gatekeeping_session())))
        identifier, opened, now = proven_transcript(view, entries)
        phase_blocks = view.value("Gatekeeping", layout.gatekeeping_phase_blocks())
        return self.follow(identifier, entries, opened, phase_blocks, now)

    def follow(
        self, identifier: Digest, entries: tuple[Entry, ...], opened: int, phase_blocks: int, now: int
    ) -> CeremonyView:
        """``look`` for a session that the caller has proven; arguments as ``keys.transcript.read_transcript``."""
        session = self._session(identifier)
        read = read_transcript(
            session,
            [Speaker(signer, at, at) for at, signer in enumerate(self.secret.signers, start=1)],
            entries,
            opened=opened,
            phase_blocks=phase_blocks,
            now=now,
        )
        if read.phase == Phase.OUTCOME:
            return self._judge(session, read)
        if (self._index, read.phase) in read.spoken:
            return CeremonyView(identifier, read.phase)
        message = self._say(self._as_member(session), read)
        signed = b"" if message is None else sign_message(session, self._index, message, self._keys.signing)
        return CeremonyView(identifier, read.phase, signed)

    def _check_session(self, view: ChainView, identifier: Digest) -> None:
        if view.digest("Gatekeeping", layout.gatekeeping_genesis()) != self._network:
            raise EvidenceRefused(
                "genesis.network",
                f"the chain names another network than 0x{self._network.hex()}, which this gatekeeper signed",
                next="start anew in an empty folder",
            )
        attempt = Digest(self._network)
        for _ in range(MAX_ATTEMPTS):
            if attempt == identifier:
                return
            attempt = keccak256(attempt)
        raise EvidenceRefused("ceremony.session", f"session 0x{identifier.hex()} is not this network's")

    def _session(self, identifier: Digest) -> DkgSession:
        everybody = tuple(range(1, len(self.secret.signers) + 1))
        threshold = self.secret.threshold
        return DkgSession(self._network, identifier, threshold, everybody, everybody, insecure=self._insecure)

    def _as_member(self, session: DkgSession) -> DkgMember:
        if self._member is None or self._member.session != session:
            number = self._index + 1
            self._member = DkgMember(session, self.secret.entropy, receiver=number, dealer=number)
        return self._member

    def _say(self, member: DkgMember, read: Transcript) -> DkgMessage | None:
        if read.phase == Phase.ANNOUNCE:
            return member.announce()
        if (self._index, Phase.ANNOUNCE) not in read.counted:
            return None  # came too late: the others go on without this member
        if read.phase == Phase.REVEAL:
            return member.reveal(read.announcements)
        return Complaints(member.complain(read.announcements, read.dealings))

    def _judge(self, session: DkgSession, read: Transcript) -> CeremonyView:
        try:
            judgement = self._as_member(session).judge(read.announcements, read.dealings, read.complaints)
        except EvidenceRefused as error:
            return CeremonyView(session.identifier, Phase.OUTCOME, failure=error.code)
        share = None
        if (self._index, Phase.ANNOUNCE) in read.counted:
            try:
                share = self._as_member(session).finish(judgement, read.dealings)
            except CoprocessorError:
                share = None  # a wrong share about which it did not complain in time
        return CeremonyView(session.identifier, Phase.OUTCOME, share=share, committee=judgement.committee)


def proven_transcript(view: ChainView, entries: tuple[Entry, ...]) -> tuple[Digest, int, int]:
    """Session, opening block and the block of the proofs, once the messages replay (rules 1 and 2).

    Raises:
        EvidenceRefused: proofs of different blocks, or messages that do not replay to the proven head.
    """
    session = view.slot("Gatekeeping", layout.gatekeeping_session())
    identifier = Digest(session.value.to_bytes(32, "big"))
    count = view.slot("Gatekeeping", layout.gatekeeping_transcript_count(identifier))
    head = view.slot("Gatekeeping", layout.gatekeeping_transcript_head(identifier))
    opened = view.slot("Gatekeeping", layout.gatekeeping_opened())
    if len({slot.block_number for slot in (count, head, opened, session)}) != 1:
        raise EvidenceRefused("ceremony.blocks_differ", "the ceremony's slots were proven under different blocks")
    check_replay(identifier, entries, count.value, head.value)
    return identifier, opened.value, head.block_number


def check_replay(session: Digest, entries: tuple[Entry, ...], count: int, head: int) -> None:
    """Raises EvidenceRefused unless the messages are those of the proven count and head (rule 2)."""
    replayed = compute_transcript_head(session, entries)
    if len(entries) != count or replayed != head.to_bytes(32, "big"):
        raise EvidenceRefused(
            "ceremony.transcript",
            f"{len(entries)} messages do not replay to the transcript head that the chain proves",
            f"the chain has {count}; the node forged, dropped or reordered one",
            "ask another node for the logs",
        )


def share_keys_of(committee: CommitteeKeys, members: int) -> tuple[bytes, ...]:
    """Share public keys in member order; ``NO_SHARE`` for a member that has none."""
    return tuple(committee.share_key(at) or NO_SHARE for at in range(1, members + 1))


def outcome_record(session: Digest, committee: CommitteeKeys, members: int) -> MasterKeyRecord:
    """What members sign and ``Gatekeeping.complete`` records."""
    keys = b"".join(share_keys_of(committee, members))
    return MasterKeyRecord(session, keccak256(committee.group), keccak256(keys))


def checked_members(signers: tuple[Address, ...], own: Address) -> tuple[Address, ...]:
    """The members, this enclave among them, none twice. Raises EvidenceRefused."""
    if own not in signers:
        raise EvidenceRefused("genesis.stranger", "this gatekeeper is not among the members")
    if len(set(signers)) != len(signers):
        raise EvidenceRefused("genesis.twice", "a member stands twice in the list")
    return signers
