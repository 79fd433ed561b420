"""A chain in memory: contracts as storage maps, sealed headers, proofs. What an enclave's host would read from a node.

Tries are py-trie's, so the proofs come from an implementation that is not ours.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable

import rlp
from rlp.codec import encode_raw
from trie import HexaryTrie

from coprocessor.attestation.vendors.simulated import build_root
from coprocessor.attesters.simulated import simulated_measurement
from coprocessor.codec import abi
from coprocessor.crypto.hashing import keccak256, sha256
from coprocessor.crypto.secp256k1 import PrivateKey
from coprocessor.enclave import messages as m
from coprocessor.headers.header import parse_header
from coprocessor.headers.sealed import seal_digest
from coprocessor.protocol import layout
from coprocessor.protocol.genesis import network_to_json
from coprocessor.protocol.links import Link, LinkKind, compute_genesis_head, compute_head
from coprocessor.values.identities import Address, ClusterId, Digest
from coprocessor.values.network import (
    CONTRACT_NAMES,
    AttestationFloor,
    ContractIdentity,
    Custodian,
    Network,
    NetworkConfiguration,
)

MEASURED = sha256(b"test enclave")
CHAIN_ID = 31337
CLUSTER = ClusterId(keccak256(b"cluster"))
GENESIS_TIME = 1_800_000_000
DISK = Custodian("file")


def key(seed: int) -> PrivateKey:
    """A key that tests know."""
    return PrivateKey(keccak256(b"key" + seed.to_bytes(4, "big")))


def configuration(
    *,
    allow_simulated: bool = True,
    sealers: tuple[Address, ...] | None = None,
    custodian: Custodian = DISK,
    development: bool = True,
    measurements: tuple[Digest, ...] = (),
) -> NetworkConfiguration:
    """A network's configuration with made-up contracts."""
    contracts = tuple(
        (name, ContractIdentity(Address(keccak256(name.encode())[:20]), keccak256(b"code " + name.encode())))
        for name in CONTRACT_NAMES
    )
    root = Digest(build_root().digest)
    floor = AttestationFloor((root,), (simulated_measurement(MEASURED), *measurements), 1, 5)
    return NetworkConfiguration(
        CHAIN_ID,
        sealers or (key(1).address,),
        "sealed",
        contracts,
        floor,
        allow_simulated,
        development=development,
        custodian=custodian,
    )


Roots = dict[str, bytes]
"""Of the storage of each contract, and under the empty name that of all accounts."""


class ChainState:
    """Tries over accounts and storage. Nodes of all blocks stay, so that a block costs what changed in it.

    Args:
        configuration: names the contracts.
    """

    def __init__(self, configuration: NetworkConfiguration) -> None:
        self._contracts = dict(configuration.contracts)
        self._tries = {name: HexaryTrie({}) for name in ("", *CONTRACT_NAMES)}
        self._written: dict[str, dict[bytes, int]] = {name: {} for name in CONTRACT_NAMES}
        self._proofs: dict[tuple[str, bytes, bytes], tuple[bytes, ...]] = {}
        for name in CONTRACT_NAMES:
            self._write_account(name)

    def fork(self) -> ChainState:
        """One that goes its own way from here; nodes are named by their hashes, so both use the same."""
        other = copy.copy(self)
        other._tries = {name: HexaryTrie(trie.db, trie.root_hash) for name, trie in self._tries.items()}
        other._written = {name: dict(written) for name, written in self._written.items()}
        return other

    def update(self, storage: dict[str, dict[bytes, int]]) -> bytes:
        """Writes what differs from the block before; the new state root, 32 bytes."""
        for name, slots in storage.items():
            written, trie = self._written[name], self._tries[name]
            changed = {slot: value for slot, value in slots.items() if written.get(slot, 0) != value}
            for slot, value in changed.items():
                if value:
                    trie[keccak256(slot)] = rlp.encode(rlp.sedes.big_endian_int.serialize(value))
                else:
                    del trie[keccak256(slot)]
                written[slot] = value
            if changed:
                self._write_account(name)
        return bytes(self._tries[""].root_hash)

    def roots(self) -> Roots:
        """Of all tries as they are."""
        return {name: trie.root_hash for name, trie in self._tries.items()}

    def prove_account(self, roots: Roots, name: str) -> tuple[bytes, ...]:
        """Nodes to a contract's account."""
        return self._prove("", roots[""], keccak256(self._contracts[name].address))

    def prove_slot(self, roots: Roots, name: str, slot: bytes) -> tuple[bytes, ...]:
        """Nodes to a slot of a contract, or to where it would be."""
        return self._prove(name, roots[name], keccak256(slot))

    def _write_account(self, name: str) -> None:
        identity = self._contracts[name]
        account = rlp.encode([b"\x01", b"", self._tries[name].root_hash, identity.code_hash])
        self._tries[""][keccak256(identity.address)] = account

    def _prove(self, name: str, root: bytes, path: bytes) -> tuple[bytes, ...]:
        known = self._proofs.get((name, root, path))
        if known is None:
            nodes = HexaryTrie(self._tries[name].db, root).get_proof(path)
            known = self._proofs[name, root, path] = tuple(encode_raw(node) for node in nodes)
        return known


