"""The answer comes from one worker's enclave at once, signed and bound to a finalised block that this command looked up
by itself. With --as-caller the program learns who asks."""

from __future__ import annotations

import argparse

from coprocessor.cli.options import add_author, add_network
from coprocessor.cli.screen import Screen, to_text
from coprocessor.cli.session import run_on_network
from coprocessor.cli.upgrade_notice import upgrade_fields, warn_of_upgrade
from coprocessor.client.network import AsyncNetwork
from coprocessor.client.queries import ask
from coprocessor.values.identities import to_hex

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describes the command line."""
    parser.add_argument("program", metavar="PROGRAM", help="0x-prefixed id")
    parser.add_argument("method", metavar="METHOD")
    parser.add_argument("arguments", metavar="ARG", nargs="*")
    parser.add_argument("--as-caller", action="store_true", help="sign the query with the author's key")
    add_network(parser)
    add_author(parser)


def run(arguments: argparse.Namespace, screen: Screen) -> int:
    """Asks and prints the answer."""

    async def work(net: AsyncNetwork) -> int:
        with screen.progress("asking"):
            program = await net.program(arguments.program)
            warn_of_upgrade(screen, program.record)
            method = program.record.interface.method(arguments.method, "query")
            encoded = method.encode_words(arguments.arguments)
            caller = net.author if arguments.as_caller or arguments.key else None
            answer = await ask(net.session, program.record, method, encoded, caller)
        screen.say(f"result: {to_text(answer.value)}")
        screen.say(f"block {answer.block_number}, {answer.executed_links} links executed")
        screen.say(f"worker {to_hex(answer.worker)}")
        fields = {
            "ok": True,
            "result": answer.value,
            "block": answer.block_number,
            "state_root": answer.state_root,
            "worker": answer.worker,
            "epoch": answer.epoch,
            "simulated": answer.simulated,
            **upgrade_fields(program.record),
        }
        if answer.unverified_freshness:
            screen.say("UNVERIFIED FRESHNESS: node and worker are one server, so nobody else vouches for the block")
            fields["unverified_freshness"] = True
        screen.warn_simulated(answer.simulated)
        screen.finish(fields)
        return 0

    return run_on_network(arguments, work)
