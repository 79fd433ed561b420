"""Epochs of a cluster's keys on the chain: raising, settling across their ends, closing (PROTOCOL 7.2, 8.3, 8.4)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from coprocessor.crypto.secp256k1 import PrivateKey
from coprocessor.protocol.links import LinkKind
from coprocessor.protocol.statements import Boundary, HeldRecord
from coprocessor.protocol.system import EpochChange, decode_epoch
from coprocessor.values.identities import ZERO_DIGEST, StateRoot
from tests.contracts.network import HOLDERS, Cluster, Enclave, TestNetwork, ascending, digest

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


Holder = tuple[int, bytes, bytes]


def hold(
    network: TestNetwork, made: Boundary, operator: PrivateKey, gatekeeper: int = 0, worker: bytes = ZERO_DIGEST
) -> Holder:
    """An operator's word that it holds the boundary's checkpoint, by a gatekeeper's number from 1 or a worker."""
    record = HeldRecord(made.network, made.cluster, made.checkpoint)
    return gatekeeper, worker, operator.sign(record.digest(network.evm.chain_id, network.clusters.address))


def outsider(network: TestNetwork, operator: int = 3) -> Enclave:
    """An admitted worker that is in no cluster."""
    enclave = network.enclave(operator)
    network.admit(enclave)
    return enclave


def holders(network: TestNetwork, made: Boundary) -> list[Holder]:
    """As many as the contract wants: the gatekeepers' operator, and the operator of an outside worker."""
    outside = outsider(network)
    return [hold(network, made, network.deployer, 1), hold(network, made, outside.operator, worker=outside.worker)]


def end_gatekeeper(network: TestNetwork, index: int) -> None:
    """The committee gets its keys, and the guardian ends one of its members."""
    keys = [bytes([at]) * 96 for at in range(1, len(network.gatekeepers) + 1)]
    signed = network.master_key_digest(keys[0], keys)
    signatures = [key.sign(signed) for key in network.gatekeepers]
    network.gatekeeping.send(network.stranger, "complete", keys[0], keys, signatures)
    network.gatekeeping.send(network.guardian, "revoke", network.gatekeepers[index].address)


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
    newest, held = newest_receipt(network, rotated), holders(network, made)
    mined = network.clusters.send(network.stranger, "close_epochs", made, newest, signatures, held)
    event = network.clusters.event(mined, "EpochsClosed")
    assert (event["epoch"], event["count"], event["checkpoint"]) == (2, made.count, made.checkpoint)
    assert len(event["signers"]) == 2
    assert event["holders"] == [network.deployer.address, network.operators[3].address]
    assert network.clusters.read("boundaries", rotated.id) == (
        2,
        made.count,
        made.inbox_head,
        made.root,
        made.checkpoint,
    )
    assert network.clusters.read("clusters", rotated.id)[8] == 2
    network.clusters.refuses("clusters: epoch", "close_epochs", made, newest, signatures, held)  # once


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
    network.clusters.refuses(reason, "close_epochs", made, newest_receipt(network, rotated), signatures, [])


def test_closing_needs_a_quorum_and_a_final_receipt(network: TestNetwork, rotated: Cluster) -> None:
    made, newest = boundary(network, rotated), newest_receipt(network, rotated)
    few = sign(network, rotated, made, members=1)
    network.clusters.refuses("clusters: quorum", "close_epochs", made, newest, few, [])
    both = sign(network, rotated, made)
    network.clusters.refuses("clusters: not final", "close_epochs", made, newest + 1, both, [])
    network.clusters.refuses("clusters: state", "close_epochs", made, newest - 1, both, [])
    other = sign(network, rotated, replace(made, checkpoint=digest("forged")))
    network.clusters.refuses("clusters: signer", "close_epochs", made, newest, other, [])


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
    newest, signed = newest_receipt(network, cluster), sign(network, cluster, made)
    network.clusters.send(network.stranger, "close_epochs", made, newest, signed, holders(network, made))
    assert raise_epoch(network, cluster) == MAX_OPEN_EPOCHS + 1


# Operators outside the cluster hold the checkpoint (PROTOCOL 8.4)


def refuse_to_close(network: TestNetwork, cluster: Cluster, reason: str, made: Boundary, held: list[Holder]) -> None:
    newest, signed = newest_receipt(network, cluster), sign(network, cluster, made)
    network.clusters.refuses(reason, "close_epochs", made, newest, signed, held)


