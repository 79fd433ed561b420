"""A gatekeeper host's part in keeping shares safe at rest: it carries pieces of pads between enclaves (PROTOCOL 9.5).

It gives the other members' enclaves pieces of its own enclave's newest pad, keeps the blob once enough have said that
they hold theirs, and tells them then that earlier pieces are needed no more. After a restart it asks them for the
pieces, until its enclave has its share again. It decides nothing, and reads no piece.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from coprocessor.chain.committee import find_endpoints
from coprocessor.chain.contract import Contract
from coprocessor.chain.node import Block
from coprocessor.codec import cbor
from coprocessor.codec.records import RecordTable
from coprocessor.durable.points import PersistPoint
from coprocessor.enclave import messages as m
from coprocessor.host import slots
from coprocessor.host.ceremony import CeremonyFile
from coprocessor.host.collateral import complete_attested
from coprocessor.host.enclave_process import EnclaveProcess, EnclaveRefused
from coprocessor.host.feed import ChainFeed
from coprocessor.host.http import MAX_BODY, PeerClient
from coprocessor.host.policy import prove_policy
from coprocessor.keys.pads import PadRecord, read_record
from coprocessor.protocol.statements import ROLE_GATEKEEPER
from coprocessor.values.errors import CallerMisuse, CoprocessorError, PeerUnreachable
from coprocessor.values.identities import Address

__all__ = ["WAITING_SHARES", "PadCourier", "PadSurroundings", "WaitingShare"]

_log = logging.getLogger("coprocessor.host")

ROUND_SECONDS = 10.0
"""Between rounds in which others that were restarted get their pieces again."""

PEER_SECONDS = 10.0
"""How long another gatekeeper may take to answer."""

_LISTS = (("member_count", "members"), ("next_count", "next_members"))
_SIGNER = 1

PRESENCE_SECONDS = 5.0
"""How long evidence over the memory's key is shown before it is made anew."""


@dataclass(frozen=True, slots=True)
class WaitingShare:
    """What offline custodians need of a restarted gatekeeper (PROTOCOL 9.5).

    Args:
        presence: evidence over the key of its enclave's memory.
        record: CBOR of the pad's record.
        pieces: the custodians', in the order of the configuration's keys.
    """

    presence: m.Admit
    record: bytes
    pieces: tuple[bytes, ...]


WAITING_SHARES = RecordTable((WaitingShare,), MAX_BODY)
"""What ``GET /v1/custody`` gives."""


@dataclass(frozen=True, slots=True)
class PadSurroundings:
    """HTTP, this host's URL, those that the network file hints at, ``Gatekeeping``, the file of blobs, the operator."""

    peers: PeerClient
    endpoint: str
    urls: tuple[str, ...]
    contract: Contract
    file: CeremonyFile
    operator: Address


