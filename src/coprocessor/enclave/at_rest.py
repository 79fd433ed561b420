"""A gatekeeper's share at rest: wrapped, restored, and what others' shares need of this memory (PROTOCOL 9.5).

Rules enforced:
1. own pads: ``enclave.own_pads``; others' pieces: ``enclave.held_pieces``, in memory alone;
2. a piece goes to, and is asked for by, an enclave that shows fresh evidence over the member's signing key and a key
   that its memory alone holds; the latter is made anew for each start and each period, so that recorded messages stay
   closed when disks and platform keys leak later; evidence over the sealing key, which lies on disks, does not serve;
3. a piece is given back only to who is a member, and not revoked, at a block that is no older than its evidence and
   among the last 32 of this enclave's own finalised chain; before the chain names members, to those of the genesis
   that this enclave signed; pieces of a new pad go to no member whose revocation is proven;
4. a share whose pad has not come back serves nobody, and its gatekeeper says nothing in ceremonies.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from coprocessor.codec import cbor
from coprocessor.crypto.bls import SecretScalar
from coprocessor.crypto.hpke import SealingKey
from coprocessor.enclave import messages as m
from coprocessor.enclave.chain_view import ChainView
from coprocessor.enclave.held_pieces import HeldPieces
from coprocessor.enclave.identity import EnclaveKeys, Entropy
from coprocessor.enclave.own_pads import OwnPads
from coprocessor.enclave.sealed_share import OuterShare, SealedShare, open_inner, open_outer, seal_share
from coprocessor.keys.pads import (
    PadRecord,
    combine_pieces,
    decode_offer,
    decode_receipt,
    decode_return,
    encode_offer,
    encode_receipt,
    encode_return,
    make_receipt,
    make_return,
    open_custodian_return,
    open_return,
)
from coprocessor.protocol import layout
from coprocessor.values.errors import CallerMisuse, CoprocessorError, EvidenceRefused, MalformedInput
from coprocessor.values.identities import Address, Digest, NetworkId, checked_digest
from coprocessor.values.network import NetworkConfiguration

__all__ = ["MAX_PRESENCE_AGE", "PROOF_WINDOW", "SharesAtRest"]

MAX_PRESENCE_AGE: Final = 256
"""Blocks between the block that an enclave's evidence names and the newest one at which it still counts."""

PROOF_WINDOW: Final = 32
"""Blocks behind the newest one at which a proof of the members still serves: headers and proofs come one by one."""

Judge = Callable[[m.Admit], object]


