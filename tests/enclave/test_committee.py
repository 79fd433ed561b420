"""Several gatekeepers: the key ceremony over the chain with crashes and silence, tickets, release from any t of n."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from coprocessor.crypto.hashing import keccak256
from coprocessor.enclave import messages as m
from coprocessor.keys.transcript import Entry, Phase
from coprocessor.protocol import layout
from coprocessor.protocol.statements import NO_SHARE
from coprocessor.sandbox.engine import Engine
from coprocessor.values.identities import Digest
from tests.enclave.committee import PHASE_BLOCKS, Committee
from tests.enclave.cores import ask, refusal
from tests.enclave.stage import Stage, Worker
from tests.support.fake_chain import CLUSTER, FakeChain, key


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine()


def begun(members: int = 3, threshold: int = 2) -> Committee:
    committee = Committee(FakeChain(), members, threshold)
    committee.hold_genesis()
    return committee


def admitted(stage: Stage, engine: Engine, name: bytes = b"worker") -> Worker:
    worker = Worker(stage, engine, name)
    worker.admit()
    stage.chain.set("Clusters", layout.cluster_field(CLUSTER, "epoch"), 1)
    stage.chain.mine()
    return worker


def test_any_threshold_of_members_give_the_same_key(engine: Engine) -> None:
    stage = Stage(members=5, threshold=3)
    assert len(set(stage.committee.share_keys)) == 5
    keys = set()
    for at, by in enumerate([(0, 1, 2), (4, 2, 0), (1, 3, 4)]):
        worker = admitted(stage, engine, b"worker%d" % at)
        assert worker.take_keys(by=by) == m.KeysReady(1, ())
        keys.add(worker.core._cluster._epochs.keys(1).randomness_secret)  # type: ignore[union-attr]
    assert len(keys) == 1


def test_fewer_give_neither_ticket_nor_key(engine: Engine) -> None:
    stage = Stage(members=3, threshold=2)
    worker = admitted(stage, engine)
    request = worker.request()
    released = stage.committee.ask_all(m.Release(request))
    too_few = worker.partials((released[2].partial,))
    assert refusal(worker.core, too_few) == "keys.not_enough_partials"
    assert worker.hand_over((released[2].partial, released[0].partial)) == m.KeysReady(1, ())
    nonce = ask(worker.core, m.RequestTicket()).nonce
    ticket = ask(stage.gatekeeper, m.GiveTicket(nonce, 0)).ticket
    assert refusal(worker.core, m.Tickets(1, (ticket,))) == "ticket.threshold"
    assert refusal(worker.core, m.Tickets(1, (ticket, ticket))) == "ticket.threshold"


def test_what_does_not_open_is_skipped_and_a_wrong_part_is_named(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Gatekeeper 1 answers with garbage, gatekeeper 2 signs with another share than its own."""
    stage = Stage(members=5, threshold=3)
    worker = admitted(stage, engine)
    request = worker.request()
    liar = stage.committee.cores[1]._state.custody._releases  # type: ignore[union-attr]
    share = liar._share  # type: ignore[union-attr]
    object.__setattr__(share, "secret", stage.committee.cores[0]._state.custody.share.secret)  # type: ignore[union-attr]
    released = [one.partial for one in stage.committee.ask_all(m.Release(request))]
    bad = (b"garbage", released[1])
    assert refusal(worker.core, worker.partials((*bad, released[3], released[2][:-1]))) == "keys.not_enough_partials"
    assert worker.hand_over((*bad, *released[2:])) == m.KeysReady(1, (2,))


def test_tickets_for_another_block_do_not_spoil_the_common_one(engine: Engine) -> None:
    stage = Stage(members=3, threshold=2)
    worker = admitted(stage, engine)
    worker.request()
    nonce = ask(worker.core, m.RequestTicket()).nonce
    number = stage.chain.number
    others = stage.committee.ask_all(m.GiveTicket(nonce, number), by=(1, 2))
    late = ask(stage.gatekeeper, m.GiveTicket(nonce, number - 1))
    tickets = tuple(one.ticket for one in (late, *others))
    assert isinstance(ask(worker.core, m.Tickets(1, tickets)), m.ReleaseRequested)


@pytest.mark.parametrize("victim", range(2))
def test_a_crash_after_every_step_changes_nothing(victim: int) -> None:
    """A gatekeeper's enclave ends before and after each thing that it says; the committee is whole in the end."""
    calm = begun()
    calm.run()
    committee = Committee(FakeChain(), 3, 2)
    committee.hold_genesis(crash=True)
    while len(committee.signatures) < 3:
        for at in range(3):
            committee.crash(victim)
            said = committee.look(victim)
            committee.crash(victim)
            assert committee.look(victim).message == said.message
            committee.step(at)
    for _ in range(2):
        committee.crash(victim)
    committee.complete()
    steps = [committee.look(at) for at in range(3)]
    assert all(step.done and step.has_share for step in steps)
    committee.crash(victim)
    assert ask(committee.cores[victim], m.GetStatus()).has_keys


def test_a_share_outlives_a_chain_that_has_forgotten_its_events() -> None:
    """The share was sealed before its signature was shown: no message is needed to go on from the recorded outcome."""
    committee = begun()
    while len(committee.signatures) < 3:
        for at in range(3):
            committee.step(at)
    committee.complete()
    committee.crash(1)
    core = committee.cores[1]
    ask(core, committee.proof())
    assert ask(core, m.Ceremony(())).has_share


