"""The key passes to the next committee, or to the same one with new shares; crashes and liars leave one that works."""

from __future__ import annotations

from dataclasses import replace

import pytest

from coprocessor.crypto.hashing import keccak256
from coprocessor.enclave import messages as m
from coprocessor.enclave.handover import HANDOVER_DELAY_SECONDS
from coprocessor.keys.shares import KeyShare
from coprocessor.keys.transcript import Phase
from coprocessor.protocol import layout
from coprocessor.sandbox.engine import Engine
from coprocessor.values.identities import Digest
from tests.enclave.committee import PHASE_BLOCKS, Committee
from tests.enclave.cores import ask, policy_proof, refusal
from tests.enclave.stage import Stage, Worker
from tests.support.fake_chain import CLUSTER, FakeChain


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine()


def whole(members: int = 3, threshold: int = 2) -> Committee:
    """A committee that holds its first key."""
    committee = Committee(FakeChain(), members, threshold)
    committee.hold_genesis()
    committee.run()
    committee.record_members()
    return committee


def share_of(committee: Committee, at: int) -> KeyShare | None:
    state = committee.cores[at]._state
    assert state is not None
    return state.custody.share


def test_a_refresh_gives_new_shares_of_the_same_key() -> None:
    committee = whole()
    before = [share_of(committee, at) for at in range(3)]
    committee.propose([0, 1, 2], 2)
    committee.begin_handover([0, 1])
    steps = committee.run_handover()
    assert all(step.has_share and step.committee == 2 for step in steps)
    after = [share_of(committee, at) for at in range(3)]
    for old, new in zip(before, after, strict=True):
        assert old is not None
        assert new is not None
        assert old.secret.value != new.secret.value
        assert old.committee.group == new.committee.group
        assert old.committee.shares != new.committee.shares


def test_a_reshare_serves_before_meanwhile_and_after(engine: Engine) -> None:
    """Three of five take over from two of three; one old member stays. Workers get the same key all along."""
    stage = Stage(members=3, threshold=2)
    committee = stage.committee
    committee.record_members()
    stage.chain.set("Clusters", layout.cluster_field(CLUSTER, "epoch"), 1)

    def secret_of_newcomer(name: bytes, by: list[int]) -> bytes:
        worker = Worker(stage, engine, name)
        worker.admit()
        assert worker.take_keys(by=by) == m.KeysReady(1, ())
        keys = worker.core._cluster._epochs.keys(1)  # type: ignore[union-attr]
        assert keys is not None
        return keys.randomness_secret

    first = secret_of_newcomer(b"before", [0, 1, 2])
    following = [2, *(committee.add_candidate() for _ in range(4))]
    committee.propose(following, 3)
    committee.begin_handover([0, 2])
    for at in sorted({*committee.present, *following}):
        committee.step_handover(at)
    assert secret_of_newcomer(b"meanwhile", [1, 2]) == first
    steps = committee.run_handover()
    assert [step.has_share for step in steps] == [False, False, True, True, True, True, True]
    stage.committee.cores = [committee.cores[at] for at in following]
    assert secret_of_newcomer(b"afterwards", [0, 2, 4]) == first


@pytest.mark.parametrize("victim", [0, 2, 3])
def test_a_crash_after_every_step_leaves_one_committee_that_works(victim: int) -> None:
    """The victim leaves, stays, or comes; it crashes before and after each thing that it says."""
    committee = whole()
    following = [2, *(committee.add_candidate() for _ in range(2))]
    committee.propose(following, 2)
    committee.begin_handover([1, 2])
    people = sorted({*committee.present, *following})
    for _ in range(6):
        for at in people:
            committee.crash(victim)
            said = committee.look_handover(victim)
            committee.crash(victim)
            if victim in committee.present:
                committee.verify(victim)
            assert committee.look_handover(victim).phase == said.phase
            committee.step_handover(at)
    committee.crash(victim)
    steps = committee.run_handover()
    assert {at for at, step in zip(people, steps, strict=True) if step.has_share} == set(following)
    assert len({step.committee for step in steps}) == 1
    committee.crash(victim)
    assert ask(committee.cores[victim], m.GetStatus()).has_keys is (victim in following)


def test_a_crash_between_the_switch_and_its_news() -> None:
    """Whoever sleeps through the switch finds its share in what it sealed before it showed its signature."""
    committee = whole()
    committee.propose([0, 1, 2], 2)
    committee.begin_handover([0, 1])
    while len(committee.proven) < 3 or len(committee.closings) < 3:
        for at in range(3):
            committee.step_handover(at)
    committee.switch()
    committee.crash(1)
    step = committee.look_handover(1)
    assert (step.committee, step.has_share) == (2, True)


def test_a_handover_that_fails_leaves_the_old_committee() -> None:
    committee = whole(5, 3)
    committee.propose([0, 1, 2, 3, 4], 3)
    first = committee.begin_handover([0, 1, 2])
    for _ in range(3 * PHASE_BLOCKS + 3):
        for at in (0, 1):
            committee.step_handover(at)
        committee.chain.mine()
    assert committee.look_handover(0).failure == "dkg.too_few_dealers"
    assert all(share_of(committee, at) is not None for at in range(5))
    second = committee.begin_handover([2, 3, 4])
    assert second != first
    assert all(step.committee == 2 and step.has_share for step in committee.run_handover())


