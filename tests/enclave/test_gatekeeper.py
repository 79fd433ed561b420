"""Admission, tickets and key release, with the attacks on them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from coprocessor.enclave import messages as m
from coprocessor.enclave.gatekeeper import TICKET_WINDOW
from coprocessor.keys.release import KeyRequest, build_request, decode_request, encode_request
from coprocessor.keys.tickets import SignedTicket, decode_signed_ticket, sign_ticket
from coprocessor.protocol import layout
from coprocessor.protocol.terms import MAX_EVIDENCE_AGE
from coprocessor.sandbox.engine import Engine
from coprocessor.values.identities import Digest, NetworkId
from tests.enclave.stage import OPERATOR, Stage, Worker, admit_request, ask, attester, policy_proof, refusal
from tests.support.fake_chain import CLUSTER, FakeChain, configuration, key


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine()


@pytest.fixture
def stage() -> Stage:
    return Stage()


@pytest.fixture
def worker(stage: Stage, engine: Engine) -> Worker:
    worker = Worker(stage, engine)
    worker.admit()
    for field in ("epoch", "first_open"):
        stage.chain.set("Clusters", layout.cluster_field(CLUSTER, field), 1)
    stage.chain.mine()
    return worker


def test_a_member_gets_the_key_and_the_answer_can_be_asked_for_again(stage: Stage, worker: Worker) -> None:
    request = worker.request()
    first = ask(stage.gatekeeper, m.Release(request))
    assert ask(stage.gatekeeper, m.Release(request)) == first
    assert worker.hand_over((first.partial,)) == m.KeysReady(1, ())


def test_one_release_to_each_admission(stage: Stage, worker: Worker) -> None:
    worker.take_keys()
    assert refusal(stage.gatekeeper, m.Release(worker.request())) == "release.again"


@pytest.mark.parametrize(
    ("contract", "slot", "value"),
    [
        ("Clusters", lambda worker: layout.cluster_member(CLUSTER, worker.id), 0),
        ("Clusters", lambda worker: layout.cluster_field(CLUSTER, "epoch"), 0),
        ("Clusters", lambda worker: layout.cluster_field(CLUSTER, "first_open"), 2),
        ("Registry", lambda worker: layout.registry_worker(worker.id, "revoked"), 1),
        ("Registry", lambda worker: layout.registry_worker(worker.id, "expires"), 1),
        ("Registry", lambda worker: layout.registry_worker(worker.id, "role"), 2),
        ("Registry", lambda worker: layout.registry_worker(worker.id, "sealing_key"), 5),
    ],
)
def test_no_key_for_whoever_is_no_member_in_good_standing(
    stage: Stage, worker: Worker, contract: str, slot: object, value: int
) -> None:
    stage.chain.set(contract, slot(worker), value)  # type: ignore[operator]
    stage.chain.mine()
    assert refusal(stage.gatekeeper, m.Release(worker.request())) == "release.refused"


def test_another_signing_key_on_the_chain_refuses_the_request(stage: Stage, worker: Worker) -> None:
    request = worker.request()
    stage.chain.set("Registry", layout.registry_worker(worker.id, "signer"), key(7).address)
    stage.chain.mine()
    stage.sync(stage.gatekeeper)
    ask(stage.gatekeeper, worker.record_proof())
    assert refusal(stage.gatekeeper, m.Release(request)) == "release.not_the_worker"


def test_a_record_proven_before_the_ticket_is_stale(stage: Stage, worker: Worker) -> None:
    stage.sync(stage.gatekeeper)
    ask(stage.gatekeeper, worker.record_proof())
    stage.chain.mine()
    for core in (stage.gatekeeper, worker.core):
        stage.sync(core)
    ask(worker.core, stage.committee_proof())
    ask(worker.core, worker.record_proof())
    ticket = ask(stage.gatekeeper, m.GiveTicket(ask(worker.core, m.RequestTicket()).nonce, 0)).ticket
    request = ask(worker.core, m.Tickets(1, (ticket,))).request
    assert refusal(stage.gatekeeper, m.Release(request)) == "release.stale_proof"


def test_a_ticket_grows_old(stage: Stage, worker: Worker) -> None:
    request = worker.request()
    for _ in range(257):
        stage.chain.mine()
    stage.sync(stage.gatekeeper)
    ask(stage.gatekeeper, worker.record_proof())
    assert refusal(stage.gatekeeper, m.Release(request)) == "ticket.old"


def test_a_ticket_serves_once_and_for_its_nonce_alone(stage: Stage, worker: Worker) -> None:
    request = worker.request()
    ticket = decode_request(request).ticket
    assert ticket.ticket.nonce != bytes(32)
    other = ask(stage.gatekeeper, m.GiveTicket(b"\x05" * 32, 0)).ticket
    ask(worker.core, m.RequestTicket())
    assert refusal(worker.core, m.Tickets(1, (other,))) == "ticket.foreign"


def asked(worker: Worker, request: KeyRequest, **changes: Any) -> m.Release:
    """A request with other contents, which the worker's enclave would sign had its host its keys."""
    changed = replace(request, **changes)
    keys, signing = (changed.sealing_key, changed.answer_key), worker.core._cluster.keys.signing  # type: ignore[union-attr]
    return m.Release(encode_request(build_request(changed.identity, changed.worker, keys, changed.ticket, signing)))


