"""Queries for blocks, transactions, receipts and logs.

**Source:** Ethereum execution API specification.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from coprocessor.codec import rlp
from coprocessor.devnode.block_resolver import BlockResolver
from coprocessor.devnode.chain import Chain
from coprocessor.devnode.database import Database, LogFilter, TransactionRow
from coprocessor.devnode.errors import INVALID_INPUT, LIMIT_EXCEEDED, RpcError, invalid_params
from coprocessor.devnode.header import BlockHeader
from coprocessor.devnode.rpc_params import parse_bytes, parse_flag
from coprocessor.devnode.transactions import decode_transaction
from coprocessor.values.identities import from_hex, to_hex

__all__ = ["MAX_LOGS", "MAX_LOG_BYTES", "BlockMethods"]

MAX_LOGS: Final = 10_000
"""Most logs of one reply."""
MAX_LOG_BYTES: Final = 32 * 1024 * 1024
"""Most bytes of logs in one reply."""
MAX_FILTER_CHOICES: Final = 1_000
"""Most addresses, and most alternatives of one topic position, in a filter."""
_TOPIC_POSITIONS = 4


class BlockMethods:
    """``eth_getBlock*``, ``eth_getTransaction*``, ``eth_getLogs``, ``debug_getRawBlock``, ``debug_getRawReceipts``."""

    def __init__(self, chain: Chain, database: Database) -> None:
        self._chain = chain
        self._database = database
        self._blocks = BlockResolver(chain, database)

    def block_number(self) -> str:
        """Height of the newest block."""
        return hex(self._chain.head.header.number)

    def get_block_by_number(self, block: object, full: object = False) -> dict[str, Any] | None:
        """A block by tag or height."""
        return self._render_block(self._blocks.find_header(block), full)

    def get_block_by_hash(self, block_hash: object, full: object = False) -> dict[str, Any] | None:
        """A block by hash."""
        return self._render_block(self._blocks.find_by_hash(block_hash), full)

    def get_transaction_count_by_number(self, block: object) -> str | None:
        """How many transactions a block has."""
        return self._count(self._blocks.find_header(block))

    def get_transaction_count_by_hash(self, block_hash: object) -> str | None:
        """How many transactions a block has."""
        return self._count(self._blocks.find_by_hash(block_hash))

    def get_transaction_by_hash(self, transaction_hash: object) -> dict[str, Any] | None:
        """A mined or waiting transaction."""
        digest = parse_bytes(transaction_hash, "transaction hash", 32)
        row = self._database.get_transaction(digest)
        if row is not None:
            header = self._chain.get_header(row.block)
            assert header is not None
            return _render_transaction(row, header, to_hex(header.compute_hash()))
        entry = self._chain.pool.get(digest)
        if entry is None:
            return None
        unknown = {"blockHash": None, "blockNumber": None, "transactionIndex": None}
        return {**entry.transaction.to_rpc(None), **unknown}

    def get_transaction_receipt(self, transaction_hash: object) -> msgspec.Raw | None:
        """What a mined transaction did."""
        row = self._database.get_transaction(parse_bytes(transaction_hash, "transaction hash", 32))
        if row is None:
            return None
        return _join_receipt(row, self._database.get_transaction_logs(row.block, row.position))

    def get_block_receipts(self, block: object) -> list[msgspec.Raw] | None:
        """The receipts of all transactions of a block; a 32-byte hexadecimal value names it by hash."""
        is_hash = isinstance(block, str) and len(block) == 66
        header = self._blocks.find_by_hash(block) if is_hash else self._blocks.find_header(block)
        if header is None:
            return None
        logs: dict[int, list[bytes]] = {}
        for index, json in self._database.get_block_logs(header.number):
            logs.setdefault(index, []).append(json)
        rows = self._database.get_transactions(header.number)
        return [_join_receipt(row, logs.get(row.position, [])) for row in rows]

    def get_raw_block(self, block: object) -> str:
        """RLP of a block: header, transactions, no uncles, no withdrawals."""
        header = self._blocks.get_header(block)
        raws = (row.raw for row in self._database.get_transactions(header.number))
        transactions: list[rlp.Item] = [raw if raw[0] < 0x80 else rlp.decode(raw) for raw in raws]
        return to_hex(rlp.encode([rlp.decode(header.encode()), transactions, [], []]))

    def get_raw_receipts(self, block: object) -> list[str]:
        """A block's receipts, each as it stands in the trie of receipts."""
        header = self._blocks.get_header(block)
        logs: dict[int, list[rlp.Item]] = {}
        for index, json in self._database.get_block_logs(header.number):
            logs.setdefault(index, []).append(_raw_log(msgspec.json.decode(json)))
        rows = self._database.get_transactions(header.number)
        return [to_hex(_raw_receipt(msgspec.json.decode(row.receipt), logs.get(row.position, []))) for row in rows]

    def get_logs(self, wanted: object) -> list[msgspec.Raw]:
        """The logs that match a filter."""
        logs: list[msgspec.Raw] = []
        size = 0
        for json in self._database.iterate_logs(self._parse_filter(wanted), MAX_LOGS + 1):
            logs.append(msgspec.Raw(json))
            size += len(json)
            if len(logs) > MAX_LOGS or size > MAX_LOG_BYTES:
                raise RpcError(
                    LIMIT_EXCEEDED,
                    f"query returned more than {MAX_LOGS} results or {MAX_LOG_BYTES} bytes: ask for fewer blocks",
                )
        return logs

    def _parse_filter(self, wanted: object) -> LogFilter:
        if not isinstance(wanted, Mapping):
            raise invalid_params("the filter must be an object")
        first, last = self._parse_range(wanted)
        return LogFilter(
            first,
            last,
            _parse_choices(wanted.get("address"), 20, "address"),
            _parse_topics(wanted.get("topics")),
        )

    def _parse_range(self, wanted: Mapping[Any, Any]) -> tuple[int, int]:
        if wanted.get("blockHash") is None:
            first = self._blocks.get_number(wanted.get("fromBlock"), "fromBlock")
            last = self._blocks.get_number(wanted.get("toBlock"), "toBlock")
            if first > last:
                raise invalid_params(f"invalid block range: fromBlock {first} is above toBlock {last}")
            return first, last
        if wanted.get("fromBlock") is not None or wanted.get("toBlock") is not None:
            raise invalid_params("a filter has either blockHash or fromBlock and toBlock")
        header = self._blocks.find_by_hash(wanted["blockHash"])
        if header is None:
            raise RpcError(INVALID_INPUT, "unknown block")
        return header.number, header.number

    def _render_block(self, header: BlockHeader | None, full: object) -> dict[str, Any] | None:
        with_transactions = parse_flag(full, "full")
        if header is None:
            return None
        row = self._database.get_header(header.number)
        assert row is not None
        block_hash = to_hex(header.compute_hash())
        transactions: list[Any]
        if with_transactions:
            rows = self._database.get_transactions(header.number)
            transactions = [_render_transaction(row, header, block_hash) for row in rows]
        else:
            transactions = [to_hex(h) for h in self._database.get_transaction_hashes(header.number)]
        return {
            **header.to_rpc(),
            "hash": block_hash,
            "size": hex(row[1]),
            "transactions": transactions,
            "uncles": [],
            "withdrawals": [],
            "totalDifficulty": "0x0",
        }

    def _count(self, header: BlockHeader | None) -> str | None:
        return None if header is None else hex(len(self._database.get_transaction_hashes(header.number)))


