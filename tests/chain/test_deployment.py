"""Deployment: predicted addresses and code hashes, resumption, refusal of a foreign chain."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from coprocessor.chain.deployment import (
    ClusterTerms,
    GatekeeperMember,
    NetworkContracts,
    compute_contract_address,
    create_cluster,
    deploy_contracts,
    initialize_gatekeeping,
    plan_configuration,
)
from coprocessor.chain.development import development_keys
from coprocessor.chain.errors import TransactionReverted
from coprocessor.chain.sender import TransactionSender
from coprocessor.devnode.accounts import development_accounts
from coprocessor.protocol.genesis import compute_configuration_hash
from coprocessor.protocol.statements import GenesisRecord, compute_members_hash
from coprocessor.values.errors import CallerMisuse
from coprocessor.values.identities import Address, Digest, NetworkId
from tests.support.anvil import run_anvil
from tests.support.node import DevNode

from .conftest import connected, deployment_options


def test_contract_address_vector() -> None:
    """**Source:** the first contracts of a well-known account, as any Ethereum client computes them."""
    sender = Address(bytes.fromhex("6ac7ea33f8831ea9dcc53393aaa88b25a785dbf0"))
    assert compute_contract_address(sender, 0).hex() == "cd234a471b72ba2f1ccf0a70fcaba648a5eecd8d"
    assert compute_contract_address(sender, 1).hex() == "343c43a37d37dff08ae8c4a11544c718abb4fcf8"


def test_development_keys_are_those_of_the_development_node() -> None:
    assert [key.address for key in development_keys()] == [account.address for account in development_accounts()]


def test_deploys_once_and_plans_exactly(dev_node: DevNode, run: Callable[..., Any]) -> None:
    options = deployment_options(dev_node.sealer)

    async def go() -> None:
        async with connected(dev_node.url) as node:
            sender = TransactionSender(node, development_keys()[1])
            plan = plan_configuration(dev_node.chain_id, sender.address, 0, options)
            first = await deploy_contracts(node, sender, 0, options)
            assert first == plan
            nonce = await node.transaction_count(sender.address)
            assert await deploy_contracts(node, sender, 0, options) == first
            assert await node.transaction_count(sender.address) == nonce
            contracts = NetworkContracts.of(node, first)
            assert await contracts["Registry"].read("configuration") == compute_configuration_hash(first)
            assert await contracts["Directory"].read("is_sealed")
            name = b"Settlement".ljust(32, b"\0")
            assert await contracts["Directory"].read("get", name) == contracts["Settlement"].address
            cluster = await create_cluster(sender, contracts["Clusters"], ClusterTerms(b"\x01" * 32))
            assert await create_cluster(sender, contracts["Clusters"], ClusterTerms(b"\x01" * 32)) == cluster
            assert await create_cluster(sender, contracts["Clusters"], ClusterTerms(b"\x02" * 32)) != cluster

    run(go)


class _Interrupted(TransactionSender):
    """Stops after a number of transactions, as a killed process does."""

    left = 5

    async def send(self, *arguments: Any, **keywords: Any) -> Any:
        if not self.left:
            raise InterruptedError
        self.left -= 1
        return await super().send(*arguments, **keywords)


@pytest.mark.parametrize("sent", [0, 1, 5, 8, 10])
def test_an_interrupted_deployment_goes_on(dev_node: DevNode, run: Callable[..., Any], sent: int) -> None:
    key = development_keys()[{0: 2, 1: 3, 5: 5, 8: 6, 10: 7}[sent]]
    options = deployment_options(dev_node.sealer)

    async def go() -> None:
        async with connected(dev_node.url) as node:
            killed = _Interrupted(node, key)
            killed.left = sent
            with pytest.raises(InterruptedError):
                await deploy_contracts(node, killed, 0, options)
            configuration = await deploy_contracts(node, TransactionSender(node, key), 0, options)
            assert await NetworkContracts.of(node, configuration)["Directory"].read("is_sealed")

    run(go)


def test_a_used_account_or_a_foreign_contract_stops_it(dev_node: DevNode, run: Callable[..., Any]) -> None:
    options = deployment_options(dev_node.sealer)

    async def go() -> None:
        async with connected(dev_node.url) as node:
            sender = TransactionSender(node, development_keys()[8])
            await sender.send(sender.address, b"")
            with pytest.raises(CallerMisuse) as used:
                await deploy_contracts(node, sender, 0, options)
            assert used.value.code == "deployment.nonce"
            configuration = await deploy_contracts(node, sender, 1, options)
            with pytest.raises(CallerMisuse) as foreign:
                await deploy_contracts(node, sender, 2, options)
            assert foreign.value.code == "deployment.foreign"

            gatekeeping = NetworkContracts.of(node, configuration)["Gatekeeping"]
            member = GatekeeperMember(sender.address, sender.address, b"k" * 32, Digest(b"e" * 32))
            network = NetworkId(b"n" * 32)
            members_hash = compute_members_hash(
                [(member.operator, member.signer, member.sealing_key, member.evidence_digest)]
            )
            statement = GenesisRecord(network, 1, members_hash).digest(configuration.chain_id, gatekeeping.address)
            signatures = [development_keys()[8].sign(statement)]
            with pytest.raises(TransactionReverted) as refused:
                await initialize_gatekeeping(sender, gatekeeping, 2, [member], network, signatures)
            assert refused.value.reason == "gatekeeping: threshold"
            await initialize_gatekeeping(sender, gatekeeping, 1, [member], network, signatures)
            await initialize_gatekeeping(sender, gatekeeping, 1, [member], network, signatures)
            with pytest.raises(CallerMisuse) as other:
                await initialize_gatekeeping(sender, gatekeeping, 1, [member], NetworkId(b"o" * 32), signatures)
            assert other.value.code == "deployment.foreign"

    run(go)


def test_on_anvil(run: Callable[..., Any]) -> None:
    """The same deployment on another node: code hashes are those that were planned."""

    async def go(url: str) -> None:
        async with connected(url) as node:
            sender = TransactionSender(node, development_keys()[1])
            configuration = await deploy_contracts(node, sender, 0, deployment_options("0x" + "11" * 20))
            contracts = NetworkContracts.of(node, configuration)
            cluster = await create_cluster(sender, contracts["Clusters"], ClusterTerms(b"\x01" * 32))
            assert await contracts["Inbox"].read("counts", cluster) == 1

    with run_anvil() as anvil:
        run(lambda: go(anvil.url))