@pytest.mark.parametrize("silent_from", [Phase.ANNOUNCE, Phase.REVEAL, Phase.COMPLAIN, Phase.OUTCOME])
def test_a_silent_member_is_left_out_and_not_waited_for(silent_from: Phase, engine: Engine) -> None:
    committee = begun(5, 3)
    while committee.look(0).phase < silent_from:
        for at in range(5):
            committee.step(at)
    steps = committee.run(by=range(4))
    assert all(step.done and step.has_share for step in steps)
    late = committee.look(4)
    assert late.done
    assert late.has_share is (silent_from > Phase.ANNOUNCE)
    assert (committee.share_keys[4] == NO_SHARE) is (silent_from == Phase.ANNOUNCE)
    with pytest.raises(AssertionError, match=r"gatekeeper\.no_share" if not late.has_share else "cbor"):
        ask(committee.cores[4], m.Release(b""))


def test_too_many_silent_members_fail_one_attempt_and_the_next_goes_on() -> None:
    committee = begun(5, 3)
    for _ in range(3 * PHASE_BLOCKS + 3):
        for at in range(2):
            committee.step(at)
        committee.chain.mine()
    assert committee.look(0).failure == "dkg.too_few_dealers"
    assert not committee.signatures
    committee.open(keccak256(committee.session))
    steps = committee.run()
    assert all(step.done and step.has_share for step in steps)


def test_a_host_cannot_speak_for_its_enclave() -> None:
    """A host that announces a ceremony key of its own only silences its enclave."""
    committee = begun(3, 2)
    honest = committee.look(2)
    forged = key(9).sign(keccak256(honest.message[65:])) + honest.message[65:]
    committee.post(2, Phase.ANNOUNCE, forged)
    steps = committee.run(by=range(2))
    assert all(step.has_share for step in steps)
    assert committee.share_keys[2] == NO_SHARE


def mutations(entries: Sequence[Entry]) -> dict[str, list[Entry]]:
    first, second, *rest = entries
    return {
        "dropped": [second, *rest],
        "reordered": [second, first, *rest],
        "doubled": [first, first, second, *rest],
        "moved in time": [replace(first, block_number=first.block_number + 1), second, *rest],
        "under another name": [replace(first, member=1), second, *rest],
        "altered": [replace(first, data=first.data + b"\0"), second, *rest],
    }


@pytest.mark.parametrize("how", list(mutations([Entry(0, 1, 1, b"")] * 2)))
def test_messages_that_do_not_replay_are_refused(how: str) -> None:
    committee = begun()
    for at in range(3):
        committee.step(at)
    core = committee.cores[0]
    ask(core, committee.chain.headers_message())
    ask(core, committee.proof())
    assert refusal(core, committee.message(mutations(committee.entries)[how])) == "ceremony.transcript"
    assert ask(core, committee.message()).phase == Phase.REVEAL


def test_proofs_of_different_blocks_and_foreign_sessions_are_refused() -> None:
    committee = begun()
    committee.step(0)
    core = committee.cores[1]
    ask(core, committee.chain.headers_message())
    ask(core, committee.proof())
    committee.chain.mine()
    ask(core, committee.chain.headers_message())
    slot = layout.gatekeeping_transcript_count(committee.session)
    ask(core, committee.chain.proof(("Gatekeeping", slot)))
    assert refusal(core, committee.message()) == "ceremony.blocks_differ"
    committee.open(Digest(b"\x07" * 32))
    ask(core, committee.chain.headers_message())
    ask(core, committee.proof())
    assert refusal(core, m.Ceremony(())) == "ceremony.session"
    committee.chain.set("Gatekeeping", layout.gatekeeping_genesis(), b"\x08" * 32)
    committee.chain.mine()
    ask(core, committee.chain.headers_message())
    ask(core, committee.proof())
    assert refusal(core, m.Ceremony(())) == "genesis.network"


def test_a_genesis_names_this_gatekeeper_once_and_has_a_sound_threshold() -> None:
    committee = Committee(FakeChain(), 3, 2)
    message = committee.genesis_message()
    core = committee.cores[0]
    one, two, three = message.members
    assert refusal(core, replace(message, members=(two, three, two))) == "genesis.stranger"
    assert refusal(core, replace(message, members=(one, two, two))) == "genesis.twice"
    assert refusal(core, replace(message, threshold=3)) == "keys.threshold"
    assert refusal(core, replace(message, members=(one, two, replace(three, operator=key(66).address)))) == (
        "attestation.report_data_mismatch"
    )
    assert refusal(core, replace(message, members=(one, two, replace(three, role=1)))) == "admission.role"
    assert refusal(core, m.Ceremony(())) == "genesis.not_begun"
    first, second = ask(core, message), ask(core, message)
    assert first.network == second.network  # until the chain names a network, another genesis can be signed


def test_a_false_outcome_on_the_chain_is_told() -> None:
    committee = begun()
    while len(committee.signatures) < 3:
        for at in range(3):
            committee.step(at)
    committee.chain.set("Gatekeeping", layout.gatekeeping_master_key_hash(), b"\x09" * 32)
    committee.chain.mine()
    core = committee.cores[0]
    ask(core, committee.chain.headers_message())
    ask(core, committee.proof())
    assert refusal(core, committee.message()) == "ceremony.foreign_key"
