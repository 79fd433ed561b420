"""The chain: head, finality, mining, reorganisation, and the pool beside it.

One thread owns it. Every change ends in one database commit; a failure in between rolls all of it back, in memory too.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from enum import Enum
from typing import Final

from coprocessor.crypto.hashing import keccak256
from coprocessor.devnode.accounts import DEVELOPMENT_BALANCE, development_accounts
from coprocessor.devnode.builder import Block, ExecutionCrashed, build_block, compute_next_base_fee
from coprocessor.devnode.database import Database, PoolRow
from coprocessor.devnode.errors import INVALID_INPUT, RpcError
from coprocessor.devnode.evm import Execution, Outcome, build_genesis_state
from coprocessor.devnode.header import BlockHeader
from coprocessor.devnode.mempool import Pool, check_static_rules
from coprocessor.devnode.options import NodeOptions
from coprocessor.devnode.state import StateReader
from coprocessor.devnode.transactions import Transaction, decode_transaction
from coprocessor.durable.points import PersistPoint
from coprocessor.values.identities import Address, Digest

__all__ = ["MAX_ANCESTORS", "Chain", "Dropped", "Head"]

FEE_RECIPIENT: Final = Address(b"\xcc" * 20)
GENESIS_BASE_FEE: Final = 10**9
MAX_ANCESTORS: Final = 256
"""How many block hashes BLOCKHASH can reach."""

_SETTING_CHAIN_ID = "chain_id"
_SETTING_FINALIZED = "finalized"
_SETTING_FORKS = "forks"
_SETTING_TIME_OFFSET = "time_offset"

_logger = logging.getLogger("coprocessor.devnode")


@dataclass(frozen=True, slots=True)
class Head:
    """The newest block."""

    header: BlockHeader
    hash: Digest


class Dropped(Enum):
    """What becomes of the transactions of blocks that a reorganisation takes back."""

    POOL = "pool"
    """They wait in the pool; the replacing blocks are empty."""
    REMINE = "remine"
    """The replacing blocks include them again."""
    DROP = "drop"
    """They are forgotten."""


class Chain:
    """A chain in a database."""

    def __init__(self, database: Database, options: NodeOptions, clock: Callable[[], float]) -> None:
        """
        Args:
            database: the chain's file; a genesis block is written into an empty one.
            options: chain id, gas limit and finality lag.
            clock: seconds since the Unix epoch.
        """
        self._database = database
        self._clock = clock
        self._finality_lag = options.finality_lag
        self._next_timestamp: int | None = None
        self.pool = Pool()
        self.states = StateReader(database.nodes)
        if database.get_head_number() is None:
            self._write_genesis(options)
        self.chain_id = self._get_integer(_SETTING_CHAIN_ID)
        self.head = self._load_head()
        self._load_pool()
        self._advance_finality()
        database.commit(PersistPoint.NODE_START)

    # Reading

    @property
    def safe_number(self) -> int:
        """Height of the block that ``safe`` names."""
        return max(self.finalized_number, self.head.header.number - self._finality_lag)

    @property
    def finalized_number(self) -> int:
        """Height of the last block that no reorganisation can take back; never falls."""
        return self._get_integer(_SETTING_FINALIZED)

    def get_header(self, number: int) -> BlockHeader | None:
        """The header at a height, or None."""
        if number == self.head.header.number:
            return self.head.header
        row = self._database.get_header(number)
        return BlockHeader.decode(row[0]) if row else None

    def pending_header(self) -> BlockHeader:
        """The environment of the next block, with the state of the newest one; for simulations alone."""
        parent = self.head.header
        now = int(self._clock()) + self._get_integer(_SETTING_TIME_OFFSET)
        return replace(
            parent,
            parent_hash=self.head.hash,
            number=parent.number + 1,
            timestamp=self._next_timestamp or max(now, parent.timestamp + 1),
        )

    def simulate(self, transaction: Transaction, header: BlockHeader) -> Outcome:
        """Execute a transaction on the state after ``header`` and forget it; fees are not charged."""
        free = replace(header, base_fee_per_gas=0)
        execution = Execution(
            self._database.nodes,
            free,
            header.state_root,
            self._ancestor_hashes(header.number - 1),
            self.chain_id,
        )
        return execution.apply(transaction)

    # Transactions

    def submit(self, raw: bytes) -> Transaction:
        """Admit a transaction to the pool; it MUST NOT be acknowledged before ``save`` or ``mine`` has returned.

        Raises:
            MalformedInput: the bytes are no transaction.
            RpcError: the pool's rules refuse it.
        """
        transaction = decode_transaction(raw)
        check_static_rules(transaction, self.chain_id, self.head.header.gas_limit)
        base_fee = compute_next_base_fee(self.head.header)
        if transaction.max_fee_per_gas < base_fee:
            raise RpcError(
                INVALID_INPUT,
                f"max fee per gas less than block base fee: {transaction.max_fee_per_gas} < {base_fee}",
            )
        if self._database.get_transaction(transaction.hash) is not None:
            raise RpcError(INVALID_INPUT, "already known")
        account = self.states.get_account(self.head.header.state_root, transaction.sender)
        self._database.remove_from_pool(self.pool.add(transaction, account))
        return transaction

    def save(self) -> None:
        """Make the pool durable. Raises DiskFailed; nothing has changed then."""
        waiting = self._waiting()
        try:
            self._save_pool()
            self._database.commit(PersistPoint.NODE_POOL)
        except BaseException:
            self._roll_back(waiting)
            raise

    def forget_unsaved(self) -> None:
        """Drop the transactions that are not durable; whoever submitted them MUST be told that they were refused."""
        self.pool.remove(list(self.pool.unsaved))

    # Mining

    def mine(self, with_transactions: bool = True) -> Block:
        """Append one block, empty if nothing waits, and make it durable with the rest of the pool."""
        while True:
            waiting = self._waiting()
            try:
                block = self._append(self.pool if with_transactions else None)
                self._save_pool()
                self._database.commit(PersistPoint.NODE_BLOCK)
                return block
            except ExecutionCrashed as error:
                self._roll_back(waiting)
                _logger.error("%s", error)
                self.pool.remove([error.transaction_hash])
                self._database.remove_from_pool([error.transaction_hash])
            except BaseException:
                self._roll_back(waiting)
                raise

    def mine_waiting(self) -> None:
        """Append blocks until nothing that waits can be included."""
        while self.has_executable() and self.mine().transactions:
            pass
        self.save()

    def has_executable(self) -> bool:
        """Whether the next block would include something of the pool."""
        root = self.head.header.state_root
        base_fee = compute_next_base_fee(self.head.header)
        selection = self.pool.select(base_fee, lambda sender: self.states.get_account(root, sender).nonce)
        while (transaction := selection.pop()) is not None:
            if transaction.maximum_cost <= self.states.get_account(root, transaction.sender).balance:
                return True
        return False

    # Time

    def increase_time(self, seconds: int) -> int:
        """Shift the clock of later blocks; the whole shift, seconds."""
        offset, waiting = self._get_integer(_SETTING_TIME_OFFSET) + seconds, self._waiting()
        try:
            self._set_integer(_SETTING_TIME_OFFSET, offset)
            self._database.commit(PersistPoint.NODE_TIME)
        except BaseException:
            self._roll_back(waiting)
            raise
        return offset

    def set_next_timestamp(self, timestamp: int) -> None:
        """Fix the next block's timestamp; later blocks go on from there.

        Raises:
            RpcError: not above the head's.
        """
        if timestamp <= self.head.header.timestamp:
            raise RpcError(
                INVALID_INPUT,
                f"timestamp {timestamp} is not above the latest block's {self.head.header.timestamp}",
            )
        self._next_timestamp = timestamp

    # Reorganisation

    def reorganise(self, depth: int, dropped: Dropped) -> list[Block]:
        """Replace the last ``depth`` blocks by as many others, log index included.

        Raises:
            RpcError: ``depth`` is below 1 or would take back a finalised block.
        """
        fork = self.head.header.number - depth
        if depth < 1:
            raise RpcError(INVALID_INPUT, f"reorg depth {depth} is below 1")
        if fork < self.finalized_number:
            raise RpcError(
                INVALID_INPUT,
                f"reorg depth {depth} would take back finalized block {fork + 1}: "
                f"latest is {self.head.header.number}, finalized is {self.finalized_number}",
            )
        waiting = self._waiting()
        try:
            rows = self._database.get_transactions(fork + 1, fork + depth)
            self._database.remove_blocks_above(fork)
            self._set_integer(_SETTING_FORKS, self._get_integer(_SETTING_FORKS) + 1)
            self.head = self._load_head()
            if dropped is not Dropped.DROP:
                self.pool.restore(decode_transaction(row.raw, row.sender) for row in rows)
            source = self.pool if dropped is Dropped.REMINE else None
            blocks = [self._append(source) for _ in range(depth)]
            self._save_pool()
            self._database.commit(PersistPoint.NODE_REORGANISATION)
        except BaseException:
            self._roll_back(waiting)
            raise
        return blocks

    # Inside

    def _append(self, pool: Pool | None) -> Block:
        parent = self.head
        block = build_block(
            self._database.nodes,
            self._next_template(),
            parent.header.state_root,
            self._ancestor_hashes(parent.header.number),
            self.chain_id,
            pool,
        )
        self._database.add_block(block.header.number, block.hash, block.encoded_header, block.size)
        self._database.add_transactions(block.transactions)
        self._database.add_logs(block.logs)
        included = [row.hash for row in block.transactions]
        self.pool.remove(included)
        self._database.remove_from_pool(included)
        for sender in {row.sender for row in block.transactions}:
            self._forget_stale(sender, block.header.state_root)
        self.head = Head(block.header, block.hash)
        self._next_timestamp = None
        self._advance_finality()
        return block

    def _forget_stale(self, sender: Address, state_root: Digest) -> None:
        """Drop transactions whose nonce another transaction has used (a replaced one that came back)."""
        stale = self.pool.stale(sender, self.states.get_account(state_root, sender).nonce)
        self.pool.remove(stale)
        self._database.remove_from_pool(stale)

    def _next_template(self) -> BlockHeader:
        parent = self.head.header
        now = int(self._clock()) + self._get_integer(_SETTING_TIME_OFFSET)
        timestamp = self._next_timestamp or max(now, parent.timestamp + 1)
        if self._next_timestamp is not None:
            self._set_integer(_SETTING_TIME_OFFSET, timestamp - int(self._clock()))
        forks = self._get_integer(_SETTING_FORKS)
        # Marks siblings apart: replaced and replacing blocks must never have the same hash.
        extra_data = b"reorg " + str(forks).encode() if forks else b""
        seed = self.head.hash + timestamp.to_bytes(8, "big") + extra_data
        return BlockHeader(
            parent_hash=self.head.hash,
            coinbase=FEE_RECIPIENT,
            state_root=parent.state_root,
            number=parent.number + 1,
            timestamp=timestamp,
            gas_limit=parent.gas_limit,
            extra_data=extra_data,
            prev_randao=keccak256(seed),
            base_fee_per_gas=compute_next_base_fee(parent),
        )

    def _ancestor_hashes(self, number: int) -> Iterator[Digest]:
        """Hashes of block ``number`` and those before it, as far as BLOCKHASH reaches."""
        for height in range(number, max(-1, number - MAX_ANCESTORS), -1):
            block_hash = self._database.get_block_hash(height)
            if block_hash is None:
                return
            yield block_hash

    def _advance_finality(self) -> None:
        finalized = max(self.finalized_number, self.head.header.number - 2 * self._finality_lag)
        self._set_integer(_SETTING_FINALIZED, finalized)

    def _write_genesis(self, options: NodeOptions) -> None:
        balances = {account.address: DEVELOPMENT_BALANCE for account in development_accounts()}
        header = BlockHeader(
            parent_hash=Digest(bytes(32)),
            coinbase=Address(bytes(20)),
            state_root=build_genesis_state(self._database.nodes, balances),
            number=0,
            timestamp=int(self._clock()),
            gas_limit=options.gas_limit,
            base_fee_per_gas=GENESIS_BASE_FEE,
        )
        encoded = header.encode()
        self._database.add_block(0, header.compute_hash(), encoded, len(encoded))
        self._set_integer(_SETTING_CHAIN_ID, options.chain_id)
        self._database.commit(PersistPoint.NODE_GENESIS)

    def _load_head(self) -> Head:
        number = self._database.get_head_number()
        assert number is not None
        row = self._database.get_header(number)
        assert row is not None
        return Head(BlockHeader.decode(row[0]), keccak256(row[0]))

    def _load_pool(self) -> None:
        rows = self._database.get_pool()
        displaced = self.pool.restore(decode_transaction(row.raw, row.sender) for row in rows)
        self._database.remove_from_pool(displaced)
        self.pool.unsaved.clear()
        for sender in {row.sender for row in rows}:
            self._forget_stale(sender, self.head.header.state_root)

    def _save_pool(self) -> None:
        if self.pool.unsaved:
            entries = [entry for entry in self.pool if entry.transaction.hash in self.pool.unsaved]
            self._database.add_to_pool(
                PoolRow(e.transaction.hash, e.arrival, e.transaction.sender, e.transaction.raw) for e in entries
            )
            self.pool.unsaved.clear()

    def _waiting(self) -> list[Transaction]:
        return [entry.transaction for entry in self.pool]

    def _roll_back(self, waiting: list[Transaction]) -> None:
        """Return to what the database holds; what waited before the attempt waits again, to be saved anew."""
        self._database.rollback()
        self.head = self._load_head()
        self.pool.clear()
        self._load_pool()
        self._database.remove_from_pool(self.pool.restore(waiting))
        for sender in {transaction.sender for transaction in waiting}:
            self._forget_stale(sender, self.head.header.state_root)

    def _get_integer(self, name: str) -> int:
        value = self._database.get_setting(name)
        return int.from_bytes(value, "big", signed=True) if value else 0

    def _set_integer(self, name: str, value: int) -> None:
        self._database.set_setting(name, value.to_bytes(16, "big", signed=True))
