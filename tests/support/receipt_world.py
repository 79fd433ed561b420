"""A small chain made by hand: state tries, a sealed header, signed receipts. Fakes what a node and enclaves do.

The tries are py-trie's, so that the proofs which the code under test checks come from an independent implementation.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import rlp
from trie import HexaryTrie

from coprocessor.crypto.hashing import keccak256
from coprocessor.crypto.secp256k1 import PrivateKey
from coprocessor.headers.header import parse_header
from coprocessor.headers.sealed import seal_digest
from coprocessor.protocol import layout
from coprocessor.protocol.genesis import compute_network_id
from coprocessor.protocol.outputs import (
    Leaf,
    compute_outputs_root,
    derive_output_keys,
    prove_output,
    seal_output,
)
from coprocessor.protocol.receipt_file import Opened, ReceiptFile, SealedHeader, SignedBy, pack_proof
from coprocessor.protocol.receipt_verdict import ReceiptQuestion, minimal_seals, required_slots
from coprocessor.protocol.receipts import Receipt
from coprocessor.values.identities import Address, Digest
from coprocessor.values.network import (
    CONTRACT_NAMES,
    AttestationFloor,
    ContractIdentity,
    Custodian,
    Network,
    NetworkConfiguration,
)

CLUSTER = keccak256(b"cluster")
PROGRAM = keccak256(b"program")
CODE_HASH = keccak256(b"code")
RECEIPT_NUMBER = 3
BLOCK_NUMBER = 70


def key(seed: int) -> PrivateKey:
    """A key that tests know."""
    return PrivateKey(keccak256(seed.to_bytes(4, "big")))


def _code_hash(name: str) -> Digest:
    return keccak256(b"code of " + name.encode())


@dataclass
class World:
    """A network with three sealers, a cluster of two workers (quorum 2), and one settled receipt of five outputs.

    Tests edit its storage or its parts before they ask for a ``file``.
    """

    sealers: list[PrivateKey] = field(default_factory=lambda: [key(1), key(2), key(3), key(4)])
    signers: list[PrivateKey] = field(default_factory=lambda: sorted([key(11), key(12)], key=lambda k: k.address))
    storage: dict[str, dict[bytes, int]] = field(default_factory=lambda: {name: {} for name in CONTRACT_NAMES})
    deployed_code: dict[str, Digest] = field(default_factory=dict)
    gatekeeper: bytes = b"gatekeeper"
    quorum: int = 2
    simulated: int = 1

    def __post_init__(self) -> None:
        contracts = tuple(
            (name, ContractIdentity(Address(keccak256(name.encode())[:20]), _code_hash(name)))
            for name in CONTRACT_NAMES
        )
        floor = AttestationFloor((keccak256(b"root"),), (keccak256(b"measurement"),), 1, 5)
        sealers = tuple(sealer.address for sealer in self.sealers)
        configuration = NetworkConfiguration(31337, sealers, "sealed", contracts, floor, True, True, Custodian("none"))
        self.network = Network(configuration, (keccak256(self.gatekeeper),))
        self.network_id = compute_network_id(self.network)
        self._make_outputs()
        self._make_receipt()
        self._make_storage()

    def _make_outputs(self) -> None:
        self.outputs: list[tuple[bytes, Leaf, Opened]] = []
        for position in range(5):
            plaintext = b'"result %d"' % position
            keys = derive_output_keys(b"s" * 16, self.network_id, keccak256(b"link"), position)
            empty = Leaf(21, position, PROGRAM, Digest(bytes(32)), 0, 1000 + position, Digest(b""), Digest(b""))
            sealed, leaf = seal_output(plaintext, keys, empty, self.network_id)
            self.outputs.append((sealed, leaf, Opened(keys.salt, plaintext)))

    def _make_receipt(self) -> None:
        leaves = [leaf.digest() for _, leaf, _ in self.outputs]
        self.receipt = Receipt(
            network=self.network_id,
            cluster=CLUSTER,
            epoch=1,
            runtime=keccak256(b"runtime"),
            first=20,
            to=23,
            inbox_head=keccak256(b"head"),
            previous_root=keccak256(b"before"),
            new_root=keccak256(b"after"),
            outputs_root=compute_outputs_root(leaves),
            block_number=60,
            block_hash=keccak256(b"block"),
        )

    def _make_storage(self) -> None:
        settlement, clusters = self.storage["Settlement"], self.storage["Clusters"]
        registry, programs = self.storage["Registry"], self.storage["Programs"]
        values = {
            "to": self.receipt.to,
            "root": int.from_bytes(self.receipt.new_root, "big"),
            "outputs_root": int.from_bytes(self.receipt.outputs_root, "big"),
            "final_block": BLOCK_NUMBER,
        }
        for name, value in values.items():
            settlement[layout.receipt_field(CLUSTER, RECEIPT_NUMBER, name)] = value
        settlement[layout.settled(CLUSTER, "count")] = self.receipt.to
        clusters[layout.cluster_field(CLUSTER, "quorum")] = self.quorum
        for at, signer in enumerate(self.signers):
            worker = self.worker(at)
            clusters[layout.cluster_member(CLUSTER, worker)] = 1
            registry[layout.registry_bound_worker(signer.address)] = int.from_bytes(worker, "big")
            registry[layout.registry_worker(worker, "operator")] = 100 + at
            registry[layout.registry_worker(worker, "role")] = 1
            registry[layout.registry_worker(worker, "simulated")] = self.simulated
        programs[layout.program_field(PROGRAM, "cluster")] = int.from_bytes(CLUSTER, "big")
        programs[layout.program_field(PROGRAM, "code_hash")] = int.from_bytes(CODE_HASH, "big")

    def worker(self, at: int) -> Digest:
        """Id of the worker that ``signers[at]`` serves."""
        return keccak256(b"worker %d" % at)

    def file(self, position: int = 3, opened: bool = True) -> ReceiptFile:
        """The receipt file of the output at ``position``."""
        digest = self.receipt.digest(31337, self.network.configuration.contract("Settlement").address)
        signatures = tuple(SignedBy(self.worker(at), signer.sign(digest)) for at, signer in enumerate(self.signers))
        signers = tuple((signer.address, self.worker(at)) for at, signer in enumerate(self.signers))
        question = ReceiptQuestion(CLUSTER, RECEIPT_NUMBER, PROGRAM, signers)
        state = self._state()
        paths: list[list[bytes]] = []
        for contract, slots in required_slots(question):
            identity = self.network.configuration.contract(contract)
            paths.append(_path(state, keccak256(identity.address)))
            trie = self._storage_trie(contract)
            paths += [_path(trie, keccak256(slot)) for slot in slots]
        sealed, leaf, plain = self.outputs[position]
        leaves = [other.digest() for _, other, _ in self.outputs]
        return ReceiptFile(
            network=self.network,
            header=self.header(state.root_hash),
            number=RECEIPT_NUMBER,
            receipt=self.receipt,
            signatures=signatures,
            leaf=leaf,
            place=prove_output(leaves, position),
            sealed_output=sealed,
            opened=plain if opened else None,
            proof=pack_proof(paths),
        )

    def header(self, state_root: bytes) -> SealedHeader:
        """A header over ``state_root``, sealed by as many sealers as it takes."""
        fields = [keccak256(b"parent"), bytes(32), bytes(20), state_root, bytes(32), bytes(32), bytes(256), b""]
        fields += [BLOCK_NUMBER, 30_000_000, 0, 1_700_000_000, b"", bytes(32), bytes(8), 7]
        raw = rlp.encode(fields)
        header = parse_header(raw)
        seals = [sealer.sign(seal_digest(31337, header.number, header.hash)) for sealer in reversed(self.sealers)]
        return SealedHeader(raw, minimal_seals(self.network, header.number, header.hash, seals))

    def _storage_trie(self, contract: str) -> HexaryTrie:
        trie = HexaryTrie({})
        for slot, value in self.storage[contract].items():
            if value:
                trie[keccak256(slot)] = rlp.encode(value)
        return trie

    def _state(self) -> HexaryTrie:
        trie = HexaryTrie({})
        for at in range(20):  # strangers, so that paths have branches
            trie[keccak256(b"stranger %d" % at)] = rlp.encode([at, 1, bytes(32), bytes(32)])
        for name, identity in self.network.configuration.contracts:
            root = self._storage_trie(name).root_hash
            code_hash = self.deployed_code.get(name, identity.code_hash)
            trie[keccak256(identity.address)] = rlp.encode([1, 0, root, code_hash])
        return trie


def _path(trie: HexaryTrie, key_hash: bytes) -> list[bytes]:
    return [rlp.encode(node) for node in trie.get_proof(key_hash)]
