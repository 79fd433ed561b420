"""A share at rest comes back from t of the others' memories, and from nobody else; crashes and liars spoil nothing."""

from __future__ import annotations

from dataclasses import replace

import pytest

from coprocessor.codec import cbor
from coprocessor.crypto.hpke import SealingKey
from coprocessor.enclave import messages as m
from coprocessor.enclave.at_rest import MAX_PRESENCE_AGE, PROOF_WINDOW
from coprocessor.keys.pads import decode_offer, encode_offer, open_custodian_piece, pass_custodian_piece, read_record
from coprocessor.keys.shares import KeyShare
from coprocessor.keys.transcript import Phase
from coprocessor.protocol import layout
from coprocessor.sandbox.engine import Engine
from coprocessor.values.network import Custodian
from tests.enclave.committee import Committee
from tests.enclave.cores import OPERATOR, admit_request, ask, refusal
from tests.enclave.stage import Stage, Worker
from tests.support.fake_chain import CLUSTER, FakeChain, configuration

NOBODY = Custodian("none")
OFFLINE = [SealingKey(bytes((at,)) * 32) for at in range(1, 4)]
TWO_OF_THREE = Custodian("keys", 2, tuple(key.public_key for key in OFFLINE))


def begun(members: int = 3, threshold: int = 2, custodian: Custodian = NOBODY) -> Committee:
    committee = Committee(FakeChain(configuration(custodian=custodian)), members, threshold)
    committee.hold_genesis()
    return committee


def whole(members: int = 3, threshold: int = 2, custodian: Custodian = NOBODY) -> Committee:
    committee = begun(members, threshold, custodian)
    committee.run()
    committee.record_members()
    return committee


def share_of(committee: Committee, at: int) -> KeyShare | None:
    state = committee.cores[at]._state
    assert state is not None
    return state.custody.share


def has_keys(committee: Committee, at: int) -> bool:
    ask(committee.cores[at], committee.chain.headers_message())
    return bool(ask(committee.cores[at], m.GetStatus()).has_keys)


def custody(committee: Committee, at: int) -> m.Custody:
    standing: m.Custody = ask(committee.cores[at], m.GetCustody())
    return standing


def test_a_restarted_member_recovers_from_t_of_the_others_and_not_from_fewer() -> None:
    committee = whole(5, 3)
    before = share_of(committee, 4)
    committee.crash(4)
    assert custody(committee, 4).is_locked
    assert not has_keys(committee, 4)
    two = committee.pieces(4, [0, 2])
    assert refusal(committee.cores[4], m.TakePieces(two, ())) == "custody.too_few"
    assert refusal(committee.cores[4], m.TakePieces((*two, two[0]), ())) == "custody.too_few"  # one twice
    assert refusal(committee.cores[4], m.Release(b"")) == "gatekeeper.no_share"
    assert committee.recover(4, [0, 2, 3]).wrong == ()
    after = share_of(committee, 4)
    assert before is not None
    assert after is not None
    assert after.secret.value == before.secret.value
    assert refusal(committee.cores[4], m.TakePieces(two, ())) == "custody.open"


def test_a_restarted_member_serves_workers_again() -> None:
    stage = Stage(FakeChain(configuration(custodian=NOBODY)), members=3, threshold=2)
    committee = stage.committee
    committee.crash(0)
    committee.recover(0, [1, 2])
    worker = Worker(stage, Engine(), b"worker")
    worker.admit()
    stage.chain.set("Clusters", layout.cluster_field(CLUSTER, "epoch"), 1)
    stage.chain.mine()
    assert worker.take_keys(by=(0, 2)) == m.KeysReady(1, ())


def test_a_wrong_piece_is_named_and_garbage_is_passed_over() -> None:
    committee = whole(5, 3)
    liar = committee.cores[1]._state.custody.rest._held  # type: ignore[union-attr]
    giver = committee.signer(4)
    (held,) = liar._held[giver]  # type: ignore[index]
    wrong = bytes((held.piece[0] ^ 1,)) + held.piece[1:]
    liar._held[giver] = [replace(held, piece=wrong)]  # type: ignore[index]
    committee.crash(4)
    bad = (*committee.pieces(4, [1]), b"garbage")
    assert refusal(committee.cores[4], m.TakePieces((*bad, *committee.pieces(4, [0, 2])), ())) == "custody.too_few"
    back = ask(committee.cores[4], m.TakePieces((*bad, *committee.pieces(4, [0, 2, 3])), ()))
    assert back.wrong == (2,)


