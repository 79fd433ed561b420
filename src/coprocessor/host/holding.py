"""Holding other clusters' checkpoints: what an operator outside a cluster does for it (PROTOCOL 8.4).

A member asks; the host checks on the chain that a quorum has signed the boundary and that its own operator runs no
member there, fetches the checkpoint from the member, writes it, and only then signs with the operator's account that it
holds it. Nothing of it is readable here.

Rules:
1. Only what a quorum has signed is fetched, and only from a member, so that nobody can fill the disk with rubbish.
2. Nothing is signed before the checkpoint is durable.
3. One fetch at a time; the bytes of all clusters together have a limit. Of each cluster the newest few are kept, and
   the one that the chain names.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from coprocessor.chain.deployment import NetworkContracts
from coprocessor.chain.errors import TransactionReverted
from coprocessor.codec.records import RecordTable
from coprocessor.crypto.secp256k1 import SIGNATURE_LENGTH, PrivateKey
from coprocessor.durable.disk import Disk
from coprocessor.durable.points import PersistPoint
from coprocessor.enclave.checkpoint import Manifest
from coprocessor.host.checkpoints import CheckpointFolder, KeptCheckpoint, download
from coprocessor.host.http import MAX_BODY, PeerClient
from coprocessor.protocol.genesis import compute_network_id
from coprocessor.protocol.statements import Boundary, HeldRecord
from coprocessor.values.errors import EvidenceRefused, MalformedInput, PeerUnreachable
from coprocessor.values.identities import ClusterId, Digest, StateRoot, WorkerId, checked_digest, to_hex
from coprocessor.values.network import Network

__all__ = ["HOLD", "Hold", "Holder", "HolderPlace"]

_log = logging.getLogger("coprocessor.host")

MAX_HELD_BYTES = 4 << 30
"""Bytes on the disk for the checkpoints of all clusters (rule 3)."""

MAX_WAITING = 8
"""Checkpoints that wait to be fetched."""

PATIENCE_SECONDS = 20.0
"""How long the answer waits for the fetch; it goes on afterwards, and who asks again finds it."""

MAX_SIGNATURES = 16
_QUORUM = 1
_CHECKPOINT = 4


@dataclass(frozen=True, slots=True)
class Hold:
    """Asks an operator outside a cluster to hold a checkpoint.

    Args:
        worker: 32 bytes, the member that serves it.
        cluster, epoch, count, inbox_head, root, checkpoint: of the boundary.
        signatures: of a quorum over the boundary, 65 bytes each, ascending by signer.
    """

    worker: bytes
    cluster: bytes
    epoch: int
    count: int
    inbox_head: bytes
    root: bytes
    checkpoint: bytes
    signatures: tuple[bytes, ...]


HOLD = RecordTable((Hold,), MAX_BODY)
"""What ``POST /v1/hold`` takes."""


@dataclass(frozen=True, slots=True)
class HolderPlace:
    """Where and for whom checkpoints are held.

    Args:
        folder: a folder for each cluster lies below it.
        disk: writes.
        operator: whose account signs.
        most: bytes of all together.
    """

    folder: Path
    disk: Disk
    operator: PrivateKey
    most: int = MAX_HELD_BYTES


class Holder:
    """One operator's held checkpoints.

    Args:
        network: to which they belong.
        contracts: of the network.
        peers: HTTP to members.
        place: where they lie.
    """

    def __init__(self, network: Network, contracts: NetworkContracts, peers: PeerClient, place: HolderPlace) -> None:
        self._network = network
        self._contracts = contracts
        self._peers = peers
        self._place = place
        self._one = asyncio.Lock()
        self._fetches: dict[bytes, asyncio.Task[None]] = {}

    async def hold(self, asked: Hold) -> dict[str, Any]:
        """Operator and signature, once the checkpoint is on the disk.

        Raises:
            MalformedInput: a field has another length.
            EvidenceRefused: no quorum signed it, or the operator runs a member itself (rule 1).
            PeerUnreachable: it is being fetched, the member does not give it, or there is no room.
            DiskFailed: the disk does not take it.
        """
        boundary = self._boundary(asked)
        folder = self._folder(boundary.cluster)
        if folder.find(boundary.checkpoint) is None:
            await self._check(boundary, asked)
            await self._fetch_once(boundary, WorkerId(checked_digest(asked.worker, "worker")), folder)
        signature = self._place.operator.sign(self._held(boundary))  # rule 2
        return {"ok": True, "operator": to_hex(self._place.operator.address), "signature": to_hex(signature)}

    def find(self, digest: bytes) -> KeptCheckpoint | None:
        """A held checkpoint of any cluster by its digest, or None."""
        for path in sorted(self._place.folder.glob(f"*/{digest.hex()}.checkpoint")):
            return self._folder(ClusterId(bytes.fromhex(path.parent.name))).find(digest)
        return None

    # ---- checking

    def _boundary(self, asked: Hold) -> Boundary:
        if not 0 < len(asked.signatures) <= MAX_SIGNATURES or any(
            len(signature) != SIGNATURE_LENGTH for signature in asked.signatures
        ):
            raise MalformedInput("hold.signatures", f"1 to {MAX_SIGNATURES} signatures of 65 bytes are wanted")
        if not (0 < asked.epoch < 1 << 63 and 0 < asked.count < 1 << 63):
            raise MalformedInput("hold.boundary", "epoch and count are whole numbers above 0")
        return Boundary(
            compute_network_id(self._network),
            ClusterId(checked_digest(asked.cluster, "cluster")),
            asked.epoch,
            asked.count,
            Digest(checked_digest(asked.inbox_head, "inbox head")),
            StateRoot(checked_digest(asked.root, "root")),
            Digest(checked_digest(asked.checkpoint, "checkpoint")),
        )

    async def _check(self, boundary: Boundary, asked: Hold) -> None:
        clusters, chain_id = self._contracts["Clusters"], self._network.configuration.chain_id
        digest = boundary.digest(chain_id, clusters.address)
        try:
            signers = await clusters.read("check_signatures", boundary.cluster, digest, list(asked.signatures))
        except TransactionReverted as error:
            raise EvidenceRefused("hold.quorum", "the boundary is not signed by members", error.reason) from error
        quorum = (await clusters.read("epochs", boundary.cluster, boundary.epoch))[_QUORUM]
        if quorum == 0 or len(signers) < quorum:
            raise EvidenceRefused("hold.quorum", f"{len(signers)} members signed the boundary, {quorum} are needed")
        if await clusters.read("seats", boundary.cluster, self._place.operator.address):
            raise EvidenceRefused(
                "hold.inside", "this operator runs a member of the cluster", next="ask operators outside it"
            )

    # ---- fetching

    async def _fetch_once(self, boundary: Boundary, worker: WorkerId, folder: CheckpointFolder) -> None:
        task = self._fetches.get(boundary.checkpoint)
        if task is None:
            if len(self._fetches) >= MAX_WAITING:
                raise PeerUnreachable("hold.busy", f"{MAX_WAITING} checkpoints wait already", next="try again later")
            task = asyncio.create_task(self._fetch(boundary, worker, folder))
            self._fetches[boundary.checkpoint] = task
            task.add_done_callback(lambda done: self._forget(boundary.checkpoint, done))
        try:
            await asyncio.wait_for(asyncio.shield(task), PATIENCE_SECONDS)
        except TimeoutError as error:
            raise PeerUnreachable(
                "hold.fetching", "the checkpoint is being fetched", next="ask again in a moment"
            ) from error

    def _forget(self, digest: bytes, task: asyncio.Task[None]) -> None:
        self._fetches.pop(digest, None)
        if not task.cancelled() and task.exception() is not None:
            _log.info("holder: checkpoint %s is not fetched: %s", to_hex(digest), task.exception())

    async def _fetch(self, boundary: Boundary, worker: WorkerId, folder: CheckpointFolder) -> None:
        async with self._one:  # rule 3
            clusters, registry = self._contracts["Clusters"], self._contracts["Registry"]
            if await clusters.read("members", boundary.cluster, worker) == 0:
                raise EvidenceRefused("hold.member", f"worker {to_hex(worker)} is no member of the cluster")
            endpoint = str(await registry.read("endpoints", worker)).rstrip("/")
            found = await download(self._peers, endpoint, boundary.checkpoint, self._room())
            manifest = Manifest.decode(found.manifest)
            told = (manifest.cluster, manifest.epoch, manifest.count, manifest.head, manifest.root)
            signed = (boundary.cluster, boundary.epoch, boundary.count, boundary.inbox_head, boundary.root)
            if told != signed:
                raise EvidenceRefused("hold.manifest", "the checkpoint is of another boundary than the signed one")
            folder.named = (await clusters.read("boundaries", boundary.cluster))[_CHECKPOINT]
            folder.keep(boundary.checkpoint, found)
            _log.info("holder: holds checkpoint %s of cluster %s", to_hex(manifest.digest), to_hex(manifest.cluster))

    def _room(self) -> int:
        used = sum(path.stat().st_size for path in self._place.folder.glob("*/*.checkpoint"))
        if used >= self._place.most:
            raise PeerUnreachable(
                "hold.full", f"checkpoints take {used} bytes here, the limit is {self._place.most}", next="ask others"
            )
        return self._place.most - used

    def _folder(self, cluster: ClusterId) -> CheckpointFolder:
        return CheckpointFolder(
            self._place.folder / cluster.hex(), self._place.disk, PersistPoint.HOLDER_CHECKPOINT
        )

    def _held(self, boundary: Boundary) -> Digest:
        record = HeldRecord(boundary.network, boundary.cluster, boundary.checkpoint)
        return record.digest(self._network.configuration.chain_id, self._contracts["Clusters"].address)