def test_silent_members_do_not_stop_a_handover() -> None:
    """Two of five old ones and one of the new ones say nothing."""
    committee = whole(5, 3)
    committee.propose([0, 1, 2, 3, 4], 3)
    committee.begin_handover([0, 1, 2])
    steps = committee.run_handover(by=[0, 1, 2])
    assert all(step.committee == 2 and step.has_share for step in steps)
    assert not committee.look_handover(4).has_share


def test_nobody_agrees_without_having_verified_every_newcomer() -> None:
    committee = whole()
    newcomer = committee.add_candidate()
    committee.propose([0, 1, newcomer], 2)
    core = committee.sync_handover(0)
    assert refusal(core, m.SignHandover()) == "handover.unverified"
    stranger = committee.add_candidate()
    admission = committee.admission(stranger)
    ask(core, policy_proof(admission, committee.chain))
    ask(core, m.VerifyCandidate(admission))  # good evidence, of somebody else
    assert refusal(committee.sync_handover(0), m.SignHandover()) == "handover.unverified"
    forged = replace(committee.evidence[newcomer], sealing_key=bytes(32))
    assert refusal(core, m.VerifyCandidate(forged)) == "attestation.report_data_mismatch"
    committee.verify(0)
    assert isinstance(ask(committee.sync_handover(0), m.SignHandover()), m.HandoverSigned)


def test_a_present_member_deals_only_to_whom_it_has_verified() -> None:
    committee = whole()
    newcomer = committee.add_candidate()
    committee.propose([0, 1, newcomer], 2)
    committee.begin_handover([0, 1])
    step = committee.look_handover(2)
    assert step.unknown == (2,)
    assert not step.says
    committee.verify(2)
    assert [said.kind for said in committee.look_handover(2).says] == [Phase.ANNOUNCE]


def test_another_list_waits_for_the_delay_and_the_same_one_does_not() -> None:
    committee = whole()
    view = committee.cores[0]._state.view  # type: ignore[union-attr]
    handover = committee.cores[0]._state.custody._handover  # type: ignore[union-attr]
    committee.propose([0, 1, 2], 2)
    committee.sync_handover(0)
    assert handover.agreed_session(view, set(), development=False)
    committee.propose([1, 0, 2], 2)
    committee.sync_handover(0)
    with pytest.raises(Exception, match=r"14 days") as refused:
        handover.agreed_session(view, set(), development=False)
    assert str(committee.chain.timestamp - 12 + HANDOVER_DELAY_SECONDS) in str(refused.value)
    assert handover.agreed_session(view, set(), development=True)


def test_keys_that_are_not_the_present_committees_are_refused() -> None:
    committee = whole()
    committee.propose([0, 1, 2], 2)
    committee.begin_handover([0, 1])
    core = committee.sync_handover(0)
    other = (committee.share_keys[1], *committee.share_keys[1:])
    assert refusal(core, m.Handover(committee.master_key, other, ())) == "handover.foreign_keys"
    assert refusal(core, m.Handover(committee.share_keys[0], committee.share_keys, ())) == "handover.foreign_keys"
    committee.step_handover(1)
    core = committee.sync_handover(0)
    assert refusal(core, m.Handover(committee.master_key, committee.share_keys, ())) == "ceremony.transcript"


def test_no_old_member_agrees_before_the_new_ones_have_proven_themselves() -> None:
    committee = whole()
    following = [committee.add_candidate() for _ in range(3)]
    committee.propose(following, 2)
    committee.begin_handover([0, 1])
    while committee.look_handover(0).phase < Phase.OUTCOME:
        for at in (*committee.present, *following):
            if committee.look_handover(at).phase < Phase.OUTCOME:
                committee.step_handover(at)
    assert not committee.look_handover(0).says
    committee.step_handover(following[0])
    proof = committee.look_handover(following[1]).says[0]
    committee.post(proof.member, proof.kind, proof.data[:-1] + bytes((proof.data[-1] ^ 1,)))
    assert not committee.look_handover(0).says  # one good part and one bad one
    committee.step_handover(following[2])
    assert [said.kind for said in committee.look_handover(0).says] == [5]


def test_a_gatekeeper_that_slept_through_two_committees_has_no_share() -> None:
    committee = whole()
    for number in (2, 3):
        committee.propose([0, 1, 2], 2)
        committee.begin_handover([0, 1])
        assert all(step.committee == number for step in committee.run_handover(by=[0, 1]))
    step = committee.look_handover(2)
    assert (step.committee, step.has_share) == (3, False)
    assert refusal(committee.cores[2], m.SignHandover()) == "gatekeeper.no_share"
    assert keccak256(committee.master_key) == committee.chain.storage["Gatekeeping"][
        layout.gatekeeping_master_key_hash()
    ].to_bytes(32, "big")
    assert Digest(committee.session)
