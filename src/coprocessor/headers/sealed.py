"""The ``sealed`` header source: a header is final when more than two thirds of named sealers say so.

Rules enforced (PROTOCOL 2.1, 2.2):
1. a seal binds chain id, block number and block hash;
2. more than 2/3 of the sealers, each counted once;
3. the chain only grows: numbers rise, and between two sealed heads given together the parents link up;
4. two final hashes at one height are proof that the sealers lie, and stop everything.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from coprocessor.crypto.hashing import keccak256
from coprocessor.crypto.secp256k1 import recover_address
from coprocessor.headers.header import Header
from coprocessor.values.errors import EvidenceRefused, MalformedInput
from coprocessor.values.identities import Address, Digest

__all__ = ["MAX_SEALERS", "SealCount", "SealedSource", "seal_digest"]

MAX_SEALERS = 128
_DOMAIN = b"\x19coprocessor/v1/header-seal"


def seal_digest(chain_id: int, number: int, block_hash: bytes) -> Digest:
    """What a sealer signs: 32 bytes."""
    return keccak256(_DOMAIN + chain_id.to_bytes(32, "big") + number.to_bytes(32, "big") + block_hash)


@dataclass(frozen=True, slots=True)
class SealCount:
    """Who sealed a header and who is missing."""

    signed: tuple[Address, ...]
    missing: tuple[Address, ...]


@dataclass(frozen=True, slots=True)
class SealedSource:
    """Named sealers of one chain.

    Args:
        chain_id: of the chain.
        sealers: distinct addresses, at least one.
    """

    chain_id: int
    sealers: tuple[Address, ...]

    def __post_init__(self) -> None:
        if not 0 < len(self.sealers) <= MAX_SEALERS or len(set(self.sealers)) != len(self.sealers):
            raise MalformedInput("headers.sealers", f"1 to {MAX_SEALERS} distinct sealers are needed")

    def verify(self, header: Header, signatures: Sequence[bytes]) -> SealCount:
        """Who sealed ``header``.

        Args:
            header: the header that is said to be final.
            signatures: 65 bytes each; strangers' signatures are refused, not skipped.

        Raises:
            EvidenceRefused: a bad or foreign signature, or not more than two thirds of the sealers.
        """
        if len(signatures) > MAX_SEALERS:
            raise MalformedInput("headers.seals", f"{len(signatures)} seals, the limit is {MAX_SEALERS}")
        digest = seal_digest(self.chain_id, header.number, header.hash)
        signed = {recover_address(digest, signature) for signature in signatures}
        if foreign := signed - set(self.sealers):
            raise EvidenceRefused(
                "headers.foreign_seal",
                f"block {header.number} carries a seal of 0x{min(foreign).hex()}, who is no sealer of this network",
                "the seal is for another chain, number or hash, or by a stranger",
            )
        count = SealCount(
            tuple(sealer for sealer in self.sealers if sealer in signed),
            tuple(sealer for sealer in self.sealers if sealer not in signed),
        )
        if 3 * len(count.signed) <= 2 * len(self.sealers):
            raise EvidenceRefused(
                "headers.not_final",
                f"block {header.number} has {len(count.signed)} of {len(self.sealers)} seals, more than 2/3 are needed",
                next="wait for more seals, or ask another node",
            )
        return count
