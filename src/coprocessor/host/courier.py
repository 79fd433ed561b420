"""What follows a receipt or an instantiation: results to the contracts that asked, input keys to ``Programs``.

Any worker may do it and nobody is believed: ``Settlement.deliver`` checks the proof (PROTOCOL 7.5),
``Programs.publish_keys`` the quorum's signatures (PROTOCOL 4.4). Looking first, and taking turns, avoids paying for
what another worker has done. Keys go in lists, so that an epoch of a thousand programs needs eight transactions.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable
from dataclasses import astuple, dataclass
from typing import Any, Protocol, TypeVar

from coprocessor.chain.errors import TransactionReverted
from coprocessor.chain.proofs import NamedProof
from coprocessor.crypto.secp256k1 import recover_address
from coprocessor.enclave import messages as m
from coprocessor.host.link_feed import LinkFeed
from coprocessor.host.members import Members
from coprocessor.host.settler import TURN_SECONDS, turn_of
from coprocessor.host.store import SettledReceipt, StoredOutput
from coprocessor.host.worker_options import Surroundings
from coprocessor.protocol import layout
from coprocessor.protocol.outputs import Leaf, prove_output
from coprocessor.protocol.statements import (
    INPUT_KEY,
    MAX_PROGRAM_KEYS,
    ProgramKey,
    ProgramKeysRecord,
    compute_keys_hash,
)
from coprocessor.values.errors import CoprocessorError, PeerUnreachable
from coprocessor.values.identities import Address, Digest, ProgramId, WorkerId, to_hex

__all__ = ["MAX_DELIVERED_BYTES", "Courier"]

_log = logging.getLogger("coprocessor.host")

R = TypeVar("R")

MAX_DELIVERED_BYTES = 4096
"""Bytes of a result that ``Settlement.deliver`` hands over; longer ones are pulled by the consumer."""

MAX_PROVEN_KEYS = 256
"""Recorded keys that the enclave is shown at a time."""

_ZERO_SALT = bytes(32)
_QUORUM = 2


@dataclass(frozen=True, slots=True)
class _Key:
    """An input key that this worker's enclave has signed."""

    program: ProgramId
    epoch: int
    key: bytes
    signature: bytes


class _Enclave(Protocol):
    """What a courier asks of its enclave."""

    async def request(self, message: Any, kind: type[R]) -> R:
        """The reply of that kind. Raises EnclaveRefused."""


