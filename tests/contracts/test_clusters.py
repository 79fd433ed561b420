"""Clusters: creation, membership, and who signs for a cluster."""

from __future__ import annotations

from dataclasses import replace

import pytest

from coprocessor.codec import abi
from coprocessor.crypto.hashing import keccak256
from coprocessor.protocol.links import LinkKind
from coprocessor.protocol.statements import ROLE_GATEKEEPER
from coprocessor.protocol.system import EpochChange, MemberChange, decode_epoch, decode_member
from coprocessor.values.identities import ZERO_DIGEST
from tests.contracts.evm import Evm
from tests.contracts.network import Enclave, TestNetwork, ascending, digest, secret

TAG = keccak256(b"coprocessor/v1/cluster")


def signatures_by(enclaves: list[Enclave], signed: bytes) -> list[bytes]:
    """In this order."""
    return [enclave.signer.sign(signed) for enclave in enclaves]


def test_create(network: TestNetwork) -> None:
    clusters, runtime = network.clusters, digest("runtime")
    nonce = clusters.read("count")
    mined = clusters.send(network.stranger, "create", 2, 3, 100, False, runtime)
    types = ["bytes32", "uint256", "address", "uint256"]
    cluster = keccak256(abi.encode(types, [TAG, network.evm.chain_id, clusters.address, nonce]))
    assert clusters.event(mined, "Created") == {
        "cluster": cluster,
        "owner": network.stranger.address,
        "quorum": 2,
        "fast_quorum": 3,
        "dispute_window": 100,
        "open": False,
        "runtime": runtime,
    }
    assert clusters.read("clusters", cluster) == (network.stranger.address, 1, 2, 3, 100, False, runtime, 0, 1)
    assert clusters.read("terms", cluster) == (1, 2, 3, 100, runtime, 0, 2**256 - 1)
    assert clusters.read("count") == nonce + 1
    link = network.inbox.event(mined, "Link")
    assert (link["cluster"], link["index"], link["kind"]) == (cluster, 0, LinkKind.EPOCH)
    assert decode_epoch(link["payload"]) == EpochChange(1, runtime, 2, 3)


@pytest.mark.parametrize(("quorum", "fast"), [(0, 1), (0, 0), (2, 1), (1, 17), (17, 17)])
def test_create_refuses_quorums(network: TestNetwork, quorum: int, fast: int) -> None:
    network.clusters.refuses("clusters: quorum", "create", quorum, fast, 0, True, digest("r"))


def test_create_bounds_the_dispute_window(network: TestNetwork) -> None:
    network.clusters.read("create", 16, 16, 2**32, True, digest("r"))
    network.clusters.refuses("clusters: dispute window", "create", 1, 1, 2**32 + 1, True, digest("r"))


def test_join_open_cluster(network: TestNetwork) -> None:
    cluster = network.create_cluster(members=1, quorum=1)
    enclave = network.enclave(1)
    network.admit(enclave)
    mined = network.join(cluster.id, enclave)
    event = network.clusters.event(mined, "Joined")
    assert event == {
        "cluster": cluster.id,
        "worker": enclave.worker,
        "operator": enclave.operator.address,
        "epoch": 1,
    }
    assert network.clusters.read("members", cluster.id, enclave.worker) == 1
    assert network.clusters.read("cluster_of", enclave.worker) == cluster.id
    assert network.clusters.read("clusters", cluster.id)[7] == 2
    link = network.inbox.event(mined, "Link")
    assert link["kind"] == LinkKind.MEMBER
    change = MemberChange(enclave.worker, enclave.operator.address, True, 1)
    assert decode_member(link["payload"]) == change


def test_join_closed_cluster_needs_approval(network: TestNetwork) -> None:
    cluster = network.create_cluster(members=0, quorum=1, is_open=False)
    enclave = network.enclave()
    network.admit(enclave)
    sender = enclave.operator.address
    network.clusters.refuses("clusters: approval", "join", cluster.id, enclave.worker, sender=sender)
    network.clusters.refuses("clusters: owner", "approve", cluster.id, enclave.worker, sender=sender)
    network.clusters.refuses("clusters: cluster", "approve", digest("none"), enclave.worker)
    mined = network.clusters.send(network.deployer, "approve", cluster.id, enclave.worker)
    assert network.clusters.event(mined, "Approved") == {"cluster": cluster.id, "worker": enclave.worker}
    network.join(cluster.id, enclave)
    assert network.clusters.read("members", cluster.id, enclave.worker) == 1


