"""Inbox: the chain of links, its entry points and its ring."""

from __future__ import annotations

from typing import Any

import pytest

from coprocessor.protocol.links import Link, LinkKind, compute_genesis_head, compute_head
from coprocessor.protocol.system import RequestPayload, compute_request_id, decode_request
from coprocessor.values.identities import ZERO_ADDRESS, ZERO_DIGEST, Address, Digest, from_hex
from tests.contracts.evm import Mined, Reverted
from tests.contracts.network import Cluster, TestNetwork, digest


@pytest.fixture
def cluster(network: TestNetwork) -> Cluster:
    """An open cluster without members: its inbox has one link."""
    return network.create_cluster(members=0)


def links_of(network: TestNetwork, mined: Mined) -> list[Link]:
    """The links of a transaction, as a follower sees them: event and header."""
    block = network.evm.block(mined.block_number)
    return [
        Link(
            index=event["index"],
            kind=event["kind"],
            origin=event["origin"],
            payer=event["payer"],
            item_count=event["item_count"],
            fuel_limit=event["fuel_limit"],
            fee_limit=event["fee_limit"],
            block_number=mined.block_number,
            timestamp=int(block["timestamp"], 16),
            prevrandao=Digest(from_hex(block["mixHash"])),
            payload=event["payload"],
        )
        for event in network.inbox.events(mined, "Link")
    ]


def assert_extends(network: TestNetwork, cluster: Cluster, before: Digest, mined: Mined) -> Link:
    """Asserts that a transaction added one link, which leads from one head to the next; returns it."""
    (link,) = links_of(network, mined)
    head = compute_head(before, link)
    assert network.inbox.read("heads", cluster.id) == head
    assert network.inbox.read("counts", cluster.id) == link.index + 1
    assert network.inbox.read("head_at", cluster.id, link.index + 1) == head
    return link


def test_first_link_is_the_epoch(network: TestNetwork) -> None:
    inbox, clusters = network.inbox, network.clusters
    mined = clusters.send(network.deployer, "create", 1, 1, 0, True, digest("runtime"))
    cluster = clusters.event(mined, "Created")["cluster"]
    genesis = compute_genesis_head(network.evm.chain_id, inbox.address, cluster)
    assert inbox.read("genesis_head", cluster) == genesis
    (link,) = links_of(network, mined)
    assert (link.index, link.kind, link.origin, link.payer) == (0, LinkKind.EPOCH, clusters.address, ZERO_ADDRESS)
    assert (link.item_count, link.fuel_limit, link.fee_limit) == (0, 0, 0)
    assert inbox.read("heads", cluster) == compute_head(genesis, link)


def test_submit(network: TestNetwork, cluster: Cluster) -> None:
    before = network.inbox.read("heads", cluster.id)
    mined = network.inbox.send(network.stranger, "submit", cluster.id, 2**64 - 1, 0, b"item")
    link = assert_extends(network, cluster, before, mined)
    me = network.stranger.address
    assert (link.kind, link.origin, link.payer, link.item_count) == (LinkKind.SUBMIT, me, me, 1)
    assert (link.fuel_limit, link.fee_limit, link.payload) == (2**64 - 1, 0, b"item")


def test_submit_batch(network: TestNetwork, cluster: Cluster) -> None:
    before = network.inbox.read("heads", cluster.id)
    payload = b"\xb0" * 114688
    mined = network.inbox.send(network.stranger, "submit_batch", cluster.id, 1024, 5, 0, payload)
    link = assert_extends(network, cluster, before, mined)
    me = network.stranger.address
    assert (link.kind, link.origin, link.payer, link.item_count) == (LinkKind.BATCH, me, me, 1024)
    assert (link.fuel_limit, link.fee_limit, link.payload) == (5, 0, payload)


def test_empty_payloads_are_links_too(network: TestNetwork, cluster: Cluster) -> None:
    before = network.inbox.read("heads", cluster.id)
    mined = network.inbox.send(network.stranger, "submit", cluster.id, 0, 0, b"")
    assert assert_extends(network, cluster, before, mined).payload == b""


def test_value_and_fee_limit_reach_fees(network: TestNetwork, cluster: Cluster) -> None:
    payer = network.operators[3]
    start = network.fees.read("balances", payer.address)
    mined = network.inbox.send(payer, "submit", cluster.id, 1, 30, b"item", value=100)
    (link,) = links_of(network, mined)
    assert link.fee_limit == 30
    assert network.fees.read("balances", payer.address) == start + 70
    assert network.fees.read("reservations", cluster.id, link.index) == (payer.address, 30)
    network.inbox.send(payer, "submit_batch", cluster.id, 2, 1, 70, b"items")
    assert network.fees.read("reservations", cluster.id, link.index + 1) == (payer.address, 70)
    mined = network.inbox.send(payer, "submit", cluster.id, 1, 0, b"item", value=9)
    assert network.fees.read("balances", payer.address) == start + 9
    assert network.fees.read("reservations", cluster.id, link.index + 2) == (ZERO_ADDRESS, 0)


@pytest.mark.parametrize(
    ("reason", "arguments"),
    [
        ("inbox: fuel limit", (2**64, 0)),
        ("inbox: fee limit", (1, 2**96)),
        ("fees: balance", (1, 2**96 - 1)),
    ],
)
def test_limits(network: TestNetwork, cluster: Cluster, reason: str, arguments: tuple[int, int]) -> None:
    program = network.instantiate(cluster.id)
    network.inbox.refuses(reason, "submit", cluster.id, *arguments, b"item")
    network.inbox.refuses(reason, "submit_batch", cluster.id, 1, *arguments, b"items")
    network.inbox.refuses(reason, "request", program, b"\1\2\3\4", *arguments, 0, b"")


