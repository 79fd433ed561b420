"""The ends of older keys: checkpoints kept and served, boundaries signed by a quorum, epochs closed (PROTOCOL 8.4).

Rules:
1. A checkpoint is on the disk before its boundary is offered to anybody, so that what the chain names can be had;
   operators outside the cluster hold it before the older epochs are closed.
2. A receipt must end at the boundary, and be final, before the older epochs are closed.
3. What disk, members or holders give in place of the checkpoint that the chain names is not shown to the enclave, so
   that one liar or bad byte cannot keep a newcomer out.
4. Where an epoch waits for its end and nobody sends anything, a member appends an empty link: judging and re-encryption
   go on with links alone. It is void, and costs its sender the gas.
"""

from __future__ import annotations

import logging
import time
from collections.abc import AsyncIterator
from dataclasses import astuple

from coprocessor.chain.errors import TransactionReverted
from coprocessor.enclave import messages as m
from coprocessor.enclave.epochs import grace_of
from coprocessor.host.checkpoints import CheckpointFolder, KeptCheckpoint, download
from coprocessor.host.enclave_process import EnclaveProcess
from coprocessor.host.feed import ChainFeed
from coprocessor.host.holders import Holders
from coprocessor.host.link_feed import LinkFeed
from coprocessor.host.members import Members
from coprocessor.host.settler import TURN_SECONDS, turn_of
from coprocessor.host.worker_options import Surroundings
from coprocessor.protocol import layout
from coprocessor.protocol.statements import Boundary
from coprocessor.values.errors import CoprocessorError, PeerUnreachable
from coprocessor.values.identities import Digest, StateRoot, WorkerId, to_hex

__all__ = ["Boundaries"]

_log = logging.getLogger("coprocessor.host")

IDLE_SECONDS = 3.0
"""How long an inbox is quiet before a member appends an empty link (rule 4)."""

_EPOCH, _QUORUM, _FIRST_OPEN = 1, 2, 8
_RAISED = 4
_BOUNDARY_FIELDS = ("epoch", "count", "inbox_head", "root", "checkpoint")


