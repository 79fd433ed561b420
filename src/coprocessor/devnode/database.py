"""The one SQLite file: trie nodes, blocks, transactions with receipts, the log index, the pool, settings.

Everything between two calls of ``commit`` becomes durable together or not at all. Write-ahead log with
``synchronous=FULL``: a commit that returned survives the death of the process and of the machine.

Damage is refused, never served: pages and indices are looked through at each start, trie nodes are named by their hash,
and every other row carries a check of its content.

Receipts and logs are stored as the JSON that they are served as, so that reading a range of logs is one index scan and
no encoding.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from coprocessor.crypto.hashing import keccak256
from coprocessor.devnode.errors import StartFailed
from coprocessor.durable.database import SqliteFile, Value, compute_row_check
from coprocessor.durable.disk import PLAIN_DISK, Disk
from coprocessor.durable.errors import damaged
from coprocessor.durable.points import Moment, PersistPoint
from coprocessor.values.identities import Address, Digest

__all__ = ["Database", "LogFilter", "LogRow", "NodeStore", "PoolRow", "TransactionRow"]

SCHEMA_VERSION: Final = 2
MAX_CACHED_NODES: Final = 200_000
_CACHE_KIBIBYTES = 32_768

_SCHEMA = (
    "create table settings(name text primary key, value blob not null, row blob not null) without rowid",
    "create table nodes(hash blob primary key, value blob not null)",
    """create table blocks(number integer primary key, hash blob not null unique, header blob not null,
        size integer not null, row blob not null)""",
    """create table transactions(hash blob primary key, block integer not null, position integer not null,
        sender blob not null, raw blob not null, receipt blob not null, row blob not null)""",
    "create unique index transactions_by_block on transactions(block, position)",
    """create table logs(block integer not null, position integer not null, transaction_index integer not null,
        address blob not null, topic0 blob, topic1 blob, topic2 blob, topic3 blob, json blob not null,
        row blob not null, primary key(block, position)) without rowid""",
    "create index logs_by_address on logs(address, block, position)",
    "create index logs_by_topic on logs(topic0, block, position)",
    """create table pool(hash blob primary key, arrival integer not null, sender blob not null, raw blob not null,
        row blob not null)""",
)
"""The column ``row`` is the check over the others; of a log over what is served of it, since its JSON has the rest."""

_REPLACE = "insert or replace"
_LOG_COLUMNS = "block, position, transaction_index, json, row"


@dataclass(frozen=True, slots=True)
class TransactionRow:
    """A mined transaction; ``receipt`` is its JSON object without the field ``logs``."""

    hash: Digest
    block: int
    position: int
    sender: Address
    raw: bytes
    receipt: bytes


@dataclass(frozen=True, slots=True)
class LogRow:
    """A log with what it is found by; ``json`` is the object as served."""

    block: int
    position: int
    transaction_index: int
    address: Address
    topics: tuple[bytes, ...]
    json: bytes


@dataclass(frozen=True, slots=True)
class PoolRow:
    """A transaction that waits; ``arrival`` orders them."""

    hash: Digest
    arrival: int
    sender: Address
    raw: bytes


@dataclass(frozen=True, slots=True)
class LogFilter:
    """Which logs: an inclusive block range, any of the addresses, per position any of the topics; empty means all."""

    first: int
    last: int
    addresses: tuple[bytes, ...] = ()
    topics: tuple[tuple[bytes, ...], ...] = ()


class NodeStore:
    """Trie nodes and code by hash, as py-evm's ``AtomicDB`` wraps them.

    A cache over the table; writes are held back until the next commit.
    """

    def __init__(self, file: SqliteFile) -> None:
        self._file = file
        self._cache: dict[bytes, bytes] = {}
        self._unsaved: dict[bytes, bytes] = {}

    def __getitem__(self, key: bytes) -> bytes:
        value = self._cache.get(key)
        if value is None:
            row = self._file.row("select value from nodes where hash = ?", (key,))
            if row is None:
                raise KeyError(key)
            value = bytes(row[0])
            if keccak256(value) != key:
                raise damaged(self._file.path, f"trie node {key.hex()} is not what was written")
            if len(self._cache) >= MAX_CACHED_NODES:
                self._cache = dict(self._unsaved)
            self._cache[key] = value
        return value

    def __setitem__(self, key: bytes, value: bytes) -> None:
        self._cache[key] = value
        self._unsaved[key] = value

    def __delitem__(self, key: bytes) -> None:
        """Old nodes stay: earlier states remain readable, and a hash never comes to mean something else."""

    def __contains__(self, key: bytes) -> bool:
        try:
            self[key]
        except KeyError:
            return False
        return True

    def save(self) -> None:
        """Hand what is unsaved to the open SQL transaction; ``settle`` once that is in force."""
        self._file.run_many("insert or ignore into nodes values(?, ?)", self._unsaved.items())

    def settle(self) -> None:
        """What was handed over is in force."""
        self._unsaved.clear()

    def forget(self) -> None:
        """What was not put in force does not exist."""
        for key in self._unsaved:
            self._cache.pop(key, None)
        self._unsaved.clear()


class Database:
    """Typed access to the tables. One thread, one writer."""

    def __init__(self, path: Path, disk: Disk = PLAIN_DISK) -> None:
        """
        Args:
            path: the file; made if it is missing.
            disk: hears of every commit.

        Raises:
            StartFailed: not a database of this node's version.
            DiskFailed: it is damaged, or the disk does not take it.
        """
        self._disk = disk
        self._file = SqliteFile(path, disk, "full", _CACHE_KIBIBYTES)
        try:
            self._file.check_structure()
            self._check_version(path)
        except BaseException:
            self._file.close()
            raise
        self.nodes = NodeStore(self._file)
        self._file.begin()

    def _check_version(self, path: Path) -> None:
        (version,) = self._file.row("pragma user_version")
        if version == 0:
            self._make_tables()
        elif version != SCHEMA_VERSION:
            raise StartFailed(
                "devnode.data",
                f"{path} has version {version}, this node writes version {SCHEMA_VERSION}",
                "another release made it",
                "use another data folder",
            )

    def _make_tables(self) -> None:
        with self._file.transaction(PersistPoint.NODE_TABLES):
            for statement in _SCHEMA:
                self._file.run(statement)
            self._file.run(f"pragma user_version = {SCHEMA_VERSION}")

    def commit(self, point: PersistPoint) -> None:
        """Make everything since the last commit durable. Raises DiskFailed; ``rollback`` MUST follow then."""
        self._disk.reach(point, Moment.BEFORE)
        self.nodes.save()
        self._file.commit(point)
        self.nodes.settle()
        self._file.begin()

    def rollback(self) -> None:
        """Forget everything since the last commit."""
        self.nodes.forget()
        self._file.rollback()
        self._file.begin()

    def close(self) -> None:
        """Close the file; what was not committed is lost."""
        self._file.close()

    def _insert(self, table: str, rows: Iterable[tuple[Value, ...]], verb: str = "insert") -> None:
        """Add rows with their check."""
        checked = [(*row, compute_row_check(table, row)) for row in rows]
        if checked:
            places = ",".join("?" * len(checked[0]))
            self._file.run_many(f"{verb} into {table} values({places})", checked)

    def _find(self, table: str, condition: str, values: Sequence[Value]) -> list[tuple[Any, ...]]:
        return list(self._file.checked_rows(table, f"select * from {table} where {condition}", values))

    def _find_one(self, table: str, condition: str, value: Value) -> tuple[Any, ...] | None:
        found = self._find(table, condition, (value,))
        return found[0] if found else None

    # Settings

    def get_setting(self, name: str) -> bytes | None:
        """A named value, or None."""
        row = self._find_one("settings", "name = ?", name)
        return row[1] if row else None

    def set_setting(self, name: str, value: bytes) -> None:
        """Set a named value."""
        self._insert("settings", [(name, value)], _REPLACE)

    # Blocks

    def add_block(self, number: int, block_hash: Digest, header: bytes, size: int) -> None:
        """Append a block; ``header`` is its RLP, ``size`` that of the whole block in bytes."""
        self._insert("blocks", [(number, block_hash, header, size)])

    def get_header(self, number: int) -> tuple[bytes, int] | None:
        """RLP of the header at a height and the block's size, or None."""
        row = self._find_one("blocks", "number = ?", number)
        return (row[2], row[3]) if row else None

    def get_headers(self, first: int, last: int) -> list[bytes]:
        """RLP of the headers in an inclusive range."""
        return [row[2] for row in self._find("blocks", "number between ? and ? order by number", (first, last))]

    def get_block_hash(self, number: int) -> Digest | None:
        """The hash of the block at a height, or None."""
        row = self._find_one("blocks", "number = ?", number)
        return Digest(row[1]) if row else None

    def get_block_number(self, block_hash: bytes) -> int | None:
        """The height of a block, or None if no block of this chain has that hash."""
        row = self._find_one("blocks", "hash = ?", block_hash)
        return int(row[0]) if row else None

    def get_head_number(self) -> int | None:
        """The height of the newest block, or None in a new file."""
        (number,) = self._file.row("select max(number) from blocks")
        return None if number is None else int(number)

    def remove_blocks_above(self, number: int) -> None:
        """Take back every block above a height with its transactions, receipts and logs."""
        self._file.run("delete from logs where block > ?", (number,))
        self._file.run("delete from transactions where block > ?", (number,))
        self._file.run("delete from blocks where number > ?", (number,))

    # Transactions

    def add_transactions(self, rows: Iterable[TransactionRow]) -> None:
        """Record mined transactions."""
        self._insert("transactions", ((r.hash, r.block, r.position, r.sender, r.raw, r.receipt) for r in rows))

    def get_transaction(self, transaction_hash: bytes) -> TransactionRow | None:
        """A mined transaction, or None."""
        row = self._find_one("transactions", "hash = ?", transaction_hash)
        return TransactionRow(*row) if row else None

    def get_transactions(self, first: int, last: int | None = None) -> list[TransactionRow]:
        """The transactions of the blocks ``first`` to ``last`` (default: of block ``first``), in order."""
        condition = "block between ? and ? order by block, position"
        rows = self._find("transactions", condition, (first, first if last is None else last))
        return [TransactionRow(*row) for row in rows]

    def get_transaction_hashes(self, block: int) -> list[bytes]:
        """The hashes of a block's transactions, in order."""
        return [row.hash for row in self.get_transactions(block)]

    # Logs

    def add_logs(self, rows: Iterable[LogRow]) -> None:
        """Index the logs of a block."""
        values = [
            (
                *(r.block, r.position, r.transaction_index, r.address),
                *(*r.topics, *(None,) * (4 - len(r.topics))),
                r.json,
                compute_row_check("logs", (r.block, r.position, r.transaction_index, r.json)),
            )
            for r in rows
        ]
        self._file.run_many("insert into logs values(?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", values)

    def iterate_logs(self, wanted: LogFilter, limit: int) -> Iterator[bytes]:
        """JSON of the first ``limit`` logs that match, in chain order; lazy, so the caller can stop earlier."""
        conditions = ["block between ? and ?"]
        values: list[Value] = [wanted.first, wanted.last]
        _add_choice(conditions, values, "address", wanted.addresses)
        for position, topics in enumerate(wanted.topics):
            _add_choice(conditions, values, f"topic{position}", topics)
        # A filter with n positions matches only logs with at least n topics, wildcards included.
        if wanted.topics and not wanted.topics[-1]:
            conditions.append(f"topic{len(wanted.topics) - 1} is not null")
        for row in self._logs(f"{' and '.join(conditions)} order by block, position limit ?", (*values, limit)):
            yield row[3]

    def get_block_logs(self, block: int) -> list[tuple[int, bytes]]:
        """(transaction index, JSON) of all logs of a block, in order."""
        return [(row[2], row[3]) for row in self._logs("block = ? order by position", (block,))]

    def get_transaction_logs(self, block: int, transaction_index: int) -> list[bytes]:
        """JSON of the logs of one transaction, in order."""
        condition = "block = ? and transaction_index = ? order by position"
        return [row[3] for row in self._logs(condition, (block, transaction_index))]

    def _logs(self, condition: str, values: Sequence[Value]) -> Iterator[tuple[Any, ...]]:
        return self._file.checked_rows("logs", f"select {_LOG_COLUMNS} from logs where {condition}", values)

    # Pool

    def add_to_pool(self, rows: Iterable[PoolRow]) -> None:
        """Record waiting transactions."""
        self._insert("pool", ((r.hash, r.arrival, r.sender, r.raw) for r in rows), _REPLACE)

    def remove_from_pool(self, hashes: Iterable[bytes]) -> None:
        """Forget waiting transactions."""
        self._file.run_many("delete from pool where hash = ?", ((value,) for value in hashes))

    def get_pool(self) -> list[PoolRow]:
        """The waiting transactions in order of arrival."""
        return [PoolRow(*row) for row in self._find("pool", "true order by arrival", ())]


def _add_choice(conditions: list[str], values: list[Value], column: str, choices: Sequence[bytes]) -> None:
    if choices:
        conditions.append(f"{column} in ({','.join('?' * len(choices))})")
        values.extend(choices)
