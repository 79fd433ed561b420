"""Ceremonies with fewer than t members who do whatever a list of faults says: honest ones always agree, and the key
works."""

from __future__ import annotations

import dataclasses
import itertools

from hypothesis import given, settings
from hypothesis import strategies as st

from coprocessor.crypto.bls import BlsSignature, G1Element, SecretScalar
from coprocessor.crypto.hashing import sha256
from coprocessor.keys.dealing import Complaint, Dealing, EncryptedShare, make_complaint
from coprocessor.keys.dkg import Announcement
from coprocessor.keys.partial import combine_partials, sign_partial
from tests.keys.ceremony import IDENTITY, Ceremony, Hooks, fresh_members, fresh_session

THRESHOLD, MEMBERS = 3, 5
FAULTS = (
    "honest",
    "silent",
    "no dealing",
    "other digest",
    "bad ceremony key",
    "shares for all wrong",
    "share for one wrong",
    "bad possession",
    "other commitment",
    "false complaints",
    "two dealings",
)


class Adversary:
    """Applies each member's fault at the phase where it shows."""

    def __init__(self, faults: dict[int, str]) -> None:
        self.faults = faults
        self.session = fresh_session(THRESHOLD, MEMBERS)
        self.ceremony = Ceremony(
            self.session,
            fresh_members(self.session),
            Hooks(self.announcements, self.dealings, self.complaints),
        )

    def announcements(self, items: list[Announcement]) -> list[Announcement]:
        out = []
        for item in items:
            fault = self.faults.get(item.dealer)
            if fault == "other digest":
                item = dataclasses.replace(item, digest=sha256(b"x"))
            elif fault == "bad ceremony key":
                item = dataclasses.replace(item, ceremony_key=b"\xff" * 48)
            if fault != "silent":
                out.append(item)
        return out

    def dealings(self, items: list[Dealing]) -> list[Dealing]:
        out = []
        for item in items:
            fault = self.faults.get(item.dealer)
            if fault in ("silent", "no dealing"):
                continue
            out.append(self.spoil(item, fault))
            if fault == "two dealings":
                out.append(self.spoil(item, "shares for all wrong"))
        return out

    def spoil(self, item: Dealing, fault: str | None) -> Dealing:
        if fault in ("shares for all wrong", "share for one wrong"):
            last = item.shares[-1].receiver
            wrong = (s.receiver == last or fault == "shares for all wrong" for s in item.shares)
            shares = tuple(
                EncryptedShare(s.receiver, bytes(32)) if bad else s for s, bad in zip(item.shares, wrong, strict=True)
            )
            return dataclasses.replace(item, shares=shares)
        if fault == "bad possession":
            return dataclasses.replace(item, possession=BlsSignature(G1Element(SecretScalar(5).g1_element())))
        if fault == "other commitment":
            return dataclasses.replace(item, commitment=item.commitment[::-1])
        return item

    def complaints(self, items: list[Complaint]) -> list[Complaint]:
        lies = [
            make_complaint(self.session, dealing, member, self.ceremony.members[member - 1]._ceremony_key)
            for member, fault in self.faults.items()
            if fault == "false complaints"
            for dealing in self.ceremony.dealings
            if dealing.dealer != member
        ]
        return lies + items


faults = st.dictionaries(st.integers(1, MEMBERS), st.sampled_from(FAULTS), max_size=THRESHOLD - 1)


@given(faults)
@settings(max_examples=25, deadline=None)
def test_honest_members_agree_whatever_fewer_than_t_others_do(chosen: dict[int, str]) -> None:
    adversary = Adversary(chosen)
    judgement = adversary.ceremony.run()
    honest = [i for i in range(1, MEMBERS + 1) if chosen.get(i, "honest") == "honest"]
    assert set(honest) <= set(judgement.qualified)
    assert not {accuser for accuser, _ in judgement.false_accusers}.intersection(honest)
    dealings = adversary.ceremony.dealings
    shares = {i: adversary.ceremony.members[i - 1].finish(judgement, dealings) for i in honest}
    assert len(shares) >= THRESHOLD
    signatures = {
        combine_partials(judgement.committee, IDENTITY, [sign_partial(shares[i], IDENTITY) for i in some]).signature
        for some in itertools.combinations(honest, THRESHOLD)
    }
    assert len(signatures) == 1


@given(st.permutations(range(MEMBERS)), st.permutations(range(MEMBERS)))
@settings(max_examples=5, deadline=None)
def test_the_order_of_messages_within_a_phase_changes_nothing(first: list[int], second: list[int]) -> None:
    session = fresh_session(THRESHOLD, MEMBERS)
    straight = Ceremony(session, fresh_members(session)).run()
    hooks = Hooks(lambda items: [items[i] for i in first], lambda items: [items[i] for i in second])
    assert Ceremony(session, fresh_members(session), hooks).run() == straight
