"""Settlement: receipts, finality, contests, equivocation."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from coprocessor.protocol.layout import settlement_frozen_from
from coprocessor.protocol.receipts import Receipt
from coprocessor.values.identities import ZERO_ADDRESS, ZERO_DIGEST, Digest, StateRoot
from tests.contracts.network import Cluster, Enclave, TestNetwork, ascending, digest, secret


@pytest.fixture
def cluster(network: TestNetwork) -> Cluster:
    """Two members, both needed, final at once."""
    return network.create_cluster()


@pytest.fixture(scope="module")
def untouched(network: TestNetwork) -> Cluster:
    """The same for tests that change nothing."""
    return network.create_cluster()


def refuses(
    network: TestNetwork,
    reason: str,
    receipt: Receipt,
    signers: tuple[Enclave, ...] | list[Enclave],
    function: str = "settle",
) -> None:
    """Asserts that a receipt that these enclaves signed is refused."""
    network.settlement.refuses(reason, function, receipt, network.sign_receipt(receipt, signers))


def submit(network: TestNetwork, cluster: Cluster) -> None:
    """One more link."""
    network.inbox.send(network.stranger, "submit", cluster.id, 1, 0, b"item")


# settle


def test_a_stranger_settles(network: TestNetwork, cluster: Cluster) -> None:
    settlement = network.settlement
    receipt = network.receipt(cluster)
    assert (receipt.first, receipt.to, receipt.previous_root) == (0, 3, ZERO_DIGEST)
    mined = settlement.send(network.stranger, "settle", receipt, network.sign_receipt(receipt, cluster.members))
    assert settlement.event(mined, "Settled") == {
        "cluster": cluster.id,
        "receipt_number": 0,
        "first": 0,
        "to": 3,
        "new_root": receipt.new_root,
        "outputs_root": receipt.outputs_root,
        "signers": [enclave.worker for enclave in ascending(cluster.members)],
        "final_block": mined.block_number,
    }
    assert settlement.read("settled", cluster.id) == (3, receipt.new_root, 1)
    stored = (3, receipt.new_root, receipt.outputs_root, mined.block_number)
    assert settlement.read("receipts", cluster.id, 0) == stored
    assert settlement.read("is_final", cluster.id, 0)
    assert settlement.read("final_count", cluster.id) == 3


def test_receipts_follow_one_another(network: TestNetwork, cluster: Cluster) -> None:
    network.settle(cluster)
    submit(network, cluster)
    submit(network, cluster)
    middle = replace(network.receipt(cluster), to=4, inbox_head=network.inbox.read("head_at", cluster.id, 4))
    network.settlement.send(network.stranger, "settle", middle, network.sign_receipt(middle, cluster.members))
    network.settle(cluster, new_root=digest("third"))
    assert network.settlement.read("settled", cluster.id) == (5, digest("third"), 3)
    assert [network.settlement.read("receipts", cluster.id, n)[0] for n in range(3)] == [3, 4, 5]
    assert network.settlement.read("final_count", cluster.id) == 5


@pytest.mark.parametrize(
    ("reason", "changes"),
    [
        ("settlement: network", {"network": digest("other")}),
        ("settlement: network", {"network": ZERO_DIGEST}),
        ("settlement: epoch", {"cluster": digest("other")}),
        ("settlement: epoch", {"epoch": 0}),
        ("settlement: epoch", {"epoch": 2}),
        ("settlement: runtime", {"runtime": digest("other")}),
        ("settlement: from", {"first": 1}),
        ("settlement: to", {"to": 0}),
        ("settlement: head", {"to": 2}),
        ("inbox: ring", {"to": 4}),
        ("inbox: ring", {"to": 2**64 - 1}),
        ("settlement: head", {"inbox_head": digest("other")}),
        ("settlement: head", {"inbox_head": ZERO_DIGEST}),
        ("settlement: previous root", {"previous_root": digest("other")}),
        ("settlement: block", {"block_hash": digest("fork")}),
        ("settlement: block", {"block_number": 2**64 - 1}),
    ],
)
def test_settle_refuses(network: TestNetwork, untouched: Cluster, reason: str, changes: dict[str, Any]) -> None:
    refuses(network, reason, network.receipt(untouched, **changes), untouched.members)


def test_settle_refuses_a_receipt_twice(network: TestNetwork, cluster: Cluster) -> None:
    receipt = network.receipt(cluster)
    network.settlement.send(network.stranger, "settle", receipt, network.sign_receipt(receipt, cluster.members))
    refuses(network, "settlement: from", receipt, cluster.members)
    submit(network, cluster)
    rolled_back = network.receipt(cluster, previous_root=ZERO_DIGEST)
    refuses(network, "settlement: previous root", rolled_back, cluster.members)
    empty = network.receipt(cluster, to=3, inbox_head=receipt.inbox_head)
    refuses(network, "settlement: to", empty, cluster.members)


def test_one_of_two_successors_is_accepted(network: TestNetwork, cluster: Cluster) -> None:
    one = network.receipt(cluster, new_root=StateRoot(digest("one")))
    other = replace(one, new_root=StateRoot(digest("other")))
    network.settlement.send(network.stranger, "settle", one, network.sign_receipt(one, cluster.members))
    refuses(network, "settlement: from", other, cluster.members)


def test_settle_needs_a_quorum_of_members(network: TestNetwork) -> None:
    cluster, other = network.create_cluster(members=3), network.create_cluster()
    receipt = network.receipt(cluster)
    a, b, c = ascending(cluster.members)
    refuses(network, "settlement: quorum", receipt, [])
    refuses(network, "settlement: quorum", receipt, [b])
    refuses(network, "clusters: order", receipt, [a, a])
    refuses(network, "clusters: member", receipt, other.members)
    deployer = Enclave(network.deployer, digest("none"), network.deployer)
    refuses(network, "clusters: signer", receipt, [deployer])
    for pair in ([a, b], [a, c], [b, c]):
        network.settlement.read("settle", receipt, network.sign_receipt(receipt, pair))


def test_settle_refuses_who_lost_standing(network: TestNetwork) -> None:
    cluster = network.create_cluster(members=3)
    a, b, c = cluster.members
    receipt = network.receipt(cluster)
    network.registry.send(network.guardian, "revoke", a.worker)
    refuses(network, "clusters: revoked", receipt, [a, b])
    restarted = replace(b, signer=secret(network.label("restart")))
    network.admit(restarted)
    refuses(network, "clusters: signer", receipt, [b, c])
    network.settlement.read("settle", receipt, network.sign_receipt(receipt, [restarted, c]))
    network.clusters.send(network.guardian, "remove", cluster.id, c.worker)
    late = replace(
        receipt, to=network.inbox.read("counts", cluster.id), inbox_head=network.inbox.read("heads", cluster.id)
    )
    refuses(network, "clusters: member", late, [c])


@pytest.mark.parametrize("field", ["new_root", "outputs_root", "block_number"])
def test_signatures_cover_what_settle_cannot_check(network: TestNetwork, untouched: Cluster, field: str) -> None:
    receipt = network.receipt(untouched)
    signatures = network.sign_receipt(receipt, untouched.members)
    if field == "block_number":
        number = receipt.block_number - 1
        altered = replace(receipt, block_number=number, block_hash=network.evm.block_hash(number))
    else:
        altered = replace(receipt, **{field: digest("altered")})
    network.settlement.refuses("clusters: signer", "settle", altered, signatures)


def test_signatures_are_bound_to_chain_and_contract(network: TestNetwork, untouched: Cluster) -> None:
    receipt = network.receipt(untouched)
    for domain in ((1, network.settlement.address), (network.evm.chain_id, ZERO_ADDRESS)):
        signed = receipt.digest(*domain)
        foreign = [enclave.signer.sign(signed) for enclave in ascending(untouched.members)]
        network.settlement.refuses("clusters: signer", "settle", receipt, foreign)


def test_the_digest_is_that_of_eip_712(network: TestNetwork, untouched: Cluster) -> None:
    from eth_account.messages import _hash_eip191_message, encode_typed_data

    receipt = network.receipt(untouched)
    names = "network cluster epoch runtime from to inboxHead previousRoot newRoot outputsRoot blockNumber blockHash"
    kinds = "bytes32 bytes32 uint64 bytes32 uint64 uint64 bytes32 bytes32 bytes32 bytes32 uint64 bytes32"
    values = (getattr(receipt, field) for field in Receipt.__slots__)
    message = encode_typed_data(
        {
            "name": "Coprocessor",
            "version": "1",
            "chainId": network.evm.chain_id,
            "verifyingContract": "0x" + network.settlement.address.hex(),
        },
        {"Receipt": [{"name": n, "type": k} for n, k in zip(names.split(), kinds.split(), strict=True)]},
        dict(zip(names.split(), values, strict=True)),
    )
    assert bytes(_hash_eip191_message(message)) == receipt.digest(network.evm.chain_id, network.settlement.address)


def test_an_old_block_is_accepted_by_its_number(network: TestNetwork, untouched: Cluster) -> None:
    old = network.evm.block_without_hash()
    receipt = network.receipt(untouched, block_number=old, block_hash=Digest(digest("the chain cannot tell")))
    network.settlement.read("settle", receipt, network.sign_receipt(receipt, untouched.members))
    recent = replace(receipt, block_number=old + 10)
    refuses(network, "settlement: block", recent, untouched.members)


# finality


@pytest.fixture
def slow(network: TestNetwork) -> Cluster:
    """Four members: two settle, three make final; otherwise 30 blocks."""
    return network.create_cluster(members=4, quorum=2, fast_quorum=3, dispute_window=30)


def test_a_pending_receipt_becomes_final_after_the_window(network: TestNetwork, slow: Cluster) -> None:
    settlement = network.settlement
    mined = network.settle(slow, slow.members[:2])
    final_block = settlement.event(mined, "Settled")["final_block"]
    assert final_block == mined.block_number + 30
    network.evm.mine(29)
    assert network.evm.block_number() == final_block - 1
    assert not settlement.read("is_final", slow.id, 0, block=final_block - 1)
    assert settlement.read("final_count", slow.id, block=final_block - 1) == 0
    network.evm.mine(1)
    assert settlement.read("is_final", slow.id, 0, block=final_block)
    assert settlement.read("final_count", slow.id, block=final_block) == 5
    assert not settlement.read("is_final", slow.id, 1)


def test_a_fast_receipt_is_final_at_once(network: TestNetwork, slow: Cluster) -> None:
    mined = network.settle(slow, slow.members[:3])
    assert network.settlement.event(mined, "Settled")["final_block"] == mined.block_number
    assert network.settlement.read("is_final", slow.id, 0)


def test_no_receipt_is_final_before_its_predecessor(network: TestNetwork, slow: Cluster) -> None:
    first = network.settle(slow, slow.members[:2])
    submit(network, slow)
    second = network.settle(slow, slow.members, new_root=digest("second"))
    event = network.settlement.event(second, "Settled")
    assert event["final_block"] == first.block_number + 30
    assert not network.settlement.read("is_final", slow.id, 1)
    assert network.settlement.read("final_count", slow.id) == 0


def test_final_count_finds_the_last_final_receipt(network: TestNetwork, slow: Cluster) -> None:
    ends, final_blocks = [], []
    for index in range(7):
        submit(network, slow)
        mined = network.settle(slow, slow.members[:2], new_root=digest(f"root {index}"))
        event = network.settlement.event(mined, "Settled")
        ends.append(event["to"])
        final_blocks.append(event["final_block"])
    network.evm.mine(final_blocks[-1] - network.evm.block_number())
    for block in range(final_blocks[0] - 1, final_blocks[-1] + 1):
        expected = max((end for end, final in zip(ends, final_blocks, strict=True) if final <= block), default=0)
        assert network.settlement.read("final_count", slow.id, block=block) == expected
    assert network.settlement.read("final_count", digest("none")) == 0


# contest


def test_a_contrary_receipt_freezes(network: TestNetwork, slow: Cluster) -> None:
    settlement = network.settlement
    a, b, c, d = slow.members
    network.settle(slow, [a, b, c], new_root=digest("first"))
    submit(network, slow)
    pending = network.receipt(slow, new_root=StateRoot(digest("wrong")))
    settlement.send(network.stranger, "settle", pending, network.sign_receipt(pending, [a, b]))
    submit(network, slow)
    network.settle(slow, [a, b], new_root=digest("on top of it"))

    contrary = replace(pending, new_root=StateRoot(digest("right")))
    refuses(network, "settlement: quorum", contrary, [c], "contest")
    refuses(network, "settlement: not contrary", pending, [c, d], "contest")
    mined = settlement.send(network.stranger, "contest", contrary, network.sign_receipt(contrary, [c, d]))
    assert settlement.event(mined, "Contested") == {
        "cluster": slow.id,
        "receipt_number": 1,
        "new_root": contrary.new_root,
        "outputs_root": contrary.outputs_root,
        "signers": [enclave.worker for enclave in ascending([c, d])],
    }
    assert settlement.read("frozen_from", slow.id) == 2
    network.evm.mine(31)
    assert [settlement.read("is_final", slow.id, number) for number in range(3)] == [True, False, False]
    assert settlement.read("final_count", slow.id) == 5
    submit(network, slow)
    refuses(network, "settlement: frozen", network.receipt(slow), slow.members)
    refuses(network, "settlement: frozen", contrary, [c, d], "contest")


def test_contrary_outputs_freeze_too(network: TestNetwork, slow: Cluster) -> None:
    receipt = network.receipt(slow)
    signatures = network.sign_receipt(receipt, slow.members[:2])
    network.settlement.send(network.stranger, "settle", receipt, signatures)
    contrary = replace(receipt, outputs_root=Digest(digest("other outputs")))
    network.settlement.send(network.stranger, "contest", contrary, network.sign_receipt(contrary, slow.members[2:]))
    assert network.settlement.read("frozen_from", slow.id) == 1
    assert network.evm.storage(network.settlement.address, settlement_frozen_from(slow.id)) == 1


def test_an_earlier_contest_freezes_earlier(network: TestNetwork, slow: Cluster) -> None:
    receipts = []
    for index in range(2):
        submit(network, slow)
        receipts.append(network.receipt(slow, new_root=StateRoot(digest(f"root {index}"))))
        signatures = network.sign_receipt(receipts[-1], slow.members[:2])
        network.settlement.send(network.stranger, "settle", receipts[-1], signatures)
    for number in (1, 0):
        contrary = replace(receipts[number], new_root=StateRoot(digest("contrary")))
        signatures = network.sign_receipt(contrary, slow.members[2:])
        network.settlement.send(network.stranger, "contest", contrary, signatures)
        assert network.settlement.read("frozen_from", slow.id) == number + 1


@pytest.fixture(scope="module")
def contestable(network: TestNetwork) -> tuple[Cluster, Receipt]:
    """A receipt that stays contestable, and its cluster, for tests that change nothing."""
    cluster = network.create_cluster(members=4, quorum=2, fast_quorum=3, dispute_window=10_000)
    receipt = network.receipt(cluster)
    network.settlement.send(network.stranger, "settle", receipt, network.sign_receipt(receipt, cluster.members[:2]))
    return cluster, receipt


@pytest.mark.parametrize(
    ("reason", "changes"),
    [
        ("settlement: network", {"network": digest("other")}),
        ("settlement: epoch", {"cluster": digest("other")}),
        ("settlement: epoch", {"epoch": 2}),
        ("settlement: runtime", {"runtime": digest("other")}),
        ("settlement: block", {"block_hash": digest("fork")}),
        ("settlement: unknown claim", {"first": 1}),
        ("settlement: unknown claim", {"to": 2}),
        ("settlement: unknown claim", {"inbox_head": digest("abandoned fork")}),
        ("settlement: unknown claim", {"previous_root": digest("other")}),
    ],
)
def test_contest_refuses(
    network: TestNetwork, contestable: tuple[Cluster, Receipt], reason: str, changes: dict[str, Any]
) -> None:
    cluster, receipt = contestable
    contrary = replace(receipt, new_root=StateRoot(digest("contrary")))
    refuses(network, reason, replace(contrary, **changes), cluster.members[2:], "contest")


def test_what_is_final_cannot_be_contested(network: TestNetwork, slow: Cluster) -> None:
    receipt = network.receipt(slow)
    network.settlement.send(network.stranger, "settle", receipt, network.sign_receipt(receipt, slow.members[:2]))
    network.evm.mine(31)
    contrary = replace(receipt, new_root=StateRoot(digest("contrary")))
    refuses(network, "settlement: window closed", contrary, slow.members[2:], "contest")


def test_a_fast_receipt_cannot_be_contested(network: TestNetwork, slow: Cluster) -> None:
    receipt = network.receipt(slow)
    network.settlement.send(network.stranger, "settle", receipt, network.sign_receipt(receipt, slow.members))
    contrary = replace(receipt, new_root=StateRoot(digest("contrary")))
    refuses(network, "settlement: unknown claim", contrary, slow.members[2:], "contest")


# equivocation


def signed_by(network: TestNetwork, enclave: Enclave, receipt: Receipt) -> bytes:
    """One enclave's signature."""
    return network.sign_receipt(receipt, [enclave])[0]


