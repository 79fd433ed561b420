"""What the chain says about vendors, code and machines after genesis, as gatekeepers' enclaves enforce it (attacks 23,
24, 33; PROTOCOL 1.4)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from coprocessor.attestation.evidence import compute_collateral_digest, decode_evidence, encode_evidence
from coprocessor.attestation.vendors.simulated_authority import VendorOptions
from coprocessor.attesters.simulated import SimulatedAttester, simulated_measurement
from coprocessor.crypto.hashing import sha256
from coprocessor.enclave import messages as m
from coprocessor.enclave.network_policy import POLICY_WINDOW, find_version
from coprocessor.protocol import layout
from coprocessor.protocol.terms import LEAST_DELAY
from coprocessor.sandbox.engine import Engine
from coprocessor.values.network import Custodian
from tests.enclave.committee import Committee
from tests.enclave.stage import Stage, Worker, admit_request, ask, policy_proof, refusal
from tests.support.fake_chain import CLUSTER, MEASURED, FakeChain, configuration

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
    stage.chain.set("Registry", layout.registry_policy("paused_until"), stage.chain.timestamp + 600)
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


@pytest.mark.parametrize("said", [*SUBJECTS, "minimum_version", "minimum_evaluation", "pinned_until"])
def test_nothing_said_after_the_genesis_keeps_a_present_gatekeeper_from_its_share(said: str) -> None:
    """One wrong call, and a restart or two: with this policy in the way of pads, the key would be lost for ever."""
    committee = Committee(FakeChain(configuration(custodian=Custodian("none"))), 3, 2)
    committee.hold_genesis()
    committee.run()
    committee.record_members()
    chain = committee.chain
    if said in SUBJECTS:
        proof = policy_proof(committee.presence(2), chain)
        slots = dict(zip(SUBJECTS, (slot.slot for slot in proof.accounts[0].slots), strict=False))
        chain.set("Registry", slots[said], FOR_GOOD)
    else:
        chain.set("Registry", layout.registry_policy(said), chain.timestamp + 10**6)
    chain.mine()
    for at in (2, 0):  # the first one gives the second its piece
        committee.crash(at)
        assert committee.recover(at, [one for one in range(3) if one != at]).wrong == ()
        committee.share_pads()
    assert all(ask(core, m.GetStatus()).has_keys for core in committee.cores)
    ask(committee.prove_members(0), policy_proof(committee.admission(2), chain))
    assert refusal(committee.cores[0], committee.admission(2)).startswith(("policy.", "attestation."))  # as anybody
    chain.set("Gatekeeping", layout.gatekeeping_revoked(committee.signer(2)), chain.number)
    chain.mine()
    committee.crash(2)
    request = m.GivePiece(committee.presence(2), committee.pad(2))
    assert refusal(committee.prove_members(0), request) == "custody.no_member"  # what ends a gatekeeper's part


def test_code_that_was_never_announced_shows_no_memory() -> None:
    committee = Committee(FakeChain(configuration(custodian=Custodian("none"))), 3, 2)
    committee.hold_genesis()
    committee.run()
    other = SimulatedAttester(sha256(b"gatekeeper" + bytes((2,))), NEXT_RELEASE)
    committee.crash(2)
    committee.machines[2] = other
    request = m.GivePiece(committee.presence(2), committee.pad(2))
    assert refusal(committee.prove_members(0), request) == "attestation.measurement_unknown"


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


# ---- measurements after genesis (attacks 23, 24)

NEXT_RELEASE = sha256(b"the next release")
DELAY = 5 * 12
"""Seconds: five blocks of the fake chain."""


def announce(stage: Stage, measured: bytes, version: int) -> None:
    """What the proposer's call does."""
    measurement = simulated_measurement(measured)
    stage.chain.set("Registry", layout.registry_measurement(measurement, "version"), version)
    stage.chain.set("Registry", layout.registry_measurement(measurement, "since"), stage.chain.timestamp + 12)
    stage.chain.set("Registry", layout.registry_policy("delay"), DELAY)
    stage.chain.mine()


def set_policy(stage: Stage, name: str, value: int) -> None:
    stage.chain.set("Registry", layout.registry_policy(name), value)
    stage.chain.mine()


def newcomer_of(stage: Stage, engine: Engine, machine: SimulatedAttester) -> Worker:
    worker = Worker(stage, engine, b"newcomer")
    worker.machine = machine
    return worker


