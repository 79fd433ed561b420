"""A gatekeeper host's part in handing the key over: it shows candidates' evidence to its enclave, carries what the
enclave says to the chain, and sends the outcome (PROTOCOL 9.4, 9.5).

It looks at the chain all the time; a handover begins once somebody has gathered the threshold of agreements
(``POST /v1/handover``, ``host.succession``). What the enclave seals is durable before anything that follows from it
leaves.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable
from dataclasses import dataclass

from coprocessor.chain.errors import TransactionReverted
from coprocessor.codec.records import RecordTable
from coprocessor.crypto.hashing import keccak256
from coprocessor.crypto.secp256k1 import SIGNATURE_LENGTH, recover_address
from coprocessor.enclave import messages as m
from coprocessor.host import slots
from coprocessor.host.enclave_process import EnclaveProcess
from coprocessor.host.feed import ChainFeed
from coprocessor.host.http import MAX_BODY
from coprocessor.host.key_ceremony import QUIET_SECONDS, SETTLED, TURN_SECONDS, CeremonySurroundings, read_entries
from coprocessor.host.policy import prove_policy
from coprocessor.keys.transcript import CLOSING, Phase
from coprocessor.protocol.statements import MasterKeyRecord
from coprocessor.values.errors import CoprocessorError, PeerUnreachable
from coprocessor.values.identities import Digest, to_hex

__all__ = ["CANDIDATES", "Candidates", "HandoverCourier"]

_log = logging.getLogger("coprocessor.host")

_SIGNER = 1


@dataclass(frozen=True, slots=True)
class Candidates:
    """The members of the announced committee that are not present ones, with their evidence."""

    admissions: tuple[m.Admit, ...]


CANDIDATES = RecordTable((Candidates,), MAX_BODY)
"""What ``POST /v1/handover`` takes."""


class HandoverCourier:
    """Carries one gatekeeper's part in handovers.

    Args:
        around: the host's shared parts.
        enclave, feed: this gatekeeper's.
    """

    def __init__(self, around: CeremonySurroundings, enclave: EnclaveProcess, feed: ChainFeed) -> None:
        self._around = around
        self._contract = around.contract
        self._enclave = enclave
        self._feed = feed
        self._said: set[tuple[bytes, int, int]] = set()
        self._phase: tuple[bytes, int] = (b"", -1)
        self._since = time.monotonic()
        self._nudged = 0.0
        self.candidates: dict[bytes, m.Admit] = {}
        """By signing address: evidence that the enclave shall be shown when a handover names it."""

    async def agree(self, candidates: Iterable[m.Admit]) -> m.HandoverSigned:
        """The enclave's agreement to the announced committee. Raises EnclaveRefused where it does not agree."""
        self.candidates |= {candidate.signer: candidate for candidate in candidates}
        await self._prove()
        for candidate in self.candidates.values():
            await self._show_candidate(candidate)
        return await self._enclave.request(m.SignHandover(), m.HandoverSigned)

    async def step(self) -> bool:
        """One look; whether anything was said.

        Raises:
            EnclaveRefused: what the node gave does not hold.
            PeerUnreachable: ``handover.waiting``: others have to speak first.
        """
        head = await self._feed.advance()
        committee = await self._contract.read("committee", tag=head.number)
        kept = self._around.file.load()
        is_handover = await self._contract.read("is_handover", tag=head.number)
        if kept is None or (committee == kept.committee and not is_handover):
            return False
        number = await self._prove()
        session = await self._contract.read("session", tag=number)
        entries = await read_entries(self._around.node, self._contract, session, number)
        master_key, share_keys = await self._keys(number)
        step = await self._enclave.request(m.Handover(master_key, share_keys, entries), m.HandoverStep)
        if step.sealed or (step.committee, step.has_share) != (kept.committee, kept.has_share):
            sealed = step.sealed or kept.sealed
            self._around.file.update(sealed=sealed, committee=step.committee, has_share=step.has_share)
        if step.phase == 0:
            _log.info("gatekeeper: committee %d, %s share", step.committee, "a" if step.has_share else "no")
            return False
        self._note(step)
        if await self._show(step) or await self._post(step):
            return True
        if step.phase == Phase.OUTCOME and step.share_keys:
            await self._end(step, entries, master_key, number)
        await self._nudge()
        raise PeerUnreachable(
            "handover.waiting",
            f"a handover of the key is in phase {Phase(step.phase).name.lower()}",
            step.failure or "others have to speak, or the chain to go on",
            "it goes on without those who stay silent; the present committee serves meanwhile",
        )

    async def _prove(self) -> int:
        """All slots of a handover under the newest block; its number."""
        head = await self._feed.advance()
        read = self._contract.read
        session = await read("session", tag=head.number)
        members, following = await read("member_count", tag=head.number), await read("next_count", tag=head.number)
        await self._feed.prove(slots.handover(session, members, following), head.number)
        return head.number

    async def _keys(self, last: int) -> tuple[bytes, tuple[bytes, ...]]:
        """Master key and share keys of the present committee."""
        topics = [self._contract.interface.event("Completed").topic]
        logs = await self._around.node.logs([self._contract.address], topics, 0, last)
        newest = self._contract.events(logs, "Completed")[-1]
        return newest["master_key"], tuple(newest["share_keys"])

    def _note(self, step: m.HandoverStep) -> None:
        if self._phase != (step.session, step.phase):
            name = Phase(step.phase).name.lower()
            _log.info("gatekeeper: handover %s, phase %s", to_hex(step.session)[:10], name)
            self._phase, self._since = (step.session, step.phase), time.monotonic()

    async def _show(self, step: m.HandoverStep) -> bool:
        """Shows the enclave the evidence of newcomers that it asks for, where this host has it."""
        shown = False
        for at in step.unknown:
            signer = (await self._contract.read("next_members", at))[_SIGNER]
            candidate = self.candidates.get(signer)
            if candidate is not None:
                await self._show_candidate(candidate)
                shown = True
        return shown

    async def _show_candidate(self, candidate: m.Admit) -> None:
        await prove_policy(self._feed, candidate)
        await self._enclave.request(m.VerifyCandidate(candidate), m.Ready)

    async def _post(self, step: m.HandoverStep) -> bool:
        """Posts what was not said before; whether there was anything."""
        spoke = False
        for said in step.says:
            place = (step.session, said.member, said.kind)
            if place not in self._said:
                await self._send("post", step.session, said.member, said.kind, said.data)
                self._said.add(place)
                spoke = True
        return spoke

    async def _end(
        self, step: m.HandoverStep, entries: tuple[m.TranscriptEntry, ...], master_key: bytes, number: int
    ) -> None:
        """Sends the outcome once enough have signed it, and nobody more will soon."""
        read = self._contract.read
        present = await read("member_count", tag=number)
        following = await read("next_count", tag=number)
        record = MasterKeyRecord(Digest(step.session), keccak256(master_key), keccak256(b"".join(step.share_keys)))
        chain_id = self._around.configuration.chain_id
        digest = record.digest(chain_id, self._contract.address)
        old = await self._signatures(digest, entries, CLOSING, "members", 0, present)
        new = await self._signatures(digest, entries, Phase.OUTCOME, "next_members", present, following)
        waited = time.monotonic() - self._since
        quiet = waited > QUIET_SECONDS
        enough_old = await read("threshold", tag=number) if quiet else present
        enough_new = await read("next_threshold", tag=number) if quiet else following
        if len(old) >= enough_old and len(new) >= enough_new:
            turn = self._around.sender.address[-1] % (present + following)
            if waited > turn * TURN_SECONDS / (present + following):
                await self._send("hand_over", master_key, list(step.share_keys), old, new)

    async def _signatures(
        self, digest: Digest, entries: tuple[m.TranscriptEntry, ...], kind: int, table: str, first: int, count: int
    ) -> list[bytes]:
        """Good signatures of one committee over the outcome, in member order."""
        found: list[bytes] = []
        said = {entry.member: entry.data for entry in entries if entry.kind == kind}
        for at in range(count):
            data = said.get(first + at, b"")[:SIGNATURE_LENGTH]
            try:
                if data and recover_address(digest, data) == (await self._contract.read(table, at))[_SIGNER]:
                    found.append(data)
            except CoprocessorError:
                continue
        return found

    async def _send(self, function: str, *arguments: object) -> None:
        """Sends a call; what somebody has done already is done."""
        try:
            await self._around.sender.send(self._contract.address, self._contract.encode(function, *arguments))
        except TransactionReverted as error:
            if error.reason not in SETTLED:
                raise

    async def _nudge(self) -> None:
        now = time.monotonic()
        if now - self._since > QUIET_SECONDS:
            self._nudged = await self._around.nudge(self._nudged)
