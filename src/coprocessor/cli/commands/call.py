"""Arguments are words: text as it is, numbers, true or false, 0x... bytes; lists and objects as JSON. The result is
shown once a receipt that is final on the chain proves it. --no-wait returns when the command is in the inbox;
--estimate sends nothing and tells what it would cost."""

from __future__ import annotations

import argparse
from typing import Any

from coprocessor.cli.options import add_author, add_network, seconds, whole
from coprocessor.cli.screen import Screen, bytes_to_text, to_text
from coprocessor.cli.session import run_on_network
from coprocessor.cli.upgrade_notice import upgrade_fields, warn_of_upgrade
from coprocessor.client.calls import RESULT_SECONDS, CallHandle, CallOutcome, estimate, failure_of, submit
from coprocessor.client.network import AsyncNetwork, AsyncProgram
from coprocessor.client.sealing import DEFAULT_FUEL, CallOptions, SealedItem
from coprocessor.protocol.outputs import Status

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describes the command line."""
    parser.add_argument("program", metavar="PROGRAM", help="0x-prefixed id")
    parser.add_argument("method", metavar="METHOD")
    parser.add_argument("arguments", metavar="ARG", nargs="*")
    parser.add_argument("--no-wait", action="store_true", help="do not wait for the result")
    parser.add_argument("--estimate", action="store_true", help="send nothing; print fuel, gas and fees")
    parser.add_argument("--fuel", type=whole, default=DEFAULT_FUEL, help=f"limit (default {DEFAULT_FUEL})")
    parser.add_argument("--fee", type=whole, default=0, help="fee limit in wei (default 0)")
    parser.add_argument("--timeout", type=seconds, default=RESULT_SECONDS, help="seconds to wait for the result")
    add_network(parser)
    add_author(parser)


def run(arguments: argparse.Namespace, screen: Screen) -> int:
    """Calls and prints the result."""

    async def work(net: AsyncNetwork) -> int:
        with screen.progress("sealing the command"):
            program = await net.program(arguments.program)
            warn_of_upgrade(screen, program.record)
            item = await _seal(program, arguments)
        if arguments.estimate:
            return await _estimate(net, item, screen)
        with screen.progress("waiting for a block"):
            handle = await submit(net.session, item)
        if arguments.no_wait:
            screen.say(f"in the inbox at {handle.place.index}")
            return _finish(screen, program, handle, None, net.simulated)
        with screen.progress("waiting for a worker and a final receipt"):
            outcome = await handle.outcome(arguments.timeout)
        return _finish(screen, program, handle, outcome, net.simulated)

    return run_on_network(arguments, work)


async def _seal(program: AsyncProgram, arguments: argparse.Namespace) -> SealedItem:
    method = program.record.interface.method(arguments.method, "command")
    encoded = method.encode_words(arguments.arguments)
    options = CallOptions(arguments.fuel, arguments.fee)
    return program.seal_encoded(method, encoded, await program.sealing_context(), options=options)


async def _estimate(net: AsyncNetwork, item: SealedItem, screen: Screen) -> int:
    cost = await estimate(net.session, item)
    screen.say(f"gas {cost.gas}, at most {cost.gas_fee} wei for it now")
    screen.say(f"fuel limit {item.clear.fuel_limit}, fee limit {item.clear.fee_limit} wei")
    screen.warn_simulated(net.simulated)
    screen.finish(
        {
            "ok": True,
            "gas": cost.gas,
            "gas_fee": cost.gas_fee,
            "fuel": item.clear.fuel_limit,
            "fee": item.clear.fee_limit,
            "bytes": len(item.clear.sealed),
            "simulated": net.simulated,
        }
    )
    return 0


def _finish(
    screen: Screen, program: AsyncProgram, handle: CallHandle, outcome: CallOutcome | None, simulated: bool
) -> int:
    fields: dict[str, Any] = {
        "ok": True,
        "program": program.id,
        "index": handle.place.index,
        "result": None,
        "error": None,
        "fuel": None,
        "block": None,
        "state_root": None,
        "simulated": simulated,
        **upgrade_fields(program.record),
    }
    if outcome is not None:
        fields |= {
            "ok": outcome.status is Status.OK,
            "result": outcome.value,
            "fuel": outcome.fuel,
            "block": outcome.block_number,
            "state_root": outcome.state_root,
        }
        _show(screen, outcome)
    if outcome is not None and outcome.status is not Status.OK:
        error = failure_of(outcome)
        fields["error"] = error.to_dict()
        if not screen.as_json:
            screen.fail(error)
    screen.warn_simulated(simulated)
    screen.finish(fields)
    return 0 if fields["ok"] else 1


def _show(screen: Screen, outcome: CallOutcome) -> None:
    for line in outcome.logs:
        screen.say(f"log: {line.text}")
    for event in outcome.events:
        screen.say(f"event {event.name}: {bytes_to_text(event.data)}")
    if outcome.status is Status.OK:
        screen.say(f"result: {to_text(outcome.value)}")
    screen.say(f"proven: {outcome.place.index} at block {outcome.block_number}, fuel {outcome.fuel}")
