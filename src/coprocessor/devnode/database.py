"""The one SQLite file: trie nodes, blocks, transactions with receipts, the log index, the pool, settings.

Everything between two calls of ``commit`` becomes durable together or not at all. Write-ahead log with
``synchronous=FULL``: a commit that returned survives the death of the process and of the machine.

Receipts and logs are stored as the JSON that they are served as, so that reading a range of logs is one index scan and
no encoding.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from coprocessor.devnode.errors import StartFailed
from coprocessor.values.identities import Address, Digest

__all__ = ["Database", "LogFilter", "LogRow", "NodeStore", "PoolRow", "TransactionRow"]

SCHEMA_VERSION: Final = 1
MAX_CACHED_NODES: Final = 200_000
_CACHE_KIBIBYTES = 32_768

_SCHEMA = """
create table if not exists settings(name text primary key, value blob not null) without rowid;
create table if not exists nodes(hash blob primary key, value blob not null);
create table if not exists blocks(number integer primary key, hash blob not null unique, header blob not null,
    size integer not null);
create table if not exists transactions(hash blob primary key, block integer not null, position integer not null,
    sender blob not null, raw blob not null, receipt blob not null);
create unique index if not exists transactions_by_block on transactions(block, position);
create table if not exists logs(block integer not null, position integer not null, transaction_index integer not null,
    address blob not null, topic0 blob, topic1 blob, topic2 blob, topic3 blob, json blob not null,
    primary key(block, position)) without rowid;
create index if not exists logs_by_address on logs(address, block, position);
create index if not exists logs_by_topic on logs(topic0, block, position);
create table if not exists pool(hash blob primary key, arrival integer not null, sender blob not null,
    raw blob not null);
