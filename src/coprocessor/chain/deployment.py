"""Deploying a network: the contracts at predicted addresses, its one configuration, its genesis, its first cluster.

Rules (PROTOCOL 1.1 to 1.3):
1. Addresses follow from the deployer's nonces, so constructor arguments can name contracts that do not exist yet, and
   each code hash pins the wiring.
2. Every step looks first whether it is done; an interrupted deployment goes on where it stopped, from the same first
   nonce. Where the chain holds something else than expected, it stops (``deployment.foreign``, ``deployment.nonce``).
3. The configuration is fixed in ``Registry`` and the names in ``Directory`` before any gatekeeper exists; the genesis
   that they sign covers both.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from coprocessor.chain.artifacts import Artifact, load_artifact
from coprocessor.chain.contract import Contract
from coprocessor.chain.node import BlockTag, Node
from coprocessor.chain.sender import TransactionSender
from coprocessor.codec import rlp
from coprocessor.crypto.hashing import keccak256
from coprocessor.protocol.genesis import compute_configuration_hash
from coprocessor.values.errors import CallerMisuse, InternalError
from coprocessor.values.identities import ZERO_ADDRESS, ZERO_DIGEST, Address, ClusterId, Digest, NetworkId, to_hex
from coprocessor.values.network import (
    CONTRACT_NAMES,
    AttestationFloor,
    ContractIdentity,
    Custodian,
    NetworkConfiguration,
)

__all__ = [
    "DEVELOPMENT_BEACON_WINDOW",
    "DEVELOPMENT_DELAY",
    "DEVELOPMENT_HOLDERS",
    "DEVELOPMENT_PHASE_BLOCKS",
    "ClusterTerms",
    "DeploymentOptions",
    "GatekeeperMember",
    "NetworkContracts",
    "compute_contract_address",
    "create_cluster",
    "deploy_contracts",
    "initialize_gatekeeping",
    "new_cluster",
    "plan_configuration",
]

DEVELOPMENT_PHASE_BLOCKS = 96
"""Blocks of a phase of a key ceremony where each transaction makes one; a public chain needs hours."""

DEVELOPMENT_HOLDERS = 1
"""Operators outside a cluster that hold its checkpoint before epochs close, where one gatekeeper may be all there is;
a network that carries value wants two or more (PROTOCOL 8.4)."""
DEVELOPMENT_DELAY = 20
"""Seconds between an announcement and its effect where people develop; 7 days anywhere else (PROTOCOL 1.4)."""

DEVELOPMENT_BEACON_WINDOW = 32
"""Blocks for each of which the beacon has a value where blocks come with transactions alone; at most 128 on any chain,
and more than half of what it takes for a block to become final."""

_DEPLOYMENT_GAS = 6_000_000
"""Gas limit of one creating transaction: estimating would need the contract's neighbours."""


@dataclass(frozen=True, slots=True)
class DeploymentOptions:
    """What a new network is to be.

    Args:
        sealers: addresses whose seals make headers final.
        finality: name of the rule by which blocks become final, for people.
        attestation: the policy floor.
        allow_simulated: evidence of simulated hardware counts.
        development: delays are shortened, one operator may do everything.
        guardian: 20 bytes, who may revoke, distrust and pause.
        custodian: what brings shares back after a loss of all power.
        phase_blocks: after which a phase of a key ceremony ends without those who have not spoken.
        holders: r, operators outside a cluster that must hold its checkpoint before epochs close, 1 to 16.
        delay: seconds between an announcement of the proposer's and its effect.
        beacon_window: blocks for each of which the beacon has one value (PROTOCOL 10).
    """

    sealers: tuple[Address, ...]
    finality: str
    attestation: AttestationFloor
    allow_simulated: bool
    development: bool
    guardian: Address
    custodian: Custodian
    phase_blocks: int = DEVELOPMENT_PHASE_BLOCKS
    holders: int = DEVELOPMENT_HOLDERS
    delay: int = DEVELOPMENT_DELAY
    beacon_window: int = DEVELOPMENT_BEACON_WINDOW


@dataclass(frozen=True, slots=True)
class GatekeeperMember:
    """A first gatekeeper as ``Gatekeeping`` records it."""

    operator: Address
    signer: Address
    sealing_key: bytes
    evidence_digest: Digest


