"""Headers made up for tests, and a real block of Ethereum's mainnet where its data is at hand."""

from __future__ import annotations

import json
import os
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from coprocessor.codec import rlp
from coprocessor.crypto.hashing import keccak256
from coprocessor.crypto.secp256k1 import PrivateKey
from coprocessor.headers.header import Header, parse_header
from coprocessor.headers.sealed import seal_digest

CHAIN_ID = 31337
SEALERS = tuple(PrivateKey(bytes((number,)) * 32) for number in range(1, 8))

ROOT = Path(__file__).parents[2]
MATERIAL = Path(os.environ.get("COPROCESSOR_MATERIAL", ROOT.parent / "shared" / "material"))
FOLDER = MATERIAL / "lightclient" / "helios-rpc"

needs_material = pytest.mark.skipif(
    not FOLDER.is_dir(), reason="the real block is absent: set COPROCESSOR_MATERIAL to its folder"
)

# The fields of a header in order, and whether each is a number.
MAINNET_FIELDS = {
    "parentHash": False,
    "sha3Uncles": False,
    "miner": False,
    "stateRoot": False,
    "transactionsRoot": False,
    "receiptsRoot": False,
    "logsBloom": False,
    "difficulty": True,
    "number": True,
    "gasLimit": True,
    "gasUsed": True,
    "timestamp": True,
    "extraData": False,
    "mixHash": False,
    "nonce": False,
    "baseFeePerGas": True,
    "withdrawalsRoot": False,
    "blobGasUsed": True,
    "excessBlobGas": True,
    "parentBeaconBlockRoot": False,
}


@cache
def read(name: str) -> Any:
    """A file of the real block, parsed."""
    return json.loads((FOLDER / name).read_text())


def mainnet_header() -> bytes:
    """The real block's header in RLP, built from its JSON form."""
    block = read("block.json")
    return rlp.encode([_field(block[name], is_number) for name, is_number in MAINNET_FIELDS.items()])


def _field(text: str, is_number: bool) -> bytes:
    return rlp.encode_integer(int(text, 16)) if is_number else bytes.fromhex(text[2:])


def make_header(number: int, /, parent: bytes = bytes(32), branch: int = 0, **changes: bytes) -> bytes:
    """A header in RLP; ``branch`` tells forks apart, ``changes`` set fields by name."""
    values = {
        "parentHash": parent,
        "sha3Uncles": bytes(32),
        "miner": bytes(20),
        "stateRoot": keccak256(b"state" + bytes((branch,))),
        "transactionsRoot": bytes(32),
        "receiptsRoot": bytes(32),
        "logsBloom": bytes(256),
        "difficulty": b"",
        "number": rlp.encode_integer(number),
        "gasLimit": rlp.encode_integer(30_000_000),
        "gasUsed": b"",
        "timestamp": rlp.encode_integer(1_700_000_000 + number),
        "extraData": bytes((branch,)),
        "mixHash": keccak256(b"prevrandao"),
        "nonce": bytes(8),
        "baseFeePerGas": b"\7",
    }
    return rlp.encode(list((values | changes).values()))


def make_chain(first: int, count: int, parent: bytes = bytes(32), branch: int = 0) -> list[bytes]:
    """``count`` headers in RLP that link up, from number ``first`` on."""
    chain = []
    for number in range(first, first + count):
        chain.append(make_header(number, parent, branch))
        parent = keccak256(chain[-1])
    return chain


def seal(raw: bytes, keys: tuple[PrivateKey, ...] = SEALERS, chain_id: int = CHAIN_ID) -> list[bytes]:
    """Seals of a header by ``keys``."""
    header: Header = parse_header(raw)
    return [key.sign(seal_digest(chain_id, header.number, header.hash)) for key in keys]
