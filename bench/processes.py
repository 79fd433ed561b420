"""The processes under measurement: started by the public command, stopped as a developer would, read through /proc."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

__all__ = ["PHAT", "Usage", "descendants", "pss_bytes", "run_phat", "running", "usage", "wait_until"]

PHAT = (sys.executable, "-m", "coprocessor.cli.main")
STOP_SECONDS = 30.0
_CPU_TICK = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100


@dataclass(frozen=True, slots=True)
class Usage:
    """One process: id, the words that started it, its share of memory in bytes, CPU seconds since its start."""

    pid: int
    command: str
    pss: int
    cpu_seconds: float


def run_phat(*words: str, timeout: float = 120, cwd: Path | None = None) -> tuple[float, str]:
    """Seconds that a ``phat`` command took, and what it wrote. Raises RuntimeError where it fails."""
    began = time.perf_counter()
    done = subprocess.run([*PHAT, *words], capture_output=True, text=True, timeout=timeout, check=False, cwd=cwd)
    seconds = time.perf_counter() - began
    if done.returncode:
        raise RuntimeError(f"phat {' '.join(words)} ended with {done.returncode}: {done.stderr[-2000:]}")
    return seconds, done.stdout


@contextmanager
def running(words: tuple[str, ...], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process that writes to ``log``; interrupted at the end, killed where that does not help."""
    with log.open("ab") as output:
        process = subprocess.Popen(words, stdout=output, stderr=output, stdin=subprocess.DEVNULL)
    try:
        yield process
    finally:
        children = descendants(process.pid)
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        for pid in children:
            _end(pid)


def _end(pid: int) -> None:
    """Ends an orphan of a process that this program started; nothing where it is gone already."""
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def wait_until(condition: Callable[[], bool], seconds: float, what: str, pause: float = 0.05) -> None:
    """Waits for another process. Raises TimeoutError."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {seconds:.0f} s for {what}")
        time.sleep(pause)


def descendants(pid: int) -> list[int]:
    """Children of a process and theirs; empty where there is no /proc."""
    found: list[int] = []
    waiting = [pid]
    while waiting:
        children = _children(waiting.pop())
        found += children
        waiting += children
    return found


def _children(pid: int) -> list[int]:
    try:
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
        return [int(child) for task in tasks for child in (task / "children").read_text().split()]
    except OSError:
        return []


def usage(pid: int) -> Usage:
    """What a process uses now. Raises OSError where it is gone."""
    folder = Path(f"/proc/{pid}")
    command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace").strip()
    after_name = (folder / "stat").read_text().rpartition(")")[2].split()
    ticks = int(after_name[11]) + int(after_name[12])
    return Usage(pid, command, pss_bytes(pid), ticks / _CPU_TICK)


def pss_bytes(pid: int) -> int:
    """Proportional set size: private memory and a fair share of what is shared. Raises OSError."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    raise OSError(f"process {pid} tells no memory")
