"""Distributed key generation and handover among gatekeepers, as a machine without I/O.

The chain orders the messages and closes the phases; everybody who reads it comes to the same judgement:

1. announce: each receiver names a ceremony key, each dealer the digest of its commitments;
2. reveal: each dealer publishes its dealing; none may before all announcements are final;
3. complain: each receiver opens its shares, and complains about wrong ones with a proof;
4. judge: dealers that did not reveal, revealed something else than announced, or against whom a complaint is upheld,
   are disqualified; no complaint before the deadline counts as acceptance (PROTOCOL 9.3).

With t = n = 1 a single gatekeeper goes through the same steps alone. In a handover (``DkgSession.constants``) old
members deal their shares to new ones, and the key stays. Callers MUST erase the member object when the ceremony is
over.

A dealer that reveals last can choose whether its own part goes in; that biases the key's distribution, not its secrecy.

**Source:** Gennaro, Jarecki, Krawczyk, Rabin (2007); Desmedt, Jajodia, "Redistributing secret shares to new access
structures" (1997) for the handover.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from coprocessor.crypto.bls import ORDER, BlsPublicKey, G1Element, SecretScalar, check_g1, combine_public_keys
from coprocessor.crypto.labels import Label
from coprocessor.keys.dealing import (
    Complaint,
    Dealing,
    DkgSession,
    commitment_digest,
    deal,
    is_complaint_upheld,
    make_complaint,
    open_share,
    verify_dealing,
)
from coprocessor.keys.shares import CommitteeKeys, KeyShare, Polynomial, evaluate_commitment_at, lagrange_weights
from coprocessor.values.errors import CallerMisuse, CoprocessorError, EvidenceRefused
from coprocessor.values.identities import checked_digest

__all__ = ["Announcement", "DkgMember", "Judgement", "generate_alone", "judge"]


_Sound: TypeAlias = "tuple[dict[int, Dealing], dict[int, G1Element], dict[int, str]]"
"""Dealings that pass every public check, ceremony keys, and why other dealers are disqualified."""


@dataclass(frozen=True, slots=True)
class Announcement:
    """A member's first message.

    Args:
        receiver: index under which shares are received, or 0.
        ceremony_key: 48 bytes; empty where ``receiver`` is 0.
        dealer: index under which the member deals, or 0.
        digest: ``commitment_digest`` of the dealing; empty where ``dealer`` is 0.
    """

    receiver: int
    ceremony_key: bytes
    dealer: int
    digest: bytes


@dataclass(frozen=True, slots=True)
class Judgement:
    """The outcome of a ceremony, the same for everyone who reads its transcript.

    Args:
        qualified: dealers whose parts went in.
        disqualified: (dealer, code of the reason), ascending.
        false_accusers: (receiver, dealer) of complaints that were not upheld.
        committee: the new keys.
    """

    qualified: tuple[int, ...]
    disqualified: tuple[tuple[int, str], ...]
    false_accusers: tuple[tuple[int, int], ...]
    committee: CommitteeKeys


class DkgMember:
    """One member's secrets and steps in one ceremony. Prints redacted.

    Args:
        session: what all agree on.
        entropy: 32 secret bytes, fresh for this ceremony.
        receiver: the member's index among the receivers, or 0.
        dealer: its index among the dealers, or 0.
        constant: in a handover, the old share that is dealt; otherwise None.
    """

    __slots__ = (
        "_announcements",
        "_ceremony_key",
        "_checked",
        "_ephemeral",
        "_opened",
        "_polynomial",
        "dealer",
        "receiver",
        "session",
    )

    def __init__(
        self,
        session: DkgSession,
        entropy: bytes,
        receiver: int,
        dealer: int,
        constant: SecretScalar | None = None,
    ) -> None:
        checked_digest(entropy, "entropy")
        if (receiver and receiver not in session.receivers) or (dealer and dealer not in session.dealers):
            raise CallerMisuse("dkg.members", f"receiver {receiver}, dealer {dealer}: not of this session")
        if dealer and (constant is None) != (session.constants is None):
            raise CallerMisuse("dkg.constant", "a constant is dealt in a handover, and only there")
        if dealer and constant is not None and constant.public_key() != session.constant_of(dealer):
            raise CallerMisuse("dkg.constant", f"the share is not the one that dealer {dealer} must hand over")
        self.session = session
        self.receiver = receiver
        self.dealer = dealer
        self._ceremony_key = self._derive(entropy, b"ceremony-key")
        self._ephemeral = self._derive(entropy, b"ephemeral")
        first = constant or self._derive(entropy, b"coefficient", b"\0")
        rest = (self._derive(entropy, b"coefficient", bytes((k,))) for k in range(1, session.threshold))
        self._polynomial = Polynomial((first, *rest))
        self._announcements: dict[int, G1Element] | None = None
        self._opened: dict[int, tuple[Dealing, SecretScalar]] = {}
        self._checked: tuple[tuple[tuple[Announcement, ...], tuple[Dealing, ...]], _Sound] | None = None

    def _derive(self, entropy: bytes, *parts: bytes) -> SecretScalar:
        who = bytes((self.receiver, self.dealer))
        return SecretScalar.derive(entropy, self.session.context(Label.DKG_SESSION, b"entropy", who, *parts))

    def announce(self) -> Announcement:
        """Step 1."""
        key: bytes = self._ceremony_key.g1_element() if self.receiver else b""
        digest: bytes = b""
        if self.dealer:
            draft = deal(self.session, self.dealer, self._polynomial, self._ephemeral, {})
            digest = commitment_digest(self.session, draft)
        return Announcement(self.receiver, key, self.dealer, digest)

    def reveal(self, announcements: Iterable[Announcement]) -> Dealing:
        """Step 2, once all announcements are final. Refuses a second, different list.

        Raises:
            CallerMisuse: not a dealer, or asked again with other announcements.
        """
        if not self.dealer:
            raise CallerMisuse("dkg.members", "this member does not deal")
        keys = _ceremony_keys(self.session, announcements)
        if self._announcements is not None and self._announcements != keys:
            raise CallerMisuse("dkg.announcements", "the announcements changed after the reveal")
        self._announcements = keys
        return deal(self.session, self.dealer, self._polynomial, self._ephemeral, keys)

    def complain(self, announcements: Iterable[Announcement], dealings: Iterable[Dealing]) -> tuple[Complaint, ...]:
        """Step 3: complaints about wrong shares; empty where all is well."""
        sound, keys, _ = self._check(tuple(announcements), tuple(dealings))
        if keys.get(self.receiver) != self._ceremony_key.g1_element():
            return ()
        return tuple(
            make_complaint(self.session, dealing, self.receiver, self._ceremony_key)
            for dealing in sound.values()
            if self._open(dealing) is None
        )

    def judge(
        self, announcements: Iterable[Announcement], dealings: Iterable[Dealing], complaints: Iterable[Complaint]
    ) -> Judgement:
        """Step 4, as ``judge``; what was checked for complaints is not checked again."""
        return _judge(self.session, self._check(tuple(announcements), tuple(dealings)), complaints)

    def _check(self, announcements: tuple[Announcement, ...], dealings: tuple[Dealing, ...]) -> _Sound:
        if self._checked is None or self._checked[0] != (announcements, dealings):
            sound = _sound_dealings(self.session, announcements, dealings)
            self._checked = (announcements, dealings), sound
        return self._checked[1]

    def finish(self, judgement: Judgement, dealings: Iterable[Dealing]) -> KeyShare:
        """After step 4: this member's share of the key.

        Raises:
            CallerMisuse: not a receiver.
            EvidenceRefused: ``dkg.not_a_receiver``: the own announcement was not among those that count;
                ``dkg.own_share``: a qualified dealer's share is wrong, since no complaint was made in
            time.
        """
        if not self.receiver:
            raise CallerMisuse("dkg.members", "this member receives no share")
        first = _first_by_dealer(dealings)
        total = 0
        for dealer, weight in _weights(self.session, judgement.qualified).items():
            dealing = first.get(dealer)
            if dealing is None:
                raise CallerMisuse("dkg.dealings", f"the dealing of qualified dealer {dealer} is not given")
            share = self._open(dealing)
            if share is None:
                raise EvidenceRefused(
                    "dkg.own_share", f"dealer {dealer}'s share is wrong and no complaint was made in time"
                )
            total += weight * share.value
        return KeyShare(self.receiver, SecretScalar(total % ORDER), judgement.committee)

    def _open(self, dealing: Dealing) -> SecretScalar | None:
        """This member's share in a dealing; what was opened for complaints is not opened again at the end."""
        known = self._opened.get(dealing.dealer)
        if known is not None and known[0] == dealing:
            return known[1]
        share = open_share(self.session, dealing, self.receiver, self._ceremony_key)
        if share is not None:
            self._opened[dealing.dealer] = dealing, share
        return share

    def __repr__(self) -> str:
        return f"DkgMember(receiver={self.receiver}, dealer={self.dealer}, redacted)"


