"""The pads under which a gatekeeper's own share rests (PROTOCOL 9.5).

Rules enforced:
1. a pad is made where secrets come to be, for each committee anew, and after each restart; it is split among the other
   members, and among the network's offline custodians;
2. nothing that depends on the blob leaves before t of the others keep pieces of its pad, so that a restart goes on;
3. a later pad wraps the blob once t of the others keep pieces of it; only then, and once the host keeps the new blob,
   the others are told to forget the earlier one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from coprocessor.crypto.bls import SecretScalar
from coprocessor.enclave.identity import EnclaveKeys, Entropy
from coprocessor.enclave.sealed_share import OuterShare, Wrapping
from coprocessor.keys.pads import (
    Offer,
    Pad,
    PadRecord,
    Receipt,
    confirm_pad,
    make_offer,
    make_pad,
    seal_custodian_piece,
    verify_receipt,
)
from coprocessor.keys.shares import Polynomial
from coprocessor.values.errors import CallerMisuse
from coprocessor.values.identities import ZERO_DIGEST, Address, Digest, NetworkId
from coprocessor.values.network import Custodian

__all__ = ["OwnPads", "check_peers"]

_NO_NUMBER: Final = 0


def check_peers(custodian: Custodian, members: int, threshold: int) -> None:
    """Raises CallerMisuse where a committee has too few members to hold each other's pads, and nobody else does."""
    if custodian.kind == "none" and members - 1 < threshold:
        raise CallerMisuse(
            "custody.no_peers",
            f"with {members} gatekeepers and a threshold of {threshold}, nobody can hold a pad for a gatekeeper",
            "the network has no custodian, so each share must come back from t of the others' memories (PROTOCOL 9.5)",
            "take more gatekeepers, or make the network with a custodian",
        )


class OwnPads:
    """The pad that wraps the blob on the disk, and the one that is going to.

    Args:
        custodian: of the network.
        insecure: the network allows simulated hardware.
        entropy: from inside the boundary.
    """

    def __init__(self, custodian: Custodian, insecure: bool, entropy: Entropy) -> None:
        self._custodian = custodian
        self._insecure = insecure
        self._entropy = entropy
        self._number = _NO_NUMBER
        self._receipts: dict[Digest, dict[int, bytes]] = {}
        self._returned = ZERO_DIGEST
        self.wrapping: Wrapping | None = None
        self.pending: Wrapping | None = None

    @property
    def newest(self) -> Wrapping | None:
        """The pad whose pieces are being given out."""
        return self.pending or self.wrapping

    @property
    def is_durable(self) -> bool:
        """Whether what the blob holds survives the end of this process (rule 2)."""
        return self.wrapping is None or self._has_enough(self.wrapping)

    @property
    def receipts(self) -> int:
        """How many others keep pieces of the newest pad."""
        return 0 if self.newest is None else len(self._of(self.newest.pad.record))

    def begin(
        self, network: NetworkId, keys: EnclaveKeys, period: int, threshold: int, others: Sequence[Address]
    ) -> None:
        """Makes a pad (rule 1); it wraps the blob at once where none does yet. Raises as ``check_peers``."""
        check_peers(self._custodian, len(others) + 1, threshold)
        is_kept = self._custodian.kind == "file"
        if is_kept and self.wrapping is not None:
            return  # nobody else holds it: another would protect nothing
        holders = () if is_kept or len(others) < threshold else tuple(others)
        self._number += 1
        terms = (network, keys.signing.address, self._number, period, threshold if holders else 0, holders)
        pad = make_pad(*terms, self._entropy(32), insecure=self._insecure)
        made = Wrapping(pad, is_kept, self._pieces(pad, keys))
        if self.wrapping is None:
            self.wrapping = made
        elif not holders:
            self.wrapping, self.pending = made, None
        else:
            self.pending = made

    def end(self) -> None:
        """There is nothing to wrap any more."""
        self.wrapping = self.pending = None
        self._receipts.clear()

    def restore(self, outer: OuterShare, record: PadRecord, secret: SecretScalar, newest: int) -> None:
        """The pad came back.

        Args:
            newest: greatest number of an own pad that anybody has seen.
        """
        self.wrapping = Wrapping(Pad(record, secret, None), outer.secret is not None, outer.pieces)
        self._number = max(newest, record.number)
        self._returned = record.digest

    def note(self, holder: Address, memory_key: bytes) -> None:
        """A holder shows its memory's key; what it kept under another one is gone."""
        for wrapping in (self.wrapping, self.pending):
            if wrapping is not None and holder in wrapping.pad.record.holders:
                receipts, index = self._of(wrapping.pad.record), wrapping.pad.record.index_of(holder)
                if receipts.get(index, memory_key) != memory_key:
                    del receipts[index]

    def offers(self, memory_keys: Mapping[Address, bytes], keys: EnclaveKeys) -> list[tuple[Address, Offer]]:
        """Pieces for those of the others that do not keep theirs.

        Args:
            memory_keys: what their evidence shows, by signing address.
        """
        wrapping = self.newest
        if wrapping is None or wrapping.pad.polynomial is None:
            return []
        record, base = wrapping.pad.record, ZERO_DIGEST
        if self.wrapping is not None:
            base = self.wrapping.pad.record.digest
        kept = self._of(record)
        return [
            (holder, make_offer(wrapping.pad, base, holder, memory_keys[holder], keys.signing))
            for index, holder in enumerate(record.holders, start=1)
            if holder in memory_keys and kept.get(index) != memory_keys[holder]
        ]

    def count(self, receipts: Sequence[Receipt]) -> bool:
        """Counts receipts of the newest pad; whether it wraps the blob from now on (rule 3). Raises EvidenceRefused."""
        wrapping = self.newest
        if wrapping is None:
            return False
        for receipt in receipts:
            verify_receipt(wrapping.pad.record, receipt)
            self._of(wrapping.pad.record)[receipt.index] = receipt.memory_key
        if self.pending is None or not self._has_enough(self.pending):
            return False
        self.wrapping, self.pending = self.pending, None
        self._receipts = {self.wrapping.pad.record.digest: self._of(self.wrapping.pad.record)}
        return True

    def confirm(self, keys: EnclaveKeys) -> bytes:
        """Tells the others that the disk needs no earlier pad; the host MUST have made the blob durable."""
        if self.wrapping is None or not self.is_durable:
            return b""
        return confirm_pad(self.wrapping.pad.record, keys.signing)

    def _has_enough(self, wrapping: Wrapping) -> bool:
        record = wrapping.pad.record
        return record.digest == self._returned or len(self._of(record)) >= record.threshold

    def _of(self, record: PadRecord) -> dict[int, bytes]:
        return self._receipts.setdefault(record.digest, {})

    def _pieces(self, pad: Pad, keys: EnclaveKeys) -> tuple[bytes, ...]:
        custodians, needed = self._custodian.keys, self._custodian.threshold
        if not custodians:
            return ()
        seed = self._entropy(32)
        more = [SecretScalar.derive(seed, b"custodians" + bytes((power,))) for power in range(1, needed)]
        polynomial = Polynomial([pad.secret, *more])
        return tuple(
            seal_custodian_piece(pad, index, polynomial, key, keys.signing)
            for index, key in enumerate(custodians, start=1)
        )
