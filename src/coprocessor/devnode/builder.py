"""Builds one block: runs transactions of the pool, computes the roots, prepares the rows that the database keeps.

**Source:** Yellow Paper sections 4.3 and 11; EIP-1559 for the base fee; EIP-2718 for typed receipts.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

import msgspec

from coprocessor.codec import rlp
from coprocessor.codec.ordered_trie import compute_ordered_root
from coprocessor.crypto.hashing import keccak256
from coprocessor.devnode.database import LogRow, NodeStore, TransactionRow
from coprocessor.devnode.evm import Execution, Log, Outcome
from coprocessor.devnode.header import BlockHeader
from coprocessor.devnode.mempool import Pool, Selection
from coprocessor.devnode.transactions import Transaction
from coprocessor.durable.errors import DiskFailed
from coprocessor.values.errors import InternalError
from coprocessor.values.identities import Digest, to_hex

__all__ = ["Block", "ExecutionCrashed", "build_block", "compute_next_base_fee", "compute_receipt_bloom"]

ELASTICITY_MULTIPLIER: Final = 2
BASE_FEE_CHANGE_DENOMINATOR: Final = 8
_SMALLEST_TRANSACTION_GAS = 21_000


class ExecutionCrashed(InternalError):
    """The virtual machine itself failed on a transaction; ``transaction_hash`` names it."""

    def __init__(self, transaction_hash: Digest, cause: Exception) -> None:
        super().__init__(
            "devnode.execution",
            f"the virtual machine failed on transaction {to_hex(transaction_hash)}",
            f"{type(cause).__name__}: {cause}",
            "report it with the transaction; it was taken out of the pool",
        )
        self.transaction_hash = transaction_hash


@dataclass(frozen=True, slots=True)
class Block:
    """A finished block with everything that is stored of it; ``size`` is its RLP length in bytes."""

    header: BlockHeader
    hash: Digest
    encoded_header: bytes
    size: int
    transactions: tuple[TransactionRow, ...]
    logs: tuple[LogRow, ...]


@dataclass(frozen=True, slots=True)
class _Executed:
    transaction: Transaction
    outcome: Outcome
    cumulative_gas: int
    bloom: bytes

    def encode_receipt(self) -> bytes:
        logs: list[rlp.Item] = [[bytes(log.address), list(log.topics), log.data] for log in self.outcome.logs]
        status = b"\x01" if self.outcome.is_success else b""
        body = rlp.encode([status, rlp.encode_integer(self.cumulative_gas), self.bloom, logs])
        type_id = self.transaction.type_id
        return bytes((type_id,)) + body if type_id else body


def compute_next_base_fee(parent: BlockHeader) -> int:
    """Wei per gas that the child of ``parent`` burns. **Source:** EIP-1559."""
    base_fee = parent.base_fee_per_gas or 0
    target = parent.gas_limit // ELASTICITY_MULTIPLIER
    if parent.gas_used == target:
        return base_fee
    change = base_fee * abs(parent.gas_used - target) // target // BASE_FEE_CHANGE_DENOMINATOR
    if parent.gas_used > target:
        return base_fee + max(change, 1)
    return base_fee - change


def compute_receipt_bloom(logs: Iterable[Log]) -> bytes:
    """The 256-byte Bloom filter of a receipt."""
    bloom = 0
    for log in logs:
        bloom |= _bloom_bits(log.address)
        for topic in log.topics:
            bloom |= _bloom_bits(topic)
    return bloom.to_bytes(256, "big")


def build_block(
    store: NodeStore,
    template: BlockHeader,
    parent_state_root: Digest,
    ancestor_hashes: Iterable[Digest],
    chain_id: int,
    pool: Pool | None,
) -> Block:
    """Build a block on top of a state.

    Args:
        store: trie nodes; the new ones are added.
        template: the header with its environment filled in; roots, gas and bloom are computed here.
        parent_state_root: state root of the parent.
        ancestor_hashes: from the parent backwards.
        chain_id: of the chain.
        pool: where transactions come from (they stay in it); None for an empty block.

    Raises:
        ExecutionCrashed: py-evm failed in a way that no transaction may cause.
    """
    execution = Execution(store, template, parent_state_root, ancestor_hashes, chain_id)
    execution.begin_block(template)
    executed: list[_Executed] = []
    if pool is not None:
        selection = pool.select(template.base_fee_per_gas or 0, execution.get_nonce)
        executed = _execute_selection(execution, selection, template.gas_limit)
    header = replace(
        template,
        state_root=execution.finish(),
        transactions_root=compute_ordered_root([e.transaction.raw for e in executed]),
        receipts_root=compute_ordered_root([e.encode_receipt() for e in executed]),
        logs_bloom=_union(e.bloom for e in executed),
        gas_used=executed[-1].cumulative_gas if executed else 0,
    )
    encoded = header.encode()
    block_hash = keccak256(encoded)
    return Block(
        header=header,
        hash=block_hash,
        encoded_header=encoded,
        size=_compute_size(encoded, executed),
        transactions=_transaction_rows(header, block_hash, executed),
        logs=_log_rows(header, block_hash, executed),
    )


def _execute_selection(execution: Execution, selection: Selection, gas_limit: int) -> list[_Executed]:
    executed: list[_Executed] = []
    gas_used = 0
    while gas_limit - gas_used >= _SMALLEST_TRANSACTION_GAS:
        transaction = selection.pop()
        if transaction is None:
            break
        if transaction.gas > gas_limit - gas_used:
            continue  # its sender waits for the next block; others may still fit
        if transaction.maximum_cost > execution.get_balance(transaction.sender):
            continue
        try:
            outcome = execution.apply(transaction)
        except DiskFailed:
            raise  # the state cannot be read: no fault of the transaction
        except Exception as error:
            raise ExecutionCrashed(transaction.hash, error) from error
        gas_used += outcome.gas_used
        executed.append(_Executed(transaction, outcome, gas_used, compute_receipt_bloom(outcome.logs)))
        selection.accept(transaction)
    return executed


def _bloom_bits(value: bytes) -> int:
    digest = keccak256(value)
    bits = 0
    for i in (0, 2, 4):
        bits |= 1 << (int.from_bytes(digest[i : i + 2], "big") & 0x7FF)
    return bits


def _union(blooms: Iterable[bytes]) -> bytes:
    union = 0
    for bloom in blooms:
        union |= int.from_bytes(bloom, "big")
    return union.to_bytes(256, "big")


def _compute_size(encoded_header: bytes, executed: Sequence[_Executed]) -> int:
    """RLP length of [header, transactions, no uncles, no withdrawals]."""
    transactions = sum(
        len(rlp.encode(e.transaction.raw)) if e.transaction.type_id else len(e.transaction.raw) for e in executed
    )
    body = len(encoded_header) + _list_length(transactions) + 2
    return _list_length(body)


def _list_length(payload: int) -> int:
    return payload + (1 if payload < 56 else 1 + (payload.bit_length() + 7) // 8)


def _transaction_rows(
    header: BlockHeader, block_hash: Digest, executed: Sequence[_Executed]
) -> tuple[TransactionRow, ...]:
    rows = []
    for position, item in enumerate(executed):
        transaction = item.transaction
        created = transaction.contract_address()
        receipt = {
            "transactionHash": to_hex(transaction.hash),
            "transactionIndex": hex(position),
            "blockHash": to_hex(block_hash),
            "blockNumber": hex(header.number),
            "from": to_hex(transaction.sender),
            "to": to_hex(transaction.to) if transaction.to else None,
            "cumulativeGasUsed": hex(item.cumulative_gas),
            "gasUsed": hex(item.outcome.gas_used),
            "effectiveGasPrice": hex(transaction.effective_gas_price(header.base_fee_per_gas or 0)),
            "contractAddress": to_hex(created) if created else None,  # also where the creation failed
            "logsBloom": to_hex(item.bloom),
            "status": "0x1" if item.outcome.is_success else "0x0",
            "type": hex(transaction.type_id),
        }
        rows.append(
            TransactionRow(
                transaction.hash,
                header.number,
                position,
                transaction.sender,
                transaction.raw,
                msgspec.json.encode(receipt),
            )
        )
    return tuple(rows)


def _log_rows(header: BlockHeader, block_hash: Digest, executed: Sequence[_Executed]) -> tuple[LogRow, ...]:
    rows: list[LogRow] = []
    for index, item in enumerate(executed):
        for log in item.outcome.logs:
            served = {
                "address": to_hex(log.address),
                "topics": [to_hex(topic) for topic in log.topics],
                "data": to_hex(log.data),
                "blockHash": to_hex(block_hash),
                "blockNumber": hex(header.number),
                "blockTimestamp": hex(header.timestamp),
                "transactionHash": to_hex(item.transaction.hash),
                "transactionIndex": hex(index),
                "logIndex": hex(len(rows)),
                "removed": False,
            }
            rows.append(LogRow(header.number, len(rows), index, log.address, log.topics, msgspec.json.encode(served)))
    return tuple(rows)
