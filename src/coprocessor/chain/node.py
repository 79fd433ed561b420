"""Typed reads of a node: blocks, logs, receipts, proofs, calls. Hexadecimal stays behind this module.

**Source:** execution-apis (JSON-RPC of Ethereum nodes); EIP-1186 for proofs. ``coproc_*`` are the development node's
own methods (PROTOCOL 2.1).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from coprocessor.chain.errors import ResponseMalformed
from coprocessor.chain.rpc import Call, RpcClient
from coprocessor.values.identities import Address, Digest, to_hex

__all__ = [
    "AccountAnswer",
    "Block",
    "BlockTag",
    "Log",
    "Node",
    "SlotAnswer",
    "TransactionReceipt",
    "call_object",
    "encode_tag",
    "quantity",
]

_QUANTITY = re.compile(r"0x[0-9a-fA-F]{1,64}")

BlockTag = int | str
"""A block number, or ``latest``, ``safe``, ``finalized``, ``earliest``, ``pending``."""

_TIMESTAMP_CODE = bytes.fromhex("425f5260205ff3")
"""TIMESTAMP, PUSH0, MSTORE, PUSH1 32, PUSH0, RETURN."""


@dataclass(frozen=True, slots=True)
class Block:
    """The fields of a block that hosts look at."""

    number: int
    hash: Digest
    parent_hash: Digest
    timestamp: int
    prevrandao: Digest
    base_fee: int


@dataclass(frozen=True, slots=True)
class Log:
    """One event as the node tells it."""

    address: Address
    topics: tuple[bytes, ...]
    data: bytes
    block_number: int
    block_hash: Digest
    transaction_hash: Digest
    log_index: int


@dataclass(frozen=True, slots=True)
class TransactionReceipt:
    """What became of a transaction; ``contract_address`` where it created one."""

    hash: Digest
    succeeded: bool
    block_number: int
    block_hash: Digest
    gas_used: int
    contract_address: Address | None
    logs: tuple[Log, ...]


@dataclass(frozen=True, slots=True)
class SlotAnswer:
    """A storage slot (32 bytes), the value the node claims, and its proof nodes from the root down."""

    slot: bytes
    value: int
    nodes: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class AccountAnswer:
    """What ``eth_getProof`` says of an account; unverified."""

    address: Address
    code_hash: Digest
    nodes: tuple[bytes, ...]
    slots: tuple[SlotAnswer, ...]


class _Block(msgspec.Struct, rename="camel"):
    number: str
    hash: str
    parent_hash: str
    timestamp: str
    mix_hash: str = "0x" + "00" * 32
    base_fee_per_gas: str = "0x0"


class _Log(msgspec.Struct, rename="camel"):
    address: str
    topics: list[str]
    data: str
    block_number: str
    block_hash: str
    transaction_hash: str
    log_index: str


class _Receipt(msgspec.Struct, rename="camel"):
    transaction_hash: str
    status: str
    block_number: str
    block_hash: str
    gas_used: str
    logs: list[_Log]
    contract_address: str | None = None


class _Slot(msgspec.Struct):
    key: str
    value: str
    proof: list[str]


class _Account(msgspec.Struct, rename="camel"):
    address: str
    account_proof: list[str]
    code_hash: str
    storage_proof: list[_Slot]


class _Seals(msgspec.Struct, rename="camel"):
    block_hash: str
    signatures: list[str]


class Node:
    """Typed methods over an ``RpcClient``; each raises what ``RpcClient.call`` raises."""

    def __init__(self, rpc: RpcClient) -> None:
        self.rpc = rpc

    async def chain_id(self) -> int:
        """The chain's id."""
        return quantity("eth_chainId", await self.rpc.call("eth_chainId", into=str), 63)

    async def block(self, tag: BlockTag) -> Block | None:
        """The block at ``tag``, or None."""
        found = await self.rpc.call("eth_getBlockByNumber", encode_tag(tag), False, into=_Block | None)
        return None if found is None else _to_block(found)

    async def blocks(self, numbers: Sequence[int]) -> list[Block | None]:
        """Several blocks in one batch."""
        calls = [Call("eth_getBlockByNumber", (encode_tag(number), False)) for number in numbers]
        found = await self.rpc.batch(calls, into=_Block | None)
        return [None if block is None else _to_block(block) for block in found]

    async def logs(
        self, addresses: Sequence[bytes], topics: Sequence[bytes | Sequence[bytes] | None], first: int, last: int
    ) -> list[Log]:
        """Events of ``addresses`` in blocks ``first`` to ``last``, filtered by topic (None matches any)."""
        query = {
            "address": [to_hex(address) for address in addresses],
            "topics": [_topic(topic) for topic in topics],
            "fromBlock": hex(first),
            "toBlock": hex(last),
        }
        found = await self.rpc.call("eth_getLogs", query, into=list[_Log])
        return [_to_log("eth_getLogs", log) for log in found]

    async def receipt(self, transaction: bytes) -> TransactionReceipt | None:
        """The receipt of a transaction in a block, or None."""
        found = await self.rpc.call("eth_getTransactionReceipt", to_hex(transaction), into=_Receipt | None)
        return None if found is None else _to_receipt(found)

    async def transaction_input(self, transaction: bytes) -> bytes | None:
        """Call data of a transaction, or None where the node does not know it."""
        found = await self.rpc.call("eth_getTransactionByHash", to_hex(transaction), into=dict[str, Any] | None)
        return None if found is None else _bytes("eth_getTransactionByHash", found.get("input"))

    async def proof(self, address: bytes, slots: Sequence[bytes], tag: BlockTag) -> AccountAnswer:
        """Account and storage proofs, unverified."""
        call = _proof_call(address, slots, tag)
        return _to_account(await self.rpc.call(call.method, *call.params, into=_Account), slots)

    async def proofs(
        self, accounts: Sequence[tuple[bytes, Sequence[bytes]]], tag: BlockTag
    ) -> list[AccountAnswer]:
        """Proofs of several (address, slots) in one batch."""
        calls = [_proof_call(address, slots, tag) for address, slots in accounts]
        found = await self.rpc.batch(calls, into=_Account)
        return [_to_account(answer, slots) for answer, (_, slots) in zip(found, accounts, strict=True)]

    async def code(self, address: bytes, tag: BlockTag = "latest") -> bytes:
        """Runtime code of an account."""
        return _bytes("eth_getCode", await self.rpc.call("eth_getCode", to_hex(address), encode_tag(tag), into=str))

    async def balance(self, address: bytes, tag: BlockTag = "latest") -> int:
        """Wei of an account."""
        answer = await self.rpc.call("eth_getBalance", to_hex(address), encode_tag(tag), into=str)
        return quantity("eth_getBalance", answer)

    async def transaction_count(self, address: bytes, tag: BlockTag = "latest") -> int:
        """Nonce of an account."""
        answer = await self.rpc.call("eth_getTransactionCount", to_hex(address), encode_tag(tag), into=str)
        return quantity("eth_getTransactionCount", answer, 63)

    async def call(
        self, to: bytes | None, data: bytes, tag: BlockTag = "latest", sender: bytes | None = None, value: int = 0
    ) -> bytes:
        """What a call would return; nothing is sent. Raises TransactionReverted with the contract's reason."""
        answer = await self.rpc.call("eth_call", call_object(to, data, sender, value), encode_tag(tag), into=str)
        return _bytes("eth_call", answer)

    async def next_timestamp(self) -> int:
        """The time that the next block would have by the node's clock, seconds since 1970; never the caller's clock.

        Asked by simulating the creation of a contract whose code is TIMESTAMP, so every node can answer.
        """
        answer = await self.call(None, _TIMESTAMP_CODE, "pending")
        if len(answer) != 32 or any(answer[:24]):
            raise ResponseMalformed("eth_call", "a timestamp has 32 bytes, of which the first 24 are zero")
        return int.from_bytes(answer, "big")

    async def estimate_gas(self, to: bytes | None, data: bytes, sender: bytes, value: int = 0) -> int:
        """Gas that a transaction needs in the next block. Raises TransactionReverted with the contract's reason."""
        answer = await self.rpc.call("eth_estimateGas", call_object(to, data, sender, value), "pending", into=str)
        return quantity("eth_estimateGas", answer, 63)

    async def priority_fee(self) -> int:
        """Tip in wei per gas that the node suggests."""
        return quantity("eth_maxPriorityFeePerGas", await self.rpc.call("eth_maxPriorityFeePerGas", into=str))

    async def send_raw(self, raw: bytes) -> Digest:
        """Hands a signed transaction to the node; returns its hash."""
        answer = await self.rpc.call("eth_sendRawTransaction", to_hex(raw), into=str)
        return Digest(_bytes("eth_sendRawTransaction", answer, 32))

    async def raw_headers(self, first: int, last: int) -> list[bytes]:
        """RLP headers of blocks ``first`` to ``last``, at most 1,024."""
        answer = await self.rpc.call("coproc_getRawHeaders", hex(first), hex(last), into=list[str])
        if len(answer) != last - first + 1:
            raise ResponseMalformed("coproc_getRawHeaders", f"{len(answer)} headers for blocks {first} to {last}")
        return [_bytes("coproc_getRawHeaders", raw) for raw in answer]

    async def raw_blocks(self, numbers: Sequence[int]) -> list[bytes]:
        """RLP of several blocks, in one batch; unverified."""
        method = "debug_getRawBlock"
        answers = await self.rpc.batch([Call(method, (encode_tag(number),)) for number in numbers], into=str)
        return [_bytes(method, raw) for raw in answers]

    async def raw_receipts(self, numbers: Sequence[int]) -> list[list[bytes]]:
        """Receipts of several blocks, as they enter their tries, in one batch; unverified."""
        method = "debug_getRawReceipts"
        answers = await self.rpc.batch([Call(method, (encode_tag(number),)) for number in numbers], into=list[str])
        return [[_bytes(method, raw) for raw in receipts] for receipts in answers]

    async def seals(self, block_hash: bytes) -> list[bytes]:
        """Seals over a finalised block, 65 bytes each."""
        answer = await self.rpc.call("coproc_getSeals", to_hex(block_hash), into=_Seals)
        return [_bytes("coproc_getSeals", seal, 65) for seal in answer.signatures]

    async def sealers(self) -> list[Address]:
        """Addresses of the node's sealers."""
        answer = await self.rpc.call("coproc_sealers", into=list[str])
        return [Address(_bytes("coproc_sealers", item, 20)) for item in answer]


