"""One small network from which all vectors are taken: six links, their outputs, a receipt, a sealed header over it.

Nothing is random: keys are Keccak-256 of a name, HPKE's ephemeral keys are fixed. The tries are py-trie's and the HPKE
messages pyhpke's, so neither comes from the code that the vectors test.
"""

from __future__ import annotations

from functools import lru_cache

import rlp
from pyhpke import AEADId, CipherSuite, KDFId, KEMId
from trie import HexaryTrie

from coprocessor.codec import abi, cbor
from coprocessor.crypto.hashing import keccak256, sha256
from coprocessor.crypto.secp256k1 import PrivateKey
from coprocessor.enclave.sealed_state import ClusterState, ProgramState
from coprocessor.headers.header import Header, parse_header
from coprocessor.headers.sealed import seal_digest
from coprocessor.keys.derivation import ClusterKeys, ProgramKeys
from coprocessor.keys.identity import ClusterIdentity
from coprocessor.protocol import layout
from coprocessor.protocol.commands import Command, Destination, derive_reply_secret, method_selector
from coprocessor.protocol.genesis import compute_configuration_hash, compute_network_id
from coprocessor.protocol.items import ClearItem, encode_items
from coprocessor.protocol.links import Link, LinkKind, compute_genesis_head, compute_head
from coprocessor.protocol.output_body import Event, LogLine, OutputBody, encode_output_body
from coprocessor.protocol.outputs import (
    Leaf,
    compute_outputs_root,
    derive_output_keys,
    public_plaintext_hash,
    seal_output,
)
from coprocessor.protocol.receipts import Receipt
from coprocessor.protocol.system import compute_program_id, compute_request_id, compute_worker_id
from coprocessor.values.identities import ZERO_ADDRESS, ZERO_DIGEST, Address, Digest, StateRoot
from coprocessor.values.network import (
    CONTRACT_NAMES,
    AttestationFloor,
    ContractIdentity,
    Custodian,
    Network,
    NetworkConfiguration,
)

CHAIN_ID = 31337
EPOCH = 1
BLOCK_NUMBER = 70
BLOCK_TIME = 1_700_000_840
FUEL_LIMIT, FEE_LIMIT = 50_000_000, 10**15
RUNTIME = keccak256(b"runtime")


def secret(name: str) -> PrivateKey:
    """The key that is Keccak-256 of its name."""
    return PrivateKey(keccak256(name.encode()))


SEALERS = [secret(f"sealer {at}") for at in range(4)]
AUTHORS = [secret(f"author {at}") for at in range(3)]
RELAYER = secret("relayer")
SIGNERS = sorted((secret(f"enclave {at}") for at in range(2)), key=lambda key: key.address)


def configuration() -> NetworkConfiguration:
    """Four sealers, contracts at made-up addresses, simulated hardware."""
    contracts = tuple(
        (name, ContractIdentity(Address(keccak256(b"address of " + name.encode())[12:]), keccak256(name.encode())))
        for name in CONTRACT_NAMES
    )
    floor = AttestationFloor((keccak256(b"vendor root"),), (keccak256(b"measurement"),), 1, 5)
    sealers = tuple(sealer.address for sealer in SEALERS)
    custodian = Custodian("keys", 2, tuple(keccak256(b"custodian %d" % at) for at in range(3)))
    return NetworkConfiguration(CHAIN_ID, sealers, "sealed", contracts, floor, True, True, custodian)


NETWORK = Network(configuration(), (keccak256(b"evidence of gatekeeper 1"),))
NETWORK_ID = compute_network_id(NETWORK)


def address_of(contract: str) -> Address:
    """Where a contract of the network stands."""
    return NETWORK.configuration.contract(contract).address


