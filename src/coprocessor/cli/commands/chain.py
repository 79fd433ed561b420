"""An Ethereum chain in one process for development: blocks as transactions come, proofs, sealed headers, one folder
that survives everything. With --upstream URL it serves another node and adds sealed headers to it."""

from __future__ import annotations

import argparse
import logging
from pathlib import Path

from coprocessor.cli.options import DEFAULT_NETWORK, development_disk, seconds, whole
from coprocessor.cli.screen import Screen
from coprocessor.devnode.errors import StartFailed
from coprocessor.devnode.options import DEVELOPMENT_CHAIN_ID, NodeOptions
from coprocessor.devnode.process import run_node
from coprocessor.values.errors import CallerMisuse

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describes the command line."""
    parser.add_argument("--data", type=Path, default=Path(DEFAULT_NETWORK) / "chain", help="folder; made if missing")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument("--port", type=whole, default=8545, help="TCP port; 0 picks a free one")
    parser.add_argument("--chain-id", type=whole, default=DEVELOPMENT_CHAIN_ID, help="id of a new chain")
    parser.add_argument("--finality-lag", type=whole, default=0, metavar="N", help="finalised = newest - 2N blocks")
    parser.add_argument("--block-time", type=seconds, metavar="SECONDS", help="mine at this interval")
    parser.add_argument("--sealer-key", type=Path, metavar="FILE", help="default: made once in the folder")
    parser.add_argument("--upstream", metavar="URL", help="serve another node and add sealed headers to it")


def run(arguments: argparse.Namespace, screen: Screen) -> int:
    """Serves until a signal."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    fields = {name: value for name, value in vars(arguments).items() if name != "json"}
    try:
        run_node(NodeOptions(**fields, disk=development_disk(True)))
    except StartFailed as error:
        raise CallerMisuse("chain.start", str(error), next="see phat chain --help") from error
    screen.finish({"ok": True})
    return 0
