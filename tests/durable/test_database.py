"""SQLite files: transactions, checked rows, and failures told apart."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from coprocessor.durable.database import SqliteFile, compute_row_check
from coprocessor.durable.disk import PLAIN_DISK, Disk
from coprocessor.durable.errors import DiskFailed
from coprocessor.durable.points import Moment, PersistPoint

POINT = PersistPoint.WORKER_LINK


@pytest.fixture
def file(tmp_path: Path) -> Iterator[SqliteFile]:
    file = SqliteFile(tmp_path / "some.sqlite", PLAIN_DISK, "full", 1024)
    with file.transaction(POINT):
        file.run("create table things(number integer, text text, data blob, row blob)")
    yield file
    file.close()


def put(file: SqliteFile, *values: int | str | bytes | None) -> None:
    with file.transaction(POINT):
        file.run("insert into things values(?, ?, ?, ?)", (*values, compute_row_check("things", values)))


def test_rows_come_out_as_they_went_in(file: SqliteFile) -> None:
    put(file, -(2**63), "täxt", b"\0\xff")
    put(file, 0, "", None)
    assert list(file.checked_rows("things", "select * from things order by number")) == [
        (-(2**63), "täxt", b"\0\xff"),
        (0, "", None),
    ]
    assert file.row("select count(*) from things") == (2,)
    assert file.row("select 1 from things where number = 7") is None


@pytest.mark.parametrize("change", ["number = 8", "text = 'other'", "data = x'00'", "data = null", "row = x'00'"])
def test_a_row_that_was_changed_is_refused(file: SqliteFile, change: str) -> None:
    put(file, 7, "text", b"data")
    with file.transaction(POINT):
        file.run(f"update things set {change}")
    with pytest.raises(DiskFailed, match=r"disk\.damaged: .*things"):
        list(file.checked_rows("things", "select * from things"))


def test_values_of_a_row_do_not_run_into_each_other() -> None:
    rows = [(b"ab", b"c"), (b"a", b"bc"), ("ab", b"c"), (1, 2), (12, None), ("1", 2), (None, 12), (b"1", 2)]
    assert len({compute_row_check("t", row) for row in rows}) == len(rows)
    assert compute_row_check("t", (1,)) != compute_row_check("u", (1,))


def test_a_transaction_that_raises_is_forgotten(file: SqliteFile) -> None:
    def fail() -> None:
        with file.transaction(POINT):
            file.run_many("insert into things values(?, '', null, null)", [(1,), (2,)])
            file.run("no statement")

    with pytest.raises(sqlite3.OperationalError):
        fail()
    assert file.row("select count(*) from things") == (0,)
    put(file, 1, "", None)


def test_a_full_file_is_told_and_stays_whole(file: SqliteFile) -> None:
    (pages,) = file.row("pragma page_count")
    file.run(f"pragma max_page_count = {pages + 3}")
    with pytest.raises(DiskFailed, match=r"disk\.full"):
        put(file, 1, "x" * 100_000, None)
    put(file, 2, "small", None)
    assert [row[0] for row in file.checked_rows("things", "select * from things")] == [2]


def test_the_hook_hears_of_a_transaction(tmp_path: Path) -> None:
    heard: list[tuple[PersistPoint, Moment]] = []
    file = SqliteFile(tmp_path / "x", Disk(lambda point, moment: heard.append((point, moment))), "full", 64)
    with file.transaction(POINT):
        file.run("create table t(a)")
    assert heard == [(POINT, moment) for moment in Moment]
    file.close()


def test_what_is_no_database_is_told(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"no database at all, " * 100)
    with pytest.raises(DiskFailed, match=r"disk\.damaged"):
        SqliteFile(tmp_path / "x", PLAIN_DISK, "full", 64)
    with pytest.raises(DiskFailed, match=r"disk\.refused"):
        SqliteFile(tmp_path / "missing" / "x", PLAIN_DISK, "full", 64)