class SharesAtRest:
    """What of one gatekeeper's secrets lies on a disk, and what it holds for others.

    Args:
        configuration: of the network.
        view: this enclave's own finalised chain.
        judge: verifies a gatekeeper's evidence, or raises.
        entropy, seal_key: from the measured loop.
    """

    def __init__(
        self, configuration: NetworkConfiguration, view: ChainView, judge: Judge, entropy: Entropy, seal_key: bytes
    ) -> None:
        self._custodian = configuration.custodian
        self._view = view
        self._judge = judge
        self._entropy = entropy
        self._seal_key = seal_key
        self._pads = OwnPads(configuration.custodian, configuration.allow_simulated, entropy)
        self._held = HeldPieces()
        self._first: tuple[Address, ...] = ()
        self._period = 0
        self._outer: OuterShare | None = None
        self.memory = SealingKey(entropy(32))
        """What pieces are sealed to; it never leaves this memory (rule 2)."""

    # ---- the blob

    @property
    def is_open(self) -> bool:
        """Whether this enclave has what its blob holds."""
        return self._outer is None

    @property
    def is_durable(self) -> bool:
        """Whether what the blob holds survives the end of this process."""
        return self._pads.is_durable

    def check_open(self) -> None:
        """Raises CallerMisuse while the share waits for its pad (rule 4)."""
        if not self.is_open:
            raise CallerMisuse(
                "custody.locked",
                "this gatekeeper's share waits for its pad",
                "it was restarted; the pad comes back from the others' memories, or from the custodians (PROTOCOL 9.5)",
                "ask the other gatekeepers meanwhile; where no custodian is left either, the others hand the key over "
                "without it (phat gatekeeper replace), and it begins anew in an empty folder",
            )

    def seal(self, share: SealedShare) -> bytes:
        """The blob for the host's disk."""
        return seal_share(share, self._seal_key, self._entropy(32), self._pads.wrapping)

    def open(self, blob: bytes) -> OuterShare:
        """Takes a blob; whether it ``is_open`` then, or waits for its pad. Raises EvidenceRefused, MalformedInput."""
        outer = open_outer(blob, self._seal_key)
        self._period = outer.committee
        if outer.record is not None and outer.record.period == 0:
            self._first = (outer.record.giver, *outer.record.holders)
        self._outer = outer
        return outer

    def unwrap(self, outer: OuterShare) -> SealedShare:
        """What the blob holds, where that takes no pad of others. Raises EvidenceRefused otherwise."""
        share = open_inner(outer, None, self._seal_key)
        if outer.record is not None and outer.secret is not None:
            self._pads.restore(outer, outer.record, outer.secret, outer.record.number)
        self._outer = None
        return share

    # ---- periods

    def name_first(self, signers: Sequence[Address]) -> None:
        """The members of the genesis that this enclave signs."""
        self._first = tuple(signers)
        self._pads.end()

    def wrap(
        self, network: NetworkId, keys: EnclaveKeys, period: int, members: Sequence[Address], threshold: int
    ) -> None:
        """Makes a pad for what is to be kept from now on. Raises CallerMisuse (``custody.no_peers``)."""
        others = [signer for signer in members if signer != keys.signing.address]
        self._pads.begin(network, keys, period, threshold, others)

    def enter(self, period: int) -> None:
        """The chain has another committee: older pieces go, and so does the key that they came under."""
        self._period = period
        self._held.forget_before(period)
        self.memory = SealingKey(self._entropy(32))

    def leave(self) -> None:
        """This gatekeeper has no secrets any more."""
        self._pads.end()

    @property
    def is_wrapped(self) -> bool:
        """Whether there is a pad."""
        return self._pads.wrapping is not None

    # ---- what hosts ask

    def standing(self) -> m.Custody:
        """How it stands."""
        newest = self._pads.newest
        record = self._outer.record if self._outer is not None else None if newest is None else newest.pad.record
        pieces = () if self._outer is None else self._outer.pieces
        return m.Custody(
            kind=self._custodian.kind,
            memory_key=self.memory.public_key,
            is_locked=not self.is_open,
            is_durable=self.is_durable,
            record=b"" if record is None else cbor.dumps(record.to_plain()),
            receipts=self._pads.receipts,
            pieces=pieces,
        )

    def make_offers(self, keys: EnclaveKeys, presences: Sequence[m.Admit]) -> m.Offers:
        """Pieces of the newest pad for those of the others that show themselves and do not keep theirs."""
        present: dict[Address, bytes] = {}
        for presence in presences:
            try:
                signer, memory_key = self._shown(presence)
            except CoprocessorError:
                continue  # one that shows nothing good must not keep pieces from the others
            if self._is_known_revoked(signer):
                continue
            present[signer] = memory_key
            self._pads.note(signer, memory_key)
        offers = self._pads.offers(present, keys)
        return m.Offers(tuple(m.Offered(holder, encode_offer(offer)) for holder, offer in offers))

    def keep(self, keys: EnclaveKeys, message: m.KeepPiece) -> m.PieceKept:
        """Takes a piece of another member's pad."""
        offer = decode_offer(message.offer)
        if offer.record.giver not in self._members(0):
            raise EvidenceRefused("custody.stranger", "who offers a piece is no member that this gatekeeper knows")
        if abs(offer.record.period - self._period) > 1:
            raise EvidenceRefused(
                "custody.period",
                f"a pad of period {offer.record.period} is offered in period {self._period}",
                "one of the two is behind the chain",
                "try again in a moment",
            )
        kept = self._held.keep(offer, keys.signing.address, self.memory)
        receipt = make_receipt(kept.record, kept.index, self.memory.public_key, keys.signing)
        return m.PieceKept(encode_receipt(receipt))

    def count(self, message: m.CountReceipts) -> bool:
        """Counts receipts; whether the blob is to be sealed again."""
        return self._pads.count([decode_receipt(receipt) for receipt in message.receipts])

    def confirm(self, keys: EnclaveKeys) -> m.PadConfirmed:
        """What tells the others that the disk needs no earlier pad."""
        return m.PadConfirmed(self._pads.confirm(keys))

    def forget(self, message: m.ConfirmPad) -> m.Ready:
        """Forgets pieces that their giver does not need any more."""
        self._held.confirm(message.confirmation)
        return m.Ready()

    def give(self, keys: EnclaveKeys, message: m.GivePiece) -> m.PieceGiven:
        """Gives a piece back to the member whose it is (rules 2 and 3)."""
        asker, memory_key = self._shown(message.presence)
        if asker not in self._members(message.presence.block_number):
            raise EvidenceRefused(
                "custody.no_member",
                f"0x{asker.hex()} is no member in good standing on this gatekeeper's chain",
                next="join with the next handover",
            )
        self._pads.note(asker, memory_key)
        held, newest = self._held.find(asker, Digest(checked_digest(message.pad, "pad")))
        answer = make_return(held.record, held.index, held.piece, newest, memory_key, keys.signing)
        return m.PieceGiven(encode_return(answer))

    def take(self, keys: EnclaveKeys, message: m.TakePieces) -> tuple[SealedShare, tuple[int, ...]]:
        """The share, from pieces of peers, or of custodians where those are too few; and who gave wrong pieces.

        Raises:
            EvidenceRefused: ``custody.too_few``.
            CallerMisuse: nothing waits for a pad.
        """
        outer = self._outer
        if outer is None or outer.record is None:
            raise CallerMisuse("custody.open", "this gatekeeper's share waits for no pad")
        record, newest, wrong = outer.record, outer.record.number, []
        pieces: dict[int, SecretScalar] = {}
        for encoded in message.answers:
            try:
                answer = decode_return(encoded)
                pieces[answer.index] = open_return(record, answer, self.memory)
                newest = max(newest, answer.newest)
            except CoprocessorError as error:
                if error.code == "pad.wrong_piece":
                    wrong.append(answer.index)
        secret = self._combine(record, pieces, message.custodians)
        share = open_inner(outer, secret, self._seal_key)
        self._pads.restore(outer, record, secret, newest)
        self._outer = None
        others = [*record.holders]
        self._pads.begin(record.network, keys, record.period, record.threshold, others)  # what was given is used up
        return share, tuple(wrong)

    def _combine(
        self, record: PadRecord, pieces: dict[int, SecretScalar], custodians: Sequence[bytes]
    ) -> SecretScalar:
        opened: dict[int, SecretScalar] = {}
        for encoded in custodians:
            try:
                index, sealed = _passed(encoded)
                opened[index] = open_custodian_return(record, index, sealed, self.memory)
            except CoprocessorError:
                continue
        if self._custodian.threshold and len(opened) >= self._custodian.threshold:
            return combine_pieces(record, opened, self._custodian.threshold)
        return combine_pieces(record, pieces, record.threshold)

    # ---- who is who

    def _shown(self, presence: m.Admit) -> tuple[Address, bytes]:
        """Signing address and memory key of an enclave, as its evidence shows them (rule 2). Raises EvidenceRefused."""
        self._judge(presence)
        if presence.block_number + MAX_PRESENCE_AGE < self._view.head.number:
            raise EvidenceRefused(
                "custody.old_request",
                f"the evidence is of block {presence.block_number}, the chain at {self._view.head.number}",
                next="make new evidence",
            )
        return Address(presence.signer), presence.sealing_key

    def _members(self, fresh: int) -> set[Address]:
        """Present and announced members, none revoked, proven at a block not before ``fresh`` (rule 3)."""
        if fresh == 0 and not self._view.has("Gatekeeping", layout.gatekeeping_member_count()):
            return set(self._first)
        count = self._fresh(layout.gatekeeping_member_count(), fresh)
        if count == 0:
            return set(self._first)
        following = self._fresh(layout.gatekeeping_next("count"), fresh)
        slots = [layout.gatekeeping_member(at, "signer") for at in range(count)]
        slots += [layout.gatekeeping_next_member(at, "signer") for at in range(following)]
        signers = {Address(self._fresh(slot, fresh).to_bytes(32, "big")[12:]) for slot in slots}
        return {signer for signer in signers if not self._fresh(layout.gatekeeping_revoked(signer), fresh)}

    def _is_known_revoked(self, signer: Address) -> bool:
        slot = layout.gatekeeping_revoked(signer)
        return self._view.has("Gatekeeping", slot) and bool(self._view.value("Gatekeeping", slot))

    def _fresh(self, slot: bytes, number: int) -> int:
        proven = self._view.slot("Gatekeeping", slot)
        if proven.block_number < max(number, self._view.head.number - PROOF_WINDOW if number else 0):
            raise EvidenceRefused(
                "custody.stale_proof",
                f"the members were proven at block {proven.block_number}, the evidence is of block {number}, the chain "
                f"at {self._view.head.number}",
                next="prove them under a newer block",
            )
        return proven.value


def _passed(encoded: bytes) -> tuple[int, bytes]:
    match cbor.loads(encoded, 1024):
        case [int(index), bytes(sealed)] if not isinstance(index, bool):
            return index, sealed
    raise MalformedInput("pad.malformed", "the bytes are no custodian's answer")
