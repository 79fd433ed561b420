"""The contracts compare as ``protocol.terms`` does: to the second, the version and the block."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from coprocessor.protocol.terms import (
    MAX_EVIDENCE_AGE,
    compute_effect,
    compute_version,
    has_ended,
    is_too_old,
    is_version_taken,
)
from tests.contracts.evm import Evm, Reverted
from tests.contracts.network import DELAY, Enclave, TestNetwork, digest


@pytest.fixture(scope="module")
def network(evm: Evm) -> TestNetwork:
    """A network of its own, for its tests move the chain's clock."""
    return TestNetwork(evm)


def admits(network: TestNetwork, moment: int, enclave: Enclave, **changes: object) -> bool:
    """Whether the contract admits an enclave in a block of this very second."""
    admission = network.admission(enclave, **changes)
    signatures = network.sign_admission(admission)
    network.evm.client.call("evm_setNextBlockTimestamp", moment)
    try:
        mined = network.registry.send(enclave.operator, "admit", admission, b"evidence", signatures)
    except Reverted:
        assert network.evm.timestamp() == moment
        return False
    assert int(network.evm.block(mined.block_number)["timestamp"], 16) == moment
    return True


def around(end: int, judge: Callable[[int], bool]) -> list[bool]:
    """What is said in the second before, in it, and after it."""
    return [judge(end - 1), judge(end), judge(end + 1)]


def test_an_admission_ends_in_its_second(network: TestNetwork) -> None:
    end = network.evm.timestamp() + 100

    def judge(moment: int) -> bool:
        return admits(network, moment, network.enclave(), expires=end)

    assert around(end, judge) == around(end, lambda moment: not has_ended(end, moment))


def test_a_distrust_ends_in_its_second(network: TestNetwork) -> None:
    subject = digest(network.label("root"))
    network.registry.send(network.guardian, "distrust", subject)
    network.registry.send(network.proposer, "trust_again", subject)
    end = network.registry.read("distrusted", subject)

    def judge(moment: int) -> bool:
        return admits(network, moment, network.enclave(), root=subject)

    assert around(end, judge) == around(end, lambda moment: has_ended(end, moment))


def test_a_pause_ends_in_its_second(network: TestNetwork) -> None:
    network.registry.send(network.guardian, "pause_admission")
    end = network.registry.read("paused_until")

    def judge(moment: int) -> bool:
        return admits(network, moment, network.enclave())

    assert around(end, judge) == around(end, lambda moment: has_ended(end, moment))


def test_a_measurement_counts_from_its_second(network: TestNetwork) -> None:
    measurement = digest(network.label("release"))
    network.registry.send(network.proposer, "announce_measurement", measurement, 2)
    begin = compute_effect(network.registry.read("measurements", measurement)[1], DELAY, development=True)

    def judge(moment: int) -> bool:
        return admits(network, moment, network.enclave(), measurement=measurement)

    assert around(begin, judge) == around(begin, lambda moment: compute_version(2, begin, moment, listed=False) > 0)


def test_evidence_serves_for_256_blocks(network: TestNetwork) -> None:
    named = network.evm.block_number() - 1
    network.evm.mine(MAX_EVIDENCE_AGE - 2)
    block = {"block_number": named, "block_hash": network.evm.block_hash(named)}
    for _ in range(2):
        number, moment = network.evm.block_number() + 1, network.evm.timestamp() + 1
        found = admits(network, moment, network.enclave(), **block)
        assert found == (not is_too_old(named, number)) == (number - named <= MAX_EVIDENCE_AGE)
    assert number - named == MAX_EVIDENCE_AGE + 1


def test_the_least_version_is_taken(network: TestNetwork) -> None:
    """The last one: from here on this network takes no enclave of the genesis' version."""
    named = {version: digest(network.label("release")) for version in (2, 3, 4)}
    for version, measurement in named.items():
        network.registry.send(network.proposer, "announce_measurement", measurement, version)
    network.evm.client.call("evm_setNextBlockTimestamp", network.evm.timestamp() + DELAY + 1)
    network.registry.send(network.proposer, "raise_minimum_version", named[3])
    least, now = network.registry.read("minimum_version"), network.evm.timestamp()
    for step, (version, measurement) in enumerate(named.items(), start=1):
        found = admits(network, now + 10 * step, network.enclave(), measurement=measurement)
        assert found == is_version_taken(version, least) == (version >= 3)
    assert not admits(network, now + 50, network.enclave()), "the genesis' have version 1"