def test_join_refuses(network: TestNetwork) -> None:
    clusters = network.clusters
    cluster = network.create_cluster(members=0, quorum=1)
    enclave = network.enclave()
    sender = enclave.operator.address
    clusters.refuses("clusters: operator", "join", cluster.id, enclave.worker, sender=sender)
    network.admit(enclave)
    clusters.refuses("clusters: cluster", "join", digest("none"), enclave.worker, sender=sender)
    clusters.refuses("clusters: operator", "join", cluster.id, enclave.worker, sender=network.stranger.address)
    network.registry.send(network.guardian, "revoke", enclave.worker)
    clusters.refuses("clusters: revoked", "join", cluster.id, enclave.worker, sender=sender)
    gatekeeper = network.enclave()
    network.admit(gatekeeper, role=ROLE_GATEKEEPER)
    clusters.refuses("clusters: role", "join", cluster.id, gatekeeper.worker, sender=sender)


def test_a_worker_is_in_one_cluster(network: TestNetwork) -> None:
    first = network.create_cluster(members=1, quorum=1)
    second = network.create_cluster(members=0, quorum=1)
    (enclave,) = first.members
    for cluster in (first, second):
        network.clusters.refuses(
            "clusters: in a cluster", "join", cluster.id, enclave.worker, sender=enclave.operator.address
        )


@pytest.mark.parametrize("remover", ["owner", "guardian"])
def test_remove(network: TestNetwork, remover: str) -> None:
    clusters = network.clusters
    cluster = network.create_cluster(members=1, quorum=1)
    (enclave,) = cluster.members
    sender = network.deployer if remover == "owner" else network.guardian
    for nobody in (network.stranger, enclave.operator):
        clusters.refuses("clusters: remover", "remove", cluster.id, enclave.worker, sender=nobody.address)
    mined = clusters.send(sender, "remove", cluster.id, enclave.worker)
    event = clusters.event(mined, "Removed")
    assert (event["worker"], event["operator"], event["epoch"]) == (enclave.worker, enclave.operator.address, 1)
    link = network.inbox.event(mined, "Link")
    change = MemberChange(enclave.worker, enclave.operator.address, False, 1)
    assert decode_member(link["payload"]) == change
    assert clusters.read("members", cluster.id, enclave.worker) == 0
    assert clusters.read("cluster_of", enclave.worker) == ZERO_DIGEST
    assert clusters.read("clusters", cluster.id)[7] == 0
    clusters.refuses("clusters: not a member", "remove", cluster.id, enclave.worker, sender=sender.address)
    # an open cluster is closed to who was removed, until its owner says otherwise; others stay open
    clusters.refuses("clusters: approval", "join", cluster.id, enclave.worker, sender=enclave.operator.address)
    clusters.read(
        "join", network.create_cluster(members=0, quorum=1).id, enclave.worker, sender=enclave.operator.address
    )
    network.join(cluster.id, enclave, needs_approval=True)
    assert clusters.read("members", cluster.id, enclave.worker) == 1


def test_members_are_bounded(network: TestNetwork) -> None:
    cluster = network.create_cluster(members=0, quorum=1)
    enclaves = [network.enclave() for _ in range(64)]
    admissions = [network.admission(enclave) for enclave in enclaves]
    operator = enclaves[0].operator
    calls = [(admission, b"", network.sign_admission(admission)) for admission in admissions]
    network.registry.send_many(operator, "admit", calls, gas=500_000)
    joins = [(cluster.id, enclave.worker) for enclave in enclaves]
    network.clusters.send_many(operator, "join", joins, gas=250_000)
    late = network.enclave()
    network.admit(late)
    network.clusters.refuses("clusters: full", "join", cluster.id, late.worker, sender=late.operator.address)


