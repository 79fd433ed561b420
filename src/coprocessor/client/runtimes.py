"""The runtime of a cluster and the one that is announced for its next epochs (PROTOCOL 12)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from coprocessor.client.chain_state import wait_for
from coprocessor.client.session import Session
from coprocessor.crypto.secp256k1 import PrivateKey
from coprocessor.protocol import layout
from coprocessor.sandbox.runtime import release_runtimes
from coprocessor.values.errors import CallerMisuse
from coprocessor.values.identities import ClusterId, RuntimeId, to_hex

__all__ = ["ClusterRuntime", "announce_runtime", "choose_next", "look_at_runtime", "withdraw_runtime"]

_FINAL_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class ClusterRuntime:
    """What a cluster runs, and is going to run, under one finalised block.

    Args:
        cluster: 32 bytes.
        epoch: the present one.
        runtime: 32 bytes, of the present epoch.
        announced: 32 bytes, for the first epoch that begins at ``ready`` or later; None where none is.
        ready: seconds since 1970.
        now: timestamp of that block, seconds since 1970.
        carried: runtimes of this release, 32 bytes each; the first is that of new clusters.
    """

    cluster: ClusterId
    epoch: int
    runtime: RuntimeId
    announced: RuntimeId | None
    ready: int
    now: int
    carried: tuple[RuntimeId, ...]

    @property
    def is_lacking(self) -> bool:
        """A runtime is announced that this release does not carry: workers of it will stop before that epoch."""
        return self.announced is not None and self.announced not in self.carried

    @property
    def is_carried(self) -> bool:
        """This release carries what the cluster runs, so that its workers can join."""
        return self.runtime in self.carried


async def look_at_runtime(session: Session, cluster: ClusterId) -> ClusterRuntime:
    """All of it proven. Raises CallerMisuse where there is no such cluster (``cluster.unknown``)."""
    own = {name: layout.cluster_field(cluster, name) for name in ("epoch", "runtime")}
    waiting = {name: layout.cluster_next_runtime(cluster, name) for name in ("runtime", "ready")}
    proven = await session.chain.prove({"Clusters": [*own.values(), *waiting.values()]})
    if proven.value("Clusters", own["epoch"]) == 0:
        raise CallerMisuse("cluster.unknown", f"the network has no cluster {to_hex(cluster)}", next="see phat cluster")
    announced = proven.digest("Clusters", waiting["runtime"])
    return ClusterRuntime(
        cluster,
        proven.value("Clusters", own["epoch"]),
        RuntimeId(proven.digest("Clusters", own["runtime"])),
        RuntimeId(announced) if any(announced) else None,
        proven.value("Clusters", waiting["ready"]),
        proven.head.header.timestamp,
        release_runtimes().ids,
    )


def choose_next(present: ClusterRuntime, wanted: RuntimeId | None, *, is_forced: bool = False) -> RuntimeId:
    """The runtime to announce: what is asked for, or the other one of this release.

    Raises:
        CallerMisuse: ``runtime.none``: this release carries no other; ``runtime.unknown``: it does not carry that one,
            and nobody insists.
    """
    others = [one for one in present.carried if one != present.runtime]
    carried = ", ".join(map(to_hex, present.carried))
    if wanted is None:
        if len(others) != 1:
            raise CallerMisuse(
                "runtime.none", "there is no other runtime in this release", f"it has {carried}", "name one by its id"
            )
        return others[0]
    if wanted not in present.carried and not is_forced:
        raise CallerMisuse(
            "runtime.unknown",
            f"this release does not carry runtime {to_hex(wanted)}",
            f"it carries {carried}; a runtime that no member has stops the cluster at the epoch that takes it",
            "use a release that carries it, or insist with --even-unknown",
        )
    return wanted


async def announce_runtime(
    session: Session, cluster: ClusterId, author: PrivateKey, runtime: RuntimeId, delay: int | None
) -> None:
    """Announces a runtime; returns once that is final.

    Args:
        delay: seconds, at least the network's; None for just that.

    Raises:
        TransactionReverted: the author does not own the cluster, the cluster has that runtime, or the delay is too
            short or too long.
    """
    clusters = session.contracts["Clusters"]
    least: int = await clusters.read("DELAY")
    await _send(session, author, "announce_runtime", cluster, runtime, least if delay is None else delay)


async def withdraw_runtime(session: Session, cluster: ClusterId, author: PrivateKey) -> None:
    """Takes the announcement back; returns once that is final. Raises TransactionReverted where there is none."""
    await _send(session, author, "withdraw_runtime", cluster)


async def _send(session: Session, author: PrivateKey, function: str, *arguments: object) -> None:
    clusters = session.contracts["Clusters"]
    sent = await session.sender(author).send(clusters.address, clusters.encode(function, *arguments))
    reached = partial(session.chain.reach, sent.block_number)
    await wait_for(reached, _FINAL_SECONDS, "cluster.not_final", f"block {sent.block_number} is not final yet")
