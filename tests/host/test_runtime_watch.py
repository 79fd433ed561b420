"""A member is warned of a runtime that its release lacks as soon as that is announced."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any

import pytest

from coprocessor.host import runtime_watch
from coprocessor.host.progress import Progress
from coprocessor.host.runtime_watch import RuntimeWatch
from coprocessor.sandbox.rules import RULES
from coprocessor.sandbox.runtime import Runtimes, release_runtimes

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
