"""A stranger's machine joins with nothing but the network's description and its operator's key. The folder holds a
cache and the simulated platform; everything in it can be lost."""

from __future__ import annotations

import argparse
import logging
from pathlib import Path

from coprocessor.chain.keyfile import load_key_file
from coprocessor.cli.options import DEFAULT_NETWORK, add_network, development_disk, network_of, parse_address, whole
from coprocessor.cli.screen import Screen
from coprocessor.client.target import read_description
from coprocessor.host.worker import run_worker
from coprocessor.host.worker_options import WorkerOptions
from coprocessor.protocol.genesis import network_from_json
from coprocessor.values.identities import ClusterId, from_hex, to_hex

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describes the command line."""
    parser.add_argument("--operator", metavar="KEYFILE", required=True, type=Path, help="owns the worker and pays")
    parser.add_argument("--data", type=Path, default=Path(DEFAULT_NETWORK) / "worker", help="folder; made if missing")
    parser.add_argument("--listen", metavar="ADDR", default="127.0.0.1:0", help="HOST:PORT to serve on; port 0 is any")
    parser.add_argument("--endpoint", metavar="URL", help="under which others reach it (default: where it listens)")
    parser.add_argument("--cluster", metavar="ID", help="cluster to join (default: the one in the network's file)")
    parser.add_argument("--platform", type=Path, metavar="DIR", help="folder of the simulated platform")
    parser.add_argument("--no-simulated", action="store_true", help="refuse to run without TEE hardware")
    parser.add_argument(
        "--hold-settlement-after",
        type=whole,
        metavar="LINKS",
        help="development networks: settle no link beyond so many",
    )
    add_network(parser)


def run(arguments: argparse.Namespace, screen: Screen) -> int:
    """Serves until a signal."""
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    text = read_description(network_of(arguments))
    network, _ = network_from_json(text)
    options = WorkerOptions(
        network=text,
        operator=load_key_file(arguments.operator),
        data=arguments.data,
        listen=parse_address(arguments.listen),
        endpoint=arguments.endpoint,
        rpc=arguments.rpc,
        cluster=None if arguments.cluster is None else ClusterId(from_hex(arguments.cluster, 32, "cluster")),
        platform=arguments.platform,
        allow_simulated=not arguments.no_simulated,
        hold_settlement_after=arguments.hold_settlement_after,
        disk=development_disk(network.configuration.development),
    )
    screen.warn_simulated(network.configuration.allow_simulated)
    run_worker(options, lambda endpoint: screen.say(f"worker of {to_hex(options.operator.address)} serves {endpoint}"))
    screen.finish({"ok": True})
    return 0
