"""The committee as an enclave believes it: from proven slots alone, without those whom the guardian has ended.

A host can withhold newer proofs, so whoever relies on signatures over a block MUST call ``check_as_of`` with it: then a
member that was revoked before that block counts no more, whatever the host shows (PROTOCOL 1.4, 2.4).
"""

from __future__ import annotations

from dataclasses import dataclass

from coprocessor.enclave.chain_view import ChainView
from coprocessor.protocol import layout
from coprocessor.values.errors import EvidenceRefused
from coprocessor.values.identities import Address, Digest

__all__ = ["MAX_GATEKEEPERS", "ProvenCommittee", "is_revoked", "proven_committee"]

MAX_GATEKEEPERS = 32


@dataclass(frozen=True, slots=True)
class ProvenCommittee:
    """The present gatekeepers.

    Args:
        threshold: t.
        signers: signing addresses, in member order.
        standing: those of them that are not revoked.
        block_number: the oldest block under which any of it was proven.
    """

    threshold: int
    signers: tuple[Address, ...]
    standing: tuple[Address, ...]
    block_number: int

    def standing_at(self, number: int) -> Address | None:
        """The signing address of member ``number`` (from 1), or None where there is none that stands."""
        if not 1 <= number <= len(self.signers):
            return None
        signer = self.signers[number - 1]
        return signer if signer in self.standing else None

    def check_as_of(self, block_number: int) -> None:
        """Raises EvidenceRefused where the committee was proven under an older block."""
        if self.block_number < block_number:
            raise EvidenceRefused(
                "committee.stale_proof",
                f"the gatekeepers were proven at block {self.block_number}, they vouch for block {block_number}",
                "a member that was revoked since would still count",
                "prove the gatekeepers under a newer block",
            )


def proven_committee(view: ChainView) -> ProvenCommittee:
    """The present committee.

    Raises:
        EvidenceRefused: a slot was not proven, or the committee is not set up.
    """
    threshold = view.value("Gatekeeping", layout.gatekeeping_threshold())
    count = view.value("Gatekeeping", layout.gatekeeping_member_count())
    if not 0 < threshold <= count <= MAX_GATEKEEPERS:
        raise EvidenceRefused("keys.no_committee", f"the chain has {count} gatekeepers with a threshold of {threshold}")
    rows = [layout.gatekeeping_member(index, "signer") for index in range(count)]
    signers = tuple(view.address("Gatekeeping", row) for row in rows)
    standing = tuple(signer for signer in signers if not is_revoked(view, signer))
    used: list[Digest] = [layout.gatekeeping_threshold(), layout.gatekeeping_member_count(), *rows]
    used += [layout.gatekeeping_revoked(signer) for signer in signers]
    return ProvenCommittee(
        threshold, signers, standing, min(view.slot("Gatekeeping", slot).block_number for slot in used)
    )


def is_revoked(view: ChainView, signer: Address) -> bool:
    """Whether the chain proves that the guardian ended this member. Raises EvidenceRefused where nothing is proven."""
    return view.value("Gatekeeping", layout.gatekeeping_revoked(signer)) != 0
