"""Whole files, notes and what their writes say when the disk does not take them."""

from __future__ import annotations

import errno
import os
import threading
from pathlib import Path

import pytest

from coprocessor.durable.crash import CrashPlan
from coprocessor.durable.disk import PLAIN_DISK, Disk
from coprocessor.durable.errors import DiskFailed
from coprocessor.durable.points import Moment, PersistPoint
from coprocessor.values.errors import MalformedInput

POINT = PersistPoint.CLIENT_RECEIPT


def test_a_file_is_replaced_whole_and_private(tmp_path: Path) -> None:
    path = tmp_path / "x" / "secret"
    PLAIN_DISK.replace(POINT, path, b"one")
    PLAIN_DISK.replace(POINT, path, b"two")
    assert path.read_bytes() == b"two"
    assert path.stat().st_mode & 0o777 == 0o600
    PLAIN_DISK.replace(POINT, path, b"", mode=0o644)
    assert (path.read_bytes(), path.stat().st_mode & 0o777) == (b"", 0o644)
    assert [entry.name for entry in path.parent.iterdir()] == ["secret"]


def test_a_file_is_created_once(tmp_path: Path) -> None:
    path = tmp_path / "key"
    assert PLAIN_DISK.create(POINT, path, b"one")
    assert not PLAIN_DISK.create(POINT, path, b"two")
    assert path.read_bytes() == b"one"
    assert [entry.name for entry in tmp_path.iterdir()] == ["key"]


def test_a_draft_that_a_crash_left_is_written_over(tmp_path: Path) -> None:
    draft = tmp_path / "file.draft"
    draft.write_bytes(b"half of something much longer than what comes")
    draft.chmod(0o644)
    PLAIN_DISK.replace(POINT, tmp_path / "file", b"short")
    assert (tmp_path / "file").read_bytes() == b"short"
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o600
    assert not draft.exists()


def test_a_draft_is_no_way_to_another_file(tmp_path: Path) -> None:
    (tmp_path / "precious").write_bytes(b"precious")
    (tmp_path / "file.draft").symlink_to(tmp_path / "precious")
    with pytest.raises(DiskFailed, match=r"disk\.failed"):
        PLAIN_DISK.replace(POINT, tmp_path / "file", b"data")
    assert (tmp_path / "precious").read_bytes() == b"precious"


def test_writers_of_one_file_come_one_after_the_other(tmp_path: Path) -> None:
    path, inside = tmp_path / "file", []

    def watch(point: PersistPoint, moment: Moment) -> None:
        if moment is Moment.MIDDLE:
            inside.append(1)
            assert len(inside) == 1
            threading.Event().wait(0.01)
            inside.pop()

    failures: list[BaseException] = []

    def write(at: int) -> None:
        try:
            Disk(watch).replace(POINT, path, b"%d" % at * 100)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=write, args=(at,)) for at in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert len(set(path.read_bytes())) == 1
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


def test_lines_are_added_and_half_a_line_spoils_no_other(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "notes"
    PLAIN_DISK.append(POINT, path, "one")
    path.write_bytes(path.read_bytes() + b"tw")
    PLAIN_DISK.append(POINT, path, "three")
    assert path.read_text() == "one\ntw\nthree\n"


CODES = {
    "disk.full": (errno.ENOSPC, errno.EDQUOT, errno.EFBIG),
    "disk.refused": (errno.EROFS, errno.EACCES),
    "disk.failed": (errno.EIO,),
}


@pytest.mark.parametrize(("number", "code"), [(number, code) for code, numbers in CODES.items() for number in numbers])
@pytest.mark.parametrize("moment", Moment)
def test_a_write_that_fails_changes_nothing_and_says_why(
    tmp_path: Path, number: int, code: str, moment: Moment
) -> None:
    def fail(point: PersistPoint, at: Moment) -> None:
        if at is moment:
            raise OSError(number, os.strerror(number))

    path = tmp_path / "file"
    PLAIN_DISK.replace(POINT, path, b"old")
    with pytest.raises(DiskFailed) as caught:
        Disk(fail).replace(POINT, path, b"new")
    assert caught.value.code == code
    assert str(path) in caught.value.what
    assert caught.value.why == os.strerror(number)
    assert caught.value.next
    assert path.read_bytes() == (b"new" if moment is Moment.AFTER else b"old")
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


def test_a_plan_is_for_its_place_alone(tmp_path: Path) -> None:
    plan = tmp_path / "plan"
    planned = Disk(CrashPlan(plan))
    planned.replace(POINT, tmp_path / "file", b"no plan")
    plan.write_text("key.file middle")
    planned.replace(POINT, tmp_path / "file", b"another point")
    assert plan.exists()


@pytest.mark.parametrize("text", ["", "key.file", "key.file soon", "no.point middle", "key.file middle now"])
def test_a_plan_that_is_none_is_told(tmp_path: Path, text: str) -> None:
    (tmp_path / "plan").write_text(text)
    with pytest.raises(MalformedInput, match=r"crash\.plan"):
        CrashPlan(tmp_path / "plan")(POINT, Moment.BEFORE)
