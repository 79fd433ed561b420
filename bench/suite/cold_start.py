"""From nothing to ready: a worker on a new machine, one with its sealed code, and commands that people wait for.

A worker is ready when it holds the cluster's keys and the interpreter; on a new machine it compiles that first.
"""

from __future__ import annotations

from bench import load
from bench.figures import Figure
from bench.joining import joining_worker
from bench.network import BenchNetwork, prepare_machine
from bench.processes import run_phat
from bench.scene import Scene

__all__ = ["run"]

REPETITIONS = 3
COMMAND_REPETITIONS = 7
_SECONDS = 180.0


def run(scene: Scene) -> list[Figure]:
    """On a young network of its own, so that there is next to nothing to replay."""
    scene.stop_networks()
    network = scene.network("raw")
    load.fund_authors(network)
    figures = _commands(scene, network)
    repetitions = 1 if scene.quick else REPETITIONS
    new = tuple(_start(scene, network, is_new=True) for _ in range(1 if scene.quick else 2))
    sealed = tuple(_start(scene, network, is_new=False) for _ in range(repetitions))
    scene.stop_networks()
    return [
        Figure("cold_start.worker, new machine", "s", new, note="empty folder: the interpreter is compiled"),
        Figure("cold_start.worker, sealed code", "s", sealed, note="native code of an earlier start, unsealed"),
        *figures,
    ]


def _start(scene: Scene, network: BenchNetwork, *, is_new: bool) -> float:
    data = scene.new_folder("starting")
    if not is_new:
        prepare_machine(data)
    with joining_worker(network, data) as worker:
        seconds, _ = worker.until(lambda status: status["step"] == "running", _SECONDS)
    return seconds


def _commands(scene: Scene, network: BenchNetwork) -> list[Figure]:
    """``phat verify`` of a receipt that is good, and ``phat --help``."""
    repetitions = 2 if scene.quick else COMMAND_REPETITIONS
    receipt = scene.new_folder("receipt").with_suffix(".json")
    receipt.write_text(network.run(_make_receipt(network)), "utf-8")
    anchored = ("verify", str(receipt), "--network", str(network.file))
    verify = tuple(run_phat(*anchored)[0] * 1e3 for _ in range(repetitions))
    helped = tuple(run_phat("--help")[0] * 1e3 for _ in range(repetitions))
    return [
        Figure("cold_start.phat verify", "ms", verify, note="the whole process, a receipt that holds"),
        Figure("cold_start.phat --help", "ms", helped, note="the whole process"),
    ]


async def _make_receipt(network: BenchNetwork) -> str:
    owner = network.net.author
    handle = await network.token.call("transfer", "0x" + load.RELAYER.address.hex(), 1, author=owner)
    return await handle.receipt()