def test_an_announced_release_counts_after_the_delay_and_not_before(stage: Stage, engine: Engine) -> None:
    newer = newcomer_of(stage, engine, SimulatedAttester(sha256(b"newer"), NEXT_RELEASE))
    set_policy(stage, "delay", DELAY)
    assert refusal(stage.gatekeeper, renewal(stage, newer)) == "attestation.measurement_unknown"
    announce(stage, NEXT_RELEASE, 2)
    for _ in range(DELAY // 12):
        assert refusal(stage.gatekeeper, renewal(stage, newer)) == "policy.announced"
        stage.chain.mine()
    ask(stage.gatekeeper, renewal(stage, newer))


def test_outside_development_the_delay_is_seven_days_whatever_the_chain_says() -> None:
    """A deployer whose constructor wrote a shorter one gains nothing: the enclave has its own least."""
    chain, measurement = FakeChain(), simulated_measurement(NEXT_RELEASE)
    slots = {
        layout.registry_measurement(measurement, "since"): 1_000,
        layout.registry_measurement(measurement, "version"): 2,
        layout.registry_policy("delay"): 1,
    }
    development = chain.configuration
    real = replace(development, development=False, custodian=Custodian("none"))
    assert find_version(development, measurement, slots.__getitem__, 1_001) == (2, 1_001)
    assert find_version(real, measurement, slots.__getitem__, 1_000 + LEAST_DELAY - 1) == (0, 1_000 + LEAST_DELAY)
    assert find_version(real, measurement, slots.__getitem__, 1_000 + LEAST_DELAY) == (2, 1_000 + LEAST_DELAY)
    listed = simulated_measurement(MEASURED)
    slots[layout.registry_measurement(listed, "since")] = 1  # announced again, as if it were new
    slots[layout.registry_measurement(listed, "version")] = 9
    assert find_version(configuration(), listed, slots.__getitem__, 2**40) == (1, 0)


def test_old_but_genuine_code_is_neither_admitted_nor_given_keys(stage: Stage, worker: Worker, engine: Engine) -> None:
    """Attack 23: the enclave is attested, was admitted, and is a member; what it runs is too old."""
    announce(stage, NEXT_RELEASE, 2)
    for _ in range(DELAY // 12):
        stage.chain.mine()
    ask(stage.gatekeeper, renewal(stage, worker))
    set_policy(stage, "minimum_version", 2)
    assert refusal(stage.gatekeeper, renewal(stage, worker)) == "policy.version"
    assert refusal(stage.gatekeeper, m.Release(worker.request())) == "release.refused"
    newer = newcomer_of(stage, engine, SimulatedAttester(sha256(b"newer"), NEXT_RELEASE))
    ask(stage.gatekeeper, renewal(stage, newer))


def test_an_older_policy_cannot_be_replayed(stage: Stage, worker: Worker) -> None:
    """Attack 24: true proofs of a block from before the floor was raised, shown again after newer ones."""
    request = renewal(stage, worker)
    old = policy_proof(request, stage.chain)
    set_policy(stage, "minimum_version", 2)
    stage.sync(stage.gatekeeper)
    ask(stage.gatekeeper, policy_proof(request, stage.chain))
    ask(stage.gatekeeper, old)  # a true proof, of a former block
    assert refusal(stage.gatekeeper, request) == "policy.version"


# ---- collateral (attacks 29, 30)


def test_the_chain_raises_the_evaluation_floor_and_never_lowers_the_genesis(stage: Stage, worker: Worker) -> None:
    set_policy(stage, "minimum_evaluation", 18)
    ask(stage.gatekeeper, renewal(stage, worker))  # the simulated vendor's number
    set_policy(stage, "minimum_evaluation", 19)
    assert refusal(stage.gatekeeper, renewal(stage, worker)) == "attestation.evaluation_number"
    worker.machine = SimulatedAttester(sha256(b"worker"), MEASURED, VendorOptions(evaluation_number=19))
    ask(stage.gatekeeper, renewal(stage, worker))
    set_policy(stage, "minimum_evaluation", 0)
    worker.machine = SimulatedAttester(sha256(b"worker"), MEASURED, VendorOptions(evaluation_number=0))
    assert refusal(stage.gatekeeper, renewal(stage, worker)) == "attestation.evaluation_number"


def test_while_pins_hold_only_pinned_collateral_counts(stage: Stage, worker: Worker) -> None:
    evidence = decode_evidence(renewal(stage, worker).evidence)
    pinned = compute_collateral_digest(evidence.kind, evidence.collateral)
    stage.chain.set("Registry", layout.registry_policy("refresh"), 1)
    stage.chain.set("Registry", layout.registry_pin(1, pinned), 1)
    set_policy(stage, "pinned_until", stage.chain.timestamp + 600)
    ask(stage.gatekeeper, renewal(stage, worker))
    worker.machine = SimulatedAttester(sha256(b"worker"), MEASURED, VendorOptions(evaluation_number=19))
    assert refusal(stage.gatekeeper, renewal(stage, worker)) == "attestation.collateral_not_pinned"
    set_policy(stage, "refresh", 2)  # the next refresh pins something else
    worker.machine = SimulatedAttester(sha256(b"worker"), MEASURED)
    assert refusal(stage.gatekeeper, renewal(stage, worker)) == "attestation.collateral_not_pinned"
    set_policy(stage, "pinned_until", stage.chain.timestamp)
    ask(stage.gatekeeper, renewal(stage, worker))


def test_an_outage_of_the_vendors_service_admits_nobody_new(stage: Stage, worker: Worker, engine: Engine) -> None:
    """Attack 30: all that a host can show is what it fetched more than seven days ago; who is admitted goes on."""
    newcomer = newcomer_of(stage, engine, SimulatedAttester(sha256(b"newcomer"), MEASURED))
    old = decode_evidence(renewal(stage, newcomer).evidence).collateral
    week = 7 * 86_400
    stage.chain.skip(week + 86_400)
    stage.chain.mine()
    for core in (stage.gatekeeper, newcomer.core):
        stage.sync(core)
    request = admit_request(newcomer.core, newcomer.machine, newcomer.booted, stage.chain)
    stale = replace(decode_evidence(request.evidence), collateral=old)
    request = replace(request, evidence=encode_evidence(stale))
    ask(stage.gatekeeper, policy_proof(request, stage.chain))
    assert refusal(stage.gatekeeper, request) == "attestation.collateral_stale"
    without = replace(request, evidence=encode_evidence(replace(stale, collateral=b"")))
    assert refusal(stage.gatekeeper, without).startswith("attestation.")
    ask(stage.gatekeeper, renewal(stage, newcomer))  # the service answers again
