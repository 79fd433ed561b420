"""Where the host's memory is scarce, an outcome is the corpus's or there is none: the executor dies (PROTOCOL 5.3)."""

from __future__ import annotations

import resource
import sys
from pathlib import Path

import pytest

from coprocessor.sandbox.supervisor import ExecutorDied, ExecutorHandle
from tests.golden import corpus
from tests.golden.catalogue import catalogue
from tests.golden.hosts import give_python
from tests.golden.play import play
from tests.golden.test_settings import IS_WHOLE

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="limits of another process are set through prlimit")

MEBIBYTE = 1 << 20
LIMITS = {"addresses": ("VmSize", resource.RLIMIT_AS), "data": ("VmData", resource.RLIMIT_DATA)}
ROOM = {
    "raw": (0, 1, 8, 32, 60, 80, 200, 5000, 9000),
    "python": (0, 4, 24, 64, 110, 130, 200, 400, 9000) if IS_WHOLE else (64, 9000),
}
"""Mebibytes beyond what the executor has when it is ready. An instance reserves more than four gigabytes of addresses,
which an on-demand executor does anew for each call."""
PROGRAMS = {"raw": ("growth", "state", "tally"), "python": ("memory", "load_takes_memory")}


def _limit(process: int, limit: str, room: int) -> None:
    field, number = LIMITS[limit]
    status = dict(line.split(":", 1) for line in Path(f"/proc/{process}/status").read_text().splitlines())
    size = int(status[field].split()[0]) * 1024 + room * MEBIBYTE
    resource.prlimit(process, number, (size, size))


def _play_with(kind: str, limit: str, room: int) -> list[bool]:
    """Which programs were played to their end before the executor died; each of those as the corpus says."""
    played = []
    with ExecutorHandle() as handle:
        if kind == "python":
            give_python(handle)
        play(handle, catalogue()["tally"])
        _limit(handle.process_id, limit, room)
        for name in PROGRAMS[kind]:
            try:
                record = play(handle, catalogue()[name])
            except ExecutorDied:
                assert not handle.is_alive
                return [*played, False]
            assert record == corpus.load()["programs"][name]
            played.append(True)
    return played


@pytest.mark.parametrize("limit", LIMITS)
@pytest.mark.parametrize("kind", PROGRAMS)
def test_scarce_memory_decides_nothing(capfd: pytest.CaptureFixture[str], kind: str, limit: str) -> None:
    ends = {all(_play_with(kind, limit, room)) for room in ROOM[kind]}
    assert ends == {True, False}, "the limits were never or always met"
    capfd.readouterr()  # what dying executors say
