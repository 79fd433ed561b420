"""The next runtime of a cluster: announced by its owner, taken by an epoch after the delay (PROTOCOL 12)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from coprocessor.protocol.links import LinkKind
from coprocessor.protocol.system import EpochChange, decode_epoch
from coprocessor.values.identities import ZERO_DIGEST, RuntimeId, StateRoot
from tests.contracts.evm import Mined, Reverted
from tests.contracts.network import DELAY, Cluster, TestNetwork, digest

NEXT = RuntimeId(digest("next runtime"))
YEAR = 365 * 86_400
NOTHING = (ZERO_DIGEST, 0)


@pytest.fixture
def cluster(network: TestNetwork) -> Cluster:
    return network.create_cluster(members=2, quorum=2)


def announce(network: TestNetwork, cluster: Cluster, runtime: bytes = NEXT, delay: int = DELAY) -> int:
    mined = network.clusters.send(network.deployer, "announce_runtime", cluster.id, runtime, delay)
    event = network.clusters.event(mined, "RuntimeAnnounced")
    assert (event["cluster"], event["runtime"]) == (cluster.id, runtime)
    assert network.clusters.read("next_runtimes", cluster.id) == (runtime, event["ready"])
    return int(event["ready"])


def wait_until(network: TestNetwork, timestamp: int) -> None:
    """The next block has this timestamp."""
    network.evm.client.call("evm_setNextBlockTimestamp", timestamp)


def raise_epoch(network: TestNetwork, cluster: Cluster) -> Mined:
    return network.clusters.send(network.guardian, "raise_epoch", cluster.id)


def runtimes(network: TestNetwork, cluster: Cluster) -> list[bytes]:
    """Of the cluster, and of each of its epochs."""
    record = network.clusters.read("clusters", cluster.id)
    epochs = range(1, int(record[1]) + 1)
    return [record[6], *(network.clusters.read("terms_at", cluster.id, epoch)[4] for epoch in epochs)]


def test_an_announced_runtime_is_taken_by_the_first_epoch_after_the_delay(
    network: TestNetwork, cluster: Cluster
) -> None:
    ready = announce(network, cluster)
    wait_until(network, ready - 1)
    raise_epoch(network, cluster)
    assert runtimes(network, cluster) == [cluster.runtime] * 3
    wait_until(network, ready)
    mined = raise_epoch(network, cluster)
    assert runtimes(network, cluster) == [NEXT, cluster.runtime, cluster.runtime, NEXT]
    (link,) = [network.inbox.event(mined, "Link")]
    assert link["kind"] == LinkKind.EPOCH, "the epoch's link is the switch: there is no other"
    assert decode_epoch(link["payload"]) == EpochChange(3, NEXT, 2, 2)
    event = network.clusters.event(mined, "RuntimeSwitched")
    assert event == {"cluster": cluster.id, "epoch": 3, "runtime": NEXT}
    assert network.clusters.read("next_runtimes", cluster.id) == NOTHING
    raise_epoch(network, cluster)
    assert runtimes(network, cluster)[-1] == NEXT, "it stays"


def test_containment_takes_it_too(network: TestNetwork, cluster: Cluster) -> None:
    wait_until(network, announce(network, cluster))
    network.clusters.send(network.deployer, "contain", cluster.id, [cluster.members[0].worker])
    assert runtimes(network, cluster) == [NEXT, cluster.runtime, NEXT]


def test_nobody_switches_at_once(network: TestNetwork, cluster: Cluster) -> None:
    """The owner tries: a delay that is too short, and an epoch before the delay is over."""
    for delay in (0, 1, DELAY - 1, YEAR + 1, 2**256 - 1):
        network.clusters.refuses(
            "clusters: delay", "announce_runtime", cluster.id, NEXT, delay, sender=network.deployer.address
        )
    announce(network, cluster, delay=YEAR)
    raise_epoch(network, cluster)
    assert runtimes(network, cluster) == [cluster.runtime] * 3


def test_a_later_announcement_waits_itself(network: TestNetwork, cluster: Cluster) -> None:
    """A long wait for one runtime is no credit for another."""
    ready = announce(network, cluster)
    wait_until(network, ready + 10)
    other = digest("another runtime")
    assert announce(network, cluster, other) == ready + 10 + DELAY
    raise_epoch(network, cluster)
    assert runtimes(network, cluster) == [cluster.runtime] * 3


def test_it_is_withdrawn_until_an_epoch_has_it(network: TestNetwork, cluster: Cluster) -> None:
    ready = announce(network, cluster)
    wait_until(network, ready + 1)
    mined = network.clusters.send(network.deployer, "withdraw_runtime", cluster.id)
    assert network.clusters.event(mined, "RuntimeWithdrawn") == {"cluster": cluster.id, "runtime": NEXT}
    assert network.clusters.read("next_runtimes", cluster.id) == NOTHING
    raise_epoch(network, cluster)
    assert runtimes(network, cluster) == [cluster.runtime] * 3
    sender = network.deployer.address
    network.clusters.refuses("clusters: not announced", "withdraw_runtime", cluster.id, sender=sender)
    wait_until(network, announce(network, cluster))
    raise_epoch(network, cluster)
    network.clusters.refuses("clusters: not announced", "withdraw_runtime", cluster.id, sender=sender)


def test_only_the_owner_of_the_cluster(network: TestNetwork, cluster: Cluster) -> None:
    operator = cluster.members[0].operator
    for person in (network.guardian, network.proposer, network.stranger, operator):
        refused = {"sender": person.address}
        network.clusters.refuses("clusters: owner", "announce_runtime", cluster.id, NEXT, DELAY, **refused)
        network.clusters.refuses("clusters: owner", "withdraw_runtime", cluster.id, **refused)
    owner = {"sender": network.deployer.address}
    network.clusters.refuses("clusters: cluster", "announce_runtime", digest("none"), NEXT, DELAY, **owner)
    network.clusters.refuses("clusters: cluster", "withdraw_runtime", digest("none"), **owner)
    for runtime in (ZERO_DIGEST, cluster.runtime):
        network.clusters.refuses("clusters: runtime", "announce_runtime", cluster.id, runtime, DELAY, **owner)


def test_a_receipt_names_the_runtime_of_its_epoch(network: TestNetwork, cluster: Cluster) -> None:
    """A worker that signs under the old runtime after the switch, or under the new one before it."""
    wait_until(network, announce(network, cluster))
    mined = raise_epoch(network, cluster)
    start = int(network.inbox.event(mined, "Link")["index"])
    head = network.inbox.read("head_at", cluster.id, start)

    def refused(reason: str, **changes: Any) -> None:
        receipt = network.receipt(cluster, **changes)
        network.settlement.refuses(reason, "settle", receipt, network.sign_receipt(receipt, cluster.members))

    before: dict[str, Any] = {"epoch": 1, "to": start, "inbox_head": head, "new_root": StateRoot(digest("first"))}
    refused("settlement: runtime", **before, runtime=NEXT)
    refused("settlement: epoch", epoch=1)
    refused("settlement: epoch", epoch=2, runtime=NEXT)
    network.settle(cluster, **before)  # under the old runtime, after the switch: its links are of the old epoch
    refused("settlement: runtime", epoch=2)
    network.settle(replace(cluster, runtime=NEXT), epoch=2, new_root=StateRoot(digest("second")))


@pytest.mark.parametrize("delay", [0, YEAR + 1])
def test_a_network_has_a_delay(network: TestNetwork, delay: int) -> None:
    people = [network.deployer.address] * 5
    with pytest.raises(Reverted, match="clusters: delay"):
        network.evm.deploy("Clusters", *people, 1, delay, key=network.deployer)
