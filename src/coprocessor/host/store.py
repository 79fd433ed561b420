"""A worker host's cache: sealed outputs, link results and settled receipts, in one SQLite file.

Everything here can be made again by replaying the inbox and reading the chain; losing it loses nothing. It holds no
plaintext but results of smart contracts' requests, which are public. Size is bounded: the oldest receipts go first,
each with its links and outputs.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from coprocessor.codec import cbor
from coprocessor.enclave.messages import ItemOutput, LinkExecuted
from coprocessor.protocol.outputs import Leaf
from coprocessor.protocol.receipts import Receipt
from coprocessor.values.identities import (
    ZERO_DIGEST,
    ClusterId,
    Digest,
    NetworkId,
    ProgramId,
    RequestId,
    RuntimeId,
    StateRoot,
)

__all__ = ["SettledReceipt", "Store", "StoredOutput"]

_SCHEMA = """
CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS links (
    link INTEGER PRIMARY KEY, link_hash BLOB NOT NULL, state_root BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS outputs (
    link INTEGER NOT NULL, position INTEGER NOT NULL, program BLOB NOT NULL, request BLOB NOT NULL,
    status INTEGER NOT NULL, fuel INTEGER NOT NULL, plaintext_hash BLOB NOT NULL, ciphertext_hash BLOB NOT NULL,
    output BLOB NOT NULL, is_public INTEGER NOT NULL, void_rule TEXT NOT NULL, PRIMARY KEY (link, position)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS requests ON outputs (link) WHERE is_public = 1;
CREATE TABLE IF NOT EXISTS receipts (
    number INTEGER PRIMARY KEY, first INTEGER NOT NULL, till INTEGER NOT NULL, block INTEGER NOT NULL,
    final_block INTEGER NOT NULL, receipt BLOB, signatures BLOB);
CREATE INDEX IF NOT EXISTS receipt_ranges ON receipts (till);
CREATE TABLE IF NOT EXISTS delivered (request BLOB PRIMARY KEY) WITHOUT ROWID;
"""

MAX_BYTES = 1 << 30
"""Bytes of the file before old receipts are dropped."""


@dataclass(frozen=True, slots=True)
class StoredOutput:
    """An item's outcome: its leaf, the sealed (or public) output, the hash of its link, the rule that voided it."""

    leaf: Leaf
    output: bytes
    is_public: bool
    void_rule: str
    link_hash: Digest


@dataclass(frozen=True, slots=True)
class SettledReceipt:
    """A receipt that the chain has accepted.

    Args:
        number: in its cluster, from 0.
        first, to: links settled before and after it.
        block: that holds its settlement.
        final_block: first block in which it is final.
        receipt: what was signed, or None where it was settled through another contract.
        signatures: 65 bytes each, ascending by signer.
    """

    number: int
    first: int
    to: int
    block: int
    final_block: int
    receipt: Receipt | None
    signatures: tuple[bytes, ...]


class Store:
    """The cache of one worker for one cluster. Use as a context manager, or ``close`` it."""

    def __init__(self, path: Path, network: NetworkId, cluster: ClusterId, max_bytes: int = MAX_BYTES) -> None:
        self._max_bytes = max_bytes
        self._database = _open(path, network + cluster)

    def __enter__(self) -> Store:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closes the file."""
        self._database.close()

    # ---- links and outputs

    def add_link(self, executed: LinkExecuted) -> None:
        """Keeps what an enclave made of a link; a replay gives the same again."""
        with self._database:
            self._database.execute(
                "INSERT OR REPLACE INTO links VALUES (?, ?, ?)",
                (executed.index, executed.link_hash, executed.state_root),
            )
            self._database.executemany(
                "INSERT OR REPLACE INTO outputs VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                [_output_row(executed.index, output) for output in executed.outputs],
            )

    def output(self, link: int, position: int) -> StoredOutput | None:
        """The outcome of an item, or None where it is not here."""
        row = self._database.execute(
            "SELECT o.*, l.link_hash FROM outputs o JOIN links l USING (link) WHERE link = ? AND position = ?",
            (link, position),
        ).fetchone()
        return None if row is None else _to_output(row)

    def outputs_of_link(self, link: int) -> list[StoredOutput]:
        """All outcomes of a link, by position."""
        rows = self._database.execute(
            "SELECT o.*, l.link_hash FROM outputs o JOIN links l USING (link) WHERE link = ? ORDER BY position", (link,)
        )
        return [_to_output(row) for row in rows]

    def leaves(self, first: int, to: int) -> list[tuple[int, int, Digest]]:
        """(link, position, leaf digest) of links ``first`` to ``to`` - 1 in order."""
        rows = self._database.execute(
            "SELECT o.*, x'' FROM outputs o WHERE link >= ? AND link < ? ORDER BY link, position", (first, to)
        )
        found = [_to_output(row).leaf for row in rows]
        return [(leaf.link, leaf.position, leaf.digest()) for leaf in found]

    def has_links(self, first: int, to: int) -> bool:
        """Whether every link from ``first`` to ``to`` - 1 is here."""
        (count,) = self._database.execute(
            "SELECT count(*) FROM links WHERE link >= ? AND link < ?", (first, to)
        ).fetchone()
        return bool(count == to - first)

    # ---- receipts and deliveries

    def add_receipt(self, settled: SettledReceipt) -> None:
        """Keeps a settled receipt."""
        fields = None if settled.receipt is None else cbor.dumps(_receipt_fields(settled.receipt))
        with self._database:
            self._database.execute(
                "INSERT OR REPLACE INTO receipts VALUES (?, ?, ?, ?, ?, ?, ?)",
                (
                    settled.number,
                    settled.first,
                    settled.to,
                    settled.block,
                    settled.final_block,
                    fields,
                    cbor.dumps(list(settled.signatures)),
                ),
            )
        self._prune()

    def receipt_of_link(self, link: int) -> SettledReceipt | None:
        """The receipt that settled a link, or None while none has."""
        row = self._database.execute(
            "SELECT * FROM receipts WHERE first <= ? AND till > ? ORDER BY till LIMIT 1", (link, link)
        ).fetchone()
        return None if row is None else _to_receipt(row)

    def receipt(self, number: int) -> SettledReceipt | None:
        """A receipt by its number."""
        row = self._database.execute("SELECT * FROM receipts WHERE number = ?", (number,)).fetchone()
        return None if row is None else _to_receipt(row)

    def undelivered(self, final_links: int, limit: int = 64) -> list[StoredOutput]:
        """Public outputs of requests among the first ``final_links`` links that are not known to be delivered."""
        rows = self._database.execute(
            "SELECT o.*, l.link_hash FROM outputs o JOIN links l USING (link) "
            "WHERE o.is_public = 1 AND o.link < ? AND o.request NOT IN (SELECT request FROM delivered) "
            "ORDER BY o.link LIMIT ?",
            (final_links, limit),
        )
        return [_to_output(row) for row in rows]

    def mark_delivered(self, request: bytes) -> None:
        """Remembers that a request needs nothing more."""
        with self._database:
            self._database.execute("INSERT OR IGNORE INTO delivered VALUES (?)", (request,))

    def _prune(self) -> None:
        while self._size() > self._max_bytes:
            row = self._database.execute("SELECT number, till FROM receipts ORDER BY number LIMIT 1").fetchone()
            if row is None:
                return
            with self._database:
                self._database.execute("DELETE FROM outputs WHERE link < ?", (row[1],))
                self._database.execute("DELETE FROM links WHERE link < ?", (row[1],))
                self._database.execute("DELETE FROM receipts WHERE number = ?", (row[0],))

    def _size(self) -> int:
        pages, free, size = (
            self._database.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("page_count", "freelist_count", "page_size")
        )
        return int((pages - free) * size)


def _open(path: Path, owner: bytes) -> sqlite3.Connection:
    """The database; a file of another network or cluster, or a damaged one, is thrown away."""
    path.parent.mkdir(parents=True, exist_ok=True)
    for attempt in range(2):
        database = sqlite3.connect(path)
        try:
            database.execute("PRAGMA journal_mode = WAL")
            database.execute("PRAGMA synchronous = OFF")  # a cache: what a crash tears is made again
            database.executescript(_SCHEMA)
            database.execute("INSERT OR IGNORE INTO meta VALUES ('owner', ?)", (owner,))
            database.commit()
            if database.execute("SELECT value FROM meta WHERE name = 'owner'").fetchone()[0] == owner:
                return database
        except sqlite3.DatabaseError:
            if attempt:
                raise
        database.close()
        for suffix in ("", "-wal", "-shm"):
            path.with_name(path.name + suffix).unlink(missing_ok=True)
    raise sqlite3.DatabaseError(f"{path} cannot be made anew")


def _output_row(link: int, output: ItemOutput) -> tuple[object, ...]:
    return (
        link,
        output.position,
        output.program,
        output.request,
        output.status,
        output.fuel,
        output.plaintext_hash,
        output.ciphertext_hash,
        output.output,
        # an unasked public output would have no request to be delivered to
        int(output.public and output.request != ZERO_DIGEST),
        output.void_rule,
    )


def _to_output(row: Sequence[Any]) -> StoredOutput:
    link, position, program, request, status, fuel, plaintext_hash, ciphertext_hash, output, public, rule, digest = row
    leaf = Leaf(
        link,
        position,
        ProgramId(program),
        RequestId(request),
        status,
        fuel,
        Digest(plaintext_hash),
        Digest(ciphertext_hash),
    )
    return StoredOutput(leaf, output, bool(public), rule, Digest(digest))


def _receipt_fields(receipt: Receipt) -> list[object]:
    return [getattr(receipt, name) for name in Receipt.__slots__]


def _to_receipt(row: Sequence[Any]) -> SettledReceipt:
    number, first, till, block, final_block, fields, signatures = row
    receipt = None
    if fields is not None:
        network, cluster, epoch, runtime, start, end, head, previous, new, outputs, at, block_hash = cbor.loads(fields)
        receipt = Receipt(
            NetworkId(network),
            ClusterId(cluster),
            epoch,
            RuntimeId(runtime),
            start,
            end,
            Digest(head),
            StateRoot(previous),
            StateRoot(new),
            Digest(outputs),
            at,
            Digest(block_hash),
        )
    return SettledReceipt(number, first, till, block, final_block, receipt, tuple(cbor.loads(signatures)))