CLUSTER = Digest(
    keccak256(
        abi.encode(
            ["bytes32", "uint256", "address", "uint256"],
            [keccak256(b"coprocessor/v1/cluster"), CHAIN_ID, address_of("Clusters"), 0],
        )
    )
)
OWNER = secret("owner").address
CODE_HASH = keccak256(bytes(32) + keccak256(b"a code package in one piece"))
PROGRAM = compute_program_id(
    CHAIN_ID, address_of("Programs"), OWNER, CODE_HASH, CLUSTER, keccak256(b"salt"), bytes(32)
)
CLUSTER_KEYS = ClusterKeys(keccak256(b"cluster secret"), ClusterIdentity(NETWORK_ID, CLUSTER, EPOCH, True))
PROGRAM_KEYS: ProgramKeys = CLUSTER_KEYS.program(PROGRAM)
OPERATORS = [secret(f"operator {at}").address for at in range(2)]
WORKERS = [compute_worker_id(operator, keccak256(b"platform %d" % at)) for at, operator in enumerate(OPERATORS)]
REQUEST = compute_request_id(CHAIN_ID, address_of("Inbox"), CLUSTER, 5)


def hpke_seal(message: bytes, public_key: bytes, info: bytes, ephemeral: str) -> bytes:
    """RFC 9180 base mode with a named ephemeral key (a test vector's privilege)."""
    suite = CipherSuite.new(KEMId.DHKEM_X25519_HKDF_SHA256, KDFId.HKDF_SHA256, AEADId.CHACHA20_POLY1305)
    pair = suite.kem.derive_key_pair(keccak256(ephemeral.encode()))
    encapsulated, sender = suite.create_sender_context(
        suite.kem.deserialize_public_key(public_key), info, eks=pair
    )
    return bytes(encapsulated + sender.seal(message))


def destination(kind: LinkKind, origin: Address) -> Destination:
    """Of a command to the program, through the entry point ``kind``."""
    return Destination(NETWORK_ID, CHAIN_ID, address_of("Inbox"), PROGRAM, EPOCH, int(kind), origin)


def command(at: int, argument: bytes, deadline: int = BLOCK_TIME) -> Command:
    """The command of author ``at``."""
    nonce = 1000 + at
    reply_secret = derive_reply_secret(AUTHORS[at], NETWORK_ID, PROGRAM, nonce)
    return Command(method_selector("add"), argument, nonce, deadline, FUEL_LIMIT, FEE_LIMIT, reply_secret)


def sealed(at: int, argument: bytes, goal: Destination) -> bytes:
    """The item of author ``at``, for ``goal``."""
    asked = command(at, argument)
    signature = AUTHORS[at].sign(asked.digest(goal))
    times = asked.nonce.to_bytes(8, "big") + asked.deadline.to_bytes(5, "big")
    body = signature + asked.method + times + asked.reply_secret + asked.arguments
    return hpke_seal(body, PROGRAM_KEYS.input_key.public_key, goal.info(FUEL_LIMIT, FEE_LIMIT), f"ephemeral {at}")


def _link(index: int, kind: LinkKind, origin: Address, payload: bytes, items: int = 0) -> Link:
    paid = kind < LinkKind.EPOCH
    fuel, fee = (items * FUEL_LIMIT, items * FEE_LIMIT) if paid else (0, 0)
    block = 10 + 10 * index
    payer = origin if paid else ZERO_ADDRESS
    time = 1_700_000_000 + 12 * block
    return Link(
        index, int(kind), origin, payer, items, fuel, fee, block, time, keccak256(b"randao %d" % block), payload
    )


def _system(types: list[str], *values: object) -> bytes:
    return abi.encode(types, values)


@lru_cache(maxsize=1)
def links() -> tuple[Link, ...]:
    """Epoch, member, program, one command, a batch of three (the second a stranger's copy), a request."""
    clusters, programs = address_of("Clusters"), address_of("Programs")
    single = destination(LinkKind.SUBMIT, AUTHORS[0].address)
    batch = destination(LinkKind.BATCH, RELAYER.address)
    first = sealed(0, b"[5]", single)
    items = [first, sealed(1, b"[6]", batch), sealed(2, b"[7]", batch)]
    items[0], items[1] = items[1], items[0]  # the copy of the single command is the second item

    def framed(*sealed_items: bytes) -> bytes:
        return encode_items([ClearItem(0, FUEL_LIMIT, FEE_LIMIT, item) for item in sealed_items])

    epoch = _system(["uint256", "bytes32", "uint256", "uint256"], EPOCH, RUNTIME, 2, 2)
    member = _system(["bytes32", "address", "bool", "uint256"], WORKERS[0], OPERATORS[0], True, EPOCH)
    program = _system(
        ["bytes32", "uint256", "address", "bytes32", "bytes32", "uint256", "bytes32[]", "bytes"],
        *(PROGRAM, 0, OWNER, CODE_HASH, bytes(32), FUEL_LIMIT, [], b"[]"),
    )
    request = _system(
        ["bytes32", "uint256", "bytes32", "bytes4", "uint256", "bytes"],
        *(PROGRAM, 0, REQUEST, method_selector("total"), 200_000, b""),
    )
    consumer = Address(keccak256(b"consumer")[12:])
    return (
        _link(0, LinkKind.EPOCH, clusters, epoch),
        _link(1, LinkKind.MEMBER, clusters, member),
        _link(2, LinkKind.INSTANTIATE, programs, program),
        _link(3, LinkKind.SUBMIT, AUTHORS[0].address, framed(first), 1),
        _link(4, LinkKind.BATCH, RELAYER.address, framed(*items), 3),
        _link(5, LinkKind.REQUEST, consumer, request, 1),
    )


