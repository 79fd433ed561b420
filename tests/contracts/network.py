"""A whole network for tests: all contracts wired together, three gatekeepers with threshold two, clusters on demand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import count
from typing import Any

from coprocessor.crypto.hashing import keccak256
from coprocessor.crypto.secp256k1 import PrivateKey
from coprocessor.protocol.receipts import Receipt
from coprocessor.protocol.statements import (
    ROLE_WORKER,
    Admission,
    GenesisRecord,
    MasterKeyRecord,
    compute_members_hash,
)
from coprocessor.protocol.system import compute_worker_id
from coprocessor.values.identities import (
    ZERO_DIGEST,
    Address,
    ClusterId,
    Digest,
    NetworkId,
    ProgramId,
    RuntimeId,
    StateRoot,
    WorkerId,
)
from tests.contracts.evm import Deployed, Evm, Mined

CONTRACTS = (
    *("Directory", "Gatekeeping", "Registry", "Clusters", "Programs", "Fees", "Inbox", "Settlement"),
    *("Beacon", "Accounts"),
)
THRESHOLD = 2
PHASE_BLOCKS = 5
HOLDERS = 2
BEACON_WINDOW = 4
DAY = 86_400
DELAY = 7 * DAY


def secret(label: str) -> PrivateKey:
    """A key that is the same in every run."""
    return PrivateKey(keccak256(label.encode()))


def digest(label: str) -> Digest:
    """32 bytes that are the same in every run."""
    return keccak256(b"test/" + label.encode())


def genesis_digest(
    gatekeeping: Deployed, threshold: int, members: Sequence[tuple[bytes, bytes, bytes, bytes]], genesis: bytes
) -> Digest:
    """What every first member signs."""
    rows = [(Address(a), Address(b), c, Digest(d)) for a, b, c, d in members]
    record = GenesisRecord(NetworkId(genesis), threshold, compute_members_hash(rows))
    return record.digest(gatekeeping.evm.chain_id, gatekeeping.address)


@dataclass(frozen=True)
class Enclave:
    """An admitted worker: who runs it, where, and its live signing key."""

    operator: PrivateKey
    platform: Digest
    signer: PrivateKey

    @property
    def worker(self) -> WorkerId:
        """Its id in the registry."""
        return compute_worker_id(self.operator.address, self.platform)


@dataclass(frozen=True)
class Cluster:
    """A cluster with its first members."""

    id: ClusterId
    runtime: RuntimeId
    members: tuple[Enclave, ...]


class TestNetwork:
    """The contracts of a network, each an attribute, with the people and enclaves that use them."""

    __test__ = False
    directory: Deployed
    gatekeeping: Deployed
    registry: Deployed
    clusters: Deployed
    programs: Deployed
    fees: Deployed
    inbox: Deployed
    settlement: Deployed
    beacon: Deployed
    accounts: Deployed

    def __init__(self, evm: Evm) -> None:
        self.evm = evm
        self.deployer, self.guardian, self.stranger, *self.operators = evm.keys
        self.proposer = self.operators[-1]
        self.configuration = digest("configuration")
        self.genesis = NetworkId(digest("genesis"))
        self.gatekeepers = [secret(f"gatekeeper/{index}") for index in range(3)]
        self._labels = count()
        self._deploy()
        self.gatekeeping.send(self.deployer, "initialize", *self.genesis_arguments())
        self.registry.send(self.deployer, "set_configuration", self.configuration)

    def _deploy(self) -> None:
        start = self.evm.nonce(self.deployer.address)
        at = {
            name: self.evm.created_address(self.deployer.address, start + index) for index, name in enumerate(CONTRACTS)
        }
        arguments: dict[str, Sequence[Any]] = {
            "Directory": [self.deployer.address],
            "Gatekeeping": [self.deployer.address, self.proposer.address, self.guardian.address, PHASE_BLOCKS],
            "Registry": [
                at["Gatekeeping"],
                self.guardian.address,
                at["Settlement"],
                self.deployer.address,
                self.proposer.address,
                DELAY,
            ],
            "Clusters": [
                *(at[name] for name in ("Registry", "Inbox", "Settlement", "Gatekeeping")),
                self.guardian.address,
                HOLDERS,
                DELAY,
            ],
            "Programs": [at["Clusters"], at["Gatekeeping"], at["Inbox"]],
            "Fees": [at["Inbox"], at["Settlement"]],
            "Inbox": [at["Fees"], at["Clusters"], at["Programs"], at["Settlement"]],
            "Settlement": [at["Inbox"], at["Clusters"], at["Registry"], at["Gatekeeping"]],
            "Accounts": [at["Accounts"], at["Clusters"], at["Programs"]],
            "Beacon": [at["Gatekeeping"], PHASE_BLOCKS, BEACON_WINDOW, True],
        }
        for name in CONTRACTS:
            deployed = self.evm.deploy(name, *arguments[name], key=self.deployer)
            assert deployed.address == at[name]
            setattr(self, name.lower(), deployed)

    def label(self, what: str) -> str:
        """A label that nobody has used on this network; runs repeat them."""
        return f"{what}/{next(self._labels)}"

    def genesis_members(self) -> list[tuple[bytes, bytes, bytes, bytes]]:
        """The committee as `initialize` takes it; one operator runs all."""
        return [
            (self.deployer.address, key.address, digest(f"sealing/{index}"), digest(f"evidence/{index}"))
            for index, key in enumerate(self.gatekeepers)
        ]

    def genesis_arguments(self) -> tuple[Any, ...]:
        """What `initialize` takes, signed by every member."""
        members = self.genesis_members()
        signed = genesis_digest(self.gatekeeping, THRESHOLD, members, self.genesis)
        return THRESHOLD, members, self.genesis, [key.sign(signed) for key in self.gatekeepers]

    def master_key_digest(self, master_key: bytes, share_keys: Sequence[bytes]) -> Digest:
        """What every gatekeeper with a share signs at the end of the ceremony."""
        record = MasterKeyRecord(self.genesis, keccak256(master_key), keccak256(b"".join(share_keys)))
        return record.digest(self.evm.chain_id, self.gatekeeping.address)

    # admission

    def admission(self, enclave: Enclave, **changes: Any) -> Admission:
        """What gatekeepers would sign about an enclave now."""
        number = self.evm.block_number()
        admission = Admission(
            operator=enclave.operator.address,
            platform=enclave.platform,
            role=ROLE_WORKER,
            signer=enclave.signer.address,
            sealing_key=digest("sealing/" + enclave.signer.address.hex()),
            evidence_digest=digest("evidence/" + enclave.signer.address.hex()),
            measurement=digest("measurement"),
            root=digest("root"),
            level=3,
            simulated=True,
            configuration=self.configuration,
            block_number=number - 1,
            block_hash=self.evm.block_hash(number - 1),
            expires=self.evm.timestamp() + 365 * DAY,
        )
        return replace(admission, **changes)

    def sign_admission(self, admission: Admission, gatekeepers: Sequence[int] = (0, 1)) -> list[bytes]:
        """Signatures of gatekeepers by index, in this order."""
        signed = admission.digest(self.evm.chain_id, self.registry.address)
        return [self.gatekeepers[index].sign(signed) for index in gatekeepers]

    def admit(self, enclave: Enclave, evidence: bytes = b"evidence", **changes: Any) -> Mined:
        """Admits an enclave."""
        admission = self.admission(enclave, **changes)
        return self.registry.send(enclave.operator, "admit", admission, evidence, self.sign_admission(admission))

    def enclave(self, operator: int = 0) -> Enclave:
        """A fresh enclave on a fresh platform, not admitted."""
        label = self.label("enclave")
        return Enclave(self.operators[operator], digest(label + "/platform"), secret(label + "/signer"))

    # clusters

    def create_cluster(
        self,
        members: int = 2,
        quorum: int = 2,
        fast_quorum: int | None = None,
        dispute_window: int = 0,
        is_open: bool = True,
    ) -> Cluster:
        """A cluster of the deployer with so many members of distinct operators; fast quorum = quorum unless given."""
        runtime = RuntimeId(digest("runtime"))
        terms = (quorum, fast_quorum or quorum, dispute_window, is_open, runtime)
        mined = self.clusters.send(self.deployer, "create", *terms)
        cluster = ClusterId(self.clusters.event(mined, "Created")["cluster"])
        enclaves = tuple(self.enclave(operator) for operator in range(members))
        for enclave in enclaves:
            self.admit(enclave)
            self.join(cluster, enclave, needs_approval=not is_open)
        return Cluster(cluster, runtime, enclaves)

    def join(self, cluster: ClusterId, enclave: Enclave, needs_approval: bool = False) -> Mined:
        """Makes an admitted enclave a member."""
        if needs_approval:
            self.clusters.send(self.deployer, "approve", cluster, enclave.worker)
        return self.clusters.send(enclave.operator, "join", cluster, enclave.worker)

    # receipts

    def receipt(self, cluster: Cluster, /, **changes: Any) -> Receipt:
        """An acceptable receipt over all links that are not settled yet."""
        settled, root, _ = self.settlement.read("settled", cluster.id)
        number = self.evm.block_number() - 1
        receipt = Receipt(
            network=self.genesis,
            cluster=cluster.id,
            epoch=1,
            runtime=cluster.runtime,
            first=settled,
            to=self.inbox.read("counts", cluster.id),
            inbox_head=self.inbox.read("heads", cluster.id),
            previous_root=StateRoot(root),
            new_root=StateRoot(digest("root")),
            outputs_root=digest("outputs"),
            block_number=number,
            block_hash=self.evm.block_hash(number),
        )
        return replace(receipt, **changes)

    def sign_receipt(self, receipt: Receipt, enclaves: Sequence[Enclave]) -> list[bytes]:
        """The enclaves' signatures, ascending by signer."""
        signed = receipt.digest(self.evm.chain_id, self.settlement.address)
        return [enclave.signer.sign(signed) for enclave in ascending(enclaves)]

    def settle(self, cluster: Cluster, signers: Sequence[Enclave] | None = None, **changes: Any) -> Mined:
        """Settles all open links."""
        receipt = self.receipt(cluster, **changes)
        signatures = self.sign_receipt(receipt, cluster.members if signers is None else signers)
        return self.settlement.send(self.stranger, "settle", receipt, signatures)

    # programs

    def publish(self, code: bytes | None = None) -> Digest:
        """Publishes code in one chunk; its hash."""
        body = code or self.label("code").encode()
        mined = self.programs.send(self.deployer, "publish", digest(self.label("upload")), 0, True, body)
        return Digest(self.programs.event(mined, "CodePublished")["code_hash"])

    def instantiate(
        self, cluster: ClusterId, code_hash: Digest | None = None, policy: Digest = ZERO_DIGEST
    ) -> ProgramId:
        """A program of the deployer without constructor arguments, frozen unless another policy's digest is given."""
        code, salt = code_hash or self.publish(), digest(self.label("salt"))
        mined = self.programs.send(self.deployer, "instantiate", code, cluster, salt, policy, [], b"", 1_000_000)
        return ProgramId(self.programs.event(mined, "Instantiated")["program"])


def ascending(enclaves: Sequence[Enclave]) -> list[Enclave]:
    """In the order in which the contracts take their signatures."""
    return sorted(enclaves, key=lambda enclave: enclave.signer.address)


def code_hash_of(*chunks: bytes) -> Digest:
    """The rolling hash by which `Programs` names code."""
    rolling = ZERO_DIGEST
    for chunk in chunks:
        rolling = keccak256(rolling + keccak256(chunk))
    return rolling


def padded_name(name: str) -> bytes:
    """A directory name: ASCII, zeros on the right."""
    return name.encode().ljust(32, b"\0")