class Boundaries:
    """One worker's part in ending epochs."""

    def __init__(self, around: Surroundings, enclave: EnclaveProcess, links: LinkFeed, worker: WorkerId) -> None:
        self._around = around
        self._enclave = enclave
        self._links = links
        self._worker = worker
        self._members = Members(around, links, worker)
        self._holders = Holders(around, worker)
        self._folder = CheckpointFolder(around.options.data / "checkpoints", around.options.disk)
        self._named_epoch = 0
        self._pieces: list[bytes] = []
        self._reached: dict[int, m.BoundaryReached] = {}
        self._closed_up_to = 1  # the epoch up to which nothing older is open; the chain is asked no more until the next
        self._quiet_since: tuple[int, float] = (-1, 0.0)
        self.missing: CoprocessorError | None = None
        """What keeps older epochs open, as far as this member knows."""

    # ---- what the enclave says

    def note_piece(self, notice: m.CheckpointPiece) -> None:
        """A piece of the checkpoint that is being made."""
        if notice.index == 0:
            self._pieces.clear()
        self._pieces.append(notice.sealed)

    def note_reached(self, notice: m.BoundaryReached) -> None:
        """A boundary; its checkpoint goes to the disk first (rule 1). Raises DiskFailed."""
        self._folder.keep(notice.checkpoint, KeptCheckpoint(notice.manifest, tuple(self._pieces)))
        self._pieces.clear()
        self._reached[notice.count] = notice
        if notice.count not in self._links.boundaries:  # rule 2
            self._links.boundaries.append(notice.count)

    # ---- what other members ask

    def signed(self, epoch: int, count: int) -> m.BoundaryReached | None:
        """This enclave's word on a boundary, or None."""
        found = self._reached.get(count)
        return found if found is not None and found.epoch == epoch else None

    def checkpoint(self, digest: bytes) -> KeptCheckpoint | None:
        """A checkpoint by its digest, or None."""
        return self._folder.find(digest)

    # ---- beginning from a checkpoint

    async def restore(self, feed: ChainFeed) -> int:
        """Gives a fresh enclave the checkpoint that the chain names, where older epochs are closed (PROTOCOL 8.5); how
        many links it then has behind it.

        Raises:
            PeerUnreachable: nobody has it (``checkpoint.nowhere``).
            EnclaveRefused: it is another one.
        """
        around = self._around
        ended = await around.contract("Clusters").read("boundaries", around.cluster)
        epoch, count, digest = ended[0], ended[1], ended[4]
        if epoch == 0:
            return 0
        self._folder.named, self._named_epoch = digest, epoch
        head = await feed.advance()
        slots = [layout.cluster_boundary(around.cluster, field) for field in _BOUNDARY_FIELDS]
        await feed.prove({"Clusters": slots}, head.number)
        kept = self._folder.find(digest) or await self._fetch(digest)
        for piece in kept.pieces:
            await self._enclave.request(m.RestorePiece(piece), m.PieceTaken)
        await self._enclave.request(m.Restore(kept.manifest), m.Restored)
        self._folder.keep(digest, kept)
        self._links.begin_at(count)
        _log.info("worker: begins after %d links, with checkpoint %s", count, to_hex(digest))
        return int(count)

    async def _fetch(self, digest: bytes) -> KeptCheckpoint:
        """From members, then from operators outside the cluster (PROTOCOL 8.4)."""
        asked = 0
        async for endpoint in self._sources():
            asked += 1
            try:
                return await download(self._around.peers, endpoint, digest)
            except CoprocessorError as error:
                _log.info("worker: no checkpoint from %s: %s", endpoint, error)
        raise PeerUnreachable(
            "checkpoint.nowhere",
            f"nobody has checkpoint {to_hex(digest)}",
            f"{asked} members and operators outside the cluster were asked",
            "start one that was a member when the older epochs were closed, or a gatekeeper that held it",
        )

    async def _sources(self) -> AsyncIterator[str]:
        registry = self._around.contract("Registry")
        for worker in await self._ever_joined():
            yield str(await registry.read("endpoints", worker)).rstrip("/")
        async for endpoint in self._holders.endpoints():
            yield endpoint

    async def _ever_joined(self) -> list[WorkerId]:
        """Workers that ever joined, as the chain tells; those that left simply do not answer."""
        around, clusters = self._around, self._around.contract("Clusters")
        head = await around.node.block("finalized")
        last = 0 if head is None else head.number
        topics = [clusters.interface.event("Joined").topic, around.cluster]
        joined = clusters.events(await around.node.logs([clusters.address], topics, 0, last), "Joined")
        return list(dict.fromkeys(WorkerId(event["worker"]) for event in joined if event["worker"] != self._worker))

    # ---- ending epochs

    async def step(self, executed: int, settled_block: int) -> bool:
        """Closes older epochs, or helps them to their end, where that is due; whether anything was sent.

        Raises:
            PeerUnreachable: too few members sign (``boundary.quorum``), or too few operators hold the checkpoint
                (``boundary.holders``).
            TransactionReverted, TransactionFailed, ChainUnreachable, RpcError: the chain does not take it.
        """
        if self._links.epoch <= self._closed_up_to:
            return False
        try:
            return await self._end(executed, settled_block)
        except CoprocessorError as error:
            self.missing = error
            raise

    async def _end(self, executed: int, settled_block: int) -> bool:
        around = self._around
        cluster = await around.contract("Clusters").read("clusters", around.cluster)
        if cluster[_FIRST_OPEN] > max(1, self._named_epoch):
            ended = await around.contract("Clusters").read("boundaries", around.cluster)
            self._named_epoch, self._folder.named = ended[0], ended[4]
        if cluster[_FIRST_OPEN] >= cluster[_EPOCH]:
            self._closed_up_to = cluster[_EPOCH]
            self.missing = None
            return False
        reached = [one for one in self._reached.values() if one.epoch == cluster[_EPOCH]]
        for boundary in sorted(reached, key=lambda one: -one.count):
            receipt = around.store.receipt_of_link(boundary.count - 1)
            if receipt is not None and receipt.to == boundary.count and receipt.final_block <= settled_block:
                if not self._is_my_turn(boundary.count):
                    return False
                return await self._close(boundary, receipt.number, cluster[_QUORUM])
        if not reached:
            return await self._approach(executed, cluster[_EPOCH])
        count = max(one.count for one in reached)
        self.missing = PeerUnreachable(
            "epoch.receipt", f"no final receipt ends at the boundary after {count} links", next="wait, or settle"
        )
        return False

    async def _close(self, reached: m.BoundaryReached, receipt: int, quorum: int) -> bool:
        clusters = self._around.contract("Clusters")
        statement = Boundary(
            self._around.network_id,
            self._around.cluster,
            reached.epoch,
            reached.count,
            Digest(reached.inbox_head),
            StateRoot(reached.root),
            Digest(reached.checkpoint),
        )
        digest = statement.digest(self._around.network.configuration.chain_id, clusters.address)
        page = f"/v1/boundary?epoch={reached.epoch}&count={reached.count}"
        found = await self._members.signatures(
            digest, reached.signature, quorum, page, ("checkpoint", reached.checkpoint)
        )
        if len(found) < quorum:
            raise PeerUnreachable(
                "boundary.quorum",
                f"{len(found)} members sign the boundary after {reached.count} links, {quorum} are needed",
                next="wait, or start more workers",
            )
        wanted: int = await clusters.read("HOLDERS")
        held = await self._holders.hold(statement, found, wanted)
        if len(held) < wanted:
            raise PeerUnreachable(
                "boundary.holders",
                f"{len(held)} operators outside the cluster hold its checkpoint, {wanted} are needed",
                "gatekeepers and workers of other clusters cannot be reached, or do not hold it yet",
                "wait, or start a gatekeeper or a worker of another operator",
            )
        call = clusters.encode("close_epochs", astuple(statement), receipt, found, [astuple(one) for one in held])
        try:
            await self._around.sender.send(clusters.address, call)
        except TransactionReverted as error:
            if error.reason != "clusters: epoch":  # another member was first
                raise
            return False
        _log.info("worker: closed the epochs before %d after %d links", reached.epoch, reached.count)
        return True

    async def _approach(self, executed: int, epoch: int) -> bool:
        """Notes what the boundary waits for; appends an empty link where nothing else comes (rule 4)."""
        around = self._around
        raised = (await around.contract("Clusters").read("epochs", around.cluster, epoch))[_RAISED]
        grace = grace_of(around.network.configuration)
        is_over = await around.node.next_timestamp() > raised + grace
        older = (await self._enclave.request(m.GetStatus(), m.Status)).older_entries
        if executed < self._links.count:
            self.missing = PeerUnreachable(
                "epoch.links", f"{self._links.count - executed} links are not executed yet", next="wait"
            )
        elif older:
            self.missing = PeerUnreachable("epoch.entries", f"{older} entries are still under older keys", next="wait")
        elif not is_over:
            self.missing = PeerUnreachable("epoch.grace", f"older inputs are taken for {grace} s", next="wait")
        else:
            self.missing = PeerUnreachable("epoch.links", "no link has come since the grace is over", next="send one")
        return await self._append_empty(executed, is_over)

    async def _append_empty(self, executed: int, is_over: bool) -> bool:
        """An empty link where nothing else comes and the grace of older inputs is over (rule 4)."""
        if self._quiet_since[0] != executed or executed < self._links.count:
            self._quiet_since = (executed, time.monotonic())
            return False
        if time.monotonic() - self._quiet_since[1] < IDLE_SECONDS or not self._is_my_turn(executed):
            return False
        if not is_over:
            return False
        inbox = self._around.contract("Inbox")
        await self._around.sender.send(inbox.address, inbox.encode("submit", self._around.cluster, 0, 0, b""))
        return True

    def _is_my_turn(self, count: int) -> bool:
        waited = time.monotonic() - self._quiet_since[1]
        return waited >= TURN_SECONDS * turn_of(self._worker, self._links.members, count)