def test_nobody_else_gets_a_piece() -> None:
    committee = whole()
    committee.crash(2)
    pad, mine = committee.pad(2), committee.presence(2)
    core = committee.prove_members(0)
    assert refusal(core, m.GivePiece(committee.presence(1), pad)) == "custody.no_piece"  # another member
    stranger = committee.add_candidate()
    assert refusal(committee.prove_members(0), m.GivePiece(committee.presence(stranger), pad)) == "custody.no_member"
    forged = replace(committee.presence(stranger), signer=mine.signer, signing_key=mine.signing_key)
    assert refusal(committee.prove_members(0), m.GivePiece(forged, pad)) == "attestation.report_data_mismatch"
    ordinary = committee.admission(2)  # evidence over the sealing key, which lies on the disk
    assert refusal(committee.prove_members(0), m.GivePiece(ordinary, pad)) == "attestation.report_data_mismatch"
    moved = replace(mine, sealing_key=SealingKey(bytes(32)).public_key)
    assert refusal(committee.prove_members(0), m.GivePiece(moved, pad)) == "attestation.report_data_mismatch"
    assert refusal(committee.prove_members(0), m.GivePiece(mine, bytes(32))) == "custody.no_piece"
    assert committee.recover(2, [0, 1]).wrong == ()


def test_memory_evidence_admits_nobody() -> None:
    committee = whole()
    committee.prove_members(0)
    assert refusal(committee.cores[0], committee.presence(1)) == "attestation.report_data_mismatch"


def test_a_member_that_has_left_gets_nothing() -> None:
    """Its blob of the former period stays closed, whatever it shows."""
    committee = whole()
    old = committee.sealed[0]
    following = [1, 2, committee.add_candidate()]
    committee.propose(following, 2)
    committee.begin_handover([0, 1])
    committee.run_handover()
    committee.sealed[0] = old
    committee.crash(0)
    request = m.GivePiece(committee.presence(0), committee.pad(0))
    for holder in following:
        assert refusal(committee.prove_members(holder), request) == "custody.no_member"


def test_a_revoked_member_gets_nothing() -> None:
    committee = whole()
    committee.crash(2)
    committee.chain.set("Gatekeeping", layout.gatekeeping_revoked(committee.signer(2)), 1)
    committee.chain.mine()
    request = m.GivePiece(committee.presence(2), committee.pad(2))
    assert refusal(committee.prove_members(0), request) == "custody.no_member"


def test_a_revoked_member_gets_nothing_for_evidence_of_before() -> None:
    """Its host keeps its chain at a block before the revocation, and asks every host that is honest, or lags."""
    committee = whole()
    committee.crash(2)
    request = m.GivePiece(committee.presence(2), committee.pad(2))
    committee.prove_members(1)  # this one's host brings no proofs from now on
    committee.chain.set("Gatekeeping", layout.gatekeeping_revoked(committee.signer(2)), 1)
    committee.chain.mine()
    assert refusal(committee.prove_members(0), request) == "custody.no_member"
    for _ in range(PROOF_WINDOW + 1):
        committee.chain.mine()
    committee.show_headers(committee.cores[1])
    assert refusal(committee.cores[1], request) == "custody.stale_proof"


def test_no_new_piece_goes_to_a_revoked_member() -> None:
    committee = whole()
    committee.crash(1)
    presences = tuple(committee.presence(at) for at in (0, 1))
    committee.chain.set("Gatekeeping", layout.gatekeeping_revoked(committee.signer(1)), 1)
    committee.chain.mine()
    committee.prove_members(2)
    committee.crash(0)  # both have lost the pieces that they held
    presences = committee.presence(0), presences[1]
    offers = ask(committee.prove_members(2), m.MakeOffers(presences)).offers
    assert [offered.holder for offered in offers] == [committee.signer(0)]


