"""Shows where a program's keys come from and who could ever have had them: the master key's committees, the cluster,
each epoch with its members of then, the recorded input keys, and what would stay exposed if one of these keys leaked.
The whole network is verified from the chain first (phat network verify); nobody's word is taken."""

from __future__ import annotations

import argparse
import asyncio
import time
from dataclasses import asdict

from coprocessor.audit.lineage import CommitteeLineage, EpochLineage, Holder, ProgramLineage, compute_lineage
from coprocessor.cli.options import add_network, network_of
from coprocessor.cli.screen import Screen
from coprocessor.cli.ticker import Ticker
from coprocessor.client.audit import replay_network
from coprocessor.client.target import load_target
from coprocessor.values.identities import ProgramId, from_hex, to_hex

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describes the command line."""
    parser.add_argument("action", choices=("lineage",), help="what to show")
    parser.add_argument("program", metavar="PROGRAM", help="the program's id")
    add_network(parser)


def run(arguments: argparse.Namespace, screen: Screen) -> int:
    """Shows a lineage."""
    program = ProgramId(from_hex(arguments.program, 32, "program id"))
    target = load_target(network_of(arguments))
    state = asyncio.run(replay_network(target, arguments.rpc, Ticker(screen, "verifying")))
    lineage = compute_lineage(state, program)
    _show(lineage, screen)
    screen.warn_simulated(lineage.simulated)
    screen.finish({"ok": True, **asdict(lineage)})
    return 0


def _show(lineage: ProgramLineage, screen: Screen) -> None:
    screen.say(f"network {to_hex(lineage.network)}")
    screen.say(f"  master key {_short(lineage.master_key)}, never in one place; shares were held by")
    for committee in lineage.committees:
        _show_committee(committee, screen)
    screen.say(f"  cluster {to_hex(lineage.cluster)}, owner {to_hex(lineage.cluster_owner)}")
    screen.say(f"    program {to_hex(lineage.program)}")
    screen.say(f"      owner {to_hex(lineage.owner)}, code {_short(lineage.code_hash)}, since {_time(lineage.created)}")
    for version in lineage.versions:
        screen.say(f"      code {_short(version.code_hash)} from link {version.link}, {_time(version.since)}")
    if lineage.waiting is not None:
        code_hash, ready, expires = lineage.waiting
        screen.say(f"      code {_short(code_hash)} announced: may take effect {_time(ready)} to {_time(expires)}")
    for epoch in lineage.epochs:
        _show_epoch(epoch, screen)
    screen.say("if one of these leaked")
    for leak in lineage.leaks:
        screen.say(f"  {leak.key}")
        screen.say(f"      opens: {leak.opens}")
        screen.say(f"      not:   {leak.not_opened}")


def _show_committee(committee: CommitteeLineage, screen: Screen) -> None:
    until = "today" if committee.until is None else _time(committee.until)
    holders = sum(member.has_share for member in committee.members)
    screen.say(
        f"    committee {committee.number}: {committee.threshold} of {len(committee.members)} must act, {holders} with "
        f"shares, {_time(committee.since)} to {until}"
    )
    for member in committee.members:
        vendor = member.vendor or "hardware unknown to the chain"
        share = "" if member.has_share else ", without a share"
        screen.say(f"      gatekeeper {to_hex(member.signer)} of operator {to_hex(member.operator)}, {vendor}{share}")


def _show_epoch(epoch: EpochLineage, screen: Screen) -> None:
    closed = "open" if epoch.closed is None else f"closed {_time(epoch.closed)}"
    screen.say(f"      epoch {epoch.epoch}: {_time(epoch.began)}, {closed}, quorum {epoch.quorum}")
    key = f"{_short(epoch.input_key)}, signed by {epoch.input_key_signers}" if epoch.input_key else "not recorded"
    screen.say(f"        input key {key}; inputs: {epoch.items} in links: {epoch.links}, sealed bytes: {epoch.size}")
    if epoch.account_signer is not None:
        screen.say(f"        account signer {to_hex(epoch.account_signer)}")
    for holder in epoch.holders:
        screen.say(f"        could have had its keys: {_holder(holder)}")


def _holder(holder: Holder) -> str:
    left = "" if holder.left is None else f", left {_time(holder.left)}"
    simulated = ", SIMULATED" if holder.simulated else ""
    return (
        f"worker {_short(holder.worker)} of {to_hex(holder.operator)}, {holder.vendor}, level {holder.level}{simulated}"
        f", {holder.state}, joined {_time(holder.joined)}{left}"
    )


def _short(data: bytes) -> str:
    return f"{to_hex(data[:8])}…"


def _time(seconds: int) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(seconds))