@dataclass(frozen=True, slots=True)
class ClusterTerms:
    """Terms of a new cluster, as ``Clusters.create`` takes them; ``dispute_window`` in blocks."""

    runtime: bytes
    quorum: int = 1
    fast_quorum: int = 1
    dispute_window: int = 0
    is_open: bool = True


@dataclass(frozen=True, slots=True)
class NetworkContracts:
    """The contracts of a network behind one node."""

    node: Node
    contracts: tuple[tuple[str, Contract], ...]

    @staticmethod
    def of(node: Node, configuration: NetworkConfiguration) -> NetworkContracts:
        """The contracts that a configuration names."""
        return NetworkContracts(
            node,
            tuple(
                (name, Contract(node, identity.address, load_artifact(name).interface))
                for name, identity in configuration.contracts
            ),
        )

    def __getitem__(self, name: str) -> Contract:
        return dict(self.contracts)[name]


def compute_contract_address(deployer: Address, nonce: int) -> Address:
    """Where the deployer's transaction with this nonce creates a contract. **Source:** Yellow Paper, section 7."""
    return Address(keccak256(rlp.encode([deployer, rlp.encode_integer(nonce)]))[12:])


def plan_configuration(
    chain_id: int, deployer: Address, first_nonce: int, options: DeploymentOptions
) -> NetworkConfiguration:
    """The configuration of the network that ``deployer`` deploys from ``first_nonce`` on; nothing is sent (rule 1)."""
    addresses = _addresses(deployer, first_nonce)
    identities = []
    for name in CONTRACT_NAMES:
        artifact = load_artifact(name)
        code = artifact.runtime_code(*_arguments(artifact, addresses, deployer, options))
        identities.append((name, ContractIdentity(addresses[name], keccak256(code))))
    return NetworkConfiguration(
        chain_id=chain_id,
        sealers=options.sealers,
        finality=options.finality,
        contracts=tuple(identities),
        attestation=options.attestation,
        allow_simulated=options.allow_simulated,
        development=options.development,
        custodian=options.custodian,
    )


async def deploy_contracts(
    node: Node, sender: TransactionSender, first_nonce: int, options: DeploymentOptions
) -> NetworkConfiguration:
    """Deploys what is missing of a network and fixes its configuration and names (rules 2 and 3).

    Args:
        node: the chain.
        sender: the deployer's account; nobody else may use it meanwhile.
        first_nonce: nonce of the first creating transaction. The caller MUST keep it before the first call, and give
            the same when an interrupted deployment goes on.
        options: the same each time.

    Raises:
        CallerMisuse: ``deployment.foreign``, ``deployment.nonce``: the chain does not hold what this deployment makes.
    """
    configuration = plan_configuration(await node.chain_id(), sender.address, first_nonce, options)
    addresses = {name: identity.address for name, identity in configuration.contracts}
    for offset, (name, identity) in enumerate(configuration.contracts):
        if await _is_deployed(node, name, identity):
            continue
        await _check_nonce(node, sender.address, name, first_nonce + offset)
        artifact = load_artifact(name)
        init_code = artifact.init_code(*_arguments(artifact, addresses, sender.address, options))
        receipt = await sender.send(None, init_code, gas=_DEPLOYMENT_GAS)
        if receipt.contract_address != identity.address:
            raise InternalError("deployment.address", f"{name} is at another address than its nonce makes")
        if not await _is_deployed(node, name, identity, receipt.block_number):
            raise InternalError("deployment.code", f"{name} has no code in block {receipt.block_number}")
    contracts = NetworkContracts.of(node, configuration)
    await _set_configuration(sender, contracts["Registry"], compute_configuration_hash(configuration))
    await _fill_directory(sender, contracts["Directory"], configuration)
    return configuration


async def initialize_gatekeeping(
    sender: TransactionSender,
    gatekeeping: Contract,
    threshold: int,
    members: Sequence[GatekeeperMember],
    network: NetworkId,
    signatures: Sequence[bytes],
) -> None:
    """Names the network and its first committee, once, with a signature of each member over the ``GenesisRecord``.

    Raises:
        CallerMisuse: ``deployment.foreign``: the chain names another network.
        TransactionReverted: a signature is not the member's.
    """
    recorded = await gatekeeping.read("genesis")
    if recorded == network:
        return
    if recorded != ZERO_DIGEST:
        raise _foreign(f"Gatekeeping names network {to_hex(recorded)}, not {to_hex(network)}")
    plain = [(member.operator, member.signer, member.sealing_key, member.evidence_digest) for member in members]
    call = gatekeeping.encode("initialize", threshold, plain, network, list(signatures))
    await sender.send(gatekeeping.address, call)


