"""A gatekeeper host's part in handing the key over: it shows its enclave what newcomers' evidence was, carries what the
enclave says to the chain, and sends the outcome (PROTOCOL 9.4, 9.5). It also shows its enclave that it is revoked.

It looks at the chain all the time; a handover begins once somebody has gathered the threshold of agreements
(``POST /v1/handover``, ``host.succession``). What the enclave seals is durable before anything that follows from it
leaves.
"""

from __future__ import annotations

import logging
import time

from coprocessor.chain.committee import ListedMember, read_announced, read_present
from coprocessor.chain.errors import TransactionReverted
from coprocessor.crypto.hashing import keccak256
from coprocessor.crypto.secp256k1 import SIGNATURE_LENGTH, recover_address
from coprocessor.enclave import messages as m
from coprocessor.host import slots
from coprocessor.host.enclave_process import EnclaveProcess, EnclaveRefused
from coprocessor.host.evidence import read_evidence
from coprocessor.host.feed import ChainFeed
from coprocessor.host.http import PeerClient
from coprocessor.host.key_ceremony import QUIET_SECONDS, SETTLED, TURN_SECONDS, CeremonySurroundings, read_entries
from coprocessor.host.policy import prove_policy
from coprocessor.keys.transcript import CLOSING, Phase
from coprocessor.protocol.statements import MasterKeyRecord
from coprocessor.values.errors import CoprocessorError, PeerUnreachable
from coprocessor.values.identities import Address, Digest, to_hex

__all__ = ["HandoverCourier"]

_log = logging.getLogger("coprocessor.host")


class HandoverCourier:
    """Carries one gatekeeper's part in handovers.

    Args:
        around: the host's shared parts.
        enclave, feed: this gatekeeper's.
        signer: 20 bytes, address of the enclave's signing key.
        peers: the way to the other members.
    """

    def __init__(
        self,
        around: CeremonySurroundings,
        enclave: EnclaveProcess,
        feed: ChainFeed,
        signer: Address,
        peers: PeerClient,
    ) -> None:
        self._peers = peers
        self._around = around
        self._contract = around.contract
        self._enclave = enclave
        self._feed = feed
        self._signer = signer
        self._idle_at = -1
        self._said: set[tuple[bytes, int, int]] = set()
        self._phase: tuple[bytes, int] = (b"", -1)
        self._since = time.monotonic()
        self._nudged = 0.0

    async def agree(self) -> m.HandoverSigned:
        """The enclave's agreement to the announced committee. Raises EnclaveRefused where it does not agree."""
        number = await self._prove()
        present = {member.row for member in await read_present(self._contract, number)}
        for member in await read_announced(self._contract, number):
            if member.row not in present:
                await self._show(member, number)
            elif not self._around.configuration.development:
                await self._show_fresh(member)
        return await self._enclave.request(m.SignHandover(), m.HandoverSigned)

    async def step(self) -> bool:
        """One look; whether anything was said.

        Raises:
            EnclaveRefused: what the node gave does not hold.
            PeerUnreachable: ``handover.waiting``: others have to speak first.
        """
        head = await self._feed.advance()
        if head.number == self._idle_at:
            return False
        committee = await self._contract.read("committee", tag=head.number)
        kept = self._around.file.load()
        is_handover = await self._contract.read("is_handover", tag=head.number)
        ends = await self._contract.read("revoked", self._signer, tag=head.number) and kept and kept.has_share
        if kept is None or (committee == kept.committee and not is_handover and not ends):
            self._idle_at = head.number
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
        if await self._show_unknown(step, number) or await self._post(step):
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
        present = [member.signer for member in await read_present(self._contract, head.number)]
        following = [member.signer for member in await read_announced(self._contract, head.number)]
        await self._feed.prove(slots.handover(session, present, following), head.number)
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

    async def _show_unknown(self, step: m.HandoverStep, number: int) -> bool:
        """Shows the enclave the evidence of the newcomers that it asks for; whether it took any."""
        if not step.unknown:
            return False
        announced = await read_announced(self._contract, number)
        return any([await self._show(announced[at], number) for at in step.unknown])

    async def _show(self, member: ListedMember, number: int) -> bool:
        """Shows the enclave what was published for a newcomer, until it takes one; whether it did."""
        for candidate in await read_evidence(self._contract, member, number):
            try:
                await prove_policy(self._feed, candidate)
                await self._enclave.request(m.VerifyCandidate(candidate), m.Ready)
            except EnclaveRefused as error:
                _log.warning("gatekeeper: evidence of %s: %s", to_hex(member.signer), error.what)
            else:
                return True
        return False

    async def _show_fresh(self, member: ListedMember) -> None:
        """Shows the enclave whose hardware a member that stays runs on (PROTOCOL 8.9), as it says itself now."""
        try:
            own = await self._peers.get_record(f"{member.endpoint}/v1/evidence", m.GATEKEEPER_REQUESTS)
            await prove_policy(self._feed, own)
            await self._enclave.request(m.VerifyCandidate(own), m.Ready)
        except CoprocessorError as error:
            _log.warning("gatekeeper: evidence of %s: %s", to_hex(member.signer), error.what)

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
        present, following = await read_present(self._contract, number), await read_announced(self._contract, number)
        record = MasterKeyRecord(Digest(step.session), keccak256(master_key), keccak256(b"".join(step.share_keys)))
        chain_id = self._around.configuration.chain_id
        digest = record.digest(chain_id, self._contract.address)
        old = _signatures(digest, entries, CLOSING, 0, present)
        new = _signatures(digest, entries, Phase.OUTCOME, len(present), following)
        waited = time.monotonic() - self._since
        quiet = waited > QUIET_SECONDS
        enough_old = await read("threshold", tag=number) if quiet else _standing(present)
        enough_new = await read("next_threshold", tag=number) if quiet else _standing(following)
        if len(old) >= enough_old and len(new) >= enough_new:
            turns = len(present) + len(following)
            if waited > self._around.sender.address[-1] % turns * TURN_SECONDS / turns:
                await self._send("hand_over", master_key, list(step.share_keys), old, new)

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


def _standing(members: tuple[ListedMember, ...]) -> int:
    return sum(member.is_standing for member in members)


def _signatures(
    digest: Digest,
    entries: tuple[m.TranscriptEntry, ...],
    kind: int,
    first: int,
    members: tuple[ListedMember, ...],
) -> list[bytes]:
    """Good signatures of one committee's standing members over the outcome, in member order."""
    found: list[bytes] = []
    said = {entry.member: entry.data for entry in entries if entry.kind == kind}
    for at, member in enumerate(members, start=first):
        data = said.get(at, b"")[:SIGNATURE_LENGTH]
        try:
            if data and member.is_standing and recover_address(digest, data) == member.signer:
                found.append(data)
        except CoprocessorError:
            continue
    return found
