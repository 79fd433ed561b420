"""The example consumers, in Vyper and Solidity: one auction, asked and answered."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest

from coprocessor.chain.contract import Interface
from coprocessor.codec import abi
from coprocessor.crypto.hashing import keccak256
from coprocessor.protocol.outputs import Leaf
from coprocessor.protocol.system import decode_request
from coprocessor.values.identities import ZERO_ADDRESS, ZERO_DIGEST, Digest, ProgramId, RequestId
from tests.contracts.evm import Deployed, Evm, Mined
from tests.contracts.network import Cluster, TestNetwork, digest
from tests.contracts.test_outputs import SALT, Answer, settle_leaves
from tests.support.solc import compile_solidity

CONSUMERS = Path(__file__).resolve().parents[2] / "contracts" / "consumers"
GAS = 150_000
WINNER = b"\x77" * 20
RESULT = abi.encode(["address", "uint256"], [WINNER, 12_345])


@lru_cache(maxsize=1)
def compile_house() -> tuple[bytes, Interface]:
    """The Solidity auction house."""
    code, interface = compile_solidity(CONSUMERS, "AuctionHouse.sol", "AuctionHouse")
    return code, Interface(interface)


@pytest.fixture(scope="module")
def cluster(network: TestNetwork) -> Cluster:
    """Two members, final at once."""
    return network.create_cluster()


@pytest.fixture(scope="module")
def program(network: TestNetwork, cluster: Cluster) -> ProgramId:
    """The auction's program."""
    return network.instantiate(cluster.id)


@pytest.fixture(params=["vyper", "solidity"])
def house(request: pytest.FixtureRequest, evm: Evm, network: TestNetwork, program: ProgramId) -> Deployed:
    """An auction house whose seller is the deployer."""
    arguments = [network.inbox.address, network.fees.address, network.settlement.address, program]
    if request.param == "vyper":
        return evm.deploy("AuctionHouse", *arguments)
    code, interface = compile_house()
    return evm.deploy_code(code + interface.encode_constructor(*arguments), interface)


def close(network: TestNetwork, house: Deployed, value: int = 0) -> Mined:
    """The seller closes."""
    return house.send(network.deployer, "close", 1_000_000, value, GAS, value=value)


def settled(network: TestNetwork, cluster: Cluster, mined: Mined, result: bytes = RESULT, status: int = 0) -> Answer:
    """The program's answer to the request of a transaction, under a final receipt."""
    asked = network.inbox.event(mined, "Requested")
    leaf = Leaf(
        asked["link"],
        0,
        ProgramId(asked["program"]),
        RequestId(asked["request"]),
        status,
        9,
        keccak256(SALT + result),
        Digest(digest("ciphertext")),
    )
    return replace(settle_leaves(network, cluster, [leaf], 0), plaintext=result)


def state(house: Deployed) -> tuple[Any, ...]:
    """Request under way, closed, winner, price."""
    return tuple(house.read(name) for name in ("pending", "closed", "winner", "price"))


def test_the_winner_arrives(network: TestNetwork, cluster: Cluster, program: ProgramId, house: Deployed) -> None:
    mined = close(network, house)
    asked = network.inbox.event(mined, "Requested")
    assert house.event(mined, "CloseRequested") == {"request": asked["request"]}
    assert (asked["consumer"], asked["program"]) == (house.address, program)
    payload = decode_request(network.inbox.event(mined, "Link")["payload"])
    assert (payload.method, payload.arguments) == (keccak256(b"close")[:4], b"")
    assert (payload.callback_gas, network.inbox.event(mined, "Link")["fuel_limit"]) == (GAS, 1_000_000)
    assert state(house) == (asked["request"], False, ZERO_ADDRESS, 0)
    house.refuses("auction: pending", "close", 1, 0, GAS, sender=network.deployer.address)

    answer = settled(network, cluster, mined)
    mined = network.settlement.send(network.stranger, "deliver", *answer.delivery)
    assert network.settlement.event(mined, "Delivered")["success"] is True
    assert house.event(mined, "Closed") == {"request": asked["request"], "winner": WINNER, "price": 12_345}
    assert state(house) == (ZERO_DIGEST, True, WINNER, 12_345)
    house.refuses("auction: closed", "close", 1, 0, GAS, sender=network.deployer.address)


def test_only_the_seller_closes(network: TestNetwork, house: Deployed) -> None:
    house.refuses("auction: seller", "close", 1, 0, GAS, sender=network.stranger.address)