def judge(
    session: DkgSession,
    announcements: Iterable[Announcement],
    dealings: Iterable[Dealing],
    complaints: Iterable[Complaint],
) -> Judgement:
    """Step 4: a pure function of the transcript.

    Args:
        announcements, dealings, complaints: all messages of each phase, in the chain's order; of several by one member
            in one phase the first counts.

    Raises:
        EvidenceRefused: ``dkg.too_few_dealers`` or ``dkg.too_few_receivers``: the ceremony failed and must be repeated
            without the culprits.
    """
    return _judge(session, _sound_dealings(session, tuple(announcements), tuple(dealings)), complaints)


def _judge(session: DkgSession, checked: _Sound, complaints: Iterable[Complaint]) -> Judgement:
    sound, keys, reasons = checked[0], checked[1], dict(checked[2])
    false_accusers = []
    for complaint in complaints:
        dealing, key = sound.get(complaint.dealer), keys.get(complaint.accuser)
        if dealing is None or key is None:
            continue
        if is_complaint_upheld(session, dealing, key, complaint):
            reasons[complaint.dealer] = "dkg.wrong_share"
        else:
            false_accusers.append((complaint.accuser, complaint.dealer))
    qualified = tuple(dealer for dealer in session.dealers if dealer in sound and dealer not in reasons)
    if len(qualified) < session.needed_dealers:
        raise EvidenceRefused(
            "dkg.too_few_dealers",
            f"{len(qualified)} qualified dealers, {session.needed_dealers} are needed",
            f"disqualified: {sorted(reasons.items())}",
            "repeat the ceremony without them",
        )
    if len(keys) < session.threshold:
        raise EvidenceRefused("dkg.too_few_receivers", f"{len(keys)} receivers, {session.threshold} are needed")
    committee = _committee(session, qualified, sound, sorted(keys))
    return Judgement(qualified, tuple(sorted(reasons.items())), tuple(sorted(set(false_accusers))), committee)