def encode_tag(tag: BlockTag) -> str:
    """The JSON form of a block number or tag."""
    return hex(tag) if isinstance(tag, int) else tag


def quantity(method: str, text: str, bits: int = 256) -> int:
    """An integer of at most so many bits in the 0x form. Raises ResponseMalformed."""
    if not _QUANTITY.fullmatch(text):
        raise ResponseMalformed(method, f"{text[:80]!r} is no quantity of 0x and at most 64 digits")
    number = int(text, 16)
    if number >> bits:
        raise ResponseMalformed(method, f"{text[:80]} has more than {bits} bits")
    return number


def call_object(to: bytes | None, data: bytes, sender: bytes | None, value: int) -> dict[str, str]:
    """The transaction object of ``eth_call`` and ``eth_estimateGas``."""
    fields = {"data": to_hex(data)}
    if to is not None:
        fields["to"] = to_hex(to)
    if sender is not None:
        fields["from"] = to_hex(sender)
    if value:
        fields["value"] = hex(value)
    return fields


def _bytes(method: str, text: object, length: int | None = None) -> bytes:
    try:
        if not isinstance(text, str) or not text.startswith("0x"):
            raise ValueError("no hexadecimal text with 0x in front")
        value = bytes.fromhex(text[2:])
        if len(text) != 2 + 2 * len(value):
            raise ValueError("white space between the digits")
    except ValueError as error:
        raise ResponseMalformed(method, str(error)) from error
    if length is not None and len(value) != length:
        raise ResponseMalformed(method, f"{len(value)} bytes where {length} are due")
    return value