def test_only_settlement_answers(network: TestNetwork, program: ProgramId, house: Deployed) -> None:
    mined = close(network, house)
    request = network.inbox.event(mined, "Requested")["request"]
    forged = (request, program, 0, RESULT)
    for nobody in (network.stranger, network.deployer, network.guardian):
        house.refuses("auction: settlement", "on_phat_result", *forged, sender=nobody.address)
    house.refuses("auction: settlement", "on_phat_result", *forged, sender=network.inbox.address)
    settlement = network.settlement.address
    for wrong in ((digest("other"), program), (ZERO_DIGEST, program), (request, digest("other"))):
        house.refuses("auction: request", "on_phat_result", *wrong, 0, RESULT, sender=settlement)
    house.read("on_phat_result", *forged, sender=settlement)


def test_an_answer_without_question_is_refused(network: TestNetwork, program: ProgramId, house: Deployed) -> None:
    settlement = network.settlement.address
    house.refuses("auction: request", "on_phat_result", ZERO_DIGEST, program, 0, RESULT, sender=settlement)


@pytest.mark.parametrize(("status", "result"), [(1, b"no bids yet"), (3, b""), (0, b"short"), (0, RESULT + bytes(32))])
def test_after_a_failure_the_seller_asks_again(
    network: TestNetwork, cluster: Cluster, house: Deployed, status: int, result: bytes
) -> None:
    first = close(network, house)
    answer = settled(network, cluster, first, result, status)
    mined = network.settlement.send(network.stranger, "deliver", *answer.delivery)
    request = network.inbox.event(first, "Requested")["request"]
    assert house.event(mined, "CloseFailed") == {"request": request, "status": status}
    assert state(house) == (ZERO_DIGEST, False, ZERO_ADDRESS, 0)
    answer = settled(network, cluster, close(network, house))
    network.settlement.send(network.stranger, "deliver", *answer.delivery)
    assert state(house) == (ZERO_DIGEST, True, WINNER, 12_345)


def test_fees_come_back_to_the_seller(network: TestNetwork, cluster: Cluster, house: Deployed) -> None:
    asked = close(network, house, value=10**18)
    network.settlement.send(network.stranger, "deliver", *settled(network, cluster, asked).delivery)
    network.fees.send(network.stranger, "reclaim", cluster.id, network.inbox.event(asked, "Link")["index"])
    assert network.fees.read("balances", house.address) == 10**18
    recover = "recover_fees" if "recover_fees" in house.interface._functions else "recoverFees"
    house.refuses("auction: seller", recover, 1, sender=network.stranger.address)
    house.refuses("fees: balance", recover, 10**18 + 1, sender=network.deployer.address)
    before = network.evm.balance(network.deployer.address)
    house.send(network.deployer, recover, 10**18)
    assert network.evm.balance(network.deployer.address) > before + 99 * 10**16
    assert network.fees.read("balances", house.address) == 0


@pytest.mark.parametrize("house", ["vyper"], indirect=True)
def test_the_answer_can_be_pulled(network: TestNetwork, cluster: Cluster, house: Deployed) -> None:
    mined = house.send(network.deployer, "close", 1, 0, 1_000)  # too little gas for the callback
    answer = settled(network, cluster, mined)
    mined = network.settlement.send(network.stranger, "deliver", *answer.delivery)
    assert network.settlement.event(mined, "Delivered")["success"] is False
    assert not house.read("closed")

    altered = replace(answer, leaf=replace(answer.leaf, fuel=1))
    house.refuses("auction: output", "pull", *altered.delivery)
    house.refuses("auction: plaintext", "pull", *replace(answer, plaintext=bytes(64)).delivery)
    foreign = replace(answer, leaf=replace(answer.leaf, program=digest("other")))
    house.refuses("auction: request", "pull", *foreign.delivery)
    mined = house.send(network.stranger, "pull", *answer.delivery)
    assert house.event(mined, "Closed")["winner"] == WINNER
    assert state(house) == (ZERO_DIGEST, True, WINNER, 12_345)
    house.refuses("auction: request", "pull", *answer.delivery)


@pytest.mark.parametrize("house", ["vyper"], indirect=True)
def test_another_settled_output_cannot_be_pulled(network: TestNetwork, cluster: Cluster, house: Deployed) -> None:
    """A final output of the right program that answers somebody else's request."""
    program = house.read("PROGRAM")
    mined = network.inbox.send(network.stranger, "request", program, keccak256(b"close")[:4], 1, 0, 0, b"")
    answer = settled(network, cluster, mined)
    close(network, house)
    house.refuses("auction: request", "pull", *answer.delivery)
