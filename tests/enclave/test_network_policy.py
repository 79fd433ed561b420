"""What the chain says about vendors, code and machines after genesis, as gatekeepers' enclaves enforce it (attacks 23,
24, 33; PROTOCOL 1.4)."""

from __future__ import annotations

import pytest

from coprocessor.enclave import messages as m
from coprocessor.enclave.network_policy import POLICY_WINDOW
from coprocessor.protocol import layout
from coprocessor.sandbox.engine import Engine
from tests.enclave.committee import Committee
from tests.enclave.stage import Stage, Worker, admit_request, ask, policy_proof, refusal
from tests.support.fake_chain import CLUSTER, FakeChain

FOR_GOOD = 2**256 - 1
SUBJECTS = ["root", "measurement", "platform"]


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine()


@pytest.fixture
def stage() -> Stage:
    return Stage()


@pytest.fixture
def worker(stage: Stage, engine: Engine) -> Worker:
    """An admitted member."""
    worker = Worker(stage, engine)
    worker.admit()
    for field in ("epoch", "first_open"):
        stage.chain.set("Clusters", layout.cluster_field(CLUSTER, field), 1)
    stage.chain.mine()
    return worker


def distrust(stage: Stage, worker: Worker, subject: str, until: int = FOR_GOOD) -> None:
    """What the guardian's call does."""
    named = worker.recorded(subject).to_bytes(32, "big")
    stage.chain.set("Registry", layout.registry_distrusted(named), until)
    stage.chain.mine()


def renewal(stage: Stage, worker: Worker) -> m.Admit:
    """Fresh evidence of the same enclave, and its proofs at the gatekeeper."""
    for core in (stage.gatekeeper, worker.core):
        stage.sync(core)
    request = admit_request(worker.core, worker.machine, worker.booted, stage.chain)
    ask(stage.gatekeeper, policy_proof(request, stage.chain))
    return request


@pytest.mark.parametrize("subject", SUBJECTS)
def test_what_is_distrusted_is_neither_admitted_nor_given_keys(stage: Stage, worker: Worker, subject: str) -> None:
    ask(stage.gatekeeper, renewal(stage, worker))
    distrust(stage, worker, subject)
    assert refusal(stage.gatekeeper, renewal(stage, worker)) == "policy.distrusted"
    assert refusal(stage.gatekeeper, m.Release(worker.request())) == "release.refused"


def test_a_distrust_ends_by_chain_time_alone(stage: Stage, worker: Worker) -> None:
    end = stage.chain.timestamp + 4 * 12
    distrust(stage, worker, "root", until=end)
    while stage.chain.timestamp < end - 12:
        assert refusal(stage.gatekeeper, renewal(stage, worker)) == "policy.distrusted"
        stage.chain.mine()
    stage.chain.mine()
    ask(stage.gatekeeper, renewal(stage, worker))


def test_a_host_cannot_judge_by_a_policy_that_is_over(stage: Stage, worker: Worker) -> None:
    """It keeps the proof from before the distrust, and shows headers alone from then on (attack 24)."""
    request = renewal(stage, worker)
    distrust(stage, worker, "root")
    for _ in range(POLICY_WINDOW - 1):
        stage.chain.mine()
    stage.sync(stage.gatekeeper)
    ask(stage.gatekeeper, request)  # as far as a host may lag
    stage.chain.mine()
    stage.sync(stage.gatekeeper)
    assert refusal(stage.gatekeeper, request) == "policy.stale_proof"
    ask(stage.gatekeeper, policy_proof(request, stage.chain))
    assert refusal(stage.gatekeeper, request) == "policy.distrusted"


def test_nobody_is_judged_without_the_policy(stage: Stage, engine: Engine) -> None:
    newcomer = Worker(stage, engine, b"newcomer")
    stage.sync(stage.gatekeeper)
    request = admit_request(newcomer.core, newcomer.machine, newcomer.booted, stage.chain)
    assert refusal(stage.gatekeeper, request) == "proof.missing"


def test_a_pause_admits_live_keys_alone(stage: Stage, worker: Worker, engine: Engine) -> None:
    stage.chain.set("Registry", layout.registry_paused_until(), stage.chain.timestamp + 600)
    stage.chain.mine()
    ask(stage.gatekeeper, renewal(stage, worker))
    newcomer = Worker(stage, engine, b"newcomer")
    assert refusal(stage.gatekeeper, renewal(stage, newcomer)) == "policy.paused"
    restarted = Worker(stage, engine, b"restarted")
    restarted.machine = worker.machine  # the same machine, other keys
    assert refusal(stage.gatekeeper, renewal(stage, restarted)) == "policy.paused"
    for _ in range(50):
        stage.chain.mine()
    ask(stage.gatekeeper, renewal(stage, newcomer))


@pytest.mark.parametrize("subject", SUBJECTS)
def test_no_gatekeeper_under_a_distrust_gets_a_seat(subject: str) -> None:
    """Present members verify newcomers by the policy of the moment; present ones stay, and are reported."""
    committee = Committee(FakeChain(), 3, 2)
    committee.hold_genesis()
    committee.run()
    committee.record_members()
    newcomer = committee.add_candidate()
    committee.propose([0, 1, newcomer], 2)
    proof = policy_proof(committee.evidence[newcomer], committee.chain)
    slots = dict(zip(SUBJECTS, (slot.slot for slot in proof.accounts[0].slots), strict=False))
    committee.chain.set("Registry", slots[subject], FOR_GOOD)
    committee.chain.mine()
    core = committee.sync_handover(0)
    ask(core, policy_proof(committee.evidence[newcomer], committee.chain))
    assert refusal(core, m.VerifyCandidate(committee.evidence[newcomer])) == "policy.distrusted"
    assert refusal(core, m.SignHandover()) == "handover.unverified"
    committee.propose([0, 1, 2], 2)  # who sits stays, so that a distrust never stops the network by itself
    assert ask(committee.sync_handover(0), m.SignHandover()).signature