def test_a_share_that_nobody_can_open_is_left_behind_by_the_others() -> None:
    """One member's pad has too few pieces left, there is no custodian, and the others go on: with its machine as a
    newcomer in its place, which begins anew. The key is the same."""
    committee = whole(4, 2)
    committee.crash(2)
    committee.recover(2, [0, 1])
    committee.share_pads([0, 1, 2], [0, 1, 2])  # the last one has not noticed yet that this one lost its piece
    committee.crash(3)
    committee.crash(0)
    committee.recover(0, [1, 2])
    assert refusal(committee.cores[3], m.TakePieces(committee.pieces(3, [1]), ())) == "custody.too_few"
    request = m.GivePiece(committee.presence(3), committee.pad(3))
    assert [refusal(committee.prove_members(at), request) for at in (0, 2)] == ["custody.no_piece"] * 2
    committee.share_pads([0, 1, 2], [0, 1, 2])
    said = committee.cores[3].handle(m.Handover(b"", (), ()))[0]
    assert (said.code, "phat gatekeeper replace" in said.next) == ("custody.locked", True)

    anew = committee.add_candidate((OPERATOR, committee.machines[3]))
    assert committee.signer(anew) != committee.signer(3)
    group = committee.master_key
    committee.propose([0, 1, 2, anew], 2)
    committee.begin_handover([0, 1])
    steps = committee.run_handover(by=[0, 1, 2, anew])
    assert all(step.has_share for step in steps)
    shares = [share_of(committee, at) for at in (0, anew)]
    assert {share.committee.group for share in shares if share is not None} == {group}


def test_old_requests_and_replayed_answers_give_nothing() -> None:
    committee = whole()
    committee.crash(2)
    old, answers = committee.presence(2), committee.pieces(2, [0, 1])
    committee.crash(2)
    late = m.TakePieces(answers, ())  # sealed to a memory that is gone
    assert refusal(committee.cores[2], late) == "custody.too_few"
    request = m.GivePiece(old, committee.pad(2))
    for _ in range(MAX_PRESENCE_AGE + 1):
        committee.chain.mine()
    assert refusal(committee.prove_members(0), request) in ("custody.old_request", "admission.unknown_block")
    committee.recover(2, [0, 1])


def test_members_must_be_proven_as_of_the_evidence() -> None:
    committee = whole()
    committee.crash(2)
    committee.prove_members(0)
    committee.chain.mine()
    ask(committee.cores[0], committee.chain.headers_message())
    request = m.GivePiece(committee.presence(2), committee.pad(2))
    assert refusal(committee.cores[0], request) == "custody.stale_proof"
    ask(committee.prove_members(0), request)


def test_an_older_offer_displaces_nothing_and_a_foreign_one_is_refused() -> None:
    committee = whole()
    first = [offer for giver, holder, offer in committee.traffic if (giver, holder) == (2, 0)]
    core = committee.prove_members(0)
    assert refusal(core, m.KeepPiece(first[0])) == "pad.old"
    offer = decode_offer(first[-1])
    assert refusal(core, m.KeepPiece(encode_offer(replace(offer, base=b"\x01" * 32)))) == "pad.not_the_giver"  # type: ignore[arg-type]
    assert refusal(committee.prove_members(1), m.KeepPiece(first[-1])) in ("pad.stranger", "pad.old")
    stranger = replace(offer.record, giver=committee.booted[1].signer, holders=(committee.signer(0),), threshold=1)  # type: ignore[arg-type]
    assert refusal(core, m.KeepPiece(encode_offer(replace(offer, record=stranger, index=1)))) == "pad.old"
    far = replace(offer.record, giver=committee.booted[1].signer, holders=(committee.signer(0),), threshold=1, period=9)  # type: ignore[arg-type]
    assert refusal(core, m.KeepPiece(encode_offer(replace(offer, record=far, index=1)))) == "custody.period"
    candidate = committee.add_candidate()
    unknown = replace(offer.record, giver=committee.booted[candidate].signer)  # type: ignore[arg-type]
    assert refusal(core, m.KeepPiece(encode_offer(replace(offer, record=unknown)))) == "custody.stranger"
    ask(core, m.KeepPiece(first[-1]))  # the newest again: kept as before
    committee.crash(2)
    committee.recover(2, [0, 1])


