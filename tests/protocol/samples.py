"""Identities, keys and objects that the tests of the protocol share."""

from __future__ import annotations

from coprocessor.crypto.hashing import keccak256
from coprocessor.crypto.hpke import SealingKey
from coprocessor.crypto.secp256k1 import PrivateKey
from coprocessor.protocol.commands import Command, Destination, derive_reply_secret, method_selector
from coprocessor.protocol.links import Link, LinkKind
from coprocessor.protocol.receipts import Receipt
from coprocessor.values.identities import Address, ClusterId, Digest, NetworkId, ProgramId, RuntimeId, StateRoot
from coprocessor.values.network import (
    CONTRACT_NAMES,
    AttestationFloor,
    ContractIdentity,
    Custodian,
    Network,
    NetworkConfiguration,
)

CHAIN_ID = 31337
NETWORK = NetworkId(keccak256(b"network"))
CLUSTER = ClusterId(keccak256(b"cluster"))
PROGRAM = ProgramId(keccak256(b"program"))
INBOX = Address(b"\x0a" * 20)
SETTLEMENT = Address(b"\x0b" * 20)
AUTHOR = PrivateKey(b"\x01" * 32)
STRANGER = PrivateKey(b"\x02" * 32)
RELAYER = PrivateKey(b"\x03" * 32)
INPUT_KEY = SealingKey(b"\x04" * 32)


def make_destination(kind: LinkKind = LinkKind.SUBMIT, origin: Address = AUTHOR.address) -> Destination:
    """Where the sample command goes."""
    return Destination(NETWORK, CHAIN_ID, INBOX, PROGRAM, 1, kind, origin)


def make_command(arguments: bytes = b"\x81\x05", nonce: int = 7) -> Command:
    """A bid, say."""
    return Command(
        method=method_selector("bid"),
        arguments=arguments,
        nonce=nonce,
        deadline=1_700_000_000,
        fuel_limit=10**9,
        fee_limit=10**15,
        reply_secret=derive_reply_secret(AUTHOR, NETWORK, PROGRAM, nonce),
    )


def make_link(payload: bytes, item_count: int = 1, fuel_limit: int = 0, fee_limit: int = 0, index: int = 0) -> Link:
    """A batch in block 100."""
    return Link(
        index=index,
        kind=LinkKind.BATCH,
        origin=RELAYER.address,
        payer=RELAYER.address,
        item_count=item_count,
        fuel_limit=fuel_limit,
        fee_limit=fee_limit,
        block_number=100,
        timestamp=1_700_000_000,
        prevrandao=keccak256(b"prevrandao"),
        payload=payload,
    )


def make_receipt() -> Receipt:
    """Links 3 and 4 of epoch 1."""
    return Receipt(
        network=NETWORK,
        cluster=CLUSTER,
        epoch=1,
        runtime=RuntimeId(keccak256(b"runtime")),
        first=3,
        to=5,
        inbox_head=keccak256(b"head"),
        previous_root=StateRoot(keccak256(b"previous")),
        new_root=StateRoot(keccak256(b"new")),
        outputs_root=keccak256(b"outputs"),
        block_number=100,
        block_hash=keccak256(b"block"),
    )


def make_network(development: bool = True) -> Network:
    """A network of one sealer and one gatekeeper."""
    contracts = tuple(
        (name, ContractIdentity(Address(bytes(19) + bytes((index,))), keccak256(name.encode())))
        for index, name in enumerate(CONTRACT_NAMES, 1)
    )
    floor = AttestationFloor((Digest(b"\x01" * 32),), (Digest(b"\x02" * 32),), 17, 3)
    configuration = NetworkConfiguration(
        CHAIN_ID,
        (RELAYER.address,),
        "sealed",
        contracts,
        floor,
        allow_simulated=True,
        development=development,
        custodian=Custodian("none"),
    )
    return Network(configuration, (Digest(b"\x05" * 32),))