@lru_cache(maxsize=1)
def heads() -> tuple[Digest, ...]:
    """The inbox head before the first link and after each."""
    found = [compute_genesis_head(CHAIN_ID, address_of("Inbox"), CLUSTER)]
    for link in links():
        found.append(compute_head(found[-1], link))
    return tuple(found)


def output_body(at: int) -> OutputBody:
    """What author ``at`` reads."""
    return OutputBody(0, "", b"%d" % (5 + at), "", (Event(PROGRAM, "Added", b"{}"),), (LogLine(PROGRAM, 1, "added"),))


@lru_cache(maxsize=1)
def outputs() -> tuple[tuple[bytes, Leaf], ...]:
    """Served bytes and leaf of every item, in order of (link, position)."""

    def public(link: int, position: int, status: int, fuel: int, text: bytes, request: bytes = ZERO_DIGEST) -> None:
        leaf = Leaf(link, position, PROGRAM, request, status, fuel, public_plaintext_hash(text), ZERO_DIGEST)
        found.append((text, leaf))

    def private(link: int, position: int, author: int) -> None:
        keys = derive_output_keys(command(author, b"").reply_secret, NETWORK_ID, heads()[link + 1], position)
        empty = Leaf(link, position, PROGRAM, ZERO_DIGEST, 0, 400_000 + author, ZERO_DIGEST, ZERO_DIGEST)
        found.append(seal_output(encode_output_body(output_body(author)), keys, empty, NETWORK_ID))

    found: list[tuple[bytes, Leaf]] = []
    public(2, 0, 0, 90_000, b"")
    private(3, 0, 0)
    private(4, 0, 1)
    public(4, 1, 3, 0, b"void.sealed")
    private(4, 2, 2)
    public(5, 0, 0, 150_000, abi.encode(["uint256"], [18]), REQUEST)
    return tuple(found)


WRITES = ((3, 0, b"total", b"5"), (4, 0, b"total", b"11"), (4, 2, b"total", b"18"), (4, 2, b"votes/a", b"1"))
"""(link, position, key, value) of every entry that the commands wrote."""

RECORD = sha256(cbor.dumps([PROGRAM, 0, OWNER, CODE_HASH, bytes(32), [], True]))


@lru_cache(maxsize=1)
def cluster_state() -> ClusterState:
    """The cluster after all six links."""
    state = ClusterState(NETWORK_ID)
    state.add(PROGRAM, ProgramState(NETWORK_ID, PROGRAM_KEYS, RECORD))
    for link, position, key, value in WRITES:
        state.write(PROGRAM, key, value, link, position)
    for at, author in enumerate(AUTHORS):
        state.nonces.spend(PROGRAM_KEYS.nonce_path_key, author.address, 1000 + at, BLOCK_TIME)
    return state


@lru_cache(maxsize=1)
def receipt() -> Receipt:
    """Over all six links."""
    leaves = [leaf.digest() for _, leaf in outputs()]
    return Receipt(
        NETWORK_ID,
        CLUSTER,
        EPOCH,
        RUNTIME,
        0,
        6,
        heads()[6],
        StateRoot(ZERO_DIGEST),
        cluster_state().root(EPOCH, 6),
        compute_outputs_root(leaves),
        65,
        keccak256(b"block 65"),
    )


