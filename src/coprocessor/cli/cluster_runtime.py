"""``phat cluster runtime``: what a cluster runs, and what it runs next."""

from __future__ import annotations

import argparse
from typing import Any

from coprocessor.chain.instants import show_time
from coprocessor.cli.screen import Screen
from coprocessor.client.epochs import owner_key
from coprocessor.client.network import AsyncNetwork
from coprocessor.client.runtimes import (
    ClusterRuntime,
    announce_runtime,
    choose_next,
    look_at_runtime,
    withdraw_runtime,
)
from coprocessor.values.errors import CallerMisuse
from coprocessor.values.identities import ClusterId, RuntimeId, from_hex, to_hex

__all__ = ["check_words", "run_runtime"]

_ACTIONS = ("show", "announce", "withdraw")


def check_words(action: str, values: list[str]) -> tuple[str, RuntimeId | None]:
    """What is to be done with the runtime, and with which one. Raises CallerMisuse (``usage``), MalformedInput."""
    if action != "runtime":
        if values:
            raise CallerMisuse("usage", f"{action} takes no values", next="see phat cluster --help")
        return "", None
    what, *ids = values or ["show"]
    if what not in _ACTIONS or len(ids) > (what == "announce"):
        raise CallerMisuse(
            "usage",
            f"phat cluster runtime does not know {' '.join(values)[:80]!r}",
            next="phat cluster runtime [show | announce [ID] | withdraw]",
        )
    return what, RuntimeId(from_hex(ids[0], 32, "runtime")) if ids else None


async def run_runtime(
    net: AsyncNetwork,
    cluster: ClusterId,
    arguments: argparse.Namespace,
    words: tuple[str, RuntimeId | None],
    screen: Screen,
) -> dict[str, Any]:
    """Shows, announces or withdraws; the fields of what the chain then says."""
    what, wanted = words
    if what != "show":
        author = net.author if arguments.key else await owner_key(net.session, cluster) or net.author
        before = await look_at_runtime(net.session, cluster)
        runtime = choose_next(before, wanted, is_forced=arguments.even_unknown) if what == "announce" else None
        with screen.progress("waiting until it is final"):
            if runtime is None:
                await withdraw_runtime(net.session, cluster, author)
            else:
                await announce_runtime(net.session, cluster, author, runtime, arguments.delay)
    found = await look_at_runtime(net.session, cluster)
    _show(found, screen)
    return _fields(found)


def _show(found: ClusterRuntime, screen: Screen) -> None:
    screen.say(f"cluster {to_hex(found.cluster)}, epoch {found.epoch}")
    screen.say(f"  runtime {to_hex(found.runtime)}{_note(found.runtime, found)}")
    if found.announced is not None:
        when = show_time(found.ready)
        due = "from its next epoch on" if found.ready <= found.now else f"from its first epoch after {when} on"
        screen.say(f"  {due}: {to_hex(found.announced)}{_note(found.announced, found)}")
    if found.is_lacking:
        screen.say("  WARNING: workers of this release stop before that epoch; install a release that carries it")
    for runtime in found.carried:
        screen.say(f"  this release carries {to_hex(runtime)}")


def _note(runtime: RuntimeId, found: ClusterRuntime) -> str:
    return "" if runtime in found.carried else ", which this release lacks"


def _fields(found: ClusterRuntime) -> dict[str, Any]:
    return {
        "cluster": found.cluster,
        "epoch": found.epoch,
        "runtime": found.runtime,
        "announced": found.announced,
        "ready": found.ready if found.announced is not None else None,
        "lacking": found.is_lacking,
        "carried": list(found.carried),
    }