class PadCourier:
    """Carries one gatekeeper's pieces, its own and the others'.

    Args:
        around: the host's shared parts.
        enclave, feed: this gatekeeper's.
        booted: who the enclave is.
        checkpoint: the first block that it has seen.
    """

    def __init__(
        self, around: PadSurroundings, enclave: EnclaveProcess, feed: ChainFeed, booted: m.Booted, checkpoint: Block
    ) -> None:
        self._around = around
        self._enclave = enclave
        self._feed = feed
        self._booted = booted
        self._checkpoint = checkpoint
        self._confirmation = b""
        self._round = 0.0
        self._presence: tuple[float, bytes, m.Admit] | None = None

    # ---- own pads

    async def step(self) -> bool:
        """One round; whether something got on.

        Raises:
            PeerUnreachable: ``custody.waiting``, ``custody.lost``: the share waits for its pad.
            EnclaveRefused: what others gave does not hold.
        """
        standing = await self._standing()
        if not standing.record or self._around.file.load() is None:
            return False
        if standing.is_locked:
            return await self._recover(standing)
        record = read_record(cbor.loads(standing.record, MAX_BODY))
        is_spread = standing.receipts >= len(record.holders)
        if not record.holders or (is_spread and time.monotonic() < self._round):
            return False
        self._round = time.monotonic() + ROUND_SECONDS
        return await self._spread(record)

    async def _spread(self, record: PadRecord) -> bool:
        """Pieces to those of the others that do not keep theirs."""
        get = self._around.peers.get_record
        shown = await self._ask_all(lambda url: get(f"{url}/v1/pads/key", m.GATEKEEPER_REQUESTS))
        presences = {one.signer: (url, one) for url, one in shown.items() if isinstance(one, m.Admit)}
        others = {signer: found for signer, found in presences.items() if signer in record.holders}
        for _, presence in others.values():
            await prove_policy(self._feed, presence)
        message = m.MakeOffers(tuple(presence for _, presence in others.values()))
        offers = (await self._enclave.request(message, m.Offers)).offers
        receipts = await asyncio.gather(*(self._offer(others[one.holder][0], one.offer) for one in offers))
        counted = m.CountReceipts(tuple(receipt for receipt in receipts if receipt))
        sealed = (await self._enclave.request(counted, m.Wrapped)).sealed
        if sealed:
            self._around.file.update(PersistPoint.GATEKEEPER_PAD, sealed=sealed)
            self._confirmation = (await self._enclave.request(m.ShareKept(), m.PadConfirmed)).confirmation
        if self._confirmation:
            await asyncio.gather(*(self._tell(url) for url, _ in others.values()))
        return bool(counted.receipts)

    async def _offer(self, url: str, offer: bytes) -> bytes:
        try:
            kept = await self._ask(f"{url}/v1/pads/keep", m.KeepPiece(offer))
        except CoprocessorError as error:
            _log.info("gatekeeper: %s keeps no piece (%s)", url, error.code)
            return b""
        return kept.receipt if isinstance(kept, m.PieceKept) else b""

    async def _tell(self, url: str) -> None:
        try:
            await self._ask(f"{url}/v1/pads/confirm", m.ConfirmPad(self._confirmation))
        except CoprocessorError as error:
            _log.info("gatekeeper: %s does not hear that a pad is confirmed (%s)", url, error.code)

    # ---- after a restart

    async def _recover(self, standing: m.Custody) -> bool:
        record = read_record(cbor.loads(standing.record, MAX_BODY))
        message = m.GivePiece(await self.presence(standing), record.digest)
        given = await self._ask_all(lambda url: self._ask(f"{url}/v1/pads/give", message))
        answers = tuple(one.answer for one in given.values() if isinstance(one, m.PieceGiven))
        try:
            await self.take(m.TakePieces(answers, ()))
        except EnclaveRefused as error:
            if error.code != "custody.too_few":
                raise
            codes = [one.code for one in given.values() if isinstance(one, CoprocessorError)]
            raise _waiting(standing.kind, record, len(answers), codes) from error
        return True

    async def take(self, message: m.TakePieces) -> m.Unwrapped:
        """Hands pieces to the enclave; what it seals then is durable before this returns. Raises EnclaveRefused."""
        back = await self._enclave.request(message, m.Unwrapped)
        if back.sealed:
            self._around.file.update(sealed=back.sealed)
        _log.info("gatekeeper: the share is open again%s", f"; wrong pieces of {back.wrong}" if back.wrong else "")
        self._round = 0.0
        return back

    # ---- for the others

    async def presence(self, standing: m.Custody | None = None) -> m.Admit:
        """Evidence over the key of the enclave's memory."""
        standing = standing or await self._standing()
        now = time.monotonic()
        if self._presence is not None and self._presence[1] == standing.memory_key and now < self._presence[0]:
            return self._presence[2]
        await self._feed.advance()
        attested = await complete_attested(await self._enclave.request(m.AttestMemory(), m.Attested))
        shown = m.Admit(
            role=ROLE_GATEKEEPER,
            operator=self._around.operator,
            signer=self._booted.signer,
            signing_key=self._booted.signing_key,
            sealing_key=standing.memory_key,
            evidence=attested.evidence,
            checkpoint_hash=attested.checkpoint_hash,
            checkpoint_number=self._checkpoint.number,
            block_number=attested.block_number,
            block_hash=attested.block_hash,
        )
        self._presence = (now + PRESENCE_SECONDS, standing.memory_key, shown)
        return shown

    async def keep(self, message: m.KeepPiece) -> m.PieceKept:
        """Another's piece, for the enclave's memory. Raises EnclaveRefused."""
        await self._prove_members()
        return await self._enclave.request(message, m.PieceKept)

    async def give(self, message: m.GivePiece) -> m.PieceGiven:
        """Another's piece, back to it. Raises EnclaveRefused."""
        await prove_policy(self._feed, message.presence)
        await self._prove_members()
        return await self._enclave.request(message, m.PieceGiven)

    async def confirm(self, message: m.ConfirmPad) -> m.Ready:
        """Another needs its earlier pieces no more."""
        return await self._enclave.request(message, m.Ready)

    async def waiting_share(self) -> WaitingShare:
        """What custodians need. Raises CallerMisuse where the share waits for nothing."""
        standing = await self._standing()
        if not standing.is_locked:
            raise CallerMisuse("custody.open", "this gatekeeper's share waits for no pad")
        return WaitingShare(await self.presence(standing), standing.record, standing.pieces)

    async def standing(self) -> dict[str, Any]:
        """For ``GET /v1/status``."""
        standing = await self._standing()
        return {
            "custodian": standing.kind,
            "locked": standing.is_locked,
            "durable": standing.is_durable,
            "pieces": standing.receipts,
        }

    # ---- parts

    async def _standing(self) -> m.Custody:
        return await self._enclave.request(m.GetCustody(), m.Custody)

    async def _prove_members(self) -> None:
        head = await self._feed.advance()
        present, following = [await self._signers(*names, head.number) for names in _LISTS]
        await self._feed.prove(slots.members(present, following), head.number)

    async def _signers(self, count: str, table: str, number: int) -> list[bytes]:
        """Signing addresses of one of the contract's lists at a block."""
        read = self._around.contract.read
        return [(await read(table, at, tag=number))[_SIGNER] for at in range(await read(count, tag=number))]

    async def _ask(self, url: str, message: object) -> Any:
        return await self._around.peers.ask(url, message, m.GATEKEEPER_REQUESTS, m.GATEKEEPER_REPLIES)

    async def _ask_all(self, question: Any) -> dict[str, Any]:
        """What each of the others answers, or the error that it ends in."""

        async def one(url: str) -> Any:
            try:
                return await asyncio.wait_for(question(url), PEER_SECONDS)
            except CoprocessorError as error:
                return error
            except TimeoutError:
                return PeerUnreachable("peer.unreachable", f"{url} did not answer in time")

        found = await find_endpoints(self._around.contract, self._around.urls)
        urls = [url for url in found if url != self._around.endpoint]
        return dict(zip(urls, await asyncio.gather(*map(one, urls)), strict=True))


def _waiting(kind: str, record: PadRecord, have: int, codes: Sequence[str]) -> PeerUnreachable:
    """Why the share is not open yet: others may answer later, or nobody holds enough any more."""
    possible = have + sum(code != "custody.no_piece" for code in codes)
    if possible >= record.threshold:
        return PeerUnreachable(
            "custody.waiting",
            f"{have} pieces of this gatekeeper's pad came back, {record.threshold} are needed",
            ", ".join(sorted(set(codes))) or "too few gatekeepers answer",
            "nothing is lost: it goes on as soon as enough of the others answer",
        )
    how = {
        "keys": "let the offline custodians open it (phat custodian)",
        "none": "the network has no custodian: this share is lost. While t others hold theirs, the proposer hands the "
        "key over without it (phat gatekeeper replace), and this one begins anew in an empty folder; otherwise what is "
        "sealed under the key stays closed for ever",
    }
    return PeerUnreachable(
        "custody.lost",
        f"the memories of the other gatekeepers hold {have} pieces of this one's pad, {record.threshold} are needed",
        "too many of them ended at once, so that none of them can give the others their pieces (PROTOCOL 9.5)",
        how.get(kind, "start the other gatekeepers"),
    )