def test_a_true_member_with_a_false_ticket_or_for_another_network_gets_nothing(stage: Stage, worker: Worker) -> None:
    request = decode_request(worker.request())
    ticket = request.ticket.ticket
    stranger = SignedTicket(ticket, (sign_ticket(ticket, key(66)),))
    elsewhere = replace(ticket, block_hash=Digest(bytes(32)))
    own = stage.gatekeeper._state.keys.signing  # type: ignore[union-attr]
    foreign: list[tuple[dict[str, Any], str]] = []
    for other in ({"network": NetworkId(bytes(32))}, {"insecure": False}):
        theirs = replace(ticket, **other)
        changed = {"identity": replace(request.identity, **other), "ticket": SignedTicket(theirs, ())}
        foreign.append((changed, "release.foreign_network"))
    for changes, code in (
        *foreign,
        ({"ticket": SignedTicket(elsewhere, (sign_ticket(elsewhere, own),))}, "ticket.unknown_block"),
        ({"ticket": stranger}, "ticket.threshold"),
    ):
        assert refusal(stage.gatekeeper, asked(worker, request, **changes)) == code
    ask(stage.gatekeeper, asked(worker, request))


def test_a_ticket_that_has_served_serves_no_other_epoch(stage: Stage, worker: Worker) -> None:
    stage.chain.set("Clusters", layout.cluster_field(CLUSTER, "epoch"), 2)
    stage.chain.mine()
    request = decode_request(worker.request())
    ask(stage.gatekeeper, asked(worker, request))
    again = asked(worker, request, identity=replace(request.identity, epoch=2))
    assert refusal(stage.gatekeeper, again) == "ticket.used"


def test_evidence_for_another_chain_or_operator_is_refused(stage: Stage, engine: Engine) -> None:
    worker = Worker(stage, engine, b"newcomer")
    request = admit_request(worker.core, worker.machine, worker.booted, stage.chain)
    forged = {
        "admission.unknown_block": replace(request, block_hash=b"\x01" * 32),
        "attestation.report_data_mismatch": replace(request, operator=key(66).address),
        "admission.signer": replace(request, signer=key(66).address),
        "admission.role": replace(request, role=3),
    }
    ask(stage.gatekeeper, policy_proof(request, stage.chain))
    for code, message in forged.items():
        assert refusal(stage.gatekeeper, message) == code
    assert ask(stage.gatekeeper, request).operator == OPERATOR


