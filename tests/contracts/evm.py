"""A chain under test and the contracts on it, reached by JSON-RPC: the same for the development node and anvil."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import astuple, dataclass, is_dataclass
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlsplit

import pytest

from coprocessor.chain.artifacts import Artifact, load_artifact
from coprocessor.chain.contract import Interface
from coprocessor.chain.development import development_keys
from coprocessor.chain.node import Log
from coprocessor.codec import abi, rlp
from coprocessor.codec.transaction import SignedTransaction, Transaction
from coprocessor.crypto.hashing import keccak256
from coprocessor.crypto.secp256k1 import PrivateKey
from coprocessor.values.identities import Address, Digest, from_hex, to_hex
from tests.support.node import CALL_SECONDS, RpcClient, RpcFailure

GAS_LIMIT = 15_000_000
_RECEIPT_LOOKS = 20_000
MAX_FEE = 100 * 10**9
ERROR_STRING = abi.selector("Error(string)")


class Reverted(Exception):
    """A call or transaction that the contract refused; ``reason`` is its text, empty if it gave none."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True)
class Mined:
    """A transaction that succeeded."""

    block_number: int
    gas_used: int
    contract_address: Address | None
    logs: tuple[Log, ...]
    data: bytes


class KeptConnection(RpcClient):
    """A client that keeps its connection: tests make thousands of small calls."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        address = urlsplit(url)
        self._connection = HTTPConnection(address.hostname or "", address.port, timeout=CALL_SECONDS)

    def post(self, body: Any) -> Any:
        """The decoded reply to any JSON body."""
        self._connection.request("POST", "/", json.dumps(body), {"Content-Type": "application/json"})
        return json.loads(self._connection.getresponse().read())

    def close(self) -> None:
        """Ends the connection."""
        self._connection.close()


class Evm:
    """One chain. Sends from the ten development accounts, which both nodes fund."""

    def __init__(self, client: RpcClient, name: str) -> None:
        self.client = client
        self.name = name
        self.chain_id = int(client.call("eth_chainId"), 16)
        self.keys = development_keys()
        self._nonces: dict[Address, int] = {}

    def send(self, key: PrivateKey, to: Address | None, data: bytes, value: int = 0, gas: int = GAS_LIMIT) -> Mined:
        """Mines a transaction. Raises Reverted."""
        signed = self._sign(key, to, data, value, gas)
        self.client.call("eth_sendRawTransaction", to_hex(signed.raw))
        receipt = self._receipt(signed)
        number = int(receipt["blockNumber"], 16)
        if int(receipt["status"], 16) != 1:
            self.call(to, data, key.address, value, number - 1, gas)
            raise Reverted("")
        created = receipt["contractAddress"]
        return Mined(
            number,
            int(receipt["gasUsed"], 16),
            Address(from_hex(created)) if created else None,
            tuple(_log(entry) for entry in receipt["logs"]),
            data,
        )

    def send_many(self, key: PrivateKey, to: Address, calls: Sequence[bytes], gas: int) -> None:
        """Mines calls in this order, quicker than one by one; each must succeed."""
        signed = [self._sign(key, to, data, 0, gas) for data in calls]
        for start in range(0, len(signed), 64):
            some = signed[start : start + 64]
            replies = self.client.batch([("eth_sendRawTransaction", [to_hex(each.raw)]) for each in some])
            assert all("error" not in reply for reply in replies)
        assert all(int(self._receipt(each)["status"], 16) == 1 for each in signed)

    def _sign(self, key: PrivateKey, to: Address | None, data: bytes, value: int, gas: int) -> SignedTransaction:
        nonce = self.nonce(key.address)
        self._nonces[key.address] = nonce + 1
        return Transaction(self.chain_id, nonce, gas, MAX_FEE, 1, to, value, data).sign(key)

    def _receipt(self, signed: SignedTransaction) -> dict[str, Any]:
        for attempt in range(_RECEIPT_LOOKS):
            receipt = self.client.call("eth_getTransactionReceipt", to_hex(signed.hash))
            if receipt is not None:
                return dict(receipt)
            if attempt % 1000 == 999:  # anvil can leave one of many transactions waiting until something is mined
                self.client.call("evm_mine")
        raise AssertionError(f"transaction {to_hex(signed.hash)} is in no block")

    def call(
        self,
        to: Address | None,
        data: bytes,
        sender: Address | None = None,
        value: int = 0,
        block: int | str = "latest",
        gas: int = GAS_LIMIT,
    ) -> bytes:
        """What a call would return. Raises Reverted."""
        fields = {"data": to_hex(data), "value": hex(value), "gas": hex(gas)}
        fields["from"] = to_hex(sender or self.keys[0].address)
        if to is not None:
            fields["to"] = to_hex(to)
        try:
            answer = self.client.call("eth_call", fields, hex(block) if isinstance(block, int) else block)
        except RpcFailure as failure:
            raise Reverted(_reason(failure)) from failure
        return from_hex(answer)

    def nonce(self, account: Address) -> int:
        """The next nonce of an account that only this object uses."""
        if account not in self._nonces:
            self._nonces[account] = int(self.client.call("eth_getTransactionCount", to_hex(account), "latest"), 16)
        return self._nonces[account]

    def created_address(self, sender: Address, nonce: int) -> Address:
        """Where a contract created by ``sender`` in the transaction with ``nonce`` will stand."""
        return Address(keccak256(rlp.encode([sender, rlp.encode_integer(nonce)]))[12:])

    def block(self, number: int | str = "latest") -> dict[str, Any]:
        """A block as the node tells it."""
        tag = hex(number) if isinstance(number, int) else number
        return dict(self.client.call("eth_getBlockByNumber", tag, False))

    def block_number(self) -> int:
        """Number of the newest block."""
        return int(self.client.call("eth_blockNumber"), 16)

    def block_hash(self, number: int) -> Digest:
        """Hash of a block."""
        return Digest(from_hex(self.block(number)["hash"]))

    def timestamp(self) -> int:
        """Of the newest block, in seconds."""
        return int(self.block()["timestamp"], 16)

    def mine(self, blocks: int = 1) -> None:
        """Adds empty blocks."""
        if blocks:
            self.client.call("anvil_mine", hex(blocks))

    def block_without_hash(self) -> int:
        """The newest block whose hash contracts can no longer ask for, also in two blocks' time; mines if need be."""
        self.mine(max(0, 260 - self.block_number()))
        return self.block_number() - 257

    def balance(self, account: Address) -> int:
        """Wei."""
        return int(self.client.call("eth_getBalance", to_hex(account), "latest"), 16)

    def code(self, account: Address) -> bytes:
        """The code at an address."""
        return from_hex(self.client.call("eth_getCode", to_hex(account), "latest"))

    def storage(self, account: Address, slot: bytes) -> int:
        """The value of a slot (32 bytes)."""
        return int(self.client.call("eth_getStorageAt", to_hex(account), to_hex(slot), "latest"), 16)

    def deploy(self, name: str, *arguments: Any, key: PrivateKey | None = None) -> Deployed:
        """Deploys one of our contracts."""
        artifact: Artifact = load_artifact(name)
        return self.deploy_code(artifact.init_code(*_plain(arguments)), artifact.interface, key)

    def deploy_code(self, init_code: bytes, interface: Interface, key: PrivateKey | None = None) -> Deployed:
        """Deploys any contract. Raises Reverted."""
        mined = self.send(key or self.keys[0], None, init_code)
        assert mined.contract_address is not None
        return Deployed(self, mined.contract_address, interface, mined)


