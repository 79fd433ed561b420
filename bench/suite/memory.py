"""Memory of a worker under load: host, enclave core and executors, each with its fair share of what they share (PSS).

Read from ``/proc/PID/smaps_rollup`` many times while commands stream in; the greatest sum counts.
"""

from __future__ import annotations

import threading

from bench import load
from bench.figures import Figure
from bench.network import TOKENS, BenchNetwork
from bench.processes import Usage, descendants, usage
from bench.scene import Scene

__all__ = ["role_of", "run"]

COMMANDS = {"python": 600, "raw": 1500}
REPETITIONS = 3
_PAUSE = 0.1
_ROLES = ("host", "core", "executor")


def run(scene: Scene) -> list[Figure]:
    """Both tokens."""
    return [figure for language in TOKENS for figure in measure(scene, language)]


def measure(scene: Scene, language: str) -> list[Figure]:
    """One language's token."""
    count, repetitions = (20, 1) if scene.quick else (COMMANDS[language], REPETITIONS)
    network = scene.network(language)
    if not network.submitted:
        load.fund_authors(network)
    peaks = [_peak(network, count) for _ in range(repetitions)]
    name = f"memory.{language}"
    figures = [Figure(f"{name}.worker", "MB", tuple(sum(peak.values()) for peak in peaks), note="PSS, greatest sum")]
    for role in _ROLES:
        figures.append(Figure(f"{name}.{role}", "MB", tuple(peak[role] for peak in peaks), note="at that moment"))
    scene.say(f"  {language}: {figures[0].median:.0f} MB")
    return figures


def role_of(process: Usage) -> str:
    """What a process of a worker is; empty for a process that is none of it."""
    if "sandbox.executor_process" in process.command:
        return "executor"
    if "enclave.worker_main" in process.command:
        return "core"
    words = process.command.split()
    return "host" if "worker" in words and "--operator" in words else ""


def _peak(network: BenchNetwork, count: int) -> dict[str, float]:
    """Megabytes by role at the moment at which they are most together."""
    is_over = threading.Event()
    samples: list[dict[str, float]] = []

    def watch() -> None:
        while not is_over.wait(_PAUSE):
            samples.append(_sample(network.pid))

    prepared = load.prepare(network, count)
    watcher = threading.Thread(target=watch, name="memory", daemon=True)
    watcher.start()
    try:
        load.send_and_settle(network, prepared)
    finally:
        is_over.set()
        watcher.join()
    whole = [sample for sample in samples if all(sample.values())]
    if not whole:
        raise RuntimeError("no moment was seen at which host, core and executor all lived")
    return max(whole, key=lambda sample: sum(sample.values()))


def _sample(pid: int) -> dict[str, float]:
    megabytes = dict.fromkeys(_ROLES, 0.0)
    for child in descendants(pid):
        try:
            process = usage(child)
        except (OSError, ValueError, IndexError):  # it ended meanwhile
            continue
        role = role_of(process)
        if role:
            megabytes[role] += process.pss / 1e6
    return megabytes