def test_replayed_evidence_is_refused_by_its_age(stage: Stage, worker: Worker) -> None:
    """What admitted an enclave once, shown again: it counts for 256 blocks, as at the contract."""
    request = admit_request(worker.core, worker.machine, worker.booted, stage.chain)
    while stage.chain.number < request.block_number + MAX_EVIDENCE_AGE:
        stage.chain.mine()
    stage.sync(stage.gatekeeper)
    ask(stage.gatekeeper, policy_proof(request, stage.chain))
    ask(stage.gatekeeper, request)
    stage.chain.mine()
    stage.sync(stage.gatekeeper)
    assert refusal(stage.gatekeeper, request) == "admission.old_block"
    newer = replace(request, block_number=stage.chain.number, block_hash=stage.chain.block_hash())
    assert refusal(stage.gatekeeper, newer) == "attestation.report_data_mismatch"  # it does not bind that block


def test_an_enclave_of_other_code_is_refused(stage: Stage, engine: Engine) -> None:
    worker = Worker(stage, engine, b"newcomer")
    worker.machine = attester(b"newcomer", measured=b"\x09" * 32)
    request = admit_request(worker.core, worker.machine, worker.booted, stage.chain)
    ask(stage.gatekeeper, policy_proof(request, stage.chain))
    assert refusal(stage.gatekeeper, request) == "attestation.measurement_unknown"


def test_an_eclipsed_newcomer_is_refused(stage: Stage, engine: Engine) -> None:
    other_chain = FakeChain(stage.chain.configuration)
    other_chain.set("Registry", bytes(32), 1)
    other_chain.mine()
    worker = Worker(stage, engine, b"newcomer")
    worker.core._cluster = None
    worker.booted = ask(worker.core, m.BootWorker(stage.chain.network_json(), OPERATOR, CLUSTER))
    ask(worker.core, other_chain.headers_message(1, 1))
    request = admit_request(worker.core, worker.machine, worker.booted, other_chain)
    assert refusal(stage.gatekeeper, request) == "admission.unknown_block"


def test_a_restarted_gatekeeper_goes_on_from_its_sealed_share(stage: Stage, worker: Worker) -> None:
    before = stage.committee.booted[0]
    stage.committee.crash(0)
    assert stage.committee.booted[0] == before
    worker.take_keys()


def test_an_altered_or_foreign_share_is_refused(stage: Stage) -> None:
    sealed = bytearray(stage.committee.sealed[0])
    sealed[40] ^= 1
    network = stage.chain.network_json()
    assert refusal(stage.committee.make(0), m.BootGatekeeper(network, OPERATOR, bytes(sealed))) == "share.foreign"
    empty = FakeChain().network_json()
    whole = stage.committee.sealed[0]
    assert refusal(stage.committee.make(0), m.BootGatekeeper(empty, OPERATOR, whole)) == "share.foreign"


def test_a_ticket_vouches_for_a_recent_block_of_this_chain(stage: Stage) -> None:
    first = stage.chain.number
    for _ in range(TICKET_WINDOW):
        stage.chain.mine()
    stage.sync(stage.gatekeeper)
    newest = stage.chain.number
    for number, block in ((0, newest), (newest, newest), (first, first)):
        signed = decode_signed_ticket(ask(stage.gatekeeper, m.GiveTicket(bytes(32), number)).ticket)
        assert (signed.ticket.block_number, signed.ticket.block_hash) == (block, stage.chain.block_hash(block))
    assert refusal(stage.gatekeeper, m.GiveTicket(bytes(32), newest + 1)) == "ticket.ahead"
    assert refusal(stage.gatekeeper, m.GiveTicket(bytes(32), first - 1)) == "ticket.behind"


def test_simulated_hardware_cannot_boot_for_a_real_network(stage: Stage) -> None:
    strict = FakeChain(configuration(allow_simulated=False)).network_json()
    code = refusal(stage.committee.make(0), m.BootGatekeeper(strict, OPERATOR, b""))
    assert code == "attestation.simulated_refused"
