"""Commands a second through the whole path: from the first submission to the last settled root on the chain.

Embedded chain, one gatekeeper, one worker (host, enclave, executor), each in processes of its own; sealed token
transfers of twenty authors, brought by one relayer in links as full as they can be. Sealing is done before the clock
starts; a figure of its own adds it.
"""

from __future__ import annotations

from bench import load
from bench.figures import Figure
from bench.network import TOKENS
from bench.scene import Scene

__all__ = ["run"]

COMMANDS = {"python": 1500, "raw": 3000}
REPETITIONS = 5


def run(scene: Scene) -> list[Figure]:
    """Both tokens."""
    return [figure for language in TOKENS for figure in measure(scene, language)]


def measure(scene: Scene, language: str) -> list[Figure]:
    """One language's token."""
    count, repetitions = (40, 1) if scene.quick else (COMMANDS[language], REPETITIONS)
    network = scene.network(language)
    load.fund_authors(network)
    settled, submitted, sealing = [], [], []
    if not scene.quick:
        load.send_and_settle(network, load.prepare(network, count // 5))  # warms caches
    for _ in range(repetitions):
        prepared = load.prepare(network, count)
        in_blocks, on_chain = load.send_and_settle(network, prepared)
        settled.append(count / on_chain)
        submitted.append(count / in_blocks)
        sealing.append(count / prepared.seconds)
        scene.say(f"  {language}: {settled[-1]:.0f} commands/s")
    together = [1 / (1 / one + 1 / other) for one, other in zip(settled, sealing, strict=True)]
    name, unit = f"commands.{language}", "commands/s"
    return [
        Figure(name, unit, tuple(settled), "higher", f"{count} commands a repetition, first submission to last root"),
        Figure(f"{name}.with_sealing", unit, tuple(together), "higher", "one author's machine seals them first"),
        Figure(f"{name}.submitted", unit, tuple(submitted), "higher", "until the last is in a block"),
        Figure(f"{name}.sealed", unit, tuple(sealing), "higher", "by one process"),
    ]
