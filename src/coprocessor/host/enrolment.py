"""How a fresh enclave becomes a member that holds the cluster's keys.

Headers, evidence, admission by t gatekeepers, ``Registry.admit`` by the operator, endpoint, ``Clusters.join``, ticket,
release, partial keys (ARCHITECTURE, "How a worker comes to its keys"). Each step looks first whether it is done, so the
whole can be tried again after any failure.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import astuple, dataclass, fields, replace

from coprocessor.attestation.evidence import SIGNING_KEY, decode_evidence, encode_evidence
from coprocessor.chain.committee import read_present
from coprocessor.chain.node import Block
from coprocessor.crypto.secp256k1 import recover_address
from coprocessor.enclave import messages as m
from coprocessor.host import slots
from coprocessor.host.collateral import complete_attested
from coprocessor.host.enclave_process import EnclaveProcess, EnclaveRefused
from coprocessor.host.evidence import admission_request
from coprocessor.host.feed import ChainFeed
from coprocessor.host.worker_options import Surroundings
from coprocessor.protocol.statements import ROLE_WORKER, Admission
from coprocessor.protocol.system import compute_worker_id
from coprocessor.values.errors import EvidenceRefused, PeerUnreachable
from coprocessor.values.identities import WorkerId, to_hex

__all__ = ["RENEW_SECONDS", "Enrolment", "Standing"]

_log = logging.getLogger("coprocessor.host")

RENEW_SECONDS = 2 * 86_400
"""How long before its end an admission is renewed."""

_WORKER_SIGNER, _WORKER_EXPIRES, _WORKER_REVOKED = 3, 10, 11
_CLUSTER_EPOCH, _CLUSTER_FIRST_OPEN = 1, 8


@dataclass(frozen=True, slots=True)
class Standing:
    """What ``Registry`` says of this worker: its live key (20 bytes), end of its admission (seconds), revocation."""

    signer: bytes
    expires: int
    revoked: bool


class Enrolment:
    """One enclave's way into its cluster.

    Args:
        around: the host's shared parts.
        enclave: just started, not booted.
        feed: of that enclave.
    """

    def __init__(self, around: Surroundings, enclave: EnclaveProcess, feed: ChainFeed) -> None:
        self._around = around
        self._enclave = enclave
        self._feed = feed
        self._booted: m.Booted | None = None
        self._checkpoint: Block | None = None
        self._attested: m.Attested | None = None
        self._held: set[int] = set()
        self._asked: dict[int, bytes] = {}

    @property
    def booted(self) -> m.Booted:
        """The enclave's public keys."""
        assert self._booted is not None, "boot comes first"
        return self._booted

    @property
    def worker(self) -> WorkerId:
        """The id of this operator's platform."""
        return compute_worker_id(self._around.operator, self.booted.platform)

    def known(self) -> tuple[WorkerId, bool] | None:
        """The worker's id and whether its hardware is simulated, once the enclave has booted."""
        return None if self._booted is None else (self.worker, self._booted.simulated)

    async def boot(self) -> None:
        """The first message, the first headers (the enclave's checkpoint), and evidence over both."""
        around = self._around
        if self._booted is None:
            message = m.BootWorker(around.options.network, around.operator, around.cluster)
            self._booted = await self._enclave.request(message, m.Booted)
        block = await self._feed.advance()
        self._checkpoint = self._checkpoint or block
        self._attested = await self._attest()

    async def admit(self) -> None:
        """Evidence to the gatekeepers, their admission to ``Registry``; nothing where this key is admitted already."""
        standing = await self.standing()
        if standing.revoked:
            raise EvidenceRefused(
                "worker.revoked",
                f"worker {to_hex(self.worker)} is revoked",
                "the guardian revoked it, or it signed two contrary receipts",
                "a revoked platform does not come back under the same operator",
            )
        if standing.signer != self.booted.signer:
            await self.renew()

    async def renew(self) -> None:
        """A new admission of the same keys."""
        attested, self._attested = self._attested, None  # evidence names a block, so it serves once
        if attested is None:
            await self._feed.advance()
            attested = await self._attest()
        threshold = await self._threshold()
        request = self._admission_request(attested)
        signed = await self._around.gatekeepers.admit(request, threshold)
        registry = self._around.contract("Registry")
        admission = _agreed(signed)
        signatures = await self._in_member_order(admission, signed)
        call = registry.encode("admit", astuple(admission), attested.evidence, signatures)
        receipt = await self._around.sender.send(registry.address, call)
        await self.wait_until_final(receipt.block_number)

    async def _attest(self) -> m.Attested:
        attested = await complete_attested(await self._enclave.request(m.Attest(), m.Attested))
        evidence = decode_evidence(attested.evidence).with_extra(SIGNING_KEY, self.booted.signing_key)
        return replace(attested, evidence=encode_evidence(evidence))

    async def announce(self, endpoint: str) -> None:
        """Writes where this worker is reached, where the chain says something else."""
        registry = self._around.contract("Registry")
        if await registry.read("endpoints", self.worker) != endpoint:
            await self._around.sender.send(registry.address, registry.encode("set_endpoint", self.worker, endpoint))

    async def join(self) -> None:
        """Membership of the cluster."""
        around, clusters = self._around, self._around.contract("Clusters")
        if not await clusters.read("members", around.cluster, self.worker):
            call = clusters.encode("join", around.cluster, self.worker)
            receipt = await around.sender.send(clusters.address, call)
            await self.wait_until_final(receipt.block_number)

    async def take_open_keys(self) -> None:
        """The keys of every epoch that is not closed (PROTOCOL 8.2)."""
        around = self._around
        cluster = await around.contract("Clusters").read("clusters", around.cluster)
        for epoch in range(cluster[_CLUSTER_FIRST_OPEN], cluster[_CLUSTER_EPOCH] + 1):
            if epoch not in self._held:
                await self.take_keys(epoch)

    async def take_keys(self, epoch: int) -> None:
        """Ticket, release and partial keys of one epoch (PROTOCOL 2.4, 8.2).

        A request that too few gatekeepers could answer is kept and sent again: each answers one request for each
        admission.
        """
        request = self._asked.pop(epoch, None) or await self._ask_for_keys(epoch)
        threshold = await self._threshold()
        try:
            released = await self._around.gatekeepers.release(request, threshold)
        except PeerUnreachable:
            self._asked[epoch] = request
            raise
        try:
            ready = await self._hand_over(epoch, released)
        except EnclaveRefused as error:
            if error.code != "keys.not_enough_partials":
                raise
            ready = await self._hand_over(epoch, await self._around.gatekeepers.release_all(request))
        if ready.wrong:
            _log.warning("worker: gatekeepers %s gave wrong partial keys", list(ready.wrong))
        self._held.add(epoch)

    async def _ask_for_keys(self, epoch: int) -> bytes:
        """The enclave's request for the key of an epoch, with a fresh ticket."""
        threshold = await self._threshold()
        head = await self._feed.advance()
        await self._feed.prove(await self._standing_slots(), head.number)
        nonce = (await self._enclave.request(m.RequestTicket(), m.TicketRequested)).nonce
        tickets = await self._around.gatekeepers.tickets(nonce, head.number, threshold)
        message = m.Tickets(epoch, tuple(one.ticket for one in tickets))
        return (await self._enclave.request(message, m.ReleaseRequested)).request

    async def _hand_over(self, epoch: int, released: list[m.Released]) -> m.KeysReady:
        master_key, share_keys = await self._master_key()
        partials = m.Partials(epoch, master_key, tuple(share_keys), tuple(one.partial for one in released))
        return await self._enclave.request(partials, m.KeysReady)

    async def standing(self) -> Standing:
        """What the chain says of this worker now."""
        record = await self._around.contract("Registry").read("workers", self.worker)
        return Standing(record[_WORKER_SIGNER], record[_WORKER_EXPIRES], record[_WORKER_REVOKED])

    async def wait_until_final(self, block_number: int) -> None:
        """Feeds headers until the enclave's verified chain has passed a block."""
        while (await self._feed.advance()).number < block_number:
            await asyncio.sleep(self._around.options.poll_seconds)

    async def _standing_slots(self) -> dict[str, list[bytes]]:
        members = [member.signer for member in await read_present(self._around.contract("Gatekeeping"))]
        wanted: dict[str, list[bytes]] = {}
        standing = slots.worker_standing(self._around.cluster, self.worker, self.booted.signer)
        for part in (slots.committee(members), standing):
            for name, names in part.items():
                wanted.setdefault(name, []).extend(names)
        return wanted

    async def _threshold(self) -> int:
        threshold: int = await self._around.contract("Gatekeeping").read("threshold")
        if threshold == 0:
            raise PeerUnreachable("gatekeepers.no_genesis", "the network has no gatekeepers yet", next="wait for them")
        return threshold

    async def _master_key(self) -> tuple[bytes, list[bytes]]:
        gatekeeping = self._around.contract("Gatekeeping")
        head = await self._around.node.block("latest")
        topic = gatekeeping.interface.event("Completed").topic
        last = 0 if head is None else head.number
        logs = await self._around.node.logs([gatekeeping.address], [topic, self._around.network_id], 0, last)
        completed = gatekeeping.events(logs, "Completed")
        if not completed:
            raise PeerUnreachable(
                "gatekeepers.no_key", "the gatekeepers' key ceremony is not complete", next="wait for it"
            )
        return completed[-1]["master_key"], completed[-1]["share_keys"]

    async def _in_member_order(self, admission: Admission, signed: list[m.AdmissionSigned]) -> list[bytes]:
        """The signatures as ``Registry.admit`` wants them; what is no member's, or a revoked one's, is left out."""
        registry, gatekeeping = self._around.contract("Registry"), self._around.contract("Gatekeeping")
        digest = admission.digest(self._around.network.configuration.chain_id, registry.address)
        by_signer = {recover_address(digest, one.signature): one.signature for one in signed}
        members = [member.signer for member in await read_present(gatekeeping) if member.is_standing]
        return [by_signer[signer] for signer in members if signer in by_signer]

    def _admission_request(self, attested: m.Attested) -> m.Admit:
        booted, checkpoint = self.booted, self._checkpoint
        assert checkpoint is not None, "boot comes first"
        return admission_request(ROLE_WORKER, booted, self._around.operator, attested, checkpoint)


def _agreed(signed: list[m.AdmissionSigned]) -> Admission:
    """The admission that all signed; the gatekeepers were asked for equal ones."""
    return Admission(*(getattr(signed[0], field.name) for field in fields(Admission)))
