"""Options that several commands share."""

from __future__ import annotations

import argparse
import math
import os
from pathlib import Path

from coprocessor.durable.crash import CrashPlan
from coprocessor.durable.disk import PLAIN_DISK, Disk
from coprocessor.values.errors import CallerMisuse

__all__ = ["add_author", "add_network", "development_disk", "network_of", "parse_address", "seconds", "whole"]

DEFAULT_NETWORK = ".phat"
_LONGEST = 1_000_000
_GREATEST = 1 << 96

CRASH_VARIABLE = "PHAT_CRASH_PLAN"
"""Environment variable that names the file of a planned crash; read on development networks alone."""


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


def seconds(text: str) -> float:
    """An argument's type: a duration. Raises ArgumentTypeError."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value <= _LONGEST:
        raise argparse.ArgumentTypeError(f"{text[:40]!r} is no number of seconds from 0 to {_LONGEST}")
    return value


def whole(text: str) -> int:
    """An argument's type: a number from 0 to 2**96. Raises ArgumentTypeError."""
    if not text.isascii() or not text.isdecimal() or len(text) > 29 or int(text) > _GREATEST:
        raise argparse.ArgumentTypeError(f"{text[:40]!r} is no whole number from 0 to 2**96")
    return int(text)


def parse_address(text: str) -> tuple[str, int]:
    """Host and port of ``HOST:PORT``. Raises CallerMisuse."""
    host, colon, port = text.rpartition(":")
    if not colon or not host or not port.isascii() or not port.isdecimal() or len(port) > 5 or int(port) > 65_535:
        raise CallerMisuse("usage", f"an address is HOST:PORT, not {text!r}")
    return host.removeprefix("[").removesuffix("]"), int(port)


def network_of(arguments: argparse.Namespace) -> str:
    """The network that the command line, the environment or the default names."""
    named: str | None = arguments.network
    return named or os.environ.get("PHAT_NETWORK") or DEFAULT_NETWORK


def development_disk(is_development: bool) -> Disk:
    """The disk of a process; on a development network one that crashes where a test plans it (``durable.crash``)."""
    plan = os.environ.get(CRASH_VARIABLE) if is_development else None
    return Disk(CrashPlan(Path(plan))) if plan else PLAIN_DISK
