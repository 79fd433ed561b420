"""A whole network in processes of its own: ``phat up``, as a developer starts it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from tests.support.machines import keep_machine, lend_machine

__all__ = ["PHAT", "LiveNetwork", "phat", "running_network", "status_of", "wait_until", "worker_process"]

PHAT = (sys.executable, "-m", "coprocessor.cli.main")
_START_SECONDS = 180.0
_STOP_SECONDS = 30.0
_late: defaultdict[str, Iterator[int]] = defaultdict(count)  # by network: machines of workers that came later


@dataclass
class LiveNetwork:
    """A network that runs.

    Args:
        folder: of ``phat up``.
        process: of ``phat up``.
    """

    folder: Path
    process: subprocess.Popen[bytes]

    @property
    def file(self) -> Path:
        """``network.json``."""
        return self.folder / "network.json"

    @property
    def hints(self) -> dict[str, Any]:
        """RPC URL, cluster and gatekeepers, as the file names them."""
        return dict(json.loads(self.file.read_text())["hints"])

    def status(self) -> dict[str, Any]:
        """What ``phat status --json`` says; it exits with 1 while a member of the cluster does not answer."""
        return phat("status", "--network", str(self.folder), fails=None)

    def processes(self, role: str) -> list[dict[str, Any]]:
        """Processes of a role."""
        return [process for process in self.status()["processes"] if process["role"] == role]

    def worker(self) -> dict[str, Any]:
        """The worker that ``phat up`` keeps running; workers that other tests started and ended do not answer."""
        (alive,) = [process for process in self.processes("worker") if process["pid"] is not None]
        return alive

    def logs(self) -> str:
        """Everything that its processes printed."""
        texts = [path.read_text(errors="replace") for path in sorted((self.folder / "logs").glob("*.log"))]
        return "\n".join(texts)


def phat(*words: str, fails: bool | None = False, timeout: float = 120) -> dict[str, Any]:
    """Runs the command line with ``--json``; its last line as an object. ``fails`` None takes either exit code."""
    done = subprocess.run([*PHAT, *words, "--json"], capture_output=True, timeout=timeout, check=False)
    said = (done.returncode, done.stdout.decode(), done.stderr.decode())
    assert fails is None or (done.returncode != 0) == fails, said
    answer: dict[str, Any] = json.loads(done.stdout.decode().splitlines()[-1])
    return answer


@contextmanager
def running_network(folder: Path, *arguments: str) -> Iterator[LiveNetwork]:
    """``phat up --data folder``; stopped as a developer would, by an interrupt."""
    workers = [f"worker-{at}" for at in range(_count(arguments, "--workers") * _count(arguments, "--clusters"))]
    if not folder.exists():
        for name in workers:
            lend_machine(folder / name, name)
    log = folder.with_name(folder.name + ".log")
    start = log.stat().st_size if log.exists() else 0
    with log.open("ab") as output:
        process = subprocess.Popen(
            [*PHAT, "up", "--data", str(folder), *arguments], stdout=output, stderr=output, stdin=subprocess.DEVNULL
        )
    try:
        wait_until(lambda: process.poll() is not None or b"ready:" in log.read_bytes()[start:], _START_SECONDS)
        assert process.poll() is None, log.read_text()
        yield LiveNetwork(folder, process)
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise
        for name in workers:
            keep_machine(folder / name, name)


@contextmanager
def worker_process(
    network_file: Path, operator: Path, folder: Path, *arguments: str, role: str = "worker"
) -> Iterator[subprocess.Popen[bytes]]:
    """``phat worker``, or another ``role``, started by hand; its output goes to ``folder.log``."""
    machine = None
    if role == "worker" and "--platform" not in arguments:
        machine = f"late-{next(_late[json.loads(network_file.read_text())['network']])}"
        lend_machine(folder, machine)
    log = folder.with_name(folder.name + ".log")
    words = [role, "--network", str(network_file), "--operator", str(operator), "--data", str(folder), *arguments]
    with log.open("ab") as output:
        process = subprocess.Popen([*PHAT, *words], stdout=output, stderr=output, stdin=subprocess.DEVNULL)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        if machine is not None:
            keep_machine(folder, machine)


def _count(arguments: tuple[str, ...], option: str) -> int:
    """The number that an option has, 1 where it is not given."""
    return int(arguments[arguments.index(option) + 1]) if option in arguments else 1


def wait_until(condition: Any, seconds: float = 60.0) -> None:
    """Waits for another process; fails where the condition never holds. Asking takes at most half of the time."""
    deadline = time.monotonic() + seconds
    while True:
        asked = time.monotonic()
        if condition():
            return
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(max(0.1, time.monotonic() - asked))


def get_json(url: str) -> dict[str, Any]:
    """A worker's or gatekeeper's JSON page."""
    with urllib.request.urlopen(url, timeout=10) as answer:
        return dict(json.loads(answer.read()))


def status_of(url: str) -> dict[str, Any]:
    """A host's status; empty while it does not answer."""
    try:
        return get_json(f"{url}/v1/status")
    except OSError:
        return {}


def write_key(path: Path, secret: bytes) -> Path:
    """A key file that only its owner may read."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w") as file:
        file.write("0x" + secret.hex() + "\n")
    return path