"""


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

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._cache: dict[bytes, bytes] = {}
        self._unsaved: dict[bytes, bytes] = {}

    def __getitem__(self, key: bytes) -> bytes:
        value = self._cache.get(key)
        if value is None:
            row = self._connection.execute("select value from nodes where hash = ?", (key,)).fetchone()
            if row is None:
                raise KeyError(key)
            value = bytes(row[0])
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
        """Hand what is unsaved to the open SQL transaction."""
        self._connection.executemany("insert or ignore into nodes values(?, ?)", self._unsaved.items())
        self._unsaved.clear()


class Database:
    """Typed access to the tables. One thread, one writer."""

    def __init__(self, path: Path) -> None:
        """
        Args:
            path: the file; made if it is missing.

        Raises:
            StartFailed: not a database of this node's version.
        """
        try:
            self._connection = sqlite3.connect(path, isolation_level=None)
            self._connection.execute("pragma journal_mode = wal")
            self._connection.execute("pragma synchronous = full")
            self._connection.execute(f"pragma cache_size = -{_CACHE_KIBIBYTES}")
            version = self._connection.execute("pragma user_version").fetchone()[0]
            if version not in (0, SCHEMA_VERSION):
                raise StartFailed(
                    "devnode.data",
                    f"{path} has version {version}, this node writes version {SCHEMA_VERSION}",
                    "another release made it",
                    "use another data folder",
                )
            self._connection.executescript(_SCHEMA)
            self._connection.execute(f"pragma user_version = {SCHEMA_VERSION}")
        except sqlite3.DatabaseError as error:
            raise StartFailed(
                "devnode.data", f"{path} cannot be opened", str(error), "check the data folder or use another one"
            ) from error
        self.nodes = NodeStore(self._connection)
        self._begin()

    def _begin(self) -> None:
        self._connection.execute("begin immediate")

    def commit(self) -> None:
        """Make everything since the last commit durable."""
        self.nodes.save()
        self._connection.execute("commit")
        self._begin()

    def rollback(self) -> None:
        """Forget everything since the last commit; nodes may stay, since they are named by their content."""
        self._connection.execute("rollback")
        self._begin()

    def close(self) -> None:
        """Close the file; what was not committed is lost."""
        self._connection.execute("rollback")
        self._connection.close()

    # Settings

    def get_setting(self, name: str) -> bytes | None:
        """A named value, or None."""
        row = self._connection.execute("select value from settings where name = ?", (name,)).fetchone()
        return bytes(row[0]) if row else None

    def set_setting(self, name: str, value: bytes) -> None:
        """Set a named value."""
        self._connection.execute("insert or replace into settings values(?, ?)", (name, value))

    # Blocks

    def add_block(self, number: int, block_hash: Digest, header: bytes, size: int) -> None:
        """Append a block; ``header`` is its RLP, ``size`` that of the whole block in bytes."""
        self._connection.execute("insert into blocks values(?, ?, ?, ?)", (number, block_hash, header, size))

    def get_header(self, number: int) -> tuple[bytes, int] | None:
        """RLP of the header at a height and the block's size, or None."""
        row = self._connection.execute("select header, size from blocks where number = ?", (number,)).fetchone()
        return (bytes(row[0]), row[1]) if row else None

    def get_headers(self, first: int, last: int) -> list[bytes]:
        """RLP of the headers in an inclusive range."""
        query = "select header from blocks where number between ? and ? order by number"
        return [bytes(row[0]) for row in self._connection.execute(query, (first, last))]

    def get_block_hash(self, number: int) -> Digest | None:
        """The hash of the block at a height, or None."""
        row = self._connection.execute("select hash from blocks where number = ?", (number,)).fetchone()
        return Digest(bytes(row[0])) if row else None

    def get_block_number(self, block_hash: bytes) -> int | None:
        """The height of a block, or None if no block of this chain has that hash."""
        row = self._connection.execute("select number from blocks where hash = ?", (block_hash,)).fetchone()
        return int(row[0]) if row else None

    def get_head_number(self) -> int | None:
        """The height of the newest block, or None in a new file."""
        number = self._connection.execute("select max(number) from blocks").fetchone()[0]
        return None if number is None else int(number)

    def remove_blocks_above(self, number: int) -> None:
        """Take back every block above a height with its transactions, receipts and logs."""
        self._connection.execute("delete from logs where block > ?", (number,))
        self._connection.execute("delete from transactions where block > ?", (number,))
        self._connection.execute("delete from blocks where number > ?", (number,))

    # Transactions

    def add_transactions(self, rows: Iterable[TransactionRow]) -> None:
        """Record mined transactions."""
        values = ((r.hash, r.block, r.position, r.sender, r.raw, r.receipt) for r in rows)
        self._connection.executemany("insert into transactions values(?, ?, ?, ?, ?, ?)", values)

    def get_transaction(self, transaction_hash: bytes) -> TransactionRow | None:
        """A mined transaction, or None."""
        cursor = self._connection.execute("select * from transactions where hash = ?", (transaction_hash,))
        return next(_transaction_rows(cursor), None)

    def get_transactions(self, first: int, last: int | None = None) -> list[TransactionRow]:
        """The transactions of the blocks ``first`` to ``last`` (default: of block ``first``), in order."""
        query = "select * from transactions where block between ? and ? order by block, position"
        return list(_transaction_rows(self._connection.execute(query, (first, first if last is None else last))))

    def get_transaction_hashes(self, block: int) -> list[bytes]:
        """The hashes of a block's transactions, in order."""
        query = "select hash from transactions where block = ? order by position"
        return [bytes(row[0]) for row in self._connection.execute(query, (block,))]

    # Logs

    def add_logs(self, rows: Iterable[LogRow]) -> None:
        """Index the logs of a block."""
        values = (
            (r.block, r.position, r.transaction_index, r.address, *r.topics, *(None,) * (4 - len(r.topics)), r.json)
            for r in rows
        )
        self._connection.executemany("insert into logs values(?, ?, ?, ?, ?, ?, ?, ?, ?)", values)

    def iterate_logs(self, wanted: LogFilter, limit: int) -> Iterator[bytes]:
        """JSON of the first ``limit`` logs that match, in chain order; lazy, so the caller can stop earlier."""
        conditions = ["block between ? and ?"]
        values: list[bytes | int] = [wanted.first, wanted.last]
        _add_choice(conditions, values, "address", wanted.addresses)
        for position, topics in enumerate(wanted.topics):
            _add_choice(conditions, values, f"topic{position}", topics)
        # A filter with n positions matches only logs with at least n topics, wildcards included.
        if wanted.topics and not wanted.topics[-1]:
            conditions.append(f"topic{len(wanted.topics) - 1} is not null")
        query = f"select json from logs where {' and '.join(conditions)} order by block, position limit ?"
        for row in self._connection.execute(query, (*values, limit)):
            yield row[0]

    def get_block_logs(self, block: int) -> list[tuple[int, bytes]]:
        """(transaction index, JSON) of all logs of a block, in order."""
        query = "select transaction_index, json from logs where block = ? order by position"
        return [(row[0], row[1]) for row in self._connection.execute(query, (block,))]

    def get_transaction_logs(self, block: int, transaction_index: int) -> list[bytes]:
        """JSON of the logs of one transaction, in order."""
        query = "select json from logs where block = ? and transaction_index = ? order by position"
        return [row[0] for row in self._connection.execute(query, (block, transaction_index))]

    # Pool

    def add_to_pool(self, rows: Iterable[PoolRow]) -> None:
        """Record waiting transactions."""
        values = ((r.hash, r.arrival, r.sender, r.raw) for r in rows)
        self._connection.executemany("insert or replace into pool values(?, ?, ?, ?)", values)

    def remove_from_pool(self, hashes: Iterable[bytes]) -> None:
        """Forget waiting transactions."""
        self._connection.executemany("delete from pool where hash = ?", ((value,) for value in hashes))

    def get_pool(self) -> list[PoolRow]:
        """The waiting transactions in order of arrival."""
        query = "select hash, arrival, sender, raw from pool order by arrival"
        return [
            PoolRow(Digest(bytes(row[0])), row[1], Address(bytes(row[2])), bytes(row[3]))
            for row in self._connection.execute(query)
        ]


def _transaction_rows(cursor: sqlite3.Cursor) -> Iterator[TransactionRow]:
    for row in cursor:
        transaction_hash, block, position, sender, raw, receipt = row
        yield TransactionRow(Digest(transaction_hash), block, position, Address(sender), raw, receipt)


def _add_choice(conditions: list[str], values: list[bytes | int], column: str, choices: Sequence[bytes]) -> None:
    if choices:
        conditions.append(f"{column} in ({','.join('?' * len(choices))})")
        values.extend(choices)