def test_epochs_close_only_once_enough_operators_outside_hold_the_checkpoint(
    network: TestNetwork, rotated: Cluster
) -> None:
    made = boundary(network, rotated)
    held = holders(network, made)
    assert len(held) == HOLDERS
    refuse_to_close(network, rotated, "clusters: holders", made, [])
    refuse_to_close(network, rotated, "clusters: holders", made, held[:1])
    refuse_to_close(network, rotated, "clusters: holder twice", made, [held[0], (2, *held[0][1:])])
    newest, signed = newest_receipt(network, rotated), sign(network, rotated, made)
    network.clusters.send(network.stranger, "close_epochs", made, newest, signed, held)


def test_operators_of_members_hold_nothing_for_their_own_cluster(network: TestNetwork, rotated: Cluster) -> None:
    made, member = boundary(network, rotated), rotated.members[0]
    again = network.enclave(0)  # another machine of a member's operator, in no cluster
    network.admit(again)
    for worker in (member.worker, again.worker):
        inside = hold(network, made, member.operator, worker=worker)
        refuse_to_close(network, rotated, "clusters: holder inside", made, [inside])
    network.clusters.send(network.guardian, "remove", rotated.id, member.worker)
    assert network.clusters.read("seats", rotated.id, member.operator.address) == 0


def test_only_gatekeepers_and_live_workers_of_the_operator_count(network: TestNetwork, rotated: Cluster) -> None:
    made = boundary(network, rotated)
    outside, revoked = outsider(network), outsider(network, 4)
    network.registry.send(network.guardian, "revoke", revoked.worker)
    wrong = [
        hold(network, made, network.stranger, 1),
        hold(network, made, network.deployer, 4),  # the committee has three members
        hold(network, made, network.stranger),
        hold(network, made, network.stranger, worker=outside.worker),
        hold(network, made, revoked.operator, worker=revoked.worker),
    ]
    for held in wrong:
        refuse_to_close(network, rotated, "clusters: holder", made, [held])
    end_gatekeeper(network, 2)
    refuse_to_close(network, rotated, "clusters: holder", made, [hold(network, made, network.deployer, 3)])
    refuse_to_close(network, rotated, "clusters: holders", made, [hold(network, made, network.deployer, 1)])
    other = boundary(network, rotated, checkpoint=digest("another"))
    for signature in (hold(network, other, network.deployer, 1)[2], bytes(65)):
        reason = "clusters: signature" if signature == bytes(65) else "clusters: holder"
        refuse_to_close(network, rotated, reason, made, [(1, ZERO_DIGEST, signature)])


# New keys follow a removal


def test_containing_removes_and_raises_at_once(network: TestNetwork, cluster: Cluster) -> None:
    start, broken = links(network, cluster), cluster.members[0]
    mined = network.clusters.send(network.guardian, "contain", cluster.id, [broken.worker])
    assert network.clusters.event(mined, "Removed")["worker"] == broken.worker
    assert network.clusters.event(mined, "EpochRaised")["epoch"] == 2
    assert network.clusters.read("members", cluster.id, broken.worker) == 0
    assert network.clusters.read("epochs", cluster.id, 2)[0] == start + 1  # after the link of the removal
    assert not network.clusters.read("is_exposed", cluster.id)
    network.clusters.refuses(
        "clusters: not a member", "contain", cluster.id, [broken.worker], sender=network.guardian.address
    )


def test_anybody_contains_members_that_are_revoked(network: TestNetwork, cluster: Cluster) -> None:
    broken, good = cluster.members
    stranger = network.stranger.address
    network.clusters.refuses("clusters: remover", "contain", cluster.id, [broken.worker], sender=stranger)
    network.clusters.refuses("clusters: raiser", "contain", cluster.id, [], sender=stranger)
    network.clusters.refuses("clusters: cluster", "contain", digest("none"), [], sender=stranger)
    network.registry.send(network.guardian, "revoke", broken.worker)
    network.clusters.refuses("clusters: remover", "contain", cluster.id, [broken.worker, good.worker], sender=stranger)
    network.clusters.send(network.stranger, "contain", cluster.id, [broken.worker])
    assert network.clusters.read("clusters", cluster.id)[1] == 2
    network.clusters.refuses("clusters: raiser", "contain", cluster.id, [], sender=stranger)


def test_anybody_raises_after_a_removal_once(network: TestNetwork, cluster: Cluster) -> None:
    network.clusters.send(network.guardian, "remove", cluster.id, cluster.members[0].worker)
    assert network.clusters.read("is_exposed", cluster.id)
    network.clusters.send(network.stranger, "contain", cluster.id, [])
    assert network.clusters.read("clusters", cluster.id)[1] == 2
    network.clusters.refuses("clusters: raiser", "contain", cluster.id, [], sender=network.stranger.address)