def report(network: TestNetwork, enclave: Enclave, a: Receipt, b: Receipt) -> tuple[object, ...]:
    """Arguments of `report_equivocation`."""
    return a, signed_by(network, enclave, a), b, signed_by(network, enclave, b)


@pytest.mark.parametrize(
    "changes",
    [
        {"new_root": digest("contrary")},
        {"outputs_root": digest("contrary")},
        {"new_root": digest("contrary"), "first": 1, "block_number": 7},
    ],
)
def test_equivocation_ends_the_worker(network: TestNetwork, cluster: Cluster, changes: dict[str, Any]) -> None:
    liar, honest = cluster.members
    receipt = network.receipt(cluster)
    contrary = replace(receipt, **changes)
    mined = network.settlement.send(network.stranger, "report_equivocation", *report(network, liar, receipt, contrary))
    assert network.settlement.event(mined, "Equivocated") == {
        "worker": liar.worker,
        "signer": liar.signer.address,
        "cluster": cluster.id,
        "to": receipt.to,
    }
    revoked = network.registry.event(mined, "Revoked")
    assert revoked == {"worker": liar.worker, "signer": liar.signer.address, "equivocation": True}
    refuses(network, "clusters: revoked", receipt, [liar])
    again = report(network, liar, receipt, contrary)
    network.settlement.refuses("registry: revoked", "report_equivocation", *again)
    assert not network.registry.read("standing", honest.signer.address)[4]