def test_nothing_is_said_before_enough_of_the_others_keep_the_pad() -> None:
    committee = Committee(FakeChain(configuration(custodian=NOBODY)), 3, 2)
    committee.share_pads = lambda *_: None  # type: ignore[method-assign]
    committee.hold_genesis()
    del committee.share_pads
    assert committee.look(0).message == b""
    receipts = committee.offer(0, [1])
    committee.count(0, receipts)
    assert committee.look(0).message == b""
    assert not custody(committee, 0).is_durable
    wrong = receipts[0][:-1] + bytes((receipts[0][-1] ^ 3,))
    assert refusal(committee.cores[0], m.CountReceipts((wrong,))).startswith(("pad.", "signature."))
    committee.count(0, committee.offer(0, [1, 2]))
    assert custody(committee, 0).receipts == 2
    assert committee.look(0).message


@pytest.mark.parametrize("moment", ["offered", "counted", "kept", "confirmed"])
def test_a_crash_at_every_step_of_a_new_pad(moment: str) -> None:
    """The giver crashes after its pieces are out, after they are counted, after the blob is kept, after the word."""
    committee = whole()
    committee.propose([0, 1, 2], 2)
    committee.begin_handover([0, 1])
    while len(committee.closings) < 3 or len(committee.proven) < 3:
        for at in range(3):
            committee.step_handover(at)
    committee.switch()
    assert all(committee.look_handover(at).has_share for at in range(3))
    receipts = committee.offer(1, [0, 2])
    if moment != "offered":
        sealed = committee.count(1, receipts)
        assert sealed
        if moment != "counted":
            committee.keep(1, sealed)
            if moment == "confirmed":
                committee.confirm(1, [0, 2])
    committee.crash(1)
    assert committee.recover(1, [0, 2]).wrong == ()
    if moment in ("offered", "counted"):  # the blob of before the switch: its share follows from the transcript
        assert committee.look_handover(1).has_share
    committee.share_pads()
    committee.crash(1)
    committee.recover(1, [0, 2])
    assert has_keys(committee, 1)


@pytest.mark.parametrize("phase", [Phase.ANNOUNCE, Phase.REVEAL, Phase.COMPLAIN])
def test_a_restart_inside_the_first_ceremony(phase: Phase) -> None:
    committee = begun()
    for _ in range(phase):
        for at in range(3):
            committee.step(at)
    committee.crash(2)
    assert refusal(committee.cores[2], committee.message()) == "custody.locked"
    committee.recover(2, [0, 1])
    committee.share_pads()
    steps = committee.run()
    assert all(step.done and step.has_share for step in steps)


@pytest.mark.parametrize("victim", [0, 2, 3])
def test_a_restart_at_every_step_of_a_handover(victim: int) -> None:
    """The victim leaves, stays, or comes."""
    committee = whole()
    following = [2, *(committee.add_candidate() for _ in range(2))]
    committee.propose(following, 2)
    committee.begin_handover([1, 2])
    people = sorted({*committee.present, *following})
    for _ in range(6):
        for at in people:
            committee.step_handover(at)
        committee.crash(victim)
        if custody(committee, victim).is_locked:
            committee.recover(victim, [at for at in (0, 1, 2) if at != victim])
        committee.share_pads()
    steps = committee.run_handover()
    assert {at for at, step in zip(people, steps, strict=True) if step.has_share} == set(following)
    committee.crash(victim)
    if victim in following:
        committee.recover(victim, [at for at in following if at != victim])
    assert has_keys(committee, victim) is (victim in following)


