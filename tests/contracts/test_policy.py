"""Registry: what turns out bad after genesis is distrusted, admission paused (PROTOCOL 1.4; attack 33)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from coprocessor.values.identities import ZERO_ADDRESS, ZERO_DIGEST, Digest
from tests.contracts.evm import Evm, Reverted
from tests.contracts.network import DAY, DELAY, Cluster, Enclave, TestNetwork, digest
from tests.contracts.test_epochs import boundary, holders, newest_receipt
from tests.contracts.test_registry import refuse_admission

FOR_GOOD = 2**256 - 1


@pytest.fixture(scope="module")
def network(evm: Evm) -> TestNetwork:
    """A network that no other test sees paused."""
    return TestNetwork(evm)


def move(network: TestNetwork, seconds: int) -> None:
    """The chain's clock, forward."""
    network.evm.client.call("evm_setNextBlockTimestamp", network.evm.timestamp() + seconds)
    network.evm.mine()


def mixed(network: TestNetwork, **subjects: Digest) -> tuple[Cluster, Enclave]:
    """A cluster of two, quorum 1, whose second member differs by its subjects."""
    cluster = network.create_cluster(members=1, quorum=1, fast_quorum=2, dispute_window=50)
    other = network.enclave(1)
    network.admit(other, **subjects)
    network.join(cluster.id, other)
    return replace(cluster, members=(*cluster.members, other)), other


@pytest.mark.parametrize("kind", ["root", "measurement", "platform"])
def test_one_call_ends_every_worker_of_a_subject(network: TestNetwork, kind: str) -> None:
    """Without the check of `standing` the same signatures settle, close epochs and join."""
    registry, subject = network.registry, digest(network.label("subject"))
    named = {} if kind == "platform" else {kind: subject}
    cluster, other = mixed(network, **named)
    waiting = network.enclave(2)
    network.admit(waiting, **named)
    if kind == "platform":
        subject = other.platform
    receipt = network.receipt(cluster)
    network.settlement.read("settle", receipt, network.sign_receipt(receipt, [other]))
    mined = registry.send(network.guardian, "distrust", subject)
    assert registry.event(mined, "Distrusted") == {"subject": subject, "until": FOR_GOOD}

    good, bad = cluster.members[0], other
    assert registry.read("standing", bad.signer.address)[4] is True
    assert registry.read("standing", good.signer.address)[4] is False
    assert registry.read("workers", bad.worker)[11] is False  # the record stays: the subject is what ended
    network.settlement.refuses("clusters: revoked", "settle", receipt, network.sign_receipt(receipt, [bad]))
    network.settlement.refuses("clusters: revoked", "settle", receipt, network.sign_receipt(receipt, [good, bad]))
    network.settlement.read("settle", receipt, network.sign_receipt(receipt, [good]))
    refuse_admission(network, "registry: distrusted", bad, network.admission(bad, **named))
    if kind != "platform":
        newcomer = network.enclave(3)
        refuse_admission(network, "registry: distrusted", newcomer, network.admission(newcomer, **named))
        sender = waiting.operator.address
        network.clusters.refuses("clusters: revoked", "join", cluster.id, waiting.worker, sender=sender)


def test_members_that_are_distrusted_close_no_epoch(network: TestNetwork) -> None:
    subject = digest(network.label("subject"))
    cluster = network.create_cluster(members=1, quorum=1)
    other = network.enclave(1)
    network.admit(other, root=subject)
    network.join(cluster.id, other)
    network.clusters.send(network.guardian, "raise_epoch", cluster.id)
    start = network.inbox.read("counts", cluster.id) - 1
    network.settle(cluster, to=start, inbox_head=network.inbox.read("head_at", cluster.id, start))
    network.settle(cluster, epoch=2)
    made = boundary(network, cluster)
    signatures = [other.signer.sign(made.digest(network.evm.chain_id, network.clusters.address))]
    number = newest_receipt(network, cluster)
    held = holders(network, made)
    network.clusters.read("close_epochs", made, number, signatures, held)
    network.registry.send(network.guardian, "distrust", subject)
    network.clusters.refuses("clusters: revoked", "close_epochs", made, number, signatures, held)
    network.clusters.send(network.stranger, "contain", cluster.id, [other.worker])  # as anybody may


