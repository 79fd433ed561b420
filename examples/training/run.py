"""Trains the model on a network, and tells what it took: there, and if the same loop were a smart contract.

    phat up &
    python examples/training/run.py

Prints one JSON object as its last line.
"""

# ruff: noqa: T201

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE / "model")]

import chain_cost  # noqa: E402
from flowers import SPECIES, prepare  # noqa: E402
from regression import descend, zeros  # noqa: E402

from coprocessor import connect  # noqa: E402
from coprocessor.client.sealing import CallOptions  # noqa: E402
from coprocessor.values.errors import CoprocessorError  # noqa: E402

RATE = 1.0
FUEL_LIMIT = 50_000_000_000


def train(network: str, epochs: int) -> dict[str, Any]:
    """Deploys the program and trains it by one command."""
    with connect(network) as net:
        program = net.deploy(HERE / "model")
        print(f"program {program.id}")
        begun = time.perf_counter()
        handle = program.call("train", epochs, options=CallOptions(fuel=FUEL_LIMIT))
        report = handle.result()
        seconds = time.perf_counter() - begun
        outcome = handle.outcome()
        print(
            f"{report['epochs']} epochs over {report['training_flowers']} flowers: loss {report['loss']:.4f}, "
            f"{report['training_correct']} of them told right\n"
            f"of {report['held_out_flowers']} flowers that it never saw, {report['held_out_correct']} told right"
        )
        print(f"fuel {outcome.fuel:,}; {seconds:.1f} s from sealing the command to a settled, verified result")
        if net.simulated:
            print("SIMULATED TEE: nothing on this network is secret")
        return {
            "program": program.id,
            "index": handle.index,
            "report": report,
            "fuel": outcome.fuel,
            "seconds": round(seconds, 3),
            "simulated": net.simulated,
        }


def price(epochs: int) -> dict[str, Any]:
    """Measures one epoch as a smart contract, and extrapolates."""
    examples = prepare((HERE / "model" / "iris.csv").read_text()).training
    cost = chain_cost.measure(examples.rows, examples.labels, RATE)
    own = descend(zeros(len(SPECIES), len(examples.rows[0])), examples.rows, examples.labels, RATE)
    apart = max(abs(a - b) for rows in zip(own, cost.weights, strict=True) for a, b in zip(*rows, strict=True))
    gas = cost.extrapolate(epochs)
    blocks = gas / chain_cost.BLOCK_GAS
    print(
        f"as a Vyper contract (train.vy), measured: {cost.first_epoch:,} gas for one epoch, "
        f"{cost.next_epoch:,} for the next in the same transaction\n"
        f"its weights after that epoch are within {apart:.0e} of those of the Python loop\n"
        f"extrapolated to {epochs} epochs, not run: {gas:,} gas, "
        f"{blocks:.1f} times all the gas of a block of {chain_cost.BLOCK_GAS:,}"
    )
    return {"first_epoch_gas": cost.first_epoch, "next_epoch_gas": cost.next_epoch, "gas": gas, "blocks": blocks,
            "weights_apart": apart}  # fmt: skip


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--network", default=".phat", help="folder of phat up, network.json, or its URL")
    parser.add_argument("--epochs", type=int, default=1000)
    arguments = parser.parse_args()
    try:
        done = train(arguments.network, arguments.epochs)
    except CoprocessorError as error:
        raise SystemExit(str(error)) from error
    if chain_cost.is_measurable():
        done["as_a_contract"] = price(arguments.epochs)
    else:
        print(
            "what it would cost as a contract is not measured: the Vyper compiler is missing (pip install vyper==0.4.3)"
        )
    print(json.dumps(done))


if __name__ == "__main__":
    main()
