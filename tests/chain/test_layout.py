"""The slots of ``protocol.layout`` are those of the compiled contracts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from coprocessor.chain.artifacts import load_artifact
from coprocessor.chain.deployment import ClusterTerms, NetworkContracts, create_cluster, deploy_contracts
from coprocessor.chain.development import development_keys
from coprocessor.chain.proofs import fetch_header_segment, fetch_proofs
from coprocessor.chain.sender import TransactionSender
from coprocessor.headers.header import parse_header
from coprocessor.headers.proofs import verify_account, verify_slot
from coprocessor.headers.sealed import SealedSource
from coprocessor.protocol import layout
from coprocessor.protocol.genesis import compute_configuration_hash
from coprocessor.values.errors import CallerMisuse
from tests.support.node import DevNode

from .conftest import connected, deployment_options


@pytest.mark.parametrize("contract", sorted(layout.VARIABLES))
def test_variables_match_the_artifacts(contract: str) -> None:
    compiled = load_artifact(contract).storage_layout
    assert {name: compiled[name] for name in layout.VARIABLES[contract]} == layout.VARIABLES[contract]


@pytest.mark.parametrize("mapping", sorted(layout.STRUCTS))
def test_structs_match_the_interfaces(mapping: str) -> None:
    contract, variable = mapping.split(".")
    outputs = load_artifact(contract).interface.function(variable).outputs
    assert outputs[0].count(",") + 1 == len(layout.STRUCTS[mapping])


def test_unknown_field() -> None:
    with pytest.raises(CallerMisuse, match="no 'colour'"):
        layout.cluster_field(bytes(32), "colour")


def test_proven_values_of_a_deployed_network(dev_node: DevNode, run: Callable[..., Any]) -> None:
    """Slots, proofs, raw headers and seals fit together: what the contracts say is what the proofs show."""
    key = development_keys()[4]
    terms = ClusterTerms(b"\x07" * 32, quorum=1, fast_quorum=2, dispute_window=9)

    async def go() -> None:
        async with connected(dev_node.url) as node:
            sender = TransactionSender(node, key)
            configuration = await deploy_contracts(node, sender, 0, deployment_options(dev_node.sealer))
            contracts = NetworkContracts.of(node, configuration)
            cluster = await create_cluster(sender, contracts["Clusters"], terms)
            block = await node.block("finalized")
            assert block is not None
            segment = await fetch_header_segment(node, block.number - 3, block.number, block.hash)
            header = parse_header(segment.headers[-1])
            assert (header.hash, header.number, len(segment.headers)) == (block.hash, block.number, 4)
            SealedSource(configuration.chain_id, configuration.sealers).verify(header, segment.seals)

            expected = {
                "Registry": {
                    layout.registry_configuration(): int.from_bytes(compute_configuration_hash(configuration), "big")
                },
                "Clusters": {
                    layout.cluster_field(cluster, "owner"): int.from_bytes(key.address, "big"),
                    layout.cluster_field(cluster, "epoch"): 1,
                    layout.cluster_field(cluster, "quorum"): 1,
                    layout.cluster_field(cluster, "fast_quorum"): 2,
                    layout.cluster_field(cluster, "dispute_window"): 9,
                    layout.cluster_field(cluster, "open"): 1,
                    layout.cluster_field(cluster, "runtime"): int.from_bytes(terms.runtime, "big"),
                    layout.cluster_field(cluster, "member_count"): 0,
                },
                "Inbox": {
                    layout.inbox_head(cluster): int.from_bytes(await contracts["Inbox"].read("heads", cluster), "big"),
                    layout.inbox_count(cluster): 1,
                },
                "Settlement": {layout.settled(cluster, "count"): 0, layout.receipt_field(cluster, 0, "to"): 0},
            }
            wanted = {name: (configuration.contract(name).address, tuple(slots)) for name, slots in expected.items()}
            for proof in await fetch_proofs(node, wanted, block.number):
                identity = configuration.contract(proof.contract)
                account = verify_account(header.state_root, identity.address, proof.answer.nodes)
                assert account.code_hash == identity.code_hash
                for slot in proof.answer.slots:
                    value = verify_slot(account.storage_root, slot.slot, slot.nodes)
                    assert value == slot.value == expected[proof.contract][slot.slot]

    run(go)
