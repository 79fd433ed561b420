"""--against PATH says whether the program was made from that source (exit status 1 where not). For private code it
needs the owner's key, or the opening that the owner wrote with --write-opening and gave to you."""

from __future__ import annotations

import argparse
import asyncio
from pathlib import Path
from typing import Any

from coprocessor.cli.options import add_author, add_network
from coprocessor.cli.screen import Screen
from coprocessor.cli.session import run_on_network
from coprocessor.client.deployment import open_package
from coprocessor.client.network import AsyncNetwork, AsyncProgram
from coprocessor.client.private_code import Comparison, compare_code, derive_opening, read_opening, write_opening
from coprocessor.client.published_code import PublishedCode
from coprocessor.sandbox.package import CodePackage
from coprocessor.values.errors import CallerMisuse
from coprocessor.values.identities import to_hex

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describes the command line."""
    parser.add_argument("program", metavar="PROGRAM", help="0x-prefixed id")
    parser.add_argument("--against", metavar="PATH", help="source to compare with: as phat deploy takes it")
    parser.add_argument("--opening", metavar="FILE", type=Path, help="opening of private code, from its owner")
    parser.add_argument(
        "--write-opening", metavar="FILE", type=Path, help="write the opening, with which anybody can compare a source"
    )
    add_network(parser)
    add_author(parser)


def run(arguments: argparse.Namespace, screen: Screen) -> int:
    """Shows and compares."""
    if arguments.against is None and (arguments.opening or arguments.write_opening):
        raise CallerMisuse("usage", "an opening is for a source", next="name the source (--against PATH)")

    async def work(net: AsyncNetwork) -> int:
        program = await net.program(arguments.program)
        code = await net.session.programs.published(program.record)
        fields = _show(program, code, screen)
        holds = True
        if arguments.against is not None:
            with screen.progress(f"loading {arguments.against} in the sandbox"):
                package = await asyncio.to_thread(open_package, arguments.against)
            comparison = _compare(net, code, package, arguments)
            holds = comparison.matches
            screen.say(f"the code {'matches' if holds else 'DIFFERS FROM'} {arguments.against}")
            fields |= {"matches": holds}
        screen.warn_simulated(net.simulated)
        screen.finish({"ok": holds, **fields, "simulated": net.simulated})
        return 0 if holds else 1

    return run_on_network(arguments, work)


def _show(program: AsyncProgram, code: PublishedCode, screen: Screen) -> dict[str, Any]:
    record = program.record
    fields: dict[str, Any] = {
        "program": record.program,
        "code_hash": record.code_hash,
        "owner": record.owner,
        "language": code.interface.language,
        "bytes": code.size,
        "private": code.private is not None,
    }
    screen.say(f"program {to_hex(record.program)} of {to_hex(record.owner)}")
    screen.say(f"code {to_hex(record.code_hash)}: {code.interface.language}, {code.size} bytes as published")
    if code.private is not None:
        private = code.private
        screen.say(f"code sealed to cluster {to_hex(private.cluster)}, epoch {private.epoch}")
        screen.say(f"commitment {to_hex(private.commitment)}")
        fields |= {"cluster": private.cluster, "epoch": private.epoch, "commitment": private.commitment}
    return fields


def _compare(
    net: AsyncNetwork, code: PublishedCode, package: CodePackage, arguments: argparse.Namespace
) -> Comparison:
    if arguments.opening is not None:
        return compare_code(net.session.network_id, code, package, read_opening(arguments.opening))
    comparison = compare_code(net.session.network_id, code, package, None if code.private is None else net.author)
    if arguments.write_opening is not None:
        if code.private is None or not comparison.matches:
            raise CallerMisuse(
                "code.no_opening", "there is nothing to open", "the code is public, or made from another source"
            )
        opening = derive_opening(net.session.network_id, package, net.author, code.private.cluster)
        write_opening(arguments.write_opening, opening)
    return comparison
