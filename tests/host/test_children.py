"""Processes of the supervisor: started again, stopped in order, gone with their parent."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from coprocessor.host import children
from coprocessor.host.children import Child
from coprocessor.host.supervisor import Supervisor, UpOptions
from coprocessor.values.errors import CallerMisuse, EvidenceRefused, PeerUnreachable

SLEEPER = [sys.executable, "-c", "import signal; signal.pause()"]


def with_child(command: list[str], tmp_path: Path, test: Callable[[Child, list[str]], Awaitable[None]]) -> None:
    async def go() -> None:
        events: list[str] = []
        child = Child("thing", command, tmp_path / "logs" / "thing.log", events.append)
        await child.start()
        try:
            await test(child, events)
        finally:
            await child.stop()
        assert child.pid is None

    asyncio.run(asyncio.wait_for(go(), 30))


async def until(condition: Callable[[], bool]) -> None:
    while not condition():
        await asyncio.sleep(0.01)


def test_a_child_that_ends_is_started_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(children, "FIRST_PAUSE", 0.01)

    async def test(child: Child, events: list[str]) -> None:
        first = child.pid
        assert first is not None
        os.kill(first, signal.SIGKILL)
        await until(lambda: child.pid not in (None, first))
        assert events == ["the thing ended with status -9; it starts again in 0.01 s"]
        assert not child.has_failed

    with_child(SLEEPER, tmp_path, test)


def test_a_child_that_keeps_ending_has_failed_and_its_log_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(children, "FIRST_PAUSE", 0.01)

    async def test(child: Child, events: list[str]) -> None:
        await until(lambda: child.has_failed)
        failure = child.failure(PeerUnreachable("x.y", "no answer"))
        assert (failure.code, failure.why.splitlines()[0]) == ("up.child", "out of order")

    with_child([sys.executable, "-c", "import sys; print('out of order'); sys.exit(1)"], tmp_path, test)


def test_a_stubborn_child_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(children, "STOP_SECONDS", 0.2)
    ready = tmp_path / "ready"
    deaf = "import signal, pathlib; signal.signal(signal.SIGTERM, signal.SIG_IGN)"
    program = f"{deaf}; pathlib.Path({str(ready)!r}).touch()"

    async def test(child: Child, events: list[str]) -> None:
        await until(ready.exists)

    with_child([sys.executable, "-c", f"{program}\nwhile True: signal.pause()"], tmp_path, test)


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel tells orphans on Linux alone")
def test_children_go_with_a_killed_parent(tmp_path: Path) -> None:
    parent = f"""
import asyncio, pathlib
from coprocessor.host.children import Child

async def main():
    child = Child("thing", {SLEEPER!r}, pathlib.Path({str(tmp_path)!r}) / "log", lambda text: None)
    await child.start()
    print(child.pid, flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""
    process = subprocess.Popen([sys.executable, "-c", parent], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    orphan = int(process.stdout.readline())
    process.kill()
    process.wait()
    process.stdout.close()

    async def gone() -> None:
        await until(lambda: not _is_alive(orphan))

    asyncio.run(asyncio.wait_for(gone(), 10))


def _is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"gatekeepers": 33}, "up.gatekeepers"),
        ({"gatekeepers": 0}, "up.gatekeepers"),
        ({"gatekeepers": 4, "threshold": 3}, "up.threshold"),
        ({"workers": -1}, "up.workers"),
        ({"workers": 17}, "up.workers"),
        ({"clusters": 0}, "up.clusters"),
        ({"clusters": 17}, "up.clusters"),
        ({"chain": "mainnet"}, "up.chain"),
    ],
)
def test_options_that_cannot_work(tmp_path: Path, options: dict[str, object], code: str) -> None:
    supervisor = Supervisor(UpOptions(data=tmp_path, **options))  # type: ignore[arg-type]
    with pytest.raises(CallerMisuse) as caught:
        asyncio.run(supervisor.run(lambda summary: None))
    assert caught.value.code == code


def test_no_simulation_is_refused_where_there_is_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("coprocessor.attesters.detect.BACKENDS", ())
    supervisor = Supervisor(UpOptions(data=tmp_path, allow_simulated=False))
    with pytest.raises(EvidenceRefused) as caught:
        asyncio.run(supervisor.run(lambda summary: None))
    assert caught.value.code == "attestation.simulated_refused"
    assert not (tmp_path / "network.json").exists()
