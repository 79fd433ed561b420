"""Key generation and handover: honest runs, byzantine dealers and accusers, and one judgement for all."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coprocessor.crypto.bls import ORDER, SecretScalar
from coprocessor.crypto.hashing import sha256
from coprocessor.keys.dealing import (
    Complaint,
    Dealing,
    DkgSession,
    EncryptedShare,
    commitment_digest,
    deal,
    is_complaint_upheld,
    make_complaint,
    open_share,
)
from coprocessor.keys.dkg import Announcement, DkgMember, generate_alone, judge
from coprocessor.keys.partial import combine_partials, sign_partial
from coprocessor.keys.shares import KeyShare, Polynomial
from coprocessor.values.errors import CallerMisuse, EvidenceRefused, MalformedInput
from tests.keys.ceremony import IDENTITY, NETWORK, Ceremony, Hooks, fresh_members, fresh_session, shared_key


def group_signature(shares: dict[int, KeyShare], indices: tuple[int, ...]) -> bytes:
    committee = shares[indices[0]].committee
    partials = [sign_partial(shares[i], IDENTITY) for i in indices]
    return combine_partials(committee, IDENTITY, partials).signature


def corrupt_share(dealer: int, receiver: int) -> Callable[[list[Dealing]], list[Dealing]]:
    def change(dealings: list[Dealing]) -> list[Dealing]:
        out = []
        for dealing in dealings:
            if dealing.dealer == dealer:
                shares = (
                    EncryptedShare(s.receiver, bytes((s.data[0] ^ 1, *s.data[1:]))) if s.receiver == receiver else s
                    for s in dealing.shares
                )
                dealing = dataclasses.replace(dealing, shares=tuple(shares))
            out.append(dealing)
        return out

    return change


def test_one_member_runs_the_same_ceremony_alone() -> None:
    session = fresh_session(1, 1)
    share, judgement = generate_alone(session, sha256(b"entropy"))
    assert judgement.qualified == (1,)
    assert judgement.disqualified == judgement.false_accusers == ()
    assert share.committee.group == share.secret.public_key()
    assert group_signature({1: share}, (1,))
    again, _ = generate_alone(session, sha256(b"entropy"))
    assert again.secret == share.secret
    assert generate_alone(session, sha256(b"other"))[0].secret != share.secret


@given(st.sampled_from([(1, 1), (1, 2), (2, 3), (3, 5)]), st.binary(max_size=4))
@settings(max_examples=12, deadline=None)
def test_every_threshold_set_gives_one_signature(shape: tuple[int, int], seed: bytes) -> None:
    threshold, members = shape
    shares = shared_key(threshold, members, seed)
    sets = itertools.combinations(range(1, members + 1), threshold)
    assert len({group_signature(shares, chosen) for chosen in sets}) == 1


def test_the_master_key_is_no_members_key_and_no_dealers_constant() -> None:
    shares = shared_key(2, 3)
    committee = shares[1].committee
    assert committee.group not in [key for _, key in committee.shares]


@pytest.mark.parametrize("receiver", [1, 3])
def test_a_wrong_share_is_proven_and_its_dealer_excluded(receiver: int) -> None:
    session = fresh_session(2, 3)
    ceremony = Ceremony(session, fresh_members(session), Hooks(dealings=corrupt_share(2, receiver)))
    judgement = ceremony.run()
    assert judgement.disqualified == ((2, "dkg.wrong_share"),)
    assert judgement.qualified == (1, 3)
    assert judgement.false_accusers == ()
    shares = ceremony.shares(judgement)
    assert group_signature(shares, (1, 2)) == group_signature(shares, (2, 3))


def test_without_a_complaint_in_time_the_cheated_member_learns_it() -> None:
    session = fresh_session(2, 3)
    hooks = Hooks(dealings=corrupt_share(2, 3), complaints=lambda complaints: [])
    ceremony = Ceremony(session, fresh_members(session), hooks)
    judgement = ceremony.run()
    assert judgement.qualified == (1, 2, 3)
    ceremony.members[0].finish(judgement, ceremony.dealings)
    with pytest.raises(EvidenceRefused) as caught:
        ceremony.members[2].finish(judgement, ceremony.dealings)
    assert caught.value.code == "dkg.own_share"


def plus(number: bytes, more: int) -> bytes:
    return ((int.from_bytes(number, "big") + more) % ORDER).to_bytes(32, "big")


def test_false_and_forged_complaints_fail_and_name_the_accuser() -> None:
    session = fresh_session(2, 3)
    ceremony = Ceremony(session, fresh_members(session))
    ceremony.run()
    keys = {a.receiver: a.ceremony_key for a in ceremony.announcements}
    liar = ceremony.members[2]
    honest = ceremony.dealings[0]
    false = make_complaint(session, honest, 3, liar._ceremony_key)
    forgeries = [
        false,
        dataclasses.replace(false, challenge=plus(false.challenge, 1)),
        dataclasses.replace(false, challenge=bytes(32)),
        dataclasses.replace(false, challenge=false.challenge[1:]),
        dataclasses.replace(false, response=plus(false.response, -1)),
        dataclasses.replace(false, response=false.response + b"\0"),
        dataclasses.replace(false, response=b"\xff" * 32),
        dataclasses.replace(false, point=SecretScalar(5).g1_element()),
        dataclasses.replace(false, point=b"\xc0" + bytes(47)),
        dataclasses.replace(false, accuser=2),
    ]
    for complaint in forgeries:
        assert not is_complaint_upheld(session, honest, keys[complaint.accuser], complaint)
        judgement = judge(session, ceremony.announcements, ceremony.dealings, [complaint])
        assert judgement.disqualified == ()
        assert judgement.false_accusers == ((complaint.accuser, 1),)


def test_a_forged_point_cannot_convict_a_dealer() -> None:
    """With another point the pad is wrong, so the share looks wrong: only the proof protects the dealer."""
    session = fresh_session(2, 3)
    ceremony = Ceremony(session, fresh_members(session))
    ceremony.run()
    stranger = SecretScalar(12345)
    forged = make_complaint(session, ceremony.dealings[0], 3, stranger)
    assert is_complaint_upheld(session, ceremony.dealings[0], stranger.g1_element(), forged)
    assert not is_complaint_upheld(session, ceremony.dealings[0], ceremony.announcements[2].ceremony_key, forged)


def test_a_dealer_that_does_not_reveal_is_excluded() -> None:
    session = fresh_session(2, 3)
    hooks = Hooks(dealings=lambda dealings: dealings[1:])
    ceremony = Ceremony(session, fresh_members(session), hooks)
    judgement = ceremony.run()
    assert judgement.disqualified == ((1, "dkg.not_revealed"),)
    assert group_signature(ceremony.shares(judgement), (1, 2))


def test_a_dealer_that_changes_its_mind_after_the_announcements_is_excluded() -> None:
    session = fresh_session(2, 3)
    members = fresh_members(session)
    other = DkgMember(session, sha256(b"other"), 1, 1)

    def swap(dealings: list[Dealing]) -> list[Dealing]:
        return [other.reveal([m.announce() for m in members]), *dealings[1:]]

    judgement = Ceremony(session, members, Hooks(dealings=swap)).run()
    assert judgement.disqualified == ((1, "dkg.not_as_announced"),)


def test_copying_another_dealers_announcement_and_dealing_is_refused() -> None:
    session = fresh_session(2, 3)

    def copy_announcement(items: list[Announcement]) -> list[Announcement]:
        return [items[0], dataclasses.replace(items[1], digest=items[0].digest), items[2]]

    def copy_dealing(items: list[Dealing]) -> list[Dealing]:
        return [items[0], dataclasses.replace(items[0], dealer=2), items[2]]

    hooks = Hooks(announcements=copy_announcement, dealings=copy_dealing)
    judgement = Ceremony(session, fresh_members(session), hooks).run()
    assert judgement.disqualified == ((2, "dkg.not_as_announced"),)


def replace_dealing(session: DkgSession, change: Callable[[Dealing], Dealing]) -> Hooks:
    """Dealer 2 announces and reveals a changed dealing consistently."""
    changed: list[Dealing] = []

    def announcements(items: list[Announcement]) -> list[Announcement]:
        dealing = fresh_members(session)[1].reveal(items)
        changed.append(change(dealing))
        return [items[0], dataclasses.replace(items[1], digest=commitment_digest(session, changed[0])), items[2]]

    def dealings(items: list[Dealing]) -> list[Dealing]:
        return [items[0], changed[0], items[2]]

    return Hooks(announcements=announcements, dealings=dealings)


POINT = SecretScalar(77).public_key()


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda d: dataclasses.replace(d, commitment=(*d.commitment, POINT)), "dkg.degree"),
        (lambda d: dataclasses.replace(d, commitment=d.commitment[:1]), "dkg.degree"),
        (lambda d: dataclasses.replace(d, commitment=(POINT, *d.commitment[1:])), "bls.signature"),
        (lambda d: dataclasses.replace(d, commitment=(b"\xc0" + bytes(95), *d.commitment[1:])), "bls.point"),
        (lambda d: dataclasses.replace(d, ephemeral=b"\xff" * 48), "bls.point"),
        (lambda d: dataclasses.replace(d, shares=d.shares[:-1]), "dkg.shares"),
        (lambda d: dataclasses.replace(d, shares=(*d.shares, EncryptedShare(4, bytes(32)))), "dkg.shares"),
        (lambda d: dataclasses.replace(d, shares=(EncryptedShare(1, bytes(31)), *d.shares[1:])), "dkg.shares"),
    ],
)
def test_public_checks_exclude_a_dealer(change: Callable[[Dealing], Dealing], code: str) -> None:
    session = fresh_session(2, 3)
    judgement = Ceremony(session, fresh_members(session), replace_dealing(session, change)).run()
    assert judgement.disqualified == ((2, code),)


def test_a_dealing_that_cancels_another_needs_a_secret_that_nobody_has() -> None:
    """Rogue key: C0 = -(C0 of dealer 1). Without its logarithm there is no proof of possession."""
    session = fresh_session(2, 3)
    victim = fresh_members(session)[0].reveal([m.announce() for m in fresh_members(session)])
    negated = bytes((victim.commitment[0][0] ^ 0x20, *victim.commitment[0][1:]))
    hooks = replace_dealing(session, lambda d: dataclasses.replace(d, commitment=(negated, *d.commitment[1:])))
    judgement = Ceremony(session, fresh_members(session), hooks).run()
    assert judgement.disqualified == ((2, "bls.signature"),)


def test_too_few_honest_dealers_end_the_ceremony() -> None:
    session = fresh_session(2, 3)
    hooks = Hooks(dealings=lambda dealings: dealings[:1])
    with pytest.raises(EvidenceRefused) as caught:
        Ceremony(session, fresh_members(session), hooks).run()
    assert caught.value.code == "dkg.too_few_dealers"


def test_a_member_that_never_announces_gets_no_share() -> None:
    session = fresh_session(2, 3)
    members = fresh_members(session)[:2]
    ceremony = Ceremony(session, members)
    judgement = ceremony.run()
    assert judgement.committee.indices == (1, 2)
    assert judgement.disqualified == ((3, "dkg.not_revealed"),)


def test_too_few_receivers_end_the_ceremony() -> None:
    session = fresh_session(2, 3)

    def spoil(items: list[Announcement]) -> list[Announcement]:
        return [items[0], *(dataclasses.replace(item, ceremony_key=b"?") for item in items[1:])]

    ceremony = Ceremony(session, fresh_members(session), Hooks(announcements=spoil))
    with pytest.raises(EvidenceRefused) as caught:
        ceremony.run()
    assert caught.value.code == "dkg.too_few_receivers"
    with pytest.raises(EvidenceRefused) as caught:
        open_share(session, ceremony.dealings[0], 2, SecretScalar(3))
    assert caught.value.code == "dkg.not_a_receiver"


def test_only_the_first_message_of_a_member_counts() -> None:
    session = fresh_session(2, 3)
    honest = Ceremony(session, fresh_members(session))
    expected = honest.run()
    late = [dataclasses.replace(a, digest=bytes(32)) for a in honest.announcements]
    worse = corrupt_share(1, 2)(honest.dealings)
    again = judge(session, honest.announcements + late, honest.dealings + worse, honest.complaints * 2)
    assert again == expected
    member = honest.members[1]
    assert member.finish(expected, honest.dealings + worse) == member.finish(expected, honest.dealings)
    with pytest.raises(CallerMisuse) as caught:
        member.finish(expected, honest.dealings[1:])
    assert caught.value.code == "dkg.dealings"


def test_a_dealer_refuses_to_reveal_for_a_second_list_of_members() -> None:
    session = fresh_session(2, 3)
    members = fresh_members(session)
    announcements = [member.announce() for member in members]
    members[0].reveal(announcements)
    members[0].reveal(announcements)
    with pytest.raises(CallerMisuse) as caught:
        members[0].reveal(announcements[:2])
    assert caught.value.code == "dkg.announcements"


def test_shares_open_for_their_receiver_in_their_session_alone() -> None:
    session, other = fresh_session(2, 3), fresh_session(2, 3, b"other")
    ceremony = Ceremony(session, fresh_members(session))
    ceremony.run()
    member, dealing = ceremony.members[1], ceremony.dealings[0]
    assert open_share(session, dealing, 2, member._ceremony_key) is not None
    assert open_share(session, dealing, 3, member._ceremony_key) is None
    assert open_share(other, dealing, 2, member._ceremony_key) is None
    assert open_share(session, dealing, 2, SecretScalar(3)) is None


def test_a_plaintext_share_never_stands_in_a_dealing() -> None:
    session = fresh_session(1, 1)
    polynomial = Polynomial([SecretScalar(9)])
    dealing = deal(session, 1, polynomial, SecretScalar(8), {1: SecretScalar(7).g1_element()})
    assert dealing.shares[0].data != polynomial.evaluate(1).to_bytes()


@pytest.mark.parametrize(
    ("old", "new", "dealers", "receivers"),
    [
        ((1, 1), (2, 3), (1,), (1, 2, 3)),
        ((2, 3), (3, 5), (1, 3), (1, 2, 3, 4, 5)),
        ((2, 3), (2, 3), (1, 2, 3), (2, 5, 7)),
    ],
)
def test_a_handover_keeps_the_key(
    old: tuple[int, int], new: tuple[int, int], dealers: tuple[int, ...], receivers: tuple[int, ...]
) -> None:
    before = shared_key(*old)
    committee = before[1].committee
    session = handover(before, dealers, receivers, new[0])
    members = [
        *(DkgMember(session, sha256(b"d%d" % i), 0, i, before[i].secret) for i in dealers),
        *(DkgMember(session, sha256(b"r%d" % i), i, 0) for i in receivers),
    ]
    ceremony = Ceremony(session, members)
    judgement = ceremony.run()
    after = ceremony.shares(judgement)
    assert judgement.committee.group == committee.group
    assert judgement.committee.threshold == new[0]
    first = tuple(sorted(after))[: new[0]]
    assert group_signature(after, first) == group_signature(before, committee.indices[: old[0]])


def handover(
    before: dict[int, KeyShare], dealers: tuple[int, ...], receivers: tuple[int, ...], threshold: int
) -> DkgSession:
    committee = next(iter(before.values())).committee
    constants = tuple(dict(committee.shares)[i] for i in dealers)
    return DkgSession(
        NETWORK, sha256(b"handover"), threshold, receivers, dealers, constants, committee.threshold, insecure=True
    )


def test_a_refresh_makes_old_and_new_shares_useless_together() -> None:
    before = shared_key(2, 3)
    session = handover(before, (1, 2, 3), (1, 2, 3), 2)
    members = [DkgMember(session, sha256(b"x%d" % i), i, i, before[i].secret) for i in (1, 2, 3)]
    ceremony = Ceremony(session, members)
    after = ceremony.shares(ceremony.run())
    assert after[1].committee.group == before[1].committee.group
    assert all(after[i].secret != before[i].secret for i in (1, 2, 3))
    mixed = [sign_partial(before[1], IDENTITY), sign_partial(after[2], IDENTITY)]
    with pytest.raises(EvidenceRefused):
        combine_partials(after[1].committee, IDENTITY, mixed)


def test_a_handover_of_another_secret_is_refused() -> None:
    before = shared_key(2, 3)
    session = handover(before, (1, 2, 3), (1, 2, 3), 2)
    with pytest.raises(CallerMisuse):
        DkgMember(session, sha256(b"x"), 1, 1, before[2].secret)
    with pytest.raises(CallerMisuse):
        DkgMember(session, sha256(b"x"), 1, 1)
    with pytest.raises(CallerMisuse):
        DkgMember(fresh_session(2, 3), sha256(b"x"), 1, 1, before[1].secret)


@pytest.mark.parametrize(
    "arguments",
    [
        {"receivers": (2, 1, 3)},
        {"receivers": (1, 1, 2)},
        {"receivers": (0, 1, 2)},
        {"threshold": 3},
        {"threshold": 0},
        {"dealers": (1, 2)},
        {"identifier": b"short"},
        {"old_threshold": 1},
        {"constants": (POINT,), "old_threshold": 1},
        {"constants": (POINT,) * 3, "old_threshold": 4},
        {"constants": (POINT,) * 3, "old_threshold": 0},
    ],
)
def test_sessions_check_themselves(arguments: dict[str, object]) -> None:
    with pytest.raises(MalformedInput):
        dataclasses.replace(fresh_session(2, 3), **arguments)


def test_members_print_redacted_and_belong_to_the_session() -> None:
    session = fresh_session(2, 3)
    assert "redacted" in repr(fresh_members(session)[0])
    with pytest.raises(CallerMisuse):
        DkgMember(session, sha256(b"x"), 4, 4)
    with pytest.raises(MalformedInput):
        DkgMember(session, b"short", 1, 1)
    spectator = DkgMember(session, sha256(b"x"), 0, 0)
    with pytest.raises(CallerMisuse):
        spectator.reveal([])


def random_complaint() -> st.SearchStrategy[Complaint]:
    points = st.one_of(st.binary(min_size=48, max_size=48), st.just(SecretScalar(5).g1_element()))
    numbers = st.one_of(st.binary(max_size=33), st.integers(0, ORDER).map(lambda n: n.to_bytes(32, "big")))
    return st.builds(Complaint, st.integers(0, 5), st.integers(0, 5), points, numbers, numbers)


@given(st.lists(random_complaint(), max_size=3))
@settings(max_examples=20, deadline=None)
def test_random_complaints_change_no_outcome(complaints: list[Complaint]) -> None:
    session = fresh_session(1, 2)
    honest = Ceremony(session, fresh_members(session))
    expected = honest.run()
    found = judge(session, honest.announcements, honest.dealings, complaints)
    assert found.committee == expected.committee