@lru_cache(maxsize=1)
def storage() -> dict[str, dict[bytes, int]]:
    """What the contracts hold at the header: by contract, slot to value."""
    end, settled = receipt(), layout.settled
    found: dict[str, dict[bytes, int]] = {name: {} for name in CONTRACT_NAMES}

    def put(contract: str, slot: bytes, value: bytes | int) -> None:
        found[contract][slot] = value if isinstance(value, int) else int.from_bytes(value, "big")

    put("Gatekeeping", layout.gatekeeping_genesis(), NETWORK_ID)
    put("Gatekeeping", layout.gatekeeping_threshold(), 1)
    put("Registry", layout.registry_configuration(), compute_configuration_hash(NETWORK.configuration))
    put("Inbox", layout.inbox_head(CLUSTER), heads()[6])
    put("Inbox", layout.inbox_count(CLUSTER), 6)
    for name, value in (("to", 6), ("root", end.new_root), ("outputs_root", end.outputs_root), ("final_block", 68)):
        put("Settlement", layout.receipt_field(CLUSTER, 0, name), value)
    for name, value in (("count", 6), ("root", end.new_root), ("receipts", 1)):
        put("Settlement", settled(CLUSTER, name), value)
    for name, value in (("owner", OWNER), ("epoch", 1), ("quorum", 2), ("fast_quorum", 2), ("runtime", RUNTIME)):
        put("Clusters", layout.cluster_field(CLUSTER, name), value)
    for at, (signer, worker) in enumerate(zip(SIGNERS, WORKERS, strict=True)):
        put("Clusters", layout.cluster_member(CLUSTER, worker), 1)
        put("Registry", layout.registry_bound_worker(signer.address), worker)
        put("Registry", layout.registry_worker_of(signer.address), worker)
        fields = {"operator": OPERATORS[at], "role": 1, "signer": signer.address, "simulated": 1, "expires": 2**31}
        for name, item in fields.items():
            put("Registry", layout.registry_worker(worker, name), item)
    program = {"owner": OWNER, "cluster": CLUSTER, "code_hash": CODE_HASH}
    for name, item in program.items():
        put("Programs", layout.program_field(PROGRAM, name), item)
    put("Programs", layout.input_key(PROGRAM, EPOCH), PROGRAM_KEYS.input_key.public_key)
    return found


def storage_trie(contract: str) -> HexaryTrie:
    """The contract's storage as the chain keeps it."""
    trie = HexaryTrie({})
    for slot, value in storage()[contract].items():
        if value:
            trie[keccak256(slot)] = rlp.encode(value)
    return trie


@lru_cache(maxsize=1)
def state_trie() -> HexaryTrie:
    """The accounts: the network's contracts among twenty strangers."""
    trie = HexaryTrie({})
    for at in range(20):
        trie[keccak256(b"stranger %d" % at)] = rlp.encode([at, 1, bytes(32), bytes(32)])
    for name, identity in NETWORK.configuration.contracts:
        account = [1, 0, storage_trie(name).root_hash, identity.code_hash]
        trie[keccak256(identity.address)] = rlp.encode(account)
    return trie


def path(trie: HexaryTrie, key: bytes) -> list[bytes]:
    """The proof of a key (before hashing), from the root down."""
    return [rlp.encode(node) for node in trie.get_proof(keccak256(key))]


def raw_header(number: int = BLOCK_NUMBER, parent: bytes = keccak256(b"parent")) -> bytes:
    """A Prague header over the state."""
    empty_trie = keccak256(b"\x80")
    fields: list[object] = [parent, keccak256(b"\xc0"), bytes(20), state_trie().root_hash, empty_trie, empty_trie]
    fields += [bytes(256), b"", number, 30_000_000, 0, 1_700_000_000 + 12 * number, b"", keccak256(b"mix"), bytes(8)]
    fields += [7, empty_trie, b"", b"", bytes(32), sha256(b"")]
    return bytes(rlp.encode(fields))


def header() -> Header:
    """The parsed header."""
    return parse_header(raw_header())


def seals(raw: bytes, count: int = 3) -> list[bytes]:
    """The first ``count`` sealers' signatures over a header."""
    parsed = parse_header(raw)
    return [sealer.sign(seal_digest(CHAIN_ID, parsed.number, parsed.hash)) for sealer in SEALERS[:count]]
