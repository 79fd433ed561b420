"""INDEX is LINK or LINK.POSITION, as `phat call` prints it. The output is opened inside the file where this machine
sent the command; --sealed leaves it sealed."""

from __future__ import annotations

import argparse
from pathlib import Path

from coprocessor.cli.options import add_author, add_network
from coprocessor.cli.screen import Screen
from coprocessor.cli.session import run_on_network
from coprocessor.client.network import AsyncNetwork
from coprocessor.durable.disk import PLAIN_DISK
from coprocessor.durable.points import PersistPoint
from coprocessor.values.errors import CallerMisuse

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describes the command line."""
    parser.add_argument("program", metavar="PROGRAM", help="0x-prefixed id")
    parser.add_argument("index", metavar="INDEX", help="LINK or LINK.POSITION")
    parser.add_argument("--out", metavar="FILE", type=Path, required=True, help="where the receipt goes")
    parser.add_argument("--sealed", action="store_true", help="do not open the output")
    add_network(parser)
    add_author(parser)


def run(arguments: argparse.Namespace, screen: Screen) -> int:
    """Makes the receipt file."""
    link, position = _parse_index(arguments.index)

    async def work(net: AsyncNetwork) -> int:
        with screen.progress("gathering proofs"):
            program = await net.program(arguments.program)
            text = await net.receipt(program, link, position, opened=not arguments.sealed)
        _write(arguments.out, text)
        screen.say(f"receipt of {link}.{position} written to {arguments.out}")
        screen.say(f"check it with: phat verify {arguments.out}")
        screen.warn_simulated(net.simulated)
        screen.finish(
            {
                "ok": True,
                "file": str(arguments.out),
                "program": program.id,
                "index": f"{link}.{position}",
                "network": net.id,
                "simulated": net.simulated,
            }
        )
        return 0

    return run_on_network(arguments, work)


def _parse_index(text: str) -> tuple[int, int]:
    link, _, position = text.partition(".")
    position = position or "0"
    if not (text.isascii() and link.isdecimal() and position.isdecimal() and len(link) <= 15 and len(position) <= 5):
        what = f"an index is LINK or LINK.POSITION, not {text!r}"
        raise CallerMisuse("usage", what, next="phat call prints the index of its command")
    return int(link), int(position)


def _write(path: Path, text: str) -> None:
    PLAIN_DISK.replace(PersistPoint.CLIENT_RECEIPT, path, text.encode("utf-8"), mode=0o644)
