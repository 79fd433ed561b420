"""Seconds of ``phat demo``: two hundred sealed bids, a killed worker, a settled and verified result."""

from __future__ import annotations

import json

from bench.figures import Figure
from bench.network import ROOT
from bench.processes import run_phat
from bench.scene import Scene

__all__ = ["run"]

_SECONDS = 200.0


def run(scene: Scene) -> list[Figure]:
    """Once: the demonstration is long, and its parts are measured elsewhere."""
    scene.rest()
    seconds, said = run_phat("demo", "--data", str(scene.new_folder("demo")), timeout=_SECONDS, cwd=ROOT)
    result = json.loads(said.splitlines()[-1])
    if not result["ok"]:
        raise RuntimeError(f"the demonstration failed: {result}")
    scene.say(f"  {seconds:.0f} s")
    return [
        Figure("demo.seconds", "s", (seconds,), note="the whole process; two workers start on new machines"),
        Figure("demo.recovery", "s", (float(result["recovery_seconds"]),), note="from the kill to settled again"),
    ]
