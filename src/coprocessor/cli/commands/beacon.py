"""Shows the beacon's newest values: public randomness for each window of blocks, made by the gatekeepers together.
Each is verified here: the row by a proof, the signature against the committee's key. A value that is marked as the
fallback comes from a block's randomness instead, which the block's proposer can try to bend."""

from __future__ import annotations

import argparse

from coprocessor.cli.options import add_network
from coprocessor.cli.screen import Screen
from coprocessor.cli.session import run_on_network
from coprocessor.client.beacon import BeaconState, look_at_beacon
from coprocessor.client.network import AsyncNetwork
from coprocessor.values.identities import to_hex

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describes the command line."""
    parser.add_argument("--count", type=int, default=4, metavar="N", help="windows to look at, 1 to 64; default: 4")
    parser.add_argument("--height", type=int, metavar="BLOCK", help="the last of them; default: the newest")
    add_network(parser)


def run(arguments: argparse.Namespace, screen: Screen) -> int:
    """Shows them."""

    async def work(net: AsyncNetwork) -> int:
        state = await look_at_beacon(net.session, arguments.count, arguments.height)
        _show(state, screen)
        screen.warn_simulated(net.simulated)
        screen.finish(_fields(state, net.simulated))
        return 0

    return run_on_network(arguments, work)


def _show(state: BeaconState, screen: Screen) -> None:
    if state.committee == 0:
        screen.say(f"block {state.block}: the gatekeepers have no beacon key yet")
    else:
        who = f"committee {state.committee}, {state.threshold} of its members together"
        screen.say(f"block {state.block}: a value for each {state.window} blocks, by {who}")
    for value in state.values:
        if value.is_fallback:
            source = f"FALLBACK from block {value.height + 2 * state.window}"
        else:
            source = f"the beacon's, committee {value.committee}"
        screen.say(f"  height {value.height}: {to_hex(value.value)}, {source}, verified")
    for height in state.missing:
        screen.say(f"  height {height}: no value")


def _fields(state: BeaconState, simulated: bool) -> dict[str, object]:
    return {
        "ok": True,
        "block": state.block,
        "window": state.window,
        "committee": state.committee,
        "threshold": state.threshold,
        "values": [
            {
                "height": value.height,
                "value": value.value,
                "source": "fallback" if value.is_fallback else "beacon",
                "committee": value.committee,
                "key": value.key,
                "signature": value.signature,
                "prevrandao": value.prevrandao,
                "verified": True,
            }
            for value in state.values
        ],
        "missing": list(state.missing),
        "simulated": simulated,
    }