class Deployed:
    """A contract on the chain."""

    def __init__(self, evm: Evm, address: Address, interface: Interface, creation: Mined) -> None:
        self.evm = evm
        self.address = address
        self.interface = interface
        self.creation = creation

    def encode(self, function: str, *arguments: Any) -> bytes:
        """Call data."""
        return self.interface.function(function).encode(*_plain(arguments))

    def read(
        self,
        function: str,
        *arguments: Any,
        sender: Address | None = None,
        value: int = 0,
        block: int | str = "latest",
    ) -> Any:
        """What a call would return, decoded. Raises Reverted."""
        answer = self.evm.call(self.address, self.encode(function, *arguments), sender, value, block)
        return self.interface.function(function).decode(answer)

    def send(self, key: PrivateKey, function: str, *arguments: Any, value: int = 0, gas: int = GAS_LIMIT) -> Mined:
        """Mines a call. Raises Reverted."""
        return self.evm.send(key, self.address, self.encode(function, *arguments), value, gas)

    def send_many(self, key: PrivateKey, function: str, calls: Sequence[Sequence[Any]], gas: int) -> None:
        """Mines calls of one function in this order; each must succeed."""
        data = [self.encode(function, *arguments) for arguments in calls]
        self.evm.send_many(key, self.address, data, gas)

    def refuses(
        self, reason: str, function: str, *arguments: Any, sender: Address | None = None, value: int = 0
    ) -> None:
        """Asserts that a call reverts with exactly this reason."""
        with pytest.raises(Reverted) as caught:
            self.read(function, *arguments, sender=sender, value=value)
        assert caught.value.reason == reason

    def events(self, mined: Mined, name: str) -> list[dict[str, Any]]:
        """All events called ``name`` that this contract emitted in a transaction."""
        event = self.interface.event(name)
        return [event.decode(log) for log in mined.logs if log.address == self.address and log.topics[0] == event.topic]

    def event(self, mined: Mined, name: str) -> dict[str, Any]:
        """The one event called ``name`` that this contract emitted in a transaction."""
        (found,) = self.events(mined, name)
        return found


def _plain(arguments: Sequence[Any]) -> list[Any]:
    """Dataclasses as tuples, contracts as addresses, lists item by item."""
    plain: list[Any] = []
    for argument in arguments:
        if isinstance(argument, Deployed):
            plain.append(argument.address)
        elif is_dataclass(argument) and not isinstance(argument, type):
            plain.append(astuple(argument))
        elif isinstance(argument, (list, tuple)):
            plain.append(_plain(argument))
        else:
            plain.append(argument)
    return plain


def _log(entry: dict[str, Any]) -> Log:
    return Log(
        Address(from_hex(entry["address"])),
        tuple(from_hex(topic) for topic in entry["topics"]),
        from_hex(entry["data"]),
        int(entry["blockNumber"], 16),
        Digest(from_hex(entry["blockHash"])),
        Digest(from_hex(entry["transactionHash"])),
        int(entry["logIndex"], 16),
    )


def _reason(failure: RpcFailure) -> str:
    data = from_hex(failure.data) if isinstance(failure.data, str) else b""
    if not data.startswith(ERROR_STRING):
        return "" if data or "revert" in failure.message else failure.message
    return str(abi.decode(["string"], data[4:])[0])
