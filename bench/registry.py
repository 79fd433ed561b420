"""All benchmarks in the order in which they run, the targets, and the ratios of a run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from bench.figures import Figure
from bench.scene import Scene
from bench.suite import (
    attestation,
    baseline,
    cold_start,
    commands,
    demo,
    epochs,
    fresh_call,
    gas,
    keys,
    memory,
    profile,
    queries,
    recovery,
)

__all__ = ["BENCHMARKS", "RATIOS", "TARGETS", "Benchmark", "Ratio", "Target"]


@dataclass(frozen=True, slots=True)
class Benchmark:
    """A benchmark.

    Args:
        name: for ``--only``; its figures' names begin with it.
        purpose: what it measures, in a line.
        run: measures.
        limit: seconds after which it is given up.
    """

    name: str
    purpose: str
    run: Callable[[Scene], list[Figure]]
    limit: int


@dataclass(frozen=True, slots=True)
class Target:
    """What a figure's median should reach on two cores.

    Args:
        figure: its name.
        bound: the value.
        unit: of the figure; a run in which it differs fails its test.
        at_least: whether the median should be at least the bound, else at most.
        what: the target in words.
    """

    figure: str
    bound: float
    unit: str
    at_least: bool
    what: str

    def is_met(self, median: float) -> bool:
        """Whether this median reaches the target."""
        return median >= self.bound if self.at_least else median <= self.bound


@dataclass(frozen=True, slots=True)
class Ratio:
    """Median of one figure over that of another, of the same run.

    Args:
        name: what it compares.
        numerator, denominator: names of figures with one unit.
    """

    name: str
    numerator: str
    denominator: str


BATCH_GAS = "gas.batch of 100.200 bytes"

BENCHMARKS = (
    Benchmark("commands", "commands a second through the whole path, until their root is settled", commands.run, 240),
    Benchmark("queries", "signed queries a second over HTTP, eight clients", queries.run, 120),
    Benchmark("memory", "memory of host, enclave and executors under load", memory.run, 120),
    Benchmark("recovery", "a fresh worker replays 10,000 commands", recovery.run, 300),
    Benchmark("profile", "one command step by step: host, enclave, executor, chain", profile.run, 240),
    Benchmark("cold_start", "from nothing to ready", cold_start.run, 180),
    Benchmark("epochs", "a worker is shut out, and the keys of 100 and 1,000 programs change", epochs.run, 900),
    Benchmark("fresh_call", "a call in a fresh instance, in the sandbox alone", fresh_call.run, 120),
    Benchmark("attestation", "quotes verified and judged a second on one core", attestation.run, 120),
    Benchmark("keys", "a cluster's key at worker and gatekeeper, ceremonies of twenty", keys.run, 180),
    Benchmark("gas", "gas of commands by batch, of receipts, deliveries and code", gas.run, 180),
    Benchmark("baseline", "the same token as a contract on anvil, and the limits of this machine", baseline.run, 120),
    Benchmark("demo", "the demonstration, end to end", demo.run, 240),
)

TARGETS = (
    Target("commands.python", 300, "commands/s", True, "Python commands a second"),
    Target("commands.raw", 1000, "commands/s", True, "raw-WASM commands a second"),
    Target("queries.python", 250, "queries/s", True, "Python queries a second"),
    Target("queries.raw", 500, "queries/s", True, "raw-WASM queries a second"),
    Target(BATCH_GAS, 8500, "gas/command", False, "gas of a sealed 200-byte command, batch of 100"),
    Target("recovery.raw", 12, "s", False, "seconds to recover 10,000 raw-WASM commands"),
    Target("recovery.python", 45, "s", False, "seconds to recover 10,000 Python commands"),
    Target("epochs.100 programs.closed", 60, "s", False, "seconds to shut a worker out and close, 100 programs"),
    Target("demo.seconds", 60, "s", False, "seconds of phat demo once set up"),
    Target("keys.worker, 3 of 5", 8, "ms", False, "a cluster's key at the worker, 3 of 5 gatekeepers"),
    Target("keys.worker, 14 of 20", 15, "ms", False, "a cluster's key at the worker, 14 of 20 gatekeepers"),
    Target("keys.gatekeeper", 0.7, "ms", False, "a gatekeeper's part of a cluster's key"),
    Target("keys.DKG of 20", 4, "s", False, "key ceremony of 20, computing of all members"),
    Target("keys.refresh of 20", 3, "s", False, "refresh of 20, computing of all members"),
    Target("keys.reshare of 20", 3, "s", False, "reshare from 20 to 20, computing of all members"),
    Target("memory.python.worker", 600, "MB", False, "PSS of a worker's host, enclave and executors under load"),
)

RATIOS = (
    Ratio("raw-WASM over Python commands", "commands.raw", "commands.python"),
    Ratio("raw-WASM commands over one core's opening and recovering", "commands.raw", "baseline.open and recover"),
    Ratio("raw-WASM commands over the Vyper token on anvil", "commands.raw", "baseline.Vyper token on anvil"),
    Ratio("Python commands over the Vyper token on anvil", "commands.python", "baseline.Vyper token on anvil"),
    Ratio("gas of a sealed command in a batch of 100 over a Vyper transfer", BATCH_GAS, "baseline.Vyper token's gas"),
    Ratio("raw-WASM fresh call over the engine's own fastest", "fresh_call.raw", "baseline.wasmtime call"),
    Ratio("HPKE opening inside a command over the library's", "profile.raw.HPKE open", "baseline.HPKE open"),
    Ratio("recovering inside a command over the library's", "profile.raw.ECDSA recover", "baseline.ECDSA recover"),
    Ratio("Python page delta over image", "fresh_call.python, page delta", "fresh_call.python, image"),
)
