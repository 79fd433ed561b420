"""Outputs under receipts: proofs, delivery by callback, and the consumer that pulls."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest
import vyper

from coprocessor.chain.contract import Interface
from coprocessor.codec import abi
from coprocessor.crypto.hashing import keccak256
from coprocessor.protocol.outputs import Leaf, OutputProof, compute_outputs_root, prove_output
from coprocessor.values.identities import ZERO_DIGEST, Digest, ProgramId, RequestId
from tests.contracts.evm import Deployed, Evm, Mined, Reverted
from tests.contracts.network import Cluster, TestNetwork, digest

TAKE, REFUSE, BURN, REENTER = range(4)
SALT = digest("salt")
RESULT = b"the result"
CALLBACK_GAS = 100_000


@lru_cache(maxsize=1)
def compile_consumer() -> tuple[bytes, Interface]:
    """The mock consumer's init code and interface."""
    source = (Path(__file__).parent / "mocks" / "Consumer.vy").read_text()
    compiled = vyper.compile_code(source, output_formats=("bytecode", "abi"))
    return bytes.fromhex(compiled["bytecode"][2:]), Interface(compiled["abi"])


@pytest.fixture
def consumer(evm: Evm, network: TestNetwork) -> Deployed:
    """A consumer of its own."""
    code, interface = compile_consumer()
    return evm.deploy_code(code + abi.encode(["address"], [network.inbox.address]), interface)


@dataclass(frozen=True)
class Answer:
    """A settled output with its proof: the arguments of `deliver`."""

    cluster: bytes
    receipt_number: int
    leaf: Leaf
    proof: OutputProof
    salt: bytes = SALT
    plaintext: bytes = RESULT

    @property
    def delivery(self) -> tuple[Any, ...]:
        """Arguments of `deliver`."""
        proof = (self.proof.index, self.proof.count, list(self.proof.siblings))
        return (self.cluster, self.receipt_number, self.leaf, self.salt, self.plaintext, *proof)

    @property
    def question(self) -> tuple[Any, ...]:
        """Arguments of `verify_output`."""
        proof = (self.proof.index, self.proof.count, list(self.proof.siblings))
        return (self.cluster, self.receipt_number, self.leaf, *proof)


def leaf_of(label: str, **fields: Any) -> Leaf:
    """A leaf like those around the one that matters."""
    leaf = Leaf(0, 0, ProgramId(digest(label)), RequestId(ZERO_DIGEST), 0, 1, digest("p"), digest("c"))
    return replace(leaf, **fields)


def ask(network: TestNetwork, consumer: Deployed, program: bytes, mode: int = TAKE, gas: int = CALLBACK_GAS) -> Leaf:
    """The consumer asks; the leaf of a good answer."""
    mined = consumer.send(network.stranger, "ask", program, gas, mode)
    event = network.inbox.event(mined, "Requested")
    return Leaf(
        event["link"],
        0,
        ProgramId(program),
        RequestId(event["request"]),
        0,
        7,
        keccak256(SALT + RESULT),
        digest("ciphertext"),
    )


def settle_leaves(network: TestNetwork, cluster: Cluster, leaves: list[Leaf], at: int, **how: Any) -> Answer:
    """Settles all open links with these outputs; the one at an index with its proof."""
    hashes = [leaf.digest() for leaf in leaves]
    mined = network.settle(cluster, outputs_root=compute_outputs_root(hashes), **how)
    number = network.settlement.event(mined, "Settled")["receipt_number"]
    return Answer(cluster.id, number, leaves[at], prove_output(hashes, at))


def answer(
    network: TestNetwork, consumer: Deployed, mode: int = TAKE, gas: int = CALLBACK_GAS, **fields: Any
) -> Answer:
    """A request of the consumer, answered and final, between other outputs."""
    cluster = network.create_cluster()
    program = network.instantiate(cluster.id)
    leaf = replace(ask(network, consumer, program, mode, gas), **fields)
    return settle_leaves(network, cluster, [leaf_of("before"), leaf, leaf_of("after")], 1)


