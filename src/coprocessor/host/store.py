"""A worker host's cache: sealed outputs, link results and settled receipts, in one SQLite file.

Everything here can be made again by replaying the inbox and reading the chain; losing it loses nothing. It holds no
plaintext but results of smart contracts' requests, which are public. Size is bounded: the oldest receipts go first,
each with its links and outputs.

1. A file that is damaged, or of another network, cluster or release, is thrown away. Where damage shows while it is in
   use, nothing of the damaged row is served, and ``is_damaged`` asks the host to begin anew.
2. Links that the disk does not take wait in memory, so that a full disk does not end an enclave; ``save`` writes them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final

from coprocessor.codec import cbor
from coprocessor.durable.database import SqliteFile, Value, compute_row_check
from coprocessor.durable.disk import PLAIN_DISK, Disk
from coprocessor.durable.errors import DiskFailed, explain_os_error
from coprocessor.durable.points import PersistPoint
from coprocessor.enclave.messages import ItemOutput, LinkExecuted, OutputsKept
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

SCHEMA_VERSION: Final = 3

_SCHEMA = (
    "CREATE TABLE meta (name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID",
    """CREATE TABLE links (
        link INTEGER PRIMARY KEY, link_hash BLOB NOT NULL, state_root BLOB NOT NULL, row BLOB NOT NULL)""",
    """CREATE TABLE outputs (
        link INTEGER NOT NULL, position INTEGER NOT NULL, program BLOB NOT NULL, request BLOB NOT NULL,
        status INTEGER NOT NULL, fuel INTEGER NOT NULL, plaintext_hash BLOB NOT NULL, ciphertext_hash BLOB NOT NULL,
        output BLOB NOT NULL, is_public INTEGER NOT NULL, void_rule TEXT NOT NULL, row BLOB NOT NULL,
        PRIMARY KEY (link, position)) WITHOUT ROWID""",
    "CREATE INDEX requests ON outputs (link) WHERE is_public = 1",
    """CREATE TABLE receipts (
        number INTEGER PRIMARY KEY, first INTEGER NOT NULL, till INTEGER NOT NULL, block INTEGER NOT NULL,
        final_block INTEGER NOT NULL, receipt BLOB, signatures BLOB, row BLOB NOT NULL)""",
    "CREATE INDEX receipt_ranges ON receipts (till)",
    """CREATE TABLE leaves (
        link INTEGER NOT NULL, position INTEGER NOT NULL, digest BLOB NOT NULL, row BLOB NOT NULL,
        PRIMARY KEY (link, position)) WITHOUT ROWID""",
    "CREATE TABLE delivered (request BLOB PRIMARY KEY) WITHOUT ROWID",
)
"""The column ``row`` is the check over the others."""

_SUFFIXES = ("", "-wal", "-shm")
_CACHE_KIBIBYTES = 8_192
_DAMAGED = "disk.damaged"

MAX_BYTES = 1 << 30
"""Bytes of the file before old receipts are dropped."""

MAX_UNSAVED_BYTES = 64 * 1024 * 1024
"""Bytes of outputs that wait in memory for a disk that takes none (rule 2)."""


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
    """The cache of one worker for one cluster. Use as a context manager, or ``close`` it.

    Attributes:
        is_damaged: what was read is not what was written: ``make_anew`` MUST be called, and everything replayed.
    """

    def __init__(
        self, path: Path, network: NetworkId, cluster: ClusterId, max_bytes: int = MAX_BYTES, disk: Disk = PLAIN_DISK
    ) -> None:
        """Opens the cache. Raises DiskFailed where the disk does not take it."""
        self._path, self._owner, self._disk = path, network + cluster, disk
        self._max_bytes = max_bytes
        self._unsaved: deque[LinkExecuted] = deque()
        self.is_damaged = False
        self._file = _open(path, self._owner, disk)

    def __enter__(self) -> Store:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closes the file."""
        self._file.close()

    def make_anew(self) -> None:
        """Throws the file away and begins an empty one (rule 1). Raises DiskFailed."""
        self._file.close()
        _remove(self._path)
        self._unsaved.clear()
        self._file = _open(self._path, self._owner, self._disk)
        self.is_damaged = False

    # ---- links and outputs

    def add_link(self, executed: LinkExecuted) -> None:
        """Keeps what an enclave made of a link; a replay gives the same again.

        Raises:
            DiskFailed: the disk takes nothing, and more waits than memory should hold.
        """
        self._unsaved.append(executed)
        try:
            self.save()
        except DiskFailed:
            if sum(len(output.output) for link in self._unsaved for output in link.outputs) > MAX_UNSAVED_BYTES:
                raise

    def save(self) -> None:
        """Writes the links that wait for the disk. Raises DiskFailed."""
        while self._unsaved:
            self._write_link(self._unsaved[0])
            self._unsaved.popleft()

    def _write_link(self, executed: LinkExecuted) -> None:
        link = (executed.index, executed.link_hash, executed.state_root)
        outputs = [_output_row(executed.index, output) for output in executed.outputs]
        with self._file.transaction(PersistPoint.WORKER_LINK):
            self._file.run("INSERT OR REPLACE INTO links VALUES (?, ?, ?, ?)", _checked("links", link))
            self._file.run_many(
                "INSERT OR REPLACE INTO outputs VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                [_checked("outputs", row) for row in outputs],
            )

    def add_kept(self, kept: OutputsKept) -> None:
        """Keeps what a checkpoint told of a link from before it; what is here already is more. Raises DiskFailed."""
        if self.has_links(kept.index, kept.index + 1):
            return
        link = (kept.index, kept.link_hash, ZERO_DIGEST)
        leaves = [(kept.index, position, digest) for position, digest in enumerate(kept.leaves)]
        outputs = [_output_row(kept.index, output) for output in kept.outputs]
        with self._file.transaction(PersistPoint.WORKER_LINK):
            self._file.run("INSERT OR REPLACE INTO links VALUES (?, ?, ?, ?)", _checked("links", link))
            self._file.run_many(
                "INSERT OR REPLACE INTO leaves VALUES (?, ?, ?, ?)", [_checked("leaves", row) for row in leaves]
            )
            self._file.run_many(
                "INSERT OR REPLACE INTO outputs VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                [_checked("outputs", row) for row in outputs],
            )

    def output(self, link: int, position: int) -> StoredOutput | None:
        """The outcome of an item, or None where it is not here."""
        found = self._outputs("link = ? AND position = ?", (link, position))
        return found[0] if found else None

    def outputs_of_link(self, link: int) -> list[StoredOutput]:
        """All outcomes of a link, by position."""
        return self._outputs("link = ? ORDER BY position", (link,))

    def leaves(self, first: int, to: int) -> list[tuple[int, int, Digest]]:
        """(link, position, leaf digest) of links ``first`` to ``to`` - 1 in order."""
        rows = self._rows("outputs", "link >= ? AND link < ? ORDER BY link, position", (first, to))
        found = {(leaf.link, leaf.position): leaf.digest() for leaf in map(_to_leaf, rows)}
        for link, position, digest, *_ in self._rows("leaves", "link >= ? AND link < ?", (first, to)):
            found.setdefault((link, position), Digest(digest))
        return [(link, position, found[link, position]) for link, position in sorted(found)]

    def has_links(self, first: int, to: int) -> bool:
        """Whether every link from ``first`` to ``to`` - 1 is here."""
        (count,) = self._row("SELECT count(*) FROM links WHERE link >= ? AND link < ?", (first, to))
        return bool(count == to - first)

    # ---- receipts and deliveries

    def add_receipt(self, settled: SettledReceipt) -> None:
        """Keeps a settled receipt. Raises DiskFailed."""
        fields = None if settled.receipt is None else cbor.dumps(_receipt_fields(settled.receipt))
        places = (settled.number, settled.first, settled.to, settled.block, settled.final_block)
        row = (*places, fields, cbor.dumps(list(settled.signatures)))
        with self._file.transaction(PersistPoint.WORKER_RECEIPT):
            self._file.run("INSERT OR REPLACE INTO receipts VALUES (?, ?, ?, ?, ?, ?, ?, ?)", _checked("receipts", row))
        self._prune()

    def receipt_of_link(self, link: int) -> SettledReceipt | None:
        """The receipt that settled a link, or None while none has."""
        rows = self._rows("receipts", "first <= ? AND till > ? ORDER BY till LIMIT 1", (link, link))
        return _to_receipt(rows[0]) if rows else None

    def receipt(self, number: int) -> SettledReceipt | None:
        """A receipt by its number."""
        rows = self._rows("receipts", "number = ?", (number,))
        return _to_receipt(rows[0]) if rows else None

    def undelivered(self, final_links: int, limit: int = 64) -> list[StoredOutput]:
        """Public outputs of requests among the first ``final_links`` links that are not known to be delivered."""
        return self._outputs(
            "is_public = 1 AND link < ? AND request NOT IN (SELECT request FROM delivered) ORDER BY link LIMIT ?",
            (final_links, limit),
        )

    def mark_delivered(self, request: bytes) -> None:
        """Remembers that a request needs nothing more. Raises DiskFailed."""
        with self._file.transaction(PersistPoint.WORKER_DELIVERY):
            self._file.run("INSERT OR IGNORE INTO delivered VALUES (?)", (request,))

    def _prune(self) -> None:
        while self._size() > self._max_bytes:
            row = self._row("SELECT number, till FROM receipts ORDER BY number LIMIT 1")
            if row is None:
                return
            with self._file.transaction(PersistPoint.WORKER_PRUNING):
                self._file.run("DELETE FROM outputs WHERE link < ?", (row[1],))
                self._file.run("DELETE FROM leaves WHERE link < ?", (row[1],))
                self._file.run("DELETE FROM links WHERE link < ?", (row[1],))
                self._file.run("DELETE FROM receipts WHERE number = ?", (row[0],))

    def _size(self) -> int:
        pages, free, size = (
            self._row(f"PRAGMA {name}")[0] for name in ("page_count", "freelist_count", "page_size")
        )
        return int((pages - free) * size)

    # ---- reading

    def _outputs(self, condition: str, values: Sequence[Value]) -> list[StoredOutput]:
        found = []
        for row in self._rows("outputs", condition, values):
            links = self._rows("links", "link = ?", (row[0],))
            if links:
                found.append(StoredOutput(_to_leaf(row), row[8], bool(row[9]), row[10], Digest(links[0][1])))
        return found

    def _rows(self, table: str, condition: str, values: Sequence[Value]) -> list[tuple[Any, ...]]:
        with self._watching():
            return list(self._file.checked_rows(table, f"SELECT * FROM {table} WHERE {condition}", values))

    def _row(self, query: str, values: Sequence[Value] = ()) -> Any:
        with self._watching():
            return self._file.row(query, values)

    @contextmanager
    def _watching(self) -> Iterator[None]:
        try:
            yield
        except DiskFailed as error:
            self.is_damaged = self.is_damaged or error.code == _DAMAGED
            raise


