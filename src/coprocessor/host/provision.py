"""Making a development network out of a chain: contracts, genesis of the gatekeepers, first cluster, funded operators.

Every step looks first whether it is done, so an interrupted start goes on (``chain.deployment``).
"""

from __future__ import annotations

from collections.abc import Sequence

from coprocessor.attestation.roots import SIMULATED_ROOT
from coprocessor.attesters.simulated import simulated_measurement
from coprocessor.chain.deployment import (
    ClusterTerms,
    DeploymentOptions,
    NetworkContracts,
    complete_gatekeeping,
    create_cluster,
    initialize_gatekeeping,
)
from coprocessor.chain.node import Node
from coprocessor.chain.sender import TransactionSender
from coprocessor.enclave import messages as m
from coprocessor.host.ceremony import Ceremony
from coprocessor.host.http import PeerClient, PeerRefused
from coprocessor.protocol.genesis import compute_network_id
from coprocessor.sandbox.python_guest import guest_digest
from coprocessor.sandbox.runtime import compute_runtime_id, engine_version
from coprocessor.values.errors import EvidenceRefused
from coprocessor.values.identities import Address, ClusterId
from coprocessor.values.network import AttestationFloor, Network, NetworkConfiguration

__all__ = ["development_options", "first_cluster", "fund", "hold_genesis"]

OPERATOR_FUNDS = 100 * 10**18
"""Wei that an operator of a development network starts with."""

LEAST_FUNDS = 10**18


async def development_options(node: Node, deployer: Address) -> DeploymentOptions:
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
    )


async def fund(node: Node, sender: TransactionSender, accounts: Sequence[Address]) -> None:
    """Gives each account that has next to nothing what an operator starts with."""
    for account in accounts:
        if await node.balance(account) < LEAST_FUNDS:
            await sender.send(account, b"", value=OPERATOR_FUNDS)


async def hold_genesis(
    peers: PeerClient, gatekeeper: str, sender: TransactionSender, node: Node, configuration: NetworkConfiguration
) -> Network:
    """The genesis of a network with one gatekeeper: its evidence, its ceremony, both on the chain.

    Raises:
        PeerRefused, PeerUnreachable: the gatekeeper does not take part.
        EvidenceRefused: it signs another network than its evidence makes.
    """
    ceremony = await _ceremony(peers, gatekeeper)
    network = Network(configuration, ceremony.evidence_digests)
    if compute_network_id(network) != ceremony.network:
        raise EvidenceRefused(
            "genesis.network",
            f"the gatekeeper holds a share of network 0x{ceremony.network.hex()}",
            "its folder belongs to another deployment",
            "start anew in an empty folder",
        )
    gatekeeping = NetworkContracts.of(node, configuration)["Gatekeeping"]
    await initialize_gatekeeping(sender, gatekeeping, ceremony.threshold, ceremony.members, ceremony.network)
    signatures = [ceremony.master_key_signature]
    await complete_gatekeeping(sender, gatekeeping, ceremony.master_key, ceremony.share_keys, signatures)
    return network


async def first_cluster(sender: TransactionSender, node: Node, configuration: NetworkConfiguration) -> ClusterId:
    """The deployer's cluster that runs this release."""
    terms = ClusterTerms(compute_runtime_id(engine_version(), (guest_digest(),)))
    return await create_cluster(sender, NetworkContracts.of(node, configuration)["Clusters"], terms)


async def _ceremony(peers: PeerClient, gatekeeper: str) -> Ceremony:
    try:
        return Ceremony.from_plain(await peers.get_json(f"{gatekeeper}/v1/genesis"))
    except PeerRefused as error:
        if error.code != "genesis.none":
            raise
    own = await peers.get_record(f"{gatekeeper}/v1/evidence", m.GATEKEEPER_REQUESTS)
    plain = await peers.post_record(f"{gatekeeper}/v1/genesis", m.Genesis(1, (own,)), m.GATEKEEPER_REQUESTS)
    return Ceremony.from_plain(plain)