def received(consumer: Deployed, mined: Mined) -> list[dict[str, Any]]:
    """What the consumer took in a transaction."""
    return consumer.events(mined, "Received")


# proofs


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 7, 8, 9, 13])
def test_every_leaf_is_proven(network: TestNetwork, count: int) -> None:
    cluster = network.create_cluster()
    leaves = [leaf_of(f"leaf {index}", position=index) for index in range(count)]
    hashes = [leaf.digest() for leaf in leaves]
    first = settle_leaves(network, cluster, leaves, 0)
    for index, leaf in enumerate(leaves):
        good = replace(first, leaf=leaf, proof=prove_output(hashes, index))
        assert network.settlement.read("verify_output", *good.question)
        moved = replace(good, proof=replace(good.proof, index=(index + 1) % (count + 1)))
        assert not network.settlement.read("verify_output", *moved.question)


def bad_proofs(good: Answer) -> Iterator[tuple[str, Answer]]:
    """Every way in which a good proof can be altered, by name."""
    proof = good.proof
    yield "leaf count", replace(good, proof=replace(proof, count=proof.count + 1))
    yield "leaf count zero", replace(good, proof=replace(proof, count=0))
    yield "index beyond", replace(good, proof=replace(proof, index=proof.count))
    yield "huge", replace(good, proof=replace(proof, index=2**255, count=2**256 - 1))
    yield "short", replace(good, proof=replace(proof, siblings=proof.siblings[:-1]))
    yield "long", replace(good, proof=replace(proof, siblings=(*proof.siblings, ZERO_DIGEST)))
    yield "order", replace(good, proof=replace(proof, siblings=proof.siblings[::-1]))
    yield "receipt", replace(good, receipt_number=1)
    yield "cluster", replace(good, cluster=digest("other"))
    for field, value in (
        ("link", good.leaf.link + 1),
        ("position", 1),
        ("program", digest("other")),
        ("request", digest("other")),
        ("status", 1),
        ("fuel", 0),
        ("plaintext_hash", digest("other")),
        ("ciphertext_hash", digest("other")),
    ):
        yield field, replace(good, leaf=replace(good.leaf, **{field: value}))


def test_no_altered_proof_is_accepted(network: TestNetwork) -> None:
    cluster = network.create_cluster()
    leaves = [leaf_of(f"leaf {index}") for index in range(7)]
    good = settle_leaves(network, cluster, leaves, 2)
    assert network.settlement.read("verify_output", *good.question)
    for name, bad in bad_proofs(good):
        assert not network.settlement.read("verify_output", *bad.question), name


def test_an_inner_node_is_no_leaf(network: TestNetwork) -> None:
    cluster = network.create_cluster()
    leaves = [leaf_of("left"), leaf_of("right")]
    good = settle_leaves(network, cluster, leaves, 0)
    inner = keccak256(b"\x01" + leaves[0].digest() + leaves[1].digest())
    shorter = replace(good, leaf=replace(leaves[0], plaintext_hash=inner), proof=OutputProof(0, 1, ()))
    assert not network.settlement.read("verify_output", *shorter.question)


def test_an_empty_receipt_proves_nothing(network: TestNetwork) -> None:
    cluster = network.create_cluster()
    network.settle(cluster, outputs_root=compute_outputs_root([]))
    empty = Answer(cluster.id, 0, leaf_of("any"), OutputProof(0, 0, ()))
    assert not network.settlement.read("verify_output", *empty.question)


def test_only_final_receipts_prove(network: TestNetwork, consumer: Deployed) -> None:
    cluster = network.create_cluster(members=3, quorum=2, fast_quorum=3, dispute_window=10)
    program = network.instantiate(cluster.id)
    leaf = ask(network, consumer, program)
    pending = settle_leaves(network, cluster, [leaf], 0, signers=cluster.members[:2])
    assert not network.settlement.read("verify_output", *pending.question)
    network.settlement.refuses("settlement: not final", "deliver", *pending.delivery)
    network.evm.mine(10)
    assert network.settlement.read("verify_output", *pending.question)
    network.settlement.send(network.stranger, "deliver", *pending.delivery)


