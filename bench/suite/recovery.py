"""Recovery: a fresh worker joins a network whose inbox holds 10,000 commands, and replays them all.

The clock runs from the start of the process until its state root is the settled one. The worker has a new operator and
holds nothing but its machine and the interpreter's native code, sealed by itself; ``cold_start`` tells what a machine
pays that never ran before.
"""

from __future__ import annotations

from typing import Any

from bench import load
from bench.figures import Figure
from bench.joining import Joining, joining_worker
from bench.network import TOKENS, BenchNetwork, prepare_machine
from bench.scene import Scene
from coprocessor.values.identities import to_hex

__all__ = ["COMMANDS", "run"]

COMMANDS = 10_000
_SECONDS = 200.0


def run(scene: Scene) -> list[Figure]:
    """Both tokens."""
    return [figure for language in TOKENS for figure in measure(scene, language)]


def measure(scene: Scene, language: str) -> list[Figure]:
    """One language's token."""
    count, repetitions = (60, 1) if scene.quick else (COMMANDS, 1)
    if scene.network(language).submitted > count:  # other benchmarks have sent more already
        scene.stop_network(language)
    network = scene.network(language)
    if not network.submitted:
        load.fund_authors(network)
    if network.submitted < count:
        scene.say(f"  {language}: {count - network.submitted} commands more, so that there are {count}")
        load.send_and_settle(network, load.prepare(network, count - network.submitted))
    settled, root = network.run(_settled(network))
    totals, replays = [], []
    for _ in range(repetitions):
        data = scene.new_folder("successor")
        prepare_machine(data)
        with joining_worker(network, data) as worker:
            ready, total = _follow(worker, settled, root)
        totals.append(total)
        replays.append(network.submitted / (total - ready))
        scene.say(f"  {language}: {total:.1f} s, of which {total - ready:.1f} s of replay")
    name = f"recovery.{language}"
    note = f"{network.submitted} commands; process start to the settled root"
    return [
        Figure(name, "s", tuple(totals), note=note),
        Figure(f"{name}.replay", "commands/s", tuple(replays), "higher", "from keys and interpreter on"),
    ]


def _follow(worker: Joining, settled: int, root: str) -> tuple[float, float]:
    """Seconds until it begins to follow the chain, and until it stands where the network does."""
    ready, _ = worker.until(lambda status: status["step"] == "running", _SECONDS)

    def is_there(status: dict[str, Any]) -> bool:
        return int(status["executed"]) >= settled

    total, status = worker.until(is_there, _SECONDS)
    if status["executed"] == settled and status["state_root"] != root:
        raise RuntimeError(f"the successor's root is {status['state_root']}, settled is {root}")
    return ready, total


async def _settled(network: BenchNetwork) -> tuple[int, str]:
    """Links settled and the root after them."""
    session = network.net.session
    count, root, _ = await session.contracts["Settlement"].read("settled", network.token.record.cluster)
    return int(count), to_hex(root)
