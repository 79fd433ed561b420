"""What a member's host watches about its cluster's epochs: that older ones are closed in time, and that whoever is out
gets no later keys.

1. An older epoch that is not closed in the network's time is an alarm, with what is missing (PROTOCOL 8.4).
2. Where a member was removed or is revoked, new keys are due: a member sends ``Clusters.contain``, in turns, after a
   moment in which further removals may come. Members that stay must be a quorum; else people decide.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

from coprocessor.chain.errors import TransactionReverted
from coprocessor.host.link_feed import LinkFeed
from coprocessor.host.settler import TURN_SECONDS, turn_of
from coprocessor.host.worker_options import Surroundings
from coprocessor.protocol.closing import closing_seconds
from coprocessor.values.errors import CoprocessorError, PeerUnreachable
from coprocessor.values.identities import WorkerId

__all__ = ["LOOK_SECONDS", "Ending", "EpochWatch"]

_log = logging.getLogger("coprocessor.host")

LOOK_SECONDS = 3.0
"""Between looks at epochs and members' standing."""

GATHERING_SECONDS = 2.0
"""How long a removal waits for others, so that one epoch serves them all."""

MAX_CONTAINED = 16
_EPOCH, _QUORUM, _FIRST_OPEN = 1, 2, 8
_RAISED = 4
_SIGNER = 3
_REVOKED = 4
_OVERTAKEN = frozenset({"clusters: raiser", "clusters: remover", "clusters: not a member", "clusters: epochs"})


@dataclass(frozen=True, slots=True)
class Ending:
    """Older epochs that are not closed yet.

    Args:
        first_open: the oldest of them.
        epoch: the present one.
        due: by when they should be closed, seconds since 1970.
        is_overdue: that time is over.
        missing: what keeps them open, as far as this member knows.
    """

    first_open: int
    epoch: int
    due: int
    is_overdue: bool
    missing: CoprocessorError | None

    def alarm(self) -> CoprocessorError:
        """The alarm, with what is missing (rule 1)."""
        missing = self.missing
        return PeerUnreachable(
            "epoch.overdue",
            f"the epochs before {self.epoch} should have been closed by {_date(self.due)}",
            "" if missing is None else f"{missing.code}: {missing.what}",
            "" if missing is None else missing.next,
        )


class EpochWatch:
    """One member's watch.

    Args:
        around: the host's shared parts.
        links: tells who is a member.
        worker: this one.
        missing: what keeps older epochs open, as ``Boundaries`` knows it.
    """

    def __init__(
        self,
        around: Surroundings,
        links: LinkFeed,
        worker: WorkerId,
        missing: Callable[[], CoprocessorError | None],
    ) -> None:
        self._around = around
        self._links = links
        self._worker = worker
        self._missing = missing
        self._next_look = 0.0
        self._due_since: tuple[tuple[WorkerId, ...], float] | None = None
        self.ending: Ending | None = None
        """Older epochs that were open at the last look."""

    async def step(self) -> bool:
        """Looks, where it is time to; whether new keys were raised. Raises as the chain does."""
        if time.monotonic() < self._next_look:
            return False
        self._next_look = time.monotonic() + LOOK_SECONDS
        clusters = self._around.contract("Clusters")
        cluster = await clusters.read("clusters", self._around.cluster)
        self.ending = await self._look_at_ending(cluster[_FIRST_OPEN], cluster[_EPOCH])
        if self.ending is not None and self.ending.is_overdue:
            self._around.progress.wait_for("epochs", self.ending.alarm())
        else:
            self._around.progress.clear("epochs")
        return await self._contain(cluster[_QUORUM], cluster[_EPOCH])

    async def _look_at_ending(self, first_open: int, epoch: int) -> Ending | None:
        if first_open >= epoch:
            return None
        around = self._around
        record = await around.contract("Clusters").read("epochs", around.cluster, first_open + 1)
        due = record[_RAISED] + closing_seconds(around.network.configuration)
        block = await around.node.block("latest")
        now = 0 if block is None else block.timestamp
        return Ending(first_open, epoch, due, now > due, self._missing())

    # ---- new keys after a removal

    async def _contain(self, quorum: int, epoch: int) -> bool:
        around, clusters = self._around, self._around.contract("Clusters")
        revoked = await self._revoked()
        staying = self._links.members - set(revoked)
        is_exposed = await clusters.read("is_exposed", around.cluster)
        if not (revoked or is_exposed) or self._worker not in staying or len(staying) < quorum:
            self._due_since = None
            return False
        if self._due_since is None or self._due_since[0] != revoked:
            self._due_since = (revoked, time.monotonic())
        turn = turn_of(self._worker, staying, epoch)
        if time.monotonic() - self._due_since[1] < GATHERING_SECONDS + TURN_SECONDS * turn:
            return False
        call = clusters.encode("contain", around.cluster, list(revoked))
        try:
            await around.sender.send(clusters.address, call)
        except TransactionReverted as error:
            if error.reason not in _OVERTAKEN:
                raise
            _log.info("worker: no new keys yet: %s", error.reason)
            return False
        self._due_since = None
        _log.info("worker: raised the epoch after %d members were revoked or removed", max(1, len(revoked)))
        return True

    async def _revoked(self) -> tuple[WorkerId, ...]:
        """Members whose standing is over, some of them where there are many."""
        registry, found = self._around.contract("Registry"), []
        for worker in sorted(self._links.members):
            record = await registry.read("workers", worker)
            standing = await registry.read("standing", record[_SIGNER])
            if standing[_REVOKED]:
                found.append(worker)
        return tuple(found[:MAX_CONTAINED])


def _date(seconds: int) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(seconds))
