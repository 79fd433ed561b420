"""Options that several commands share."""

from __future__ import annotations

import argparse
import os

from coprocessor.values.errors import CallerMisuse

__all__ = ["add_author", "add_network", "network_of", "parse_address"]

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


def parse_address(text: str) -> tuple[str, int]:
    """Host and port of ``HOST:PORT``. Raises CallerMisuse."""
    host, colon, port = text.rpartition(":")
    if not colon or not host or not port.isdecimal() or int(port) > 65_535:
        raise CallerMisuse("usage", f"an address is HOST:PORT, not {text!r}")
    return host.removeprefix("[").removesuffix("]"), int(port)


def network_of(arguments: argparse.Namespace) -> str:
    """The network that the command line, the environment or the default names."""
    named: str | None = arguments.network
    return named or os.environ.get("PHAT_NETWORK") or DEFAULT_NETWORK
