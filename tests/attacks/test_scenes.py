"""Hosts that starve, eclipse and deceive enclaves: each scene with its defence, and with that one defence switched off.

A defence is switched off by replacing the one check in the test; nothing of the product can do it.
"""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path

import pytest

from coprocessor.attestation.report_data import ReportClaims
from coprocessor.client.target import load_target
from coprocessor.enclave import gatekeeper
from coprocessor.enclave import messages as m
from coprocessor.enclave.query_service import QueryService
from coprocessor.headers.sealed import SealedSource
from coprocessor.protocol import layout
from coprocessor.protocol.genesis import compute_network_id, network_to_json
from coprocessor.protocol.output_body import decode_output_body
from coprocessor.protocol.queries import QueryReply, open_reply
from coprocessor.sandbox.engine import Engine
from coprocessor.values.errors import EvidenceRefused
from coprocessor.values.identities import Digest, to_hex
from coprocessor.values.network import Network
from tests.enclave.stage import OPERATOR, Stage, Worker, admit_request, ask, policy_proof, refusal
from tests.enclave.test_worker import ALICE, Counter, u64
from tests.support.fake_chain import CLUSTER, FakeChain, configuration, key

ATTACKER = key(99)


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine()


def read(counter: Counter, chain: FakeChain) -> int:
    """What the worker answers to whoever names the newest block of ``chain``; AssertionError where it refuses."""
    query = replace(counter.query(), block_number=chain.number, block_hash=chain.block_hash())
    answer = counter.ask_query(query)
    assert answer.failure is None, answer.failure
    reply = QueryReply.decode(answer.reply)
    assert (reply.block_number, reply.block_hash) == (chain.number, chain.block_hash())
    opened = open_reply(reply.sealed_result, query.reply_secret, counter.network, reply.query_digest)
    return int.from_bytes(decode_output_body(opened).result, "little")


def fork(chain: FakeChain) -> FakeChain:
    """The attacker's own continuation of a chain."""
    own = copy.copy(chain)
    own.sealer = ATTACKER
    own.headers, own.roots, own.heads = list(chain.headers), list(chain.roots), dict(chain.heads)
    own.storage = {name: dict(slots) for name, slots in chain.storage.items()}
    own.inboxes = {cluster: list(links) for cluster, links in chain.inboxes.items()}
    return own


# ---- starved clone
# A host keeps a member from the newest blocks, and sends readers to it (PROTOCOL 2.3).


def starved(engine: Engine) -> Counter:
    """The counter stands at 5; on the chain it has become 6, which this member is not shown."""
    counter = Counter(engine)
    counter.refresh()
    counter.submit(counter.seal(ALICE, counter.command()))
    return counter


def test_a_starved_clone_answers_nobody_who_knows_the_newest_block(engine: Engine) -> None:
    counter = starved(engine)
    with pytest.raises(AssertionError, match=r"query\.unknown_block"):
        read(counter, counter.chain)
    counter.stage.sync(counter.worker.core)  # headers alone do not help it
    with pytest.raises(AssertionError, match=r"query\.behind"):
        read(counter, counter.chain)


