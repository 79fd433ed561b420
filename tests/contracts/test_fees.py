"""Fees: deposits, withdrawals, reservations and their return."""

from __future__ import annotations

import pytest

from coprocessor.crypto.secp256k1 import PrivateKey
from coprocessor.values.identities import ZERO_ADDRESS
from tests.contracts.evm import Deployed, Evm, Reverted
from tests.contracts.network import Cluster, TestNetwork


@pytest.fixture(scope="module")
def network(evm: Evm) -> TestNetwork:
    """A network of this module's own, so that its balances are known."""
    return TestNetwork(evm)


@pytest.fixture
def payer(network: TestNetwork) -> PrivateKey:
    """Somebody whose balance in Fees is zero at the start."""
    key = network.operators[4]
    balance = network.fees.read("balances", key.address)
    if balance:
        network.fees.send(key, "withdraw", balance)
    return key


def balance_of(network: TestNetwork, account: PrivateKey) -> int:
    """In Fees."""
    return int(network.fees.read("balances", account.address))


def test_deposit_credits_the_beneficiary(network: TestNetwork, payer: PrivateKey) -> None:
    mined = network.fees.send(network.stranger, "deposit", payer.address, value=12)
    assert network.fees.event(mined, "Deposited") == {
        "beneficiary": payer.address,
        "sender": network.stranger.address,
        "amount": 12,
    }
    assert balance_of(network, payer) == 12
    assert network.evm.balance(network.fees.address) == 12
    network.fees.refuses("fees: beneficiary", "deposit", ZERO_ADDRESS, value=1)


def test_withdraw_pays_the_sender(network: TestNetwork, payer: PrivateKey) -> None:
    network.fees.send(network.stranger, "deposit", payer.address, value=10**18)
    network.fees.refuses("fees: balance", "withdraw", 10**18 + 1, sender=payer.address)
    network.fees.refuses("fees: balance", "withdraw", 1, sender=network.stranger.address)
    before = network.evm.balance(payer.address)
    mined = network.fees.send(payer, "withdraw", 10**18)
    assert network.fees.event(mined, "Withdrawn") == {"account": payer.address, "amount": 10**18}
    assert balance_of(network, payer) == 0
    assert before + 99 * 10**16 < network.evm.balance(payer.address) <= before + 10**18


def test_withdraw_fails_whole_where_the_account_refuses(network: TestNetwork) -> None:
    refusing = network.settlement  # a contract that takes no value
    network.fees.send(network.stranger, "deposit", refusing.address, value=5)
    network.fees.refuses("fees: transfer", "withdraw", 5, sender=refusing.address)


def test_value_comes_only_by_deposit(network: TestNetwork) -> None:
    with pytest.raises(Reverted):
        network.evm.call(network.fees.address, b"", network.stranger.address, 1)


def test_only_inbox_reserves(network: TestNetwork, payer: PrivateKey) -> None:
    call = ("reserve", payer.address, bytes(32), 0, 0)
    for nobody in (payer.address, network.deployer.address, network.settlement.address):
        network.fees.refuses("fees: inbox", *call, sender=nobody)
    network.fees.read(*call, sender=network.inbox.address)
    network.fees.refuses("fees: amount", "reserve", payer.address, bytes(32), 0, 2**96, sender=network.inbox.address)


def test_reservation_and_return(network: TestNetwork, payer: PrivateKey) -> None:
    fees = network.fees
    cluster = network.create_cluster()
    mined = network.inbox.send(payer, "submit", cluster.id, 1, 70, b"item", value=100)
    index = network.inbox.event(mined, "Link")["index"]
    reserved = fees.event(mined, "Reserved")
    assert reserved == {"payer": payer.address, "cluster": cluster.id, "index": index, "amount": 70}
    assert fees.event(mined, "Deposited")["sender"] == network.inbox.address
    assert fees.read("reservations", cluster.id, index) == (payer.address, 70)
    assert balance_of(network, payer) == 30
    again = ("reserve", payer.address, cluster.id, index, 1)
    fees.refuses("fees: reserved", *again, sender=network.inbox.address)
    fees.refuses("fees: not final", "reclaim", cluster.id, index)
    fees.refuses("fees: not reserved", "reclaim", cluster.id, index + 1)

    network.settle(cluster)
    mined = fees.send(network.stranger, "reclaim", cluster.id, index)
    event = fees.event(mined, "Reclaimed")
    assert event == {"payer": payer.address, "cluster": cluster.id, "index": index, "amount": 70}
    assert balance_of(network, payer) == 100
    assert fees.read("reservations", cluster.id, index) == (ZERO_ADDRESS, 0)
    fees.refuses("fees: not reserved", "reclaim", cluster.id, index)


def test_return_waits_for_finality(network: TestNetwork, payer: PrivateKey) -> None:
    cluster = network.create_cluster(members=3, quorum=2, fast_quorum=3, dispute_window=20)
    mined = network.inbox.send(payer, "submit", cluster.id, 1, 5, b"item", value=5)
    index = network.inbox.event(mined, "Link")["index"]
    network.settle(cluster, signers=cluster.members[:2])
    network.fees.refuses("fees: not final", "reclaim", cluster.id, index)
    network.evm.mine(21)
    network.fees.send(network.stranger, "reclaim", cluster.id, index)
    assert balance_of(network, payer) == 5


def test_sum_is_kept(network: TestNetwork, payer: PrivateKey) -> None:
    cluster = network.create_cluster()
    for amount in (3, 0, 4):
        network.inbox.send(payer, "submit", cluster.id, 1, amount, b"item", value=10)
    network.fees.send(payer, "withdraw", 2)
    links = network.inbox.read("counts", cluster.id)
    reserved = sum(network.fees.read("reservations", cluster.id, index)[1] for index in range(links))
    assert reserved == 7
    assert balance_of(network, payer) == 30 - 7 - 2
    assert holdings(network.evm, network.fees) >= reserved + balance_of(network, payer)


def holdings(evm: Evm, fees: Deployed) -> int:
    """What the contract holds."""
    return evm.balance(fees.address)


def test_an_unknown_cluster_has_nothing(network: TestNetwork) -> None:
    unknown = Cluster(bytes(32), bytes(32), ())  # type: ignore[arg-type]
    network.fees.refuses("fees: not reserved", "reclaim", unknown.id, 0)