def generate_alone(session: DkgSession, entropy: bytes) -> tuple[KeyShare, Judgement]:
    """The whole ceremony with one member, t = n = 1: the same code as for many.

    Args:
        session: its only receiver and dealer is member 1.
        entropy: 32 secret bytes.
    """
    member = DkgMember(session, entropy, receiver=1, dealer=1)
    announcements = (member.announce(),)
    dealings = (member.reveal(announcements),)
    judgement = judge(session, announcements, dealings, member.complain(announcements, dealings))
    return member.finish(judgement, dealings), judgement


def _ceremony_keys(session: DkgSession, announcements: Iterable[Announcement]) -> dict[int, G1Element]:
    keys: dict[int, G1Element] = {}
    for announcement in announcements:
        if announcement.receiver in session.receivers and announcement.receiver not in keys:
            try:
                keys[announcement.receiver] = check_g1(announcement.ceremony_key)
            except CoprocessorError:
                continue
    return dict(sorted(keys.items()))


def _sound_dealings(
    session: DkgSession, announcements: tuple[Announcement, ...], dealings: tuple[Dealing, ...]
) -> _Sound:
    """Dealings that pass every public check, ceremony keys, and why other dealers are disqualified."""
    keys = _ceremony_keys(session, announcements)
    digests: dict[int, bytes] = {}
    for announcement in announcements:
        digests.setdefault(announcement.dealer, announcement.digest)
    first = _first_by_dealer(dealings)
    sound: dict[int, Dealing] = {}
    reasons: dict[int, str] = {}
    for dealer in session.dealers:
        dealing_or_none = first.get(dealer)
        if dealing_or_none is None:
            reasons[dealer] = "dkg.not_revealed"
        elif digests.get(dealer) != commitment_digest(session, dealing_or_none):
            reasons[dealer] = "dkg.not_as_announced"
        else:
            try:
                verify_dealing(session, dealing_or_none, frozenset(keys))
                sound[dealer] = dealing_or_none
            except CoprocessorError as error:
                reasons[dealer] = error.code
    return sound, keys, reasons


def _first_by_dealer(dealings: Iterable[Dealing]) -> dict[int, Dealing]:
    first: dict[int, Dealing] = {}
    for dealing in dealings:
        first.setdefault(dealing.dealer, dealing)
    return first


def _weights(session: DkgSession, qualified: tuple[int, ...]) -> Mapping[int, int]:
    """How much of each dealer's part goes into the key: all of it, or its Lagrange weight in a handover."""
    if session.constants is None:
        return dict.fromkeys(qualified, 1)
    chosen = qualified[: session.old_threshold]
    return dict(zip(chosen, lagrange_weights(chosen), strict=True))


def _committee(
    session: DkgSession, qualified: tuple[int, ...], sound: Mapping[int, Dealing], receivers: Iterable[int]
) -> CommitteeKeys:
    weights = _weights(session, qualified)
    columns = zip(*(sound[dealer].commitment for dealer in weights), strict=True)
    commitment: list[BlsPublicKey] = [combine_public_keys(column, list(weights.values())) for column in columns]
    indices = list(receivers)
    shares = tuple(zip(indices, evaluate_commitment_at(commitment, indices), strict=True))
    return CommitteeKeys(session.threshold, commitment[0], shares)
