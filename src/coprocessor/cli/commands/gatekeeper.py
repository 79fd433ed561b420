"""Runs a gatekeeper, or shows and changes the committee. A gatekeeper guards a share of the network's master key,
admits workers and gives them their keys. Its folder holds the sealed share, which its enclave alone can open; do not
lose it.

show: members, where they are reached, who answers, who is revoked. candidates: who could be one, by rule. refresh: new
shares for the same members. replace URL ...: another committee, named by its members' hosts (the proposer announces
it). revoke URL|KEY: end one (the guardian does). The gatekeepers do the rest by themselves; programs go on."""

from __future__ import annotations

import argparse
import logging
from pathlib import Path

from coprocessor.chain.keyfile import load_key_file
from coprocessor.cli.committee import ACTIONS, act, check_words
from coprocessor.cli.options import (
    DEFAULT_NETWORK,
    add_author,
    add_network,
    development_disk,
    network_of,
    parse_address,
    seconds,
)
from coprocessor.cli.screen import Screen
from coprocessor.cli.session import run_on_network
from coprocessor.client.target import read_description
from coprocessor.host.gatekeeper import run_gatekeeper
from coprocessor.host.gatekeeper_options import GatekeeperOptions
from coprocessor.host.renewal import REFRESH_SECONDS
from coprocessor.protocol.genesis import network_from_json
from coprocessor.values.errors import CallerMisuse
from coprocessor.values.identities import to_hex

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describes the command line."""
    parser.add_argument("action", nargs="?", choices=("run", *ACTIONS), default="run", help="default: run")
    parser.add_argument("who", nargs="*", metavar="WHO", help="replace: URLs of all next members; revoke: URL or key")
    parser.add_argument("--operator", metavar="KEYFILE", type=Path, help="run: owns the gatekeeper")
    folder = Path(DEFAULT_NETWORK) / "gatekeeper"
    parser.add_argument("--data", type=Path, default=folder, help="folder; made if missing")
    parser.add_argument("--listen", metavar="ADDR", default="127.0.0.1:0", help="HOST:PORT to serve on; port 0 is any")
    parser.add_argument("--endpoint", metavar="URL", help="under which others reach it (default: where it listens)")
    parser.add_argument("--platform", type=Path, metavar="DIR", help="folder of the simulated platform")
    parser.add_argument(
        "--refresh", type=int, default=REFRESH_SECONDS, metavar="SECONDS", help="run: new shares so often; 0: never"
    )
    parser.add_argument("--threshold", type=int, metavar="T", help="replace: members that must act together")
    parser.add_argument(
        "--wait", type=seconds, default=0.0, metavar="SECONDS", help="refresh, replace: until the switch"
    )
    parser.add_argument("--no-simulated", action="store_true", help="refuse to run without TEE hardware")
    add_network(parser)
    add_author(parser)


def run(arguments: argparse.Namespace, screen: Screen) -> int:
    """Serves until a signal, or does what is asked for."""
    if arguments.action != "run":
        check_words(arguments)
        return run_on_network(arguments, lambda net: act(net, arguments, screen))
    if arguments.operator is None:
        raise CallerMisuse(
            "gatekeeper.no_operator", "nobody owns this gatekeeper", next="name its operator's key file (--operator)"
        )
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    text = read_description(network_of(arguments))
    network, _ = network_from_json(text)
    options = GatekeeperOptions(
        network=text,
        operator=load_key_file(arguments.operator),
        data=arguments.data,
        listen=parse_address(arguments.listen),
        endpoint=arguments.endpoint,
        rpc=arguments.rpc,
        refresh_seconds=arguments.refresh,
        platform=arguments.platform,
        allow_simulated=not arguments.no_simulated,
        disk=development_disk(network.configuration.development),
    )
    screen.warn_simulated(network.configuration.allow_simulated)
    operator = to_hex(options.operator.address)
    run_gatekeeper(options, lambda endpoint: screen.say(f"gatekeeper of {operator} serves {endpoint}"))
    screen.finish({"ok": True})
    return 0
