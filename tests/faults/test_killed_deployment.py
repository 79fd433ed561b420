"""Deploying a network's contracts, killed at every transaction: before it leaves, and after the node took it unseen.

The next start goes on. In the end there is one network, the one that an undisturbed deployment makes, and the deployer
has paid for each step once.
"""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from coprocessor.chain.code import publish_code
from coprocessor.chain.deployment import NetworkContracts, deploy_contracts
from coprocessor.chain.development import development_keys
from coprocessor.chain.node import Node
from coprocessor.chain.rpc import RpcClient
from coprocessor.chain.sender import TransactionSender
from coprocessor.host import provision
from coprocessor.host.up_state import UpState
from coprocessor.protocol.genesis import compute_configuration_hash
from coprocessor.values.identities import to_hex
from coprocessor.values.network import Custodian
from tests.faults import children
from tests.support.cutting_proxy import cutting_proxy
from tests.support.killing import KillAtEachTransaction
from tests.support.live import write_key
from tests.support.node import run_dev_node

PACKAGE = bytes(range(256)) * 512
"""Two chunks of something that is no program: nobody runs it."""
DEPLOYER = development_keys()[9]


def deploy_everything(folder: Path, url: str) -> str:
    """What ``phat up`` does with the chain before and after genesis, and an author's code of two chunks."""
    (folder / "pid").write_text(str(os.getpid()))

    async def go() -> str:
        async with RpcClient(url) as rpc:
            node = Node(rpc)
            sender, state = TransactionSender(node, DEPLOYER), UpState(folder / "state.json")
            nonce = state.get("deployer nonce")
            if nonce is None:
                nonce = state.keep("deployer nonce", await node.transaction_count(sender.address))
            options = await provision.development_options(node, sender.address, Custodian("file"))
            configuration = await deploy_contracts(node, sender, nonce, options)
            await provision.fund(node, sender, [bytes([at]) * 20 for at in (1, 2)])  # type: ignore[list-item]
            (cluster,) = await provision.first_clusters(sender, node, configuration)
            code = await publish_code(sender, NetworkContracts.of(node, configuration)["Programs"], PACKAGE)
            return f"{compute_configuration_hash(configuration).hex()} {cluster.hex()} {code.hex()}"

    return asyncio.run(go())


def test_a_deployment_killed_at_every_transaction_makes_one_network(tmp_path: Path) -> None:
    (tmp_path / "undisturbed").mkdir()
    sealer = ("--sealer-key", str(write_key(tmp_path / "sealer.key", b"\x11" * 32)))
    with run_dev_node(*sealer) as node:
        wanted = children.run(deploy_everything, tmp_path / "undisturbed", node.url)
        paid = int(node.call("eth_getTransactionCount", to_hex(DEPLOYER.address), "latest"), 16)
    killed, rule = 0, KillAtEachTransaction(tmp_path / "pid")
    with run_dev_node(*sealer) as node, cutting_proxy(node.url) as proxy:
        proxy.rule = rule
        while (made := children.run(deploy_everything, tmp_path, proxy.url)) is None:
            killed += 1
            assert killed <= 2 * paid
        count = int(node.call("eth_getTransactionCount", to_hex(DEPLOYER.address), "latest"), 16)
    assert rule.unheard == rule.unanswered == set(range(paid))
    assert killed == 2 * paid
    assert count == paid
    assert made == wanted
