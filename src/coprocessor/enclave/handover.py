"""An enclave's part in handing the key over to the next committee, or to the same one with new shares.

Rules enforced (PROTOCOL 9.4, 9.5):
1. a present member agrees only when the list has been announced for the network's delay (none where the list stays),
   and when it has itself verified the evidence of each member that is not a present one; it deals under the same
   condition; another list gives no operator and no vendor t shares (PROTOCOL 8.9, ``enclave.diversity``);
2. the messages replay to the proven transcript head, and all slots are proven under one block (PROTOCOL 9.3);
   revoked members neither deal nor are dealt to, and no other list names one (PROTOCOL 1.4);
3. each ceremony has a fresh secret, durable before its first message, erased when the chain has switched;
4. a present member agrees to the end only when the next committee has proven a signature of the group's key.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from coprocessor.crypto.bls import check_public_key
from coprocessor.crypto.hashing import keccak256
from coprocessor.crypto.secp256k1 import SIGNATURE_LENGTH
from coprocessor.enclave.ceremony import proven_transcript, share_keys_of
from coprocessor.enclave.chain_view import ChainView
from coprocessor.enclave.diversity import Diversity
from coprocessor.enclave.identity import EnclaveKeys, Entropy
from coprocessor.enclave.proven_committee import is_revoked
from coprocessor.enclave.sealed_share import HandoverSecret
from coprocessor.keys.dealing import DkgSession
from coprocessor.keys.dkg import DkgMember, Judgement, judge
from coprocessor.keys.handover import compute_speakers, has_proven_itself, make_session, prove_share
from coprocessor.keys.messages import Complaints, DkgMessage
from coprocessor.keys.shares import CommitteeKeys, KeyShare
from coprocessor.keys.transcript import CLOSING, Entry, Phase, Speaker, Transcript, read_transcript, sign_message
from coprocessor.protocol import layout
from coprocessor.protocol.statements import NO_SHARE, MasterKeyRecord, compute_handover_session
from coprocessor.values.errors import CoprocessorError, EvidenceRefused
from coprocessor.values.identities import ZERO_ADDRESS, Address, Digest, NetworkId

__all__ = ["HANDOVER_DELAY_SECONDS", "Handover", "HandoverLook", "Member", "following_members", "members_of"]

HANDOVER_DELAY_SECONDS: Final = 14 * 86_400
"""How long another list must have been announced (PROTOCOL 1.4); development networks wait for finality alone."""

MAX_MEMBERS: Final = 32

_FIELDS: Final = ("operator", "signer", "sealing_key", "evidence_digest")

Member = tuple[Address, Address, bytes, Digest]
"""Operator, signing address, sealing key, evidence digest."""

Say = tuple[int, int, bytes]
"""Number of the speaker, kind, data."""


@dataclass(frozen=True, slots=True)
class HandoverLook:
    """How a handover stands for this enclave.

    Args:
        session: 32 bytes; zero where none is under way.
        phase: 1 to 4; 0 where none is under way.
        says: what to post now.
        share_keys: of the next committee, once there is an outcome.
        unknown: next members (from 0) whose evidence this enclave has not verified.
        secret: what must be durable before anything is posted.
        failure: code of the reason why this attempt has no outcome, or empty.
    """

    session: Digest
    phase: int
    says: tuple[Say, ...] = ()
    share_keys: tuple[bytes, ...] = ()
    unknown: tuple[int, ...] = ()
    secret: HandoverSecret | None = None
    failure: str = ""


class Handover:
    """One enclave in handovers, as a present member, a next one, or both.

    Args:
        network: 32 bytes.
        insecure: the network allows simulated hardware.
        keys: the enclave's own.
        entropy: from inside the boundary.
        sign: signs an EIP-712 record for ``Gatekeeping``.
        secret: of the handover under way, from a former run.
        diversity: what is demanded of a list.
    """

    def __init__(
        self,
        network: NetworkId,
        insecure: bool,
        keys: EnclaveKeys,
        entropy: Entropy,
        sign: Callable[[MasterKeyRecord], bytes],
        secret: HandoverSecret | None,
        diversity: Diversity,
    ) -> None:
        self._diversity = diversity
        self._network = network
        self._insecure = insecure
        self._keys = keys
        self._entropy = entropy
        self._sign = sign
        self._secret = secret
        self._members: dict[tuple[Digest, int, int], DkgMember] = {}

    def agreed_session(self, view: ChainView, verified: set[Member], *, development: bool) -> Digest:
        """The session of a handover to the announced committee, if this enclave agrees to it (rule 1).

        Raises:
            EvidenceRefused: ``handover.no_list``, ``handover.delay``, ``handover.revoked``, ``handover.unverified``;
                as ``Diversity.check``.
        """
        present, following = members_of(view), following_members(view)
        _check_one_block(view, present, following)
        threshold = view.value("Gatekeeping", layout.gatekeeping_next("threshold"))
        announced = view.value("Gatekeeping", layout.gatekeeping_next("announced"))
        stays = present == following and threshold == view.value("Gatekeeping", layout.gatekeeping_threshold())
        ready = announced + (0 if stays or development else HANDOVER_DELAY_SECONDS)
        if view.head.timestamp < ready:
            raise EvidenceRefused(
                "handover.delay",
                f"the next committee was announced at {announced}, the chain is at {view.head.timestamp}",
                "another list must have been announced for 14 days (PROTOCOL 1.4)",
                f"ask again after {ready}",
            )
        if not stays and any(is_revoked(view, row[1]) for row in following):
            raise EvidenceRefused(
                "handover.revoked",
                "the announced committee names a member that the guardian has revoked",
                next="announce another list",
            )
        unknown = _unknown(present, following, verified)
        if unknown:
            raise EvidenceRefused(
                "handover.unverified",
                f"this gatekeeper has not verified the evidence of next members {list(unknown)}",
                next="send their evidence first",
            )
        if not stays:
            self._diversity.check(_seats_of(following), threshold)
        former = view.digest("Gatekeeping", layout.gatekeeping_session())
        committee = view.value("Gatekeeping", layout.gatekeeping_committee())
        return compute_handover_session(Digest(former), committee, threshold, announced, following)

    def look(
        self,
        view: ChainView,
        master_key: bytes,
        share_keys: tuple[bytes, ...],
        entries: tuple[Entry, ...],
        verified: set[Member],
        share: KeyShare | None,
    ) -> HandoverLook:
        """How the handover under way stands, and what this enclave has to say in it.

        Args:
            view: with proofs of all slots of a handover under one block.
            master_key, share_keys: of the present committee; checked against the chain at the first look.
            entries: every message up to that block.
            verified: next members whose evidence this enclave has verified.
            share: the present one, or None.

        Raises:
            EvidenceRefused: proofs, keys or messages that do not belong together.
        """
        identifier, opened, now = proven_transcript(view, entries)
        present, following = members_of(view), following_members(view)
        _check_one_block(view, present, following)
        if self._secret is None or self._secret.session != identifier:  # rule 3
            self._members.clear()
            self._secret = HandoverSecret(
                session=identifier,
                entropy=self._entropy(32),
                share=None,
                present=_present_keys(view, present, master_key, share_keys),
                signers=tuple(row[1] for row in present),
                following=tuple(ZERO_ADDRESS if is_revoked(view, row[1]) else row[1] for row in following),
                threshold=view.value("Gatekeeping", layout.gatekeeping_next("threshold")),
            )
        session, speakers = self._parties(self._secret)
        phase_blocks = view.value("Gatekeeping", layout.gatekeeping_phase_blocks())
        read = read_transcript(session, speakers, entries, opened=opened, phase_blocks=phase_blocks, now=now)
        unknown = _unknown(present, following, verified)
        seats = self._seats(speakers, share, may_deal=not unknown and self._is_diverse(present, following))
        if read.phase < Phase.OUTCOME:
            says = self._say(session, read, seats, share)
            return HandoverLook(identifier, read.phase, says, unknown=unknown, secret=self._secret)
        return self._judge(session, read, seats, entries, speakers, unknown)

    def finish(self, view: ChainView, entries: tuple[Entry, ...]) -> KeyShare | None:
        """This enclave's share of a committee that the chain has switched to, where it was not there at the end.

        Returns:
            None where it had no part, or came too late for one.

        Raises:
            EvidenceRefused: messages that do not replay.
        """
        identifier, opened, now = proven_transcript(view, entries)
        secret = self._secret
        if secret is None or secret.session != identifier:
            return None
        session, speakers = self._parties(secret)
        phase_blocks = view.value("Gatekeeping", layout.gatekeeping_phase_blocks())
        read = read_transcript(session, speakers, entries, opened=opened, phase_blocks=phase_blocks, now=now)
        for at, speaker in enumerate(speakers):
            is_own = speaker.signer == self._keys.signing.address and speaker.receiver
            if is_own and (at, Phase.ANNOUNCE) in read.counted:
                judgement = judge(session, read.announcements, read.dealings, read.complaints)
                return self._share(session, speaker, judgement, read)
        return None

    def _is_diverse(self, present: list[Member], following: list[Member]) -> bool:
        """Whether the list, if it is another one, gives nobody t shares, as far as this enclave knows."""
        assert self._secret is not None
        threshold = self._secret.threshold
        try:
            if (following, threshold) != (present, self._secret.present.threshold):
                self._diversity.check_known(_seats_of(following), threshold)
        except EvidenceRefused:
            return False
        return True

    def _parties(self, secret: HandoverSecret) -> tuple[DkgSession, list[Speaker]]:
        """The ceremony and who speaks in it, as the secret holds them: the chain's lists change with the switch."""
        members, present = len(secret.following), secret.present
        session = make_session(
            self._network, secret.session, present, secret.threshold, members, insecure=self._insecure
        )
        return session, compute_speakers(present, secret.signers, secret.following)

    def _seats(self, speakers: list[Speaker], share: KeyShare | None, *, may_deal: bool) -> dict[int, Speaker]:
        """The places that this enclave speaks for."""
        own = {at: one for at, one in enumerate(speakers) if one.signer == self._keys.signing.address}
        return {
            at: one
            for at, one in own.items()
            if one.receiver or (one.dealer and may_deal and share is not None and share.index == one.dealer)
        }

    def _say(
        self, session: DkgSession, read: Transcript, seats: dict[int, Speaker], share: KeyShare | None
    ) -> tuple[Say, ...]:
        says: list[Say] = []
        for at, speaker in seats.items():
            if (at, read.phase) in read.spoken:
                continue
            if read.phase > Phase.ANNOUNCE and (at, Phase.ANNOUNCE) not in read.counted:
                continue
            message = self._message(self._member(session, speaker, share), read)
            if message is not None:
                says.append((at, read.phase, sign_message(session, at, message, self._keys.signing)))
        return tuple(says)

    @staticmethod
    def _message(member: DkgMember, read: Transcript) -> DkgMessage | None:
        match read.phase:
            case Phase.ANNOUNCE:
                return member.announce()
            case Phase.REVEAL:
                return member.reveal(read.announcements) if member.dealer else None
            case _:
                return Complaints(member.complain(read.announcements, read.dealings)) if member.receiver else None

    def _member(self, session: DkgSession, speaker: Speaker, share: KeyShare | None) -> DkgMember:
        assert self._secret is not None, "look comes first"
        place = (session.identifier, speaker.receiver, speaker.dealer)
        if place not in self._members:
            constant = share.secret if share is not None and speaker.dealer else None
            entropy = self._secret.entropy
            self._members[place] = DkgMember(session, entropy, speaker.receiver, speaker.dealer, constant)
        return self._members[place]

    def _judge(
        self,
        session: DkgSession,
        read: Transcript,
        seats: dict[int, Speaker],
        entries: tuple[Entry, ...],
        speakers: list[Speaker],
        unknown: tuple[int, ...],
    ) -> HandoverLook:
        try:
            judgement = judge(session, read.announcements, read.dealings, read.complaints)
        except EvidenceRefused as error:
            return HandoverLook(session.identifier, Phase.OUTCOME, secret=self._secret, failure=error.code)
        committee = judgement.committee
        keys = share_keys_of(committee, len(session.receivers))
        record = MasterKeyRecord(session.identifier, keccak256(committee.group), keccak256(b"".join(keys)))
        says: list[Say] = []
        for at, speaker in seats.items():
            if speaker.receiver and (at, Phase.ANNOUNCE) in read.counted:
                share = self._share(session, speaker, judgement, read)
                if share is not None and (at, int(Phase.OUTCOME)) not in read.spoken:
                    says.append((at, int(Phase.OUTCOME), self._sign(record) + prove_share(share, session)))
            if speaker.dealer and (at, CLOSING) not in read.spoken:
                parts = _parts(entries, speakers)
                if has_proven_itself(session, committee, parts):  # rule 4
                    says.append((at, CLOSING, self._sign(record)))
        return HandoverLook(session.identifier, Phase.OUTCOME, tuple(says), keys, unknown, self._secret)

    def _share(
        self, session: DkgSession, speaker: Speaker, judgement: Judgement, read: Transcript
    ) -> KeyShare | None:
        """The next share, sealed with the secret that it follows from; None where a dealer's part for it is wrong."""
        member = self._member(session, speaker, None)
        assert self._secret is not None
        if self._secret.share is None:
            try:
                share = member.finish(judgement, read.dealings)
            except CoprocessorError:
                return None
            self._secret = replace(self._secret, share=share)
        return self._secret.share