async def create_cluster(
    sender: TransactionSender, clusters: Contract, terms: ClusterTerms, at: int = 0
) -> ClusterId:
    """The sender's cluster number ``at``, from 0, of this runtime; created where the sender has no more than that."""
    topic = clusters.interface.event("Created")
    head = await clusters.node.block("latest")
    logs = await clusters.node.logs(
        [clusters.address], [topic.topic, None, bytes(12) + sender.address], 0, 0 if head is None else head.number
    )
    made = [event["cluster"] for event in clusters.events(logs, "Created") if event["runtime"] == terms.runtime]
    return ClusterId(made[at]) if at < len(made) else await new_cluster(sender, clusters, terms)


async def new_cluster(sender: TransactionSender, clusters: Contract, terms: ClusterTerms) -> ClusterId:
    """Creates a cluster, which the sender owns. Raises TransactionReverted."""
    call = clusters.encode(
        "create", terms.quorum, terms.fast_quorum, terms.dispute_window, terms.is_open, terms.runtime
    )
    receipt = await sender.send(clusters.address, call)
    return ClusterId(clusters.events(receipt.logs, "Created")[0]["cluster"])


def _addresses(deployer: Address, first_nonce: int) -> dict[str, Address]:
    return {name: compute_contract_address(deployer, first_nonce + at) for at, name in enumerate(CONTRACT_NAMES)}


def _arguments(
    artifact: Artifact, addresses: dict[str, Address], deployer: Address, options: DeploymentOptions
) -> list[Any]:
    """Constructor arguments by their names: a contract's name, one of the people, or a setting."""
    known: dict[str, Any] = {name.lower(): address for name, address in addresses.items()}
    known |= {"deployer": deployer, "owner": deployer, "guardian": options.guardian}
    known |= {"proposer": deployer, "phase_blocks": options.phase_blocks, "holders": options.holders}
    known |= {"delay": options.delay}
    known |= {"window": options.beacon_window, "allow_simulated": options.allow_simulated}
    return [known[name] for name in artifact.interface.constructor.names]


async def _is_deployed(node: Node, name: str, identity: ContractIdentity, tag: BlockTag = "latest") -> bool:
    code = await node.code(identity.address, tag)
    if code and keccak256(code) != identity.code_hash:
        raise _foreign(f"{to_hex(identity.address)} holds other code than {name} has")
    return bool(code)


async def _check_nonce(node: Node, deployer: Address, name: str, nonce: int) -> None:
    present = await node.transaction_count(deployer)
    if present != nonce:
        raise CallerMisuse(
            "deployment.nonce",
            f"{name} needs nonce {nonce} of {to_hex(deployer)}, which stands at {present}",
            "the account was used for something else since the deployment began",
            "deploy anew from a fresh account",
        )


async def _set_configuration(sender: TransactionSender, registry: Contract, wanted: Digest) -> None:
    recorded = await registry.read("configuration")
    if recorded == wanted:
        return
    if recorded != ZERO_DIGEST:
        raise _foreign(f"Registry holds configuration {to_hex(recorded)}, not {to_hex(wanted)}")
    await sender.send(registry.address, registry.encode("set_configuration", wanted))


async def _fill_directory(sender: TransactionSender, directory: Contract, configuration: NetworkConfiguration) -> None:
    if await directory.read("is_sealed"):
        return
    for name, identity in configuration.contracts:
        key = name.encode("ascii").ljust(32, b"\0")
        recorded: Any = await directory.read("get", key)
        if recorded == ZERO_ADDRESS:
            await sender.send(directory.address, directory.encode("set", key, identity.address))
        elif recorded != identity.address:
            raise _foreign(f"Directory calls {to_hex(recorded)} {name}")
    await sender.send(directory.address, directory.encode("seal"))


def _foreign(why: str) -> CallerMisuse:
    return CallerMisuse(
        "deployment.foreign",
        "the chain does not hold what this deployment made",
        why,
        "another deployment used these addresses, or the chain was reset: deploy anew from a fresh account",
    )