class Courier:
    """Delivers results and publishes input keys for one worker."""

    def __init__(self, around: Surroundings, enclave: _Enclave, links: LinkFeed, worker: WorkerId) -> None:
        self._around = around
        self._enclave = enclave
        self._links = links
        self._worker = worker
        self._members = Members(around, links, worker)
        self._keys: dict[tuple[ProgramId, int], _Key] = {}
        self._proven: set[tuple[ProgramId, int]] = set()
        self._published: set[tuple[ProgramId, int]] = set()
        self._seen: dict[bytes, float] = {}

    def unproven(self) -> list[tuple[ProgramId, int]]:
        """(program, epoch) of input keys that stand on the chain, as the node says, and that the enclave has not seen
        there yet; some of them, where there are many."""
        return sorted(self._published - self._proven)[:MAX_PROVEN_KEYS]

    def note_proofs(self, proofs: Iterable[NamedProof]) -> bool:
        """The enclave has accepted these proofs; keys that they show need no more. Whether others still do."""
        programs = [proof.answer for proof in proofs if proof.contract == "Programs"]
        shown = {slot.slot for answer in programs for slot in answer.slots if slot.value}
        asked = self.unproven() if shown else []
        self._proven.update(place for place in asked if layout.input_key(*place) in shown)
        return bool(asked) and bool(self._published - self._proven)

    def note_key(self, notice: m.InputKeySigned) -> None:
        """The enclave has signed an input key."""
        key = _Key(ProgramId(notice.program), notice.epoch, notice.key, notice.signature)
        self._keys[key.program, key.epoch] = key

    def signed_key(self, program: bytes, epoch: int) -> tuple[bytes, bytes] | None:
        """Input key and this enclave's signature over it, for another member."""
        found = self._keys.get((ProgramId(program), epoch))
        return None if found is None else (found.key, found.signature)

    @property
    def present_epoch(self) -> int:
        """The newest whose keys the enclave has signed; those of one that is over are wanted by nobody."""
        return max((epoch for _, epoch in self._keys), default=0)

    async def publish_keys(self) -> bool:
        """Publishes the input keys of the present epoch that are not on the chain, a list with each transaction.

        Returns:
            Whether more of them are known to stand there than before.

        Raises:
            PeerUnreachable: too few members sign (``keys.quorum``).
            TransactionReverted, TransactionFailed, ChainUnreachable, RpcError: the chain does not take it.
        """
        before = len(self._published)
        epoch = self.present_epoch
        due = [program for program, of in self._keys if of == epoch and (program, of) not in self._published]
        for first in range(0, len(due), MAX_PROGRAM_KEYS):
            missing = await self._look(due[first : first + MAX_PROGRAM_KEYS], epoch)
            if missing and self.is_my_turn(missing[0]):
                await self._publish(missing, epoch)
        return len(self._published) > before

    async def _look(self, programs: list[ProgramId], epoch: int) -> list[ProgramId]:
        """Those whose key of an epoch is not on the chain, as the node says; the others are noted."""
        contract = self._around.contract("Programs")
        slots = [layout.input_key(program, epoch) for program in programs]
        answer = await self._around.node.proof(contract.address, slots, "latest")
        shown = {slot.slot for slot in answer.slots if slot.value}
        found = {program for program, slot in zip(programs, slots, strict=True) if slot in shown}
        self._published.update((program, epoch) for program in found)
        return [program for program in programs if program not in found]

    async def _publish(self, programs: list[ProgramId], epoch: int) -> None:
        keys, signatures = await self.signed_list(programs, epoch)
        contract = self._around.contract("Programs")
        call = contract.encode("publish_keys", self._around.cluster, epoch, [astuple(key) for key in keys], signatures)
        if not await self.send_once(contract.address, call, "programs: epoch"):  # the next one has begun
            return
        self._published.update((program, epoch) for program in programs)
        _log.info("worker: published the input keys of %d programs in epoch %d", len(programs), epoch)

    async def deliver(self, settled_links: int, block_number: int) -> None:
        """Delivers results of requests under receipts that are final at a block.

        Raises:
            TransactionReverted, TransactionFailed, ChainUnreachable, RpcError: the chain does not take one.
        """
        settlement, store = self._around.contract("Settlement"), self._around.store
        for output in store.undelivered(settled_links):
            request, receipt = output.leaf.request, store.receipt_of_link(output.leaf.link)
            if receipt is None or receipt.final_block > block_number:
                continue
            if await settlement.read("is_delivered", request):
                store.mark_delivered(request)
                continue
            if not self.is_my_turn(request) or not store.has_links(receipt.first, receipt.to):
                continue
            if len(output.output) > MAX_DELIVERED_BYTES:
                _log.warning("worker: result of request %s is too long to be delivered", to_hex(request))
            else:
                call = self._delivery(receipt, output)
                await self.send_once(settlement.address, call, "settlement: delivered")
                _log.info("worker: delivered request %s", to_hex(request))
            store.mark_delivered(request)

    def _delivery(self, receipt: SettledReceipt, output: StoredOutput) -> bytes:
        leaves = self._around.store.leaves(receipt.first, receipt.to)
        places = [(link, position) for link, position, _ in leaves]
        place = places.index((output.leaf.link, output.leaf.position))
        proof = prove_output([digest for _, _, digest in leaves], place)
        return self._around.contract("Settlement").encode(
            "deliver",
            self._around.cluster,
            receipt.number,
            _leaf_to_abi(output.leaf),
            _ZERO_SALT,
            output.output,
            proof.index,
            proof.count,
            list(proof.siblings),
        )

    async def send_once(self, address: Address, call: bytes, done_reason: str) -> bool:
        """Sends what another worker may have done meanwhile, or what nobody wants any more; whether it counted."""
        try:
            await self._around.sender.send(address, call)
        except TransactionReverted as error:
            if error.reason != done_reason:
                raise
            return False
        return True

    async def signed_list(
        self, programs: list[ProgramId], epoch: int, kind: int = INPUT_KEY
    ) -> tuple[list[ProgramKey], list[bytes]]:
        """The keys of a kind, and signatures of a quorum over the list of them, ascending by signer.

        Raises:
            PeerUnreachable: too few members sign (``keys.quorum``).
        """
        around = self._around
        asked = m.SignKeys(epoch, kind, tuple(programs))
        own = await self._enclave.request(asked, m.KeysSigned)
        keys = [ProgramKey(program, kind, key) for program, key in zip(programs, own.keys, strict=True)]
        record = ProgramKeysRecord(around.network_id, around.cluster, epoch, compute_keys_hash(keys))
        digest = record.digest(around.network.configuration.chain_id, around.contract("Programs").address)
        quorum: int = (await around.contract("Clusters").read("clusters", around.cluster))[_QUORUM]
        found = {recover_address(digest, own.signature): own.signature}
        async for worker, endpoint in self._members.endpoints():
            if len(found) >= quorum:
                break
            try:
                reply = await around.peers.ask(f"{endpoint}/v1/keys", asked, m.WORKER_REQUESTS, m.WORKER_REPLIES)
                if isinstance(reply, m.KeysSigned) and reply.keys == own.keys:
                    found[recover_address(digest, reply.signature)] = reply.signature
                else:
                    _log.warning("worker: member %s derives other keys", to_hex(worker))
            except CoprocessorError as error:
                _log.info("worker: member %s does not sign keys: %s", to_hex(worker), error)
        if len(found) < quorum:
            raise PeerUnreachable(
                "keys.quorum",
                f"{len(found)} members sign the input keys of {len(keys)} programs, {quorum} are needed",
                next="wait, or start more workers",
            )
        return keys, [found[signer] for signer in sorted(found)]

    def is_my_turn(self, what: bytes) -> bool:
        """Whether this worker, of all members, should do now what may be known by these bytes."""
        first_seen = self._seen.setdefault(what, time.monotonic())
        turn = turn_of(self._worker, self._links.members, what[-1])
        return time.monotonic() - first_seen >= TURN_SECONDS * turn


def _leaf_to_abi(leaf: Leaf) -> tuple[int | bytes | Digest, ...]:
    return (
        leaf.link,
        leaf.position,
        leaf.program,
        leaf.request,
        leaf.status,
        leaf.fuel,
        leaf.plaintext_hash,
        leaf.ciphertext_hash,
    )
