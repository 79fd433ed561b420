"""Epochs of a cluster's keys on the chain: raising, settling across their ends, closing (PROTOCOL 7.2, 8.3, 8.4)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from coprocessor.protocol.links import LinkKind
from coprocessor.protocol.statements import Boundary
from coprocessor.protocol.system import EpochChange, decode_epoch
from coprocessor.values.identities import StateRoot
from tests.contracts.network import Cluster, TestNetwork, ascending, digest

MAX_OPEN_EPOCHS = 16
FOREVER = 2**256 - 1


@pytest.fixture
def cluster(network: TestNetwork) -> Cluster:
    return network.create_cluster(members=2, quorum=2)


def raise_epoch(network: TestNetwork, cluster: Cluster) -> int:
    network.clusters.send(network.guardian, "raise_epoch", cluster.id)
    return int(network.clusters.read("clusters", cluster.id)[1])


def links(network: TestNetwork, cluster: Cluster) -> int:
    return int(network.inbox.read("counts", cluster.id))


def boundary(network: TestNetwork, cluster: Cluster, /, **changes: Any) -> Boundary:
    """What the members would sign now about the newest settled state."""
    count, root, _ = network.settlement.read("settled", cluster.id)
    made = Boundary(
        network=network.genesis,
        cluster=cluster.id,
        epoch=network.clusters.read("clusters", cluster.id)[1],
        count=count,
        inbox_head=network.inbox.read("head_at", cluster.id, count),
        root=StateRoot(root),
        checkpoint=digest("checkpoint"),
    )
    return replace(made, **changes)


def sign(network: TestNetwork, cluster: Cluster, statement: Boundary, members: int = 2) -> list[bytes]:
    signed = statement.digest(network.evm.chain_id, network.clusters.address)
    return [enclave.signer.sign(signed) for enclave in ascending(cluster.members[:members])]


def newest_receipt(network: TestNetwork, cluster: Cluster) -> int:
    return int(network.settlement.read("settled", cluster.id)[2]) - 1


@pytest.mark.parametrize("raiser", ["deployer", "guardian"])
def test_raising_appends_the_first_link_of_the_epoch(network: TestNetwork, cluster: Cluster, raiser: str) -> None:
    start = links(network, cluster)
    mined = network.clusters.send(getattr(network, raiser), "raise_epoch", cluster.id)
    link = network.inbox.event(mined, "Link")
    assert (link["index"], link["kind"]) == (start, LinkKind.EPOCH)
    assert decode_epoch(link["payload"]) == EpochChange(2, cluster.runtime, 2, 2)
    assert network.clusters.event(mined, "EpochRaised")["link"] == start
    assert network.clusters.read("epochs", cluster.id, 2)[:4] == (start, 2, 2, cluster.runtime)
    assert network.clusters.read("terms_at", cluster.id, 1)[5:] == (0, start)
    assert network.clusters.read("terms_at", cluster.id, 2)[5:] == (start, FOREVER)
    assert network.clusters.read("terms", cluster.id)[0] == 2
    assert network.clusters.read("terms_at", cluster.id, 3)[0] == 0
    assert network.clusters.read("terms_at", cluster.id, 0)[0] == 0


def test_others_cannot_raise(network: TestNetwork, cluster: Cluster) -> None:
    for sender in (network.stranger, cluster.members[0].operator):
        network.clusters.refuses("clusters: raiser", "raise_epoch", cluster.id, sender=sender.address)
    network.clusters.refuses("clusters: cluster", "raise_epoch", digest("none"), sender=network.guardian.address)


def test_open_epochs_are_bounded(network: TestNetwork, cluster: Cluster) -> None:
    for epoch in range(2, MAX_OPEN_EPOCHS + 1):
        assert raise_epoch(network, cluster) == epoch
    network.clusters.refuses("clusters: epochs", "raise_epoch", cluster.id, sender=network.guardian.address)


def test_receipts_stay_inside_their_epoch(network: TestNetwork, cluster: Cluster) -> None:
    raise_epoch(network, cluster)
    start, end = links(network, cluster) - 1, links(network, cluster)

    def refused(reason: str, **changes: Any) -> None:
        receipt = network.receipt(cluster, **changes)
        signatures = network.sign_receipt(receipt, cluster.members)
        network.settlement.refuses(reason, "settle", receipt, signatures)

    head = network.inbox.read("head_at", cluster.id, start)
    refused("settlement: epoch")  # epoch 1, but it reaches into the next one
    refused("settlement: epoch", epoch=2)  # epoch 2, but it begins in the one before
    refused("settlement: epoch", epoch=3, to=start, inbox_head=head)
    network.settle(cluster, epoch=1, to=start, inbox_head=head, new_root=StateRoot(digest("first")))
    refused("settlement: epoch", epoch=1)
    network.settle(cluster, epoch=2, new_root=StateRoot(digest("second")))
    assert network.settlement.read("settled", cluster.id)[0] == end


@pytest.fixture
def rotated(network: TestNetwork, cluster: Cluster) -> Cluster:
    """A cluster in its second epoch, settled up to one link beyond its beginning."""
    raise_epoch(network, cluster)
    start = links(network, cluster) - 1
    network.settle(cluster, to=start, inbox_head=network.inbox.read("head_at", cluster.id, start))
    network.settle(cluster, epoch=2)
    return cluster


def test_closing_records_where_the_older_keys_ended(network: TestNetwork, rotated: Cluster) -> None:
    made = boundary(network, rotated)
    signatures = sign(network, rotated, made)
    mined = network.clusters.send(
        network.stranger, "close_epochs", made, newest_receipt(network, rotated), signatures
    )
    event = network.clusters.event(mined, "EpochsClosed")
    assert (event["epoch"], event["count"], event["checkpoint"]) == (2, made.count, made.checkpoint)
    assert len(event["signers"]) == 2
    assert network.clusters.read("boundaries", rotated.id) == (
        2,
        made.count,
        made.inbox_head,
        made.root,
        made.checkpoint,
    )
    assert network.clusters.read("clusters", rotated.id)[8] == 2
    network.clusters.refuses(
        "clusters: epoch", "close_epochs", made, newest_receipt(network, rotated), signatures
    )  # once


@pytest.mark.parametrize(
    ("reason", "changes"),
    [
        ("clusters: network", {"network": digest("other")}),
        ("clusters: epoch", {"epoch": 1}),
        ("clusters: epoch", {"epoch": 3}),
        ("clusters: epoch", {"count": 1}),
        ("clusters: state", {"root": digest("other")}),
        ("clusters: head", {"inbox_head": digest("other")}),
        ("clusters: epoch", {"cluster": digest("other")}),
    ],
)
def test_closing_refuses_another_state(
    network: TestNetwork, rotated: Cluster, reason: str, changes: dict[str, Any]
) -> None:
    made = boundary(network, rotated, **changes)
    signatures = sign(network, rotated, made)
    network.clusters.refuses(reason, "close_epochs", made, newest_receipt(network, rotated), signatures)


def test_closing_needs_a_quorum_and_a_final_receipt(network: TestNetwork, rotated: Cluster) -> None:
    made, newest = boundary(network, rotated), newest_receipt(network, rotated)
    few = sign(network, rotated, made, members=1)
    network.clusters.refuses("clusters: quorum", "close_epochs", made, newest, few)
    both = sign(network, rotated, made)
    network.clusters.refuses("clusters: not final", "close_epochs", made, newest + 1, both)
    network.clusters.refuses("clusters: state", "close_epochs", made, newest - 1, both)
    other = sign(network, rotated, replace(made, checkpoint=digest("forged")))
    network.clusters.refuses("clusters: signer", "close_epochs", made, newest, other)


def test_after_closing_epochs_can_be_raised_again(network: TestNetwork, cluster: Cluster) -> None:
    for _ in range(2, MAX_OPEN_EPOCHS + 1):
        raise_epoch(network, cluster)
    while (settled := network.settlement.read("settled", cluster.id)[0]) < links(network, cluster):
        epochs = range(1, MAX_OPEN_EPOCHS + 1)
        terms = next(
            terms
            for terms in (network.clusters.read("terms_at", cluster.id, epoch) for epoch in epochs)
            if terms[5] <= settled < terms[6]
        )
        to = min(terms[6], links(network, cluster))
        head = network.inbox.read("head_at", cluster.id, to)
        network.settle(cluster, epoch=terms[0], to=to, inbox_head=head)
    made = boundary(network, cluster)
    network.clusters.send(
        network.stranger, "close_epochs", made, newest_receipt(network, cluster), sign(network, cluster, made)
    )
    assert raise_epoch(network, cluster) == MAX_OPEN_EPOCHS + 1