def _render_transaction(row: TransactionRow, header: BlockHeader, block_hash: str) -> dict[str, Any]:
    transaction = decode_transaction(row.raw, row.sender)
    place = {"blockHash": block_hash, "blockNumber": hex(row.block), "transactionIndex": hex(row.position)}
    return {**transaction.to_rpc(header.base_fee_per_gas), **place}


def _join_receipt(row: TransactionRow, logs: list[bytes]) -> msgspec.Raw:
    return msgspec.Raw(b"".join((row.receipt[:-1], b',"logs":[', b",".join(logs), b"]}")))


def _raw_log(log: Mapping[str, Any]) -> rlp.Item:
    return [from_hex(log["address"], 20), [from_hex(topic, 32) for topic in log["topics"]], from_hex(log["data"])]


def _raw_receipt(receipt: Mapping[str, Any], logs: list[rlp.Item]) -> bytes:
    """**Source:** EIP-2718, Yellow Paper 4.3.1."""
    numbers = (int(receipt[name], 16) for name in ("status", "cumulativeGasUsed"))
    status, gas = (rlp.encode_integer(number) for number in numbers)
    kind = int(receipt["type"], 16)
    body = rlp.encode([status, gas, from_hex(receipt["logsBloom"], 256), logs])
    return bytes((kind,)) + body if kind else body


def _parse_topics(value: object) -> tuple[tuple[bytes, ...], ...]:
    if value is None:
        return ()
    if not isinstance(value, list) or len(value) > _TOPIC_POSITIONS:
        raise invalid_params(f"topics must be a list of at most {_TOPIC_POSITIONS}")
    return tuple(_parse_choices(choice, 32, f"topic {i}") for i, choice in enumerate(value))


def _parse_choices(value: object, length: int, name: str) -> tuple[bytes, ...]:
    """One value or a list of alternatives; nothing or an empty list matches everything."""
    if value is None:
        return ()
    choices = value if isinstance(value, list) else [value]
    if len(choices) > MAX_FILTER_CHOICES:
        raise invalid_params(f"{name} has more than {MAX_FILTER_CHOICES} alternatives")
    if any(choice is None for choice in choices):
        return ()
    return tuple(parse_bytes(choice, name, length) for choice in choices)
