"""The operators outside a cluster, as a member's host reaches them: gatekeepers, and workers of other clusters.

They hold the cluster's checkpoints, so that it can begin again where all its members' disks are gone (PROTOCOL 8.4).
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass

from coprocessor.chain.committee import read_present
from coprocessor.crypto.secp256k1 import recover_address
from coprocessor.host.holding import HOLD, Hold
from coprocessor.host.worker_options import Surroundings
from coprocessor.protocol.statements import ROLE_WORKER, Boundary, HeldRecord
from coprocessor.values.errors import CoprocessorError
from coprocessor.values.identities import ZERO_ADDRESS, ZERO_DIGEST, Address, WorkerId, from_hex, to_hex

__all__ = ["Held", "Holders"]

_log = logging.getLogger("coprocessor.host")

_SIGNER = 3
_EXPIRES, _REVOKED = 3, 4

MAX_ASKED = 64
"""Workers of other clusters that are asked."""


@dataclass(frozen=True, slots=True)
class Held:
    """An operator's word that it holds a checkpoint, as ``Clusters.close_epochs`` takes it.

    Args:
        gatekeeper: 1 + index of a gatekeeper that it runs, or 0.
        worker: 32 bytes, else a live worker of its own.
        signature: 65 bytes.
    """

    gatekeeper: int
    worker: bytes
    signature: bytes


@dataclass(frozen=True, slots=True)
class _Outsider:
    endpoint: str
    worker: WorkerId
    operator: Address


class Holders:
    """The operators outside this worker's cluster.

    Args:
        around: the host's shared parts.
        worker: this one.
    """

    def __init__(self, around: Surroundings, worker: WorkerId) -> None:
        self._around = around
        self._worker = worker

    async def endpoints(self) -> AsyncIterator[str]:
        """URLs of hosts that may hold checkpoints: gatekeepers first."""
        for url in await self._around.gatekeepers.urls():
            yield url
        for outsider in await self._outsiders():
            yield outsider.endpoint

    async def hold(self, boundary: Boundary, signatures: list[bytes], wanted: int) -> list[Held]:
        """Asks until ``wanted`` distinct operators hold the boundary's checkpoint; those that do, perhaps fewer.

        Args:
            boundary: which members have signed.
            signatures: of a quorum of them, ascending by signer.
            wanted: operators.
        """
        asked = Hold(
            self._worker,
            boundary.cluster,
            boundary.epoch,
            boundary.count,
            boundary.inbox_head,
            boundary.root,
            boundary.checkpoint,
            tuple(signatures),
        )
        committee = await self._committee()
        found: dict[Address, Held] = {}
        for url in await self._around.gatekeepers.urls():
            if len(found) >= wanted:
                break
            signed = await self._ask(url, asked, boundary)
            if signed is not None and signed[0] in committee:
                found[signed[0]] = Held(1 + committee.index(signed[0]), ZERO_DIGEST, signed[1])
        for outsider in await self._outsiders() if len(found) < wanted else []:
            if len(found) >= wanted:
                break
            if outsider.operator in found:
                continue
            signed = await self._ask(outsider.endpoint, asked, boundary)
            if signed is not None and signed[0] == outsider.operator:
                found[signed[0]] = Held(0, outsider.worker, signed[1])
        return list(found.values())

    async def _ask(self, url: str, asked: Hold, boundary: Boundary) -> tuple[Address, bytes] | None:
        """Who says there that it holds the checkpoint, and its signature; None where nobody does."""
        clusters, chain_id = self._around.contract("Clusters"), self._around.network.configuration.chain_id
        record = HeldRecord(boundary.network, boundary.cluster, boundary.checkpoint)
        try:
            answer = await self._around.peers.post_record(f"{url}/v1/hold", asked, HOLD)
            signature = from_hex(answer["signature"], 65, "signature")
            operator = recover_address(record.digest(chain_id, clusters.address), signature)
            if await clusters.read("seats", boundary.cluster, operator) == 0:
                return operator, signature
        except (CoprocessorError, KeyError, TypeError) as error:
            _log.info("worker: %s does not hold checkpoint %s: %s", url, to_hex(boundary.checkpoint), error)
        return None

    async def _is_live(self, worker: WorkerId, now: int) -> bool:
        """Whether the contract would count it: neither revoked nor distrusted nor expired."""
        registry = self._around.contract("Registry")
        record = await registry.read("workers", worker)
        standing = await registry.read("standing", record[_SIGNER])
        return not standing[_REVOKED] and now < standing[_EXPIRES]

    async def _committee(self) -> list[Address]:
        """Operators of the gatekeepers, in the order of the committee; zero for a revoked one."""
        members = await read_present(self._around.contract("Gatekeeping"))
        return [member.operator if member.is_standing else ZERO_ADDRESS for member in members]

    async def _outsiders(self) -> list[_Outsider]:
        """Workers whose operators run no member of this cluster, one of each operator."""
        around, registry = self._around, self._around.contract("Registry")
        head = await around.node.block("finalized")
        logs = await around.node.logs(
            [registry.address], [registry.interface.event("Admitted").topic], 0, 0 if head is None else head.number
        )
        found: dict[Address, _Outsider] = {}
        for event in registry.events(logs, "Admitted"):
            operator, worker = Address(event["operator"]), WorkerId(event["worker"])
            if operator in found or event["admission"][2] != ROLE_WORKER:
                continue
            if await around.contract("Clusters").read("seats", around.cluster, operator):
                continue
            endpoint = str(await registry.read("endpoints", worker)).rstrip("/")
            if endpoint and await self._is_live(worker, 0 if head is None else head.timestamp):
                found[operator] = _Outsider(endpoint, worker, operator)
        return list(found.values())[:MAX_ASKED]