def test_a_new_key_does_not_hide_equivocation(network: TestNetwork, cluster: Cluster) -> None:
    liar = cluster.members[0]
    receipt = network.receipt(cluster)
    evidence = report(network, liar, receipt, replace(receipt, new_root=StateRoot(digest("contrary"))))
    network.admit(replace(liar, signer=secret(network.label("restart"))))
    network.settlement.send(network.stranger, "report_equivocation", *evidence)
    assert network.registry.read("workers", liar.worker)[11] is True


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"block_number": 1, "block_hash": digest("other")},
        {"first": 1, "outputs_root": digest("another cut of the same history")},
        {"to": 2, "new_root": digest("r")},
        {"inbox_head": digest("abandoned fork"), "new_root": digest("r")},
        {"network": digest("other"), "new_root": digest("r")},
        {"cluster": digest("other"), "new_root": digest("r")},
        {"epoch": 2, "new_root": digest("r")},
        {"runtime": digest("other"), "new_root": digest("r")},
    ],
)
def test_honest_pairs_are_no_equivocation(network: TestNetwork, untouched: Cluster, changes: dict[str, Any]) -> None:
    receipt = network.receipt(untouched)
    pair = report(network, untouched.members[0], receipt, replace(receipt, **changes))
    network.settlement.refuses("settlement: not contrary", "report_equivocation", *pair)


def test_equivocation_needs_one_key_twice(network: TestNetwork, untouched: Cluster) -> None:
    settlement = network.settlement
    receipt = network.receipt(untouched)
    contrary = replace(receipt, new_root=StateRoot(digest("contrary")))
    one, other = untouched.members
    by_one, by_other = signed_by(network, one, receipt), signed_by(network, other, contrary)
    call = "report_equivocation"
    settlement.refuses("settlement: signature", call, receipt, by_one, contrary, by_other)
    settlement.refuses("settlement: signature", call, receipt, by_one, contrary, by_one)
    settlement.refuses("settlement: signature", call, receipt, b"", contrary, b"")
    stranger = Enclave(network.stranger, digest("none"), secret("stranger"))
    settlement.refuses("settlement: signer", call, *report(network, stranger, receipt, contrary))
