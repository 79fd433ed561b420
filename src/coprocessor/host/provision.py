"""Making a development network out of a chain: contracts, genesis of the gatekeepers, first cluster, funded operators.

Every step looks first whether it is done, so an interrupted start goes on (``chain.deployment``).
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from coprocessor.attestation.roots import SIMULATED_ROOT
from coprocessor.attesters.simulated import simulated_measurement
from coprocessor.chain.deployment import (
    ClusterTerms,
    DeploymentOptions,
    NetworkContracts,
    create_cluster,
    initialize_gatekeeping,
)
from coprocessor.chain.node import Node
from coprocessor.chain.sender import TransactionSender
from coprocessor.enclave import messages as m
from coprocessor.host.ceremony import FirstCommittee
from coprocessor.host.http import PeerClient, PeerRefused
from coprocessor.protocol.genesis import compute_network_id
from coprocessor.sandbox.runtime import release_runtimes
from coprocessor.values.errors import EvidenceRefused
from coprocessor.values.identities import ZERO_DIGEST, Address, ClusterId, to_hex
from coprocessor.values.network import AttestationFloor, Custodian, Network, NetworkConfiguration

__all__ = ["development_options", "first_clusters", "fund", "hold_genesis"]

OPERATOR_FUNDS = 100 * 10**18
"""Wei that an operator of a development network starts with."""

LEAST_FUNDS = 10**18


async def development_options(node: Node, deployer: Address, custodian: Custodian) -> DeploymentOptions:
    """A development network on this chain, which accepts simulated enclaves of this very source."""
    return DeploymentOptions(
        sealers=tuple(await node.sealers()),
        finality="the node's finalized block, sealed by its development sealer",
        attestation=AttestationFloor(
            roots=(SIMULATED_ROOT.digest,),
            measurements=(simulated_measurement(),),
            minimum_evaluation=0,
            maximum_level=5,
        ),
        allow_simulated=True,
        development=True,
        guardian=deployer,
        custodian=custodian,
    )


async def fund(node: Node, sender: TransactionSender, accounts: Sequence[Address]) -> None:
    """Gives each account that has next to nothing what an operator starts with."""
    for account in accounts:
        if await node.balance(account) < LEAST_FUNDS:
            await sender.send(account, b"", value=OPERATOR_FUNDS)


async def hold_genesis(
    peers: PeerClient,
    gatekeepers: Sequence[str],
    threshold: int,
    sender: TransactionSender,
    node: Node,
    configuration: NetworkConfiguration,
) -> Network:
    """The genesis of a network: every gatekeeper's evidence, every gatekeeper's signature, and both on the chain.

    The key ceremony that follows is the gatekeepers' own.

    Args:
        gatekeepers: URLs of their hosts, in member order.
        threshold: members that must act together.

    Raises:
        PeerRefused, PeerUnreachable: a gatekeeper does not take part.
        EvidenceRefused: one signed another network than its evidence makes.
    """
    gatekeeping = NetworkContracts.of(node, configuration)["Gatekeeping"]
    named = await gatekeeping.read("genesis")
    known = [genesis for genesis in [await _signed_genesis(peers, url) for url in gatekeepers] if genesis is not None]
    if named != ZERO_DIGEST:
        known = [genesis for genesis in known if genesis.network == named]
    elif len(known) != len(gatekeepers) or len({genesis.network for genesis in known}) != 1:
        evidence = [await peers.get_record(f"{url}/v1/evidence", m.GATEKEEPER_REQUESTS) for url in gatekeepers]
        message = m.Genesis(threshold, tuple(evidence))
        asked = (peers.post_record(f"{url}/v1/genesis", message, m.GATEKEEPER_REQUESTS) for url in gatekeepers)
        known = [FirstCommittee.from_plain(plain) for plain in await asyncio.gather(*asked)]
    networks = {genesis.network for genesis in known}
    if not known or networks != {compute_network_id(Network(configuration, known[0].evidence_digests))}:
        raise EvidenceRefused(
            "genesis.network",
            "the gatekeepers hold shares of another network than this deployment's",
            f"the chain names {to_hex(named)}, they say {', '.join(map(to_hex, networks)) or 'nothing'}",
            "start anew in an empty folder",
        )
    first = known[0]
    signatures = [genesis.signature for genesis in known]
    await initialize_gatekeeping(sender, gatekeeping, first.threshold, first.members, first.network, signatures)
    return Network(configuration, first.evidence_digests)


async def first_clusters(
    sender: TransactionSender, node: Node, configuration: NetworkConfiguration, count: int = 1
) -> tuple[ClusterId, ...]:
    """The deployer's first clusters that run this release."""
    terms = ClusterTerms(release_runtimes().first.id)
    contract = NetworkContracts.of(node, configuration)["Clusters"]
    return tuple([await create_cluster(sender, contract, terms, at) for at in range(count)])


async def _signed_genesis(peers: PeerClient, gatekeeper: str) -> FirstCommittee | None:
    try:
        return FirstCommittee.from_plain(await peers.get_json(f"{gatekeeper}/v1/genesis"))
    except PeerRefused as error:
        if error.code != "genesis.none":
            raise
        return None
