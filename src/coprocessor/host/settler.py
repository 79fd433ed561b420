"""Getting receipts onto the chain: when, over which links, with whose signatures (PROTOCOL 7).

Rules:
1. A receipt begins at the settled count; it ends before the next epoch or runtime link (PROTOCOL 7.2) and within the
   last 256 links, whose heads ``Inbox`` keeps (PROTOCOL 3.1).
2. At once when no more links are coming, else every so many links or seconds.
3. Members take turns by the settled count, so that one pays and the others do not settle the same in vain.
4. With a quorum above one, other members are asked to sign the same range; only equal receipts count together.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, fields

from coprocessor.chain.errors import TransactionReverted
from coprocessor.crypto.secp256k1 import recover_address
from coprocessor.enclave import messages as m
from coprocessor.host.enclave_process import EnclaveProcess
from coprocessor.host.link_feed import LinkFeed
from coprocessor.host.members import Members
from coprocessor.host.settled_index import receipt_from_abi, receipt_to_abi
from coprocessor.host.worker_options import Surroundings
from coprocessor.protocol.outputs import compute_outputs_root
from coprocessor.protocol.receipts import Receipt
from coprocessor.values.errors import CoprocessorError, InternalError, PeerUnreachable
from coprocessor.values.identities import Address, WorkerId

__all__ = ["RING", "Settler", "choose_range", "turn_of"]

_log = logging.getLogger("coprocessor.host")

RING = 256
"""Heads that ``Inbox`` keeps."""

TURN_SECONDS = 3.0
"""How long a member waits for each one before it in turn."""

_OVERTAKEN = frozenset({"settlement: from", "settlement: previous root"})
_QUORUM = 2


@dataclass(frozen=True, slots=True)
class _Signed:
    receipt: Receipt
    signer: Address
    signature: bytes


class Settler:
    """Settles what one enclave has executed."""

    def __init__(
        self, around: Surroundings, enclave: EnclaveProcess, links: LinkFeed, worker: WorkerId, signer: Address
    ) -> None:
        self._around = around
        self._enclave = enclave
        self._links = links
        self._worker = worker
        self._members = Members(around, links, worker)
        self._signer = signer
        self._pending_since: tuple[int, float] | None = None
        self.executed = 0
        """Links executed by the enclave; kept by its owner."""

    async def step(self) -> bool:
        """Settles one receipt if one is due; whether it did.

        Raises:
            EnclaveRefused: the enclave does not sign.
            PeerUnreachable: too few members sign (``receipt.quorum``).
            TransactionReverted, TransactionFailed, ChainUnreachable, RpcError: the chain does not take it.
        """
        count, _, _ = await self._around.contract("Settlement").read("settled", self._around.cluster)
        due = await self._due(count)
        if due is None:
            return False
        signed = await self._gather(*due)
        settlement = self._around.contract("Settlement")
        call = settlement.encode("settle", receipt_to_abi(signed[0].receipt), [one.signature for one in signed])
        try:
            await self._around.sender.send(settlement.address, call)
        except TransactionReverted as error:
            if error.reason in _OVERTAKEN:  # another member was first
                return True
            raise
        _log.info("worker: settled links %d to %d", *due)
        return True

    async def sign(self, first: int, to: int) -> m.SignedReceipt:
        """This enclave's signature over a range, for another member."""
        return await self._enclave.request(m.MakeReceipt(first, to), m.SignedReceipt)

    async def _due(self, count: int) -> tuple[int, int] | None:
        """The range to settle now, or None."""
        hold = self._around.options.hold_settlement_after
        executed = self.executed if hold is None else min(self.executed, hold)
        if executed <= count:
            self._pending_since = None
            return None
        now = time.monotonic()
        if self._pending_since is None or self._pending_since[0] != count:
            self._pending_since = (count, now)
        waited = now - self._pending_since[1]
        options = self._around.options
        is_idle = self.executed >= self._links.count
        if not is_idle and executed - count < options.batch_links and waited < options.batch_seconds:
            return None
        if waited < TURN_SECONDS * turn_of(self._worker, self._links.members, count):
            return None
        total = await self._around.contract("Inbox").read("counts", self._around.cluster)
        return choose_range(count, executed, total, self._links.boundaries)

    async def _gather(self, first: int, to: int) -> list[_Signed]:
        """Signatures of a quorum over one and the same receipt, ascending by signer."""
        mine = self._check(await self.sign(first, to))
        cluster = await self._around.contract("Clusters").read("clusters", self._around.cluster)
        quorum: int = cluster[_QUORUM]
        signed = [mine]
        if quorum > 1:
            signed += await self._ask_members(mine.receipt, quorum - 1)
        if len(signed) < quorum:
            raise PeerUnreachable(
                "receipt.quorum",
                f"{len(signed)} members sign links {first} to {to}, {quorum} are needed",
                "the others cannot be reached, are behind, or stand at another block",
                "wait, or start more workers",
            )
        return sorted(signed, key=lambda one: one.signer)

    async def _ask_members(self, receipt: Receipt, needed: int) -> list[_Signed]:
        found: list[_Signed] = []
        async for worker, endpoint in self._members.endpoints():
            try:
                reply = await self._around.peers.ask(
                    f"{endpoint}/v1/receipt",
                    m.MakeReceipt(receipt.first, receipt.to),
                    m.WORKER_REQUESTS,
                    m.WORKER_REPLIES,
                )
                other = _to_signed(reply, self._around)
            except CoprocessorError as error:
                _log.info("worker: member 0x%s does not sign: %s", worker.hex(), error)
                continue
            if other.receipt == receipt and other.signer not in {self._signer, *(one.signer for one in found)}:
                found.append(other)
                if len(found) == needed:
                    break
        return found

    def _check(self, reply: m.SignedReceipt) -> _Signed:
        """The enclave's own receipt, whose outputs must be those that this host can serve."""
        signed = _to_signed(reply, self._around)
        receipt, store = signed.receipt, self._around.store
        if store.has_links(receipt.first, receipt.to):
            leaves = [digest for _, _, digest in store.leaves(receipt.first, receipt.to)]
            if compute_outputs_root(leaves) != receipt.outputs_root:
                raise InternalError(
                    "receipt.outputs", "the outputs at hand are not those that the enclave signs", "the cache is bad"
                )
        return signed


def choose_range(count: int, executed: int, total: int, boundaries: list[int]) -> tuple[int, int] | None:
    """The links that the next receipt covers (rule 1), or None while the executed ones are too old for the ring.

    Args:
        count: links settled.
        executed: links executed, more than ``count``.
        total: links in the inbox.
        boundaries: indices of links that begin an epoch or runtime.
    """
    to = min([executed, *(index for index in boundaries if index > count)])
    if total - to >= RING:
        return None
    return count, to


def turn_of(worker: WorkerId, members: set[WorkerId], count: int) -> int:
    """How many members come before this one for the receipt after ``count`` links (rule 3)."""
    ordered = sorted(members)
    if worker not in members:
        return len(ordered)
    return (ordered.index(worker) - count) % len(ordered)


def _to_signed(reply: m.SignedReceipt, around: Surroundings) -> _Signed:
    plain = tuple(getattr(reply, field.name) for field in fields(m.SignedReceipt) if field.name != "signature")
    receipt = receipt_from_abi(plain)
    digest = receipt.digest(around.network.configuration.chain_id, around.contract("Settlement").address)
    return _Signed(receipt, recover_address(digest, reply.signature), reply.signature)
