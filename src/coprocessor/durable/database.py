"""SQLite files: transactions at named persist points, failures of the disk told apart, rows that show damage.

Write-ahead log. A transaction is in force as a whole or not at all once ``commit`` has returned; with
``synchronous=FULL`` that holds against the death of the machine too. SQLite checks the structure of its pages, not what
stands in them: rows carry a check of their content, so that a flipped bit is refused and never served.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from hashlib import blake2b
from pathlib import Path
from typing import Any, Final

from coprocessor.durable.disk import Disk
from coprocessor.durable.errors import damaged, explain_sqlite_error
from coprocessor.durable.points import Moment, PersistPoint

__all__ = ["CHECK_BYTES", "SqliteFile", "Value", "compute_row_check"]

CHECK_BYTES: Final = 8

Value = bytes | int | str | None


def compute_row_check(table: str, values: Iterable[Value]) -> bytes:
    """``CHECK_BYTES`` over a row's values and its table: against damage, not against forgery."""
    digest = blake2b(table.encode("ascii"), digest_size=CHECK_BYTES)
    for value in values:
        encoded = value if isinstance(value, bytes) else repr(value).encode("utf-8")
        digest.update(b"%s%d:" % (type(value).__name__.encode("ascii"), len(encoded)))
        digest.update(encoded)
    return digest.digest()


class SqliteFile:
    """One connection to one file. One thread."""

    def __init__(self, path: Path, disk: Disk, synchronous: str, cache_kibibytes: int) -> None:
        """
        Args:
            path: the file; made if it is missing.
            disk: hears of every transaction.
            synchronous: SQLite's setting of that name.
            cache_kibibytes: of memory for pages.

        Raises:
            DiskFailed: the file cannot be opened, or is no database.
        """
        self.path = path
        self._disk = disk
        with self._telling():
            self._connection = sqlite3.connect(path, isolation_level=None)
        try:
            self.run("pragma journal_mode = wal")
            self.run(f"pragma synchronous = {synchronous}")
            self.run(f"pragma cache_size = -{cache_kibibytes}")
        except BaseException:
            self._connection.close()
            raise

    def check_structure(self) -> None:
        """Looks at every page and index; takes time in proportion to the file. Raises DiskFailed (``disk.damaged``)."""
        found = self.row("pragma integrity_check(1)")
        if found != ("ok",):
            raise damaged(self.path, str(found[0] if found else "no answer to an integrity check"))

    def run(self, statement: str, values: Sequence[Value] = ()) -> None:
        """Executes a statement. Raises DiskFailed."""
        with self._telling():
            self._connection.execute(statement, values)

    def run_many(self, statement: str, rows: Iterable[Sequence[Value]]) -> None:
        """Executes a statement for each row. Raises DiskFailed."""
        with self._telling():
            self._connection.executemany(statement, rows)

    def row(self, query: str, values: Sequence[Value] = ()) -> Any:
        """The first row as a tuple, or None. Raises DiskFailed."""
        with self._telling():
            return self._connection.execute(query, values).fetchone()

    def rows(self, query: str, values: Sequence[Value] = ()) -> Iterator[tuple[Any, ...]]:
        """The rows, one by one; the caller may stop early. Raises DiskFailed."""
        with self._telling():
            yield from self._connection.execute(query, values)

    def checked_row(self, table: str, query: str, values: Sequence[Value] = ()) -> Any:
        """As ``row``; the last column is the check over the others."""
        return next(self.checked_rows(table, query, values), None)

    def checked_rows(self, table: str, query: str, values: Sequence[Value] = ()) -> Iterator[tuple[Any, ...]]:
        """As ``rows``; the last column is the check over the others and is left out."""
        for *content, check in self.rows(query, values):
            if compute_row_check(table, content) != check:
                raise damaged(self.path, f"a row of table {table} is not what was written")
            yield tuple(content)

    def begin(self) -> None:
        """Opens a transaction."""
        self.run("begin immediate")

    def commit(self, point: PersistPoint) -> None:
        """Puts the open transaction in force. Raises DiskFailed; the caller MUST then roll back."""
        self._disk.reach(point, Moment.MIDDLE)
        self.run("commit")
        self._disk.reach(point, Moment.AFTER)

    def rollback(self) -> None:
        """Forgets the open transaction, if SQLite has not done so itself."""
        if self._connection.in_transaction:
            self.run("rollback")

    @contextmanager
    def transaction(self, point: PersistPoint) -> Iterator[None]:
        """A transaction around the block: in force when it ends, forgotten when it raises."""
        self._disk.reach(point, Moment.BEFORE)
        self.begin()
        try:
            yield
            self.commit(point)
        except BaseException:
            self.rollback()
            raise

    def close(self) -> None:
        """Closes the file; an open transaction is forgotten."""
        self._connection.close()

    @contextmanager
    def _telling(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            failure = explain_sqlite_error(self.path, error)
            if failure is None:
                raise
            raise failure from error
