"""A gatekeeper guards a share of the network's master key, admits workers and gives them their keys. Its folder holds
the sealed share, which its enclave alone can open; do not lose it."""

from __future__ import annotations

import argparse
import logging
from pathlib import Path

from coprocessor.chain.keyfile import load_key_file
from coprocessor.cli.options import DEFAULT_NETWORK, add_network, development_disk, network_of, parse_address
from coprocessor.cli.screen import Screen
from coprocessor.client.target import read_description
from coprocessor.host.gatekeeper import run_gatekeeper
from coprocessor.host.gatekeeper_options import GatekeeperOptions
from coprocessor.protocol.genesis import network_from_json
from coprocessor.values.identities import to_hex

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describes the command line."""
    parser.add_argument("--operator", metavar="KEYFILE", required=True, type=Path, help="owns the gatekeeper")
    folder = Path(DEFAULT_NETWORK) / "gatekeeper"
    parser.add_argument("--data", type=Path, default=folder, help="folder; made if missing")
    parser.add_argument("--listen", metavar="ADDR", default="127.0.0.1:0", help="HOST:PORT to serve on; port 0 is any")
    parser.add_argument("--endpoint", metavar="URL", help="under which others reach it (default: where it listens)")
    parser.add_argument("--platform", type=Path, metavar="DIR", help="folder of the simulated platform")
    parser.add_argument("--no-simulated", action="store_true", help="refuse to run without TEE hardware")
    add_network(parser)


def run(arguments: argparse.Namespace, screen: Screen) -> int:
    """Serves until a signal."""
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
        platform=arguments.platform,
        allow_simulated=not arguments.no_simulated,
        disk=development_disk(network.configuration.development),
    )
    screen.warn_simulated(network.configuration.allow_simulated)
    operator = to_hex(options.operator.address)
    run_gatekeeper(options, lambda endpoint: screen.say(f"gatekeeper of {operator} serves {endpoint}"))
    screen.finish({"ok": True})
    return 0