def test_without_the_challenge_a_starved_clone_signs_the_past_for_the_present(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(QueryService, "_check_freshness", lambda service, query: query.block_number)
    counter = starved(engine)
    assert read(counter, counter.chain) == 5
    counter.refresh()
    assert read(counter, counter.chain) == 6


# ---- eclipse
# A host shows a newcomer's enclave the true chain as it was, and nothing of later (PROTOCOL 2.4).


def eclipsed(engine: Engine) -> tuple[Stage, Worker, int]:
    """A member that has seen the chain up to a block, and the number of that block."""
    stage = Stage(members=3, threshold=2)
    stage.chain.append_epoch(bytes(32))
    worker = Worker(stage, engine)
    worker.admit()
    stage.sync(worker.core)
    seen = stage.chain.number
    for proof in (stage.committee_proof(), worker.record_proof()):
        ask(worker.core, proof)
    for _ in range(gatekeeper.TICKET_WINDOW + 1):
        stage.chain.mine()
    for core in stage.committee.cores:
        stage.sync(core)
        for proof in (stage.committee_proof(), worker.record_proof()):
            ask(core, proof)
    return stage, worker, seen


def test_nobody_vouches_for_an_eclipsed_enclaves_old_block(engine: Engine) -> None:
    stage, worker, seen = eclipsed(engine)
    nonce = ask(worker.core, m.RequestTicket()).nonce
    for core in stage.committee.cores:
        assert refusal(core, m.GiveTicket(nonce, seen)) == "ticket.behind"
    newest = stage.committee.ask_all(m.GiveTicket(nonce, stage.chain.number))
    tickets = tuple(one.ticket for one in newest)
    assert refusal(worker.core, m.Tickets(1, tickets)) == "ticket.unknown_block"


def test_where_old_blocks_are_vouched_for_an_eclipsed_enclave_gets_keys(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage, worker, seen = eclipsed(engine)
    monkeypatch.setattr(gatekeeper, "TICKET_WINDOW", 1 << 32)
    nonce = ask(worker.core, m.RequestTicket()).nonce
    given = stage.committee.ask_all(m.GiveTicket(nonce, seen))
    request = ask(worker.core, m.Tickets(1, tuple(one.ticket for one in given))).request
    released = stage.committee.ask_all(m.Release(request))
    assert worker.hand_over(tuple(one.partial for one in released)) == m.KeysReady(1, ())


# ---- forged chain
# A member's host makes a chain of its own out of the true one, with a victim's sealed command in a place that the
# attacker chose, and asks the enclave what came of it (PROTOCOL 2.1, 2.2).


SECRET = 41


def forged(engine: Engine) -> tuple[Counter, FakeChain]:
    """A cluster, and the attacker's fork of its chain."""
    counter = Counter(engine)
    counter.refresh()
    victims = counter.seal(ALICE, counter.command(arguments=u64(SECRET)))
    honest = counter.chain
    counter.chain = counter.stage.chain = fork(honest)
    counter.submit(victims)
    return counter, honest


def test_no_enclave_takes_a_chain_that_others_than_the_sealers_sealed(engine: Engine) -> None:
    counter, honest = forged(engine)
    fork = counter.chain.headers_message(honest.number + 1)
    assert refusal(counter.worker.core, fork) == "headers.foreign_seal"
    assert refusal(counter.worker.core, counter.chain.inbox_proof()) == "proof.unknown_block"
    assert counter.worker.status().executed == len(honest.links)


def test_without_seals_a_forged_chain_reads_the_victims_input(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SealedSource, "verify", lambda source, header, seals: None)
    counter, honest = forged(engine)
    counter.refresh()
    assert read(counter, counter.chain) - 5 == SECRET
    assert len(counter.chain.links) == len(honest.links) + 1  # of which the chain knows nothing


# ---- forged network
# A server gives a client the description of a network of its own, with the true contracts (PROTOCOL 1.1).


def served(folder: Path) -> tuple[Path, Network]:
    """The forged description, and the network that the client wants."""
    network = Network(configuration(), (Digest(bytes(32)),))
    forged = replace(network, configuration=configuration(sealers=(ATTACKER.address,)))
    file = folder / "network.json"
    file.write_text(network_to_json(forged))
    return file, network


def test_a_client_that_pins_its_network_refuses_a_forged_one(tmp_path: Path) -> None:
    file, network = served(tmp_path)
    with pytest.raises(EvidenceRefused) as caught:
        load_target(file, to_hex(compute_network_id(network)))
    assert caught.value.code == "network.pinned"


def test_a_client_without_a_pin_believes_the_attackers_sealers(tmp_path: Path) -> None:
    file, network = served(tmp_path)
    taken = load_target(file).network.configuration
    assert taken.sealers == (ATTACKER.address,)
    assert taken.contracts == network.configuration.contracts


# ---- host chosen configuration
# A genuine enclave of the right measurement, booted with a configuration in which the attacker seals the headers
# (PROTOCOL 1.2).


def deceived(engine: Engine) -> tuple[Stage, Worker, m.Admit]:
    """A network; the deceived enclave, with the true headers under the attacker's seals; its request."""
    stage = Stage(members=3, threshold=2)
    chain = stage.chain
    evil = Network(configuration(sealers=(ATTACKER.address,)), chain.gatekeepers)
    worker = Worker(stage, engine, b"deceived")
    worker.core._cluster = None
    worker.booted = ask(worker.core, m.BootWorker(network_to_json(evil), OPERATOR, CLUSTER))
    message = chain.headers_message()
    ask(worker.core, replace(message, seals=(chain.seal(message.headers[-1], ATTACKER),)))
    return stage, worker, admit_request(worker.core, worker.machine, worker.booted, chain)


def test_the_evidence_of_a_host_chosen_configuration_is_refused(engine: Engine) -> None:
    stage, worker, request = deceived(engine)
    honest = Worker(stage, engine, b"honest")
    for core in stage.committee.cores:
        stage.sync(core)
        ask(core, policy_proof(request, stage.chain))
        assert refusal(core, request) == "attestation.report_data_mismatch"
    own = admit_request(honest.core, honest.machine, honest.booted, stage.chain)
    assert (own.checkpoint_hash, own.block_hash) == (request.checkpoint_hash, request.block_hash)
    assert {one.signer for one in stage.committee.ask_all(own)} == {honest.booted.signer}  # alike in all else
    assert worker.booted.signer != honest.booted.signer


def test_where_report_data_binds_no_configuration_a_host_chosen_one_is_admitted(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    compute = ReportClaims.compute
    monkeypatch.setattr(
        ReportClaims, "compute", lambda claims: compute(replace(claims, configuration=Digest(bytes(32))))
    )
    stage, worker, request = deceived(engine)
    signed = stage.committee.ask_all(request)
    assert {one.signer for one in signed} == {worker.booted.signer}
    forged = fork(stage.chain)  # and its enclave believes whatever the attacker makes up
    slot = ("Settlement", layout.settled(CLUSTER, "root"))
    forged.set(*slot, 666)
    forged.mine()
    ask(worker.core, forged.headers_message(stage.chain.number + 1))
    ask(worker.core, forged.proof(slot))
    view = worker.core._cluster.view  # type: ignore[union-attr]
    assert view.value(*slot) == 666