def _open(path: Path, owner: bytes, disk: Disk) -> SqliteFile:
    """The database; one that is not of this owner and release, or damaged, is thrown away (rule 1)."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise explain_os_error(path, error) from error
    try:
        file = _connect(path, disk)
    except DiskFailed as error:
        if error.code != _DAMAGED:
            raise
    else:
        if _is_usable(file, owner):
            return file
        file.close()
    _remove(path)
    file = _connect(path, disk)
    with file.transaction(PersistPoint.WORKER_CACHE):
        for statement in _SCHEMA:
            file.run(statement)
        file.run("INSERT INTO meta VALUES ('owner', ?)", (owner,))
        file.run(f"PRAGMA user_version = {SCHEMA_VERSION}")
    return file


def _connect(path: Path, disk: Disk) -> SqliteFile:
    # A cache needs no flush: what a crash of the machine tears is thrown away and made again.
    return SqliteFile(path, disk, "OFF", _CACHE_KIBIBYTES)


def _is_usable(file: SqliteFile, owner: bytes) -> bool:
    try:
        file.check_structure()
        if file.row("PRAGMA user_version") != (SCHEMA_VERSION,):
            return False
        return bool(file.row("SELECT value FROM meta WHERE name = 'owner'") == (owner,))
    except DiskFailed as error:
        if error.code != _DAMAGED:
            raise
        return False


def _remove(path: Path) -> None:
    try:
        for suffix in _SUFFIXES:
            path.with_name(path.name + suffix).unlink(missing_ok=True)
    except OSError as error:
        raise explain_os_error(path, error) from error


def _checked(table: str, row: Sequence[Value]) -> tuple[Value, ...]:
    return (*row, compute_row_check(table, row))


def _output_row(link: int, output: ItemOutput) -> tuple[Value, ...]:
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


def _to_leaf(row: Sequence[Any]) -> Leaf:
    link, position, program, request, status, fuel, plaintext_hash, ciphertext_hash, *_ = row
    return Leaf(
        link,
        position,
        ProgramId(program),
        RequestId(request),
        status,
        fuel,
        Digest(plaintext_hash),
        Digest(ciphertext_hash),
    )


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