def members_of(view: ChainView) -> list[Member]:
    """The present committee, from proven slots."""
    count = view.value("Gatekeeping", layout.gatekeeping_member_count())
    return [_row(view, layout.gatekeeping_member, at) for at in range(_checked(count))]


def following_members(view: ChainView) -> list[Member]:
    """The announced committee, from proven slots. Raises EvidenceRefused where none is."""
    count = view.value("Gatekeeping", layout.gatekeeping_next("count"))
    return [_row(view, layout.gatekeeping_next_member, at) for at in range(_checked(count))]


def _checked(count: int) -> int:
    if not 1 <= count <= MAX_MEMBERS:
        raise EvidenceRefused("handover.no_list", f"a committee of {count} members is on the chain")
    return count


def _row(view: ChainView, slot: Callable[[int, str], Digest], at: int) -> Member:
    return (
        view.address("Gatekeeping", slot(at, "operator")),
        view.address("Gatekeeping", slot(at, "signer")),
        view.digest("Gatekeeping", slot(at, "sealing_key")),
        Digest(view.digest("Gatekeeping", slot(at, "evidence_digest"))),
    )


def _seats_of(members: list[Member]) -> list[tuple[Address, Address]]:
    return [(operator, signer) for operator, signer, _, _ in members]


def _unknown(present: list[Member], following: list[Member], verified: set[Member]) -> tuple[int, ...]:
    known = verified | set(present)
    return tuple(at for at, row in enumerate(following) if row not in known)


