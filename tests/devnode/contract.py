"""The probe contract, compiled in the test process, and signed transactions for it."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from eth_abi import decode, encode

from coprocessor.crypto.hashing import keccak256
from coprocessor.crypto.secp256k1 import PrivateKey
from coprocessor.devnode.accounts import development_accounts
from coprocessor.devnode.transactions import sign_dynamic_fee_transaction
from tests.support.node import RpcClient

CHAIN_ID = 31337
ACCOUNTS = development_accounts()
PLENTY_OF_FEE = 100 * 10**9


@lru_cache
def probe_init_code() -> bytes:
    """Creation code of the probe contract, without its constructor argument."""
    from vyper import compile_code

    path = Path(__file__).parent / "contracts" / "Probe.vy"
    output: dict[str, Any] = compile_code(path.read_text(), output_formats=["bytecode"])
    return bytes.fromhex(output["bytecode"][2:])


def deployment(start: int) -> bytes:
    """Data of a creating transaction."""
    return probe_init_code() + encode(["uint256"], [start])


def call_data(signature: str, *arguments: Any) -> bytes:
    """ABI call data, for example ``call_data("put(uint256,uint256)", 1, 2)``."""
    types = [t for t in signature[signature.index("(") + 1 : -1].split(",") if t]
    return keccak256(signature.encode())[:4] + encode(types, arguments)


def topic(event: str) -> str:
    """The first topic of an event."""
    return "0x" + keccak256(event.encode()).hex()


@dataclass
class Wallet:
    """Signs with a growing nonce."""

    key: PrivateKey
    nonce: int = 0
    max_fee: int = PLENTY_OF_FEE
    chain_id: int = field(default=CHAIN_ID)

    @property
    def address(self) -> str:
        return "0x" + self.key.address.hex()

    def sign(self, to: str | None, data: bytes = b"", *, value: int = 0, gas: int = 1_000_000, **other: Any) -> str:
        fields: dict[str, Any] = {
            "chain_id": self.chain_id,
            "nonce": self.nonce,
            "max_priority_fee_per_gas": 10**9,
            "max_fee_per_gas": self.max_fee,
            "gas": gas,
            "to": bytes.fromhex(to[2:]) if to else b"",
            "value": value,
            "data": data,
        }
        fields |= other
        self.nonce = fields["nonce"] + 1
        return "0x" + sign_dynamic_fee_transaction(self.key, **fields).hex()


def wallet(index: int, nonce: int = 0) -> Wallet:
    """A fresh wallet of a development account."""
    return Wallet(ACCOUNTS[index].key, nonce)


@dataclass
class Probe:
    """A deployed probe contract on one node."""

    node: RpcClient
    address: str

    def read(self, signature: str, result: str, *arguments: Any, block: str = "latest") -> Any:
        data = "0x" + call_data(signature, *arguments).hex()
        output = self.node.call("eth_call", {"to": self.address, "data": data}, block)
        return decode([result], bytes.fromhex(output[2:]))[0]


def deploy(node: RpcClient, owner: Wallet, start: int = 7) -> Probe:
    """Deploy the probe; mines if the node does not by itself."""
    digest = node.call("eth_sendRawTransaction", owner.sign(None, deployment(start), gas=3_000_000))
    receipt = node.call("eth_getTransactionReceipt", digest)
    if receipt is None:
        node.call("evm_mine")
        receipt = node.call("eth_getTransactionReceipt", digest)
    assert receipt["status"] == "0x1"
    return Probe(node, receipt["contractAddress"])