def _topic(topic: bytes | Sequence[bytes] | None) -> object:
    if topic is None:
        return None
    return to_hex(topic) if isinstance(topic, bytes) else [to_hex(choice) for choice in topic]


def _to_block(block: _Block) -> Block:
    method = "eth_getBlockByNumber"
    return Block(
        quantity(method, block.number, 63),
        Digest(_bytes(method, block.hash, 32)),
        Digest(_bytes(method, block.parent_hash, 32)),
        quantity(method, block.timestamp, 63),
        Digest(_bytes(method, block.mix_hash, 32)),
        quantity(method, block.base_fee_per_gas),
    )


def _to_log(method: str, log: _Log) -> Log:
    return Log(
        Address(_bytes(method, log.address, 20)),
        tuple(_bytes(method, topic, 32) for topic in log.topics),
        _bytes(method, log.data),
        quantity(method, log.block_number, 63),
        Digest(_bytes(method, log.block_hash, 32)),
        Digest(_bytes(method, log.transaction_hash, 32)),
        quantity(method, log.log_index, 63),
    )


def _to_receipt(receipt: _Receipt) -> TransactionReceipt:
    method = "eth_getTransactionReceipt"
    created = receipt.contract_address
    return TransactionReceipt(
        Digest(_bytes(method, receipt.transaction_hash, 32)),
        quantity(method, receipt.status) == 1,
        quantity(method, receipt.block_number, 63),
        Digest(_bytes(method, receipt.block_hash, 32)),
        quantity(method, receipt.gas_used, 63),
        None if created is None else Address(_bytes(method, created, 20)),
        tuple(_to_log(method, log) for log in receipt.logs),
    )


def _proof_call(address: bytes, slots: Sequence[bytes], tag: BlockTag) -> Call:
    return Call("eth_getProof", (to_hex(address), [to_hex(slot) for slot in slots], encode_tag(tag)))


def _to_account(answer: _Account, slots: Sequence[bytes]) -> AccountAnswer:
    method = "eth_getProof"
    if len(answer.storage_proof) != len(slots):
        raise ResponseMalformed(method, f"{len(answer.storage_proof)} slots, {len(slots)} were asked for")
    return AccountAnswer(
        Address(_bytes(method, answer.address, 20)),
        Digest(_bytes(method, answer.code_hash, 32)),
        tuple(_bytes(method, node) for node in answer.account_proof),
        tuple(
            SlotAnswer(slot, quantity(method, found.value), tuple(_bytes(method, node) for node in found.proof))
            for slot, found in zip(slots, answer.storage_proof, strict=True)
        ),
    )