def test_submit_refuses(network: TestNetwork, cluster: Cluster) -> None:
    inbox = network.inbox
    inbox.refuses("inbox: cluster", "submit", digest("none"), 1, 0, b"item")
    inbox.refuses("inbox: cluster", "submit_batch", digest("none"), 1, 1, 0, b"items")
    for count in (0, 1025, 2**256 - 1):
        inbox.refuses("inbox: items", "submit_batch", cluster.id, count, 1, 0, b"items")
    with pytest.raises(Reverted):
        inbox.read("submit", cluster.id, 1, 0, b"\0" * 4097)
    with pytest.raises(Reverted):
        inbox.read("submit_batch", cluster.id, 1, 1, 0, b"\0" * 114689)


def test_request(network: TestNetwork, cluster: Cluster) -> None:
    network.instantiate(cluster.id)
    program = network.instantiate(cluster.id)
    inbox, before = network.inbox, network.inbox.read("heads", cluster.id)
    arguments = b"\xa5" * 4096
    mined = inbox.send(network.stranger, "request", program, b"\1\2\3\4", 10, 0, 2**23, arguments)
    link = assert_extends(network, cluster, before, mined)
    me = network.stranger.address
    request = compute_request_id(network.evm.chain_id, inbox.address, cluster.id, link.index)
    assert (link.kind, link.origin, link.payer, link.item_count) == (LinkKind.REQUEST, me, me, 1)
    payload = RequestPayload(program, 1, request, b"\1\2\3\4", 2**23, arguments)
    assert decode_request(link.payload) == payload
    assert inbox.event(mined, "Requested") == {
        "request": request,
        "consumer": me,
        "program": program,
        "cluster": cluster.id,
        "link": link.index,
    }
    assert inbox.read("requests", request) == (me, program, cluster.id, 2**23, link.index)
    assert inbox.read("requests", digest("none")) == (ZERO_ADDRESS, ZERO_DIGEST, ZERO_DIGEST, 0, 0)


def test_request_refuses(network: TestNetwork, cluster: Cluster) -> None:
    program = network.instantiate(cluster.id)
    network.inbox.refuses("inbox: program", "request", digest("none"), bytes(4), 1, 0, 0, b"")
    network.inbox.refuses("inbox: callback gas", "request", program, bytes(4), 1, 0, 2**23 + 1, b"")
    with pytest.raises(Reverted):
        network.inbox.read("request", program, bytes(4), 1, 0, 0, b"\0" * 4097)


KINDS = {
    "clusters": (LinkKind.EPOCH, LinkKind.MEMBER),
    "programs": (LinkKind.INSTANTIATE, LinkKind.UPGRADE),
    "settlement": (LinkKind.SKIP, LinkKind.ACTION_RESULT),
}


@pytest.mark.parametrize("kind", range(24))
def test_each_system_kind_comes_from_one_contract(network: TestNetwork, cluster: Cluster, kind: int) -> None:
    callers: dict[str, Address] = {name: getattr(network, name).address for name in (*KINDS, "fees", "registry")}
    callers["stranger"] = network.stranger.address
    for name, sender in callers.items():
        call: tuple[Any, ...] = ("append_system", cluster.id, kind, b"payload")
        if kind in KINDS.get(name, ()):
            assert network.inbox.read(*call, sender=sender) == 1
        else:
            network.inbox.refuses("inbox: system kind", *call, sender=sender)


def test_a_cluster_begins_with_its_epoch(network: TestNetwork) -> None:
    nobody = digest("unborn")
    call = ("append_system", nobody, LinkKind.MEMBER, b"")
    network.inbox.refuses("inbox: cluster", *call, sender=network.clusters.address)
    assert network.inbox.read("append_system", nobody, LinkKind.EPOCH, b"", sender=network.clusters.address) == 0


def test_system_links_take_no_value(network: TestNetwork, cluster: Cluster) -> None:
    with pytest.raises(Reverted):
        network.inbox.read("append_system", cluster.id, LinkKind.EPOCH, b"", sender=network.clusters.address, value=1)


def test_ring_keeps_256_heads(network: TestNetwork, cluster: Cluster) -> None:
    inbox, seen = network.inbox, {1: network.inbox.read("heads", cluster.id)}
    for reason_count in (0, 2, 2**256 - 1):
        inbox.refuses("inbox: ring", "head_at", cluster.id, reason_count)
    inbox.refuses("inbox: ring", "head_at", digest("none"), 0)
    inbox.refuses("inbox: ring", "head_at", digest("none"), 1)
    count = 1
    for more in (1, 1, 1, 252, 1, 1):
        inbox.send_many(network.stranger, "submit", [(cluster.id, 0, 0, b"")] * more, gas=100_000)
        count += more
        seen[count] = inbox.read("heads", cluster.id)
    assert inbox.read("counts", cluster.id) == 258
    for gone in (1, 2):
        inbox.refuses("inbox: ring", "head_at", cluster.id, gone)
    inbox.refuses("inbox: ring", "head_at", cluster.id, 259)
    for count in (3, 4, 256, 257, 258):
        assert inbox.read("head_at", cluster.id, count) == seen[count]
    assert len(set(seen.values())) == len(seen)


def test_clusters_do_not_touch_each_other(network: TestNetwork, cluster: Cluster) -> None:
    other = network.create_cluster(members=0)
    before = network.inbox.read("heads", cluster.id)
    network.inbox.send(network.stranger, "submit", other.id, 0, 0, b"item")
    assert network.inbox.read("heads", cluster.id) == before
    assert network.inbox.read("counts", cluster.id) == 1
