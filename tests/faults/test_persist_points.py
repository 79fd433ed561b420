"""Every persist point crashed once, in a real process: the state is before or after, never between; then it goes on.

``MIDDLE`` of a whole file is a draft that is half written; of a transaction, all statements executed and none in force.
What a torn write of SQLite's log can do beside that is shown by cutting the log at many lengths.
"""

from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path
from typing import Any

import pytest

from coprocessor.attesters.simulated import SECRET_FILE, SimulatedAttester
from coprocessor.durable.crash import CrashPlan
from coprocessor.durable.disk import PLAIN_DISK, Disk
from coprocessor.durable.points import Moment, PersistPoint
from tests.faults import children
from tests.faults.scenarios import SCENARIOS, dump_database

CUTS = 40
MEASUREMENT = b"m" * 32


def prepare_and_look(point: PersistPoint, folder: Path) -> tuple[Any, Any]:
    """The states before and after an act that nothing disturbs; the folder is left as it was before."""
    scenario = SCENARIOS[point]
    scenario.prepare(folder)
    other = folder.with_name("undisturbed")
    shutil.copytree(folder, other)
    scenario.act(other, PLAIN_DISK)
    states = scenario.observe(folder), scenario.observe(other)
    shutil.rmtree(other)
    return states


def act_until_killed(point: PersistPoint, folder: Path, plan: Path) -> str:
    SCENARIOS[point].act(folder, Disk(CrashPlan(plan)))
    return "it was not killed"


def look_and_go_on(point: PersistPoint, folder: Path) -> tuple[Any, Any, list[str]]:
    """The states after the crash and after the act was done again, and drafts that are left then."""
    scenario = SCENARIOS[point]
    crashed = scenario.observe(folder)
    scenario.act(folder, PLAIN_DISK)
    return crashed, scenario.observe(folder), [str(path) for path in folder.rglob("*.draft")]


def test_every_point_has_a_scenario() -> None:
    assert set(SCENARIOS) == set(PersistPoint)


@pytest.mark.parametrize("point", PersistPoint, ids=lambda point: point.value)
def test_a_crash_leaves_the_state_before_or_after(point: PersistPoint, tmp_path: Path) -> None:
    origin = tmp_path / "origin"
    origin.mkdir()
    before, after = children.run(prepare_and_look, point, origin)
    assert before != after
    for moment in Moment:
        folder, plan = tmp_path / moment.value, tmp_path / "plan"
        shutil.copytree(origin, folder)
        plan.write_text(f"{point.value} {moment.value}")
        assert children.run(act_until_killed, point, folder, plan) is None, f"{moment} was not come to"
        assert not plan.exists()
        crashed, recovered, drafts = children.run(look_and_go_on, point, folder)
        assert crashed == (after if moment is Moment.AFTER else before), moment
        assert recovered == after, moment
        assert not drafts, moment


def cut_logs(folder: Path) -> tuple[int, int]:
    """Cuts the log after a crash at many lengths; how often the block was lost and kept. Raises at anything between."""
    log = folder / "chain.sqlite-wal"
    whole = dump_database_of_copy(folder, log.stat().st_size)
    without = dump_database_of_copy(folder, 0)
    assert whole != without
    found = [dump_database_of_copy(folder, log.stat().st_size * at // CUTS) for at in range(CUTS + 1)]
    heights = [None if one is None else len(one[1]["blocks"]) for one in found]
    assert heights == sorted(heights, key=lambda height: height or 0)
    for one in found:
        assert_whole(one)
    return heights.count(heights[0]), heights.count(heights[-1])


def dump_database_of_copy(folder: Path, length: int) -> Any:
    copy = folder.with_name("cut")
    shutil.copytree(folder, copy)
    with (copy / "chain.sqlite-wal").open("r+b") as log:
        log.truncate(length)
    try:
        return dump_database(copy / "chain.sqlite")
    finally:
        shutil.rmtree(copy)


def assert_whole(state: Any) -> None:
    """Blocks with their transactions, and a pool that holds none of them."""
    if state is None:
        return
    tables = state[1]
    mined, waiting = ({row[0] for row in tables[name]} for name in ("transactions", "pool"))
    assert not mined & waiting
    if len(tables["blocks"]) > 1:
        assert len(mined) == 2
        assert not waiting


def test_a_torn_log_takes_back_whole_transactions_alone(tmp_path: Path) -> None:
    origin, plan = tmp_path / "origin", tmp_path / "plan"
    origin.mkdir()
    children.run(prepare_and_look, PersistPoint.NODE_BLOCK, origin)
    plan.write_text("node.block after")
    assert children.run(act_until_killed, PersistPoint.NODE_BLOCK, origin, plan) is None
    lost, kept = children.run(cut_logs, origin)
    assert lost > 1
    assert kept >= 1


def open_platform_until(folder: Path, call: str) -> str:
    """Makes a simulated platform's secret and dies at a call of the operating system."""

    def die(*arguments: object, **options: object) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    setattr(os, call, die)
    SimulatedAttester.open(folder, MEASUREMENT)
    return "it was not killed"


def open_platform(folder: Path) -> bytes:
    return SimulatedAttester.open(folder, MEASUREMENT).seal_key(b"test")


@pytest.mark.parametrize("call", ["fsync", "link"])
def test_a_simulated_platform_is_made_whole_or_not_at_all(tmp_path: Path, call: str) -> None:
    assert children.run(open_platform_until, tmp_path, call) is None
    assert not (tmp_path / SECRET_FILE).exists()
    made = children.run(open_platform, tmp_path)
    assert children.run(open_platform, tmp_path) == made
