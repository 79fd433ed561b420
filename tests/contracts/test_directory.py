"""Directory: write-once names."""

from __future__ import annotations

import pytest

from coprocessor.values.identities import ZERO_ADDRESS
from tests.contracts.evm import Deployed, Evm
from tests.contracts.network import TestNetwork, padded_name


@pytest.fixture
def directory(evm: Evm) -> Deployed:
    """An empty directory of the first account."""
    return evm.deploy("Directory", evm.keys[0].address)


def test_names_are_listed_in_order(directory: Deployed, network: TestNetwork) -> None:
    owner = network.deployer
    mined = directory.send(owner, "set", padded_name("Inbox"), network.inbox)
    assert directory.event(mined, "Named") == {"name": padded_name("Inbox"), "account": network.inbox.address}
    directory.send(owner, "set", padded_name("Fees"), network.fees)
    assert directory.read("get", padded_name("Inbox")) == network.inbox.address
    assert directory.read("get", padded_name("Nobody")) == ZERO_ADDRESS
    assert [directory.read("names", index) for index in range(directory.read("count"))] == [
        padded_name("Inbox"),
        padded_name("Fees"),
    ]


def test_seal_ends_the_owner_power(directory: Deployed, network: TestNetwork) -> None:
    owner = network.deployer
    directory.refuses("directory: owner", "seal", sender=network.stranger.address)
    directory.send(owner, "set", padded_name("Inbox"), network.inbox)
    mined = directory.send(owner, "seal")
    assert directory.event(mined, "Sealed") == {"count": 1}
    assert directory.read("is_sealed")
    directory.refuses("directory: sealed", "set", padded_name("Fees"), network.fees, sender=owner.address)
    directory.refuses("directory: sealed", "seal", sender=owner.address)


def test_refusals(directory: Deployed, network: TestNetwork) -> None:
    owner = network.deployer
    name = padded_name("Inbox")
    directory.refuses("directory: owner", "set", name, network.inbox, sender=network.stranger.address)
    directory.refuses("directory: name", "set", bytes(32), network.inbox, sender=owner.address)
    directory.refuses("directory: code", "set", name, ZERO_ADDRESS, sender=owner.address)
    directory.refuses("directory: code", "set", name, network.stranger.address, sender=owner.address)
    directory.send(owner, "set", name, network.inbox)
    directory.refuses("directory: taken", "set", name, network.fees, sender=owner.address)


def test_is_bounded(directory: Deployed, network: TestNetwork) -> None:
    owner = network.deployer
    calls = [(padded_name(f"name {index}"), network.inbox) for index in range(64)]
    directory.send_many(owner, "set", calls, gas=200_000)
    directory.refuses("directory: full", "set", padded_name("one more"), network.inbox, sender=owner.address)
