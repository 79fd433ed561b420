"""Without PATH: a program's versions, its policy, and the upgrade that waits. With PATH: announces that code as the
next version, by the program's owner, or by votes of the policy's keys: each voter runs the same command with --sign,
and anybody brings the signatures with --vote. After the policy's delay anybody runs it with --execute. State and keys
stay; a command named upgrade, where the new code has it, runs once before anything else."""

from __future__ import annotations

import argparse
import asyncio
from pathlib import Path
from typing import Any

from coprocessor.chain.instants import show_time
from coprocessor.chain.keyfile import load_key_file
from coprocessor.cli.options import add_author, add_network, seconds, whole
from coprocessor.cli.screen import Screen
from coprocessor.cli.session import run_on_network
from coprocessor.cli.upgrade_notice import upgrade_fields
from coprocessor.client.calls import RESULT_SECONDS
from coprocessor.client.deployment import open_package
from coprocessor.client.network import AsyncNetwork, AsyncProgram
from coprocessor.client.upgrades import (
    UPGRADE_FUEL,
    Change,
    announce,
    compare_interfaces,
    execute,
    known_policy,
    publish_next,
    sign_upgrade,
    withdraw,
)
from coprocessor.client.versions import Lineage, VersionState, look_at_versions
from coprocessor.protocol.interface import parse_interface
from coprocessor.values.errors import CallerMisuse
from coprocessor.values.identities import CodeHash, from_hex, to_hex

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describes the command line."""
    parser.add_argument("program", metavar="PROGRAM", help="0x-prefixed id")
    parser.add_argument("path", metavar="PATH", nargs="?", help="the next version's code: as phat deploy takes it")
    parser.add_argument("--execute", action="store_true", help="have the announced upgrade take effect")
    parser.add_argument("--withdraw", action="store_true", help="take the announced upgrade back")
    parser.add_argument("--private", action="store_true", help="seal the code to the cluster")
    parser.add_argument("--fuel", type=whole, default=UPGRADE_FUEL, help="limit of the method upgrade")
    parser.add_argument("--sign", action="store_true", help="send nothing; print the vote of --key for this upgrade")
    parser.add_argument("--vote", metavar="HEX", action="append", default=[], help="a vote that --sign printed")
    parser.add_argument("--voter", metavar="FILE", action="append", default=[], help="a voter's key, for --withdraw")
    parser.add_argument("--timeout", type=seconds, default=RESULT_SECONDS, help="seconds to wait for the outcome")
    add_network(parser)
    add_author(parser)


def run(arguments: argparse.Namespace, screen: Screen) -> int:
    """Shows, announces, withdraws or executes."""
    chosen = [bool(arguments.path), arguments.execute, arguments.withdraw]
    if sum(chosen) > 1 or (arguments.sign and not arguments.path):
        raise CallerMisuse("usage", "give PATH, --execute or --withdraw, one of them; --sign and --vote go with PATH")
    votes = [from_hex(vote, 65, "vote") for vote in arguments.vote]

    async def work(net: AsyncNetwork) -> int:
        program = await net.program(arguments.program)
        if arguments.path:
            fields = await _announce(net, program, arguments, votes, screen)
        elif arguments.execute:
            fields = await _execute(net, program, arguments, screen)
        elif arguments.withdraw:
            voters = [load_key_file(Path(file)) for file in arguments.voter]
            await withdraw(net.session, program.record, net.author, voters)
            screen.say("the announced upgrade is taken back")
            fields = {}
        else:
            fields = await _show(net, program, screen)
        screen.warn_simulated(net.simulated)
        screen.finish({"ok": True, "program": program.record.program, **fields, "simulated": net.simulated})
        return 0

    return run_on_network(arguments, work)


async def _announce(
    net: AsyncNetwork, program: AsyncProgram, arguments: argparse.Namespace, votes: list[bytes], screen: Screen
) -> dict[str, Any]:
    session, record = net.session, program.record
    policy = await known_policy(session, record)
    with screen.progress(f"loading {arguments.path} in the sandbox"):
        package = await asyncio.to_thread(open_package, arguments.path)
    changes = compare_interfaces(record.interface, parse_interface(package.interface))
    with screen.progress("publishing the code"):
        code_hash = await publish_next(session, record, package, net.author, arguments.private, not arguments.sign)
    screen.say(f"code {to_hex(code_hash)}, after {to_hex(record.code_hash)}")
    _say_changes(changes, screen)
    fields: dict[str, Any] = {
        "code_hash": code_hash,
        "present": record.code_hash,
        "changes": [f"{change.sign} {change.signature}" for change in changes],
    }
    if arguments.sign:
        vote = await sign_upgrade(session, record, code_hash, arguments.fuel, net.author)
        screen.say(f"vote {to_hex(vote)}")
        return fields | {"vote": vote}
    ready = await announce(session, record, code_hash, arguments.fuel, net.author, votes)
    screen.say(f"announced ({policy.describe()}); it can be executed from {show_time(ready)} on")
    screen.say(f"users are warned until then; after it: phat upgrade {to_hex(record.program)} --execute")
    return fields | {"ready": ready}


async def _execute(
    net: AsyncNetwork, program: AsyncProgram, arguments: argparse.Namespace, screen: Screen
) -> dict[str, Any]:
    with screen.progress("waiting for a worker and a final receipt"):
        done = await execute(net.session, program.record, net.author, arguments.timeout)
    screen.say(f"the new code runs from link {done.link} on")
    return {"link": done.link, "fuel": done.fuel}


async def _show(net: AsyncNetwork, program: AsyncProgram, screen: Screen) -> dict[str, Any]:
    lineage = await look_at_versions(net.session, program.record)
    policy = "not disclosed" if lineage.policy is None else lineage.policy.describe()
    screen.say(f"program {program.id}, owner {to_hex(program.record.owner)}")
    screen.say(f"upgrades: {policy}")
    for version in lineage.versions:
        came = "deployed" if version.link is None else f"from link {version.link}"
        runs = ", runs" if version.number == program.record.version else ""
        state = "" if version.state is VersionState.RAN else f", {version.state}"
        screen.say(f"  version {version.number}: {to_hex(version.code_hash)}, {came}{state}{runs}")
    await _show_waiting(net, program, lineage, screen)
    return {
        "policy": policy,
        "version": program.record.version,
        "versions": [
            {"number": it.number, "code_hash": it.code_hash, "link": it.link, "state": str(it.state)}
            for it in lineage.versions
        ],
        **upgrade_fields(program.record),
    }


async def _show_waiting(net: AsyncNetwork, program: AsyncProgram, lineage: Lineage, screen: Screen) -> None:
    if lineage.announced is None:
        screen.say("  no upgrade is announced")
        return
    waiting = lineage.announced
    screen.say(f"  ANNOUNCED: {to_hex(waiting.code_hash)}")
    screen.say(f"    anybody may execute it from {show_time(waiting.ready)} to {show_time(waiting.expires)}")
    code = await net.session.programs.code(CodeHash(waiting.code_hash))
    if code.private is not None:
        screen.say("    its code is private: callers see methods and types alone")
    _say_changes(compare_interfaces(program.record.interface, code.interface), screen)


def _say_changes(changes: list[Change], screen: Screen) -> None:
    for change in changes:
        screen.say(f"    {change.sign} {change.signature}")
    if not changes:
        screen.say("    the same methods")
