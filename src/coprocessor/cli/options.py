"""Options that several commands share."""

from __future__ import annotations

import argparse
import os

__all__ = ["add_author", "add_network", "network_of"]

DEFAULT_NETWORK = ".phat"


def add_network(parser: argparse.ArgumentParser) -> None:
    """``--network`` and ``--rpc``."""
    parser.add_argument(
        "--network",
        metavar="DIR|FILE|URL",
        help="the network's folder, network.json or URL (default: $PHAT_NETWORK, then ./.phat)",
    )
    parser.add_argument("--rpc", metavar="URL", help="node to use instead of the one that the network hints at")


def add_author(parser: argparse.ArgumentParser) -> None:
    """``--key``."""
    described = "who acts: a file with 64 hexadecimal digits (development networks have a default)"
    parser.add_argument("--key", metavar="FILE", help=described)


def network_of(arguments: argparse.Namespace) -> str:
    """The network that the command line, the environment or the default names."""
    named: str | None = arguments.network
    return named or os.environ.get("PHAT_NETWORK") or DEFAULT_NETWORK