def test_nothing_is_delivered_from_a_frozen_receipt(network: TestNetwork, consumer: Deployed) -> None:
    cluster = network.create_cluster(members=4, quorum=2, fast_quorum=3, dispute_window=20)
    program = network.instantiate(cluster.id)
    leaf = ask(network, consumer, program)
    receipt = network.receipt(cluster, outputs_root=compute_outputs_root([leaf.digest()]))
    network.settlement.send(network.stranger, "settle", receipt, network.sign_receipt(receipt, cluster.members[:2]))
    contrary = replace(receipt, outputs_root=digest("contrary"))
    signatures = network.sign_receipt(contrary, cluster.members[2:])
    network.settlement.send(network.stranger, "contest", contrary, signatures)
    network.evm.mine(21)
    frozen = Answer(cluster.id, 0, leaf, OutputProof(0, 1, ()))
    assert not network.settlement.read("verify_output", *frozen.question)
    network.settlement.refuses("settlement: not final", "deliver", *frozen.delivery)


# delivery


@pytest.mark.parametrize("status", range(5))
def test_deliver(network: TestNetwork, consumer: Deployed, status: int) -> None:
    good = answer(network, consumer, status=status)
    assert not network.settlement.read("is_delivered", good.leaf.request)
    mined = network.settlement.send(network.stranger, "deliver", *good.delivery)
    assert network.settlement.event(mined, "Delivered") == {
        "request": good.leaf.request,
        "consumer": consumer.address,
        "success": True,
        "status": status,
    }
    (taken,) = received(consumer, mined)
    assert (taken["request"], taken["program"]) == (good.leaf.request, good.leaf.program)
    assert (taken["status"], taken["result"]) == (status, RESULT)
    assert CALLBACK_GAS - 5_000 < taken["gas_left"] <= CALLBACK_GAS
    assert network.settlement.read("is_delivered", good.leaf.request)


def test_deliver_once(network: TestNetwork, consumer: Deployed) -> None:
    good = answer(network, consumer)
    network.settlement.send(network.stranger, "deliver", *good.delivery)
    network.settlement.refuses("settlement: delivered", "deliver", *good.delivery)
    assert network.settlement.read("verify_output", *good.question)


@pytest.mark.parametrize("length", [0, 31, 32, 4096])
def test_deliver_results_of_every_length(network: TestNetwork, consumer: Deployed, length: int) -> None:
    plaintext = b"\xdd" * length
    good = answer(network, consumer, plaintext_hash=keccak256(SALT + plaintext))
    mined = network.settlement.send(network.stranger, "deliver", *replace(good, plaintext=plaintext).delivery)
    (taken,) = received(consumer, mined)
    assert taken["result"] == plaintext


@pytest.mark.parametrize("mode", [REFUSE, BURN])
def test_a_failing_callback_is_recorded(network: TestNetwork, consumer: Deployed, mode: int) -> None:
    good = answer(network, consumer, mode)
    mined = network.settlement.send(network.stranger, "deliver", *good.delivery)
    assert network.settlement.event(mined, "Delivered")["success"] is False
    assert received(consumer, mined) == []
    network.settlement.refuses("settlement: delivered", "deliver", *good.delivery)
    assert network.settlement.read("verify_output", *good.question)


def test_a_callback_cannot_deliver_again(network: TestNetwork, consumer: Deployed) -> None:
    good = answer(network, consumer, REENTER, 500_000)
    consumer.send(network.stranger, "set_message", network.settlement.encode("deliver", *good.delivery))
    mined = network.settlement.send(network.stranger, "deliver", *good.delivery)
    assert len(received(consumer, mined)) == 1
    assert not consumer.read("came_back")


