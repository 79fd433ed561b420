"""A whole network on this machine, in the foreground: an interrupt stops it, the next start on the same folder goes
on where it stopped. All of it is for development: its hardware is simulated and its accounts are known to everybody."""

from __future__ import annotations

import argparse
from pathlib import Path

from coprocessor.chain.development import development_keys
from coprocessor.cli.options import DEFAULT_NETWORK, development_disk, seconds, whole
from coprocessor.cli.screen import SIMULATED, Screen
from coprocessor.host.supervisor import Summary, UpOptions, run_up
from coprocessor.values.errors import CoprocessorError
from coprocessor.values.identities import from_hex, to_hex
from coprocessor.values.network import Custodian

__all__ = ["add_arguments", "parse_custodian", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describes the command line."""
    parser.add_argument("--data", type=Path, default=Path(DEFAULT_NETWORK), help="folder (default: ./.phat)")
    parser.add_argument("--workers", type=whole, default=1, metavar="N", help="how many (default 1)")
    parser.add_argument("--clusters", type=whole, default=1, metavar="N", help="workers take turns (default 1)")
    parser.add_argument("--gatekeepers", type=whole, default=1, metavar="N", help="how many (default 1)")
    parser.add_argument("--threshold", type=whole, metavar="T", help="gatekeepers that must act together")
    parser.add_argument(
        "--custody",
        type=parse_custodian,
        default=Custodian("file"),
        metavar="file|none|C:KEY,KEY,...",
        help="what brings gatekeepers' shares back after a loss of all power: each disk by itself, nothing, or C of the"
        " offline keys together (default: file)",
    )
    parser.add_argument("--chain", default="embedded", metavar="embedded|anvil|URL", help="default: embedded")
    parser.add_argument("--no-simulated", action="store_true", help="refuse to run without TEE hardware")
    parser.add_argument("--finality-lag", type=whole, default=0, metavar="N", help="of the embedded chain")
    parser.add_argument("--block-time", type=seconds, metavar="SECONDS", help="of the embedded chain")


def parse_custodian(text: str) -> Custodian:
    """What ``--custody`` names. Raises argparse.ArgumentTypeError."""
    threshold, _, keys = text.partition(":")
    try:
        if not keys:
            return Custodian(text)
        return Custodian("keys", int(threshold), tuple(from_hex(key, 32, "custodian's key") for key in keys.split(",")))
    except (ValueError, CoprocessorError) as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def run(arguments: argparse.Namespace, screen: Screen) -> int:
    """Runs until a signal."""
    options = UpOptions(
        data=arguments.data,
        workers=arguments.workers,
        clusters=arguments.clusters,
        gatekeepers=arguments.gatekeepers,
        threshold=arguments.threshold,
        custodian=arguments.custody,
        chain=arguments.chain,
        allow_simulated=not arguments.no_simulated,
        finality_lag=arguments.finality_lag,
        block_time=arguments.block_time,
        disk=development_disk(True),
    )
    run_up(options, lambda summary: _show(summary, screen), screen.note)
    return 0


def _show(summary: Summary, screen: Screen) -> None:
    screen.say(f"network  {to_hex(summary.network)}")
    screen.say(f"file     {summary.file}")
    screen.say(f"RPC      {summary.rpc}   chain id {summary.chain_id}")
    for cluster in summary.clusters:
        screen.say(f"cluster  {to_hex(cluster)}")
    screen.say(f"committee {summary.threshold} of {len(summary.gatekeepers)} gatekeepers must act together")
    for url in summary.gatekeepers:
        screen.say(f"gatekeeper {url}")
    for url in summary.workers:
        screen.say(f"worker   {url}")
    screen.say("contracts")
    for name, address in summary.contracts:
        screen.say(f"  {name:12} {to_hex(address)}")
    screen.say("accounts, with keys that everybody knows; the last one deploys")
    for key in development_keys():
        screen.say(f"  {to_hex(key.address)}  {to_hex(key.secret)}")
    if summary.simulated:
        screen.say(SIMULATED)
    screen.say("ready: phat deploy PATH   (interrupt to stop)")
    screen.finish(
        {
            "ok": True,
            "network": summary.network,
            "file": str(summary.file),
            "rpc": summary.rpc,
            "chain_id": summary.chain_id,
            "cluster": summary.clusters[0],
            "clusters": summary.clusters,
            "gatekeepers": summary.gatekeepers,
            "threshold": summary.threshold,
            "workers": summary.workers,
            "contracts": dict(summary.contracts),
            "accounts": summary.accounts,
            "simulated": summary.simulated,
        }
    )
