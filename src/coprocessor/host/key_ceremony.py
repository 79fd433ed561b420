"""A gatekeeper host's part in the key ceremony: it carries what its enclave says to the chain, and back what is there.

It decides nothing (PROTOCOL 9.3): the enclave checks that the messages replay to the proven head. What the enclave
seals is durable before anything that follows from it leaves (PROTOCOL 9.5). Any host may send the outcome once enough
members have signed it; they take turns.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass

from coprocessor.chain.contract import Contract
from coprocessor.chain.errors import TransactionReverted
from coprocessor.chain.follower import LogReader
from coprocessor.chain.node import Node
from coprocessor.chain.sender import TransactionSender
from coprocessor.crypto.hashing import keccak256
from coprocessor.crypto.secp256k1 import recover_address
from coprocessor.enclave import messages as m
from coprocessor.host import slots
from coprocessor.host.ceremony import CeremonyFile, FirstCommittee
from coprocessor.host.enclave_process import EnclaveProcess
from coprocessor.host.feed import ChainFeed
from coprocessor.keys.transcript import Phase
from coprocessor.protocol.statements import NO_SHARE, MasterKeyRecord
from coprocessor.values.errors import CoprocessorError, PeerUnreachable
from coprocessor.values.identities import ZERO_DIGEST, Address, Digest
from coprocessor.values.network import NetworkConfiguration

__all__ = ["QUIET_SECONDS", "SETTLED", "TURN_SECONDS", "CeremonyCourier", "CeremonySurroundings", "read_entries"]

_log = logging.getLogger("coprocessor.host")

QUIET_SECONDS = 5.0
"""A phase that lasts longer waits for somebody who is silent."""

NUDGE_SECONDS = 1.0
"""Between transactions by which a host of a development network makes blocks, so that a phase can end."""

TURN_SECONDS = 3.0
"""How long the outcome is left to each member before the next one sends it."""

SETTLED = (
    "gatekeeping: spoken",
    "gatekeeping: completed",
    "gatekeeping: session",
    "gatekeeping: open",
    "gatekeeping: no handover",
    "gatekeeping: revoked",
)
"""Reasons for which the contract refuses what somebody has done already."""


@dataclass(frozen=True, slots=True)
class CeremonySurroundings:
    """The chain, the operator's account, ``Gatekeeping``, the network, and the file of sealed blobs."""

    node: Node
    sender: TransactionSender
    contract: Contract
    configuration: NetworkConfiguration
    file: CeremonyFile

    async def nudge(self, last: float) -> float:
        """On a development network blocks come with transactions alone: makes one, so that a phase can end.

        Args:
            last: what this gave the last time.
        """
        now = time.monotonic()
        if not self.configuration.development or now - last < NUDGE_SECONDS:
            return last
        await self.sender.send(self.sender.address, b"")
        return now


