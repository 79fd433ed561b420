"""A gatekeeper host's part in the beacon: the key's ceremony, parts from peers, values on the chain (PROTOCOL 10).

It decides nothing: its enclave checks what it is shown and signs no height before its time, parts are checked against
the key, and the contract verifies the whole. Members take turns, drawn for each height, so that one pays for a value.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from coprocessor.chain.committee import ListedMember, read_present
from coprocessor.chain.contract import Contract
from coprocessor.chain.errors import TransactionReverted
from coprocessor.crypto.bls import BlsSignature, G1Element, check_public_key
from coprocessor.crypto.eip2537 import expand_g1, expand_public_key
from coprocessor.crypto.hashing import keccak256
from coprocessor.crypto.secp256k1 import recover_address
from coprocessor.enclave import messages as m
from coprocessor.host import slots
from coprocessor.host.enclave_process import EnclaveProcess
from coprocessor.host.feed import ChainFeed
from coprocessor.host.http import PeerClient
from coprocessor.host.key_ceremony import QUIET_SECONDS, TURN_SECONDS, CeremonySurroundings, read_entries
from coprocessor.keys.beacon import BeaconRound, combine_beacon
from coprocessor.keys.partial import NotEnoughPartials, PartialSignature
from coprocessor.keys.shares import CommitteeKeys
from coprocessor.keys.transcript import Phase
from coprocessor.protocol.draws import compute_seed, draw_order
from coprocessor.protocol.statements import NO_SHARE, BeaconKeyRecord
from coprocessor.values.errors import CoprocessorError
from coprocessor.values.identities import ZERO_DIGEST, Digest, NetworkId

__all__ = ["BeaconCourier"]

_log = logging.getLogger("coprocessor.host")

BEGIN_SECONDS: Final = 8.0
"""How long a host leaves a committee without a beacon key after it has started: users' first programs go first."""

ANSWER_SECONDS: Final = 3.0
AGAIN_SECONDS: Final = 1.0
"""Before parts that were too few are asked for again."""

FALLBACK_BLOCKS: Final = 256
"""Blocks for which a missed window can still be filled."""

MAX_REMEMBERED: Final = 256

_SETTLED = (
    *("beacon: open", "beacon: completed", "beacon: spoken", "beacon: session", "beacon: committee"),
    *("beacon: known", "beacon: late"),
)
"""Reasons for which the contract refuses what somebody has done already, or what is over."""


@dataclass(frozen=True, slots=True)
class _Standing:
    """The beacon at a block: present committee, whether a next one is announced, the one in ceremony, those of the last
    two keys, the ceremony."""

    block: int
    present: int
    is_announced: bool
    in_ceremony: int
    committee: int
    former: int
    session: Digest
    members: tuple[ListedMember, ...]

    @property
    def committees(self) -> tuple[int, ...]:
        """Whose keys matter."""
        return tuple(sorted({number for number in (self.committee, self.former, self.present) if number}))


