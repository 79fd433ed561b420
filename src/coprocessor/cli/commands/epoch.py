"""Shows a cluster's epochs, or raises one: new keys from the next link on. What was sealed to older keys is taken for a
short grace; state is sealed again link by link; then a quorum closes the older epochs, whose keys nobody gets any more.
Raising is for the cluster's owner and the network's guardian."""

from __future__ import annotations

import argparse
import asyncio
import time

from coprocessor.chain.instants import show_time
from coprocessor.cli.options import add_author, add_network
from coprocessor.cli.screen import Screen
from coprocessor.cli.session import run_on_network
from coprocessor.client.clusters import choose_cluster
from coprocessor.client.epochs import ClusterEpochs, look_at_epochs, owner_key, raise_epoch
from coprocessor.client.network import AsyncNetwork
from coprocessor.values.errors import PeerUnreachable
from coprocessor.values.identities import ClusterId, to_hex

__all__ = ["add_arguments", "run"]

_LOOK_SECONDS = 0.5


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describes the command line."""
    parser.add_argument("action", nargs="?", choices=("show", "raise"), default="show", help="default: show")
    parser.add_argument("--cluster", metavar="ID", help="default: the network's only one")
    parser.add_argument(
        "--wait", type=float, default=0.0, metavar="SECONDS", help="after raising, wait until older epochs are closed"
    )
    add_network(parser)
    add_author(parser)


def run(arguments: argparse.Namespace, screen: Screen) -> int:
    """Shows or raises."""

    async def work(net: AsyncNetwork) -> int:
        cluster = await choose_cluster(net.session, arguments.cluster)
        if arguments.action == "raise":
            author = net.author if arguments.key else await owner_key(net.session, cluster) or net.author
            epoch = await raise_epoch(net.session, cluster, author)
            screen.say(f"epoch {epoch} has begun")
            await _wait(net, cluster, epoch, arguments.wait, screen)
        epochs = await look_at_epochs(net.session, cluster)
        _show(epochs, screen)
        screen.warn_simulated(net.simulated)
        screen.finish(_fields(epochs, net.simulated))
        return 0

    return run_on_network(arguments, work)


async def _wait(net: AsyncNetwork, cluster: ClusterId, epoch: int, seconds: float, screen: Screen) -> None:
    if seconds <= 0:
        return
    deadline = time.monotonic() + seconds
    with screen.progress("waiting for the older epochs to be closed"):
        while (await look_at_epochs(net.session, cluster)).first_open < epoch:
            if time.monotonic() > deadline:
                raise PeerUnreachable(
                    "epoch.not_closed",
                    f"epochs before {epoch} are not closed after {seconds:.0f} s",
                    "inputs sealed to them are still taken, entries are still under their keys, or workers are missing",
                    "look again with phat epoch",
                )
            await asyncio.sleep(_LOOK_SECONDS)


def _show(epochs: ClusterEpochs, screen: Screen) -> None:
    screen.say(f"cluster {to_hex(epochs.cluster)}")
    for record in epochs.epochs:
        state = "present" if record.epoch == epochs.present else "open" if record.is_open else "closed"
        began = show_time(record.raised)
        screen.say(f"  epoch {record.epoch}: from link {record.start}, {began}, {state}")
    if epochs.due is not None:
        _show_open(epochs, epochs.due, screen)
    if epochs.boundary_links:
        screen.say(f"  checkpoint {to_hex(epochs.checkpoint)} after {epochs.boundary_links} links")


def _show_open(epochs: ClusterEpochs, due: int, screen: Screen) -> None:
    by = show_time(due)
    days, minutes = epochs.closing // 86_400, epochs.closing // 60
    span = f"{days} days" if days else f"{minutes} minutes (development)"
    if epochs.is_overdue:
        screen.say(f"  ALARM: the epochs before {epochs.present} should have been closed within {span}, by {by}")
    else:
        screen.say(f"  the epochs before {epochs.present} should be closed within {span}, by {by}")
    for url, code, what in epochs.missing:
        screen.say(f"    {url}: {code}: {what}")


def _fields(epochs: ClusterEpochs, simulated: bool) -> dict[str, object]:
    return {
        "ok": True,
        "cluster": epochs.cluster,
        "present": epochs.present,
        "first_open": epochs.first_open,
        "epochs": [
            {"epoch": record.epoch, "start": record.start, "raised": record.raised, "open": record.is_open}
            for record in epochs.epochs
        ],
        "due": epochs.due,
        "overdue": epochs.is_overdue,
        "missing": [{"endpoint": url, "code": code, "what": what} for url, code, what in epochs.missing],
        "boundary_links": epochs.boundary_links,
        "checkpoint": epochs.checkpoint,
        "simulated": simulated,
    }
