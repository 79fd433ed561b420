"""What the chain says is proven; what processes say of themselves is their word. Exit status 1 where one of them does
not answer."""

from __future__ import annotations

import argparse
from dataclasses import asdict

from coprocessor.cli.options import add_network
from coprocessor.cli.screen import Screen
from coprocessor.cli.session import run_on_network
from coprocessor.client.network import AsyncNetwork
from coprocessor.client.status import NetworkStatus, look_at
from coprocessor.values.identities import to_hex

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describes the command line."""
    add_network(parser)


def run(arguments: argparse.Namespace, screen: Screen) -> int:
    """Shows the network."""

    async def work(net: AsyncNetwork) -> int:
        with screen.progress("looking"):
            status = await look_at(net.session)
        is_whole = all(process.pid is not None for process in status.processes)
        _show(net.id, status, screen)
        screen.finish(_fields(status, is_whole))
        return 0 if is_whole else 1

    return run_on_network(arguments, work)


def _show(network: str, status: NetworkStatus, screen: Screen) -> None:
    screen.say(f"network {network}")
    screen.say(f"chain {status.chain_id}, block {status.block}, finalised {status.finalized}")
    committee = status.committee
    screen.say(f"gatekeepers {committee.threshold} of {committee.members} must act, {committee.answering} answer")
    for process in status.processes:
        pids = f"pid {process.pid}, enclave {process.enclave_pid}" if process.pid is not None else "NOT ANSWERING"
        screen.say(f"{process.role:10} {process.endpoint}  {pids}  {process.state}")
    for cluster in status.clusters:
        screen.say(f"cluster {to_hex(cluster.id)}, epoch {cluster.epoch}, {len(cluster.members)} worker(s)")
        screen.say(f"  {cluster.settled} of {cluster.links} links settled, state {to_hex(cluster.state_root)}")
        if cluster.overdue:
            screen.say("  ALARM: older epochs should have been closed by now; phat epoch says what is missing")
        if cluster.runtime.announced is not None:
            lacking = "; this release LACKS it" if cluster.runtime.is_lacking else ""
            screen.say(f"  its next runtime is announced{lacking}: phat cluster runtime")
    screen.warn_simulated(status.simulated)


def _fields(status: NetworkStatus, is_whole: bool) -> dict[str, object]:
    clusters = [
        {
            "id": cluster.id,
            "epoch": cluster.epoch,
            "index": cluster.settled,
            "links": cluster.links,
            "state_root": cluster.state_root,
            "epochs_overdue": cluster.overdue,
            "next_runtime": cluster.runtime.announced,
            "runtime_lacking": cluster.runtime.is_lacking,
            "workers": list(cluster.members),
        }
        for cluster in status.clusters
    ]
    return {
        "ok": is_whole,
        "chain_id": status.chain_id,
        "block": status.block,
        "finalized": status.finalized,
        "simulated": status.simulated,
        "committee": asdict(status.committee),
        "processes": [asdict(process) for process in status.processes],
        "clusters": clusters,
    }
