"""What a gatekeeper's memory holds of the others' pads (PROTOCOL 9.5). It never goes to a disk.

Rules enforced:
1. a piece counts that its giver has signed, and that opens with this memory's key of the period;
2. of each giver the piece that its disk needs and the newest one are held; an older one never displaces a newer one;
3. a piece is forgotten once its giver confirms a later pad, and at the latest one period later.
"""

from __future__ import annotations

from dataclasses import dataclass

from coprocessor.crypto.hpke import SealingKey
from coprocessor.keys.pads import Offer, PadRecord, is_confirmed, open_offer
from coprocessor.values.errors import EvidenceRefused
from coprocessor.values.identities import Address, Digest

__all__ = ["HeldPiece", "HeldPieces"]


@dataclass(frozen=True, slots=True, repr=False)
class HeldPiece:
    """A piece of another's pad: the pad, this holder's index, value and signature (97 bytes). Prints redacted."""

    record: PadRecord
    index: int
    piece: bytes

    def __repr__(self) -> str:
        return f"HeldPiece(pad=0x{self.record.digest.hex()}, redacted)"


class HeldPieces:
    """The pieces by giver. The caller MUST make sure that givers are members."""

    def __init__(self) -> None:
        self._held: dict[Address, list[HeldPiece]] = {}
        self._newest: dict[Address, int] = {}

    def keep(self, offer: Offer, own: Address, memory: SealingKey) -> HeldPiece:
        """Takes a piece (rules 1 and 2). Raises EvidenceRefused."""
        record = offer.record
        held = self._held.get(record.giver, [])
        known = next((one for one in held if one.record == record), None)
        if known is None and record.number <= self._newest.get(record.giver, -1):
            raise EvidenceRefused("pad.old", f"a later pad than number {record.number} of this giver is held")
        piece = HeldPiece(record, offer.index, open_offer(offer, own, memory))
        if known is None:
            self._held[record.giver] = [one for one in held if one.record.digest == offer.base] + [piece]
            self._newest[record.giver] = record.number
        return piece

    def confirm(self, confirmation: bytes) -> None:
        """Forgets what was before a confirmed pad (rule 3); one that is not held says nothing."""
        for giver, held in self._held.items():
            confirmed = next((one.record for one in held if is_confirmed(one.record, confirmation)), None)
            if confirmed is not None:
                self._held[giver] = [one for one in held if one.record.number >= confirmed.number]
                return

    def find(self, giver: Address, pad: Digest) -> tuple[HeldPiece, int]:
        """The piece of a giver's pad, and the greatest number seen. Raises EvidenceRefused where it is not held."""
        for one in self._held.get(giver, []):
            if one.record.digest == pad:
                return one, self._newest[giver]
        raise EvidenceRefused(
            "custody.no_piece",
            "this gatekeeper's memory holds no piece of that pad",
            "it was restarted since, or the pad has been replaced",
            "ask the other gatekeepers",
        )

    def forget_before(self, period: int) -> None:
        """A period begins: what is older than the one before it goes (rule 3)."""
        kept = {giver: [one for one in held if one.record.period >= period - 1] for giver, held in self._held.items()}
        self._held = {giver: held for giver, held in kept.items() if held}
        self._newest = {giver: number for giver, number in self._newest.items() if giver in self._held}
