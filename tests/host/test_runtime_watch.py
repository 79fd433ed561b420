"""A member is warned of a runtime that its release lacks as soon as that is announced."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from coprocessor.durable.disk import PLAIN_DISK
from coprocessor.enclave import messages as m
from coprocessor.host import runtime_watch
from coprocessor.host.progress import Progress
from coprocessor.host.runtime_watch import RuntimeWatch
from coprocessor.host.worker_life import WorkerLife
from coprocessor.sandbox.rules import RULES
from coprocessor.sandbox.runtime import Runtimes, release_runtimes
from coprocessor.sandbox.sealed_cache import cache_name

FIRST = release_runtimes().first
OTHER = replace(FIRST, rules=replace(RULES, load_fuel=1))
READY = 1_900_000_000


@dataclass
class Clusters:
    """The contract of a cluster for which something is announced, or nothing."""

    runtime: bytes = bytes(32)

    async def read(self, name: str, cluster: bytes) -> Any:
        assert name == "next_runtimes"
        return (self.runtime, READY if any(self.runtime) else 0)


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime_watch, "LOOK_SECONDS", 0.0)


def test_what_is_announced_and_missing_is_told_until_it_is_withdrawn() -> None:
    clusters, progress = Clusters(), Progress("worker")
    around: Any = SimpleNamespace(cluster=b"c" * 32, contract=lambda name: clusters, progress=progress)
    watch = RuntimeWatch(around, Runtimes(FIRST))

    def look() -> dict[str, str] | None:
        assert asyncio.run(watch.step()) is False
        return progress.waiting()

    assert look() is None
    clusters.runtime = FIRST.id
    assert look() is None, "that is in the release"
    clusters.runtime = OTHER.id
    told = look()
    assert told is not None
    assert (told["part"], told["code"]) == ("next runtime", "runtime.announced")
    assert OTHER.id.hex() in told["what"]
    assert "2030-03-17" in told["what"]
    assert FIRST.id.hex() in told["why"]
    assert "install a release" in told["next"]
    clusters.runtime = bytes(32)
    assert look() is None


def test_native_code_of_runtimes_that_are_gone_leaves_the_disk(tmp_path: Path) -> None:
    """What is kept for this release's runtimes stays, and so does everything else in the folder."""
    for name in ("guest-python", cache_name("python", OTHER.id), cache_name("python", FIRST.id), "other"):
        (tmp_path / name).write_bytes(b"before")
    life: Any = SimpleNamespace(_around=SimpleNamespace(options=SimpleNamespace(disk=PLAIN_DISK)))
    second = cache_name("python", release_runtimes().ids[1])
    WorkerLife._keep(life, tmp_path / second, b"native code")
    assert {path.name for path in tmp_path.iterdir()} == {cache_name("python", FIRST.id), second, "other"}


def test_a_worker_that_stops_before_a_switch_says_so_and_goes_on_settling() -> None:
    """The enclave's notice stands in the host's status; nothing halts: links before the switch are still signed."""
    life: Any = SimpleNamespace(_around=SimpleNamespace(progress=Progress("worker")), _tell=lambda: None, _halted=None)
    failure = m.Failure("runtime.missing", "the cluster's runtime 0x11 is not in this release", "", "install another")
    WorkerLife._on_notice(life, m.NeedRuntime(2, 7, OTHER.id, failure))
    told = life._around.progress.waiting()
    assert (told["part"], told["code"]) == ("link 7, where epoch 2 begins", "runtime.missing")
    assert told["next"] == "install another"
    assert life._halted is None
