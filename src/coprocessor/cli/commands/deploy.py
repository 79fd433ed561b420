"""PATH is a Python file, a folder with contract.py, or a .wasm file with NAME.interface.json beside it. Constructor
arguments are given by name: --arg owner=0x... --arg 'limits=[1, 2]'. With --private code and arguments are sealed to
the cluster: the chain keeps a commitment to the source, and callers see methods and types alone. A program's code never
changes unless --upgrade says who may announce another, how long before (phat upgrade)."""

from __future__ import annotations

import argparse
import asyncio
from typing import Any

from coprocessor.cli.options import add_author, add_network, seconds, whole
from coprocessor.cli.screen import Screen
from coprocessor.cli.session import run_on_network
from coprocessor.client.deployment import DEPLOY_SECONDS, Deployment, DeployOptions, deploy, open_package
from coprocessor.client.network import AsyncNetwork
from coprocessor.client.upgrades import parse_policy
from coprocessor.protocol.interface import Interface, parse_interface
from coprocessor.values.errors import CallerMisuse
from coprocessor.values.identities import ClusterId, ProgramId, from_hex, to_hex

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describes the command line."""
    parser.add_argument("path", metavar="PATH", help="the program")
    parser.add_argument("--arg", metavar="NAME=VALUE", action="append", default=[], help="constructor argument")
    parser.add_argument("--callee", metavar="PROGRAM", action="append", default=[], help="program that it may call")
    parser.add_argument("--cluster", metavar="ID", help="where it runs (default: the one in the network's file)")
    parser.add_argument("--fuel", type=whole, help="limit of the constructor")
    parser.add_argument("--private", action="store_true", help="seal code and constructor arguments to the cluster")
    parser.add_argument("--seal-init", action="store_true", help="seal the constructor's arguments alone")
    parser.add_argument(
        "--upgrade",
        metavar="POLICY",
        default="frozen",
        help="who may change the code later, for good: frozen (default), timelock:SECONDS or votes:FILE",
    )
    parser.add_argument("--timeout", type=seconds, default=DEPLOY_SECONDS, help="seconds to wait until it runs")
    add_network(parser)
    add_author(parser)


def run(arguments: argparse.Namespace, screen: Screen) -> int:
    """Deploys and prints the program's id."""

    options = _options(arguments)

    async def work(net: AsyncNetwork) -> int:
        with screen.progress(f"loading {arguments.path} in the sandbox"):
            package = await asyncio.to_thread(open_package, arguments.path)
        interface = parse_interface(package.interface)
        init = _encode_init(interface, _named(arguments.arg))
        with screen.progress("deploying, and waiting until the cluster runs it"):
            done = await deploy(net.session, package, net.author, init, options)
        screen.say(f"program {to_hex(done.program)}")
        screen.say(f"cluster {to_hex(done.cluster)}, link {done.link}")
        screen.say(f"code {to_hex(done.code_hash)}, gas {done.gas}")
        screen.say(f"upgrades: {options.policy.describe()}")
        if done.opening is not None:
            screen.say(f"code sealed to cluster {to_hex(done.cluster)}, epoch {done.epoch}")
            screen.say(f"commitment {to_hex(done.opening.commitment)}")
        for method in interface.methods.values():
            screen.say(f"  {method.kind:7} {method.signature}")
        screen.warn_simulated(net.simulated)
        screen.finish({**_fields(done, net.simulated), "upgrades": options.policy.describe()})
        return 0

    return run_on_network(arguments, work)


def _fields(done: Deployment, simulated: bool) -> dict[str, Any]:
    fields = {
        "ok": True,
        "program": done.program,
        "code_hash": done.code_hash,
        "cluster": done.cluster,
        "index": f"{done.link}.0",
        "gas": done.gas,
        "simulated": simulated,
    }
    if done.opening is not None:
        fields |= {"private": True, "epoch": done.epoch, "commitment": done.opening.commitment}
    return fields


def _named(pairs: list[str]) -> dict[str, str]:
    named: dict[str, str] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or name in named:
            raise CallerMisuse("usage", f"--arg takes NAME=VALUE, each name once, not {pair!r}")
        named[name] = value
    return named


def _encode_init(interface: Interface, named: dict[str, str]) -> bytes:
    method = interface.init
    if method is not None:
        return method.encode_words((), named)
    if named:
        raise CallerMisuse("interface.argument", f"{interface.name} has no constructor that takes {', '.join(named)}")
    return b""


def _options(arguments: argparse.Namespace) -> DeployOptions:
    cluster = None if arguments.cluster is None else ClusterId(from_hex(arguments.cluster, 32, "cluster"))
    callees = tuple(ProgramId(from_hex(callee, 32, "callee")) for callee in arguments.callee)
    defaults = DeployOptions()
    return DeployOptions(
        cluster=cluster,
        callees=callees,
        fuel=defaults.fuel if arguments.fuel is None else arguments.fuel,
        timeout=arguments.timeout,
        private=arguments.private,
        seal_init=arguments.seal_init,
        policy=parse_policy(arguments.upgrade),
    )
