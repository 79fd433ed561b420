"""What follows a receipt or an instantiation: results to the contracts that asked, input keys to ``Programs``.

Any worker may do it and nobody is believed: ``Settlement.deliver`` checks the proof (PROTOCOL 7.5),
``Programs.publish_input_key`` the quorum's signatures (PROTOCOL 4.4). Looking first, and taking turns, avoids paying
for what another worker has done.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable
from dataclasses import dataclass

from coprocessor.chain.errors import TransactionReverted
from coprocessor.chain.proofs import NamedProof
from coprocessor.enclave import messages as m
from coprocessor.host.link_feed import LinkFeed
from coprocessor.host.members import Members
from coprocessor.host.settler import TURN_SECONDS, turn_of
from coprocessor.host.store import SettledReceipt, StoredOutput
from coprocessor.host.worker_options import Surroundings
from coprocessor.protocol import layout
from coprocessor.protocol.outputs import Leaf, prove_output
from coprocessor.protocol.statements import InputKeyRecord
from coprocessor.values.errors import PeerUnreachable
from coprocessor.values.identities import Address, Digest, ProgramId, WorkerId, to_hex

__all__ = ["MAX_DELIVERED_BYTES", "Courier"]

_log = logging.getLogger("coprocessor.host")

MAX_DELIVERED_BYTES = 4096
"""Bytes of a result that ``Settlement.deliver`` hands over; longer ones are pulled by the consumer."""

_ZERO_SALT = bytes(32)
_QUORUM = 2


@dataclass(frozen=True, slots=True)
class _Key:
    """An input key that this worker's enclave has signed."""

    program: ProgramId
    epoch: int
    key: bytes
    signature: bytes


class Courier:
    """Delivers results and publishes input keys for one worker."""

    def __init__(self, around: Surroundings, links: LinkFeed, worker: WorkerId) -> None:
        self._around = around
        self._links = links
        self._worker = worker
        self._members = Members(around, links, worker)
        self._keys: dict[tuple[ProgramId, int], _Key] = {}
        self._proven: set[tuple[ProgramId, int]] = set()
        self._published: set[tuple[ProgramId, int]] = set()
        self._seen: dict[bytes, float] = {}

    def unproven(self) -> list[tuple[ProgramId, int]]:
        """(program, epoch) of signed input keys that the enclave has not seen on the chain yet."""
        return [place for place in self._keys if place not in self._proven]

    def note_proofs(self, proofs: Iterable[NamedProof]) -> None:
        """The enclave has accepted these proofs; keys that they show need no more."""
        programs = [proof.answer for proof in proofs if proof.contract == "Programs"]
        shown = {slot.slot for answer in programs for slot in answer.slots if slot.value}
        self._proven.update(place for place in self.unproven() if layout.input_key(*place) in shown)

    def note_key(self, notice: m.InputKeySigned) -> None:
        """The enclave has signed an input key."""
        key = _Key(ProgramId(notice.program), notice.epoch, notice.key, notice.signature)
        self._keys[key.program, key.epoch] = key

    def signed_key(self, program: bytes, epoch: int) -> tuple[bytes, bytes] | None:
        """Input key and this enclave's signature over it, for another member."""
        found = self._keys.get((ProgramId(program), epoch))
        return None if found is None else (found.key, found.signature)

    async def publish_keys(self) -> None:
        """Publishes the input keys that are not on the chain. Raises as the chain does, or ``keys.quorum``."""
        programs = self._around.contract("Programs")
        for place, key in list(self._keys.items()):
            if place in self._published:
                continue
            if await programs.read("input_keys", key.program, key.epoch) == _ZERO_SALT:
                if not self._is_my_turn(key.program):
                    continue
                signatures = await self._key_signatures(key)
                call = programs.encode("publish_input_key", key.program, key.epoch, key.key, signatures)
                # a key of an epoch that is over is wanted by nobody
                if await self._send_once(programs.address, call, "programs: key set", "programs: epoch") is not None:
                    self._proven.add(place)
            self._published.add(place)

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
            if not self._is_my_turn(request) or not store.has_links(receipt.first, receipt.to):
                continue
            if len(output.output) > MAX_DELIVERED_BYTES:
                _log.warning("worker: result of request %s is too long to be delivered", to_hex(request))
            else:
                call = self._delivery(receipt, output)
                await self._send_once(settlement.address, call, "settlement: delivered")
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

    async def _send_once(self, address: Address, call: bytes, done_reason: str, over_reason: str = "") -> str | None:
        """Sends what another worker may have done in the meantime; ``over_reason`` where it was refused with that."""
        try:
            await self._around.sender.send(address, call)
        except TransactionReverted as error:
            if error.reason not in (done_reason, over_reason):
                raise
            return over_reason if error.reason == over_reason else None
        return None

    async def _key_signatures(self, key: _Key) -> list[bytes]:
        """Signatures of a quorum over one key, ascending by signer."""
        around = self._around
        quorum: int = (await around.contract("Clusters").read("clusters", around.cluster))[_QUORUM]
        record = InputKeyRecord(around.network_id, around.cluster, key.program, key.epoch, key.key)
        digest = record.digest(around.network.configuration.chain_id, around.contract("Programs").address)
        page = f"/v1/input-key?program={to_hex(key.program)}&epoch={key.epoch}"
        found = await self._members.signatures(digest, key.signature, quorum, page, ("key", key.key))
        if len(found) < quorum:
            raise PeerUnreachable(
                "keys.quorum",
                f"{len(found)} members sign the input key of {to_hex(key.program)}, {quorum} are needed",
                next="wait, or start more workers",
            )
        return found

    def _is_my_turn(self, what: bytes) -> bool:
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