def outcome_with(network: TestNetwork, data: bytes, gas: int) -> str:
    """What a delivery with so much gas ends in: its reason, "delivered" or "starved"."""
    try:
        success = network.evm.call(network.settlement.address, data, network.stranger.address, gas=gas)
    except Reverted as refused:
        return refused.reason if refused.reason.startswith("settlement") else ""
    return "delivered" if int.from_bytes(success, "big") else "starved"


def test_the_callback_is_not_starved(network: TestNetwork, consumer: Deployed) -> None:
    """For every gas limit of the sender: all of the callback's gas arrives, or nothing happens at all."""
    good = answer(network, consumer, 300_000 - 3_000, 300_000)
    data = network.settlement.encode("deliver", *good.delivery)
    outcomes = [outcome_with(network, data, gas) for gas in range(330_000, 480_000, 15_000)]
    assert set(outcomes) - {""} == {"settlement: gas", "delivered"}  # "" ran out of gas before the check
    assert outcomes == sorted(outcomes, key=["", "settlement: gas", "delivered"].index)


def test_deliver_refuses(network: TestNetwork, consumer: Deployed) -> None:
    good, other = answer(network, consumer), answer(network, consumer)
    leaf = good.leaf

    def refuses(reason: str, **changes: Any) -> None:
        network.settlement.refuses(reason, "deliver", *replace(good, **changes).delivery)

    refuses("settlement: request", leaf=replace(leaf, request=digest("none")))
    refuses("settlement: request", leaf=replace(leaf, program=other.leaf.program))
    refuses("settlement: request", leaf=replace(leaf, link=leaf.link + 1))
    refuses("settlement: request", leaf=replace(leaf, position=1))
    refuses("settlement: request", cluster=other.cluster)
    refuses("settlement: not final", receipt_number=1)
    refuses("settlement: output", leaf=replace(leaf, status=1))
    refuses("settlement: output", leaf=replace(leaf, fuel=8))
    refuses("settlement: output", proof=replace(good.proof, siblings=good.proof.siblings[::-1]))
    refuses("settlement: plaintext", plaintext=b"another result")
    refuses("settlement: plaintext", salt=digest("another salt"))
    with pytest.raises(Reverted):
        network.settlement.read("deliver", *replace(good, plaintext=b"\0" * 4097).delivery)
    network.settlement.read("deliver", *good.delivery)


def test_a_program_answers_only_its_own_requests(network: TestNetwork, consumer: Deployed) -> None:
    """A leaf that a settled receipt holds, but whose program is not the one that was asked."""
    cluster = network.create_cluster()
    asked, liar = network.instantiate(cluster.id), network.instantiate(cluster.id)
    leaf = replace(ask(network, consumer, asked), program=liar)
    forged = settle_leaves(network, cluster, [leaf], 0)
    assert network.settlement.read("verify_output", *forged.question)
    network.settlement.refuses("settlement: request", "deliver", *forged.delivery)


def test_a_leaf_of_another_link_answers_nothing(network: TestNetwork, consumer: Deployed) -> None:
    cluster = network.create_cluster()
    leaf = ask(network, consumer, network.instantiate(cluster.id))
    forged = settle_leaves(network, cluster, [replace(leaf, link=0)], 0)
    network.settlement.refuses("settlement: request", "deliver", *forged.delivery)


def test_an_account_without_code_may_ask(network: TestNetwork) -> None:
    cluster = network.create_cluster()
    program = network.instantiate(cluster.id)
    mined = network.inbox.send(network.stranger, "request", program, bytes(4), 1, 0, 0, b"")
    event = network.inbox.event(mined, "Requested")
    hashed = keccak256(SALT + RESULT)
    leaf = Leaf(event["link"], 0, program, RequestId(event["request"]), 0, 1, hashed, Digest(digest("c")))
    good = settle_leaves(network, cluster, [leaf], 0)
    mined = network.settlement.send(network.deployer, "deliver", *good.delivery)
    assert network.settlement.event(mined, "Delivered")["consumer"] == network.stranger.address