class FakeChain:
    """Blocks, an inbox and contract storage; every block is final at once."""

    def __init__(self, config: NetworkConfiguration | None = None) -> None:
        self.configuration = config or configuration()
        self.sealer = key(1)
        self.gatekeepers: tuple[Digest, ...] = ()
        self.storage: dict[str, dict[bytes, int]] = {name: {} for name in CONTRACT_NAMES}
        self.headers: list[bytes] = []
        self.roots: list[Roots] = []
        self._state = ChainState(self.configuration)
        self.pauses: list[tuple[int, int]] = []
        self.inbox = self.configuration.contract("Inbox").address
        self.inboxes: dict[ClusterId, list[Link]] = {CLUSTER: []}
        self.heads: dict[ClusterId, Digest] = {}
        self.mine()

    def fork(self) -> FakeChain:
        """A chain that has the same past and goes its own way from here."""
        other = copy.copy(self)
        other._state = self._state.fork()
        other.storage = {name: dict(slots) for name, slots in self.storage.items()}
        other.headers, other.roots, other.pauses = [*self.headers], [*self.roots], [*self.pauses]
        other.inboxes = {cluster: [*links] for cluster, links in self.inboxes.items()}
        other.heads = dict(self.heads)
        return other

    @property
    def number(self) -> int:
        """Of the newest block."""
        return len(self.headers) - 1

    @property
    def links(self) -> list[Link]:
        """Of the cluster that most tests speak of."""
        return self.inboxes[CLUSTER]

    @property
    def head(self) -> Digest:
        """Of its inbox."""
        return self._head(CLUSTER)

    @property
    def timestamp(self) -> int:
        """Of the newest block."""
        return self._time(self.number)

    def skip(self, seconds: int) -> None:
        """No block for so long: the next one comes after the pause."""
        self.pauses.append((self.number + 1, seconds))

    def _time(self, number: int) -> int:
        """Timestamp of a block, mined or next."""
        return GENESIS_TIME + 12 * number + sum(seconds for first, seconds in self.pauses if first <= number)

    def block_hash(self, number: int | None = None) -> Digest:
        """Hash of a block, the newest by default."""
        return keccak256(self.headers[self.number if number is None else number])

    def network_json(self) -> str:
        """The text of ``network.json``."""
        return network_to_json(Network(self.configuration, self.gatekeepers))

    def set(self, contract: str, slot: bytes, value: int | bytes) -> None:
        """Writes a slot; it counts from the next block on."""
        self.storage[contract][slot] = value if isinstance(value, int) else int.from_bytes(value, "big")

    def append(self, kind: int, payload: bytes, cluster: ClusterId = CLUSTER, **fields: object) -> Link:
        """A link in the block that is mined next."""
        number, links = self.number + 1, self.inboxes.setdefault(cluster, [])
        values = {"item_count": 0, "fuel_limit": 0, "fee_limit": 0, "origin": key(90).address, "payer": key(90).address}
        values.update(fields)  # type: ignore[arg-type]
        link = Link(
            index=len(links),
            kind=kind,
            block_number=number,
            timestamp=self._time(number),
            prevrandao=keccak256(number.to_bytes(8, "big")),
            payload=payload,
            **values,  # type: ignore[arg-type]
        )
        links.append(link)
        self.heads[cluster] = compute_head(self._head(cluster), link)
        self.set("Inbox", layout.inbox_head(cluster), self.heads[cluster])
        self.set("Inbox", layout.inbox_count(cluster), len(links))
        return link

    def append_epoch(self, runtime: bytes, epoch: int = 1, cluster: ClusterId = CLUSTER) -> Link:
        """The link that begins an epoch."""
        payload = abi.encode(["uint256", "bytes32", "uint256", "uint256"], [epoch, runtime, 1, 1])
        self.set("Clusters", layout.cluster_field(cluster, "epoch"), epoch)
        if epoch == 1:
            self.set("Clusters", layout.cluster_field(cluster, "first_open"), 1)
        return self.append(LinkKind.EPOCH, payload, cluster)

    def mine(self) -> int:
        """A block over the present storage; returns its number."""
        number = len(self.headers)
        parent = keccak256(self.headers[-1]) if self.headers else bytes(32)
        self.headers.append(make_header(parent, self._state.update(self.storage), number, self._time(number)))
        self.roots.append(self._state.roots())
        return number

    def headers_message(self, first: int | None = None, last: int | None = None) -> m.Headers:
        """The blocks ``first`` to ``last``, sealed; the whole chain by default."""
        last = self.number if last is None else last
        raw = self.headers[(first or 0) : last + 1]
        return m.Headers(tuple(raw), (self.seal(raw[-1]),))

    def seal(self, raw: bytes, sealer: PrivateKey | None = None) -> bytes:
        """A seal over a header."""
        header = parse_header(raw)
        return (sealer or self.sealer).sign(seal_digest(CHAIN_ID, header.number, header.hash))

    def proof(self, *slots: tuple[str, bytes], number: int | None = None) -> m.ChainProof:
        """A proof of (contract, slot) pairs at a block, the newest by default."""
        roots = self.roots[self.number if number is None else number]
        accounts = []
        for name in dict.fromkeys(name for name, _ in slots):
            own = [slot for contract, slot in slots if contract == name]
            proven = tuple(m.SlotProof(slot, self._state.prove_slot(roots, name, slot)) for slot in own)
            accounts.append(m.AccountProof(name, self._state.prove_account(roots, name), proven))
        return m.ChainProof(self.number if number is None else number, tuple(accounts))

    def inbox_proof(self, cluster: ClusterId = CLUSTER) -> m.ChainProof:
        """Head and count of the cluster's inbox."""
        return self.proof(("Inbox", layout.inbox_head(cluster)), ("Inbox", layout.inbox_count(cluster)))

    def links_message(self, first: int = 0, cluster: ClusterId = CLUSTER) -> m.Links:
        """All links from ``first`` on."""
        return m.Links(tuple(link_data(link) for link in self.inboxes[cluster][first:]))

    def _head(self, cluster: ClusterId) -> Digest:
        return self.heads.get(cluster) or compute_genesis_head(CHAIN_ID, self.inbox, cluster)


def link_data(link: Link) -> m.LinkData:
    """A link as a host passes it on."""
    return m.LinkData(*(getattr(link, name) for name in Link.__slots__))


def make_header(parent: bytes, state_root: bytes, number: int, timestamp: int) -> bytes:
    """An RLP header of Prague's fields."""
    integer = rlp.sedes.big_endian_int.serialize
    empty = keccak256(b"\x80")
    fields: Iterable[bytes] = (
        parent,
        keccak256(b"\xc0"),
        bytes(20),
        state_root,
        empty,
        empty,
        bytes(256),
        b"",
        integer(number),
        integer(30_000_000),
        b"",
        integer(timestamp),
        b"",
        keccak256(number.to_bytes(8, "big")),
        bytes(8),
        integer(10**9),
        empty,
        b"",
        b"",
        bytes(32),
        sha256(b""),
    )
    return bytes(rlp.encode(list(fields)))
