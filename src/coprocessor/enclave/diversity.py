"""What a gatekeeper's enclave demands of a committee's make-up: no operator and no hardware vendor may have t shares
(PROTOCOL 8.9). Networks for development, which say so in their genesis, do without it.

Rules enforced:
1. operators are those of the proven list, whose evidence binds them (PROTOCOL 1.2);
2. a vendor is the maker of the hardware that this enclave has seen evidence of, over the member's signing key; that key
   never leaves its machine, so what was seen once holds. A member whose hardware it has not seen counts as unknown, and
   nobody agrees to a list that names one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from coprocessor.attestation.evidence import EvidenceKind
from coprocessor.protocol.diversity import find_excess
from coprocessor.values.errors import EvidenceRefused
from coprocessor.values.identities import Address

__all__ = ["Diversity"]

_VENDORS: Final = {
    EvidenceKind.SGX: "Intel",
    EvidenceKind.TDX: "Intel",
    EvidenceKind.SNP: "AMD",
    EvidenceKind.NITRO: "AWS",
}

_MOST_SEEN: Final = 256
"""Signing keys whose hardware is remembered; the oldest goes first."""

Seat = tuple[Address, Address]
"""Operator and signing address of a member, 20 bytes each."""


class Diversity:
    """What one enclave knows of others' hardware, and its judgement of lists.

    Args:
        is_demanded: the network is none for development.
    """

    def __init__(self, *, is_demanded: bool) -> None:
        self._is_demanded = is_demanded
        self._vendors: dict[Address, str] = {}

    def note(self, signer: Address, kind: EvidenceKind) -> None:
        """Verified evidence shows whose hardware holds a signing key (rule 2)."""
        self._vendors.pop(signer, None)
        self._vendors[signer] = _VENDORS[kind]
        if len(self._vendors) > _MOST_SEEN:
            del self._vendors[next(iter(self._vendors))]

    def check(self, seats: Sequence[Seat], threshold: int) -> None:
        """Judges a list before this enclave agrees to it.

        Args:
            seats: of the whole list.
            threshold: t of the list.

        Raises:
            EvidenceRefused: ``committee.one_operator``, ``committee.one_vendor``, ``committee.unknown_hardware``.
        """
        self.check_known(seats, threshold)
        unknown = [at for at, (_, signer) in enumerate(seats) if signer not in self._vendors]
        if self._is_demanded and unknown:
            raise EvidenceRefused(
                "committee.unknown_hardware",
                f"this gatekeeper has seen no evidence of the hardware of members {unknown}",
                "fewer than t shares may rest on one vendor's hardware, members that stay included (PROTOCOL 8.9)",
                "show it fresh evidence of each of them, or leave out those that do not answer",
            )

    def check_known(self, seats: Sequence[Seat], threshold: int) -> None:
        """As ``check``, as far as this enclave knows the members' hardware: before it deals to them."""
        if not self._is_demanded:
            return
        too_many = find_excess((operator for operator, _ in seats), threshold)
        if too_many is not None:
            raise EvidenceRefused(
                "committee.one_operator",
                f"the operator 0x{too_many[0].hex()} would have {too_many[1]} of {len(seats)} shares, t is {threshold}",
                "one operator's shares stay below the threshold: together they would be the key (PROTOCOL 8.9)",
                "announce a list in which each operator has fewer than t seats (phat gatekeeper candidates)",
            )
        known = (self._vendors[signer] for _, signer in seats if signer in self._vendors)
        of_vendor = find_excess(known, threshold)
        if of_vendor is not None:
            raise EvidenceRefused(
                "committee.one_vendor",
                f"{of_vendor[1]} of {len(seats)} shares would rest on hardware of {of_vendor[0]}, t is {threshold}",
                "one vendor's shares stay below the threshold: one flaw of its hardware would be the key's end "
                "(PROTOCOL 8.9)",
                "announce a list in which each vendor has fewer than t seats (phat gatekeeper candidates)",
            )