def test_check_signatures_returns_who_signed(network: TestNetwork) -> None:
    cluster = network.create_cluster(members=3)
    signed = digest("anything")
    ordered = ascending(cluster.members)
    assert network.clusters.read("check_signatures", cluster.id, signed, []) == []
    for signers in (ordered[:1], ordered[1:], ordered):
        found = network.clusters.read("check_signatures", cluster.id, signed, signatures_by(signers, signed))
        assert found == [enclave.worker for enclave in signers]


def test_check_signatures_refuses(network: TestNetwork) -> None:
    cluster, other = network.create_cluster(members=2), network.create_cluster(members=1, quorum=1)
    signed = digest("anything")
    a, b = ascending(cluster.members)
    good = signatures_by([a, b], signed)

    def refuses(reason: str, *signatures: bytes) -> None:
        network.clusters.refuses(reason, "check_signatures", cluster.id, signed, list(signatures))

    refuses("clusters: order", good[1], good[0])
    refuses("clusters: order", good[0], good[0])
    refuses("clusters: signature", good[0][:64] + b"\x02")
    refuses("clusters: signer", secret("stranger").sign(signed))
    refuses("clusters: signer", network.deployer.sign(signed))
    refuses("clusters: signer", a.operator.sign(signed))
    refuses("clusters: signer", a.signer.sign(digest("something else")))
    refuses("clusters: member", other.members[0].signer.sign(signed))
    network.clusters.send(network.guardian, "remove", cluster.id, a.worker)
    refuses("clusters: member", good[0])
    network.registry.send(network.guardian, "revoke", b.worker)
    refuses("clusters: revoked", good[1])


def test_check_signatures_refuses_a_replaced_key(network: TestNetwork) -> None:
    cluster = network.create_cluster(members=1, quorum=1)
    (old,) = cluster.members
    new = replace(old, signer=secret(network.label("restart")))
    network.admit(new)
    signed = digest("anything")
    network.clusters.refuses("clusters: signer", "check_signatures", cluster.id, signed, signatures_by([old], signed))
    found = network.clusters.read("check_signatures", cluster.id, signed, signatures_by([new], signed))
    assert found == [old.worker]


def test_check_signatures_counts_an_operator_once(network: TestNetwork) -> None:
    cluster = network.create_cluster(members=1, quorum=1)
    twin = network.enclave(0)
    network.admit(twin)
    network.join(cluster.id, twin)
    signed = digest("anything")
    pair = signatures_by(ascending([*cluster.members, twin]), signed)
    network.clusters.refuses("clusters: operator twice", "check_signatures", cluster.id, signed, pair)


def test_check_signatures_counts_a_platform_once(network: TestNetwork) -> None:
    cluster = network.create_cluster(members=1, quorum=1)
    shared = replace(network.enclave(1), platform=cluster.members[0].platform)
    network.admit(shared)
    network.join(cluster.id, shared)
    signed = digest("anything")
    pair = signatures_by(ascending([*cluster.members, shared]), signed)
    network.clusters.refuses("clusters: platform twice", "check_signatures", cluster.id, signed, pair)


def test_expiry_ends_joining_and_signing(evm: Evm) -> None:
    """In a network of its own, for it moves the chain's clock."""
    network = TestNetwork(evm)
    cluster = network.create_cluster(members=0, quorum=1)
    signing, late = network.enclave(0), network.enclave(1)
    expires = evm.timestamp() + 1000
    for enclave in (signing, late):
        network.admit(enclave, expires=expires)
    network.join(cluster.id, signing)
    signed = digest("anything")
    by = signatures_by([signing], signed)
    assert network.clusters.read("check_signatures", cluster.id, signed, by) == [signing.worker]
    evm.client.call("evm_setNextBlockTimestamp", expires)
    evm.mine()
    network.clusters.refuses("clusters: expired", "check_signatures", cluster.id, signed, by)
    network.clusters.refuses("clusters: expired", "join", cluster.id, late.worker, sender=late.operator.address)