def test_members_restart_one_after_the_other_for_ever() -> None:
    """Whoever was restarted gets the others' pieces again, and can give them back."""
    committee = whole()
    for at in (0, 1, 2, 0, 1, 2):
        committee.crash(at)
        committee.recover(at, [one for one in range(3) if one != at])
        committee.share_pads()
    assert all(has_keys(committee, at) for at in range(3))


def test_whoever_restarts_is_known_to_have_lost_its_pieces() -> None:
    """The others see it as soon as it asks for its own, and give it theirs again."""
    committee = whole()
    assert custody(committee, 0).receipts == 2
    committee.crash(2)
    committee.recover(2, [0, 1])
    assert custody(committee, 0).receipts == 1
    assert not custody(committee, 0).is_durable
    committee.share_pads([0], [2])
    assert custody(committee, 0).is_durable
    committee.crash(0)
    committee.recover(0, [1, 2])


def restart_all(committee: Committee) -> None:
    for at in range(len(committee.cores)):
        committee.crash(at)


def test_all_at_once_without_a_custodian_is_the_end() -> None:
    committee = whole()
    restart_all(committee)
    for at in range(3):
        for holder in {0, 1, 2} - {at}:
            request = m.GivePiece(committee.presence(at), committee.pad(at))
            assert refusal(committee.prove_members(holder), request) == "custody.no_piece"
        assert refusal(committee.cores[at], m.TakePieces((), ())) == "custody.too_few"
        assert not has_keys(committee, at)


def answers_of(committee: Committee, at: int, custodians: list[int]) -> tuple[bytes, ...]:
    """What some custodians answer to a restarted member."""
    standing, memory_key = custody(committee, at), committee.presence(at).sealing_key
    record = read_record(cbor.loads(standing.record, 4096))
    answers = []
    for number in custodians:
        piece = open_custodian_piece(record, number + 1, standing.pieces[number], OFFLINE[number])
        answers.append(cbor.dumps([number + 1, pass_custodian_piece(record, number + 1, piece, memory_key)]))
    return tuple(answers)


@pytest.mark.parametrize(("members", "threshold"), [(3, 2), (1, 1)])
def test_all_at_once_with_offline_custodians(members: int, threshold: int) -> None:
    committee = whole(members, threshold, TWO_OF_THREE)
    before = [share_of(committee, at) for at in range(members)]
    restart_all(committee)
    for at in range(members):
        one, *_ = answers = answers_of(committee, at, [2, 0])
        assert refusal(committee.cores[at], m.TakePieces((), (one, one, b"x"))) == "custody.too_few"
        others = answers_of(committee, at, [1])
        committee.crash(at)  # what was given to a process that has ended opens nowhere
        assert refusal(committee.cores[at], m.TakePieces((), answers)) == "custody.too_few"
        assert refusal(committee.cores[at], m.TakePieces((), others)) == "custody.too_few"
        committee.keep(at, ask(committee.cores[at], m.TakePieces((), answers_of(committee, at, [1, 2]))).sealed)
    committee.share_pads()
    shares = [share_of(committee, at) for at in range(members)]
    assert [one and one.secret.value for one in shares] == [one and one.secret.value for one in before]
    committee.crash(0)
    if members > 1:
        committee.recover(0, [1, 2])
    else:
        ask(committee.cores[0], m.TakePieces((), answers_of(committee, 0, [0, 1])))
    assert has_keys(committee, 0)


def test_a_committee_whose_members_cannot_hold_each_others_pads_is_refused() -> None:
    committee = Committee(FakeChain(configuration(custodian=NOBODY)), 1, 1)
    assert refusal(committee.cores[0], committee.genesis_message()) == "custody.no_peers"
    committee = whole()
    committee.propose([1], 1)
    assert refusal(committee.sync_handover(0), m.SignHandover()) == "custody.no_peers"


def test_evidence_of_the_memory_needs_a_booted_core() -> None:
    committee = whole()
    presence = committee.presence(1)
    state = committee.cores[1]._state
    assert state is not None
    assert presence.sealing_key == state.custody.rest.memory.public_key
    assert presence.sealing_key != admit_request(
        committee.cores[1], committee.machines[1], committee.booted[1], committee.chain, role=2
    ).sealing_key
