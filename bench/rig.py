"""A network's contracts on any node, with gatekeepers and enclaves whose keys are known, to see what calls cost."""

from __future__ import annotations

from dataclasses import astuple, dataclass
from typing import Any

from coprocessor.chain.deployment import (
    ClusterTerms,
    DeploymentOptions,
    GatekeeperMember,
    NetworkContracts,
    create_cluster,
    deploy_contracts,
    initialize_gatekeeping,
)
from coprocessor.chain.development import development_keys
from coprocessor.chain.node import Node, TransactionReceipt
from coprocessor.chain.sender import TransactionSender
from coprocessor.crypto.hashing import keccak256
from coprocessor.crypto.secp256k1 import PrivateKey
from coprocessor.host.settled_index import receipt_to_abi
from coprocessor.protocol.genesis import compute_configuration_hash
from coprocessor.protocol.receipts import Receipt
from coprocessor.protocol.statements import ROLE_WORKER, Admission, GenesisRecord, compute_members_hash
from coprocessor.protocol.system import compute_worker_id
from coprocessor.values.identities import ClusterId, Digest, NetworkId, RuntimeId, StateRoot
from coprocessor.values.network import AttestationFloor, Custodian, NetworkConfiguration

__all__ = ["Rig", "RigCluster", "known_digest", "known_key", "open_rig"]

_YEAR = 365 * 86_400
_OPERATORS = development_keys()[3:6]


def known_digest(label: str) -> Digest:
    """32 bytes that are the same in each run."""
    return keccak256(b"bench/" + label.encode())


def known_key(label: str) -> PrivateKey:
    """A key that is the same in each run."""
    return PrivateKey(known_digest(label))


@dataclass(frozen=True, slots=True)
class RigCluster:
    """A cluster, its runtime, and the signing keys of its members."""

    id: ClusterId
    runtime: RuntimeId
    signers: tuple[PrivateKey, ...]


@dataclass(frozen=True, slots=True)
class Rig:
    """The contracts of a network behind a node.

    Args:
        node: the chain.
        user: an account that pays.
        configuration: of the network.
        contracts: deployed.
        network: 32 bytes.
    """

    node: Node
    user: TransactionSender
    configuration: NetworkConfiguration
    contracts: NetworkContracts
    network: NetworkId

    async def send(self, contract: str, function: str, *arguments: Any, value: int = 0) -> TransactionReceipt:
        """A transaction of the user."""
        target = self.contracts[contract]
        return await self.user.send(target.address, target.encode(function, *arguments), value)

    async def create_cluster(self, name: str, quorum: int) -> RigCluster:
        """A cluster, named for its keys alone, with as many members as its quorum, each of another operator."""
        runtime = RuntimeId(known_digest(f"runtime {name}"))
        clusters = self.contracts["Clusters"]
        cluster = await create_cluster(self.user, clusters, ClusterTerms(runtime, quorum, quorum))
        signers = []
        for at in range(quorum):
            signer = known_key(f"signer {name} {at}")
            operator = TransactionSender(self.node, _OPERATORS[at])
            platform = known_digest(f"platform {name} {at}")
            await self._admit(operator, platform, signer)
            worker = compute_worker_id(operator.address, platform)
            await operator.send(clusters.address, clusters.encode("join", cluster, worker))
            signers.append(signer)
        return RigCluster(cluster, runtime, tuple(sorted(signers, key=lambda key: key.address)))

    async def _admit(self, operator: TransactionSender, platform: Digest, signer: PrivateKey) -> None:
        block = await self.node.block("latest")
        assert block is not None
        admission = Admission(
            operator=operator.address,
            platform=platform,
            role=ROLE_WORKER,
            signer=signer.address,
            sealing_key=known_digest("sealing"),
            evidence_digest=known_digest("evidence"),
            measurement=known_digest("measurement"),
            root=known_digest("root"),
            level=3,
            simulated=True,
            configuration=compute_configuration_hash(self.configuration),
            block_number=block.number,
            block_hash=block.hash,
            expires=block.timestamp + _YEAR,
        )
        registry = self.contracts["Registry"]
        signature = known_key("gatekeeper").sign(admission.digest(self.configuration.chain_id, registry.address))
        call = registry.encode("admit", astuple(admission), b"evidence", [signature])
        await operator.send(registry.address, call)

    async def settle(self, cluster: RigCluster, outputs_root: Digest | None = None) -> TransactionReceipt:
        """Settles every open link of a cluster, signed by all its members."""
        settlement, inbox = self.contracts["Settlement"], self.contracts["Inbox"]
        count, root, receipts = await settlement.read("settled", cluster.id)
        block = await self.node.block("latest")
        assert block is not None
        receipt = Receipt(
            network=self.network,
            cluster=cluster.id,
            epoch=1,
            runtime=cluster.runtime,
            first=count,
            to=await inbox.read("counts", cluster.id),
            inbox_head=await inbox.read("heads", cluster.id),
            previous_root=StateRoot(root),
            new_root=StateRoot(known_digest(f"root {receipts}")),
            outputs_root=outputs_root or known_digest("outputs"),
            block_number=block.number,
            block_hash=block.hash,
        )
        digest = receipt.digest(self.configuration.chain_id, settlement.address)
        signatures = [signer.sign(digest) for signer in cluster.signers]
        return await self.send("Settlement", "settle", receipt_to_abi(receipt), signatures)


async def open_rig(node: Node) -> Rig:
    """Deploys a network's contracts; its one gatekeeper is a known key."""
    user = TransactionSender(node, development_keys()[0])
    options = DeploymentOptions(
        sealers=(known_key("sealer").address,),
        finality="none: this network only shows costs",
        attestation=AttestationFloor((known_digest("root"),), (known_digest("measurement"),), 0, 5),
        allow_simulated=True,
        development=True,
        guardian=user.address,
        custodian=Custodian("file"),
    )
    nonce = await node.transaction_count(user.address)
    configuration = await deploy_contracts(node, user, nonce, options)
    contracts = NetworkContracts.of(node, configuration)
    network = NetworkId(known_digest("network"))
    member = GatekeeperMember(
        user.address, known_key("gatekeeper").address, known_digest("sealing"), known_digest("evidence")
    )
    gatekeeping = contracts["Gatekeeping"]
    members_hash = compute_members_hash([(member.operator, member.signer, member.sealing_key, member.evidence_digest)])
    statement = GenesisRecord(network, 1, members_hash).digest(configuration.chain_id, gatekeeping.address)
    await initialize_gatekeeping(user, gatekeeping, 1, [member], network, [known_key("gatekeeper").sign(statement)])
    return Rig(node, user, configuration, contracts, network)