class CeremonyCourier:
    """Carries one member's ceremony.

    Args:
        around: the host's shared parts; the file holds the genesis already.
        enclave, feed: this gatekeeper's.
        genesis: of the network.
        signer: 20 bytes, address of the enclave's signing key.
    """

    def __init__(
        self,
        around: CeremonySurroundings,
        enclave: EnclaveProcess,
        feed: ChainFeed,
        genesis: FirstCommittee,
        signer: Address,
    ) -> None:
        self._around = around
        self._node = around.node
        self._sender = around.sender
        self._contract = around.contract
        self._configuration = around.configuration
        self._file = around.file
        self._enclave = enclave
        self._feed = feed
        self.genesis = genesis
        self._index = [member.signer for member in genesis.members].index(signer)
        self._said: set[tuple[bytes, int]] = set()
        self._sealed_for = b""
        self._phase: tuple[bytes, int] = (b"", 0)
        self._since = time.monotonic()
        self._nudged = 0.0

    async def step(self) -> bool:
        """One look at the ceremony; True once its outcome is recorded.

        Raises:
            EnclaveRefused: the messages do not replay.
            PeerUnreachable: ``ceremony.waiting``: others have to speak first.
            TransactionFailed, RpcError, ChainUnreachable: as the chain does.
        """
        head = await self._feed.advance()
        session: Digest = await self._contract.read("session", tag=head.number)
        if session == ZERO_DIGEST:
            raise PeerUnreachable("ceremony.no_genesis", "the chain names no network yet", next="wait for the deployer")
        await self._feed.prove(slots.ceremony(session), head.number)
        entries = await read_entries(self._node, self._contract, session, head.number)
        step = await self._enclave.request(m.Ceremony(entries), m.CeremonyStep)
        if step.done:
            sealed = step.sealed or self._kept_blob()
            self._file.update(sealed=sealed, is_done=True, has_share=step.has_share, committee=1)
            return True
        self._note(session, step.phase)
        if step.message and await self._post(session, step.phase, step.message):
            return False
        if step.failure:
            await self._send("reopen")
        elif step.phase == Phase.OUTCOME:
            await self._record(step, entries)
        if time.monotonic() - self._since > QUIET_SECONDS:
            self._nudged = await self._around.nudge(self._nudged)
        raise PeerUnreachable(
            "ceremony.waiting",
            f"the key ceremony is in phase {Phase(step.phase).name.lower()}",
            step.failure or "others have to speak, or the chain to go on",
            "it goes on without those who stay silent",
        )

    def _kept_blob(self) -> bytes:
        kept = self._file.load()
        return b"" if kept is None else kept.sealed

    def _note(self, session: bytes, phase: int) -> None:
        if self._phase != (session, phase):
            _log.info("gatekeeper %d: key ceremony, phase %s", self._index, Phase(phase).name.lower())
            self._phase, self._since = (session, phase), time.monotonic()

    async def _post(self, session: Digest, kind: int, data: bytes) -> bool:
        """Posts what was not said before; whether it was."""
        if (session, kind) in self._said:
            return False
        await self._send("post", session, self._index, kind, data)
        self._said.add((session, kind))
        return True

    async def _record(self, step: m.CeremonyStep, entries: tuple[m.TranscriptEntry, ...]) -> None:
        """Shows this member's signature once its share is durable; sends the outcome when it is this member's turn."""
        if step.sealed and self._sealed_for != step.session:
            self._file.update(sealed=step.sealed)
            self._sealed_for = step.session
        if step.signature and await self._post(Digest(step.session), Phase.OUTCOME, step.signature):
            return
        signatures = self._signatures(step, entries)
        holders = sum(key != NO_SHARE for key in step.share_keys)
        waited = time.monotonic() - self._since
        enough = self.genesis.threshold if waited > QUIET_SECONDS else holders
        before = sum(at < self._index for at in signatures)
        if len(signatures) >= enough and waited > before * TURN_SECONDS:
            chosen = [signatures[at] for at in sorted(signatures)]
            await self._send("complete", step.master_key, list(step.share_keys), chosen)

    def _signatures(self, step: m.CeremonyStep, entries: tuple[m.TranscriptEntry, ...]) -> dict[int, bytes]:
        """Good signatures over this outcome, by member."""
        keys_hash = keccak256(b"".join(step.share_keys))
        record = MasterKeyRecord(Digest(step.session), keccak256(step.master_key), keys_hash)
        digest = record.digest(self._configuration.chain_id, self._contract.address)
        found = {}
        for entry in entries:
            if entry.kind == Phase.OUTCOME and step.share_keys[entry.member] != NO_SHARE:
                try:
                    signer = recover_address(digest, entry.data)
                except CoprocessorError:
                    continue
                if signer == self.genesis.members[entry.member].signer:
                    found[entry.member] = entry.data
        return found

    async def _send(self, function: str, *arguments: object) -> None:
        """Sends a call; what somebody has done already is done."""
        try:
            await self._sender.send(self._contract.address, self._contract.encode(function, *arguments))
        except TransactionReverted as error:
            if error.reason not in SETTLED:
                raise


async def read_entries(node: Node, contract: Contract, session: bytes, last: int) -> tuple[m.TranscriptEntry, ...]:
    """All messages of a ceremony up to a block, in the chain's order.

    Args:
        node: where from.
        contract: ``Gatekeeping``.
        session: 32 bytes, the ceremony that is under way at ``last``, or was the last.
        last: number of a finalised block.
    """
    opened = await contract.read("opened", tag=last)
    topics = [contract.interface.event("Transcript").topic, session]
    entries: list[m.TranscriptEntry] = []
    async for _, logs in LogReader(node).read([contract.address], topics, opened, last):
        for log, event in zip(logs, contract.events(logs, "Transcript"), strict=True):
            entries.append(m.TranscriptEntry(event["member"], event["kind"], log.block_number, event["data"]))
    return tuple(entries)
