"""Lists the network's clusters, shows one, or creates one. Whoever creates a cluster owns it: its terms are fixed then,
and its owner raises epochs, removes members and, where it is closed, lets workers in. Workers join with
phat worker --cluster ID, programs come by phat deploy --cluster ID.

  runtime [show]          what the cluster runs, what is announced, and what this release carries
  runtime announce [ID]   the first epoch after the delay has another runtime: this release's other one, or ID (owner)
  runtime withdraw        takes that back, before an epoch has it (owner)

The switch is an epoch's link: phat epoch raise makes it, once the delay is over."""

from __future__ import annotations

import argparse
from typing import Any

from coprocessor.chain.deployment import ClusterTerms
from coprocessor.cli.cluster_runtime import check_words, run_runtime
from coprocessor.cli.options import add_author, add_network, whole
from coprocessor.cli.screen import Screen
from coprocessor.cli.session import run_on_network
from coprocessor.client.clusters import ClusterRecord, choose_cluster, create, list_clusters, look_at_cluster
from coprocessor.client.network import AsyncNetwork
from coprocessor.sandbox.runtime import release_runtimes
from coprocessor.values.errors import CallerMisuse
from coprocessor.values.identities import to_hex

__all__ = ["add_arguments", "run"]

_MAX_QUORUM = 16
_MAX_WINDOW = 1 << 32


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describes the command line."""
    actions = ("list", "show", "create", "runtime")
    parser.add_argument("action", nargs="?", choices=actions, default="list", help="default: list")
    parser.add_argument("values", nargs="*", metavar="VALUE", help="of runtime: show, announce [ID] or withdraw")
    parser.add_argument("--cluster", metavar="ID", help="to show; default: the network's only one")
    parser.add_argument("--quorum", type=whole, default=1, metavar="K", help="operators that settle (default 1)")
    parser.add_argument(
        "--fast-quorum", type=whole, metavar="K", help="operators that settle for good at once (default: the quorum)"
    )
    parser.add_argument("--dispute-window", type=whole, default=0, metavar="BLOCKS", help="default 0")
    parser.add_argument("--closed", action="store_true", help="workers join with the owner's approval alone")
    parser.add_argument(
        "--delay", type=whole, metavar="SECONDS", help="until an announced runtime is taken (default: the least)"
    )
    parser.add_argument("--even-unknown", action="store_true", help="announce a runtime that this release lacks")
    add_network(parser)
    add_author(parser)


def run(arguments: argparse.Namespace, screen: Screen) -> int:
    """Lists, shows or creates; or looks at the runtime and changes it."""
    words = check_words(arguments.action, arguments.values)

    async def work(net: AsyncNetwork) -> int:
        if arguments.action == "list":
            records = [await look_at_cluster(net.session, one) for one in await list_clusters(net.session)]
            for record in records:
                _show(record, screen)
            fields: dict[str, Any] = {"clusters": [_fields(record) for record in records]}
        elif arguments.action == "runtime":
            chosen = await choose_cluster(net.session, arguments.cluster)
            fields = await run_runtime(net, chosen, arguments, words, screen)
        else:
            if arguments.action == "create":
                cluster = await create(net.session, net.author, _terms(arguments))
            else:
                cluster = await choose_cluster(net.session, arguments.cluster)
            record = await look_at_cluster(net.session, cluster)
            _show(record, screen)
            fields = _fields(record)
        screen.warn_simulated(net.simulated)
        screen.finish({"ok": True, **fields, "simulated": net.simulated})
        return 0

    return run_on_network(arguments, work)


def _terms(arguments: argparse.Namespace) -> ClusterTerms:
    """The terms of a cluster that runs this release. Raises CallerMisuse (``cluster.terms``)."""
    quorum, window = arguments.quorum, arguments.dispute_window
    fast = quorum if arguments.fast_quorum is None else arguments.fast_quorum
    if not 1 <= quorum <= fast <= _MAX_QUORUM or window > _MAX_WINDOW:
        raise CallerMisuse(
            "cluster.terms",
            f"no cluster can have quorum {quorum}, fast quorum {fast} and a dispute window of {window} blocks",
            next=f"1 <= quorum <= fast quorum <= {_MAX_QUORUM}, and at most 2**32 blocks",
        )
    runtime = release_runtimes().first.id
    return ClusterTerms(runtime, quorum, fast, window, not arguments.closed)


def _show(record: ClusterRecord, screen: Screen) -> None:
    terms = record.terms
    screen.say(f"cluster {to_hex(record.id)}")
    screen.say(f"  owner {to_hex(record.owner)}, {'open' if terms.is_open else 'closed'}, {record.members} worker(s)")
    screen.say(f"  quorum {terms.quorum}, fast {terms.fast_quorum}, dispute window {terms.dispute_window} blocks")
    screen.say(f"  epoch {record.epoch}, {record.settled} of {record.links} links settled")


def _fields(record: ClusterRecord) -> dict[str, Any]:
    terms = record.terms
    return {
        "cluster": record.id,
        "owner": record.owner,
        "quorum": terms.quorum,
        "fast_quorum": terms.fast_quorum,
        "dispute_window": terms.dispute_window,
        "open": terms.is_open,
        "runtime": terms.runtime,
        "members": record.members,
        "epoch": record.epoch,
        "first_open": record.first_open,
        "links": record.links,
        "settled": record.settled,
    }