def _check_one_block(view: ChainView, present: list[Member], following: list[Member]) -> None:
    """Both lists and who of them is revoked are of the session's block (rule 2)."""
    number = view.slot("Gatekeeping", layout.gatekeeping_session()).block_number
    used = [layout.gatekeeping_revoked(row[1]) for row in (*present, *following)]
    used += [layout.gatekeeping_member(at, name) for at in range(len(present)) for name in _FIELDS]
    used += [layout.gatekeeping_next_member(at, name) for at in range(len(following)) for name in _FIELDS]
    if any(view.slot("Gatekeeping", slot).block_number != number for slot in used):
        raise EvidenceRefused("handover.blocks_differ", "the lists and the session were proven under different blocks")


def _present_keys(
    view: ChainView, present: list[Member], master_key: bytes, share_keys: tuple[bytes, ...]
) -> CommitteeKeys:
    """Keys of the present members that hold shares and stand."""
    recorded = view.digest("Gatekeeping", layout.gatekeeping_share_keys_hash())
    master = view.digest("Gatekeeping", layout.gatekeeping_master_key_hash())
    is_theirs = keccak256(b"".join(share_keys)) == recorded and keccak256(master_key) == master
    if not is_theirs or len(share_keys) != len(present):
        raise EvidenceRefused("handover.foreign_keys", "the keys are not those of the present committee on the chain")
    shares = tuple(
        (at, check_public_key(key))
        for at, (row, key) in enumerate(zip(present, share_keys, strict=True), start=1)
        if key != NO_SHARE and not is_revoked(view, row[1])
    )
    threshold = view.value("Gatekeeping", layout.gatekeeping_threshold())
    return CommitteeKeys(threshold, check_public_key(master_key), shares)


def _parts(entries: tuple[Entry, ...], speakers: list[Speaker]) -> dict[int, bytes]:
    """Partial signatures of next members, by index."""
    return {
        speakers[entry.member].receiver: entry.data[SIGNATURE_LENGTH:]
        for entry in entries
        if entry.kind == Phase.OUTCOME and entry.member < len(speakers) and speakers[entry.member].receiver
    }