class BeaconCourier:
    """Carries one gatekeeper's part.

    Args:
        around: the host's shared parts; its contract is ``Gatekeeping``.
        beacon: the contract.
        network: 32 bytes.
        enclave, feed: this gatekeeper's.
        signer: 20 bytes, address of the enclave's signing key.
        peers: HTTP.
    """

    def __init__(
        self,
        around: CeremonySurroundings,
        beacon: Contract,
        network: NetworkId,
        enclave: EnclaveProcess,
        feed: ChainFeed,
        signer: bytes,
        peers: PeerClient,
    ) -> None:
        self._around = around
        self._gatekeeping = around.contract
        self._beacon = beacon
        self._network = network
        self._enclave = enclave
        self._feed = feed
        self._signer = signer
        self._peers = peers
        self._asking = asyncio.Lock()
        self._started = time.monotonic()
        self._phase: tuple[bytes, int] = (b"", 0)
        self._since = self._started
        self._nudged = 0.0
        self._seen = -1
        self._window = 0
        self._said: set[tuple[bytes, int]] = set()
        self._looked: set[int] = set()
        self._known: set[int] = set()
        self._due: dict[int, float] = {}
        self._again = 0.0
        self._parts: dict[int, m.BeaconSigned] = {}
        self._keys: dict[int, tuple[CommitteeKeys, int]] = {}
        self._urls: dict[bytes, str] = {}

    # ---- what peers ask

    async def sign(self, height: int) -> m.BeaconSigned:
        """This member's part of a height's value. Raises EnclaveRefused where it is not time, or it has no share."""
        if height not in self._parts:
            async with self._asking:
                standing = await self._stand((await self._feed.advance()).number)
                await self._prove(standing, members=0)
                signed = await self._enclave.request(m.SignBeacon(height), m.BeaconSigned)
            while len(self._parts) >= MAX_REMEMBERED:
                del self._parts[min(self._parts)]
            self._parts[height] = signed
        return self._parts[height]

    # ---- the work

    async def step(self) -> bool:
        """One look; whether anything was said or posted.

        Raises:
            EnclaveRefused: what the node gave does not hold.
            TransactionFailed, RpcError, ChainUnreachable: as the chain does.
        """
        head = (await self._feed.advance()).number
        if head == self._seen and not self._due:
            return False
        standing = await self._stand(head)
        place = next((at for at, member in enumerate(standing.members) if member.signer == self._signer), None)
        if standing.present == 0 or place is None:
            self._seen = head
            return False
        if standing.committee != standing.present or standing.present not in self._looked:
            if await self._ceremony(standing, place):
                return True
        else:
            self._seen = head
        return await self._values(standing)

    async def _stand(self, block: int) -> _Standing:
        read = self._beacon.read
        present, announced, in_ceremony, committee, former, session = await asyncio.gather(
            *(self._gatekeeping.read(name, tag=block) for name in ("committee", "next_count")),
            *(read(name, tag=block) for name in ("in_ceremony", "committee", "former_committee", "session")),
        )
        members = await read_present(self._gatekeeping, block)
        self._urls |= {member.signer: member.endpoint for member in members if member.endpoint}
        return _Standing(block, present, announced > 0, in_ceremony, committee, former, Digest(session), members)

    async def _prove(self, standing: _Standing, members: int) -> None:
        wanted = slots.beacon(standing.session, members, standing.committees)
        await self._feed.prove(wanted, standing.block)

    # ---- the key's ceremony

    async def _ceremony(self, standing: _Standing, place: int) -> bool:
        """What this member has to say in the present committee's ceremony, said; whether there was anything."""
        if standing.in_ceremony != standing.present:
            return await self._begin(standing, place)
        if standing.is_announced:  # its enclave's view of the committee belongs to the handover until that is over
            return False
        async with self._asking:
            await self._prove(standing, len(standing.members))
            entries = await read_entries(self._around.node, self._beacon, standing.session, standing.block)
            step = await self._enclave.request(m.BeaconCeremony(entries), m.BeaconStep)
        if step.done:
            self._looked.add(standing.present)
            _log.info("gatekeeper: beacon of committee %d, %s share", standing.present, "a" if step.has_share else "no")
            return True
        self._note(step)
        if step.message and await self._post_message(step, place, step.phase, step.message):
            return True
        if step.phase == Phase.OUTCOME and not step.failure:
            if step.signature and await self._post_message(step, place, Phase.OUTCOME, step.signature):
                return True
            await self._complete(standing, step, entries, place)
        if time.monotonic() - self._since > QUIET_SECONDS:
            self._nudged = await self._around.nudge(self._nudged)
            if step.failure:
                await self._send("begin")
        return False

    async def _begin(self, standing: _Standing, place: int) -> bool:
        if time.monotonic() - self._started < BEGIN_SECONDS + place * TURN_SECONDS:
            return False
        await self._send("begin")
        return True

    def _note(self, step: m.BeaconStep) -> None:
        if self._phase != (step.session, step.phase):
            _log.info("gatekeeper: beacon ceremony, phase %s", Phase(step.phase).name.lower())
            self._phase, self._since = (step.session, step.phase), time.monotonic()

    async def _post_message(self, step: m.BeaconStep, place: int, kind: int, data: bytes) -> bool:
        """Posts what was not said before; whether it was."""
        if (step.session, kind) in self._said:
            return False
        await self._send("post_message", step.session, place, kind, data)
        self._said.add((step.session, kind))
        return True

    async def _complete(
        self, standing: _Standing, step: m.BeaconStep, entries: tuple[m.TranscriptEntry, ...], place: int
    ) -> None:
        """Sends the outcome once enough have signed it, and nobody more will soon."""
        hashes = keccak256(step.beacon_key), keccak256(b"".join(step.share_keys))
        record = BeaconKeyRecord(Digest(step.session), *hashes)
        digest = record.digest(self._around.configuration.chain_id, self._beacon.address)
        signatures = {}
        for entry in entries:
            is_holder = entry.member < len(step.share_keys) and step.share_keys[entry.member] != NO_SHARE
            if entry.kind == Phase.OUTCOME and is_holder:
                try:
                    if recover_address(digest, entry.data) == standing.members[entry.member].signer:
                        signatures[entry.member] = entry.data
                except CoprocessorError:
                    continue
        waited = time.monotonic() - self._since
        holders = sum(key != NO_SHARE for key in step.share_keys)
        enough = await self._gatekeeping.read("threshold") if waited > QUIET_SECONDS else holders
        before = sum(at < place for at in signatures)
        if len(signatures) >= enough and waited > before * TURN_SECONDS:
            chosen = [signatures[at] for at in sorted(signatures)]
            point = expand_public_key(step.beacon_key)
            await self._send("complete", step.session, point, list(step.share_keys), chosen)

    # ---- values

    async def _values(self, standing: _Standing) -> bool:
        """Posts one value that is missing, if it is this member's turn; whether it did."""
        if standing.committee == 0 or time.monotonic() < self._again:
            return False
        self._window = self._window or await self._beacon.read("window")
        window, head = self._window, standing.block
        newest, source = head - head % window, 2 * window
        oldest = max(newest - source - FALLBACK_BLOCKS // window * window, 0)
        first = min([(await self._key(number))[1] for number in (standing.former, standing.committee) if number])
        for height in range(newest, oldest - 1, -window):
            is_open, is_over = head + 1 < height + source, head >= height + source
            if height <= first or height in self._known or not (is_open or is_over):
                continue
            if not await self._is_missing(height):
                self._known.add(height)
                self._due.pop(height, None)
                continue
            if is_over and head + 1 > height + source + FALLBACK_BLOCKS:
                self._due.pop(height, None)
                continue
            if not await self._is_turn(standing, height):
                continue
            if await (self._post(standing, height) if is_open else self._fall_back(height, height + source)):
                return True
        self._forget(oldest)
        return False

    async def _is_missing(self, height: int) -> bool:
        value: bytes = (await self._beacon.read("values", height))[0]
        return value == ZERO_DIGEST

    async def _is_turn(self, standing: _Standing, height: int) -> bool:
        """Whether the members before this one in the height's order have had their time."""
        since = self._due.setdefault(height, time.monotonic())
        seed = compute_seed(self._network, standing.session, height, b"turns")
        order = draw_order(seed, [member.signer for member in standing.members])
        return time.monotonic() - since >= order.index(self._signer) * TURN_SECONDS

    async def _post(self, standing: _Standing, height: int) -> bool:
        """Gathers parts from members, and posts the whole."""
        serving = await self._beacon.read("serving", height, tag=standing.block)
        if serving == 0:
            return False
        keys, _ = await self._key(serving)
        round_ = BeaconRound(self._network, height, self._around.configuration.allow_simulated)
        parts = await self._gather(standing, height, serving)
        try:
            combined = combine_beacon(keys, round_, parts)
        except NotEnoughPartials as error:
            _log.info("gatekeeper: beacon of height %d waits for %d more", height, error.threshold - len(error.signed))
            self._again = time.monotonic() + AGAIN_SECONDS
            return False
        if combined.culprits:
            _log.warning("gatekeeper: wrong parts of height %d by members %s", height, list(combined.culprits))
        return await self._send("post", height, expand_g1(combined.signature))

    async def _gather(self, standing: _Standing, height: int, serving: int) -> list[PartialSignature]:
        """The parts that members give; those who do not answer are missing."""
        ended = {member.signer for member in standing.members if not member.is_standing}
        urls = {url for signer, url in self._urls.items() if signer not in {self._signer, *ended}}
        questions = [self.sign(height), *(self._ask(url, height) for url in sorted(urls))]
        answers = await asyncio.gather(*questions, return_exceptions=True)
        good = [answer for answer in answers if isinstance(answer, m.BeaconSigned)]
        return [
            PartialSignature(answer.index, BlsSignature(G1Element(answer.signature)))
            for answer in good
            if (answer.height, answer.committee) == (height, serving)
        ]

    async def _ask(self, url: str, height: int) -> m.BeaconSigned | None:
        message, where = m.SignBeacon(height), f"{url}/v1/beacon"
        question = self._peers.ask(where, message, m.GATEKEEPER_REQUESTS, m.GATEKEEPER_REPLIES)
        answer = await asyncio.wait_for(question, ANSWER_SECONDS)
        return answer if isinstance(answer, m.BeaconSigned) else None

    async def _fall_back(self, height: int, source: int) -> bool:
        (header,) = await self._around.node.raw_headers(source, source)
        return await self._send("fall_back", height, header)

    async def _key(self, number: int) -> tuple[CommitteeKeys, int]:
        """A committee's keys, and the block in which they were recorded."""
        if number not in self._keys:
            record = await self._beacon.read("keys", number)
            recorded = record[_RECORDED]
            topics = [self._beacon.interface.event("Completed").topic, number.to_bytes(32, "big")]
            logs = await self._around.node.logs([self._beacon.address], topics, recorded, recorded)
            event = self._beacon.events(logs, "Completed")[-1]
            self._keys[number] = _committee(event["beacon_key"], event["share_keys"], record[_THRESHOLD]), recorded
        return self._keys[number]

    def _forget(self, oldest: int) -> None:
        self._known = {height for height in self._known if height >= oldest}
        self._due = {height: since for height, since in self._due.items() if height >= oldest}

    async def _send(self, function: str, *arguments: object) -> bool:
        """Sends a call; what somebody has done already is done. Whether it was this host's doing."""
        try:
            await self._around.sender.send(self._beacon.address, self._beacon.encode(function, *arguments))
        except TransactionReverted as error:
            if error.reason not in _SETTLED:
                raise
            return False
        if function in ("post", "fall_back"):
            _log.info("gatekeeper: %s at height %s", function, arguments[0])
        return True


_THRESHOLD, _RECORDED = 2, 3


def _committee(group: bytes, share_keys: Iterable[bytes], threshold: int) -> CommitteeKeys:
    shares = tuple((at, check_public_key(key)) for at, key in enumerate(share_keys, start=1) if key != NO_SHARE)
    return CommitteeKeys(threshold, check_public_key(group), shares)