def test_only_the_proposer_trusts_again_and_only_after_the_delay(network: TestNetwork) -> None:
    registry, subject = network.registry, digest(network.label("subject"))
    enclave = network.enclave()
    network.admit(enclave, root=subject)
    proposer = network.proposer.address
    registry.refuses("registry: subject", "trust_again", subject, sender=proposer)
    registry.send(network.guardian, "distrust", subject)
    registry.refuses("registry: proposer", "trust_again", subject, sender=network.guardian.address)
    mined = registry.send(network.proposer, "trust_again", subject)
    until = network.evm.timestamp() + 2 * DELAY
    assert registry.event(mined, "Distrusted") == {"subject": subject, "until": until}
    registry.refuses("registry: subject", "trust_again", subject, sender=proposer)  # cannot be hurried
    assert registry.read("standing", enclave.signer.address)[4] is True
    move(network, 2 * DELAY - 10)
    assert registry.read("standing", enclave.signer.address)[4] is True
    move(network, 11)
    assert registry.read("standing", enclave.signer.address)[4] is False
    registry.send(network.guardian, "distrust", subject)
    assert registry.read("standing", enclave.signer.address)[4] is True


def test_nothing_is_nobody(network: TestNetwork) -> None:
    network.registry.refuses("registry: subject", "distrust", ZERO_DIGEST, sender=network.guardian.address)


def test_a_pause_stops_newcomers_and_new_keys_but_no_renewal(network: TestNetwork) -> None:
    registry, present, newcomer = network.registry, network.enclave(), network.enclave(1)
    network.admit(present)
    registry.refuses("registry: paused", "resume_admission", sender=network.proposer.address)
    mined = registry.send(network.guardian, "pause_admission")
    assert registry.event(mined, "AdmissionPaused") == {"until": network.evm.timestamp() + 3 * DAY}
    refuse_admission(network, "registry: paused", newcomer, network.admission(newcomer))
    restarted = replace(present, signer=network.enclave().signer)
    refuse_admission(network, "registry: paused", restarted, network.admission(restarted))
    moved = Enclave(present.operator, digest("another platform"), present.signer)
    refuse_admission(network, "registry: paused", moved, network.admission(moved))
    network.admit(present)

    registry.send(network.proposer, "resume_admission")
    network.admit(newcomer)
    registry.send(network.guardian, "pause_admission")
    move(network, 3 * DAY + 1)
    network.admit(restarted)


def test_distrust_leaves_the_committee_alone(network: TestNetwork) -> None:
    """Gatekeepers are guarded by Gatekeeping: no single call here leaves fewer than the threshold."""
    before = [network.gatekeeping.read("members", at) for at in range(3)]
    for member in before:
        network.registry.send(network.guardian, "distrust", member[3])
    assert [network.gatekeeping.read("members", at) for at in range(3)] == before
    enclave = network.enclave()
    network.admit(enclave)
    assert network.registry.read("standing", enclave.signer.address)[4] is False


# ---- measurements after genesis


def announce(network: TestNetwork, version: int) -> Digest:
    measurement = digest(network.label("release"))
    mined = network.registry.send(network.proposer, "announce_measurement", measurement, version)
    event = {"measurement": measurement, "version": version, "counts_from": network.evm.timestamp() + DELAY}
    assert network.registry.event(mined, "MeasurementAnnounced") == event
    return measurement


def test_an_announced_measurement_waits(network: TestNetwork) -> None:
    """Signed by t gatekeepers all the same: the contract refuses what their enclaves refuse."""
    measurement, enclave = announce(network, 2), network.enclave()
    refuse_admission(network, "registry: measurement", enclave, network.admission(enclave, measurement=measurement))
    registry = network.registry
    guardian, proposer = network.guardian.address, network.proposer.address
    registry.refuses("registry: measurement", "raise_minimum_version", measurement, sender=guardian)
    move(network, DELAY + 1)
    network.registry.read("raise_minimum_version", measurement, sender=guardian)
    network.admit(enclave, measurement=measurement)
    registry.refuses("registry: announced", "announce_measurement", measurement, 9, sender=proposer)
    registry.refuses("registry: version", "announce_measurement", digest("x"), 1, sender=proposer)
    registry.refuses("registry: measurement", "announce_measurement", ZERO_DIGEST, 2, sender=proposer)


def test_the_least_version_only_rises_and_to_what_counts(network: TestNetwork) -> None:
    registry = network.registry
    two, three = announce(network, 2), announce(network, 3)
    move(network, DELAY + 1)
    old, new = network.enclave(), network.enclave(1)
    network.admit(old, measurement=two)
    mined = registry.send(network.proposer, "raise_minimum_version", three)
    event = {"version": 3, "sender": network.proposer.address}
    assert registry.event(mined, "MinimumVersionRaised") == event
    refuse_admission(network, "registry: version", old, network.admission(old, measurement=two))
    listed = network.enclave(2)  # by the genesis, so of version 1
    refuse_admission(network, "registry: version", listed, network.admission(listed))
    network.admit(new, measurement=three)
    for older in (two, three):
        registry.refuses("registry: version", "raise_minimum_version", older, sender=network.guardian.address)
    four = announce(network, 4)
    move(network, DELAY + 1)
    registry.send(network.guardian, "distrust", four)
    registry.refuses("registry: measurement", "raise_minimum_version", four, sender=network.guardian.address)
    unknown = digest("never announced")
    registry.refuses("registry: measurement", "raise_minimum_version", unknown, sender=network.guardian.address)


def test_the_evaluation_floor_only_rises_and_not_by_a_slip(network: TestNetwork) -> None:
    registry, guardian = network.registry, network.guardian.address
    before = registry.read("minimum_evaluation")
    registry.refuses("registry: evaluation", "raise_minimum_evaluation", before, sender=guardian)
    registry.refuses("registry: evaluation", "raise_minimum_evaluation", before + 33, sender=guardian)
    registry.send(network.proposer, "raise_minimum_evaluation", before + 32)
    mined = registry.send(network.guardian, "raise_minimum_evaluation", before + 33)
    assert registry.event(mined, "MinimumEvaluationRaised") == {"number": before + 33, "sender": guardian}
    assert registry.read("minimum_evaluation") == before + 33


def test_pins_hold_for_a_week_and_the_next_refresh_replaces_them(network: TestNetwork) -> None:
    registry, first, second = network.registry, digest("first"), digest("second")
    mined = registry.send(network.proposer, "pin_collateral", [first, second])
    until = network.evm.timestamp() + 7 * DAY
    number = registry.read("refresh")
    event = {"refresh": number, "digests": (first, second), "until": until}
    found = registry.event(mined, "CollateralPinned")
    assert found | {"digests": tuple(found["digests"])} == event
    assert [registry.read("pins", number, one) for one in (first, second, digest("third"))] == [True, True, False]
    registry.send(network.proposer, "pin_collateral", [second])
    assert registry.read("refresh") == number + 1
    assert [registry.read("pins", number + 1, one) for one in (first, second)] == [False, True]
    registry.send(network.proposer, "pin_collateral", [])
    assert registry.read("pinned_until") == network.evm.timestamp()


def test_the_provable_delay_is_that_of_the_code(network: TestNetwork, evm: Evm) -> None:
    assert network.registry.read("delay") == network.registry.read("DELAY") == DELAY
    with pytest.raises(Reverted, match="registry: delay"):
        evm.deploy("Registry", *[ZERO_ADDRESS] * 5, 0)
